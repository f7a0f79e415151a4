"""One cosine over several levels at once, at the first level's resolution (InvAD, 2404.10760)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.precision import full_precision

AT_ONCE = 4
"""Images whose levels are enlarged together: all of a batch's, enlarged, would be gigabytes."""
LEAST = 1e-8
"""Norms below are taken as this."""


def joint_cosine_map(theirs: Sequence[Tensor], mine: Sequence[Tensor]) -> Tensor:
    """One minus the cosine of two stacks of levels, position by position.

    Every level's vectors are brought to length 1, then the level bilinearly (corners aligned) to
    the first one's side; a position's vectors of all levels, joined end to end, are compared.

    Args:
        theirs, mine: [B, C_l, H_l, W_l] each, first the largest; compared in float32.

    Returns:
        [B, H_1, W_1], 0 where the directions agree, 2 where they are opposite.
    """
    starts = range(0, len(theirs[0]), AT_ONCE)
    with full_precision(theirs[0].device):
        return torch.cat(
            [
                _joint(
                    [level[start : start + AT_ONCE] for level in theirs],
                    [level[start : start + AT_ONCE] for level in mine],
                )
                for start in starts
            ]
        )


def _joint(theirs: list[Tensor], mine: list[Tensor]) -> Tensor:
    side = theirs[0].shape[2:]
    # Sums over channels, level by level: joined vectors need not be made to be compared.
    sums_3BHW = torch.zeros(3, len(theirs[0]), *side, device=theirs[0].device)
    for level, rebuilt in zip(theirs, mine, strict=True):
        one, other = _enlarged(level, side), _enlarged(rebuilt, side)
        sums_3BHW = sums_3BHW + torch.stack(
            [(one * other).sum(1), one.square().sum(1), other.square().sum(1)]
        )
    product_BHW, one_BHW, other_BHW = sums_3BHW
    return torch.sub(1, product_BHW / (one_BHW * other_BHW).sqrt().clamp(min=LEAST))


def _enlarged(level_BCHW: Tensor, side: torch.Size) -> Tensor:
    """The level with vectors of length 1, resized afterwards."""
    unit_BCHW = F.normalize(level_BCHW.float(), dim=1)
    if level_BCHW.shape[2:] == side:
        return unit_BCHW
    return F.interpolate(unit_BCHW, size=tuple(side), mode="bilinear", align_corners=True)
