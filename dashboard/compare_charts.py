"""Figures of the Compare page: differences by class, scores picture by picture; see `charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.verdicts import p_text
from dashboard import theme
from dashboard.chart_parts import AXIS, GUIDE, blank, rgba, safe

B_COLOUR = "#d55e00"


def difference_bars(differences: pd.DataFrame, label_a: str, label_b: str) -> go.Figure:
    """A minus B by class, sorted, with paired intervals as whiskers; faint where it is open.

    Columns class_name, a, b, difference, low, high (NaN without an interval), p_corrected,
    verdict.
    """
    frame = differences.sort_values("difference").reset_index(drop=True)
    figure = blank("", "")
    better = [theme.TOKENS["accent"][0] if d >= 0 else B_COLOUR for d in frame["difference"]]
    open_ = ~frame["verdict"].isin(["a", "b"])
    words = [_tested(row) for _, row in frame.iterrows()]
    figure.add_bar(
        y=[str(name).replace("_", " ") for name in frame["class_name"]], x=frame["difference"],
        orientation="h",
        marker={
            "color": [rgba(c, 0.35 if o else 0.9) for c, o in zip(better, open_, strict=True)]
        },
        error_x={
            "type": "data", "array": frame["high"] - frame["difference"],
            "arrayminus": frame["difference"] - frame["low"], "thickness": 1.5, "width": 4,
            "color": GUIDE,
        },
        customdata=np.stack([frame["a"], frame["b"], np.asarray(words, object)], axis=1),
        hovertemplate=f"<b>%{{y}}</b><br>{safe(label_a)} %{{customdata[0]:.3f}}<br>"
        f"{safe(label_b)} %{{customdata[1]:.3f}}<br>"
        "difference %{x:+.3f}%{customdata[2]}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": AXIS, "width": 1})
    figure.add_annotation(x=0, y=1, xref="x", yref="paper", text=f"{safe(label_b)} better  ",
                          showarrow=False, xanchor="right", yanchor="bottom")  # fmt: skip
    figure.add_annotation(x=0, y=1, xref="x", yref="paper", text=f"  {safe(label_a)} better",
                          showarrow=False, xanchor="left", yanchor="bottom")  # fmt: skip
    ends = np.abs(frame[["difference", "low", "high"]].to_numpy(float))
    reach = float(np.nanmax(ends, initial=0))
    reach = max(reach * 1.12, 0.02)
    figure.update_xaxes(range=[-reach, reach], tickformat="+.2f")
    figure.update_yaxes(showgrid=False, automargin=True)
    return figure.update_layout(
        height=max(180, 84 + 34 * len(frame)), showlegend=False, margin_t=30, bargap=0.45
    )


def _tested(row: pd.Series) -> str:
    """Interval and corrected p of a bar, for its hover text."""
    if pd.isna(row["low"]) or pd.isna(row["high"]) or pd.isna(row["p_corrected"]):
        return "<br>not tested"
    said = f"<br>95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    said += f"<br>corrected p {safe(p_text(float(row['p_corrected'])))}"
    return said + ("<br>cannot be told apart" if row["verdict"] == "open" else "")


BENT_TICKS = (-1000, -300, -100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True, slots=True)
class Corner:
    """What stands in a corner of the scatter plot: right or left, top or bottom, and its words."""

    right: bool
    top: bool
    text: str


def scatter_cases(
    cases: pd.DataFrame,
    label_a: str,
    label_b: str,
    threshold_a: float | None = None,
    threshold_b: float | None = None,
    *,
    unit: str = "score",
    bent: bool = False,
    names: tuple[str, str] = ("normal", "anomalous"),
    corners: Sequence[Corner] = (),
) -> go.Figure:
    """Scores of A against scores of B, one mark a case, by truth; thresholds as lines.

    Args:
        cases: columns key, label (0 normal, 1 anomalous), anomaly_type, score_a, score_b.
        unit: what the axes show ("score").
        bent: compress both ends (inverse hyperbolic sine), so that all of it can be seen.
        names: what normal and anomalous cases are called.
        corners: words for the four parts that the thresholds make.
    """
    figure = blank(f"{safe(label_a)}: {safe(unit)}", f"{safe(label_b)}: {safe(unit)}")
    bend: Any = np.arcsinh if bent else np.asarray
    places = cases.reset_index(drop=True)
    many = len(cases) > 3000
    for truth, name, colour, symbol in (
        (0, names[0], theme.NORMAL, "circle-open"), (1, names[1], theme.ANOMALOUS, "diamond"),
    ):  # fmt: skip
        mine = places[places["label"] == truth]
        told = mine[["key", "anomaly_type"]].map(safe).to_numpy()
        values = mine[["score_a", "score_b"]].to_numpy(float)
        draw = figure.add_scattergl if many else figure.add_scatter
        draw(
            x=bend(values[:, 0]), y=bend(values[:, 1]), mode="markers", name=name,
            marker={"color": rgba(colour, 0.8), "size": 7, "symbol": symbol,
                    "line": {"color": colour, "width": 1}},
            customdata=np.concatenate([told, values, mine.index.to_numpy()[:, None]], axis=1),
            hovertemplate=f"<b>%{{customdata[0]}}</b><br>%{{customdata[1]}}<br>{safe(label_a)} "
            f"%{{customdata[2]:.4g}}<br>{safe(label_b)} %{{customdata[3]:.4g}}<extra></extra>",
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.35}},
        )  # fmt: skip
    line = {"color": GUIDE, "width": 1.2, "dash": "dash"}
    if threshold_a is not None:
        figure.add_vline(x=float(bend(threshold_a)), line=line)
    if threshold_b is not None:
        figure.add_hline(y=float(bend(threshold_b)), line=line)
    for corner in corners:
        figure.add_annotation(
            x=0.995 if corner.right else 0.005, y=0.99 if corner.top else 0.01, xref="paper",
            yref="paper", xanchor="right" if corner.right else "left", showarrow=False,
            yanchor="top" if corner.top else "bottom", text=safe(corner.text).replace("\n", "<br>"),
            align="right" if corner.right else "left", font={"size": 12}, opacity=0.9,
        )  # fmt: skip
    if corners and len(places):
        values = bend(places["score_b"].to_numpy(float))
        low, high = (float(end(values, initial=0.0)) for end in (np.nanmin, np.nanmax))
        room = 0.14 * max(high - low, 0.1)  # for the words
        figure.update_yaxes(range=[low - room, high + room])
    if bent:
        ticks = {"tickvals": list(np.arcsinh(BENT_TICKS)), "ticktext": list(map(str, BENT_TICKS))}
        figure.update_xaxes(**ticks).update_yaxes(**ticks)
    return figure.update_layout(showlegend=True, height=430 if corners else 360)


def blend_lines(
    weights: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    a: tuple[str, str],
    b: tuple[str, str],
    best: tuple[float, float] | None,
    ranks: float | None,
    title: str,
) -> go.Figure:
    """A metric over the share of A in the blend: B alone at the left, A alone at the right.

    Args:
        weights: shares of A.
        curves: {name: values}, the first drawn strongly.
        a, b: label and method of either run; their ends are marked in the methods' colours.
        best: share and value of the best blend, an oracle.
        ranks: value of the averaged ranks, a level.
        title: of the metric.
    """
    figure = blank("share of A in the blend", title)
    for i, (name, values) in enumerate(curves.items()):
        figure.add_scatter(
            x=list(weights), y=list(values), mode="lines", name=safe(name), showlegend=False,
            line={"color": rgba(theme.TOKENS["accent"][0], 1.0) if i == 0 else rgba("#7b8794", 0.5),
                  "width": 2.4 if i == 0 else 1.1, "dash": "solid" if i == 0 else "dot"},
            hovertemplate=f"<b>{safe(name)}</b><br>%{{x:.0%}} A<br>%{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    strongest = list(next(iter(curves.values())))
    for letter, (label, method), x, y, side in (
        ("A", a, 1.0, strongest[-1], "right"), ("B", b, 0.0, strongest[0], "left"),
    ):  # fmt: skip
        figure.add_scatter(
            x=[x], y=[y], mode="markers", showlegend=False,
            marker={"color": theme.method_colour(method), "size": 12,
                    "symbol": "square" if letter == "A" else "circle"},
            hovertemplate=f"{letter}: {safe(label)} alone<br>%{{y:.3f}}<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=x, y=y, text=f"{letter}: {safe(label)}", showarrow=False, xanchor=side, yshift=-18,
        )  # fmt: skip
    if best is not None:
        figure.add_scatter(
            x=[best[0]], y=[best[1]], mode="markers", showlegend=False,
            marker={"symbol": "star", "size": 13, "color": theme.TOKENS["accent"][0]},
            hovertemplate="best blend (oracle)<br>%{x:.0%} A<br>%{y:.3f}<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=best[0], y=best[1], text="oracle ceiling", showarrow=False, yshift=16,
        )  # fmt: skip
    if ranks is not None:
        figure.add_hline(y=ranks, line={"color": GUIDE, "width": 1.2, "dash": "dot"})
        figure.add_annotation(
            x=0.5, y=ranks, text="ranks averaged, nothing chosen", showarrow=False, yshift=-11,
        )  # fmt: skip
    figure.update_xaxes(
        range=[-0.02, 1.02], tickvals=[0, 0.25, 0.5, 0.75, 1],
        ticktext=["B alone", "25 %", "half", "75 %", "A alone"],
    )  # fmt: skip
    return figure.update_yaxes(tickformat=".2f").update_layout(showlegend=False, height=380)
