"""What can be measured of single cases, and counted over some of them.

A page shows one map beside its truth, sorts cases by how wrong they are, and says how many were
found. Implemented here, so that pages compute nothing themselves:
    overlap         IoU (Jaccard, 1912) and the share of each region above a threshold
    rank_errors     how wrong a case is in ranks, free of any scale
    margins         how far a score lies from its threshold, in spreads of the normal ones
    share_hotter    the share of normal pixels as hot or hotter, from a stored tail table
    recall          found among judged, with Wilson's interval (`shares`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from core.metrics.pixel import Confusion
from core.metrics.ranking import FloatArray
from core.metrics.shares import wilson

EIGHT = np.ones((3, 3))
"""Regions are 8-connected."""


@dataclass(frozen=True, slots=True)
class Region:
    """One true region: its size, the map's peak in it, the share of it at or above the threshold
    (None without one)."""

    area_px: int
    peak: float
    covered: float | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How a map meets the truth.

    Attributes:
        regions: the true regions, the largest first.
        iou: of the pixels at or above the threshold and the true ones; None without either.
        peak: highest map value.
        peak_on_defect: whether it lies on a true region; None without truth.
        area_share: share of the image's pixels that are anomalous.
    """

    regions: tuple[Region, ...]
    iou: float | None
    peak: float
    peak_on_defect: bool | None
    area_share: float


def overlap(
    map_HW: npt.NDArray[Any], truth_HW: npt.NDArray[np.bool_] | None, threshold: float | None
) -> Overlap:
    """Facts of one map beside its truth, both of one size; pixels >= `threshold` are called."""
    values_HW = np.asarray(map_HW, dtype=np.float32)
    peak = float(values_HW.max())
    if truth_HW is None or not truth_HW.any():
        return Overlap((), None, peak, None, 0.0)
    above_HW = None if threshold is None else values_HW >= threshold
    labels_HW, count = ndimage.label(truth_HW, structure=EIGHT)
    regions = []
    for number in range(1, count + 1):
        inside = labels_HW == number
        covered = None if above_HW is None else float(above_HW[inside].mean())
        regions.append(Region(int(inside.sum()), float(values_HW[inside].max()), covered))
    regions.sort(key=lambda region: region.area_px, reverse=True)
    return Overlap(
        regions=tuple(regions),
        iou=None if above_HW is None else _iou(above_HW, truth_HW),
        peak=peak,
        peak_on_defect=bool(truth_HW.flat[int(values_HW.argmax())]),
        area_share=float(truth_HW.mean()),
    )


def _iou(above_HW: npt.NDArray[np.bool_], truth_HW: npt.NDArray[np.bool_]) -> float:
    found, missed, false, passed = (
        np.array([float((a & b).sum())])
        for a, b in (
            (above_HW, truth_HW), (~above_HW, truth_HW), (above_HW, ~truth_HW),
            (~above_HW, ~truth_HW),
        )
    )  # fmt: skip
    return float(Confusion(found, missed, false, passed).iou[0])


def rank_errors(scores_N: npt.ArrayLike, labels_N: npt.ArrayLike) -> FloatArray:
    """How wrong each case of a class is, 0 to 1. [N]

    For an anomalous case the share of normal ones that score as high or higher, for a normal case
    the share of anomalous ones that score as low or lower; 0.5 when there is none to compare with.
    """
    score = np.asarray(scores_N, np.float64)
    bad = np.asarray(labels_N) == 1
    normal, anomalous = np.sort(score[~bad]), np.sort(score[bad])
    error = np.full(len(score), 0.5)
    if len(normal):
        hotter = len(normal) - np.searchsorted(normal, score[bad], side="left")
        error[bad] = hotter / len(normal)
    if len(anomalous):
        error[~bad] = np.searchsorted(anomalous, score[~bad], side="right") / len(anomalous)
    return error


def margins(
    scores_N: npt.ArrayLike, labels_N: npt.ArrayLike, thresholds_N: npt.ArrayLike
) -> FloatArray:
    """(score - threshold) in standard deviations of the normal scores of a class. [N]

    In the scores' own unit where the normal ones do not vary or there are none.
    """
    score = np.asarray(scores_N, np.float64)
    normal = score[np.asarray(labels_N) == 0]
    spread = float(normal.std()) if len(normal) else 0.0
    scale = spread if np.isfinite(spread) and spread > 0 else 1.0
    return np.asarray((score - np.asarray(thresholds_N, np.float64)) / scale)


def share_hotter(tail_x: Sequence[float], tail_y: Sequence[float], value: float) -> float | None:
    """Share of normal pixels with a map value >= `value`, read off a tail table.

    Interpolated in the logarithm of the share. None without a table; 0.0 above its last value,
    where no normal pixel was seen.

    Args:
        tail_x: map values, in any order.
        tail_y: share of the normal pixels at or above each.
    """
    x, y = np.asarray(tail_x, float), np.asarray(tail_y, float)
    keep = y > 0
    x, y = x[keep], y[keep]
    if not len(x):
        return None
    order = np.lexsort((-y, x))
    x, y = x[order], y[order]
    if value > x[-1]:
        return 0.0
    return float(np.exp(np.interp(value, x, np.log(y))))


@dataclass(frozen=True, slots=True)
class Recall:
    """Found among those judged; share, low and high are the value and Wilson's 95 % interval."""

    found: int
    cases: int
    share: float
    low: float
    high: float


def recall(found: int, cases: int) -> Recall:
    """The share found of at least one case.

    Raises UsageError unless 0 <= found <= cases; ZeroDivisionError of no case.
    """
    low, high = wilson(found, cases)
    return Recall(found, cases, found / cases, low, high)
