"""docs/metrics.svg: seconds against pixels on logarithmic scales, a line an implementation.

Plain SVG text: it draws its own background, light or dark as the reader's system is, so that it
is legible on any page. Lines carry their names at their ends; ours are thicker.
"""

from __future__ import annotations

import math
from html import escape
from typing import Any

WIDTH, HEIGHT = 900, 510
LEFT, RIGHT, TOP, BOTTOM = 78, 225, 68, 56
GAP = 16
"""Least distance between two names."""
NAMES = {
    "ours-stream": "ours, streamed",
    "ours-exact": "ours, exact",
    "ours-stream-cuda": "ours, streamed, GPU",
    "scikit-learn": "scikit-learn",
    "adeval-50": "adeval, 50 strips",
    "adeval-1000": "adeval, 1000 strips",
    "adeval-cuda-50": "adeval, 50 strips, GPU",
    "adeval-cuda-1000": "adeval, 1000 strips, GPU",
    "torchmetrics": "torchmetrics, exact",
    "torchmetrics-200": "torchmetrics, 200 thresholds",
    "anomalib": "anomalib AU-PRO",
    "direct": "AU-PRO, each value in turn",
}
# Okabe-Ito and steps of it, light | dark; ours wear the accent
COLOURS = {
    "ours-stream": ("#0e7c93", "#4fb3c8"),
    "ours-exact": ("#0e7c93", "#4fb3c8"),
    "ours-stream-cuda": ("#0e7c93", "#4fb3c8"),
    "scikit-learn": ("#b25000", "#f0803c"),
    "adeval-50": ("#0072b2", "#56b4e9"),
    "adeval-1000": ("#0072b2", "#56b4e9"),
    "adeval-cuda-50": ("#00506e", "#9ad0f0"),
    "adeval-cuda-1000": ("#00506e", "#9ad0f0"),
    "torchmetrics": ("#a3487b", "#d991b9"),
    "torchmetrics-200": ("#a3487b", "#d991b9"),
    "anomalib": ("#00795a", "#22b98b"),
    "direct": ("#5b6673", "#98a3b0"),
}
DASHED = ("ours-exact", "adeval-1000", "adeval-cuda-1000", "torchmetrics-200")


def svg(rows: list[dict[str, Any]], note: str) -> str:
    """The picture of all rows that have seconds; rows need implementation, pixels, seconds.

    Args:
        note: one line under the title, such as the machine.
    """
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if "seconds" in row:
            point = (float(row["pixels"]), max(float(row["seconds"]), 1e-6))
            lines.setdefault(row["implementation"], []).append(point)
    points = [point for line in lines.values() for point in line]
    if not points:
        raise ValueError("no row has seconds to draw")
    across = _Scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    body = [*_frame(across, up)]
    ends = {}
    for id, line in lines.items():
        places = [(across(x), up(y)) for x, y in sorted(line)]
        body += _line(id, places)
        ends[id] = places[-1]
    body += _labels(ends)
    return "\n".join([*_head(lines, note), *body, "</svg>"]) + "\n"


class _Scale:
    """Logarithmic, from whole decades below the lowest to above the highest value."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)

    @property
    def decades(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _head(lines: dict[str, list[tuple[float, float]]], note: str) -> list[str]:
    def style(place: int, page: str, text: str, dim: str, grid: str) -> str:
        rules = [
            f".page{{fill:{page}}} .text{{fill:{text}}} .dim{{fill:{dim}}} .grid{{stroke:{grid}}}"
        ]
        for id in lines:
            colour = COLOURS[id][place]
            rules.append(f".{id}{{stroke:{colour}}} .{id}-fill{{fill:{colour}}}")
        return " ".join(rules)

    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        'font-family="Inter, system-ui, sans-serif" font-size="12.5">',
        "<title>Seconds against pixels for each implementation</title>",
        f"<style>{style(0, '#ffffff', '#1a2129', '#5b6673', '#e2e6ea')} "
        f"@media (prefers-color-scheme: dark) "
        f"{{{style(1, '#161b21', '#e6eaee', '#98a3b0', '#262d36')}}}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
        f'<text class="text" x="{LEFT}" y="28" font-size="16" font-weight="600">'
        "Pixel metrics: seconds against pixels</text>",
        f'<text class="dim" x="{LEFT}" y="48">{escape(note)}</text>',
    ]


def _frame(across: _Scale, up: _Scale) -> list[str]:
    made = []
    for value in across.decades:
        x = across(value)
        made.append(
            f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        )
        made.append(f'<text class="dim" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" '
                    f'text-anchor="middle">{_short(value)}</text>')  # fmt: skip
    for value in up.decades:
        y = up(value)
        made.append(
            f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        )
        made.append(f'<text class="dim" x="{LEFT - 10}" y="{y + 4:.1f}" '
                    f'text-anchor="end">{value:g} s</text>')  # fmt: skip
    middle = (LEFT + WIDTH - RIGHT) / 2
    made.append(
        f'<text class="dim" x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle">pixels</text>'
    )
    return made


def _short(value: float) -> str:
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _line(id: str, places: list[tuple[float, float]]) -> list[str]:
    wide = 3 if id.startswith("ours") else 1.6
    dash = ' stroke-dasharray="6 4"' if id in DASHED else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = f'<polyline class="{id}" points="{path}" fill="none" stroke-width="{wide}"{dash}/>'
    return [drawn] + [
        f'<circle class="{id}-fill" cx="{x:.1f}" cy="{y:.1f}" r="{wide + 1:g}"/>' for x, y in places
    ]


def _labels(ends: dict[str, tuple[float, float]]) -> list[str]:
    """Names to the right of the frame, in the order of the lines' ends, moved apart, with a thin
    leader from each end."""
    order = sorted(ends, key=lambda id: ends[id][1])
    heights: list[float] = []
    for id in order:
        heights.append(max(ends[id][1], heights[-1] + GAP if heights else TOP))
    over = (heights[-1] - (HEIGHT - BOTTOM)) if heights else 0.0
    for place in range(len(heights) - 1, -1, -1):  # push back up what went below the frame
        highest = heights[place + 1] - GAP if place + 1 < len(heights) else HEIGHT - BOTTOM
        heights[place] = min(heights[place], highest) if over > 0 else heights[place]
    x = WIDTH - RIGHT + 14
    made = []
    for id, y in zip(order, heights, strict=True):
        from_x, from_y = ends[id]
        bold = ' font-weight="600"' if id.startswith("ours") else ""
        made.append(f'<path class="{id}" d="M{from_x + 5:.1f} {from_y:.1f} L{x - 4} {y:.1f}" '
                    'fill="none" stroke-width="0.7" opacity="0.6"/>')  # fmt: skip
        made.append(
            f'<text class="{id}-fill" x="{x}" y="{y + 4:.1f}"{bold}>{escape(NAMES[id])}</text>'
        )
    return made
