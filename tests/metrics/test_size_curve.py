"""Recall against size: fits of a known truth, an independent fit, what must not be claimed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from core.errors import UsageError
from core.metrics.seeds import seed_spread, sources
from core.metrics.size_curve import LEVELS, binned, middle, size_curve


def drawn(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, hits and images of regions whose chance of being found is logistic in log size."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(4, 1, count))
    hit = rng.random(count) < expit(2 * (np.log(size) - 4))
    return size, hit, np.arange(count) // 2


TRUTH = float(np.exp(4 + np.log(9) / 2))
"""expit(2 (x - 4)) = 0.9 at x = 4 + log(9) / 2."""


def test_the_ninety_percent_point_of_a_known_curve() -> None:
    curve = size_curve(*drawn(4000), resamples=200)
    assert curve.outcome == "reached"
    assert curve.reach == pytest.approx(TRUTH, rel=0.08)
    assert curve.reach_low is not None and curve.reach_high is not None
    assert curve.reach_low < TRUTH < curve.reach_high
    assert curve.reach_high / curve.reach_low < 1.3
    assert curve.beyond is not None and not curve.doubtful


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(40):
        curve = size_curve(*drawn(300, seed), resamples=120)
        low = -np.inf if curve.reach_low is None else curve.reach_low
        held += low <= TRUTH <= (np.inf if curve.reach_high is None else curve.reach_high)
    assert held >= 34  # 38 expected; fewer than 34 has a chance of about 1 in 100


def test_sizes_that_part_found_from_missed_have_a_finite_point() -> None:
    size = np.arange(1.0, 101.0)
    curve = size_curve(size, size >= 50, np.arange(100))
    assert curve.outcome == "reached"
    assert 49 < curve.reach < 55
    assert np.isfinite(curve.share_G).all() and (np.diff(curve.share_G) > 0).all()
    assert (curve.low_G <= curve.share_G).all() and (curve.share_G <= curve.high_G).all()


def test_two_sizes_are_fitted_as_counts_with_half_a_region_added() -> None:
    """With one parameter a size, Firth's penalty adds half a hit and half a miss to each."""
    size = np.repeat([1.0, 4.0], 10)
    hit = np.r_[np.arange(10) < 3, np.arange(10) < 8]
    curve = size_curve(size, hit, np.arange(20), resamples=0)
    assert curve.share_G[[0, -1]] == pytest.approx([3.5 / 11, 8.5 / 11], abs=1e-5)


def test_the_fit_is_that_of_a_general_optimiser() -> None:
    size, hit, image = drawn(120, 5)
    x = np.log(size)

    def penalised(theta: np.ndarray) -> float:
        p = expit(theta[0] + theta[1] * x)
        design = np.stack([np.ones_like(x), x], 1)
        information = design.T @ (design * (p * (1 - p))[:, None])
        fitted = np.log(np.where(hit, p, 1 - p)).sum()
        return float(-fitted - np.log(np.linalg.det(information)) / 2)

    best = minimize(
        penalised, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    ).x
    curve = size_curve(size, hit, image, resamples=0)
    assert curve.share_G == pytest.approx(expit(best[0] + best[1] * np.log(curve.size_G)), abs=1e-5)


def test_whole_images_are_resampled() -> None:
    """Ten copies of each region in one image tell no more than one; in ten images they seem to."""
    size, hit, _ = drawn(60, 3)
    tenfold = np.repeat(size, 10), np.repeat(hit, 10)
    together = size_curve(*tenfold, np.repeat(np.arange(60), 10))
    apart = size_curve(*tenfold, np.arange(600))
    width = [float((one.high_G - one.low_G).mean()) for one in (together, apart)]
    assert width[0] > 2 * width[1]
    specimens = [str(i // 10) for i in range(600)]
    same = size_curve(*tenfold, np.arange(600), specimens)
    assert float((same.high_G - same.low_G).mean()) == pytest.approx(width[0], rel=0.25)


def test_what_is_never_reached_is_not_claimed() -> None:
    size = np.tile(np.geomspace(1, 1000, 40), 4)
    half = np.arange(160) % 2 == 0
    assert size_curve(size, np.sort(half), np.arange(160)).outcome in ("falling", "never")
    rng = np.random.default_rng(0)
    weak = rng.random(160) < 0.3 + 0.05 * np.log10(size)
    curve = size_curve(size, weak, np.arange(160))
    assert curve.outcome in ("never", "falling") and curve.reach is None
    falling = size_curve(size, size < 30, np.arange(160))
    assert falling.outcome == "falling" and falling.reach is None
    always = size_curve(size, np.arange(160) != 3, np.arange(160))
    assert always.outcome == "everywhere"


@pytest.mark.parametrize(("hits", "outcome"), [(np.ones(20), "all"), (np.zeros(20), "none")])
def test_one_outcome_alone_has_no_curve(hits: np.ndarray, outcome: str) -> None:
    curve = size_curve(np.arange(1.0, 21.0), hits, np.arange(20))
    assert curve.outcome == outcome and not len(curve.size_G)


def test_few_regions_or_one_size_have_no_curve() -> None:
    assert size_curve([1, 2, 3], [True, False, True], [0, 1, 2]).outcome == "few"
    assert size_curve([], [], []).outcome == "few"
    assert size_curve(np.ones(20), np.arange(20) % 2, np.arange(20)).outcome == "few"


def test_many_sizes_are_rounded_without_harm() -> None:
    size, hit, image = drawn(3000, 2)
    assert len(np.unique(size)) > LEVELS
    exact = size_curve(size, hit, image, resamples=0)
    few = size_curve(np.exp(np.round(np.log(size), 2)), hit, image, resamples=0)
    assert exact.reach == pytest.approx(few.reach, rel=0.01)


def test_a_fit_that_counting_contradicts_says_so() -> None:
    """Half of all middle sizes, none of the small, and only eight in ten of the many large."""
    size = np.r_[np.ones(60), np.full(200, 100.0), np.full(200, 110.0)]
    hit = np.r_[np.zeros(60), np.arange(400) % 5 > 0].astype(bool)
    curve = size_curve(size, hit, np.arange(460))
    assert curve.outcome == "never" or curve.doubtful


def test_equal_sizes_stay_in_one_bin_and_every_region_is_counted_once() -> None:
    size = np.r_[np.full(50, 3.0), np.arange(4.0, 54.0)]
    hit = size > 20
    bins = binned(size, hit)
    assert sum(one.hits.cases for one in bins) == 100
    assert sum(one.hits.found for one in bins) == int(hit.sum())
    assert all(a.high < b.low for a, b in itertools.pairwise(bins))
    assert bins[0].low == bins[0].high == 3.0 and bins[0].hits.cases == 50
    assert binned([], []) == []


def test_bad_arrays_are_refused() -> None:
    for size, hit, image in (
        ([1.0, 0.0], [1, 1], [0, 1]), ([1.0, np.nan], [1, 1], [0, 1]), ([1.0], [1, 1], [0, 1]),
        ([1.0, 2.0], [1, 1], [0, -1]),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            size_curve(size, hit, image)
    with pytest.raises(UsageError, match="share"):
        size_curve([1.0], [1], [0], share=1.0)
    assert size_curve([0.0, *range(1, 20)], np.arange(20) > 9, range(20), scale="linear").reach > 8


def test_the_median() -> None:
    assert middle([1, 5, 100]) == 5 and middle([]) is None


def test_seeds_by_hand() -> None:
    one = seed_spread([0.5, 0.7, np.nan])
    assert one is not None and one.seeds == 2
    assert (one.mean, one.low, one.high) == pytest.approx((0.6, 0.5, 0.7))
    assert one.deviation == pytest.approx(0.02**0.5)
    lone = seed_spread([0.5])
    assert lone is not None and lone.deviation is None
    assert seed_spread([np.nan]) is None


def test_what_moves_a_value_more() -> None:
    """Within: variances 0.02 and 0.02, mean 0.02. Means 0.6 and 0.1: 0.125 less 0.02 / 2."""
    found = sources([[0.5, 0.7], [0.0, 0.2], [np.nan, 0.3]])
    assert found is not None
    assert found.seeds**2 == pytest.approx(0.02)
    assert found.classes**2 == pytest.approx(0.115)
    assert sources([[0.5, 0.7]]) is None and sources([[0.5], [0.7]]) is None
    same = sources([[0.4, 0.6], [0.6, 0.4]])
    assert same is not None and same.classes == 0
