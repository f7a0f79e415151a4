"""Gradient noise against values worked out by hand and a second, slow implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.synthesis.perlin import perlin_2d, perlin_mask


class Angles:
    """Stands in for a generator: hands out chosen gradient angles."""

    def __init__(self, angles: list[list[float]]) -> None:
        self.angles = np.array(angles)

    def uniform(self, low: float, high: float, shape: tuple[int, int]) -> np.ndarray:
        assert (low, high) == (0.0, 2.0 * math.pi)
        assert shape == self.angles.shape
        return self.angles


def slow(y: float, x: float, angles: np.ndarray) -> float:
    """The noise at a lattice position, one point at a time."""
    row, column = int(y), int(x)
    total = 0.0
    for b in (0, 1):
        for a in (0, 1):
            angle = angles[row + b, column + a]
            dx, dy = x - column - a, y - row - b
            weight = 1.0
            for distance in (abs(dx), abs(dy)):
                s = 1.0 - distance
                weight *= 6 * s**5 - 15 * s**4 + 10 * s**3
            total += weight * (math.cos(angle) * dx + math.sin(angle) * dy)
    return math.sqrt(2.0) * total


def test_all_gradients_to_the_right_gives_the_blended_ramp() -> None:
    # one cell, all gradients (1, 0): n = u (1 - t(u)) + (u - 1) t(u) = u - t(u), whatever v is;
    # u = 1/4: t = 6/1024 - 15/256 + 10/64 = 0.103515625; u = 1/2: t = 1/2
    noise = perlin_2d((4, 4), (1, 1), Angles([[0.0, 0.0], [0.0, 0.0]]))  # type: ignore[arg-type]
    expected = math.sqrt(2.0) * np.array([0.0, 0.25 - 0.103515625, 0.0, 0.75 - 0.896484375])
    np.testing.assert_allclose(noise, np.tile(expected, (4, 1)), atol=1e-7)


def test_agrees_with_a_slow_implementation_on_uneven_cells() -> None:
    seed, shape, cells = 5, (21, 34), (4, 3)
    noise = perlin_2d(shape, cells, np.random.default_rng(seed))
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * math.pi, (5, 4))
    expected = [
        [slow(y * cells[0] / shape[0], x * cells[1] / shape[1], angles) for x in range(shape[1])]
        for y in range(shape[0])
    ]
    assert noise.dtype == np.float32
    np.testing.assert_allclose(noise, expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    exponents=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_zero_at_lattice_points_bounded_and_smooth(seed: int, exponents: tuple[int, int]) -> None:
    cells = (2 ** exponents[0], 2 ** exponents[1])
    noise = perlin_2d((64, 64), cells, np.random.default_rng(seed))
    assert np.abs(noise[:: 64 // cells[0], :: 64 // cells[1]]).max() == 0.0
    assert np.abs(noise).max() <= 1.0
    # a dot product changes by at most 1 a cell, a fade by 15/8 of a difference of at most 2
    steepest = math.sqrt(2.0) * (1.0 + 15.0 / 8.0 * 2.0) / 64
    assert np.abs(np.diff(noise, axis=0)).max() <= steepest * cells[0]
    assert np.abs(np.diff(noise, axis=1)).max() <= steepest * cells[1]


def test_mean_is_near_zero_and_seeds_matter() -> None:
    noise = perlin_2d((256, 256), (32, 32), np.random.default_rng(0))
    again = perlin_2d((256, 256), (32, 32), np.random.default_rng(0))
    other = perlin_2d((256, 256), (32, 32), np.random.default_rng(1))
    assert abs(float(noise.mean())) < 0.02
    assert 0.2 < float(noise.std()) < 0.45
    np.testing.assert_array_equal(noise, again)
    assert np.abs(noise - other).max() > 0.5


@pytest.mark.parametrize(("shape", "cells"), [((0, 8), (1, 1)), ((8, 8), (0, 2))])
def test_empty_sizes_are_refused(shape: tuple[int, int], cells: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        perlin_2d(shape, cells, np.random.default_rng(0))


def test_masks_are_regions_of_part_of_the_image() -> None:
    masks = [perlin_mask((128, 128), np.random.default_rng(seed)) for seed in range(60)]
    assert all(mask.dtype == np.bool_ and mask.shape == (128, 128) for mask in masks)
    shares = np.array([mask.mean() for mask in masks])
    assert shares.max() < 0.6
    assert (shares > 0).mean() > 0.7
    assert 0.01 < shares.mean() < 0.2
