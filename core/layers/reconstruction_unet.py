"""A U-Net that maps a feature level onto itself, built like the denoisers of guided diffusion.

RealNet (arXiv 2403.05897) rebuilds normal features with the network of "Diffusion
Models Beat GANs on Image Synthesis" (arXiv 2105.05233) without its time input: residual blocks
with group normalisation and one convolution, residual blocks that halve (average pool) or double
(transposed convolution) the side, self-attention on all stages but the first, an output that
starts at zero.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32
HEAD = 64
"""Channels an attention head."""


def zeroed(convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution with weight and bias 0, so that its branch starts silent."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


class ResidualBlock(nn.Module):
    """Norm, SiLU, 3x3 convolution beside a shortcut.

    Args:
        channels_in, channels_out: widths, the first a multiple of 32; where they differ the
            shortcut is a 1x1 convolution.
        resample: "down" halves and "up" doubles the side of both branches first; "" keeps it.
    """

    def __init__(self, channels_in: int, channels_out: int, resample: str = "") -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels_in)
        self.resample = _resample(channels_in, resample)
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.shortcut = nn.Sequential(_resample(channels_in, resample))
        if channels_in != channels_out:
            self.shortcut.append(nn.Conv2d(channels_in, channels_out, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        changed = self.convolution(self.resample(F.silu(self.norm(x_BCHW))))
        joined: Tensor = changed + self.shortcut(x_BCHW)
        return joined


def _resample(channels: int, how: str) -> nn.Module:
    if how == "up":
        return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    return nn.AvgPool2d(2) if how == "down" else nn.Identity()


class SelfAttention(nn.Module):
    """Every position attends to all others, 64 channels a head; added to its input.

    Args:
        channels: a multiple of 32; one head where it is no multiple of 64.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // HEAD if channels % HEAD == 0 else 1
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        images, channels, height, width = x_BCHW.shape
        triple_BPT = self.project(self.norm(x_BCHW)).flatten(2).transpose(1, 2)
        # The channels of a head lie side by side: fused kernels take nothing else.
        split = (images, height * width, 3, self.heads, channels // self.heads)
        query, key, value = triple_BPT.contiguous().view(split).permute(2, 0, 3, 1, 4).unbind()
        attended_BNPC = F.scaled_dot_product_attention(query, key, value)
        joined_BCHW = attended_BNPC.transpose(2, 3).reshape(images, channels, height, width)
        added_BCHW: Tensor = self.out(joined_BCHW)
        return x_BCHW + added_BCHW


class _Stage(nn.Module):
    """One resolution and, inside it, all lower ones.

    What enters and what each block on the way down gives is kept, and joined again, last first,
    before each block on the way up.
    """

    def __init__(self, entering: int, widths: tuple[int, ...], blocks: int, attends: bool) -> None:
        super().__init__()
        width = widths[0]
        kept = [entering] + blocks * [width]
        self.down = nn.ModuleList(_block(there, width, attends) for there in kept[:-1])
        if len(widths) > 1:
            self.inside = nn.Sequential(
                ResidualBlock(width, width, "down"),
                _Stage(width, widths[1:], blocks, attends=True),
                ResidualBlock(widths[1], widths[1], "up"),
            )
            back = widths[1]
        else:
            self.inside = nn.Sequential(
                ResidualBlock(width, width), SelfAttention(width), ResidualBlock(width, width)
            )
            back = width
        arriving = [back] + blocks * [width]
        self.up = nn.ModuleList(
            _block(below + beside, width, attends)
            for below, beside in zip(arriving, reversed(kept), strict=True)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        kept = [x_BCHW]
        for block in self.down:
            kept.append(block(kept[-1]))
        x_BCHW = self.inside(kept[-1])
        for block in self.up:
            x_BCHW = block(torch.cat([x_BCHW, kept.pop()], dim=1))
        return x_BCHW


def _block(channels_in: int, channels_out: int, attends: bool) -> nn.Sequential:
    block = nn.Sequential(ResidualBlock(channels_in, channels_out))
    if attends:
        block.append(SelfAttention(channels_out))
    return block


class ReconstructionUNet(nn.Module):
    """Features to features of the same shape.

    Sides that cannot be halved often enough are filled up with copies of their last row and
    column, which are cut off again.

    Args:
        channels: of the features.
        width: of the first stage, a multiple of 32.
        multipliers: widths of the stages, each at half the side of the one before, as multiples.
        blocks: residual blocks a stage on the way down; one more on the way up.
    """

    def __init__(
        self, channels: int, width: int, multipliers: tuple[int, ...] = (1, 2, 4), blocks: int = 2
    ) -> None:
        super().__init__()
        widths = tuple(width * multiplier for multiplier in multipliers)
        self.multiple = 2 ** (len(widths) - 1)
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.stages = _Stage(widths[0], widths, blocks, attends=False)
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, widths[0]),
            nn.SiLU(),
            zeroed(nn.Conv2d(widths[0], channels, 3, padding=1)),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        height, width = x_BCHW.shape[2:]
        missing = (-width % self.multiple, -height % self.multiple)
        if any(missing):
            x_BCHW = F.pad(x_BCHW, (0, missing[0], 0, missing[1]), mode="replicate")
        rebuilt: Tensor = self.leave(self.stages(self.enter(x_BCHW)))
        return rebuilt[:, :, :height, :width]
