"""What an operating point means in use: predictive values, expected cost, a day's work.

All of it at a prevalence (defect rate) of one's own, which is taken as known: test sets hold far
more anomalies than life does.

Sources:
    PPV, NPV    Bayes' rule. Their odds are the odds of the prevalence times a ratio of two
                independent shares, whose interval is MOVER-R's from the two Wilson intervals:
                Donner & Zou, Stat Methods Med Res 21 (2012); Newcombe, "MOVER-R confidence
                intervals for ratios and products of two independently estimated quantities",
                ibid. 25 (2016), section 2. It holds where a count is zero.
    cost        expected cost at a prevalence: Drummond & Holte, "Cost curves", Machine Learning 65
                (2006), section 2, with a third action, looking again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.errors import UsageError
from core.metrics.operating import FloatArray, OperatingPoint, Share, Table


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; value None where it is not defined."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one missed anomaly, one false alarm, one second look; in any one unit, none negative."""

    miss: float
    alarm: float
    review: float = 0.0

    def __post_init__(self) -> None:
        for name in ("miss", "alarm", "review"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"The cost of a {name} came as {value!r}; give 0 or more.")


@dataclass(frozen=True, slots=True)
class Day:
    """What a day brings on average; misses and alarms with the ends of their rate's interval."""

    items: float
    flagged: float
    reviewed: float
    passed: float
    review_hours: float
    flagged_hours: float
    misses: Estimate
    alarms: Estimate


def predictive_values(point: OperatingPoint, prevalence: float) -> tuple[Estimate, Estimate]:
    """PPV of what is flagged and NPV of what passes, each with its 95 % interval.

    Not defined (None, 0 to 1) where there is no anomalous or no normal case, or where nothing is
    flagged (passed) at all.

    Raises:
        UsageError: the prevalence is not between 0 and 1.
    """
    odds = _prevalence(prevalence) / (1 - prevalence)
    found, alarms = Share(point.found, point.anomalous), Share(point.alarms, point.normal)
    passed, missed = Share(point.passed, point.normal), Share(point.missed, point.anomalous)
    return _of_odds(odds, found, alarms), _of_odds(1 / odds, passed, missed)


def _prevalence(value: float) -> float:
    if not 0.0 < value < 1.0:
        raise UsageError(f"The prevalence came as {value!r}; give a share between 0 and 1.")
    return value


def _of_odds(odds: float, right: Share, wrong: Share) -> Estimate:
    """The probability whose odds are `odds` times right / wrong."""
    a, b = right.value, wrong.value
    if a is None or b is None or (a == 0 and b == 0):
        return Estimate(None, 0.0, 1.0)
    low, high = ratio_interval(a, right.interval, b, wrong.interval)
    return Estimate(odds * a / (odds * a + b), _from_odds(odds * low), _from_odds(odds * high))


def _from_odds(odds: float) -> float:
    return 1.0 if math.isinf(odds) else odds / (1.0 + odds)


def ratio_interval(
    a: float, a_ends: tuple[float, float], b: float, b_ends: tuple[float, float]
) -> tuple[float, float]:
    """MOVER-R interval of a / b from the intervals of both, all non-negative; high may be inf.

    Newcombe 2016, section 2, with the lower end written so that nothing is divided by zero.
    """
    product = a * b
    low_part, high_part = a_ends[0] * (2 * a - a_ends[0]), b_ends[1] * (2 * b - b_ends[1])
    below = product + math.sqrt(max(0.0, product**2 - low_part * high_part))
    low = low_part / below if below > 0 else 0.0
    top_part, bottom_part = a_ends[1] * (2 * a - a_ends[1]), b_ends[0] * (2 * b - b_ends[0])
    above = product + math.sqrt(max(0.0, product**2 - top_part * bottom_part))
    return max(0.0, low), above / bottom_part if bottom_part > 0 else math.inf


def expected_cost(point: OperatingPoint, prevalence: float, costs: Costs) -> float | None:
    """Expected cost of 1,000 items; None without anomalous or without normal cases."""
    p = _prevalence(prevalence)
    if not point.anomalous or not point.normal:
        return None
    again_bad, again_good = (share.value or 0.0 for share in point.review_rates)
    missed, alarms = point.missed / point.anomalous, point.alarms / point.normal
    bad = costs.miss * missed + costs.review * again_bad
    good = costs.alarm * alarms + costs.review * again_good
    return 1000 * (p * bad + (1 - p) * good)


def cost_curve(table: Table, prevalence: float, costs: Costs) -> FloatArray | None:
    """Expected cost of 1,000 items at each threshold of a table, without a review band. [T]"""
    p = _prevalence(prevalence)
    if not table.anomalous or not table.normal:
        return None
    bad_T = p * costs.miss * table.missed_T / table.anomalous
    good_T = (1 - p) * costs.alarm * table.alarms_T / table.normal
    return np.asarray(1000 * (bad_T + good_T))


def extra_cost(
    point: OperatingPoint, instead_of: OperatingPoint, prevalence: float, costs: Costs
) -> float | None:
    """By how much 1,000 items cost more at `point` than at another one; None as expected_cost."""
    here, there = (expected_cost(one, prevalence, costs) for one in (point, instead_of))
    return None if here is None or there is None else here - there


def cheapest_threshold(table: Table, prevalence: float, costs: Costs) -> float | None:
    """The threshold of a full table that costs least, the highest where several tie.

    Chosen on the very cases it is judged by: an oracle.
    """
    cost_T = cost_curve(table, prevalence, costs)
    if cost_T is None:
        return None
    near_T = cost_T <= cost_T.min() * (1 + 1e-12)
    return float(table.thresholds_T[np.flatnonzero(near_T)[-1]])


def day(point: OperatingPoint, prevalence: float, items: float, seconds: float) -> Day | None:
    """What a day of `items` brings when a look takes `seconds`; None without either kind of case.

    The ends of misses and alarms are those of the rate's interval times the expected number of
    anomalous (normal) items; how much one day differs from the next is not in them.
    """
    p = _prevalence(prevalence)
    if not point.anomalous or not point.normal:
        return None
    bad, good = items * p, items * (1 - p)
    flagged = bad * point.found / point.anomalous + good * point.alarms / point.normal
    again_bad, again_good = (share.value or 0.0 for share in point.review_rates)
    reviewed = bad * again_bad + good * again_good
    return Day(
        items=items,
        flagged=flagged,
        reviewed=reviewed,
        passed=items - flagged - reviewed,
        review_hours=reviewed * seconds / 3600,
        flagged_hours=flagged * seconds / 3600,
        misses=_times(bad, point.miss_rate),
        alarms=_times(good, point.false_alarm_rate),
    )


def _times(count: float, share: Share) -> Estimate:
    low, high = share.interval
    return Estimate(None if share.value is None else count * share.value, count * low, count * high)
