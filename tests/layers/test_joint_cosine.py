"""The joint cosine of several levels, by hand and by plain float64 loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.layers import joint_cosine
from core.layers.joint_cosine import joint_cosine_map


def vector(*values: float) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def test_one_position_by_hand() -> None:
    theirs = (vector(2.0, 0.0), vector(3.0))
    mine = (vector(0.0, 5.0), vector(7.0))
    # unit vectors: (1, 0 | 1) and (0, 1 | 1): product 1, lengths sqrt 2: cosine 1/2
    assert float(joint_cosine_map(theirs, mine)) == pytest.approx(0.5)
    assert float(joint_cosine_map(theirs, theirs)) == pytest.approx(0, abs=1e-6)
    opposite = tuple(-3 * level for level in theirs)
    assert float(joint_cosine_map(theirs, opposite)) == pytest.approx(2)


def test_corners_are_aligned_by_hand() -> None:
    """Second level 2 x 1 over a first of 3 x 1: its middle row is the mean of unit vectors."""
    first = torch.ones(1, 1, 3, 1)
    theirs = (first, torch.tensor([[1.0, 0.0], [0.0, 4.0]]).view(1, 2, 2, 1))
    mine = (first, torch.tensor([[2.0, 2.0], [0.0, 0.0]]).view(1, 2, 2, 1))
    # theirs, channels x rows: unit (1,0), (0,1); middle (1/2, 1/2). mine: (1,0), (1,0); (1, 0)
    expected = [0.0, 1 - 1.5 / math.sqrt(1.5 * 2), 1 - 1 / 2]
    assert joint_cosine_map(theirs, mine).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def slowly(theirs: list[Tensor], mine: list[Tensor], image: int, row: int, column: int) -> float:
    side = theirs[0].shape[-1]

    def joined(levels: list[Tensor]) -> Tensor:
        parts = []
        for level in levels:
            unit = level[image].double()
            unit = unit / unit.square().sum(0, keepdim=True).sqrt()
            last = unit.shape[-1] - 1
            y, x = row * last / (side - 1), column * last / (side - 1)
            top, left = min(int(y), max(last - 1, 0)), min(int(x), max(last - 1, 0))
            down, right = min(top + 1, last), min(left + 1, last)
            v, u = y - top, x - left
            parts.append(
                (1 - v) * (1 - u) * unit[:, top, left]
                + (1 - v) * u * unit[:, top, right]
                + v * (1 - u) * unit[:, down, left]
                + v * u * unit[:, down, right]
            )
        return torch.cat(parts)

    one, other = joined(theirs), joined(mine)
    return float(1 - one @ other / one.norm() / other.norm())


def test_levels_against_plain_loops_and_more_images_than_are_enlarged_at_once() -> None:
    torch.manual_seed(0)
    count = joint_cosine.AT_ONCE + 2
    shapes = ((3, 8), (5, 4), (7, 2))
    theirs = [torch.randn(count, c, side, side) for c, side in shapes]
    mine = [level + 0.5 * torch.randn_like(level) for level in theirs]
    found = joint_cosine_map(theirs, mine)
    assert found.shape == (count, 8, 8) and found.dtype == torch.float32
    for image in (0, count - 1):
        for row, column in ((0, 0), (3, 5), (7, 7), (6, 1)):
            expected = slowly(theirs, mine, image, row, column)
            assert float(found[image, row, column]) == pytest.approx(expected, abs=1e-6)
    alone = joint_cosine_map([x[-1:] for x in theirs], [x[-1:] for x in mine])
    torch.testing.assert_close(alone[0], found[-1])


def test_silent_positions_are_no_nan_and_half_precision_is_lifted() -> None:
    nothing = (torch.zeros(1, 2, 2, 2), torch.zeros(1, 3, 1, 1))
    something = (torch.ones(1, 2, 2, 2), torch.ones(1, 3, 1, 1))
    torch.testing.assert_close(joint_cosine_map(nothing, something), torch.ones(1, 2, 2))
    half = tuple(level.to(torch.bfloat16) for level in something)
    with torch.autocast("cpu", torch.bfloat16):
        found = joint_cosine_map(half, something)
    assert found.dtype == torch.float32 and float(found.abs().max()) < 1e-6
