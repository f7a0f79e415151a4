"""Orders in which the positions of a square map are visited along a Hilbert curve.

MambaAD (arXiv 2404.06564): the Hilbert scan in eight directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

DIRECTIONS = 8


def hilbert(side: int) -> Tensor:
    """Positions (row x side + column) [side x side] along the curve, int64, on the CPU.

    The curve starts at the first position and ends in the first row's last column. For sides that
    are no power of two it is that of the next power, without what lies outside: still every
    position once, though some neighbours in the order are then no neighbours on the map.
    """
    whole = 1 << max(side - 1, 0).bit_length()
    left = torch.arange(whole * whole, device="cpu")
    column, row = torch.zeros_like(left), torch.zeros_like(left)
    quarter = 1
    while quarter < whole:
        right = left // 2 % 2
        below = (left ^ right) % 2
        turned, mirrored = below == 0, (below == 0) & (right == 1)
        column, row = (torch.where(mirrored, quarter - 1 - place, place) for place in (column, row))
        column, row = torch.where(turned, row, column), torch.where(turned, column, row)
        column, row = column + quarter * right, row + quarter * below
        left, quarter = left // 4, 2 * quarter
    inside = (column < side) & (row < side)
    return (row * side + column)[inside]


def eight_orders(side: int) -> Tensor:
    """The curve on the map, on its transpose, on it turned a quarter to the left and on that
    one's transpose, each there and back: positions [8, side x side], int64, on the CPU.

    Where the side is a power of two only six of them differ (the last two are the first two in
    reverse); each direction has weights of its own all the same.
    """
    curve = hilbert(side)
    map_ = torch.arange(side * side, device="cpu").view(side, side)
    turned = torch.rot90(map_)
    there = [grid.flatten()[curve] for grid in (map_, map_.T, turned, turned.T)]
    return torch.stack([order for way in there for order in (way, way.flip(0))])
