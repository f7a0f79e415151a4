"""Figures of the Leaderboard: accuracy against its cost, and the critical-difference diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard import theme
from dashboard.chart_parts import AXIS, GUIDE, blank, pareto, rgba, safe

MOST_INTERVALS = 8
"""With more entries intervals show on hover alone."""
PLOT = (330.0, 240.0)
"""How large the figure is inside its axes, pixels; wider ones only have more room."""
WIDE = 5.0
"""Costs this many times apart stand on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What accuracy is held against.

    Attributes:
        column: of the entries.
        axis: title of the axis; the unit belongs into it.
        words: what a point says, "{}" being the figure.
        unit: how many of the column's own make one of the axis.
        more_is_better: speed; memory and time cost.
    """

    column: str
    choice: str
    axis: str
    words: str
    unit: float = 1.0
    more_is_better: bool = False


COSTS = {
    "speed": Cost("images_per_second", "images a second", "images a second", "{} images a second",
                  more_is_better=True),
    "memory": Cost("peak_memory_bytes", "memory", "peak memory, GB", "{} GB at the peak", 1e9),
    "training": Cost("train_seconds", "training time", "training time, minutes",
                     "trained in {} minutes", 60.0),
}  # fmt: skip


def accuracy_cost(frame: pd.DataFrame, title: str, cost: Cost = COSTS["speed"]) -> go.Figure:
    """Quality against a cost, with the front that no entry beats in both (dashed).

    Names stand where they cover nothing; the others show on hover.

    Args:
        frame: method, label, cost, value; optionally low, high; see `boards.cost_frame`.
        title: of the quality.
    """
    figure = blank(cost.axis, title)
    if frame.empty:
        return figure
    at = frame["cost"].to_numpy(float) / cost.unit
    value = frame["value"].to_numpy(float)
    front = pareto(at if cost.more_is_better else -at, value)
    if len(front) > 1:
        order = sorted(front, key=lambda i: at[i])
        figure.add_scatter(
            x=at[order], y=value[order], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": GUIDE, "dash": "dash", "width": 1.2},
        )  # fmt: skip
    spread = "low" in frame and "high" in frame
    few = len(frame) <= MOST_INTERVALS
    x01_N = _cost_axis(figure, at)
    ends = frame[["value", *(["low", "high"] if spread and few else [])]].to_numpy(float)
    bottom, top = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = max(0.01, 0.16 * (top - bottom))
    bottom, top = bottom - margin, top + margin
    figure.update_yaxes(range=[bottom, top])
    names = [safe(label).replace(" (", "<br>(", 1) for label in frame["label"]]
    first = [*front, *(i for i in np.argsort(-value) if i not in front)]
    sides = name_sides(x01_N, (value - bottom) / (top - bottom), names, [int(i) for i in first])
    for i, row in enumerate(frame.to_dict("records")):
        colour = theme.method_colour(str(row["method"]))
        known = spread and not (pd.isna(row["low"]) or pd.isna(row["high"]))
        interval = f" ({row['low']:.3f} to {row['high']:.3f})" if known else ""
        best = "<br>no other is better in both" if i in front and len(frame) > 1 else ""
        figure.add_scatter(
            x=[at[i]], y=[value[i]], mode="markers+text" if sides[i] else "markers",
            marker={"color": colour, "size": 13 if i in front else 10}, name=safe(row["label"]),
            text=[names[i]] if sides[i] else None, textposition=sides[i] or None,
            cliponaxis=False, textfont={"size": 12},
            error_y={
                "type": "data", "array": [row["high"] - value[i]],
                "arrayminus": [value[i] - row["low"]], "thickness": 1.2, "width": 4,
                "color": rgba(colour, 0.5),
            } if known and few else None,
            hovertemplate=f"<b>{safe(row['label'])}</b><br>{safe(title)} {value[i]:.3f}{interval}"
            f"<br>{cost.words.format(_figure(at[i]))}{best}<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(showlegend=False)


def name_sides(
    x01_N: np.ndarray, y01_N: np.ndarray, names: Sequence[str], order: Sequence[int]
) -> list[str]:
    """Where each name stands beside its mark so that none covers another: "middle right", ...

    Args:
        x01_N, y01_N: places of the marks, 0 to 1 of the figure.
        names: HTML; lines end with <br>.
        order: who chooses first.

    Returns:
        "" for a name that finds no place.
    """
    x, y = x01_N * PLOT[0], y01_N * PLOT[1]
    marks = [(x[i] - 7, y[i] - 7, x[i] + 7, y[i] + 7) for i in range(len(names))]
    taken: list[tuple[float, float, float, float]] = []
    sides = [""] * len(names)
    for i in order:
        lines = names[i].split("<br>")
        wide, high = 6.4 * max(map(len, lines)) + 4, 15.0 * len(lines)
        for side, left, below in (
            ("middle right", x[i] + 9, y[i] - high / 2), ("middle left", x[i] - 9 - wide,
            y[i] - high / 2), ("top center", x[i] - wide / 2, y[i] + 8),
            ("bottom center", x[i] - wide / 2, y[i] - 8 - high),
        ):  # fmt: skip
            box = (left, below, left + wide, below + high)
            others = [*taken, *(mark for j, mark in enumerate(marks) if j != i)]
            inside = box[0] >= 0 and box[2] <= PLOT[0] and box[1] >= 0 and box[3] <= PLOT[1]
            if inside and not any(_meet(box, other) for other in others):
                taken.append(box)
                sides[i] = side
                break
    return sides


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cost_axis(figure: go.Figure, at: np.ndarray) -> np.ndarray:
    """Set the axis, logarithmic where the costs are far apart; places of the marks on it, 0..1."""
    positive = at[at > 0]
    if len(positive) < len(at) or positive.max() / positive.min() < WIDE:
        room = 0.3 * (at.max() - at.min()) or 0.5 * abs(at.max()) or 1.0
        start, end = max(0.0, at.min() - room), at.max() + room
        figure.update_xaxes(range=[start, end], tickformat="~g")
        return np.asarray((at - start) / (end - start))
    low, high = np.log10(positive.min()), np.log10(positive.max())
    room = 0.25 * (high - low)
    shown: list[float] = []
    for digits in ((1, 2, 5), (1, 2, 3, 4, 5, 6, 8)):  # the finer ones where few would show
        steps = [a * 10.0**k for k in range(-4, 7) for a in digits]
        shown = [step for step in steps if low - room <= np.log10(step) <= high + room]
        if len(shown) > 2:
            break
    figure.update_xaxes(
        type="log", range=[low - room, high + room], tickvals=shown,
        ticktext=[f"{step:,g}" for step in shown],
    )  # fmt: skip
    return np.asarray((np.log10(at) - low + room) / (high - low + 2 * room))


ROW, LINE = 24, 14
"""Pixels between two names of the diagram, and for a second line of one."""
NARROW = 330
"""Pixels of the narrowest diagram whose names still fit."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One method of a critical-difference diagram; `low`, `high`: 95 % of its mean rank."""

    method: str
    label: str
    rank: float
    low: float | None = None
    high: float | None = None


def critical_difference(
    marks: Sequence[Mark], critical: float | None, groups: Sequence[Sequence[int]]
) -> go.Figure:
    """Mean ranks on a line, the best at the left; bars join methods that cannot be told apart.

    After Demsar (JMLR 7, 2006, figure 1): names hang from the line at both sides, nearer ranks
    nearer to it.

    Args:
        marks: in any order.
        critical: Nemenyi's critical difference, drawn as a scale; None: not tested.
        groups: positions in `marks` of each bar.
    """
    count = len(marks)
    order = sorted(range(count), key=lambda i: marks[i].rank)
    left = order[: math.ceil(count / 2)]
    right = order[math.ceil(count / 2) :][::-1]
    bars = len(groups)
    names = [_lines(mark.label) for mark in marks]
    row = ROW + LINE * max((name.count("<br>") for name in names), default=0)
    pixels = 40 + 13 * bars + 12 + row * len(left) + 8
    figure = blank("", "")
    figure.update_layout(height=pixels, margin={"l": 6, "r": 6, "t": 4, "b": 4}, showlegend=False,
                         hovermode="closest")  # fmt: skip
    span = max(1.0, count - 1.0)
    longest = max((len(line) for name in names for line in name.split("<br>")), default=0)
    share = min(0.36, (6.4 * longest + 50) / NARROW)
    reach = share / (1 - 2 * share) * span
    figure.update_xaxes(visible=False, range=[1 - reach, 1 + span + reach], fixedrange=True)
    figure.update_yaxes(visible=False, range=[pixels - 40, -40], fixedrange=True)
    _scale(figure, count, critical)
    for number, group in enumerate(groups):
        ends = [marks[i].rank for i in group]
        level = ", ".join(safe(marks[i].label) for i in sorted(group, key=lambda i: marks[i].rank))
        y = 13 * (number + 1)
        nudge = 0.012 * span
        figure.add_scatter(
            x=[min(ends) - nudge, max(ends) + nudge], y=[y, y], mode="lines",
            line={"color": GUIDE, "width": 5}, hovertemplate=f"cannot be told apart: {level}"
            "<extra></extra>",
        )  # fmt: skip
    first = 13 * bars + 24
    for side, members in (("left", left), ("right", right)):
        for place, i in enumerate(members):
            _hang(figure, marks[i], names[i], first + row * place, side, span)
    return figure


def _lines(label: str) -> str:
    """A name in lines: what it is called, then what tells it apart."""
    name, _, rest = safe(label).partition(" (")
    if not rest:
        return name
    return f"{name}<br>({rest.replace(', ', ',<br>') if len(rest) > 16 else rest}"


def _scale(figure: go.Figure, count: int, critical: float | None) -> None:
    """The line of ranks with its ticks, and the critical difference above it."""
    figure.add_shape(type="line", x0=1, x1=max(2, count), y0=0, y1=0,
                     line={"color": AXIS, "width": 1.5})  # fmt: skip
    step = 1 if count <= 12 else 2 if count <= 24 else 5
    for rank in range(1, max(2, count) + 1, step):
        figure.add_shape(type="line", x0=rank, x1=rank, y0=-5, y1=0,
                         line={"color": AXIS, "width": 1.5})  # fmt: skip
        figure.add_annotation(x=rank, y=-6, text=str(rank), showarrow=False, yanchor="bottom",
                              font={"size": 12})  # fmt: skip
    if critical is not None:
        end = min(1 + critical, count + 0.5 * count)
        figure.add_shape(type="line", x0=1, x1=end, y0=-27, y1=-27,
                         line={"color": GUIDE, "width": 2})  # fmt: skip
        for x in (1, end):
            figure.add_shape(type="line", x0=x, x1=x, y0=-30, y1=-24,
                             line={"color": GUIDE, "width": 2})  # fmt: skip
        figure.add_annotation(
            x=end, y=-27, xanchor="left", xshift=6, showarrow=False, font={"size": 12},
            text=f"critical difference {critical:.2f}",
        )  # fmt: skip


def _hang(figure: go.Figure, mark: Mark, name: str, y: float, side: str, span: float) -> None:
    """One method: a line from its rank down and out to its name."""
    colour = theme.method_colour(mark.method)
    out = 1 - 0.06 * span if side == "left" else 1 + 1.06 * span
    interval = ""
    if mark.low is not None and mark.high is not None:
        interval = f"<br>{mark.low:.2f} to {mark.high:.2f} when the blocks are drawn anew"
    figure.add_scatter(
        x=[mark.rank, mark.rank, out], y=[0, y, y], mode="lines", hoverinfo="skip",
        line={"color": colour, "width": 1.6},
    )  # fmt: skip
    figure.add_scatter(
        x=[mark.rank], y=[0], mode="markers", marker={"color": colour, "size": 10},
        hovertemplate=f"<b>{safe(mark.label)}</b><br>mean rank {mark.rank:.2f}{interval}"
        "<extra></extra>",
    )  # fmt: skip
    first, *more = name.split("<br>")
    value = f"<b>{mark.rank:.2f}</b>"
    text = "<br>".join([f"{first} {value}" if side == "left" else f"{value} {first}", *more])
    figure.add_annotation(
        x=out, y=y, text=text, showarrow=False, xanchor="right" if side == "left" else "left",
        align="right" if side == "left" else "left",
        xshift=-5 if side == "left" else 5, font={"size": 12.5},
    )  # fmt: skip
