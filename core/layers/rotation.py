"""Turning images on the device, each by its own angle."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def rotated(x_BCHW: Tensor, degrees_B: Tensor) -> Tensor:
    """Every image turned about its middle: bilinear, zero outside, the size kept.

    As scipy.ndimage.rotate with order 1, reshape off and mode "constant": what would need a pixel
    from beyond the edge is zero, and positive angles turn the same way.

    Args:
        x_BCHW: float32, square, at least 2 px a side.
        degrees_B: the angles.
    """
    side = x_BCHW.shape[-1]
    middle = (side - 1) / 2
    offset = torch.arange(side, device=x_BCHW.device, dtype=torch.float32) - middle
    dy, dx = offset[None, :, None], offset[None, None, :]
    angle_B11 = (degrees_B.to(x_BCHW.device) * (math.pi / 180)).view(-1, 1, 1)
    cosine, sine = angle_B11.cos(), angle_B11.sin()
    # where each output pixel comes from, -1 and 1 being the middles of the outermost pixels
    from_y = (cosine * dy + sine * dx) / middle
    from_x = (cosine * dx - sine * dy) / middle
    grid_BHW2 = torch.stack([from_x, from_y], dim=-1)
    inside_BHW = grid_BHW2.abs().amax(dim=-1) <= 1 + 1e-6
    turned = F.grid_sample(x_BCHW, grid_BHW2, mode="bilinear", align_corners=True)
    return turned * inside_BHW[:, None]
