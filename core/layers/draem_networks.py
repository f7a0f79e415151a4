"""DRAEM's two networks (arXiv 2108.07610): a reconstructor and a U-Net.

Both are built from pairs of 3 x 3 convolutions with batch normalisation; the paper's widths are 128
and 64.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    """3 x 3 with bias, normalised, rectified."""
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]


def pair(channels_in: int, inner: int, channels_out: int) -> nn.Sequential:
    """Two convolutions after each other."""
    return nn.Sequential(*convolution(channels_in, inner), *convolution(inner, channels_out))


def doubling(channels_in: int, channels_out: int) -> nn.Sequential:
    """Twice the side, bilinearly with corners aligned, and a convolution."""
    resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.Sequential(resize, *convolution(channels_in, channels_out))


def initialise(module: nn.Module) -> None:
    """Convolutions from N(0, 0.02), gains of the norms from N(1, 0.02), their shifts zero."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
            nn.init.zeros_(part.bias)


class Reconstructor(nn.Module):
    """An autoencoder without skips, four halvings deep: the image as it would be if normal.

    Args:
        width: channels at full resolution; eight times as many from an eighth of it on.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        blocks = [pair(3, width, width)]
        for before, channels in pairwise(widths):
            blocks.append(nn.Sequential(nn.MaxPool2d(2), pair(before, channels, channels)))
        self.encoder = nn.Sequential(*blocks)
        outputs = [4 * width, 2 * width, width, width]
        stages = []
        for channels, out in zip([8 * width, *outputs], outputs, strict=False):
            stages.append(
                nn.Sequential(doubling(channels, channels), pair(channels, channels, out))
            )
        self.decoder = nn.Sequential(*stages)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        initialise(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """[B, 3, H, W] of the same side, a multiple of 16."""
        rebuilt: Tensor = self.last(self.decoder(self.encoder(x_BCHW)))
        return rebuilt


class UNet(nn.Module):
    """Five halvings with skips: image and reconstruction to the logits of two classes.

    Args:
        channels_in: of the joined input.
        width: channels at full resolution; eight times as many from an eighth of it on.
    """

    def __init__(self, channels_in: int, width: int, classes: int = 2) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        self.first = pair(channels_in, width, width)
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), pair(before, channels, channels))
            for before, channels in pairwise(widths)
        )
        self.up, self.join = nn.ModuleList(), nn.ModuleList()
        channels = widths[-1]
        for skip, out in zip(widths[-2::-1], (8, 4, 2, 1, 1), strict=True):
            self.up.append(doubling(channels, out * width))
            self.join.append(pair(skip + out * width, out * width, out * width))
            channels = out * width
        self.last = nn.Conv2d(width, classes, 3, padding=1)
        initialise(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits [B, classes, H, W] of the same side, a multiple of 32."""
        levels = [self.first(x_BCHW)]
        for halve in self.down:
            levels.append(halve(levels[-1]))
        x_BCHW = levels.pop()
        for double, join in zip(self.up, self.join, strict=True):
            x_BCHW = join(torch.cat([double(x_BCHW), levels.pop()], dim=1))
        logits: Tensor = self.last(x_BCHW)
        return logits
