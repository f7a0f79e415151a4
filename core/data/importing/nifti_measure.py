"""What a volume's slices hold: share of foreground, and the range of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.importing.nifti_volume import Axis, Values, Volume


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one volume.

    Attributes:
        shares: share of each slice's voxels that is foreground.
        low, high: values at the two percentiles of the foreground.
    """

    shares: tuple[float, ...]
    low: float
    high: float


def measured(
    voxels: Values, volume: Volume, axis: Axis, above: float, percentiles: tuple[float, float]
) -> Measures:
    """Measure all slices; foreground is what lies above `above` and is finite.

    Percentiles are exact, with linear interpolation between neighbours as numpy has it. A volume
    without foreground gets the range of all its finite values.
    """
    shares: list[float] = []
    kept: list[Values] = []
    small = voxels.dtype.kind in "iub" and voxels.dtype.itemsize <= 2
    counts = np.zeros(1 << 16, dtype=np.int64)
    shift = 1 << 15 if voxels.dtype.kind == "i" else 0
    for k in range(volume.depth(axis)):
        stored = volume.slice(voxels, axis, k)
        values = volume.values(stored)
        inside = (values > above) & np.isfinite(values)
        shares.append(float(inside.mean()))
        if small:
            counts += np.bincount(stored[inside].astype(np.int64) + shift, minlength=1 << 16)
        else:
            kept.append(stored[inside])
    low, high = percentiles if volume.slope >= 0 else (100 - percentiles[0], 100 - percentiles[1])
    if not any(shares):
        finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        ends: Any = (finite.min(), finite.max()) if finite.size else (0, 0)
        ends = volume.values(np.array(ends))
        return Measures(tuple(shares), float(ends.min()), float(ends.max()))
    if small:
        found = np.array([_of_counts(counts, q) - shift for q in (low, high)])
    else:
        found = np.percentile(np.concatenate(kept), [low, high])
    ends = volume.values(found)
    return Measures(tuple(shares), float(ends[0]), float(ends[1]))


def _of_counts(counts: npt.NDArray[np.int64], percentile: float) -> float:
    """The percentile of whole numbers of which so many of each were counted."""
    reached = np.cumsum(counts)
    place = percentile / 100 * (int(reached[-1]) - 1)
    below, part = int(place), place - int(place)
    first, second = np.searchsorted(reached, [below, below + 1], side="right")
    return float(first + part * (second - first) if part else first)
