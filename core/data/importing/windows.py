"""Grey levels of scans: from what a scanner measured to 8 bits.

The three window functions are those of DICOM PS3.3 C.11.2.1.2 (LINEAR, LINEAR_EXACT, SIGMOID) with
an output of 0 to 255. Results are rounded to the nearest level, halves up. Ranges come from tags,
settings or a whole volume, never from what one image happens to hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Levels: TypeAlias = npt.NDArray[np.uint8]
Shape: TypeAlias = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, slots=True)
class Window:
    """Centre and width in the units of the values (Hounsfield units, say), and the curve."""

    centre: float
    width: float
    shape: Shape = "LINEAR"


def windowed(values: npt.ArrayLike, window: Window) -> Levels:
    """Grey levels, uint8, by a window.

    Args:
        values: numbers of any shape; NaN becomes the darkest level.
        window: its width is above 0; below 1, LINEAR, which needs 1 at least, is taken as
            LINEAR_EXACT.

    Raises:
        ValueError: the width is not above 0.
    """
    x = _numbers(values)
    centre, width = window.centre, window.width
    if not width > 0:
        raise ValueError(f"a window's width must be above 0, not {width:g}")
    if window.shape == "SIGMOID":
        power = np.clip(-4 * (x - centre) / width, -700, 700)  # exp of more overflows
        return _rounded(255 / (1 + np.exp(power)))
    if window.shape == "LINEAR" and width >= 1:
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return _rounded(np.where(x > centre, 255.0, 0.0))
    return _rounded(((x - centre) / width + 0.5) * 255)


def stretched(values: npt.ArrayLike, low: float, high: float) -> Levels:
    """Grey levels, uint8: `low` and less becomes 0, `high` and more 255, NaN 0.

    A range without extent marks what lies above it: 255 there, 0 elsewhere.
    """
    x = _numbers(values)
    if not high > low:
        return _rounded(np.where(x > high, 255.0, 0.0))
    return _rounded((x - low) / (high - low) * 255)


def _numbers(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(x), -np.inf, x)


def _rounded(levels: npt.NDArray[np.float64]) -> Levels:
    return np.floor(np.clip(levels, 0, 255) + 0.5).astype(np.uint8)
