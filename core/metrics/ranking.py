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

FloatArray: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
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
        lowest, highest: extremes over normal and anomalous values; NaN for bins.
    """

    count_RM: FloatArray
    above_RM: FloatArray
    ties_RM: FloatArray
    positives_R: FloatArray
    negatives_R: FloatArray
    gain_RM: FloatArray | None = None
    thresholds_M: Values | None = None
    lowest: float = np.nan
    highest: float = np.nan

    @property
    def found_RM(self) -> FloatArray:
        """True positives at each threshold."""
        return np.cumsum(self.count_RM, axis=1)

    @property
    def false_RM(self) -> FloatArray:
        """False positives at each threshold."""
        return self.above_RM + self.ties_RM


def rank(
    normals_N: Values, distinct_M: Values, count_M: npt.NDArray[Any], gain_M: FloatArray | None
) -> Ranking:
    """The exact ranking, R = 1.

    Args:
        normals_N: normal values, ascending; at least one.
        distinct_M: distinct anomalous values, ascending, same dtype; at least one.
        count_M: how often each occurs.
        gain_M: see `Ranking.gain_RM`.
    """
    down_M = distinct_M[::-1]
    not_above_M = np.searchsorted(normals_N, distinct_M, side="right")[::-1]
    below_M = np.searchsorted(normals_N, distinct_M, side="left")[::-1]
    count_RM = count_M[None, ::-1].astype(np.float64)
    return Ranking(
        count_RM=count_RM,
        above_RM=(len(normals_N) - not_above_M)[None].astype(np.float64),
        ties_RM=(not_above_M - below_M)[None].astype(np.float64),
        positives_R=count_RM.sum(axis=1),
        negatives_R=np.array([len(normals_N)], dtype=np.float64),
        gain_RM=None if gain_M is None else np.ascontiguousarray(gain_M[None, ::-1]),
        thresholds_M=down_M,
        lowest=float(min(normals_N[0], distinct_M[0])),
        highest=float(max(normals_N[-1], distinct_M[-1])),
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
    """Sum over thresholds of (rise in recall) x precision; no interpolation. [R]"""
    r = ranking
    found_RM = r.found_RM
    predicted_RM = np.maximum(found_RM + r.false_RM, 1.0)  # a bin may hold nothing at all
    return np.asarray((r.count_RM * (found_RM / predicted_RM)).sum(axis=1) / r.positives_R)


def f1(ranking: Ranking) -> FloatArray:
    """F1 at each threshold. [R, M]"""
    found_RM = ranking.found_RM
    called_RM = found_RM + ranking.false_RM
    return np.asarray(2.0 * found_RM / (called_RM + ranking.positives_R[:, None]))


def f1_max(ranking: Ranking) -> FloatArray:
    """Highest F1 of any threshold; it is always reached at an anomalous value. [R]"""
    return np.asarray(f1(ranking).max(axis=1))


def f1_max_threshold(ranking: Ranking) -> FloatArray:
    """Threshold of the highest F1, the highest one where several tie. [R]; exact rankings only."""
    assert ranking.thresholds_M is not None
    return np.asarray(ranking.thresholds_M[f1(ranking).argmax(axis=1)], dtype=np.float64)


def iou_max(ranking: Ranking) -> FloatArray:
    """Highest intersection over union of any threshold. [R]"""
    union_RM = ranking.false_RM + ranking.positives_R[:, None]
    return np.asarray((ranking.found_RM / union_RM).max(axis=1))


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
