"""What held-out thresholds promise, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.metrics import conformal


def test_the_promise_of_nineteen_normals() -> None:
    """19 scores at 5 %: the threshold lies above all of them and promises 1 / 20, exactly 5 %."""
    one = conformal.promise(np.arange(19.0), 0.05)
    assert one is not None and one.kept
    assert one.promised == pytest.approx(0.05) and one.floor == pytest.approx(0.05)
    assert 18.0 < one.threshold < 18.001
    # Beta(1, 19): its ends by the closed form of its distribution, 1 - (1 - x)^19
    assert one.low == pytest.approx(1 - 0.975 ** (1 / 19))
    assert one.high == pytest.approx(1 - 0.025 ** (1 / 19))


def test_few_normals_promise_no_less_than_one_in_n_plus_one() -> None:
    one = conformal.promise(np.arange(7.0), 0.05)
    assert one is not None and not one.kept
    assert one.promised == one.floor == pytest.approx(1 / 8)
    assert "no guarantee below 12.5 %" in one.note
    assert conformal.promise([], 0.05) is None


def test_the_rank_of_the_promise_is_that_of_the_threshold() -> None:
    """The k-th smallest score below the threshold and the promised rate belong together."""
    for n in (5, 19, 38, 97, 200):
        scores = np.arange(float(n))
        for alpha in (0.01, 0.05, 0.1, 0.2, 0.5):
            one = conformal.promise(scores, alpha)
            assert one is not None
            at_or_above = int((scores >= one.threshold).sum())
            assert one.promised == pytest.approx((at_or_above + 1) / (n + 1))


@pytest.mark.parametrize(("n", "alpha"), [(38, 0.05), (120, 0.1)])
def test_coverage_by_simulation(n: int, alpha: float) -> None:
    """Over draws of the held-out scores: the mean rate is the promised one, 95 % of rates lie
    within the beta interval, and 95 % or more of test counts within the beta-binomial one."""
    rng = np.random.default_rng(7)
    rates, inside, counted, draws, m = [], 0, 0, 1500, 60
    for _ in range(draws):
        one = conformal.promise(rng.random(n), alpha)  # uniform scores: rate = 1 - threshold
        assert one is not None
        rate = 1 - min(1.0, one.threshold)
        rates.append(rate)
        inside += one.low <= rate <= one.high
        real = conformal.realised(one, int(rng.binomial(m, rate)), m)
        counted += real.verdict == "as promised"
    assert np.mean(rates) == pytest.approx(one.promised, rel=0.05)
    assert np.mean(rates) <= alpha + 0.002
    assert inside / draws == pytest.approx(0.95, abs=0.02)
    assert 0.94 <= counted / draws <= 1.0


def test_few_normals_keep_the_floor_and_no_less_by_simulation() -> None:
    """7 held-out normals asked for 5 %: a new normal raises an alarm once in 8, as 1 / (n + 1)
    says, and the beta interval holds the rate of a single draw in 95 % of draws."""
    rng = np.random.default_rng(3)
    alarms, inside, draws = 0, 0, 4000
    for _ in range(draws):
        one = conformal.promise(rng.normal(size=7), 0.05)
        assert one is not None and one.promised == pytest.approx(1 / 8)
        alarms += rng.normal() >= one.threshold
        inside += one.low <= stats.norm.sf(one.threshold) <= one.high
    assert alarms / draws == pytest.approx(1 / 8, abs=0.016)  # 3 standard errors
    assert inside / draws == pytest.approx(0.95, abs=0.011)


@pytest.mark.parametrize("n", [1, 7, 19, 57, 400])
def test_the_papers_beta_distribution(n: int) -> None:
    """Angelopoulos & Bates, section 3.2: coverage ~ Beta(n + 1 - l, l), l = floor((n + 1) alpha);
    the false-alarm rate is what is left. l is 1 where the paper has no finite quantile."""
    for alpha in (0.01, 0.05, 0.1, 0.2):
        one = conformal.promise(np.arange(float(n)), alpha)
        assert one is not None
        left = max(1, int(np.floor(round((n + 1) * alpha, 9))))
        covered = stats.beta(n + 1 - left, left)
        assert (one.low, one.high) == pytest.approx(
            (1 - covered.ppf(0.975), 1 - covered.ppf(0.025))
        )
        assert one.promised == pytest.approx(1 - covered.mean())
        assert one.kept == ((n + 1) * alpha >= 1 - 1e-9)


def test_the_counts_chance_allows_are_scipys() -> None:
    one = conformal.promise(np.arange(57.0), 0.05)
    assert one is not None
    real = conformal.realised(one, 3, 156)
    a = conformal.allowed(57, 0.05)
    ours = stats.betabinom(156, a, 58 - a)
    assert (real.expected_low, real.expected_high) == (ours.ppf(0.025), ours.ppf(0.975))
    assert real.verdict == "as promised"
    assert conformal.realised(one, 60, 156).verdict == "more"


def test_no_test_normal_leaves_nothing_realised() -> None:
    one = conformal.promise(np.arange(57.0), 0.05)
    assert one is not None
    real = conformal.realised(one, 0, 0)
    assert real.share.value is None and (real.expected_low, real.expected_high) == (0, 0)
