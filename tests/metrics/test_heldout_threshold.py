"""The held-out threshold: the conformal rank, its guarantee, and honesty when normals are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.metrics.accumulate import Accumulator
from core.metrics.thresholds import held_out_threshold
from tests.metrics.metric_cases import make


@pytest.mark.parametrize(
    ("n", "alpha", "rank"), [(19, 0.05, 19), (99, 0.05, 95), (100, 0.05, 96), (9, 0.1, 9)]
)
def test_the_rank_is_the_conformal_one(n: int, alpha: float, rank: int) -> None:
    scores = np.random.default_rng(n).permutation(np.arange(1, n + 1)).astype(float)
    threshold, note = held_out_threshold(scores, alpha)
    assert threshold is not None
    assert threshold > rank  # the rank-th smallest itself is not called anomalous
    assert threshold == pytest.approx(rank, rel=1e-6)
    assert (scores.astype(np.float32) >= threshold).sum() == n - rank
    assert note == f"{n} held-out normals: at most {100 * alpha:.3g} % false alarms expected"


def test_too_few_normals_get_the_rate_they_can_vouch_for() -> None:
    threshold, note = held_out_threshold([3.0, 1.0, 2.0] * 3)
    assert threshold == pytest.approx(3.0)
    assert note == "9 held-out normals: no guarantee below 10 %"
    assert held_out_threshold([5.0])[1] == "1 held-out normal: no guarantee below 50 %"
    assert held_out_threshold([]) == (None, "no held-out normal images")


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 60), st.sampled_from([0.05, 0.1, 0.25]), st.integers(1, 8), st.integers(0, 99)
)
def test_leave_one_out_never_exceeds_alpha(n: int, alpha: float, values: int, seed: int) -> None:
    """The guarantee, counted: each of n + 1 exchangeable scores in turn is the new one."""
    scores = np.random.default_rng(seed).integers(0, values, n + 1).astype(np.float32)
    alarms = 0
    for new in range(n + 1):
        threshold, _ = held_out_threshold(np.delete(scores, new), alpha)
        assert threshold is not None
        alarms += bool(scores[new] >= threshold)
    assert alarms <= max(alpha * (n + 1), 1) + 1e-9


def test_wrong_arguments_are_refused() -> None:
    for alpha in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="alpha"):
            held_out_threshold([1.0], alpha)
    with pytest.raises(UsageError, match="finite"):
        held_out_threshold([1.0, float("nan")])


def test_the_row_appears_only_for_classes_with_held_out_scores() -> None:
    accumulator = Accumulator()
    make(0).add_to(accumulator, "a")
    make(1).add_to(accumulator, "b")
    scores = np.arange(39.0)
    evaluation = accumulator.compute(intervals=0, held_out={"a": scores})
    rows = [row for row in evaluation.rows if row.metric == "image_threshold_heldout"]
    assert [row.class_name for row in rows] == ["a"]
    assert (rows[0].value, rows[0].note) == held_out_threshold(scores)
