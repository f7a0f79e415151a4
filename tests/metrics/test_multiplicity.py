"""Holm's adjustment by hand and against Bonferroni steps; Wilson's interval against scipy."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.errors import UsageError
from core.metrics.multiplicity import holm
from core.metrics.shares import wilson

P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=12)


def test_holm_by_hand() -> None:
    """.005 x 4 = .02, .01 x 3 = .03, .03 x 2 = .06, .04 x 1 = .04 raised to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_capped_and_passes_over_what_was_not_tested() -> None:
    assert holm([0.6, None, 0.02, None, 0.9]) == [1.0, None, pytest.approx(0.06), None, 1.0]
    assert holm([0.3]) == [0.3]
    assert holm([None, None]) == [None, None]
    assert holm([]) == []
    assert holm([0.01, 0.01, 0.01]) == pytest.approx([0.03, 0.03, 0.03])


@settings(max_examples=100, deadline=None)
@given(P_VALUES)
def test_holm_never_lowers_and_never_reorders(raw: list[float | None]) -> None:
    adjusted = holm(raw)
    assert [p is None for p in adjusted] == [p is None for p in raw]
    pairs = sorted((p, q) for p, q in zip(raw, adjusted, strict=True) if p is not None)
    for p, q in pairs:
        assert p <= q <= 1
    for (p, q), (next_p, next_q) in itertools.pairwise(pairs):
        assert q <= next_q
        assert q == next_q or p < next_p


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_what_stepping_down_rejects(raw: list[float], alpha: float) -> None:
    """Test the smallest at alpha / M, the next at alpha / (M - 1), until one is not rejected."""
    rejected: set[int] = set()
    for i, place in enumerate(sorted(range(len(raw)), key=raw.__getitem__)):
        if raw[place] * (len(raw) - i) > alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(raw)) if p is not None and p <= alpha} == rejected


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_holm_refuses_what_is_no_p_value(wrong: float) -> None:
    with pytest.raises(UsageError, match="position 1"):
        holm([0.5, wrong])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_equals_scipy(count: int, data: st.DataObject, level: float) -> None:
    hits = data.draw(st.integers(0, count))
    expected = binomtest(hits, count).proportion_ci(level, "wilson")
    low, high = wilson(hits, count, level)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= hits / count <= high <= 1


def test_wilson_at_the_ends() -> None:
    """All of 10 found: the lower end is 10 / (10 + z^2) = 10 / 13.8415."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10) == (pytest.approx(10 / 13.8414588, abs=1e-8), 1.0)
    for count in (1, 3, 7, 49, 1000):
        assert wilson(0, count)[0] == 0.0
        assert wilson(count, count)[1] == 1.0


def test_wilson_refuses_impossible_counts() -> None:
    for hits, count in ((-1, 5), (6, 5), (1, 0)):
        with pytest.raises(UsageError, match="hits"):
            wilson(hits, count)
    with pytest.raises(UsageError, match="level"):
        wilson(1, 2, level=1.0)
