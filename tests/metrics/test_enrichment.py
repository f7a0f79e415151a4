"""Fisher's test against scipy and by hand, thirds by hand, shares of many values at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from core.errors import UsageError
from core.metrics.cases import share_hotter
from core.metrics.enrichment import enriched, more_often, third_edges
from core.metrics.tail import shares_hotter


def test_fisher_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        count, rest = rng.integers(1, 60, 2)
        hits, rest_hits = rng.integers(0, count + 1), rng.integers(0, rest + 1)
        table = [[hits, count - hits], [rest_hits, rest - rest_hits]]
        expected = fisher_exact(table, alternative="greater").pvalue
        found = more_often(int(hits), int(count), int(rest_hits), int(rest))
        assert found == pytest.approx(expected, abs=1e-10)


def test_fisher_by_hand() -> None:
    # 2 failures among 4 cases, both in a group of 2: one choice of two out of six
    assert more_often(2, 2, 0, 2) == pytest.approx(1 / 6)
    assert more_often(0, 2, 2, 2) == 1.0
    with pytest.raises(UsageError, match="3 of 2"):
        more_often(3, 2, 0, 2)


def test_groups_are_tested_against_the_rest_and_corrected() -> None:
    found = enriched([9, 1, 0], [10, 10, 10])
    assert [(one.hits, one.count, one.rest_hits, one.rest_count) for one in found] == [
        (9, 10, 1, 20), (1, 10, 9, 20), (0, 10, 10, 20),
    ]  # fmt: skip
    raw = fisher_exact([[9, 1], [1, 19]], alternative="greater").pvalue
    assert found[0].p == pytest.approx(3 * raw) and found[0].surely
    assert not found[1].surely and not found[2].surely


def test_what_cannot_be_tested_has_no_p() -> None:
    assert [one.p for one in enriched([3], [5])] == [None], "no rest"
    assert [one.p for one in enriched([0, 0], [5, 5])] == [None, None], "no failure"
    assert [one.p for one in enriched([5, 5], [5, 5])] == [None, None], "nothing but failures"
    assert not enriched([3], [5])[0].surely


def test_thirds() -> None:
    assert third_edges([0.0, 3.0, 6.0, np.nan]) == pytest.approx((2.0, 4.0))
    assert third_edges([np.nan]) is None


def test_shares_of_many_values_are_those_of_each() -> None:
    x, y = [3.0, 1.0, 2.0, 4.0], [0.01, 0.5, 0.1, 0.0]
    values = np.linspace(0, 5, 41)
    found = shares_hotter(x, y, values)
    assert found is not None
    np.testing.assert_allclose(found, [share_hotter(x, y, float(v)) for v in values], rtol=1e-12)
    assert shares_hotter([], [], values) is None
