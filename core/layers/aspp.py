"""Atrous spatial pyramid pooling (Chen et al., DeepLabv3, arXiv 1706.05587, section 3.3).

As in DeSTSeg (arXiv 2211.11317): three dilated convolutions beside the image's mean, joined by a
3 x 3 convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

DILATIONS = (6, 12, 18)


class LoneBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that takes its running statistics where a channel has one value.

    One value has no deviation; so an image alone in its batch meets what others left behind.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if self.training and x_BCHW.numel() == x_BCHW.shape[1]:
            return nn.functional.batch_norm(
                x_BCHW, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x_BCHW)


class ASPP(nn.Module):
    """The same map seen at several reaches, and as a whole.

    Args:
        channels_in: of the map.
        width: of every branch and of the output.
    """

    def __init__(self, channels_in: int, width: int) -> None:
        super().__init__()
        self.whole = nn.Sequential(
            nn.Conv2d(channels_in, width, 1, bias=False), LoneBatchNorm(width), nn.ReLU()
        )
        self.reaches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels_in, width, 3, padding=step, dilation=step, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for step in DILATIONS
        )
        self.join = nn.Sequential(
            nn.Conv2d((1 + len(DILATIONS)) * width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """[B, width, H, W]"""
        whole = self.whole(x_BCHW.mean(dim=(2, 3), keepdim=True))
        branches = [whole.expand(-1, -1, *x_BCHW.shape[2:])]
        branches += [reach(x_BCHW) for reach in self.reaches]
        joined: Tensor = self.join(torch.cat(branches, dim=1))
        return joined
