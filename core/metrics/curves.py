"""Curves for plots: exact vertices, thinned to a few hundred that keep the shape.

Thinning is Douglas and Peucker's ("Algorithms for the reduction of the number of points required
to represent a digitized line or its caricature", 1973): the vertex farthest from the line kept
so far is added next. Some vertices at low x are kept besides, for logarithmic axes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.metrics.froc import Froc
from core.metrics.population import Population
from core.metrics.ranking import FloatArray, Ranking
from core.metrics.records import ImageRecord

POINTS = 300
_CANDIDATES = 2000
_TOLERANCE = 1e-5
TAIL_SHARES = np.logspace(0, -6, 61)
HISTOGRAM_BINS = 40
MOST_MARKS = 8.0
"""False marks a normal image up to which the FROC curve is drawn."""
_LARGEST = float(np.finfo(np.float64).max)

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one curve, in drawing order; the three arrays have one length.

    `curve` is one of
        roc, pixel_roc: x false-positive rate, y true-positive rate;
        pr, pixel_pr: x recall, y precision;
        pro: x false-positive rate (to 1), y per-region overlap;
        froc: x false marks a normal image (to 8), y regions found;
        score_hist_normal, score_hist_anomalous: x bin centre, y images (bins shared);
        normal_tail: y share of normal pixels with a map value >= x.
    `threshold`: a point holds when values >= threshold are called anomalous; for histograms the
    lower edge of the bin.
    """

    class_name: str
    curve: str
    x: FloatArray
    y: FloatArray
    threshold: FloatArray


def thin(x_V: FloatArray, y_V: FloatArray, limit: int = POINTS) -> Index:
    """Indices of at most `limit` vertices of a line in the unit square, ends included.

    Args:
        x_V: ascending.
        y_V: any.
    """
    last = len(x_V) - 1
    if last < limit:
        return np.arange(last + 1)
    anchors = np.searchsorted(x_V, np.logspace(-6, 0, limit // 8))
    kept = sorted({0, last, *(int(min(anchor, last)) for anchor in anchors)})
    heap = [(*_farthest(x_V, y_V, i, j), i, j) for i, j in itertools.pairwise(kept)]
    heapq.heapify(heap)
    while len(kept) < limit:
        distance, middle, i, j = heapq.heappop(heap)
        if -distance < _TOLERANCE:
            break
        kept.append(middle)
        heapq.heappush(heap, (*_farthest(x_V, y_V, i, middle), i, middle))
        heapq.heappush(heap, (*_farthest(x_V, y_V, middle, j), middle, j))
    return np.sort(np.array(kept))


def _farthest(x_V: FloatArray, y_V: FloatArray, i: int, j: int) -> tuple[float, int]:
    """(-distance, vertex) of the vertex between i and j farthest from the line through both."""
    if j - i < 2:
        return 0.0, i
    across, up = x_V[j] - x_V[i], y_V[j] - y_V[i]
    right, rise = x_V[i + 1 : j] - x_V[i], y_V[i + 1 : j] - y_V[i]
    length = np.hypot(across, up)
    distance = np.abs(right * up - rise * across) / length if length else np.hypot(right, rise)
    middle = int(distance.argmax())
    return -float(distance[middle]), i + 1 + middle


def _few(x_M: FloatArray, y_M: FloatArray) -> Index:
    """Indices spread evenly along a line, with both ends of long steps."""
    if len(x_M) <= _CANDIDATES:
        return np.arange(len(x_M))
    step = np.abs(np.diff(x_M, prepend=0.0)) + np.abs(np.diff(y_M, prepend=0.0))
    length = np.cumsum(step)
    even = np.searchsorted(length, np.linspace(0, length[-1], _CANDIDATES // 2))
    low = np.searchsorted(x_M, np.logspace(-6, 0, POINTS))
    picked = np.concatenate((even, even - 1, low))
    return np.unique(np.clip(picked, 0, len(x_M) - 1))


def ranking_curves(class_name: str, ranking: Ranking, prefix: str) -> list[Curve]:
    """ROC and precision-recall curves, and the PRO curve where there are regions.

    Every anomalous value makes two vertices: before it is called anomalous (the threshold lies
    one step above it) and after.
    """
    r = ranking
    found, false = r.found_RM[0], r.false_RM[0]
    positives, precision = float(r.positives_R[0]), found / (found + false)
    lines = [
        _rising(class_name, f"{prefix}roc", r, found / positives, r.count_RM[0] / positives),
        _precision_recall(class_name, f"{prefix}pr", r, _few(found / positives, precision)),
    ]
    if r.gain_RM is not None:
        gain = r.gain_RM[0]
        lines.append(_rising(class_name, "pro", r, np.cumsum(gain), gain))
    return lines


def _steps(ranking: Ranking, index: Index, before: FloatArray, after: FloatArray) -> FloatArray:
    """Interleave values just before and after the thresholds at `index`."""
    return np.stack((before[index], after[index]), axis=1).ravel()


def _thresholds(ranking: Ranking, index: Index) -> FloatArray:
    """Thresholds of the vertices: one above all values, the interleaved ones, the lowest value."""
    values = ranking.thresholds_M
    assert values is not None
    with np.errstate(over="ignore"):
        above = ranking.ceilings_M
        if above is None:
            above = np.nextafter(values, values.dtype.type(np.inf))
        top = np.nextafter(values.dtype.type(ranking.highest), values.dtype.type(np.inf))
    inner = _steps(ranking, index, above.astype(np.float64), values.astype(np.float64))
    return np.minimum(np.concatenate(([float(top)], inner, [ranking.lowest])), _LARGEST)


def _rising(
    class_name: str, curve: str, ranking: Ranking, rise_M: FloatArray, gain_M: FloatArray
) -> Curve:
    """A curve over the false-positive rate from (0, 0) to (1, 1)."""
    negatives = ranking.negatives_R[0]
    after_x, before_x = ranking.false_RM[0] / negatives, ranking.above_RM[0] / negatives
    index = _few(after_x, rise_M)
    x = np.concatenate(([0.0], _steps(ranking, index, before_x, after_x), [1.0]))
    inner = _steps(ranking, index, rise_M - gain_M, rise_M)
    y = np.clip(np.concatenate(([0.0], inner, [1.0])), 0.0, 1.0)
    return _thinned(class_name, curve, x, y, _thresholds(ranking, index))


def _precision_recall(class_name: str, curve: str, ranking: Ranking, index: Index) -> Curve:
    """From (0, 1), as scikit-learn starts it, to recall 1 at the share of anomalous values."""
    positives, negatives = float(ranking.positives_R[0]), float(ranking.negatives_R[0])
    after, above = ranking.found_RM[0], ranking.above_RM[0]
    found = _steps(ranking, index, after - ranking.count_RM[0], after)
    false = _steps(ranking, index, above, ranking.false_RM[0])
    called = found + false
    precision = np.divide(found, called, out=np.ones_like(found), where=called > 0)
    x = np.concatenate(([0.0], found / positives, [1.0]))
    y = np.concatenate(([1.0], precision, [positives / (positives + negatives)]))
    return _thinned(class_name, curve, x, y, _thresholds(ranking, index))


def _thinned(class_name: str, curve: str, x: FloatArray, y: FloatArray, at: FloatArray) -> Curve:
    keep = thin(x, y)
    return Curve(class_name, curve, x[keep], y[keep], at[keep])


def froc_curve(class_name: str, curve: Froc) -> list[Curve]:
    """Lesions found against false marks a normal image, as steps, up to MOST_MARKS."""
    inside = curve.nlf_T <= MOST_MARKS
    x, y, at = curve.nlf_T[inside], curve.llf_T[inside], curve.threshold_T[inside]
    if len(x) == 0:
        return []
    before = np.concatenate(([0.0], y[:-1]))
    line = [
        np.concatenate(([0.0], np.repeat(x, 2), [MOST_MARKS])),
        np.concatenate(([0.0], np.stack((before, y), axis=1).ravel(), y[-1:])),
        np.concatenate((at[:1], np.repeat(at, 2), at[-1:])),
    ]
    keep = thin(line[0] / MOST_MARKS, line[1])
    return [Curve(class_name, "froc", *(part[keep] for part in line))]


def score_histograms(class_name: str, images: Sequence[ImageRecord]) -> list[Curve]:
    """Image scores of normal and of anomalous images over the same 40 bins."""
    edges = np.histogram_bin_edges([image.score for image in images], bins=HISTOGRAM_BINS)
    centres, lower = (edges[:-1] + edges[1:]) / 2, edges[:-1]
    return [
        Curve(
            class_name,
            f"score_hist_{name}",
            centres,
            np.histogram([i.score for i in images if i.label == label], edges)[0].astype(float),
            lower,
        )
        for label, name in enumerate(("normal", "anomalous"))
    ]


def normal_tail(class_name: str, populations: Sequence[Population]) -> list[Curve]:
    """Share of the normal pixels of some classes at or above a map value, from 1 to 1e-6 as far as
    the data goes; no curve without normal pixels.

    The values are those near which the shares of `TAIL_SHARES` lie in any of the classes.
    """
    populations = [population for population in populations if population.negatives]
    if not populations:
        return []
    x = np.unique(np.concatenate([one.normal_values(TAIL_SHARES) for one in populations]))
    negatives = sum(one.negatives for one in populations)
    below = np.sum([one.normals_below(x) for one in populations], axis=0)
    y = (negatives - below) / negatives
    x, y = x[y > 0], y[y > 0]
    wanted = np.searchsorted(-np.log(y), -np.log(TAIL_SHARES))
    keep = np.unique(np.append(np.minimum(wanted, len(x) - 1), (0, len(x) - 1)))
    at = x[keep].astype(np.float64)
    return [Curve(class_name, "normal_tail", at, y[keep], at)]
