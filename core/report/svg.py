"""Small figures as inline SVG: bars with intervals, histograms with a threshold, curves.

No script, no font, no outside reference; colours come from the page's style sheet (`currentColor`
and variables), so that they suit a light and a dark page and paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 380
"""Of every figure, in units that are about a pixel in a column of the report and on a telephone."""
MOST = 44
"""Characters of a label that fit above a bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its interval, 0 to 1; None where there is none."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    colour: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """A run by its pace (images a second) and a value with its interval, 0 to 1."""

    label: str
    pace: float
    value: float
    low: float | None
    high: float | None
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """A curve through points in the unit square."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: str = ""


def figure(width: float, height: float, title: str, text: str, body: str) -> str:
    """An accessible SVG that fits its column; `text` says in words what it shows."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title, True)}">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{body}</svg>"
    )


def bars(rows: Sequence[Bar], title: str, chance: float | None = None) -> str:
    """Bars from 0 to 1 with intervals, each under its name; a dashed line at `chance`."""
    left, right, step, top = 4.0, WIDTH - 4.0, 36.0, 4.0
    bottom = top + step * len(rows) + 4

    def x(value: float) -> float:
        return left + (right - left) * min(1.0, max(0.0, value))

    parts = [_axis(x, top, bottom)]
    if chance is not None:
        parts.append(f'<path d="M{x(chance):.1f} {top:g}V{bottom:g}" class="guide"/>')
    for i, row in enumerate(rows):
        y = top + step * i + 25
        parts.append(_text(left, y - 10, _short(row.label), "start"))
        if row.value is None:
            parts.append(_text(right, y - 10, "–", "end", "dim"))
            continue
        parts.append(_text(right, y - 10, f"{row.value:.3f}", "end"))
        parts.append(
            f'<rect x="{left:g}" y="{y - 5:g}" width="{max(1.0, x(row.value) - left):.1f}" '
            f'height="10" rx="3" fill="{row.colour}" fill-opacity="0.6"/>'
        )
        if row.low is not None and row.high is not None:
            parts.append(
                f'<path d="M{x(row.low):.1f} {y - 4:g}v8M{x(row.low):.1f} {y:g}'
                f'H{x(row.high):.1f}m0 -4v8" stroke="currentColor" fill="none"/>'
            )
    told = "; ".join(f"{row.label} {row.value:.3f}" for row in rows if row.value is not None)
    return figure(WIDTH, bottom + 20, title, told, "".join(parts))


def _short(label: str) -> str:
    return label if len(label) <= MOST else f"{label[: MOST - 1].rstrip()}…"


def _axis(x: Callable[[float], float], top: float, bottom: float) -> str:
    return "".join(
        f'<path d="M{x(tick):.1f} {top:g}V{bottom:g}" class="grid"/>'
        + _text(x(tick), bottom + 15, f"{tick:g}", anchor, "dim")
        for tick, anchor in ((0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"),
                             (1, "end"))
    )  # fmt: skip


def histogram(
    normal: Sequence[tuple[float, float]],
    anomalous: Sequence[tuple[float, float]],
    threshold: float | None,
    title: str,
    words: tuple[str, str],
    colours: tuple[str, str],
) -> str:
    """Counts of normal scores above the line and of anomalous ones below it.

    Args:
        normal, anomalous: (middle of the bin, count), rising.
        words: what the two kinds are called.
    """
    height, left, right, middle = 200.0, 8.0, WIDTH - 8.0, 98.0
    scores = [value for value, _ in [*normal, *anomalous]]
    scores += [] if threshold is None else [threshold]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    span = (high - low) or 1.0
    tallest = max([count for _, count in [*normal, *anomalous]], default=1.0) or 1.0

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / span

    parts = [f'<path d="M{left:g} {middle:g}H{right:g}" class="axis"/>']
    for points, colour, way in ((normal, colours[0], -1), (anomalous, colours[1], 1)):
        wide = _bin(points) / span * (right - left)
        for value, count in points:
            tall = 70 * count / tallest
            y = middle - tall if way < 0 else middle
            parts.append(
                f'<rect x="{x(value) - wide / 2:.1f}" y="{y:.1f}" width="{max(1, wide - 1):.1f}" '
                f'height="{tall:.1f}" fill="{colour}"/>'
            )
    parts.append(_text(left, 14, f"{words[0]} above the line", "start", "dim"))
    parts.append(_text(left, height - 22, f"{words[1]} below it", "start", "dim"))
    for value in (low, low + span / 2, high):
        anchor = "start" if value == low else "end" if value == high else "middle"
        parts.append(_text(x(value), height - 4, f"{value:.4g}", anchor, "dim"))
    if threshold is not None:
        parts.append(f'<path d="M{x(threshold):.1f} 20V{height - 34:g}" class="cut"/>')
        anchor = "end" if x(threshold) > WIDTH * 0.7 else "start"
        shift = -5 if anchor == "end" else 5
        parts.append(_text(x(threshold) + shift, 30, f"{threshold:.4g}", anchor))
    told = f"Scores from {low:.4g} to {high:.4g}."
    return figure(WIDTH, height, title, told, "".join(parts))


def _bin(points: Sequence[tuple[float, float]]) -> float:
    values = [value for value, _ in points]
    steps = [b - a for a, b in pairwise(values) if b > a]
    return min(steps, default=0.0)


def curves(lines: Sequence[Line], title: str, x_title: str, y_title: str, chance: bool) -> str:
    """Lines in the unit square with a legend; a dashed diagonal where that is chance."""
    left, top = 66.0, 8.0  # room for "100%" beside the title, in the larger type of print, too
    side = WIDTH - left - 14
    key = side + top + 60
    width, height = WIDTH, key + 20 * len(lines)

    def at(x: float, y: float) -> str:
        return f"{left + side * min(1, max(0, x)):.1f} {top + side * (1 - min(1, max(0, y))):.1f}"

    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            f'<path d="M{at(tick, 0)}L{at(tick, 1)}M{at(0, tick)}L{at(1, tick)}" class="grid"/>'
        )
        anchor = "end" if tick == 1 else "middle"
        parts.append(_text(left + side * tick, top + side + 16, f"{tick:.0%}", anchor, "dim"))
        parts.append(_text(left - 6, top + side * (1 - tick) + 4, f"{tick:.0%}", "end", "dim"))
    if chance:
        parts.append(f'<path d="M{at(0, 0)}L{at(1, 1)}" class="guide"/>')
    for i, line in enumerate(lines):
        path = "L".join(at(x, y) for x, y in line.points)
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        pen = f'stroke="{line.colour}"{dash}'
        y = key + 20 * i
        parts.append(f'<path d="M{path}" fill="none" stroke-width="2" {pen}/>')
        parts.append(
            f'<path d="M{left:g} {y - 4:g}h26" stroke-width="2.5" {pen}/>'
            + _text(left + 36, y, _short(line.label), "start")
        )
    parts.append(_text(left + side / 2, top + side + 36, x_title, "middle", "dim"))
    parts.append(
        f'<text transform="translate(12 {top + side / 2:g}) rotate(-90)" text-anchor="middle" '
        f'class="dim">{escape(y_title)}</text>'
    )
    told = f"{y_title} against {x_title}: " + ", ".join(line.label for line in lines)
    return figure(width, height, title, told, "".join(parts))


def speeds(spots: Sequence[Spot], title: str, y_title: str) -> str:
    """Values with intervals over images a second, from 0; every spot carries its name."""
    left, top, right, bottom = 66.0, 12.0, WIDTH - 14, 250.0
    fastest = _round_up(max(spot.pace for spot in spots))
    ends = [end for s in spots for end in (s.low, s.value, s.high) if end is not None]
    low, high = math.floor(10 * min(ends)) / 10, math.ceil(10 * max(ends)) / 10
    high = high if high > low else low + 0.1

    def x(pace: float) -> float:
        return left + (right - left) * pace / fastest

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    parts = []
    for step in range(5):
        value, pace = low + (high - low) * step / 4, fastest * step / 4
        parts.append(f'<path d="M{left:g} {y(value):.1f}H{right:g}" class="grid"/>')
        parts.append(_text(left - 6, y(value) + 4, f"{value:.3g}", "end", "dim"))
        anchor = "end" if step == 4 else "middle"
        parts.append(_text(x(pace), bottom + 17, f"{pace:.3g}", anchor, "dim"))
    taken: list[float] = []
    for spot in sorted(spots, key=lambda one: -one.value):
        at, level = x(spot.pace), y(spot.value)
        if spot.low is not None and spot.high is not None:
            parts.append(
                f'<path d="M{at:.1f} {y(spot.low):.1f}V{y(spot.high):.1f}" '
                f'stroke="{spot.colour}" stroke-width="2" stroke-opacity="0.55"/>'
            )
        parts.append(f'<circle cx="{at:.1f}" cy="{level:.1f}" r="6" fill="{spot.colour}"/>')
        place = level + 4
        while any(abs(place - other) < 15 for other in taken):
            place += 15
        taken.append(place)
        near = [x(s.pace) for s in spots if s is not spot and abs(y(s.value) - level) < 15]
        beyond = at > left + 0.6 * (right - left) or any(at < other < at + 90 for other in near)
        anchor, away = ("end", -11) if beyond else ("start", 11)
        parts.append(_text(at + away, place, _short(spot.label), anchor))
    middle = (left + right) / 2
    parts.append(_text(middle, bottom + 37, "images a second", "middle", "dim"))
    parts.append(
        f'<text transform="translate(10 {(top + bottom) / 2:g}) rotate(-90)" '
        f'text-anchor="middle" class="dim">{escape(y_title)}</text>'
    )
    told = "; ".join(f"{s.label} {s.value:.3f} at {s.pace:.3g} images a second" for s in spots)
    return figure(WIDTH, bottom + 44, title, told, "".join(parts))


def _round_up(value: float) -> float:
    """The next number of one digit and a half at or above a tenth more than `value`."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(
        (step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= 1.1 * value),
        15 * unit,
    )


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(words)}</text>'
