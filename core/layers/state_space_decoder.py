"""MambaAD's trained parts: the fusion of three levels and the decoder of state space blocks.

"MambaAD: Exploring State Space Models for Multi-class Unsupervised Anomaly Detection", NeurIPS
2024, arXiv 2404.06564. The paper's widths are those of a ResNet-34
(64, 128, 256 channels at strides 4, 8, 16): stages of 512, 256, 128, 64 channels at strides 32 to
4. Other backbones take theirs from their own levels c1, c2, c3: stages of 2 c3, c3, c2, c1.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from core.layers.bottleneck import Bottleneck
from core.layers.reverse_distillation import initialise
from core.layers.state_space import SS2D, LSSBlock

EMBEDDING_BLOCKS = 3
STRIDES = (32, 16, 8, 4)


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class HalfFPN(nn.Module):
    """Levels at strides 4, 8, 16 (c1, c2, c3 channels) fused downwards to 2 c3 at stride 32."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.from_first = _convolution(first, second, 3, 2)
        self.beside_second = _convolution(second, second, 1, 1)
        self.from_second = _convolution(second, third, 3, 2)
        self.beside_third = _convolution(third, third, 1, 1)
        wide, inner = 2 * third, third // 2
        blocks = [Bottleneck(third, inner, wide, "down")]
        blocks += [Bottleneck(wide, inner, wide) for _ in range(EMBEDDING_BLOCKS - 1)]
        self.embed = nn.Sequential(_convolution(third, third, 1, 1), *blocks)
        initialise(self)

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        first, second, third = levels
        fused = self.from_first(first) + self.beside_second(second)
        embedded: Tensor = self.embed(self.from_second(fused) + self.beside_third(third))
        return embedded


class Expand(nn.Module):
    """Twice the side of a BHWC map: a linear layer to 2 x 2 positions, each normalised."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.spread = nn.Linear(channels_in, 4 * channels_out, bias=False)
        self.norm = nn.LayerNorm(channels_out)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        images, height, width, _ = x_BHWC.shape
        quads = self.spread(x_BHWC).view(images, height, width, 2, 2, -1)
        wide = quads.transpose(2, 3).reshape(images, 2 * height, 2 * width, -1)
        twice: Tensor = self.norm(wide)
        return twice


def groups(depth: int) -> list[int]:
    """How a stage's layers are dealt to blocks: by threes, else by twos, else one by one."""
    size = next(size for size in (3, 2, 1) if depth % size == 0)
    return [size] * (depth // size)


class StateSpaceDecoder(nn.Module):
    """Stages of LSS blocks from stride 32 to stride 4; rebuilds the levels at 16, 8 and 4.

    Args:
        channels: of the levels at strides 4, 8, 16.
        size: side of the input image, pixels.
        depths: state space layers of the stages, from stride 32 to stride 4.
        states, expansion: see `SS2D`.
        drop: probability of `StateSpaceLayer`s to be left out, falling evenly to 0 from the first
            to the last; every block has the value next in its stage's part of that series.
    """

    def __init__(
        self,
        channels: tuple[int, int, int],
        size: int,
        depths: tuple[int, ...],
        states: int = 16,
        expansion: int = 2,
        drop: float = 0.2,
    ) -> None:
        super().__init__()
        widths = (2 * channels[2], *reversed(channels))
        rates = [drop * (1 - place / max(sum(depths) - 1, 1)) for place in range(sum(depths))]
        self.stages = nn.ModuleList()
        for index, (width, stride, depth) in enumerate(zip(widths, STRIDES, depths, strict=True)):
            stage: list[nn.Module] = [Expand(widths[index - 1], width)] if index else []
            first = sum(depths[:index])
            for block, layers in enumerate(groups(depth)):
                mixes = [SS2D(width, size // stride, states, expansion) for _ in range(layers)]
                stage.append(LSSBlock(width, mixes, rates[first + block]))
            self.stages.append(nn.Sequential(*stage))
        _initialise(self)

    def forward(self, embedded_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Rebuilt levels [B, C_l, H_l, W_l], shallow to deep like the backbone's."""
        x_BHWC = embedded_BCHW.permute(0, 2, 3, 1).contiguous()
        rebuilt: list[Tensor] = []
        for stage in self.stages:
            x_BHWC = stage(x_BHWC)
            rebuilt.append(x_BHWC.permute(0, 3, 1, 2))
        return tuple(reversed(rebuilt[1:]))


def _initialise(decoder: nn.Module) -> None:
    """Linear layers from a narrow normal distribution, convolutions by He et al., fan out."""
    for part in decoder.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
        elif isinstance(part, nn.Conv2d):
            fan_out = part.out_channels // part.groups * math.prod(part.kernel_size)
            nn.init.normal_(part.weight, std=math.sqrt(2 / fan_out))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
