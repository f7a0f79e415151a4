"""Feature inversion: levels to style maps, and a learned constant grown back into the levels.

From InvAD (arXiv 2404.10760), after StyleMapGAN (arXiv 2104.14754): the decoder sees the image only
through narrow style maps that modulate what it grows from its constant. c1, c2, c3 are the channels
of the levels at strides 4, 8, 16; the paper's are 256, 512, 1024 (InvAD-lite: 64, 128, 256).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.layers.bottleneck import Bottleneck
from core.layers.style import ConvLayer, StyledResBlock

STRIDE = 16
"""Of the deepest level, where fusion happens and the constant lies."""
PATCHES = (4, 2, 1)
"""By how much each level shrinks to reach that stride."""


class StyleFuser(nn.Module):
    """Three levels fused at stride 16 and refined into style maps at strides 16, 8, 4.

    Args:
        channels: c1, c2, c3.
        width: channels of the style maps.
        inner: width inside the residual bottleneck that follows the fusion.
    """

    def __init__(self, channels: tuple[int, int, int], width: int, inner: int) -> None:
        super().__init__()
        self.shrink = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(count, count, patch, stride=patch), nn.BatchNorm2d(count, eps=1e-6)
            )
            for count, patch in zip(channels, PATCHES, strict=True)
        )
        self.fuse = nn.Sequential(
            nn.Conv2d(sum(channels), width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            Bottleneck(width, inner, width),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(ConvLayer(width, width, upsample), ConvLayer(width, width))
            for upsample in (False, True, True)
        )

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """[B, width, h, w] each, deep to shallow: h = H/16, H/8, H/4 of the image's side."""
        shrunk = [part(level) for part, level in zip(self.shrink, levels, strict=True)]
        style = self.fuse(torch.cat(shrunk, dim=1))
        styles = []
        for stage in self.stages:
            style = stage(style)
            styles.append(style)
        return tuple(styles)


class InversionStage(nn.Module):
    """Style map narrowed to `style` channels, then styled residual blocks under it."""

    def __init__(
        self, channels_in: int, channels_out: int, width: int, style: int, blocks: int, up: bool
    ) -> None:
        super().__init__()
        self.narrow = nn.Sequential(ConvLayer(width, width), ConvLayer(width, style))
        self.blocks = nn.ModuleList(
            StyledResBlock(
                channels_out if index else channels_in, channels_out, style, up and not index
            )
            for index in range(blocks)
        )

    def forward(self, x_BCHW: Tensor, style_BWHW: Tensor) -> Tensor:
        style_BSHW = self.narrow(style_BWHW)
        for block in self.blocks:
            x_BCHW = block(x_BCHW, style_BSHW)
        return x_BCHW


class InversionDecoder(nn.Module):
    """Rebuilds the levels from a learned constant, stage by stage, deep to shallow.

    Args:
        channels: c1, c2, c3.
        side: of the deepest level, pixels; fixed, because the constant has one value a position.
        width: channels of the style maps.
        style: channels to which each stage narrows its style map.
        blocks: styled residual blocks a stage.
    """

    def __init__(
        self, channels: tuple[int, int, int], side: int, width: int, style: int, blocks: int
    ) -> None:
        super().__init__()
        deepest = channels[-1]
        self.constant_1CHW = nn.Parameter(torch.randn(1, deepest, side, side))
        self.begin = ConvLayer(deepest, deepest)
        outs = channels[::-1]
        self.stages = nn.ModuleList(
            InversionStage(channels_in, out, width, style, blocks, up=index > 0)
            for index, (channels_in, out) in enumerate(
                zip((deepest, *outs[:-1]), outs, strict=True)
            )
        )

    def forward(self, styles: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Rebuilt levels, shallow to deep like the backbone's, from style maps deep to shallow."""
        x_BCHW = self.begin(self.constant_1CHW).expand(len(styles[0]), -1, -1, -1)
        rebuilt = []
        for stage, style in zip(self.stages, styles, strict=True):
            x_BCHW = stage(x_BCHW, style)
            rebuilt.append(x_BCHW)
        return tuple(reversed(rebuilt))
