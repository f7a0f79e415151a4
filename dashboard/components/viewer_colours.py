"""Colour maps of the heat, as a few stops each; the first is the default.

All of them put the same opacity on the same false-alarm rate and grow steadily lighter or darker,
so that they can be read without telling hues apart. The default is `core.heat.HEAT_STOPS`.
"""

from __future__ import annotations

from typing import Final

from core.heat import HEAT_STOPS

Stops = tuple[tuple[float, str, float], ...]
"""(share of normal pixels this hot or hotter, "#rrggbb", opacity), the commonest first."""

COLOUR_MAPS: Final[dict[str, Stops]] = {
    "amber to wine": tuple(HEAT_STOPS),
    "violet to yellow": (
        (0.05, "#4a2c86", 0.0), (0.02, "#4a2c86", 0.55), (3e-3, "#2b6f9b", 0.75),
        (3e-4, "#35ab86", 0.88), (1e-5, "#f4e64a", 0.95),
    ),
    "grey": (
        (0.05, "#3c3c3c", 0.0), (0.02, "#4a4a4a", 0.55), (1e-3, "#a9a9a9", 0.85),
        (1e-5, "#ffffff", 0.95),
    ),
    "blue": (
        (0.05, "#123a66", 0.0), (0.02, "#174a80", 0.55), (1e-3, "#3f8fd2", 0.85),
        (1e-5, "#dceeff", 0.95),
    ),
}  # fmt: skip
