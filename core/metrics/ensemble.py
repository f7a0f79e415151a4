"""How much two runs could give together: blends of their image scores on the same images.

Scores of two methods have different scales. Each class of each run is brought to one scale first:
(score - median of the normal test images) / (1.4826 x their median absolute deviation), the
robust spread that equals the standard deviation of a normal distribution (Hampel, JASA 69, 1974).
A blend is w x A + (1 - w) x B of these, w from 0 to 1.

Everything about the best w is an *oracle ceiling*: the scale uses normal test images, and w is
chosen by the metric it is then judged by, on the same images. Its gain over the better run is
therefore too high. What the choice adds is estimated by the bootstrap: in every draw of images w
and the better run are chosen anew; the corrected gain is twice the observed one less the mean of
the draws, its interval the basic one (Davison & Hinkley, "Bootstrap Methods and their
Application", 1997, sections 2.1 and 5.2). Scales and ranks stay those of all images in every draw.

Beside it stands one blend in which nothing is chosen: the mean of both runs' ranks within the class
(Borda's count, as in rank averaging). Its gain over the run that is better on all images has the
paired percentile interval of `resampling`.

Shapes: N images, W weights, R resamples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from core.errors import UsageError
from core.metrics.evidence import weighted_scores
from core.metrics.ranking import FloatArray, Ranking, auroc, average_precision
from core.metrics.resampling import draw, percentile, units
from core.metrics.threads import in_threads
from core.seeding import derive

WEIGHTS_W: FloatArray = np.linspace(0.0, 1.0, 51)
RESAMPLES = 500
ROBUST = 1.4826
"""Median absolute deviations of a normal distribution in one standard deviation."""

Quality = Literal["image_auroc", "image_ap"]
QUALITIES: dict[str, Callable[[Ranking], FloatArray]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
}


@dataclass(frozen=True, slots=True)
class Scored:
    """The images of one class as two runs scored them, in the same order."""

    class_name: str
    a_N: FloatArray
    b_N: FloatArray
    labels_N: npt.NDArray[np.int64]
    specimens_N: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """What a blend has over the better of the two runs.

    Attributes:
        a, b, value: the metric of A, of B and of the blend.
        weight: share of A in the blend; None where ranks are averaged.
        gain: value - max(a, b) as observed.
        corrected: without what choosing w on these images adds; of averaged ranks the gain itself.
        low, high: 95 % interval of the corrected gain; None where no draw can differ.
    """

    a: float
    b: float
    value: float
    weight: float | None
    gain: float
    corrected: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Of the mean over classes, and of each class by itself.

    Attributes:
        metric: an id of `QUALITIES`.
        weights_W, values_W: the curve: share of A, metric of the blend (mean over classes).
        best: the best blend with one w for all classes; an oracle.
        ranks: the blend of ranks, nothing chosen.
        classes: {class: (curve_W, best, ranks)}, each with its own best w.
        skipped: classes without images of both labels.
    """

    metric: str
    weights_W: FloatArray
    values_W: FloatArray
    best: Gain
    ranks: Gain
    classes: dict[str, tuple[FloatArray, Gain, Gain]]
    skipped: tuple[str, ...]


def normalised(scores_N: FloatArray, labels_N: npt.NDArray[Any]) -> FloatArray:
    """Scores in robust spreads of the normal ones above their median. [N]

    Where more than half of the normal scores are equal their standard deviation stands for the
    robust spread; where all are, or there is one, the unit stays the score's own.
    """
    normal = scores_N[labels_N == 0]
    if len(normal) == 0:
        return np.asarray(scores_N, np.float64)
    middle = float(np.median(normal))
    spread = ROBUST * float(np.median(np.abs(normal - middle))) or float(normal.std()) or 1.0
    return np.asarray((scores_N - middle) / spread, np.float64)


def blends(one: Scored, weights_W: FloatArray = WEIGHTS_W) -> FloatArray:
    """Scores of every blend of one class. [W, N]"""
    a_N, b_N = normalised(one.a_N, one.labels_N), normalised(one.b_N, one.labels_N)
    return np.asarray(weights_W[:, None] * a_N + (1.0 - weights_W[:, None]) * b_N)


def mean_ranks(one: Scored) -> FloatArray:
    """Mean of both runs' ranks among the images of the class, equal scores sharing theirs. [N]"""
    return np.asarray((rankdata(one.a_N) + rankdata(one.b_N)) / 2.0, np.float64)


def ceiling(
    classes: Sequence[Scored],
    metric: str = "image_auroc",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ceiling | None:
    """The best two runs could give together; None where no class has images of both labels.

    Raises:
        UsageError: not a metric of `QUALITIES`, no resamples, a score that is not finite.
    """
    if metric not in QUALITIES:
        raise UsageError(f"metric: expected one of {', '.join(QUALITIES)}, got {metric!r}.")
    if resamples < 1:
        raise UsageError(f"resamples came as {resamples}; a ceiling needs 1 or more.")
    for one in classes:
        if not (np.isfinite(one.a_N).all() and np.isfinite(one.b_N).all()):
            raise UsageError(f"Class {one.class_name!r} has scores that are not finite numbers.")
    usable = [one for one in classes if len(np.unique(one.labels_N)) == 2]
    if not usable:
        return None
    quality = QUALITIES[metric]
    found = in_threads(lambda one: _resampled(one, quality, resamples, seed), usable)
    of_class = {
        one.class_name: (its.values_X[:-1], *_gains(its, _varies(one)))
        for one, its in zip(usable, found, strict=True)
    }
    mean = _Drawn(
        np.mean([its.values_X for its in found], axis=0),
        np.mean([its.draws_RX for its in found], axis=0),
    )
    best, ranks = _gains(mean, all(_varies(one) for one in usable))
    skipped = tuple(one.class_name for one in classes if one not in usable)
    return Ceiling(metric, WEIGHTS_W, mean.values_X[:-1], best, ranks, of_class, skipped)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The metric of X = W blends and, last, of the mean ranks: observed, and in R draws."""

    values_X: FloatArray
    draws_RX: FloatArray


def _resampled(
    one: Scored, quality: Callable[[Ranking], FloatArray], resamples: int, seed: int
) -> _Drawn:
    drawn_RN = draw(
        one.labels_N, resamples, derive(seed, "ensemble", one.class_name), one.specimens_N
    )
    weights_RN = np.concatenate([np.ones((1, len(one.labels_N))), drawn_RN])
    scores_XN = np.concatenate([blends(one), mean_ranks(one)[None]])
    # draws are regular in neither label nor score: one row of scores at a time keeps R x N small
    with np.errstate(invalid="ignore", divide="ignore"):
        values_RX = np.stack(
            [
                quality(weighted_scores(scores_N, one.labels_N, weights_RN))
                for scores_N in scores_XN
            ],
            axis=1,
        )
    return _Drawn(values_RX[0], values_RX[1:])


def _gains(drawn: _Drawn, varies: bool) -> tuple[Gain, Gain]:
    """The best blend, and that of the mean ranks."""
    curve_W, curve_RW = drawn.values_X[:-1], drawn.draws_RX[:, :-1]
    a, b = float(curve_W[-1]), float(curve_W[0])
    ends = [0, len(curve_W) - 1]
    place = _best(curve_W)
    gain = float(curve_W[place] - max(a, b))
    chosen_R = curve_RW.max(axis=1) - curve_RW[:, ends].max(axis=1)
    finite_R = chosen_R[np.isfinite(chosen_R)]
    corrected = low = high = None
    if varies and len(finite_R):
        corrected = 2.0 * gain - float(finite_R.mean())
        left, right = percentile(finite_R, low=None, high=None)
        assert left is not None and right is not None
        low, high = 2.0 * gain - right, 2.0 * gain - left
    best = Gain(a, b, float(curve_W[place]), float(WEIGHTS_W[place]), gain, corrected, low, high)
    better = ends[1] if a >= b else ends[0]
    ranks = float(drawn.values_X[-1])
    of_ranks = ranks - max(a, b)
    left = right = None
    if varies:
        left, right = percentile(drawn.draws_RX[:, -1] - curve_RW[:, better], low=None, high=None)
    return best, Gain(a, b, ranks, None, of_ranks, of_ranks, left, right)


def _best(curve_W: FloatArray) -> int:
    """Place of the highest value; of several the one nearest to either run alone, then to even."""
    top = np.flatnonzero(curve_W >= curve_W.max())
    for end in (len(curve_W) - 1, 0):
        if end in top:
            return end
    return int(top[np.argmin(np.abs(WEIGHTS_W[top] - 0.5))])


def _varies(one: Scored) -> bool:
    """Whether draws of these images differ at all: two units of either label or more."""
    unit_N = units(one.labels_N, one.specimens_N).unit_N
    return all(len(np.unique(unit_N[one.labels_N == label])) > 1 for label in (0, 1))
