"""Recall against size: a fitted curve with its band, and the size from which nine in ten are found.

A region is found or it is not; the chance of finding it is fitted as a logistic function of the
logarithm of its size, as in probability-of-detection studies (Berens, "NDE Reliability Data
Analysis", ASM Handbook 17, 1989; MIL-HDBK-1823A, 2009, appendix G: hit or miss, a90). The fit
maximises Firth's penalised likelihood ("Bias reduction of maximum likelihood estimates", Biometrika
80, 1993), which stays finite where every region above some size is found and none below (Heinze &
Schemper, "A solution to the problem of separation in logistic regression", Statistics in Medicine
21, 2002).

Band and interval are percentiles over resamples of whole images, or of whole specimens where they
are known: regions of one image are not independent of one another. Nothing is read off outside the
sizes that were seen.

Deviations: more than `LEVELS` distinct sizes are rounded to that many steps of equal counts.

Shapes: L regions, N images, Q distinct sizes, R resamples, G points of the drawn curve.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import expit, logit

from core.errors import UsageError
from core.metrics.cases import Recall, recall
from core.metrics.ranking import FloatArray
from core.metrics.resampling import draw

Scale = Literal["log", "linear"]
Outcome = Literal["reached", "never", "everywhere", "falling", "all", "none", "few"]

SHARE = 0.9
"""Nine in ten."""
LEAST = 8
"""Fewer regions give no curve."""
LEVELS = 200
RESAMPLES = 300
POINTS = 80
_IN_A_BIN, _MOST_BINS = 12, 8
_ITERATIONS, _HALVINGS, _LONGEST_STEP, _DONE = 60, 8, 4.0, 1e-5


def _nothing() -> FloatArray:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Bin:
    """Regions of neighbouring sizes: from, to, their middle, and how many are found (Wilson)."""

    low: float
    high: float
    middle: float
    hits: Recall


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeCurve:
    """What the sizes of found and missed regions say.

    Attributes:
        outcome: "reached": from `reach` on the curve is at `share` or above; "never": it stays
            below; "everywhere": it is above at every size seen; "falling": it does not rise with
            size; "all", "none": every region or none is found; "few": too few regions, or one size
            alone. The last three have no curve.
        regions, found: counted.
        smallest, largest: sizes seen; NaN without a region.
        share: the share asked for.
        size_G, share_G, low_G, high_G: the curve and its 95 % band; empty without a curve.
        reach: the size at which the curve crosses `share`; None unless reached.
        reach_low, reach_high: its 95 % interval; None where it lies beyond the sizes seen.
        beyond: how many regions of at least that size are found: the check of the fit by counting.
    """

    outcome: Outcome
    regions: int
    found: int
    smallest: float
    largest: float
    share: float = SHARE
    size_G: FloatArray = field(default_factory=_nothing)
    share_G: FloatArray = field(default_factory=_nothing)
    low_G: FloatArray = field(default_factory=_nothing)
    high_G: FloatArray = field(default_factory=_nothing)
    reach: float | None = None
    reach_low: float | None = None
    reach_high: float | None = None
    beyond: Recall | None = None

    @property
    def doubtful(self) -> bool:
        """Whether counting contradicts the fit: surely fewer than `share` of those are found."""
        return self.beyond is not None and self.beyond.high < self.share


def size_curve(
    sizes_L: npt.ArrayLike,
    hits_L: npt.ArrayLike,
    image_L: npt.ArrayLike,
    specimens_N: Sequence[str | None] | None = None,
    *,
    share: float = SHARE,
    scale: Scale = "log",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SizeCurve:
    """Fit the chance of being found against size.

    Args:
        sizes_L: finite; above 0 with scale "log". Any measure will do: pixels, shares, contrast.
        hits_L: whether each region is found.
        image_L: the image each region is in, numbered from 0.
        specimens_N: the specimen each image shows, None where it is not known.
        share: what is to be reached, above 0 and below 1.
        scale: whether the logarithm or the size itself is fitted.

    Raises:
        UsageError: arrays that do not fit, sizes out of range, a share out of range.
    """
    size, hit, image = _checked(sizes_L, hits_L, image_L, scale)
    if not 0.0 < share < 1.0:
        raise UsageError(f"share: expected a number between 0 and 1, such as 0.9, got {share}.")
    found = int(hit.sum())
    facts: dict[str, Any] = {
        "regions": len(size), "found": found, "share": share,
        "smallest": float(size.min()) if len(size) else np.nan,
        "largest": float(size.max()) if len(size) else np.nan,
    }  # fmt: skip
    if len(size) < LEAST or facts["smallest"] == facts["largest"]:
        return SizeCurve(outcome="few", **facts)
    if found in (0, len(size)):
        return SizeCurve(outcome="all" if found else "none", **facts)
    bend, unbend = (np.log, np.exp) if scale == "log" else (np.asarray, np.asarray)
    x_Q, counts_NQ, hits_NQ = _tables(bend(size), hit, image)
    count = counts_NQ.shape[0]
    drawn_RN = draw(np.ones(count, np.int64), resamples, seed, _padded(specimens_N, count))
    weights_RN = np.concatenate([np.ones((1, count)), drawn_RN])
    centre, spread = float(x_Q.mean()), float(np.ptp(x_Q))
    start_R, slope_R = _firth((x_Q - centre) / spread, weights_RN @ counts_NQ, weights_RN @ hits_NQ)
    x_G = np.linspace(x_Q[0], x_Q[-1], POINTS)
    share_RG = expit(start_R[:, None] + slope_R[:, None] * (x_G - centre) / spread)
    low_G, high_G = _ends(share_RG[1:]) if resamples else (share_RG[0], share_RG[0])
    facts |= {
        "size_G": np.asarray(unbend(x_G)), "share_G": share_RG[0], "low_G": low_G, "high_G": high_G,
    }  # fmt: skip
    outcome = _outcome(share_RG[0], slope_R[0], share)
    if outcome != "reached":
        return SizeCurve(outcome=outcome, **facts)
    reach_R = unbend(_crossing(start_R, slope_R, share) * spread + centre)
    low, high = _ends(reach_R[1:, None]) if resamples else (reach_R[:1], reach_R[:1])
    reach, counted = float(reach_R[0]), size >= reach_R[0]
    return SizeCurve(
        outcome=outcome,
        reach=reach,
        reach_low=float(low[0]) if low[0] >= facts["smallest"] else None,
        reach_high=float(high[0]) if high[0] <= facts["largest"] else None,
        beyond=recall(int(hit[counted].sum()), int(counted.sum())) if counted.any() else None,
        **facts,
    )


def binned(sizes_L: npt.ArrayLike, hits_L: npt.ArrayLike, scale: Scale = "log") -> list[Bin]:
    """Regions in up to eight groups of about equal counts, equal sizes together, small to large.

    Raises:
        UsageError: arrays that do not fit, sizes out of range.
    """
    size, hit, _ = _checked(sizes_L, hits_L, np.zeros(np.shape(sizes_L), int), scale)
    if not len(size):
        return []
    order = np.argsort(size, kind="stable")
    size, hit = size[order], hit[order]
    bins = min(_MOST_BINS, max(1, len(size) // _IN_A_BIN))
    cuts = {int(np.searchsorted(size, size[len(size) * i // bins])) for i in range(1, bins)}
    edges = [0, *sorted(cuts - {0}), len(size)]
    groups = []
    for first, last in itertools.pairwise(edges):
        low, high = float(size[first]), float(size[last - 1])
        middle = float(np.sqrt(low * high)) if scale == "log" else (low + high) / 2
        hits = recall(int(hit[first:last].sum()), last - first)
        groups.append(Bin(low, high, middle, hits))
    return groups


def middle(values_L: npt.ArrayLike) -> float | None:
    """The median; None of nothing."""
    values = np.asarray(values_L, np.float64)
    return float(np.median(values)) if values.size else None


def _checked(
    sizes_L: npt.ArrayLike, hits_L: npt.ArrayLike, image_L: npt.ArrayLike, scale: Scale
) -> tuple[FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    size, hit = np.asarray(sizes_L, np.float64), np.asarray(hits_L).astype(bool)
    image = np.asarray(image_L).astype(np.intp)
    if size.ndim != 1 or hit.shape != size.shape or image.shape != size.shape:
        raise UsageError(
            f"Sizes came with shape {size.shape}, hits with {hit.shape} and images with "
            f"{image.shape}; each must be [regions]."
        )
    if not np.isfinite(size).all() or (scale == "log" and (size <= 0).any()):
        raise UsageError("A region's size is not a finite number above 0; leave such regions out.")
    if (image < 0).any():
        raise UsageError("Images are numbered from 0; a negative number came.")
    return size, hit, image


def _padded(specimens_N: Sequence[str | None] | None, count: int) -> list[str | None] | None:
    """Specimens of the first `count` images; those not given are unknown."""
    if specimens_N is None:
        return None
    known = list(specimens_N)[:count]
    return known + [None] * (count - len(known))


def _tables(
    x_L: FloatArray, hit_L: npt.NDArray[np.bool_], image_L: npt.NDArray[np.intp]
) -> tuple[FloatArray, csr_array, csr_array]:
    """Distinct sizes, and regions and hits of each image at each. [Q], [N, Q], [N, Q]"""
    x_Q, level_L = np.unique(x_L, return_inverse=True)
    if len(x_Q) > LEVELS:
        step_L = np.empty(len(x_L), np.intp)
        step_L[np.argsort(x_L, kind="stable")] = np.arange(len(x_L)) * LEVELS // len(x_L)
        x_Q = np.bincount(step_L, x_L) / np.bincount(step_L)
        level_L = step_L
    _, image_L = np.unique(image_L, return_inverse=True)
    shape = (int(image_L.max()) + 1, len(x_Q))
    place = (image_L, level_L)
    counts_NQ = csr_array((np.ones(len(x_L)), place), shape=shape)
    return x_Q, counts_NQ, csr_array((hit_L.astype(np.float64), place), shape=shape)


def _firth(
    x_Q: FloatArray, counts_RQ: FloatArray, hits_RQ: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Intercept and slope of each row, by Newton steps halved until the likelihood rises. [R], [R]

    The penalty of Firth is half the log determinant of the information.
    """
    ends = hits_RQ.sum(1) + 0.5, (counts_RQ - hits_RQ).sum(1) + 0.5
    theta_2R = np.stack([np.log(ends[0] / ends[1]), np.zeros(len(counts_RQ))])
    likelihood_R, step_2R = _newton(theta_2R, x_Q, counts_RQ, hits_RQ)
    for _ in range(_ITERATIONS):
        if np.abs(step_2R).max() < _DONE:
            break
        for _ in range(_HALVINGS):
            reached_R, next_2R = _newton(theta_2R + step_2R, x_Q, counts_RQ, hits_RQ)
            worse_R = reached_R < likelihood_R - 1e-9
            if not worse_R.any():
                break
            step_2R = np.where(worse_R, step_2R / 2, step_2R)
        theta_2R = theta_2R + step_2R
        likelihood_R, step_2R = reached_R, next_2R
    return theta_2R[0], theta_2R[1]


def _newton(
    theta_2R: FloatArray, x_Q: FloatArray, counts_RQ: FloatArray, hits_RQ: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Penalised log likelihood of each row, and the Newton step from there. [R], [2, R]"""
    line_RQ = theta_2R[0][:, None] + theta_2R[1][:, None] * x_Q
    missed_RQ = np.logaddexp(0.0, line_RQ)  # minus the log of the chance of being missed
    p_RQ = np.exp(line_RQ - missed_RQ)
    w_RQ = counts_RQ * p_RQ * (1 - p_RQ)
    one_R, two_R, three_R = w_RQ.sum(1), w_RQ @ x_Q, w_RQ @ x_Q**2
    determinant_R = np.maximum(one_R * three_R - two_R**2, 1e-300)
    likelihood_R = (hits_RQ * line_RQ - counts_RQ * missed_RQ).sum(1) + np.log(determinant_R) / 2
    hat_RQ = w_RQ * (three_R[:, None] - 2 * two_R[:, None] * x_Q + one_R[:, None] * x_Q**2)
    hat_RQ /= determinant_R[:, None]
    rest_RQ = hits_RQ - counts_RQ * p_RQ + hat_RQ * (0.5 - p_RQ)
    score_R, slope_R = rest_RQ.sum(1), rest_RQ @ x_Q
    step_2R = np.stack([three_R * score_R - two_R * slope_R, one_R * slope_R - two_R * score_R])
    return likelihood_R, np.clip(step_2R / determinant_R, -_LONGEST_STEP, _LONGEST_STEP)


def _outcome(share_G: FloatArray, slope: float, share: float) -> Outcome:
    if share_G.min() >= share:
        return "everywhere"
    if slope <= 0:
        return "falling"
    return "reached" if share_G[-1] >= share else "never"


def _crossing(start_R: FloatArray, slope_R: FloatArray, share: float) -> FloatArray:
    """Where each line crosses `share`; infinite where it falls, on the side it says. [R]"""
    with np.errstate(divide="ignore", invalid="ignore"):
        at_R = (logit(share) - start_R) / slope_R
    return np.where(slope_R > 0, at_R, np.where(start_R >= logit(share), -np.inf, np.inf))


def _ends(values_RG: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the 95 % percentile interval, always values that were drawn. [G], [G]"""
    sorted_RG = np.sort(values_RG, axis=0)
    last = len(sorted_RG) - 1
    return sorted_RG[int(np.floor(0.025 * last))], sorted_RG[int(np.ceil(0.975 * last))]
