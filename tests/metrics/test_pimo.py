"""AUPIMO: by hand, and against numerical integration of its definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.metrics.pimo import aupimo, few_pixels, pimo_scores

LOW, HIGH = 1e-3, 1e-1
"""Bounds that a few thousand normal pixels resolve."""

Floats = npt.NDArray[np.float64]


def false_positive_rates(values: Floats, normals: Floats) -> Floats:
    """Share of the ascending normal values at or above each value."""
    return 1.0 - np.searchsorted(normals, values, side="left") / len(normals)


def case(seed: int, levels: int = 0) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Values of normal pixels, of anomalous ones, and the images of these; 0 to 4, not 2."""
    rng = np.random.default_rng(seed)
    normals, values = rng.standard_normal(3000), rng.normal(2, 1, 200)
    if levels:
        normals, values = np.round(normals * levels), np.round(values * levels)
    return np.sort(normals), values, rng.choice([0, 1, 3, 4], 200)


def integrated(normals: Floats, values: Floats, low: float, high: float) -> float:
    """The definition: a fine log grid of rates, at each the lowest threshold that keeps it."""
    tried = np.unique(np.concatenate((normals, values, [np.inf])))
    rate = np.array([(normals >= t).mean() for t in tried])  # falls with the threshold
    recall = np.array([(values >= t).mean() for t in tried])
    grid = np.exp(np.linspace(np.log(low), np.log(high), 4001))
    middle = np.sqrt(grid[1:] * grid[:-1])
    first = np.searchsorted(-rate, -middle, side="left")  # first threshold with rate <= f
    return float(recall[first].mean())


def test_scores_by_hand() -> None:
    """The middle of 1e-5 and 1e-4 on a logarithmic axis is 10^-4.5."""
    rates = np.array([0, 1e-6, 1e-5, 10**-4.5, 1e-4, 0.5, 1])
    assert pimo_scores(rates) == pytest.approx(np.array([1, 1, 1, 0.5, 0, 0, 0]), abs=1e-12)
    assert pimo_scores(np.array([1e-5, 1e-4])).tolist() == [1, 0]
    assert pimo_scores(np.full((2, 3), 0.1), 0.01, 1.0) == pytest.approx(np.full((2, 3), 0.5))


def test_rates_by_hand() -> None:
    rates = false_positive_rates(np.array([5, 0, 3, 2, 2.5]), np.array([1, 2, 2, 3]))
    assert rates.tolist() == [0, 1, 0.25, 0.75, 0.25]


def test_a_value_by_hand() -> None:
    """1,000 normal pixels 0 .. 999, bounds 0.001 and 0.1: ln(U / L) = 2 ln 10.

    Image 0: values 2000 (rate 0, score 1), 990 (rate 0.01, score 1/2), 10 (score 0).
    Image 2: one pixel at 900, the highest rate: 0. Image 1 has no anomalous pixel.
    """
    normals = np.arange(1000.0)
    rates = false_positive_rates(np.array([2000.0, 990, 10, 900]), normals)
    found = aupimo(rates, np.array([0, 0, 0, 2]), 3, low=LOW, high=HIGH)
    assert found[[0, 2]] == pytest.approx([0.5, 0], abs=1e-12)
    assert np.isnan(found[1])


@pytest.mark.parametrize("levels", [0, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_the_integral(seed: int, levels: int) -> None:
    normals, values, image = case(seed, levels)
    found = aupimo(false_positive_rates(values, normals), image, 5, low=LOW, high=HIGH)
    for i in (0, 1, 3, 4):
        expected = integrated(normals, values[image == i], LOW, HIGH)
        assert found[i] == pytest.approx(expected, abs=1e-3)
        assert 0.05 < found[i] < 0.95


@given(seed=st.integers(0, 10_000), levels=st.sampled_from([0, 3]))
@settings(max_examples=20, deadline=None)
def test_order_and_increasing_transforms_change_nothing(seed: int, levels: int) -> None:
    normals, values, image = case(seed, levels)
    found = aupimo(false_positive_rates(values, normals), image, 5, low=LOW, high=HIGH)
    moved = false_positive_rates(np.exp(values / 3) - 7, np.exp(normals / 3) - 7)
    assert aupimo(moved, image, 5, low=LOW, high=HIGH).tobytes() == found.tobytes()
    renamed = np.array([3, 2, 0, 4, 1])
    order = np.random.default_rng(seed).permutation(len(values))
    rates = false_positive_rates(values[order], normals)
    other = aupimo(rates, renamed[image[order]], 5, low=LOW, high=HIGH)
    assert other[renamed] == pytest.approx(found, abs=1e-12, nan_ok=True)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_bins_with_counts_hold_the_value_and_it_falls_with_the_rate(seed: int) -> None:
    normals, values, image = case(seed, levels=2)
    exact = aupimo(false_positive_rates(values, normals), image, 5, low=LOW, high=HIGH)
    pairs, counts = np.unique(np.stack((image, values)), axis=1, return_counts=True)
    owner = pairs[0].astype(int)
    rates = false_positive_rates(pairs[1], normals)
    binned = aupimo(rates, owner, 5, counts, LOW, HIGH)
    assert binned == pytest.approx(exact, abs=1e-12, nan_ok=True)
    low, high = (aupimo(f * rates, owner, 5, counts, LOW, HIGH) for f in (1.3, 0.7))
    known = ~np.isnan(exact)
    assert (low[known] < binned[known]).all()
    assert (binned[known] < high[known]).all()


def test_pooled_rates_are_the_mean_over_images_of_one_size() -> None:
    rng = np.random.default_rng(0)
    normals_NP, values = rng.standard_normal((6, 50)), rng.standard_normal(40)
    of_images = np.array([[(one >= value).mean() for value in values] for one in normals_NP])
    pooled = false_positive_rates(values, np.sort(normals_NP.ravel()))
    assert pooled == pytest.approx(of_images.mean(axis=0), abs=1e-12)


def test_few_normal_pixels_are_remarked() -> None:
    assert few_pixels(100_000) == few_pixels(10**9) == ""
    assert "50000 normal pixels" in few_pixels(50_000)
    assert "2.0e-05" in few_pixels(50_000)
    assert few_pixels(500, low=0.01) == ""
    assert few_pixels(0) != ""


def test_bounds_out_of_order_are_refused() -> None:
    for low, high in ((0.0, 0.1), (0.2, 0.1), (0.1, 0.1), (0.1, 1.5)):
        with pytest.raises(UsageError, match="0 < low < high <= 1"):
            pimo_scores(np.array([0.1]), low, high)
