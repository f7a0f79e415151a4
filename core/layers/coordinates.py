"""CoordConv: a convolution that also sees where it is, here of size 1 x 1 over several levels.

"An Intriguing Failing of Convolutional Neural Networks and the CoordConv Solution", NeurIPS 2018,
arXiv 1807.03247; CFA's patch descriptor (arXiv 2206.04325) is one over levels that were brought
to one resolution and joined.

A 1 x 1 convolution and a resize commute. So each level meets its own columns of the weight at its
own resolution, and only the results are resized and summed: with the levels of a Wide ResNet-50
a quarter of the multiplications, and the joined levels are never written out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Levels = tuple[Tensor, ...]
AXES = 2


def coordinates(height: int, width: int) -> Tensor:
    """Column and row of each position, linear from -1 to 1. [height, width, 2]"""
    down, right = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    rows_HW, columns_HW = torch.meshgrid(down, right, indexing="ij")
    return torch.stack([columns_HW, rows_HW], dim=2)


class LevelsCoordConv(nn.Module):
    """One affine map of the joined levels and the two coordinates, at every position alike.

    Deeper levels are resized to the first one's resolution bilinearly (corners not aligned).

    Args:
        channels: of the levels.
        width: of the result.
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.widths = [*channels, AXES]
        self.joined = nn.Linear(sum(self.widths), width)

    def forward(self, levels: Levels) -> Tensor:
        """
        Args:
            levels: [B, C_l, H_l, W_l], the finest first.

        Returns:
            [B, H, W, width] at the finest level's resolution.
        """
        height, width = levels[0].shape[2:]
        *of_levels, of_places = torch.split(self.joined.weight, self.widths, dim=1)
        places_HW2 = coordinates(height, width).to(self.joined.weight)
        placed_HWD = F.linear(places_HW2, of_places, self.joined.bias)
        # Matrix products, not convolutions: those would run in TF32 on a GPU.
        parts = [
            _resized(F.linear(level.permute(0, 2, 3, 1), weight), height, width)
            for level, weight in zip(levels, of_levels, strict=True)
        ]
        total_BHWD = parts[0]
        for part_BHWD in parts[1:]:
            total_BHWD = total_BHWD + part_BHWD
        return total_BHWD + placed_HWD


def _resized(x_BHWC: Tensor, height: int, width: int) -> Tensor:
    if x_BHWC.shape[1:3] == (height, width):
        return x_BHWC
    x_BCHW = x_BHWC.permute(0, 3, 1, 2)
    return F.interpolate(x_BCHW, (height, width), mode="bilinear").permute(0, 2, 3, 1)
