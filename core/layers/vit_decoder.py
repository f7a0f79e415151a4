"""The decoder of ViTAD (arXiv 2312.07495): a plain ViT that runs from the teacher's end back.

Its blocks are those of the ViT (arXiv 2010.11929) as DeiT and DINO train it: norm first, biases
everywhere, an MLP four times as wide, heads of 64 channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD = 64
"""Channels of an attention head."""
EPSILON = 1e-6
SPREAD = 0.02
"""Standard deviation of the initial weights and position code."""


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and added to what came in. [B, L, D] -> same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x_BLD: Tensor) -> Tensor:
        x_BLD = x_BLD + self._attention(self.norm1(x_BLD))
        added: Tensor = x_BLD + self.mlp(self.norm2(x_BLD))
        return added

    def _attention(self, x_BLD: Tensor) -> Tensor:
        split_BLThd = self.qkv(x_BLD).unflatten(2, (3, self.heads, HEAD))
        query, key, value = split_BLThd.permute(2, 0, 3, 1, 4).unbind()
        mixed_BhLd = F.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.out(mixed_BhLd.transpose(1, 2).flatten(2))
        return mixed


class ViTDecoder(nn.Module):
    """A linear layer, a position code of its own, and as many stages of blocks as levels.

    Args:
        width: channels, a multiple of 64.
        side: of the square of tokens.
        levels: how many are rebuilt.
        depth: blocks from one level to the next.
    """

    def __init__(self, width: int, side: int, levels: int = 3, depth: int = 3) -> None:
        super().__init__()
        self.enter = nn.Linear(width, width)
        self.position_LD = nn.Parameter(torch.empty(side * side, width))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for _ in range(levels)
        )
        nn.init.trunc_normal_(self.position_LD, std=SPREAD)
        for part in self.stages.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=SPREAD)
                nn.init.zeros_(part.bias)

    def forward(self, deepest_BDHW: Tensor) -> tuple[Tensor, ...]:
        """Rebuilt levels [B, D, H, W], the teacher's shallowest first: the last stage's output."""
        side = deepest_BDHW.shape[2:]
        x_BLD = self.enter(deepest_BDHW.flatten(2).transpose(1, 2)) + self.position_LD
        rebuilt = []
        for stage in self.stages:
            x_BLD = stage(x_BLD)
            rebuilt.append(x_BLD.transpose(1, 2).unflatten(2, side))
        return tuple(reversed(rebuilt))
