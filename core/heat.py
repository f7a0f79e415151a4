"""The heat scale: which colour a map value gets, the same for every method and class.

A value's colour is a function of the share of normal pixels that are as hot or hotter (its
false-alarm rate), logarithmic between the stops; what more than one in twenty normal pixels
exceed is transparent. Browser, reports and exported overlays all draw with these stops.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

HEAT_STOPS: Final = ((0.05, "#ffd666", 0.0), (0.02, "#ffd666", 0.55), (1e-3, "#f06543", 0.85),
                     (1e-5, "#9d174d", 0.95))  # fmt: skip
"""(share of normal pixels this hot or hotter, colour, opacity); log-linear in between."""

TRUTH: Final = {
    "light": {"found": "#009E73", "false alarm": "#E69F00", "missed": "#0072B2"},
    "dark": {"found": "#009E73", "false alarm": "#E69F00", "missed": "#56B4E9"},
}
"""On a light and on a dark ground; after Okabe & Ito, "Color Universal Design" (2008)."""


def colours(shares_N: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """RGBA [..., 4] of shares of normal pixels this hot or hotter, as the browser draws them.

    Colour and opacity run linearly in the logarithm of the share from stop to stop; commoner than
    the first stop is transparent, rarer than the last one looks like the last one.
    """
    shares = np.asarray(shares_N, np.float64)
    stops = [-np.log(share) for share, _, _ in HEAT_STOPS]
    with np.errstate(divide="ignore"):
        rarity = -np.log(shares)
    table = np.array([
        [*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 255 * alpha]
        for _, colour, alpha in HEAT_STOPS
    ])  # fmt: skip
    drawn = np.stack([np.interp(rarity, stops, table[:, c]) for c in range(4)], axis=-1)
    drawn[..., 3] = np.where(shares > HEAT_STOPS[0][0], 0.0, drawn[..., 3])
    return np.asarray(np.rint(drawn), np.uint8)
