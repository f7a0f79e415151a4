"""The Hilbert curve and the eight orders, against the curve's own definition."""

from __future__ import annotations

import pytest
import torch

from core.layers.scan_orders import eight_orders, hilbert


def recursive(side: int) -> list[tuple[int, int]]:
    """(row, column) along the curve: four smaller curves, the first and last ones flipped."""
    if side == 1:
        return [(0, 0)]
    half, small = side // 2, recursive(side // 2)
    return (
        [(column, row) for row, column in small]
        + [(row + half, column) for row, column in small]
        + [(row + half, column + half) for row, column in small]
        + [(half - 1 - column, side - 1 - row) for row, column in small]
    )


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16, 32])
def test_it_is_the_curve(side: int) -> None:
    found = [divmod(place, side) for place in hilbert(side).tolist()]
    assert found == recursive(side)


def test_two_and_four_by_hand() -> None:
    assert hilbert(2).tolist() == [0, 2, 3, 1]
    assert hilbert(4).tolist() == [0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]


@pytest.mark.parametrize("side", [2, 4, 8, 64])
def test_steps_are_to_neighbours_from_corner_to_corner(side: int) -> None:
    rows, columns = hilbert(side) // side, hilbert(side) % side
    assert bool((rows.diff().abs() + columns.diff().abs() == 1).all())
    assert (rows[0], columns[0]) == (0, 0) and (rows[-1], columns[-1]) == (0, side - 1)


@pytest.mark.parametrize("side", [3, 5, 6, 12, 24, 48])
def test_other_sides_visit_every_position_once_and_mostly_neighbours(side: int) -> None:
    order = hilbert(side)
    assert order.sort().values.tolist() == list(range(side * side))
    jumps = (order // side).diff().abs() + (order % side).diff().abs()
    assert float((jumps == 1).float().mean()) > 0.75
    whole = [divmod(place, 64) for place in hilbert(64).tolist()]
    if side > 32:
        kept = [row * side + column for row, column in whole if max(row, column) < side]
        assert order.tolist() == kept


@pytest.mark.parametrize("side", [1, 2, 3, 4, 12, 16])
def test_every_direction_visits_every_position_once(side: int) -> None:
    orders = eight_orders(side)
    assert orders.shape == (8, side * side) and orders.dtype == torch.int64
    assert torch.equal(orders.sort(dim=1).values, torch.arange(side * side).expand(8, -1))


def test_eight_directions_by_hand() -> None:
    #  0 1    transposed 0 2    turned left 1 3    that transposed 1 0
    #  2 3               1 3                0 2                    3 2
    assert eight_orders(2).tolist() == [
        [0, 2, 3, 1], [1, 3, 2, 0],
        [0, 1, 3, 2], [2, 3, 1, 0],
        [1, 0, 2, 3], [3, 2, 0, 1],
        [1, 3, 2, 0], [0, 2, 3, 1],
    ]  # fmt: skip


@pytest.mark.parametrize("side", [4, 8, 16])
def test_six_directions_differ_where_the_side_is_a_power_of_two(side: int) -> None:
    orders = eight_orders(side)
    assert len(torch.unique(orders, dim=0)) == 6
    assert torch.equal(orders[6], orders[1]) and torch.equal(orders[7], orders[0])
