"""The residual bottleneck of ResNets, in the forms that keep, halve or double the side."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1x1, 3x3 (or its resampling form), 1x1, with a shortcut.

    Args:
        channels_in, inner, channels_out: widths.
        resample: "down" halves the side, "up" doubles it by a 2x2 transposed convolution, "" keeps.
    """

    def __init__(self, channels_in: int, inner: int, channels_out: int, resample: str = "") -> None:
        super().__init__()
        middle: nn.Module
        shortcut: nn.Module
        if resample == "up":
            middle = nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False)
            shortcut = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2, bias=False)
        else:
            stride = 2 if resample == "down" else 1
            middle = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
            shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            middle,
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        plain = channels_in == channels_out and not resample
        self.shortcut = (
            nn.Identity() if plain else nn.Sequential(shortcut, nn.BatchNorm2d(channels_out))
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(self.body(x_BCHW) + self.shortcut(x_BCHW))
