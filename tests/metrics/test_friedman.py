"""Mean ranks over data sets against the worked example of Demsar (JMLR 7, 2006) and scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from core.errors import UsageError
from core.metrics import friedman

DEMSAR = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972,
         0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981,
         0.978],
        [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751,
         0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975,
         0.970],
    ]
)  # fmt: skip
"""AUC of four trees on fourteen data sets, table 6 of the paper. Its ranks of the data set before
the last are 4, 1, 2, 3 although two print as 0.975, hence the fourth digit."""


class TestWorkedExample:
    def test_mean_ranks(self) -> None:
        found = friedman.compare_ranks(DEMSAR)
        assert found.mean_K == pytest.approx([3.143, 2.0, 2.893, 1.964], abs=5e-4)

    def test_friedman_without_ties_is_the_papers(self) -> None:
        """Section 3.2.2 leaves ties uncorrected: 12 N / (k (k + 1)) (sum R^2 - k (k + 1)^2 / 4) =
        9.28, and F = 3.69."""
        mean = friedman.compare_ranks(DEMSAR).mean_K
        chi2 = 12 * 14 / 20 * ((mean**2).sum() - 4 * 25 / 4)
        assert chi2 == pytest.approx(9.28, abs=0.01)
        assert 13 * chi2 / (14 * 3 - chi2) == pytest.approx(3.69, abs=0.01)
        tests = friedman.compare_ranks(DEMSAR).tests
        assert tests is not None and tests.chi2 > chi2, "the correction for ties can only add"
        assert tests.p < 0.05

    def test_critical_difference(self) -> None:
        assert friedman.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
        assert friedman.critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)

    def test_groups(self) -> None:
        """1.964 2.000 | 2.893 3.143 with 1.25 between: all within reach of each other."""
        tests = friedman.compare_ranks(DEMSAR).tests
        assert tests is not None and tests.groups == [(3, 1, 2, 0)]
        tests = friedman.compare_ranks(DEMSAR, 0.10).tests
        assert tests is not None and tests.critical == pytest.approx(1.12, abs=0.005)
        assert tests.groups == [(3, 1, 2), (2, 0)], "C4.5 is behind both that choose m"


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)]
)
def test_critical_values_of_table_5(methods: int, q: float) -> None:
    scale = (methods * (methods + 1) / 60) ** 0.5
    assert friedman.critical_difference(methods, 10) / scale == pytest.approx(q, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_friedman_against_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (4, 9)) / 10.0  # many ties
    tests = friedman.compare_ranks(values).tests
    assert tests is not None
    expected = friedmanchisquare(*values)
    assert tests.chi2 == pytest.approx(expected.statistic)
    assert tests.p_chi2 == pytest.approx(expected.pvalue)


def test_all_equal_is_no_difference() -> None:
    tests = friedman.compare_ranks(np.full((3, 6), 0.5)).tests
    assert tests is not None and tests.chi2 == 0.0 and tests.p == 1.0
    assert (tests.signed_KK == 1.0).all() and tests.groups == [(0, 1, 2)]


def test_one_that_always_wins() -> None:
    values = np.array([[0.9] * 8, [0.8, 0.7] * 4, [0.7, 0.8] * 4]) + np.arange(8) / 1000
    found = friedman.compare_ranks(values)
    assert list(found.mean_K) == [1.0, 2.5, 2.5] and found.intervals_K[0] == (1.0, 1.0)
    tests = found.tests
    assert tests is not None
    assert tests.critical == pytest.approx(2.3437 * (12 / 48) ** 0.5, abs=1e-3)
    assert tests.groups == [(1, 2)]


def exact(difference: np.ndarray) -> float:
    """Two-sided p of the signed-rank sum, by all signs."""
    ranks = np.argsort(np.argsort(np.abs(difference))) + 1
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s > 0)
        for signs in itertools.product((1, -1), repeat=len(ranks))
    ]
    seen = ranks[difference > 0].sum()
    half = ranks.sum() / 2
    return float(np.mean([abs(s - half) >= abs(seen - half) for s in sums]))


def test_signed_ranks_are_exact_and_corrected_by_holm() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal([[0.9], [0.85], [0.6]], 0.03, (3, 7))
    found = friedman.signed_ranks(values)
    raw = {(i, j): exact(values[i] - values[j]) for i, j in ((0, 1), (0, 2), (1, 2))}
    order = sorted(raw, key=lambda pair: raw[pair])
    reached = 0.0
    for place, pair in enumerate(order):
        reached = max(reached, min(1.0, (3 - place) * raw[pair]))
        assert found[pair] == pytest.approx(reached) and found[pair[::-1]] == found[pair]


@pytest.mark.parametrize("shape", [(2, 9), (4, 4), (1, 1)])
def test_too_few_give_mean_ranks_alone(shape: tuple[int, int]) -> None:
    found = friedman.compare_ranks(np.random.default_rng(0).random(shape))
    assert found.tests is None and len(found.mean_K) == shape[0]
    assert (found.intervals_K[0] == (None, None)) == (shape[1] < 5)


def test_values_must_be_there() -> None:
    with pytest.raises(UsageError, match="finite"):
        friedman.compare_ranks(np.array([[0.5, np.nan]]))
    with pytest.raises(UsageError, match="finite"):
        friedman.compare_ranks(np.zeros((0, 3)))
    with pytest.raises(UsageError, match="expected 2 and 1"):
        friedman.critical_difference(1, 5)


class TestGaps:
    def test_none(self) -> None:
        assert friedman.without_gaps(np.ones((2, 3), bool)) == ([0, 1], [0, 1, 2])

    def test_the_emptiest_goes_first(self) -> None:
        known = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]], bool)
        assert friedman.without_gaps(known) == ([0, 1, 2], [0, 1, 2])
        known = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0]], bool)
        assert friedman.without_gaps(known) == ([0, 1], [0, 1, 2, 3])

    def test_nothing_is_left_of_nothing(self) -> None:
        assert friedman.without_gaps(np.zeros((2, 2), bool)) == ([], [])
