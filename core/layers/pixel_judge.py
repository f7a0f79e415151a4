"""From ranked reconstruction residuals to a verdict on every pixel.

The discriminator of RealNet (arXiv 2403.05897): two residual layers, then convolutions of falling
width, resized bilinearly with corners aligned as all through that paper's network.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def resized(x_BCHW: Tensor, side: tuple[int, int]) -> Tensor:
    """Bilinear, corners aligned; the same tensor when it has that side."""
    if tuple(x_BCHW.shape[-2:]) == side:
        return x_BCHW
    return F.interpolate(x_BCHW, side, mode="bilinear", align_corners=True)


class PixelJudge(nn.Module):
    """Two residual layers and five convolutions from ranked residuals to two logits a pixel.

    Args:
        channels: of the residuals, whose side it doubles.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.ModuleList(_residual_layer(channels) for _ in range(2))
        self.narrow = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, 128, 3, padding=1),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 8, 3, padding=1),
            nn.ReLU(),
        )
        self.decide = nn.Sequential(
            nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for layer in self.residual:
            x_BCHW = x_BCHW + layer(x_BCHW)
        narrow_BCHW = self.narrow(x_BCHW)
        height, width = narrow_BCHW.shape[2:]
        logits_B2HW: Tensor = self.decide(resized(narrow_BCHW, (2 * height, 2 * width)))
        return logits_B2HW


def _residual_layer(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1, bias=False),
    )
