"""Irregular regions cut from Perlin's gradient noise, a batch at once and on the device.

DRAEM (arXiv 2108.07610), shared by DeSTSeg and RealNet. The definition and its numbers
are those of `core.synthesis.perlin`, which draws one region at a time without torch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.layers.rotation import rotated
from core.synthesis.perlin import LARGEST_ANGLE, LARGEST_EXPONENT, THRESHOLD


def perlin_masks(count: int, size: int, device: torch.device) -> Tensor:
    """Regions [count, 1, size, size], True inside; some may be empty.

    Every image draws its own lattice (2^j cells an axis, j uniform in 0..5), its gradients and
    the angle (uniform in [-90, 90] degrees) by which its noise is turned before the threshold.
    Drawn from torch's global generator of the device.
    """
    cells_B2 = 2 ** torch.randint(LARGEST_EXPONENT + 1, (count, 2), device=device)
    points = 2**LARGEST_EXPONENT + 1
    angles_BYX = 2 * math.pi * torch.rand(count, points, points, device=device)
    turned_by_B = LARGEST_ANGLE * (2 * torch.rand(count, device=device) - 1)
    return turned_masks(perlin_noise(angles_BYX, cells_B2, size), turned_by_B)


def turned_masks(noise_BHW: Tensor, degrees_B: Tensor) -> Tensor:
    """Where the noise, turned by its image's angle, exceeds the threshold. bool [B, 1, H, W]"""
    return rotated(noise_BHW[:, None], degrees_B) > THRESHOLD


def perlin_noise(angles_BYX: Tensor, cells_B2: Tensor, size: int) -> Tensor:
    """Gradient noise float32 [B, size, size] within [-1, 1], zero at lattice points.

    Args:
        angles_BYX: of the unit gradients, radians; an image uses the first cells + 1 an axis.
        cells_B2: int64, lattice cells along height and width.
        size: side in pixels.
    """
    place = torch.arange(size, device=cells_B2.device)
    ticks_B2S = place * cells_B2[:, :, None]  # of a size-th of a cell: no rounding
    cell_B2S = ticks_B2S // size
    within_B2S = (ticks_B2S - cell_B2S * size).float() / size
    fade_B2S = within_B2S**3 * (within_B2S * (within_B2S * 6 - 15) + 10)
    v, u = within_B2S[:, 0, :, None], within_B2S[:, 1, None, :]
    fade_v, fade_u = fade_B2S[:, 0, :, None], fade_B2S[:, 1, None, :]
    across, down = angles_BYX.cos(), angles_BYX.sin()
    batch = torch.arange(len(angles_BYX), device=cells_B2.device)[:, None, None]

    def corner(b: int, a: int) -> Tensor:
        at = (batch, cell_B2S[:, 0, :, None] + b, cell_B2S[:, 1, None, :] + a)
        return across[at] * (u - a) + down[at] * (v - b)

    upper = torch.lerp(corner(0, 0), corner(0, 1), fade_u)
    lower = torch.lerp(corner(1, 0), corner(1, 1), fade_u)
    return math.sqrt(2.0) * torch.lerp(upper, lower, fade_v)
