"""Locally pooled patch features: each position of a feature map with its 3 x 3 neighbourhood.

PatchCore (arXiv 2106.08265, section 3.1) and SimpleNet (arXiv 2303.15140, section 3.1) describe a
position by its neighbourhood on two levels. Each level's C x 9 neighbourhood is averaged over
consecutive entries to D values, the levels are joined, and the joined vector is averaged to D
values again. Both averagings are linear and repeat every few channels, so together they are one
small 3 x 3 convolution: no neighbourhood is ever written out.

Their networks are wide (512 + 1024 channels); for narrow ones that averaging would mix unrelated
channels, so there the plain means of the neighbourhoods are joined instead.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.precision import full_precision

SIDE = 3


def patch_dimension(channels: tuple[int, ...], wanted: int) -> int | None:
    """Length to pool patches to, or None (join plain means) when the network is too narrow."""
    return wanted if sum(channels) >= wanted else None


def patch_features(levels: tuple[Tensor, ...], dimension: int | None) -> Tensor:
    """Patch vectors [B, H, W, D] at the first level's resolution, float32.

    Deeper levels are resized to it bilinearly (corners not aligned) before their neighbourhoods
    are taken; borders are padded with zeros.

    Args:
        levels: float32 [B, C_l, H_l, W_l], the finest first.
        dimension: D, a multiple of the number of levels; None joins the neighbourhoods' means,
            D = sum of C_l.
    """
    side = levels[0].shape[-2:]
    with full_precision(levels[0].device):
        same = [
            level if level.shape[-2:] == side else F.interpolate(level, side, mode="bilinear")
            for level in levels
        ]
        if dimension is None:
            pooled = [F.avg_pool2d(level, SIDE, stride=1, padding=SIDE // 2) for level in same]
        else:
            share = dimension // len(levels)
            pooled = [_pooled(level, dimension, share) for level in same]
    return torch.cat(pooled, dim=1).permute(0, 2, 3, 1).contiguous()


def _pooled(level_BCHW: Tensor, dimension: int, share: int) -> Tensor:
    """Both averagings of one level by convolution. [B, share, H, W]"""
    channels = level_BCHW.shape[1]
    repeats = math.gcd(channels, share)
    kernel = _kernel(channels // repeats, share // repeats, dimension // share).to(level_BCHW)
    # Every group of channels meets the same kernel, so that groups may stand as images.
    groups = level_BCHW.reshape(-1, channels // repeats, *level_BCHW.shape[2:])
    return F.conv2d(groups, kernel, padding=SIDE // 2).reshape(
        len(level_BCHW), share, *level_BCHW.shape[2:]
    )


@lru_cache(maxsize=16)
def _kernel(channels: int, outputs: int, levels: int) -> Tensor:
    """Weights of the two averagings on one group of channels. [outputs, channels, 3, 3]"""
    entries = channels * SIDE * SIDE
    unit = torch.eye(entries, dtype=torch.float64)
    once = F.adaptive_avg_pool1d(unit[:, None], outputs * levels)
    twice = F.avg_pool1d(once, levels)[:, 0]
    return twice.T.reshape(outputs, channels, SIDE, SIDE).contiguous()
