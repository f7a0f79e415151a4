"""Draws, left-out units, and intervals: against scipy, a textbook table, and slow plain code."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score

from core.errors import UsageError
from core.metrics.resampling import (
    Difference,
    acceleration,
    bca,
    draw,
    leave_one_out,
    paired,
    percentile,
    two_sided_p,
    units,
)

Floats = npt.NDArray[np.float64]
NORMAL = NormalDist()
LABELS = st.lists(st.integers(0, 1), min_size=1, max_size=14)
SPECIMENS = st.sampled_from([None, None, "p", "q", "r", "s"])


def grouped(labels: list[int], specimens: list[str | None]) -> dict[Any, list[int]]:
    """Images of each unit; an image without a specimen stands under its own number."""
    found: dict[Any, list[int]] = {}
    for image, specimen in enumerate(specimens):
        found.setdefault(image if specimen is None else specimen, []).append(image)
    return found


@pytest.mark.parametrize("labels", [[0, 1, 1, 0, 0, 1, 1], [0, 0, 0], [1, 1], [0, 1]])
def test_without_specimens_the_random_stream_is_the_established_one(labels: list[int]) -> None:
    """One multinomial draw a label, normal images first: stored intervals stay what they are."""
    rng = np.random.default_rng(11)
    expected = np.zeros((40, len(labels)))
    for label in (0, 1):
        members = [image for image, own in enumerate(labels) if own == label]
        if members:
            chances = np.full(len(members), 1 / len(members))
            expected[:, members] = rng.multinomial(len(members), chances, size=40)
    labels_N = np.array(labels)
    drawn = draw(labels_N, 40, seed=11)
    assert drawn.dtype == np.float64
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(draw(labels_N, 40, 11, [None] * len(labels)), expected)
    own = [f"part {image}" for image in range(len(labels))]
    np.testing.assert_array_equal(draw(labels_N, 40, 11, own), expected)


@settings(max_examples=60, deadline=None)
@given(st.data(), LABELS, st.integers(0, 999))
def test_draws_keep_strata_and_specimens_together(
    data: st.DataObject, labels: list[int], seed: int
) -> None:
    specimens = data.draw(st.lists(SPECIMENS, min_size=len(labels), max_size=len(labels)))
    weights = draw(np.array(labels), 25, seed, specimens)
    assert weights.shape == (25, len(labels))
    assert (weights == np.round(weights)).all()
    totals = {0: np.zeros(25), 1: np.zeros(25)}
    strata: Counter[int] = Counter()
    for images in grouped(labels, specimens).values():
        assert (weights[:, images] == weights[:, images[:1]]).all()
        stratum = max(labels[image] for image in images)
        totals[stratum] += weights[:, images[0]]
        strata[stratum] += 1
    for stratum in (0, 1):
        assert (totals[stratum] == strata[stratum]).all()
    plain = draw(np.array(labels), 25, seed)
    for label in (0, 1):
        assert (plain[:, np.array(labels) == label].sum(axis=1) == labels.count(label)).all()


def test_each_unit_is_drawn_once_on_average() -> None:
    labels = np.array([0, 0, 0, 1, 1, 0, 1])
    specimens = ["a", "a", None, "b", "c", "b", None]
    weights = draw(labels, 4000, 5, specimens)
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.06)
    # strata {a, image 2} and {b, c, image 6}: binomial variances 2 (1/2)(1/2), 3 (1/3)(2/3)
    expected = [0.5, 0.5, 0.5, 2 / 3, 2 / 3, 2 / 3, 2 / 3]
    assert weights.var(axis=0) == pytest.approx(expected, abs=0.08)
    assert not np.array_equal(weights, draw(labels, 4000, 6, specimens))


def test_leaving_out_by_hand() -> None:
    """Specimen a: images 0 and 2, one of them anomalous; image 1 alone; b: images 3 and 4."""
    weights, strata = leave_one_out(np.array([0, 0, 1, 0, 0]), ["a", None, "a", "b", "b"])
    assert weights.tolist() == [[0, 1, 0, 1, 1], [1, 0, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert strata.tolist() == [1, 0, 0]
    weights, strata = leave_one_out(np.array([1, 0, 1]))
    assert weights.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert strata.tolist() == [1, 0, 1]


@settings(max_examples=40, deadline=None)
@given(st.data(), LABELS)
def test_every_unit_is_left_out_once(data: st.DataObject, labels: list[int]) -> None:
    specimens = data.draw(st.lists(SPECIMENS, min_size=len(labels), max_size=len(labels)))
    weights, strata = leave_one_out(np.array(labels), specimens)
    out = [np.flatnonzero(row == 0).tolist() for row in weights]
    assert sorted(out) == sorted(grouped(labels, specimens).values())
    assert strata.tolist() == [max(labels[image] for image in images) for images in out]
    assert set(np.unique(weights)) <= {0.0, 1.0}
    cut = data.draw(st.integers(0, len(out)))
    halves = [leave_one_out(np.array(labels), specimens, rows) for rows in
              (slice(cut), slice(cut, None))]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([half[0] for half in halves]), weights)
    np.testing.assert_array_equal(np.concatenate([half[1] for half in halves]), strata)


def test_percentile_interval() -> None:
    values = np.arange(101) / 100
    assert percentile(values) == pytest.approx((0.025, 0.975))
    assert percentile(values, level=0.5) == pytest.approx((0.25, 0.75))
    assert percentile(np.append(values, [np.nan, np.inf])) == percentile(values)
    assert percentile(values * 4 - 2) == (0.0, 1.0)
    assert percentile(values * 4 - 2, low=None, high=None) == pytest.approx((-1.9, 1.9))
    assert percentile(values * 4 - 2, low=-1.0, high=None) == pytest.approx((-1.0, 1.9))
    assert percentile(np.array([np.nan, np.nan])) == (None, None)
    assert percentile(np.array([])) == (None, None)


SPATIAL = (48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41,
           24, 26, 30, 41)  # fmt: skip


def test_the_acceleration_of_efron_and_tibshirani_table_14_1() -> None:
    """Variances of the 26 spatial test values A: observed 171.5, acceleration .061, and 90 %
    intervals (100.8, 233.9) by percentiles, (115.8, 259.6) by BCa from their 2000 resamples."""
    data = np.array(SPATIAL, dtype=float)
    observed = data.var()
    assert observed == pytest.approx(171.5, abs=0.05)
    labels = np.zeros(26, dtype=int)
    held = {"low": None, "high": None}

    def variance(weights: Floats) -> Floats:
        count = weights.sum(axis=1)
        return (weights @ data**2) / count - (weights @ data / count) ** 2

    weights, strata = leave_one_out(labels)
    jackknife = variance(weights)
    assert acceleration(jackknife, strata) == pytest.approx(0.061, abs=5e-4)
    values = variance(draw(labels, 8000, seed=0))
    assert percentile(values, 0.9, **held) == pytest.approx((100.8, 233.9), abs=3.5)
    assert bca(values, observed, jackknife, strata, 0.9, **held) == pytest.approx(
        (115.8, 259.6), abs=3.5
    )


def skewed(values: Floats, axis: int = -1) -> Floats:
    return np.exp(np.mean(np.log(values), axis=axis)) * np.max(values, axis=axis)


def gap(x: Floats, y: Floats, axis: int = -1) -> Floats:
    """Share of pairs in which x wins: an AUROC, strata of unlike size."""
    return (np.sort(x, axis)[..., :, None] > y[..., None, :]).mean(axis=(-2, -1))


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bca_equals_scipy_on_one_sample(seed: int, level: float) -> None:
    data = np.random.default_rng(seed).gamma(1.5, size=18)
    made = bootstrap(
        (data,), skewed, n_resamples=999, confidence_level=level, method="BCa", rng=seed
    )
    weights, strata = leave_one_out(np.zeros(18, dtype=int))
    jackknife = np.array([skewed(data[row > 0]) for row in weights])
    expected = tuple(made.confidence_interval)
    found = bca(
        made.bootstrap_distribution, float(skewed(data)), jackknife, strata, level, None, None
    )
    assert found == pytest.approx(expected, rel=1e-9)
    plain = percentile(made.bootstrap_distribution, level, None, None)
    assert found != pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bca_equals_scipy_on_two_strata(seed: int) -> None:
    """scipy also follows Davison and Hinkley for several samples."""
    rng = np.random.default_rng(seed)
    bad, good = rng.normal(1.2, 1, 9), rng.normal(0, 1, 25)
    made = bootstrap((bad, good), gap, n_resamples=999, method="BCa", rng=seed, vectorized=True)
    labels = np.repeat([1, 0], [9, 25])
    scores = np.concatenate((bad, good))
    weights, strata = leave_one_out(labels)
    jackknife = np.array(
        [gap(scores[(row > 0) & (labels == 1)], scores[(row > 0) & (labels == 0)])
         for row in weights]
    )  # fmt: skip
    found = bca(made.bootstrap_distribution, float(gap(bad, good)), jackknife, strata)
    assert found == pytest.approx(tuple(made.confidence_interval), abs=1e-9)


def test_bca_with_ties_and_missing_resamples_equals_a_direct_computation() -> None:
    """Average precision of few images, specimens of several views, written out step by step."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [12, 8])
    scores = np.round(rng.normal(size=20) + labels, 1)
    specimens = [f"n{i // 3}" for i in range(12)] + [f"a{i // 2}" for i in range(8)]

    def ap(weights: Floats) -> float:
        return float(average_precision_score(labels, scores, sample_weight=weights))

    values = np.array([ap(row) for row in draw(labels, 300, 1, specimens)])
    weights, strata = leave_one_out(labels, specimens)
    jackknife, observed = np.array([ap(row) for row in weights]), ap(np.ones(20))
    assert (np.abs(values - observed) < 1e-12).any()
    below = sum(
        0.5 if abs(value - observed) < 1e-12 else float(value < observed) for value in values
    )
    z0 = NORMAL.inv_cdf(below / 300)
    top = bottom = 0.0
    for stratum in (0, 1):
        mine = jackknife[strata == stratum]
        assert len(mine) == 4
        for value in mine:
            influence = 3 * (mine.mean() - value)
            top += influence**3 / 4**3
            bottom += influence**2 / 4**2
    a = top / 6 / bottom**1.5
    assert abs(a) > 0.01
    ends = []
    for z in (NORMAL.inv_cdf(0.025), NORMAL.inv_cdf(0.975)):
        chance = NORMAL.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
        ends.append(float(np.quantile(values, chance)))
    found = bca(np.append(values, [np.nan, np.nan]), observed, jackknife, strata)
    assert found == pytest.approx(tuple(ends), abs=1e-9)


STRATA = np.array([0, 0, 0, 1, 1, 1])
JACKKNIFE = np.array([0.5, 0.6, 0.9, 0.2, 0.3, 0.7])


def test_bca_without_width() -> None:
    flat = np.full(50, 0.75)
    assert bca(flat, 0.75, JACKKNIFE, STRATA) == (0.75, 0.75)
    assert bca(flat, 0.75 + 1e-16, np.full(6, 0.75), STRATA) == (0.75, 0.75)


def test_resamples_off_by_rounding_count_as_equal() -> None:
    """Six tenths equal the observed value, four tenths lie below: not all on one side."""
    values = np.repeat([0.5, 0.6, 0.9], [20, 20, 60])
    expected = bca(values, 0.9, JACKKNIFE, STRATA, level=0.4)
    for toward in (0, 1):
        off = np.where(values == 0.9, np.nextafter(0.9, toward), values)
        found = bca(off, 0.9, JACKKNIFE, STRATA, level=0.4)
        assert found == pytest.approx(expected, abs=1e-12)
    assert expected != pytest.approx(percentile(values, level=0.4), abs=1e-3)


def test_bca_is_the_percentile_interval_when_all_resamples_lie_on_one_side() -> None:
    values = np.linspace(0.2, 0.7, 200)
    for observed in (0.1, 0.8):
        assert bca(values, observed, JACKKNIFE, STRATA) == percentile(values)


def test_bca_is_the_percentile_interval_beyond_the_pole() -> None:
    """One resample of a million below, a at its largest: 1 - a (z0 + z) would turn negative."""
    values = np.concatenate((np.linspace(0.1, 0.5, 999_999), [0.9]))
    largest = np.array([0.0] + [1.0] * 5000)
    strata = np.zeros(5001, dtype=int)
    a = acceleration(largest, strata)
    assert a == pytest.approx(1 / 6, abs=1e-3)
    assert a * (NORMAL.inv_cdf(999_999 / 1e6) + NORMAL.inv_cdf(0.995)) > 1
    assert bca(values, 0.8, largest, strata, level=0.99) == percentile(values, level=0.99)


def test_without_a_varying_jackknife_bca_is_bias_corrected_only() -> None:
    values = np.random.default_rng(0).beta(8, 2, 999)
    observed = float(np.quantile(values, 0.4))
    z0 = NORMAL.inv_cdf(np.mean(np.concatenate((values < observed, values <= observed))))
    ends = [NORMAL.cdf(2 * z0 + NORMAL.inv_cdf(q)) for q in (0.025, 0.975)]
    expected = pytest.approx(tuple(np.quantile(values, ends)), abs=1e-9)
    for jackknife in (
        np.full(6, 0.4),
        np.array([0.3, 0.3, 0.3, 0.9, 0.9, 0.9]),  # differs between strata only
        0.4 + np.array([0, 1, 0, 2, 0, 0]) * 5e-17,  # differs by rounding only
        np.full(6, np.nan),
    ):
        assert acceleration(jackknife, STRATA) == 0.0
        assert bca(values, observed, jackknife, STRATA) == expected
    assert bca(values, observed, np.array([]), np.array([], dtype=int)) == expected


def test_bca_passes_over_what_is_missing() -> None:
    values = np.random.default_rng(1).beta(8, 2, 400)
    without = bca(values, 0.8, JACKKNIFE, STRATA)
    assert without != percentile(values)
    holes = np.append(JACKKNIFE, [np.nan, 0.4]), np.append(STRATA, [1, 2])  # 2: a unit alone
    assert bca(np.append(values, np.nan), 0.8, *holes) == without
    assert bca(np.full(9, np.nan), 0.8, JACKKNIFE, STRATA) == (None, None)
    assert bca(values, np.nan, JACKKNIFE, STRATA) == (None, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3))
def test_bca_moves_with_the_unit_of_the_metric(seed: int, scale: float) -> None:
    """Scaling scales the interval; a negative factor swaps its ends."""
    rng = np.random.default_rng(seed)
    values, jackknife = rng.gamma(2, size=100), rng.gamma(1, size=9)
    strata = rng.integers(0, 2, 9)
    pull = acceleration(jackknife, strata)
    assert abs(pull) <= 1 / 6
    assert acceleration(jackknife * 1e-200, strata) == pytest.approx(pull, rel=1e-6, abs=1e-12)
    observed = float(np.median(values)) + 0.1
    ends = np.array(bca(values, observed, jackknife, strata, low=None, high=None))
    moved = bca(scale * values, scale * observed, scale * jackknife, strata, low=None, high=None)
    assert moved == pytest.approx(tuple(np.sort(scale * ends)), rel=1e-9)
    clipped = bca(values, observed, jackknife, strata, low=1.0, high=2.0)
    assert clipped == tuple(np.clip(ends, 1.0, 2.0))


def test_p_by_hand() -> None:
    """Of 9 differences 1 is below 0, 1 is 0: min(2, 8) + 1 = 3, twice over 10."""
    differences = np.array([-1, 0, 1, 2, 3, 4, 5, 6, 7]) / 10
    assert two_sided_p(differences) == pytest.approx(0.6)
    assert two_sided_p(np.append(differences, [np.nan, np.inf])) == pytest.approx(0.6)
    assert two_sided_p(np.ones(999)) == pytest.approx(0.002)
    assert two_sided_p(np.zeros(10)) == 1.0
    assert two_sided_p(np.array([np.nan])) is None
    assert two_sided_p(np.array([])) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30))
def test_swapping_the_runs_swaps_the_sign_only(pairs: list[tuple[int, int]]) -> None:
    a_R, b_R = (np.array(column) / 8 for column in zip(*pairs, strict=True))
    one, other = paired(a_R, b_R, 0.75, 0.5), paired(b_R, a_R, 0.5, 0.75)
    assert one.value == 0.25 == -other.value
    assert one.p == other.p
    assert one.p is not None
    assert 0 < one.p <= 1
    assert one.low is not None
    assert one.high is not None
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-12)


def test_a_paired_difference_is_taken_draw_by_draw() -> None:
    """b trails a by .1 in every draw however much both vary: no chance, no width."""
    a_R = np.random.default_rng(0).uniform(0.5, 0.9, 99)
    found = paired(a_R, a_R - 0.1, 0.7, 0.6)
    assert (found.value, found.low, found.high, found.p) == pytest.approx((0.1, 0.1, 0.1, 0.02))
    a_R, b_R = np.array([0.4, np.nan, 0.6]), np.array([0.5, 0.1, np.nan])
    assert paired(a_R, b_R, 0.5, 0.6).p == 1.0  # a single draw is left
    assert paired(a_R[1:], b_R[1:], 0.5, 0.25) == Difference(0.25, None, None, None)
    assert paired(np.zeros(9), np.full(9, 2.0), 0.0, 2.0).low == -2.0  # not clipped to shares


def test_wrong_arguments_are_refused() -> None:
    labels = np.array([0, 1, 1])
    with pytest.raises(UsageError, match="labels_N"):
        units(np.array([0, 2]))
    with pytest.raises(UsageError, match="specimens_N: expected 3"):
        draw(labels, 5, 0, ["a"])
    with pytest.raises(UsageError, match="resamples"):
        draw(labels, -1, 0)
    assert draw(labels, 0, 0).shape == (0, 3)
    for level in (0.0, 1.0, 95.0, float("nan")):
        with pytest.raises(UsageError, match="level"):
            percentile(np.ones(3), level)
        with pytest.raises(UsageError, match="level"):
            bca(np.ones(3), 1.0, JACKKNIFE, STRATA, level)
    with pytest.raises(UsageError, match="strata_J"):
        bca(np.ones(3), 1.0, JACKKNIFE, STRATA[1:])
    with pytest.raises(UsageError, match="b_R"):
        paired(np.ones(3), np.ones(4), 1.0, 1.0)
    with pytest.raises(UsageError, match="finite observed"):
        paired(np.ones(3), np.ones(3), 1.0, float("nan"))
