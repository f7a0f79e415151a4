"""Locally pooled patch features: each position of a feature map with its 3 x 3 neighbourhood.

PatchCore (arXiv 2106.08265, section 3.1) and SimpleNet (arXiv 2303.15140, section 3.1) describe a
position by its neighbourhood on two levels, averaged over consecutive entries to a fixed length.
Their networks are wide (512 + 1024 channels); for narrow ones that averaging would mix unrelated
channels, so there the plain means of the neighbourhoods are joined instead.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBOURHOOD = 3


def patch_dimension(channels: tuple[int, ...], wanted: int) -> int | None:
    """Length to pool patches to, or None (join plain means) when the network is too narrow."""
    return wanted if sum(channels) >= wanted else None


def patch_features(levels: tuple[Tensor, ...], dimension: int | None) -> Tensor:
    """Patch vectors [B, H, W, D] at the first level's resolution.

    Deeper levels are resized to it bilinearly (corners not aligned) before their neighbourhoods
    are taken; borders are padded with zeros.

    Args:
        levels: [B, C_l, H_l, W_l], the finest first.
        dimension: D; None joins the neighbourhoods' means, D = sum of C_l.
    """
    side = levels[0].shape[-2:]
    same = [
        level if level.shape[-2:] == side else F.interpolate(level, side, mode="bilinear")
        for level in levels
    ]
    if dimension is None:
        means = [F.avg_pool2d(level, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2) for level in same]
        return torch.cat(means, dim=1).permute(0, 2, 3, 1).contiguous()
    pooled = [_pooled(level, dimension) for level in same]
    joined_BND = F.adaptive_avg_pool1d(torch.cat(pooled, dim=2), dimension)
    return joined_BND.unflatten(1, side)


def _pooled(level_BCHW: Tensor, dimension: int) -> Tensor:
    """Each position's C x 9 neighbourhood averaged to `dimension` entries. [B, H W, D]"""
    unfolded = F.unfold(level_BCHW, NEIGHBOURHOOD, padding=NEIGHBOURHOOD // 2)
    return F.adaptive_avg_pool1d(unfolded.transpose(1, 2), dimension)
