"""Predictive values, costs and days, by hand; MOVER-R against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import UsageError
from core.metrics import in_use
from core.metrics.in_use import Costs
from core.metrics.operating import OperatingPoint, Share, operating_table
from core.metrics.shares import wilson


def point(
    found: int, missed: int, alarms: int, passed: int, again: tuple[int, int] = (0, 0)
) -> OperatingPoint:
    high = 2.0 if any(again) else 1.0
    return OperatingPoint(1.0, high, found, again[0], missed, alarms, again[1], passed)


def test_ppv_and_npv_at_a_prevalence_by_bayes() -> None:
    """Sensitivity 0.9, specificity 0.95, prevalence 1 %.

    Of 10,000: 100 anomalous, 90 flagged; 9,900 normal, 495 flagged. PPV = 90 / 585.
    Passed: 10 anomalous, 9,405 normal. NPV = 9405 / 9415.
    """
    ppv, npv = in_use.predictive_values(point(90, 10, 10, 190), 0.01)
    assert ppv.value == pytest.approx(90 / 585) and npv.value == pytest.approx(9405 / 9415)
    assert ppv.low < ppv.value < ppv.high and npv.low < npv.value < npv.high


def test_with_a_band_ppv_is_of_what_is_flagged_and_npv_of_what_passes() -> None:
    at = point(60, 10, 5, 150, again=(30, 45))
    ppv, npv = in_use.predictive_values(at, 0.5)
    assert ppv.value == pytest.approx(0.6 / (0.6 + 0.025))
    assert npv.value == pytest.approx(0.75 / (0.75 + 0.1))


def test_no_false_alarm_leaves_a_lower_end_above_chance() -> None:
    ppv, npv = in_use.predictive_values(point(50, 0, 0, 100), 0.1)
    assert (ppv.value, ppv.high, npv.value, npv.high) == (1.0, 1.0, 1.0, 1.0)
    assert 0.1 < ppv.low < 1 and 0.9 < npv.low < 1


def test_nothing_flagged_has_no_ppv() -> None:
    ppv, npv = in_use.predictive_values(point(0, 5, 0, 5), 0.2)
    assert (ppv.value, ppv.low, ppv.high) == (None, 0.0, 1.0)
    assert npv.value == pytest.approx(0.8)
    assert in_use.predictive_values(point(0, 0, 2, 5), 0.2)[0].value is None
    with pytest.raises(UsageError, match="prevalence"):
        in_use.predictive_values(point(1, 1, 1, 1), 1.0)


def test_ratio_interval_by_newcombes_formula() -> None:
    """The textbook form, where nothing is zero."""
    a, b = 0.9, 0.05
    (l1, u1), (l2, u2) = wilson(90, 100), wilson(10, 200)
    root = math.sqrt((a * b) ** 2 - l1 * u2 * (2 * a - l1) * (2 * b - u2))
    low = (a * b - root) / (u2 * (2 * b - u2))
    high = (a * b + math.sqrt((a * b) ** 2 - u1 * l2 * (2 * a - u1) * (2 * b - l2))) / (
        l2 * (2 * b - l2)
    )
    assert in_use.ratio_interval(a, (l1, u1), b, (l2, u2)) == pytest.approx((low, high))


@pytest.mark.parametrize(("sensitivity", "false_alarms"), [(0.9, 0.05), (0.6, 0.02), (0.98, 0.2)])
def test_the_ppv_interval_covers(sensitivity: float, false_alarms: float) -> None:
    rng = np.random.default_rng(2)
    truth = 0.02 * sensitivity / (0.02 * sensitivity + 0.98 * false_alarms)
    hits, trials = 0, 1500
    for _ in range(trials):
        found, alarms = int(rng.binomial(80, sensitivity)), int(rng.binomial(120, false_alarms))
        ppv, _ = in_use.predictive_values(point(found, 80 - found, alarms, 120 - alarms), 0.02)
        hits += ppv.low <= truth <= ppv.high
    assert 0.93 <= hits / trials <= 0.99


def test_expected_cost_by_hand() -> None:
    """Of 1,000 at 10 %: 100 anomalous, 900 normal. Missed 10 %, alarms 5 %; band 30 % and 22.5 %.

    10 misses at 50, 22.5 alarms (2.5 %) at 4, 30 + 202.5 second looks at 1.
    """
    at = point(60, 10, 5, 150, again=(30, 45))
    cost = in_use.expected_cost(at, 0.1, Costs(miss=50, alarm=4, review=1))
    assert cost == pytest.approx(10 * 50 + 22.5 * 4 + 30 + 202.5)
    assert in_use.expected_cost(point(0, 0, 1, 1), 0.1, Costs(miss=1, alarm=1)) is None
    with pytest.raises(UsageError, match="cost of a miss"):
        Costs(miss=-1, alarm=1)


def test_what_another_point_costs_more_by_hand() -> None:
    """Of 1,000 at 10 %: 2 of 10 missed instead of 1 costs 10 more misses; 45 alarms fewer."""
    costs = Costs(miss=50, alarm=4)
    more = in_use.extra_cost(point(8, 2, 0, 20), point(9, 1, 1, 19), 0.1, costs)
    assert more == pytest.approx(10 * 50 - 45 * 4)
    assert in_use.extra_cost(point(8, 2, 0, 0), point(9, 1, 1, 19), 0.1, costs) is None


def test_the_cheapest_threshold_by_hand() -> None:
    # normals 1, 2, 3; anomalous 2.5, 4
    table = operating_table([1.0, 2.0, 3.0, 2.5, 4.0], [0, 0, 0, 1, 1])
    # thresholds 1, 2, 2.5, 3, 4, above: alarms 3 2 1 1 0 0 of 3, missed 0 0 0 1 1 2 of 2
    cost_T = in_use.cost_curve(table, 0.5, Costs(miss=6, alarm=6))
    assert cost_T is not None
    assert list(cost_T) == pytest.approx([3000, 2000, 1000, 2500, 1500, 3000])
    assert in_use.cheapest_threshold(table, 0.5, Costs(miss=6, alarm=6)) == 2.5
    # a false alarm that costs ten times as much moves it up
    assert in_use.cheapest_threshold(table, 0.5, Costs(miss=6, alarm=60)) == 4.0
    # of thresholds that cost the same the highest is taken
    assert in_use.cheapest_threshold(table, 0.5, Costs(miss=0, alarm=0)) == table.thresholds_T[-1]


def test_a_day_by_hand() -> None:
    """5,000 items at 2 %: 100 anomalous and 4,900 normal; 36 seconds a look."""
    at = point(60, 10, 5, 150, again=(30, 45))
    plan = in_use.day(at, 0.02, 5000, 36)
    assert plan is not None
    assert plan.flagged == pytest.approx(60 + 4900 * 5 / 200)
    assert plan.reviewed == pytest.approx(30 + 4900 * 45 / 200)
    assert plan.flagged + plan.reviewed + plan.passed == pytest.approx(5000)
    assert plan.review_hours == pytest.approx(plan.reviewed / 100)
    assert plan.misses.value == pytest.approx(10)
    low, high = Share(10, 100).interval
    assert (plan.misses.low, plan.misses.high) == pytest.approx((100 * low, 100 * high))
    assert in_use.day(point(1, 1, 0, 0), 0.02, 10, 1) is None
