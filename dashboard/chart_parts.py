"""What all charts share: the empty figure, colours, and which points make one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import theme

GRID = "rgba(128,140,152,0.22)"
AXIS = "rgba(128,140,152,0.55)"
GUIDE = "rgba(128,140,152,0.8)"
HEIGHT = 320
LINES = ("#1b93aa", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4fa3")
DASHES = ("solid", "dash", "dot", "dashdot")


def blank(x: str, y: str) -> go.Figure:
    axis = {"gridcolor": GRID, "linecolor": AXIS, "zeroline": False, "ticks": "", "showline": False}
    return go.Figure(
        layout={
            "height": HEIGHT,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": theme.FONT, "size": 12.5},
            "margin": {"l": 8, "r": 12, "t": 14, "b": 8},
            "hoverlabel": {"font": {"family": theme.FONT, "size": 12.5}, "align": "left"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": ""},
            "xaxis": axis | {"title": {"text": x, "standoff": 8}, "automargin": True},
            "yaxis": axis | {"title": {"text": y, "standoff": 8}, "automargin": True},
            "hovermode": "closest",
        }
    )


def split(curves: pd.DataFrame) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """One frame a line, with what tells it apart."""
    keys = [key for key in ("run_id", "class_name", "method", "label") if key in curves]
    varying = [key for key in keys if curves[key].nunique() > 1]
    fixed = {key: str(curves[key].iloc[0]) for key in keys if len(curves)}
    if not varying:
        return [(fixed if "label" in fixed else {**fixed, "class_name": ""}, curves)]
    found = []
    for names, points in curves.groupby(varying, sort=False):
        told = dict(zip(varying, map(str, names), strict=True))
        if "method" in fixed:
            told.setdefault("method", str(points["method"].iloc[0]))
        found.append((told, points))
    return found


def line_label(names: Mapping[str, str], labels: Mapping[str, str] | None) -> str:
    parts = [
        (labels or {}).get(names[key], names[key])
        for key in ("label", "run_id", "class_name")
        if names.get(key) and not (key == "run_id" and not (labels or {}).get(names[key]))
    ]
    return ", ".join(dict.fromkeys(part.replace("_", " ") for part in parts))


def line_colour(names: Mapping[str, str], i: int) -> str:
    return theme.method_colour(names["method"]) if names.get("method") else LINES[i % len(LINES)]


def safe(text: object) -> str:
    """Text that plotly shows as it is: its own small HTML is switched off."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def label_sides(speed_N: Any, value_N: Any) -> list[str]:
    """ "left" or "right" of each mark: towards the middle, but away from a close neighbour."""
    speed = np.log(np.asarray(speed_N, float))
    x, y = (_unit(axis) for axis in (speed, np.asarray(value_N, float)))
    sides = ["right" if at < 0.51 else "left" for at in x]
    for i in range(len(x)):
        near = (np.abs(x - x[i]) < 0.3) & (np.abs(y - y[i]) < 0.08)
        near[i] = False
        if near.any():
            others = x[near].mean()
            left = x[i] < others or (x[i] == others and i < int(np.flatnonzero(near)[0]))
            sides[i] = "left" if left else "right"
    return sides


def _unit(values_N: Any) -> Any:
    """Values moved and scaled to 0..1; 0.5 when they are all equal."""
    if not len(values_N):
        return values_N
    low, high = values_N.min(), values_N.max()
    return (values_N - low) / (high - low) if high > low else np.full(len(values_N), 0.5)


def pareto(speed_N: Any, value_N: Any) -> list[int]:
    """Positions of points that no other beats in one respect without losing in the other.

    By rising speed; of equal points the first stays.
    """
    speed, value = np.asarray(speed_N, float), np.asarray(value_N, float)
    best, kept = -np.inf, []
    for i in np.lexsort((np.arange(len(speed)), -value, -speed)):
        if value[i] > best:
            best = value[i]
            kept.append(int(i))
    return kept[::-1]
