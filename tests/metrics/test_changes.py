"""McNemar's exact test and the union of two runs' alarms, against counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import UsageError
from core.metrics.changes import changes, mcnemar, union


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (1, 0, 1.0),  # 2 x 1/2
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),
        (8, 1, 2 * (1 + 9) / 512),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-12)
    assert mcnemar(only_b, only_a) == mcnemar(only_a, only_b)


def test_mcnemar_equals_the_sum_of_binomials() -> None:
    for n in range(1, 40):
        for few in range(n // 2 + 1):
            tail = sum(math.comb(n, k) for k in range(few + 1)) / 2**n
            assert mcnemar(few, n - few) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(UsageError, match="0 or more"):
        mcnemar(-1, 2)


def test_groups_are_counted_and_corrected_together() -> None:
    groups = ["x"] * 8 + ["y"] * 7
    a = [True] * 7 + [False] + [True, True, True, False, False, False, False]
    b = [True] + [False] * 6 + [False] + [True, False, False, True, True, False, False]
    x, y = changes(groups, a, b, [None] * 15)
    assert (x.group, x.both, x.only_a, x.only_b, x.neither, x.images) == ("x", 1, 6, 0, 1, 8)
    assert (y.both, y.only_a, y.only_b, y.neither) == (1, 2, 2, 2)
    assert x.p == pytest.approx(2 / 64) and y.p == 1.0
    assert x.p_corrected == pytest.approx(4 / 64), "Holm: the smaller of two counts twice"
    assert y.p_corrected == 1.0 and x.note == ""


def test_images_of_one_specimen_are_counted_but_not_tested() -> None:
    (one,) = changes(["x"] * 3, [True, True, False], [False, False, True], ["p1", "p1", None])
    assert (one.only_a, one.only_b, one.p, one.p_corrected) == (2, 1, None, None)
    assert "one specimen" in one.note
    (alone,) = changes(["x"] * 3, [True, True, False], [False] * 3, ["p1", "p2", None])
    assert alone.p == pytest.approx(0.5) and alone.note == ""


def test_lengths_must_agree() -> None:
    with pytest.raises(UsageError, match="one entry an image"):
        changes(["x"], [True, False], [True], [None])


def test_union_by_hand() -> None:
    #           anomalous          normal
    labels = [1, 1, 1, 1, 1, 0, 0, 0, 0]
    a = [1, 1, 0, 0, 1, 1, 0, 0, 0]
    b = [1, 0, 1, 0, 1, 0, 1, 1, 0]
    found = union(labels, np.array(a, bool), np.array(b, bool))
    assert found.found == (3, 3, 4, 2), "A, B, either, both"
    assert found.alarms == (1, 2, 3, 0)
    assert (found.anomalous, found.normal) == (5, 4)
