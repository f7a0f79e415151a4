"""One colour a method, the same on every page, plot and report; and those of two kinds of images.

Okabe and Ito's first ("Color Universal Design", 2008), told apart by colour-blind people; the
extension keeps its lightness steps.
"""

from __future__ import annotations

import hashlib
from typing import Final

NORMAL, ANOMALOUS = "#7b8794", "#c2456a"
"""Score histograms and scatter plots: normal and anomalous samples."""

PUBLISHED = "#9aa4af"

METHODS: Final[dict[str, str]] = {
    "patchcore": "#0072B2",
    "simplenet": "#D55E00",
    "rd": "#009E73",
    "uniad": "#CC79A7",
    "draem": "#E69F00",
    "mambaad": "#56B4E9",
    "vitad": "#7A4FA3",
    "invad": "#A6761D",
    "cflow": "#B2182B",
    "cfa": "#4D9221",
    "rdpp": "#2CB5A0",
    "destseg": "#E377C2",
    "realnet": "#8C6BB1",
    "pyramidflow": "#6B7A8F",
    "invad_lite": "#D6A24A",
    "diad": "#3B4CC0",
}

SPARE: Final = ("#5F7F3A", "#B05C8E", "#3F7E9C", "#A05A2C", "#7D7B2E", "#8A4B4B")
"""For methods a person adds; picked by the id, so that it stays the same everywhere."""

_ALIASES = {
    "cflow_ad": "cflow", "pyramidalflow": "pyramidflow", "pyramid_flow": "pyramidflow",
    "pyramidal_flow": "pyramidflow", "rd_plus_plus": "rdpp", "rd_pp": "rdpp", "rd4ad": "rd",
}  # fmt: skip


def method_colour(id: str) -> str:
    """The colour (#rrggbb) of a method, the same on every page and plot."""
    id = id.lower().replace("-", "_").replace("++", "pp")
    known = METHODS.get(_ALIASES.get(id, id))
    return known or SPARE[int(hashlib.sha256(id.encode()).hexdigest(), 16) % len(SPARE)]
