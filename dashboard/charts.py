"""Figures: pure functions from frames to plotly, one look for all.

Backgrounds are transparent and grid lines translucent; the colour of text comes from streamlit's
theme, so that one figure serves light and dark. Lines carry their name at their end where there is
room; colours of methods are those of every other page.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.curves import MOST_MARKS
from dashboard import theme
from dashboard.chart_parts import (
    DASHES,
    GUIDE,
    LINES,
    blank,
    line_colour,
    line_label,
    rgba,
    safe,
    split,
)


def roc(curves: pd.DataFrame, labels: Mapping[str, str] | None = None) -> go.Figure:
    """ROC curves. Columns x (false-alarm rate), y (found rate), threshold; optionally run_id,
    class_name, method, label: one line for each of their combinations."""
    figure = _curves(curves, labels, "share of normals called anomalous", "share found", "found",
                     "false alarms")  # fmt: skip
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": GUIDE, "dash": "dot",
                     "width": 1}, layer="below")  # fmt: skip
    return figure


def pr(curves: pd.DataFrame, labels: Mapping[str, str] | None = None) -> go.Figure:
    """Precision against recall. Columns as for `roc`: x recall, y precision."""
    return _curves(curves, labels, "recall: share found", "precision: alarms that are right",
                   "right alarms", "found")  # fmt: skip


def pro(
    curves: pd.DataFrame, labels: Mapping[str, str] | None = None, limit: float = 0.3
) -> go.Figure:
    """Per-region overlap against the false-alarm rate of pixels, drawn to `limit` (AU-PRO's)."""
    figure = _curves(
        curves, labels, "share of normal pixels called anomalous",
        "mean share of each region found", "of each region", "false alarms",
    )  # fmt: skip
    return figure.update_xaxes(range=[0, limit])


def froc(curves: pd.DataFrame, labels: Mapping[str, str] | None = None) -> go.Figure:
    """Regions found against false marks on a normal image, drawn as far as the curve is kept."""
    figure = _curves(
        curves, labels, "false marks on a normal image, on average", "share of regions found",
        "of the regions found", "false marks an image", ".2f",
    )  # fmt: skip
    return figure.update_xaxes(range=[0, MOST_MARKS], tickformat="g", dtick=1)


def _curves(
    curves: pd.DataFrame, labels: Mapping[str, str] | None, x: str, y: str, y_word: str,
    x_word: str, x_format: str = ".2%",
) -> go.Figure:  # fmt: skip
    figure = blank(x, y)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[0, 1.01], tickformat=".0%")
    lines = split(curves)
    for i, (names, points) in enumerate(lines):
        label = line_label(names, labels)
        colour = line_colour(names, i)
        if "position" in points:
            points = points.sort_values("position")
        at = points["threshold"] if "threshold" in points else pd.Series(np.nan, points.index)
        figure.add_scatter(
            x=points["x"], y=points["y"], mode="lines", name=label,
            line={"color": colour, "width": 2, "dash": DASHES[i // len(LINES) % len(DASHES)]},
            customdata=[_threshold_words(value) for value in at],
            hovertemplate=f"{f'<b>{safe(label)}</b><br>' if label else ''}%{{y:.1%}} {y_word}"
            f"<br>%{{x:{x_format}}} {x_word}%{{customdata}}<extra></extra>",
        )  # fmt: skip
    named = [name for name, _ in lines if line_label(name, labels)]
    figure.update_layout(showlegend=len(named) > 1)
    return figure


def _threshold_words(value: float | None) -> str:
    return "" if value is None or value != value else f"<br>at threshold {value:.4g}"


def score_histogram(
    normal: pd.DataFrame, anomalous: pd.DataFrame, thresholds: Mapping[str, float] | None = None
) -> go.Figure:
    """Image scores of normal and anomalous samples, with thresholds as named lines.

    Args:
        normal, anomalous: x (score) and y (count), as the curves score_hist_*; equal steps of x.
        thresholds: name -> score; "oracle" and "held out" are written as they are.
    """
    figure = blank("image score", "images")
    factor = _bins_to_merge(normal, anomalous)
    for name, frame, colour in (
        ("normal", normal, theme.NORMAL), ("anomalous", anomalous, theme.ANOMALOUS),
    ):  # fmt: skip
        if frame.empty:
            continue
        bars = _merged(frame, factor)
        figure.add_scatter(
            x=bars["x"], y=bars["y"], name=name, mode="lines", line_shape="hvh", fill="tozeroy",
            line={"color": colour, "width": 1.5}, fillcolor=rgba(colour, 0.42),
            hovertemplate=f"%{{y:.0f}} {name}<br>around score %{{x:.4g}}<extra></extra>",
        )  # fmt: skip
    ordered = sorted((thresholds or {}).items(), key=lambda item: item[1])
    for i, (name, at) in enumerate(ordered):
        figure.add_vline(x=at, line={"color": GUIDE, "width": 1.5, "dash": DASHES[i % 4]})
        figure.add_annotation(
            x=at, y=1.0, yref="paper", text=f"{safe(name)} {at:.4g}", showarrow=False,
            xanchor="left", xshift=4, yshift=-14 * i, yanchor="top",
        )  # fmt: skip
    figure.update_layout(showlegend=True, margin_t=34)
    few = max((max(trace.y) for trace in figure.data), default=0) < 6
    return figure.update_yaxes(rangemode="tozero", dtick=1 if few else None)


def _bins_to_merge(normal: pd.DataFrame, anomalous: pd.DataFrame) -> int:
    """How many neighbouring bins make one bar: about two bars a square root of the images."""
    images = sum(float(frame["y"].sum()) for frame in (normal, anomalous) if len(frame))
    bins = max(len(normal), len(anomalous))
    return int(max(1, round(bins / min(40.0, max(8.0, 2 * images**0.5)))))


def _merged(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    """Neighbouring bins joined: centres averaged, counts added."""
    frame = frame.sort_values("x").reset_index(drop=True)
    return frame.groupby(frame.index // factor).agg({"x": "mean", "y": "sum"})


def loss_lines(losses: pd.DataFrame) -> go.Figure:
    """Training losses. Columns epoch, loss (name), value; optionally model (one line each)."""
    figure = blank("epoch", "loss")
    models = losses["model"].nunique() if "model" in losses else 1
    keys = [key for key in ("model", "loss") if key in losses]
    ends = []
    for i, (names, points) in enumerate(losses.groupby(keys, sort=False)):
        found = dict(zip(keys, names if isinstance(names, tuple) else (names,), strict=True))
        parts = [found["model"]] if models > 1 else []
        if losses["loss"].nunique() > 1 or models == 1:
            parts.append(found["loss"])
        label = ", ".join(str(part).replace("_", " ") for part in parts)
        points = points.sort_values("epoch")
        colour = LINES[i % len(LINES)]
        figure.add_scatter(
            x=points["epoch"], y=points["value"], name=label,
            mode="lines+markers" if len(points) < 15 else "lines",
            line={"color": colour, "width": 2, "dash": DASHES[i // len(LINES) % 4]},
            marker={"size": 5},
            hovertemplate=f"<b>{safe(label)}</b> %{{y:.4g}}<br>epoch %{{x}}<extra></extra>",
        )  # fmt: skip
        ends.append((points["epoch"].iloc[-1], points["value"].iloc[-1], label, colour))
    few = len(ends) <= 3
    for x, y, label, colour in ends if few else ():
        figure.add_annotation(x=x, y=y, text=safe(label), showarrow=False, xanchor="left",
                              xshift=6, font_color=colour)  # fmt: skip
    longest = max((len(end[2]) for end in ends), default=0)
    figure.update_layout(showlegend=not few, height=240, margin_r=20 + 7 * longest if few else 12)
    if len(losses) and losses["epoch"].max() - losses["epoch"].min() < 8:
        figure.update_xaxes(dtick=1)
    return figure.update_xaxes(tickformat="d")
