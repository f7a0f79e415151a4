"""Figures of a data set's distributions: pure functions from frames to plotly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from core.metrics.bins import counted
from dashboard import theme
from dashboard.chart_parts import AXIS, LINES, blank, rgba, safe

MOST_TYPES = 30
MOST_LINES = 8
HEAT = [[0.0, rgba("#1b93aa", 0)], [0.5, rgba("#1b93aa", 0.7)], [1.0, "#e69f00"]]
"""Nothing, some, most."""
KINDS = {
    "training": theme.SPARE[0] if theme.SPARE else "#1b93aa",
    "normal, tested": theme.NORMAL,
    "anomalous": theme.ANOMALOUS,
}


def types(table: pd.DataFrame) -> go.Figure:
    """Images of every kind of flaw, as bars; columns class_name, anomaly_type of anomalous ones."""
    counts = (
        table.groupby(["class_name", "anomaly_type"], observed=True).size().reset_index(name="n")
    ).sort_values("n", ascending=False)
    several = counts["class_name"].nunique() > 1
    counts = counts.head(MOST_TYPES).iloc[::-1]
    names = [
        safe((f"{c}: {t}" if several else str(t)).replace("_", " "))
        for c, t in zip(counts["class_name"], counts["anomaly_type"], strict=True)
    ]
    figure = blank("images", "")
    figure.add_bar(
        x=counts["n"], y=names, orientation="h", marker_color=theme.ANOMALOUS, text=counts["n"],
        textposition="outside", cliponaxis=False,
        hovertemplate="%{x:,} images with %{y}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=max(160, 60 + 24 * len(names)), bargap=0.35, margin_r=40)
    return figure.update_yaxes(gridcolor="rgba(0,0,0,0)")


def areas(areas: npt.NDArray[np.int64], names: Sequence[str]) -> go.Figure:
    """Regions by their area in pixels, on a logarithmic scale; a line for each name.

    Args:
        names: what each region belongs to; more than `MOST_LINES` of them make one line.
    """
    figure = blank("area of a region, px", "regions")
    told = pd.Series(list(names), dtype="str")
    lines = list(told.value_counts().index)
    if len(lines) > MOST_LINES:
        told, lines = pd.Series(["all"] * len(told), dtype="str"), ["all"]
    top = np.log10(max(2, int(areas.max(initial=1))))
    edges = np.linspace(0, np.ceil(top * 4) / 4, 1 + int(np.ceil(top * 4)))
    for i, name in enumerate(lines):
        counts = counted(np.log10(np.maximum(areas[told == name], 1)), edges)
        low, high = 10 ** edges[:-1], 10 ** edges[1:]
        figure.add_scatter(
            x=np.sqrt(low * high), y=counts, name=safe(name.replace("_", " ")), mode="lines",
            line_shape="hvh", line={"color": LINES[i % len(LINES)], "width": 1.6},
            customdata=np.stack([low, high], axis=1),
            hovertemplate=f"%{{y:,}} regions of {safe(name.replace('_', ' '))}<br>of "
            "%{customdata[0]:,.0f} to %{customdata[1]:,.0f} px<extra></extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=len(lines) > 1, margin_t=34)
    figure.update_yaxes(rangemode="tozero")
    return figure.update_xaxes(type="log", dtick=1)


def sizes(table: pd.DataFrame) -> go.Figure:
    """Widths and heights of images, a mark for each size, larger where more have it."""
    known = table[table["width"] > 0]
    counts = known.groupby(["class_name", "width", "height"], observed=True).size().reset_index(
        name="n"
    )  # fmt: skip
    figure = blank("width, px", "height, px")
    groups = list(counts.groupby("class_name", observed=True))
    if len(groups) > MOST_LINES:
        groups = [("all", counts.groupby(["width", "height"])["n"].sum().reset_index())]
    most = max(1, int(counts["n"].max())) if len(counts) else 1
    for i, (name, mine) in enumerate(groups):
        label = safe(str(name).replace("_", " "))
        colour = LINES[i % len(LINES)]
        figure.add_scatter(
            x=mine["width"], y=mine["height"], mode="markers", name=label, customdata=mine["n"],
            marker={"size": 6 + 18 * np.sqrt(mine["n"] / most), "color": rgba(colour, 0.55),
                    "line": {"color": colour, "width": 1}},
            hovertemplate=f"%{{customdata:,}} images of {label}<br>%{{x:,}} × %{{y:,}} px"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=len(groups) > 1, margin_t=34)
    return figure.update_xaxes(rangemode="tozero").update_yaxes(rangemode="tozero")


def brightness(table: pd.DataFrame) -> go.Figure:
    """Shares of images by mean brightness: training, normal tested, anomalous."""
    tested = table["split"] == "test"
    parts = {
        "training": table[~tested], "normal, tested": table[tested & (table["label"] == 0)],
        "anomalous": table[table["label"] == 1],
    }  # fmt: skip
    figure = blank("mean brightness", "share of images")
    edges = np.linspace(0, 1, 26)
    for name, mine in parts.items():
        values = mine["brightness"].dropna().to_numpy(dtype=float)
        if not len(values):
            continue
        counts = counted(values, edges)
        figure.add_scatter(
            x=(edges[:-1] + edges[1:]) / 2, y=counts / len(values), name=name, mode="lines",
            line_shape="hvh", line={"color": KINDS[name], "width": 1.6},
            hovertemplate=f"%{{y:.1%}} of the {name} images<br>around brightness %{{x:.0%}}"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=True, margin_t=34)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure.update_xaxes(tickformat=".0%", range=[0, 1])


def positions(heat_HW: npt.NDArray[np.float32]) -> go.Figure:
    """Where the flaws of a class lie: the share of its masks that mark each place."""
    figure = blank("", "")
    figure.add_heatmap(
        z=np.round(heat_HW, 4), colorscale=HEAT, zmin=0, zmax=max(float(heat_HW.max()), 1e-6),
        hovertemplate="%{z:.1%} of the masks mark this place<extra></extra>",
        colorbar={"thickness": 8, "len": 0.9, "tickformat": ".0%", "outlinewidth": 0, "nticks": 4},
    )  # fmt: skip
    ends = [-0.5, len(heat_HW) - 0.5]
    hidden = {"showticklabels": False, "showgrid": False, "title": None, "constrain": "domain"}
    figure.update_xaxes(range=ends, **hidden)
    figure.update_yaxes(range=ends[::-1], scaleanchor="x", **hidden)
    edge = {"color": AXIS, "width": 1}
    figure.add_shape(type="rect", x0=ends[0], x1=ends[1], y0=ends[0], y1=ends[1], line=edge)
    return figure.update_layout(height=190, margin={"l": 2, "r": 2, "t": 2, "b": 2})
