"""The heat scale: which colour a map value gets, the same for every method and class.

A value's colour is a function of the share of normal pixels that are as hot or hotter (its
false-alarm rate), logarithmic between the stops; what more than one in twenty normal pixels
exceed is transparent. Browser, reports and exported overlays all draw with these stops.
"""

from __future__ import annotations

from typing import Final

HEAT_STOPS: Final = ((0.05, "#ffd666", 0.0), (0.02, "#ffd666", 0.55), (1e-3, "#f06543", 0.85),
                     (1e-5, "#9d174d", 0.95))  # fmt: skip
"""(share of normal pixels this hot or hotter, colour, opacity); log-linear in between."""

TRUTH: Final = {
    "light": {"found": "#009E73", "false alarm": "#E69F00", "missed": "#0072B2"},
    "dark": {"found": "#009E73", "false alarm": "#E69F00", "missed": "#56B4E9"},
}
"""On a light and on a dark ground; after Okabe & Ito, "Color Universal Design" (2008)."""
