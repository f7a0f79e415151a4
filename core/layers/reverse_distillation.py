"""Embedding and decoder of reverse distillation (arXiv 2201.10703), shared by RD and RD++.

The paper's widths are those of a Wide ResNet-50 (256, 512, 1024 channels at strides 4, 8, 16).
Other backbones take theirs from their own levels c1, c2, c3: fusion at c3 channels, embedding of
2 c3 channels at stride 32, decoder blocks half as wide inside as their output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.layers.bottleneck import Bottleneck

DECODER_BLOCKS = (3, 4, 6)
EMBEDDING_BLOCKS = 3


def initialise(module: nn.Module) -> None:
    """Kaiming-normal, fan out, for every convolution."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


def _down(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class OneClassEmbedding(nn.Module):
    """Multi-scale fusion and one-class embedding (section 3.3): three levels to stride 32."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.from_first = nn.Sequential(_down(first, second), _down(second, third))
        self.from_second = _down(second, third)
        wide, inner = 2 * third, third // 2
        blocks = [Bottleneck(3 * third, inner, wide, "down")]
        blocks += [Bottleneck(wide, inner, wide) for _ in range(EMBEDDING_BLOCKS - 1)]
        self.embed = nn.Sequential(*blocks)

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        first, second, third = levels
        fused = torch.cat([self.from_first(first), self.from_second(second), third], dim=1)
        embedded: Tensor = self.embed(fused)
        return embedded


class Decoder(nn.Module):
    """The student: mirrored stages that rebuild the levels, deep to shallow (section 3.2)."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        stages = []
        width = 2 * channels[-1]
        for out, count in zip(reversed(channels), DECODER_BLOCKS, strict=True):
            blocks = [Bottleneck(width, out // 2, out, "up")]
            blocks += [Bottleneck(out, out // 2, out) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            width = out
        self.stages = nn.ModuleList(stages)

    def forward(self, embedded: Tensor) -> tuple[Tensor, ...]:
        """Rebuilt levels, shallow to deep like the teacher's."""
        rebuilt = []
        for stage in self.stages:
            embedded = stage(embedded)
            rebuilt.append(embedded)
        return tuple(reversed(rebuilt))
