"""A small denoising U-Net that is told the level of noise, and, at its deepest stage only, a hint.

Built of the blocks of "Diffusion Models Beat GANs on Image Synthesis" (arXiv 2105.05233):
residual blocks with group normalisation whose second normalisation is scaled and shifted by the
level, self-attention on the deepest stage. That the hint enters the middle and the deepest skips
alone is DiAD's idea (arXiv 2312.06607): a hint at full detail would let defects through.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.precision import full_precision
from core.layers.reconstruction_unet import GROUPS, SelfAttention, zeroed

SLOWEST_PERIOD = 10_000.0


def level_embedding(level_B: Tensor, width: int) -> Tensor:
    """Cosines and sines of the level at `width` / 2 rates from 1 down to 1e-4, [B, width]."""
    half = width // 2
    rates_D = torch.exp(
        -math.log(SLOWEST_PERIOD) * torch.arange(half, device=level_B.device) / half
    )
    angles_BD = level_B.float()[:, None] * rates_D
    return torch.cat([angles_BD.cos(), angles_BD.sin()], dim=1)


class LevelBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the level scales and shifts between them.

    Args:
        channels_in, channels_out: widths, multiples of 32.
        told: length of the level's embedding.
    """

    def __init__(self, channels_in: int, channels_out: int, told: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.GroupNorm(GROUPS, channels_in),
            nn.SiLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )
        self.tell = nn.Linear(told, 2 * channels_out)
        self.norm = nn.GroupNorm(GROUPS, channels_out)
        self.leave = zeroed(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1)
        )

    def forward(self, x_BCHW: Tensor, told_BD: Tensor) -> Tensor:
        scale_BC11, shift_BC11 = self.tell(told_BD)[:, :, None, None].chunk(2, dim=1)
        inner_BCHW = self.norm(self.enter(x_BCHW)) * (1 + scale_BC11) + shift_BC11
        joined_BCHW: Tensor = self.shortcut(x_BCHW) + self.leave(F.silu(inner_BCHW))
        return joined_BCHW


class DiffusionUNet(nn.Module):
    """The noise in x_t.

    Args:
        channels: of x_t.
        width: of the first stage, a multiple of 32.
        multipliers: widths of the stages, each at half the side of the one before, as multiples.
        blocks: residual blocks a stage on the way down; one more on the way up.
        hint: channels of the hint.
    """

    def __init__(
        self, channels: int, width: int, multipliers: tuple[int, ...], blocks: int, hint: int
    ) -> None:
        super().__init__()
        widths = [width * multiplier for multiplier in multipliers]
        told = 4 * width
        self.width = width
        self.tell = nn.Sequential(nn.Linear(width, told), nn.SiLU(), nn.Linear(told, told))
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList()
        kept = [width]
        for stage, wide in enumerate(widths):
            if stage:
                self.down.append(nn.Conv2d(kept[-1], kept[-1], 3, stride=2, padding=1))
                kept.append(kept[-1])
            for _ in range(blocks):
                self.down.append(LevelBlock(kept[-1], wide, told))
                kept.append(wide)
        deep = widths[-1]
        self.middle = nn.ModuleList(
            [LevelBlock(deep, deep, told), SelfAttention(deep), LevelBlock(deep, deep, told)]
        )
        self.guide = nn.ModuleList(
            zeroed(nn.Conv2d(hint, wide, 1)) for wide in [deep, *reversed(kept[-blocks - 1 :])]
        )
        self.up = nn.ModuleList()
        arriving = deep
        for stage, wide in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(LevelBlock(arriving + kept.pop(), wide, told))
                arriving = wide
            if stage:
                self.up.append(_Up(wide))
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            zeroed(nn.Conv2d(width, channels, 3, padding=1)),
        )

    def forward(self, x_BCHW: Tensor, level_B: Tensor, hint_BCHW: Tensor) -> Tensor:
        """
        Args:
            x_BCHW: sides that can be halved as often as there are stages but one.
            level_B: level of noise of each image, int64.
            hint_BCHW: at the deepest stage's side.
        """
        with full_precision(x_BCHW.device):
            angles_BD = level_embedding(level_B, self.width)
        told_BD = F.silu(self.tell(angles_BD))
        kept = [self.enter(x_BCHW)]
        for part in self.down:
            block = isinstance(part, LevelBlock)
            kept.append(part(kept[-1], told_BD) if block else part(kept[-1]))
        first, attention, second = self.middle
        guides = [guide(hint_BCHW) for guide in self.guide]
        x_BCHW = second(attention(first(kept[-1], told_BD)), told_BD) + guides.pop(0)
        for part in self.up:
            if isinstance(part, LevelBlock):
                beside = kept.pop() + (guides.pop(0) if guides else 0)
                x_BCHW = part(torch.cat([x_BCHW, beside], dim=1), told_BD)
            else:
                x_BCHW = part(x_BCHW)
        noise_BCHW: Tensor = self.leave(x_BCHW)
        return noise_BCHW


class _Up(nn.Module):
    """Twice the side by repetition, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        smooth: Tensor = self.convolution(F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest"))
        return smooth
