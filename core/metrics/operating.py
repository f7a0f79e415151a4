"""Cases counted at a threshold, or with a review band between two.

A case is flagged when its score is >= the upper threshold, passed when it is below the lower one,
and looked at again by a person in between; without a review band both thresholds are one.
Intervals of shares are Wilson's (`core.metrics.shares`). What the counts mean at a prevalence and
at costs of one's own: `core.metrics.in_use`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.shares import wilson

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
MOST = 600
"""Thresholds kept of a class, so that a browser gets a table it can look up while dragging."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Counts at thresholds of one class, exact at each; the thresholds rise. All [T].

    The first threshold flags every case, the last one none.
    """

    thresholds_T: FloatArray
    found_T: IntArray
    alarms_T: IntArray
    anomalous: int
    normal: int

    @property
    def missed_T(self) -> IntArray:
        return np.asarray(self.anomalous - self.found_T)

    @property
    def passed_T(self) -> IntArray:
        return np.asarray(self.normal - self.alarms_T)


@dataclass(frozen=True, slots=True)
class Share:
    """Hits among those counted, with Wilson's 95 % interval; value None of nothing counted."""

    hits: int
    count: int

    @property
    def value(self) -> float | None:
        return self.hits / self.count if self.count else None

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.count)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Cases by what happens to them; see the top of this file.

    Attributes:
        low, high: the thresholds, equal without a review band.
        found, found_again, missed: anomalous cases flagged, looked at again, passed.
        alarms, alarms_again, passed: normal cases flagged, looked at again, passed.
    """

    low: float
    high: float
    found: int
    found_again: int
    missed: int
    alarms: int
    alarms_again: int
    passed: int

    @property
    def banded(self) -> bool:
        return self.high > self.low

    @property
    def anomalous(self) -> int:
        return self.found + self.found_again + self.missed

    @property
    def normal(self) -> int:
        return self.alarms + self.alarms_again + self.passed

    @property
    def sensitivity(self) -> Share:
        """Anomalous cases that do not pass: flagged, or put before a person."""
        return Share(self.found + self.found_again, self.anomalous)

    @property
    def miss_rate(self) -> Share:
        return Share(self.missed, self.anomalous)

    @property
    def specificity(self) -> Share:
        """Normal cases that are not flagged: passed, or put before a person."""
        return Share(self.passed + self.alarms_again, self.normal)

    @property
    def false_alarm_rate(self) -> Share:
        return Share(self.alarms, self.normal)

    @property
    def review_rates(self) -> tuple[Share, Share]:
        """Shares of the anomalous and of the normal cases that are looked at again."""
        return Share(self.found_again, self.anomalous), Share(self.alarms_again, self.normal)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of scores between edges [B + 1]; normal and anomalous ones [B]."""

    edges: FloatArray
    normal: IntArray
    anomalous: IntArray


def by_specimen(
    scores_N: npt.ArrayLike, labels_N: npt.ArrayLike, groups_N: Sequence[Hashable | None]
) -> tuple[FloatArray, IntArray]:
    """Scores and labels of specimens: the highest score of their images, anomalous when any is.

    Args:
        groups_N: what an image belongs to; None: it stands for itself.

    Returns:
        (scores [S], labels [S]) in the order in which specimens first appear.
    """
    scores, labels = _checked(scores_N, labels_N)
    places: dict[Hashable, int] = {}
    of_N = np.array(
        [
            places.setdefault(("", i) if group is None else ("g", group), len(places))
            for i, group in enumerate(groups_N)
        ],
        np.intp,
    )
    if len(of_N) != len(scores):
        raise UsageError(f"groups_N: expected {len(scores)} entries, got {len(of_N)}.")
    highest = np.full(len(places), -np.inf)
    label = np.zeros(len(places), np.int64)
    np.maximum.at(highest, of_N, scores)
    np.maximum.at(label, of_N, labels)
    return highest, label


def operating_table(
    scores_N: npt.ArrayLike,
    labels_N: npt.ArrayLike,
    also: Sequence[float] = (),
    most: int | None = None,
) -> Table:
    """Counts at every distinct score, at one threshold above all of them, and at `also`.

    Args:
        labels_N: 1 = anomalous.
        also: thresholds that must be in the table, such as the present one.
        most: keep about so many thresholds: those that split the normal and the anomalous scores
            most evenly, beside the ends and `also`; counts stay exact at those kept.

    Raises:
        UsageError: a score is not finite, or lengths differ.
    """
    scores, labels = _checked(scores_N, labels_N)
    normal, anomalous = np.sort(scores[labels == 0]), np.sort(scores[labels == 1])
    distinct = np.unique(scores)
    kept = distinct if most is None else _thinned(distinct, (normal, anomalous), most)
    asked = np.asarray([value for value in also if math.isfinite(value)], np.float64)
    top = [above(float(distinct[-1]))] if len(distinct) else []
    at = np.unique(np.concatenate([kept, asked, np.asarray(top, np.float64)]))
    return Table(
        thresholds_T=at,
        found_T=_at_or_above(anomalous, at),
        alarms_T=_at_or_above(normal, at),
        anomalous=len(anomalous),
        normal=len(normal),
    )


def above(score: float) -> float:
    """The next threshold above a score, one float32 step away, as held-out thresholds lie."""
    with np.errstate(over="ignore"):
        step = float(np.nextafter(np.float32(score), np.float32(np.inf)))
    return step if math.isfinite(step) and step > score else math.nextafter(score, math.inf)


def _thinned(distinct: FloatArray, kinds: tuple[FloatArray, FloatArray], most: int) -> FloatArray:
    if len(distinct) <= most:
        return distinct
    parts = [distinct[[0, -1]]]
    for scores in kinds:
        if len(scores):
            parts.append(scores[np.linspace(0, len(scores) - 1, max(2, most // 2)).astype(int)])
    return np.unique(np.concatenate(parts))


def _at_or_above(ascending: FloatArray, at: FloatArray) -> IntArray:
    return np.asarray(len(ascending) - np.searchsorted(ascending, at, side="left"), np.int64)


def operating_point(
    scores_N: npt.ArrayLike, labels_N: npt.ArrayLike, low: float, high: float | None = None
) -> OperatingPoint:
    """Counts at a threshold, or with a review band from `low` to `high`.

    Raises:
        UsageError: a score is not finite, a threshold is no number, or `high` is below `low`.
    """
    scores, labels = _checked(scores_N, labels_N)
    high = low if high is None else high
    if math.isnan(low) or math.isnan(high) or high < low:
        raise UsageError(
            f"A review band goes from a lower to a higher threshold, not from {low:g} to {high:g}."
        )
    bad = labels == 1
    flagged, passed = scores >= high, scores < low
    again = ~flagged & ~passed
    return OperatingPoint(
        low, high,
        *(int((bad & what).sum()) for what in (flagged, again, passed)),
        *(int((~bad & what).sum()) for what in (flagged, again, passed)),
    )  # fmt: skip


def best_f1_threshold(table: Table) -> float | None:
    """The highest threshold at which F1 of a full table is highest; None without anomalies.

    Chosen on the very cases it is judged by: an oracle, as `image_f1max_threshold`.
    """
    if not table.anomalous:
        return None
    f1_T = 2 * table.found_T / (table.anomalous + table.found_T + table.alarms_T)
    return float(table.thresholds_T[np.flatnonzero(f1_T == f1_T.max())[-1]])


def score_histogram(
    scores_N: npt.ArrayLike, labels_N: npt.ArrayLike, bins: int = 60, also: Sequence[float] = ()
) -> Histogram:
    """Scores of normal and anomalous cases in equal steps, wide enough for the values `also`."""
    scores, labels = _checked(scores_N, labels_N)
    values = np.concatenate([scores, [value for value in also if math.isfinite(value)]])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    pad = (high - low) * 0.02
    edges = np.linspace(low - pad, high + pad, bins + 1)
    normal, anomalous = (np.histogram(scores[labels == kind], edges)[0] for kind in (0, 1))
    return Histogram(edges, normal.astype(np.int64), anomalous.astype(np.int64))


def _checked(scores_N: npt.ArrayLike, labels_N: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    scores = np.asarray(scores_N, np.float64).ravel()
    labels = (np.asarray(labels_N).ravel() == 1).astype(np.int64)
    if len(scores) != len(labels):
        raise UsageError(f"labels_N: expected {len(scores)} entries, got {len(labels)}.")
    if not np.isfinite(scores).all():
        raise UsageError("A score is not a finite number; leave such cases out first.")
    return scores, labels
