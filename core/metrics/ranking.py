"""Rank statistics: what one pass over sorted values says about every threshold at once.

Nothing here scans thresholds. Normal values are sorted once; each distinct anomalous value is
looked up among them, which gives the false positives at and just above it. AUROC, AP, F1-max,
IoU-max and AU-PRO follow in closed form, ties included. A sample is predicted anomalous when
its value is >= the threshold.

The same formulas serve the exact values (R = 1, M distinct anomalous values) and bootstrap
resamples (R resamples, M bins): shapes are R resamples, M thresholds in descending order.

Sources: Hanley & McNeil 1982 (AUROC as a rank sum, ties count one half); scikit-learn's
`average_precision_score` (step sum); Bergmann et al., "The MVTec Anomaly Detection Dataset",
IJCV 2021 (per-region overlap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.lazy import lazy

FloatArray: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ranking:
    """Normal against anomalous values, counted at M descending thresholds.

    Attributes:
        count_RM: anomalous values at the threshold (in the bin).
        above_RM: normal values above the threshold (above the bin).
        ties_RM: normal values at the threshold (in the bin).
        positives_R, negatives_R: number of anomalous and of normal values.
        gain_RM: what the values at the threshold add to the mean over regions of the share of
            a region found; sums to 1 over M. None where there are no regions (images).
        thresholds_M: the distinct anomalous values; None for bins.
        ceilings_M: values just above those at the thresholds; None: one float32 step above them.
        lowest, highest: extremes over normal and anomalous values; NaN for bins.
        spread: values of a bin differ, in unknown order; else those at a threshold are tied.
    """

    count_RM: FloatArray
    above_RM: FloatArray
    ties_RM: FloatArray
    positives_R: FloatArray
    negatives_R: FloatArray
    gain_RM: FloatArray | None = None
    thresholds_M: Values | None = None
    ceilings_M: Values | None = None
    lowest: float = np.nan
    highest: float = np.nan
    spread: bool = False

    @lazy
    def found_RM(self) -> FloatArray:
        """True positives at each threshold."""
        return np.cumsum(self.count_RM, axis=1)

    @lazy
    def false_RM(self) -> FloatArray:
        """False positives at each threshold."""
        return self.above_RM + self.ties_RM


@dataclass(frozen=True, slots=True)
class Rates:
    """Share of the pixels of normal images at or above each threshold of a ranking. [R, M]

    Attributes:
        low_RM, high_RM: where values of a bin are in unknown order, the rate at one of them lies
            between these; else both are equal.
        share_RM: what the threshold's anomalous values add to the mean over images of the share
            of an image's anomalous pixels found.
        pixels: pixels of normal images.
    """

    low_RM: FloatArray
    high_RM: FloatArray
    share_RM: FloatArray
    pixels: int


def rank(
    distinct_M: Values,
    count_M: npt.NDArray[Any],
    below_M: npt.NDArray[Any],
    not_above_M: npt.NDArray[Any],
    negatives: int,
    ends: tuple[float, float],
    gain_M: FloatArray | None = None,
) -> Ranking:
    """The exact ranking, R = 1.

    Args:
        distinct_M: distinct anomalous values, ascending; at least one.
        count_M: how often each occurs.
        below_M, not_above_M: normal values < and <= each.
        negatives: normal values; at least one.
        ends: lowest and highest of all values.
        gain_M: see `Ranking.gain_RM`.
    """
    count_RM = count_M[None, ::-1].astype(np.float64)
    return Ranking(
        count_RM=count_RM,
        above_RM=(negatives - not_above_M[::-1])[None].astype(np.float64),
        ties_RM=(not_above_M - below_M)[None, ::-1].astype(np.float64),
        positives_R=count_RM.sum(axis=1),
        negatives_R=np.array([negatives], dtype=np.float64),
        gain_RM=None if gain_M is None else np.ascontiguousarray(gain_M[None, ::-1]),
        thresholds_M=distinct_M[::-1],
        lowest=ends[0],
        highest=ends[1],
    )


def rank_bins(
    normal_RM: FloatArray, anomalous_RM: FloatArray, gain_RM: FloatArray | None
) -> Ranking:
    """The ranking of histograms over ascending bins; values within a bin count as tied."""
    ties_RM = normal_RM[:, ::-1]
    return Ranking(
        count_RM=anomalous_RM[:, ::-1],
        above_RM=np.cumsum(ties_RM, axis=1) - ties_RM,
        ties_RM=ties_RM,
        positives_R=anomalous_RM.sum(axis=1),
        negatives_R=normal_RM.sum(axis=1),
        gain_RM=None if gain_RM is None else gain_RM[:, ::-1],
    )


def auroc(ranking: Ranking) -> FloatArray:
    """Probability that an anomalous value exceeds a normal one, ties counting one half. [R]"""
    r = ranking
    lost_R = (r.count_RM * (r.above_RM + 0.5 * r.ties_RM)).sum(axis=1)
    return np.asarray(1.0 - lost_R / (r.positives_R * r.negatives_R))


def average_precision(ranking: Ranking) -> FloatArray:
    """Sum over thresholds of (rise in recall) x precision; no interpolation. [R]

    Where the values of a bin are spread, the i-th of p anomalous values has on average
    q i / (p + 1) of the bin's q normal ones before it; the sum over i is taken as an integral from
    1/2 to p + 1/2 by Gauss's rule of three points.
    """
    r = ranking
    if r.spread:
        return _spread_average_precision(r)
    found_RM = r.found_RM
    predicted_RM = np.maximum(found_RM + r.false_RM, 1.0)  # a bin may hold nothing at all
    return np.asarray((r.count_RM * (found_RM / predicted_RM)).sum(axis=1) / r.positives_R)


def _spread_average_precision(r: Ranking) -> FloatArray:
    before = r.found_RM - r.count_RM
    total_RM = np.zeros_like(before)
    share_RM = r.ties_RM / (r.count_RM + 1.0)
    for node, weight in zip(*np.polynomial.legendre.leggauss(3), strict=True):
        at = 0.5 + r.count_RM * (1.0 + node) / 2.0
        found = before + at
        total_RM += 0.5 * weight * found / (found + r.above_RM + share_RM * at)
    return np.asarray((r.count_RM * total_RM).sum(axis=1) / r.positives_R)


def f1(ranking: Ranking) -> FloatArray:
    """F1 at each threshold. [R, M]"""
    found_RM = ranking.found_RM
    called_RM = found_RM + ranking.false_RM
    return np.asarray(2.0 * found_RM / (called_RM + ranking.positives_R[:, None]))


def f1_max(ranking: Ranking) -> FloatArray:
    """Highest F1 of any threshold; it is always reached at an anomalous value. [R]

    Where the values of a bin are spread: the middle between what a bin's edge reaches and what
    would be reached with all anomalous values of the bin first (see `bounds`).
    """
    reached = f1(ranking).max(axis=1)
    if not ranking.spread:
        return np.asarray(reached)
    found_RM = ranking.found_RM
    best_RM = 2.0 * found_RM / (found_RM + ranking.above_RM + ranking.positives_R[:, None])
    return np.asarray((reached + best_RM.max(axis=1)) / 2)


def f1_max_threshold(ranking: Ranking) -> FloatArray:
    """Threshold of the highest F1, the highest one where several tie. [R]; exact rankings only."""
    assert ranking.thresholds_M is not None
    return np.asarray(ranking.thresholds_M[best_f1(ranking)], dtype=np.float64)


def best_f1(ranking: Ranking) -> npt.NDArray[np.intp]:
    """Place of the highest F1 among the thresholds, the highest threshold where several tie. [R]"""
    return np.asarray(f1(ranking).argmax(axis=1))


def iou_max(ranking: Ranking) -> FloatArray:
    """Highest intersection over union of any threshold; of spread values as `f1_max`. [R]"""
    found_RM, positives_R1 = ranking.found_RM, ranking.positives_R[:, None]
    reached = (found_RM / (ranking.false_RM + positives_R1)).max(axis=1)
    if not ranking.spread:
        return np.asarray(reached)
    best = (found_RM / (ranking.above_RM + positives_R1)).max(axis=1)
    return np.asarray((reached + best) / 2)


def aupro(ranking: Ranking, limit: float = 0.3) -> FloatArray:
    """Area under the per-region-overlap curve up to a false-positive rate, over that rate. [R]

    The curve is the polyline over all distinct thresholds. An anomalous value lifts it by its
    gain while the rate goes from x0 (normals above it) to x1 (normals at or above it), linearly;
    the area below that lift and left of `limit` is summed over the values, which is exact,
    linear interpolation at `limit` included.
    """
    assert ranking.gain_RM is not None
    share_R1 = 1.0 / ranking.negatives_R[:, None]
    start_RM = ranking.above_RM * share_R1
    width_RM = ranking.ties_RM * share_R1
    inside_RM = np.minimum(np.maximum(limit - start_RM, 0.0), width_RM)
    with np.errstate(invalid="ignore", divide="ignore"):
        slant_RM = np.where(width_RM > 0, 0.5 * inside_RM**2 / width_RM, 0.0)
    flat_RM = np.maximum(limit - start_RM - width_RM, 0.0)
    return np.asarray((ranking.gain_RM * (slant_RM + flat_RM)).sum(axis=1) / limit)
