"""DeSTSeg's denoising student and its segmentation network (arXiv 2211.11317, section 3)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.aspp import ASPP
from core.layers.basic_block import two_blocks
from core.layers.precision import full_precision

Levels = tuple[Tensor, ...]


class Student(nn.Module):
    """An untrained encoder down to stride 32, and a decoder back up to the teacher's levels.

    Args:
        encoder: gives one level, `deepest` channels at stride 32.
        deepest: its width.
        channels: of the teacher's levels, shallow to deep; the decoder's stages take theirs.
    """

    def __init__(self, encoder: nn.Module, deepest: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottom = two_blocks(deepest, deepest)
        widths = [deepest, *reversed(channels)]
        self.stages = nn.ModuleList(two_blocks(before, after) for before, after in pairwise(widths))

    def forward(self, x_BCHW: Tensor, sides: tuple[tuple[int, int], ...]) -> Levels:
        """Levels of these heights and widths (shallow to deep) of normalised images."""
        (deepest,) = self.encoder(x_BCHW)
        x_BCHW = self.bottom(deepest)
        levels = []
        for stage, side in zip(self.stages, reversed(sides), strict=True):
            x_BCHW = stage(F.interpolate(x_BCHW, side, mode="bilinear"))
            levels.append(x_BCHW)
        return tuple(reversed(levels))


class Segmentation(nn.Module):
    """From how teacher and student agree, channel by channel, to logits of an anomaly.

    Args:
        channels: of the joined agreement.
        width: 256 in the paper.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.blocks = two_blocks(channels, width)
        self.head = nn.Sequential(
            ASPP(width, width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, agreement_BCHW: Tensor) -> Tensor:
        """Logits [B, 1, H, W]."""
        logits: Tensor = self.head(self.blocks(agreement_BCHW))
        return logits


def agreement(theirs: Levels, mine: Levels) -> Tensor:
    """Minus the product of unit vectors, channel by channel, float32 [B, sum of C, H, W].

    Its sum over a level's channels is minus the cosine. Levels are brought to the first one's
    side, bilinearly.
    """
    side = theirs[0].shape[2:]
    with full_precision(theirs[0].device):
        products = [
            -F.normalize(one.float(), dim=1) * F.normalize(other.float(), dim=1)
            for one, other in zip(theirs, mine, strict=True)
        ]
        joined = torch.cat([F.interpolate(p, side, mode="bilinear") for p in products], dim=1)
        return joined.contiguous(memory_format=torch.channels_last)


def denoising_loss(theirs: Levels, mine: Levels) -> Tensor:
    """One minus the cosine, mean over positions, summed over images and levels."""
    with full_precision(theirs[0].device):
        distances = [
            (1 - F.cosine_similarity(one.float(), other.float(), dim=1)).mean(dim=(1, 2)).sum()
            for one, other in zip(theirs, mine, strict=True)
        ]
        return torch.stack(distances).sum()


def small_masks(masks_B1HW: Tensor, side: tuple[int, int]) -> Tensor:
    """Masks at another resolution, float32: resized bilinearly, then 1 from one half on."""
    return (F.interpolate(masks_B1HW.float(), side, mode="bilinear") >= 0.5).float()
