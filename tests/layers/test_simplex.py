"""Simplex noise against one point at a time in plain Python, and what noise has to be."""

from __future__ import annotations

import math

import pytest
import torch

from core.layers import simplex
from core.layers.simplex import DIRECTIONS, SCALE, TABLE, octaves, simplex_3d, tables

CPU = torch.device("cpu")


def plain(x: float, y: float, z: float, table: list[int]) -> float:
    """The noise at one point, step by step after Gustavson's description."""
    skew = (x + y + z) / 3
    cell = [math.floor(value + skew) for value in (x, y, z)]
    unskew = sum(cell) / 6
    first = [value - (whole - unskew) for value, whole in zip((x, y, z), cell, strict=True)]
    order = sorted(range(3), key=lambda axis: (-first[axis], axis))
    total, step = 0.0, [0, 0, 0]
    for corner in range(4):
        if corner:
            step[order[corner - 1]] = 1
        to = [first[axis] - step[axis] + corner / 6 for axis in range(3)]
        weight = max(0.0, 0.5 - sum(value * value for value in to)) ** 4
        i, j, k = (cell[axis] + step[axis] for axis in range(3))
        hashed = table[(i + table[(j + table[k % 256]) % 256]) % 256]
        direction = DIRECTIONS[hashed % 12]
        total += weight * sum(g * value for g, value in zip(direction, to, strict=True))
    return SCALE * total


def points(count: int, spread: float = 40.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spread * (2 * torch.rand(count, 3, generator=generator, dtype=torch.float64) - 1)


@pytest.fixture
def two_tables() -> torch.Tensor:
    torch.manual_seed(3)
    return tables(2, CPU)


def test_equals_the_plain_version(two_tables) -> None:
    at = points(300)
    found = simplex_3d(at, two_tables)
    assert found.shape == (2, 300) and found.dtype == torch.float64
    expected = [
        [plain(*at[p].tolist(), two_tables[b].tolist()) for p in range(300)] for b in (0, 1)
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert float((found[0] - found[1]).abs().mean()) > 0.1, "tables give noises of their own"


def test_equals_the_plain_version_where_coordinates_are_equal(two_tables) -> None:
    """On the faces between simplices either order of the corners may be taken."""
    at = torch.tensor([[0.2, 0.2, 0.2], [0.5, 0.5, 0.1], [0.1, 0.4, 0.4], [3.0, 2.0, 3.0]])
    at = torch.cat([at, -at]).double()
    found = simplex_3d(at, two_tables[:1])[0]
    expected = [plain(*row.tolist(), two_tables[0].tolist()) for row in at]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_tables_are_permutations_from_the_global_generator() -> None:
    torch.manual_seed(7)
    first = tables(5, CPU)
    assert torch.equal(first.sort(dim=1).values, torch.arange(TABLE).expand(5, -1))
    torch.manual_seed(7)
    assert torch.equal(tables(5, CPU), first)
    assert not torch.equal(tables(5, CPU), first)


def test_it_is_continuous(two_tables) -> None:
    """Along lines that cross many simplices no step exceeds a slope that smooth noise can have."""
    step = 1e-3
    along = torch.arange(40_000, dtype=torch.float64)[:, None] * step
    for direction in ([1.0, 0.0, 0.0], [0.3, -0.8, 0.52]):
        line = along * torch.tensor(direction, dtype=torch.float64) + 0.123
        values = simplex_3d(line, two_tables)
        assert float(values.diff(dim=1).abs().max()) < 6 * step
        assert float(values.diff(n=2, dim=1).abs().max()) < 100 * step**2, "slopes have no jumps"


def test_its_range_mean_and_deviation() -> None:
    torch.manual_seed(0)
    noise = simplex_3d(points(20_000, spread=100.0, seed=1), tables(8, CPU))
    assert float(noise.abs().max()) <= 0.801 and float(noise.max()) > 0.7
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.005)
    assert float(noise.std()) == pytest.approx(0.314, abs=0.005)  # OpenSimplex, measured


def test_directions_are_the_edges_of_a_cube_and_none_is_preferred() -> None:
    assert len(set(DIRECTIONS)) == 12
    assert all(sorted(map(abs, direction)) == [0, 1, 1] for direction in DIRECTIONS)
    chosen = torch.tensor(DIRECTIONS)[torch.arange(TABLE) % 12]
    assert chosen.sum(dim=0).tolist() == [0, 0, 0]


def test_octaves_are_a_weighted_sum(two_tables) -> None:
    found = octaves(two_tables, (3, 5, 7))
    assert found.shape == (2, 3, 5, 7) and found.dtype == torch.float32
    for b, c, y, x in ((0, 0, 0, 0), (1, 2, 4, 6), (0, 1, 3, 2)):
        table = two_tables[b].tolist()
        expected = 0.0
        for octave in range(6):
            period = 32 / 2**octave
            expected += 0.6**octave * plain(x / period, y / period, c / period, table)
        assert float(found[b, c, y, x]) == pytest.approx(expected, abs=1e-5)


def test_one_octave_is_smooth_on_the_scale_of_its_period(two_tables) -> None:
    coarse = octaves(two_tables, (1, 64, 64), count=1)
    fine = octaves(two_tables, (1, 64, 64), count=1, period=4.0)
    assert float(coarse.diff(dim=3).abs().mean()) < 0.2 * float(fine.diff(dim=3).abs().mean())
    assert simplex.octaves(two_tables, (1, 4, 4), count=1).shape == (2, 1, 4, 4)
