"""Resampling: what is drawn, what is left out, and intervals and p-values from the outcomes.

Sources: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
interval) and section 15.4 (tests); Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987),
and DiCiccio & Efron, "Bootstrap Confidence Intervals", Statistical Science 11(3), 1996 (BCa);
Davison & Hinkley, "Bootstrap Methods and their Application", 1997, section 5.3 (acceleration with
several strata), section 4.2 (the + 1 of a simulated p-value), section 3.8 (whole clusters).

A unit is what is drawn at once: an image, or all images of a specimen, since those are not
independent of one another. Units are drawn within strata, normal and anomalous ones apart, so
that a draw has as many units of each as the test set.

Deviations: resamples equal to the observed value (to rounding) count half as below it in the bias
correction, as metrics of few images tie often; outcomes that are not finite are left out.

Shapes: R resamples, N images, U units, J units left out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from core.errors import UsageError
from core.metrics.ranking import FloatArray
from core.metrics.shares import two_sided_z

Ints: TypeAlias = npt.NDArray[np.int64]
Specimens: TypeAlias = Sequence[str | None]
Interval: TypeAlias = tuple[float, float] | tuple[None, None]

_ROUNDING = 1e-12  # relative; far below what one image among millions changes


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn at once.

    Attributes:
        unit_N: the unit each image belongs to, numbered from 0 by first appearance.
        stratum_U: 1 for units with an anomalous image, 0 for those without.
    """

    unit_N: Ints
    stratum_U: Ints


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs on the same images, a less b, in the metric's own unit.

    Attributes:
        value: the observed difference.
        low, high: ends of its interval; None without a finite resample.
        p: two-sided p-value of "no difference"; None without a finite resample.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None


def units(labels_N: npt.NDArray[np.integer], specimens_N: Specimens | None = None) -> Units:
    """Images grouped into units; an image without a specimen is a unit of its own.

    Raises UsageError for labels other than 0 and 1, or when there is not one specimen an image.
    """
    labels_N = np.asarray(labels_N)
    if labels_N.ndim != 1 or not np.isin(labels_N, (0, 1)).all():
        raise UsageError("labels_N: expected one 0 (normal) or 1 (anomalous) an image.")
    count = len(labels_N)
    if specimens_N is None:
        return Units(np.arange(count), labels_N.astype(np.int64))
    if len(specimens_N) != count:
        raise UsageError(f"specimens_N: expected {count}, one an image, got {len(specimens_N)}.")
    unit_N = np.empty(count, dtype=np.int64)
    known: dict[str, int] = {}
    found = 0
    for image, specimen in enumerate(specimens_N):
        unit = found if specimen is None else known.setdefault(specimen, found)
        unit_N[image] = unit
        found += unit == found
    stratum_U = np.zeros(found, dtype=np.int64)
    stratum_U[unit_N[labels_N == 1]] = 1
    return Units(unit_N, stratum_U)


def draw(
    labels_N: npt.NDArray[np.integer],
    resamples: int,
    seed: int,
    specimens_N: Specimens | None = None,
) -> FloatArray:
    """How often each image is drawn: units with replacement, within strata. [R, N]

    Without specimens each label keeps its number of images in every draw. With specimens each
    stratum keeps its number of specimens, and the number of images varies with their sizes; where
    all normal images stand in specimens that also have anomalous ones, a draw may have none.

    Args:
        labels_N: 0 normal, 1 anomalous.
        resamples: R, 0 or more.
        seed: equal seeds give equal draws; specimens of one image each draw as images do.
        specimens_N: the specimen each image shows, None where it is not known.

    Raises:
        UsageError: labels other than 0 and 1, not one specimen an image, resamples below 0.
    """
    if resamples < 0:
        raise UsageError(f"resamples: expected 0 or more, got {resamples}.")
    u = units(labels_N, specimens_N)
    rng = np.random.default_rng(seed)
    weights_RU = np.zeros((resamples, len(u.stratum_U)))
    for stratum in (0, 1):
        (members,) = np.nonzero(u.stratum_U == stratum)
        if len(members):
            chances = np.full(len(members), 1 / len(members))
            weights_RU[:, members] = rng.multinomial(len(members), chances, size=resamples)
    return weights_RU if len(u.stratum_U) == len(u.unit_N) else weights_RU[:, u.unit_N]


def leave_one_out(
    labels_N: npt.NDArray[np.integer],
    specimens_N: Specimens | None = None,
    rows: slice = slice(None),
) -> tuple[FloatArray, Ints]:
    """Jackknife weights: 0 for the images of the unit left out, 1 for all others.

    The others are not weighted up to the stratum's former size: that shifts all outcomes of a
    stratum alike (to first order), and `acceleration` centres within strata.

    Args:
        labels_N, specimens_N: as for `draw`.
        rows: which units to leave out; all rows of many images at once need N x N numbers.

    Returns:
        weights_JN, strata_J: a row for every unit left out, and the stratum it came from. The
        only unit of a stratum has a row too; a metric may have no value there (NaN).
    """
    u = units(labels_N, specimens_N)
    left_out_J = np.arange(len(u.stratum_U))[rows]
    weights_JN = (left_out_J[:, None] != u.unit_N).astype(np.float64)
    return weights_JN, u.stratum_U[rows]


def percentile(
    values_R: FloatArray, level: float = 0.95, low: float | None = 0.0, high: float | None = 1.0
) -> Interval:
    """Percentile interval within the metric's bounds; (None, None) without a finite value.

    Args:
        values_R: the metric in every resample.
        level: of the interval.
        low, high: bounds of the metric; None = unbounded.

    Raises:
        UsageError: a level that is not between 0 and 1.
    """
    two_sided_z(level)  # refuses a wrong level
    return _between(values_R, 100 * (1 - level) / 2, 100 * (1 + level) / 2, low, high)


def bca(
    values_R: FloatArray,
    observed: float,
    jackknife_J: FloatArray,
    strata_J: npt.NDArray[np.integer],
    level: float = 0.95,
    low: float | None = 0.0,
    high: float | None = 1.0,
) -> Interval:
    """Bias-corrected, accelerated interval: other percentiles of the same resamples.

    The percentile interval comes back where the correction is not defined: all resamples on one
    side of the observed value (infinite bias), or bias and acceleration so large that it passes
    its pole. Where all resamples equal the observed value the interval has no width. With an
    acceleration of 0 (see there) the interval is bias-corrected only.

    Args:
        values_R: the metric in every resample.
        observed: the metric of the images themselves.
        jackknife_J, strata_J: the metric of every row of `leave_one_out`, and the row's stratum.
        level, low, high: as for `percentile`.

    Returns:
        (None, None) without a finite resample or a finite observed value.

    Raises:
        UsageError: a level that is not between 0 and 1, not one stratum a jackknife value.
    """
    z_2 = two_sided_z(level) * np.array([-1.0, 1.0])
    pull = acceleration(jackknife_J, strata_J)
    finite = values_R[np.isfinite(values_R)]
    if len(finite) == 0 or not np.isfinite(observed):
        return None, None
    rounding = _ROUNDING * max(abs(observed), float(np.abs(finite).max()))
    below = np.count_nonzero(finite < observed - rounding)
    above = np.count_nonzero(finite > observed + rounding)
    bias = ndtri((len(finite) + below - above) / (2 * len(finite)))  # ties count half as below
    if np.isinf(bias):
        return percentile(finite, level, low, high)
    shifted_2 = bias + z_2
    slack_2 = 1.0 - pull * shifted_2
    if (slack_2 <= 0.0).any():
        return percentile(finite, level, low, high)
    left, right = 100 * ndtr(bias + shifted_2 / slack_2)
    return _between(finite, left, right, low, high)


def acceleration(jackknife_J: FloatArray, strata_J: npt.NDArray[np.integer]) -> float:
    """How fast the standard error changes with the metric, from the skewness of influences.

    With influence values l = (n - 1) (mean of the stratum's outcomes - outcome) of the n units of
    a stratum: a = (sum of l^3 / n^3) / (6 (sum of l^2 / n^2)^1.5), sums over all units.

    Args:
        jackknife_J: the metric without each unit; those that are not finite are left out.
        strata_J: the stratum of each.

    Returns:
        Within -1/6 and 1/6; 0 where no outcome differs from the others of its stratum.

    Raises:
        UsageError: not one stratum a jackknife value.
    """
    if np.shape(jackknife_J) != np.shape(strata_J):
        raise UsageError(
            "strata_J: expected one an entry of jackknife_J, got shapes "
            f"{np.shape(strata_J)} and {np.shape(jackknife_J)}."
        )
    shares: list[FloatArray] = []  # l / n
    for stratum in np.unique(strata_J):
        outcomes = jackknife_J[(strata_J == stratum) & np.isfinite(jackknife_J)]
        # what differs by rounding only has no skewness worth the name
        if len(outcomes) < 2 or np.ptp(outcomes) <= _ROUNDING * np.abs(outcomes).max():
            continue
        shares.append((len(outcomes) - 1) * (outcomes.mean() - outcomes) / len(outcomes))
    if not shares:
        return 0.0
    share_J = np.concatenate(shares)
    share_J /= np.abs(share_J).max()  # a has no unit; powers of tiny numbers would vanish
    return float((share_J**3).sum() / (6.0 * (share_J**2).sum() ** 1.5))


def two_sided_p(differences_R: FloatArray) -> float | None:
    """Bootstrap p-value of "no difference"; None without a finite difference.

    Twice the share of resamples on the rarer side of 0, which themselves count for both; the
    observed data count as one more resample, so R resamples never give less than 2 / (R + 1).
    """
    finite = differences_R[np.isfinite(differences_R)]
    if len(finite) == 0:
        return None
    rarer = min(np.count_nonzero(finite <= 0.0), np.count_nonzero(finite >= 0.0))
    return min(1.0, 2.0 * (rarer + 1) / (len(finite) + 1))


def paired(a_R: FloatArray, b_R: FloatArray, a: float, b: float, level: float = 0.95) -> Difference:
    """One metric of two runs, compared resample by resample.

    Args:
        a_R, b_R: the metric of each run in the same draws of the same images.
        a, b: the metric of the images themselves.
        level: of the percentile interval of the differences.

    Raises:
        UsageError: not as many resamples of a as of b, an observed value that is not finite, a
            level that is not between 0 and 1.
    """
    if np.shape(a_R) != np.shape(b_R):
        raise UsageError(
            f"b_R: expected the same draws as a_R, got shapes {np.shape(b_R)} and {np.shape(a_R)}."
        )
    if not (np.isfinite(a) and np.isfinite(b)):
        raise UsageError(f"a, b: expected finite observed values, got {a} and {b}.")
    differences_R = a_R - b_R
    low, high = percentile(differences_R, level, low=None, high=None)
    return Difference(float(a - b), low, high, two_sided_p(differences_R))


def _between(
    values_R: FloatArray, left: float, right: float, low: float | None, high: float | None
) -> Interval:
    """The finite values' percentiles `left` and `right`, within the bounds."""
    finite = values_R[np.isfinite(values_R)]
    if len(finite) == 0:
        return None, None
    ends = np.clip(
        np.percentile(finite, (left, right)),
        -np.inf if low is None else low,
        np.inf if high is None else high,
    )
    return float(ends[0]), float(ends[1])
