"""The projections of RD++ ("Revisiting Reverse Distillation for Anomaly Detection", CVPR 2023).

One for each level of the teacher: to a quarter of its channels and back, position by position
with its neighbours, so that what is unusual is left behind.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class Projection(nn.Module):
    """C -> C/2 -> C/4 -> C/2 -> C by 3 x 3 convolutions, each with instance norm and a leaky ReLU.

    The convolutions have no bias: the norm would take it away.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = max(1, channels // 2), max(1, channels // 4)
        widths = (channels, half, quarter, half, channels)
        layers: list[nn.Module] = []
        for wide, out in pairwise(widths):
            layers += [
                nn.Conv2d(wide, out, 3, padding=1, bias=False),
                nn.InstanceNorm2d(out),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, level_BCHW: Tensor) -> Tensor:
        projected: Tensor = self.layers(level_BCHW)
        return projected


class Projections(nn.Module):
    """One projection a level, of the same shapes."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.each = nn.ModuleList(Projection(width) for width in channels)

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(one(level) for one, level in zip(self.each, levels, strict=True))
