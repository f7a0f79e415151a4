"""AUROC with its variance in closed form, and the comparison of two on the same images.

Sources: DeLong, DeLong & Clarke-Pearson, "Comparing the Areas under Two or More Correlated
Receiver Operating Characteristic Curves: A Nonparametric Approach", Biometrics 44 (1988):
structural components, their variance and covariance. Sun & Xu, "Fast Implementation of DeLong's
Algorithm for Comparing the Areas Under Correlated Receiver Operating Characteristic Curves", IEEE
Signal Processing Letters 21(11), 2014: the components from mid-ranks, in O(N log N). Pepe, "The
Statistical Evaluation of Medical Tests", 2003, section 5.2: the interval on the logit scale.

Deviations: the components are kept as counts of pairs (multiples of one half, exact in float64)
and divided last, so that a variance of zero is exactly zero; the variance of a difference is that
of the differences of components, which equals Var a + Var b - 2 Cov(a, b).

Images are taken as independent. Where several images show one specimen, the bootstrap over
specimens (`core.metrics.resampling`) is the right tool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr

from core.errors import UsageError
from core.metrics.ranking import FloatArray
from core.metrics.shares import two_sided_z


@dataclass(frozen=True, slots=True)
class AurocEstimate:
    """AUROC, its variance, and the ends of its interval."""

    value: float
    variance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedAuroc:
    """Two AUROCs of the same images.

    Attributes:
        a, b: the AUROCs.
        difference: a - b.
        low, high: ends of its interval (Wald), within -1 and 1.
        z, p: the difference over its standard error, and the two-sided p-value of "no
            difference"; None where the AUROCs differ but no image makes the difference vary.
        covariance: of a and b over images.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    z: float | None
    p: float | None
    covariance: float


@dataclass(frozen=True, slots=True)
class _Wins:
    """Pairs won, ties one half: P anomalous images, each against all normals, and reversed.

    Over the size of the other label these are DeLong's components V10 and V01.
    """

    anomalous_P: FloatArray
    normal_Q: FloatArray

    @property
    def auroc(self) -> float:
        pairs = len(self.anomalous_P) * len(self.normal_Q)
        return float(self.anomalous_P.sum() / pairs)

    def covariance(self, other: _Wins) -> float:
        """Of two AUROCs of the same images (with itself: its variance)."""
        P, Q = len(self.anomalous_P), len(self.normal_Q)
        of_anomalous = _covariance(self.anomalous_P, other.anomalous_P) / Q**2
        of_normal = _covariance(self.normal_Q, other.normal_Q) / P**2
        return of_anomalous / P + of_normal / Q

    def minus(self, other: _Wins) -> _Wins:
        return _Wins(self.anomalous_P - other.anomalous_P, self.normal_Q - other.normal_Q)


def delong(
    scores_N: npt.ArrayLike, labels_N: npt.ArrayLike, level: float = 0.95
) -> AurocEstimate | None:
    """AUROC of N images and its interval.

    For 0 < AUROC < 1 the interval is symmetric on the logit scale, so it stays within 0 and 1.
    An AUROC of exactly 0 or 1 has no logit and a variance of 0: its interval has no width, which
    says that the labels do not overlap in these images, not that they never will. All scores
    equal (AUROC 0.5) gives no width either.

    Args:
        scores_N: higher = more anomalous; infinite ones only rank.
        labels_N: 0 normal, 1 anomalous.
        level: of the interval.

    Returns:
        None where a label has fewer than two images: there is no variance to estimate.

    Raises:
        UsageError: lengths differ, a score is NaN, a label is not 0 or 1, a wrong level.
    """
    z = two_sided_z(level)
    wins = _wins(scores_N, labels_N, "scores_N")
    if wins is None:
        return None
    value, variance = wins.auroc, wins.covariance(wins)
    if not 0.0 < value < 1.0:
        return AurocEstimate(value, variance, value, value)
    half = z * math.sqrt(variance) / (value * (1.0 - value))
    low, high = (float(expit(logit(value) + side)) for side in (-half, half))
    return AurocEstimate(value, variance, low, high)


def delong_paired(
    a_N: npt.ArrayLike, b_N: npt.ArrayLike, labels_N: npt.ArrayLike, level: float = 0.95
) -> PairedAuroc | None:
    """Difference of two models' AUROCs on the same N images.

    Args:
        a_N, b_N: scores, each on its model's own scale, in the same order of images.
        labels_N: 0 normal, 1 anomalous.
        level: of the interval.

    Returns:
        None where a label has fewer than two images. Where all images agree on the difference,
        its interval has no width; z and p are then 0 and 1 for equal AUROCs, else None.

    Raises:
        UsageError: lengths differ, a score is NaN, a label is not 0 or 1, a wrong level.
    """
    quantile = two_sided_z(level)
    wins_a, wins_b = _wins(a_N, labels_N, "a_N"), _wins(b_N, labels_N, "b_N")
    if wins_a is None or wins_b is None:
        return None
    contrast = wins_a.minus(wins_b)
    difference = wins_a.auroc - wins_b.auroc
    error = math.sqrt(contrast.covariance(contrast))
    z: float | None
    p: float | None
    if error > 0.0:
        z = difference / error
        p = float(2.0 * ndtr(-abs(z)))
    else:
        z, p = (0.0, 1.0) if difference == 0.0 else (None, None)
    return PairedAuroc(
        a=wins_a.auroc,
        b=wins_b.auroc,
        difference=difference,
        low=max(-1.0, difference - quantile * error),
        high=min(1.0, difference + quantile * error),
        z=z,
        p=p,
        covariance=wins_a.covariance(wins_b),
    )


def _wins(scores: npt.ArrayLike, labels: npt.ArrayLike, name: str) -> _Wins | None:
    """Pairs each image wins; None where a label has fewer than two images."""
    scores_N, labels_N = np.asarray(scores), np.asarray(labels)
    if scores_N.ndim != 1 or scores_N.shape != labels_N.shape:
        raise UsageError(
            f"{name}: expected one score a label, got shapes {scores_N.shape} and {labels_N.shape}."
        )
    if np.isnan(scores_N).any():
        raise UsageError(f"{name}: expected numbers, got NaN; leave those images out.")
    if not np.isin(labels_N, (0, 1)).all():
        raise UsageError("labels_N: expected 0 (normal) and 1 (anomalous) only.")
    anomalous_P, normal_Q = scores_N[labels_N == 1], scores_N[labels_N == 0]
    if min(len(anomalous_P), len(normal_Q)) < 2:
        return None
    # The mid-rank among all, less that among the own label, counts the other label's images
    # below, ties one half.
    rank_N = _mid_ranks(scores_N)
    below_P = rank_N[labels_N == 1] - _mid_ranks(anomalous_P)
    below_Q = rank_N[labels_N == 0] - _mid_ranks(normal_Q)
    return _Wins(below_P, len(anomalous_P) - below_Q)


def _mid_ranks(values_N: npt.NDArray[Any]) -> FloatArray:
    """Rank from 1, ascending; equal values share the mean of their ranks."""
    _, place_N, count_K = np.unique(values_N, return_inverse=True, return_counts=True)
    mid_K = np.cumsum(count_K) - (count_K - 1) / 2.0
    return np.asarray(mid_K[place_N], dtype=np.float64)


def _covariance(a_N: FloatArray, b_N: FloatArray) -> float:
    """Unbiased. The mean of equal counts is exact, so their deviations are exactly 0."""
    return float((a_N - a_N.mean()) @ (b_N - b_N.mean()) / (len(a_N) - 1))
