"""Counts at thresholds, by hand and against counting one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import UsageError
from core.metrics import operating
from core.metrics.operating import OperatingPoint, Share

# four normal and four anomalous cases
SCORES = [1.0, 2.0, 3.0, 6.0, 2.0, 4.0, 5.0, 8.0]
LABELS = [0, 0, 0, 0, 1, 1, 1, 1]


def test_counts_at_a_threshold() -> None:
    at = operating.operating_point(SCORES, LABELS, 4.0)
    # 4, 5, 8 are found and 2 is missed; 6 is a false alarm; a score equal to it counts as flagged
    assert (at.found, at.missed, at.alarms, at.passed) == (3, 1, 1, 3)
    assert (at.found_again, at.alarms_again, at.banded) == (0, 0, False)
    assert at.sensitivity == Share(3, 4) and at.specificity == Share(3, 4)
    assert at.false_alarm_rate == Share(1, 4) and at.miss_rate == Share(1, 4)


def test_a_review_band_has_six_cells() -> None:
    at = operating.operating_point(SCORES, LABELS, 3.0, 6.0)
    # below 3: 1, 2 | 2. From 3 to below 6: 3 | 4, 5. At or above 6: 6 | 8
    assert at == OperatingPoint(3.0, 6.0, 1, 2, 1, 1, 1, 2)
    assert at.banded
    assert at.sensitivity == Share(3, 4)  # flagged or looked at again
    assert at.specificity == Share(3, 4)  # passed or looked at again
    assert at.review_rates == (Share(2, 4), Share(1, 4))


def test_a_band_upside_down_is_refused() -> None:
    with pytest.raises(UsageError, match="from a lower to a higher"):
        operating.operating_point(SCORES, LABELS, 6.0, 3.0)
    with pytest.raises(UsageError):
        operating.operating_point(SCORES, LABELS, math.nan)


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 11 of 194: the published worked form of Wilson's interval, computed by hand to 3 digits
    low, high = Share(11, 194).interval
    z, n, p = 1.959964, 194, 11 / 194
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert Share(0, 0).value is None


def test_the_table_holds_every_distinct_score_and_one_above() -> None:
    table = operating.operating_table(SCORES, LABELS, also=[2.5])
    assert list(table.thresholds_T[:-1]) == [1, 2, 2.5, 3, 4, 5, 6, 8]
    assert table.thresholds_T[-1] > 8
    assert list(table.found_T) == [4, 4, 3, 3, 3, 2, 1, 1, 0]
    assert list(table.alarms_T) == [4, 3, 2, 2, 1, 1, 1, 0, 0]
    assert list(table.missed_T) == [0, 0, 1, 1, 1, 2, 3, 3, 4]
    assert list(table.passed_T) == [0, 1, 2, 2, 3, 3, 3, 4, 4]


def test_a_thinned_table_is_exact_where_it_is_kept() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=20_000).astype(np.float32)
    labels = (rng.random(20_000) < 0.03).astype(int)
    table = operating.operating_table(scores, labels, also=[0.25], most=600)
    assert len(table.thresholds_T) <= 604 and 0.25 in table.thresholds_T
    assert (table.found_T[0], table.alarms_T[0]) == (table.anomalous, table.normal)
    assert (table.found_T[-1], table.alarms_T[-1]) == (0, 0)
    for i in range(0, len(table.thresholds_T), 37):
        at = scores.astype(np.float64) >= table.thresholds_T[i]
        assert table.found_T[i] == (at & (labels == 1)).sum()
        assert table.alarms_T[i] == (at & (labels == 0)).sum()
    # no step of the table skips more than about 1 in 300 of either kind
    assert np.abs(np.diff(table.found_T)).max() <= table.anomalous / 250 + 2
    assert np.abs(np.diff(table.alarms_T)).max() <= table.normal / 250 + 2


def test_best_f1_is_the_stored_oracle_threshold() -> None:
    """The same rule as `image_f1max_threshold`, on the same images."""
    from core.metrics.evidence import score_ranking
    from core.metrics.ranking import f1_max_threshold

    table = operating.operating_table(SCORES, LABELS)
    # F1 at 4: 2 * 3 / (4 + 3 + 1) = 0.75, the highest
    assert operating.best_f1_threshold(table) == 4.0
    rng = np.random.default_rng(11)
    for _ in range(20):
        scores = rng.integers(0, 12, 60).astype(np.float32)
        labels = rng.integers(0, 2, 60)
        mine = operating.best_f1_threshold(operating.operating_table(scores, labels))
        ranking = score_ranking(scores.astype(np.float64), labels)
        assert not isinstance(ranking, str)
        assert mine == float(f1_max_threshold(ranking)[0])


def test_one_class_only_has_no_best_f1_but_a_table() -> None:
    table = operating.operating_table([1.0, 2.0], [0, 0])
    assert operating.best_f1_threshold(table) is None
    assert list(table.alarms_T) == [2, 1, 0] and list(table.found_T) == [0, 0, 0]


def test_no_case_at_all_gives_an_empty_table() -> None:
    assert len(operating.operating_table([], []).thresholds_T) == 0
    assert operating.operating_point([], [], 1.0).anomalous == 0


def test_specimens_count_by_their_highest_score() -> None:
    scores = [1.0, 5.0, 2.0, 3.0, 9.0, 4.0]
    labels = [0, 0, 1, 0, 0, 0]
    groups = ["a", "a", "b", "b", None, None]
    found, label = operating.by_specimen(scores, labels, groups)
    # a: 5, normal; b: 3, anomalous because one image is; two images without a specimen
    assert list(found) == [5, 3, 9, 4] and list(label) == [0, 1, 0, 0]
    with pytest.raises(UsageError, match="groups_N"):
        operating.by_specimen(scores, labels, groups[:-1])


def test_the_histogram_counts_each_case_once() -> None:
    bars = operating.score_histogram(SCORES, LABELS, 7, also=[20.0])
    assert bars.normal.sum() == 4 and bars.anomalous.sum() == 4
    assert bars.edges[0] < 1 and bars.edges[-1] > 20
    same = operating.score_histogram([3.0, 3.0], [0, 1], 4)
    assert same.normal.sum() == same.anomalous.sum() == 1


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="finite"):
        operating.operating_table([1.0, math.nan], [0, 1])
    with pytest.raises(UsageError, match="labels_N"):
        operating.operating_table([1.0, 2.0], [0])


def test_above_is_the_next_float32() -> None:
    score = float(np.float32(0.1))
    assert operating.above(score) == float(np.nextafter(np.float32(0.1), np.float32(1)))
    assert operating.above(1e300) > 1e300
