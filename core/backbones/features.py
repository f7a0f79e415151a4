"""Frozen multi-level features from any timm network that offers `features_only`.

The extractor owns mean and deviation: it takes RGB in uint8, or altered images in 0..1. It is
always in evaluation mode, so that an image's features do not depend on the others in the batch. It
runs with channels last, on CUDA in bf16, on the CPU in float32 and a few images at a time.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from core.backbones import networks
from core.backbones.weights import NO_BACKBONE, RANDOM, Weights
from core.errors import UsageError
from core.seeding import derive

CPU_PIXELS = 4 * 256 * 256
"""Pixels a pass on a CPU: with more, activations leave the cache and cost twice the time."""


class FeatureExtractor(nn.Module):
    """A frozen network that gives feature levels by stride.

    Attributes:
        tag: the backbone as configs name it.
        strides: of the levels, shallow to deep; all the patch size in a ViT.
        channels: of the levels; () without a backbone.
        blocks: in a ViT, which blocks the levels are of, from 1.
        weights: where its weights came from.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(
        self, network: nn.Module, strides: tuple[int, ...], weights: Weights,
        blocks: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        info: Any = network.feature_info
        self.tag = weights.tag
        self.weights = weights
        self.strides = strides
        self.blocks = blocks
        self.channels = tuple(int(count) for count in info.channels())
        self.network = network
        self.register_buffer("mean_C11", torch.tensor(weights.mean).view(3, 1, 1))
        self.register_buffer("std_C11", torch.tensor(weights.std).view(3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Stays in evaluation mode, whatever it is asked."""
        return super().train(False)

    def fresh(self) -> nn.Module:
        """The same network untrained: trainable, its own statistics, levels as a list.

        It takes what `normalised` gives. Drawn from torch's generator as it stands.
        """
        return networks.network(self.weights.architecture, self.strides, self.blocks)

    def normalised(self, images_BCHW: Tensor) -> Tensor:
        """What the network takes: float32 of RGB in uint8, or in floats of 0..1."""
        if images_BCHW.dtype == torch.uint8:
            images_BCHW = images_BCHW.float() / 255
        return (images_BCHW - self.mean_C11) / self.std_C11

    @torch.no_grad()
    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """float32 levels [B, C_l, H_l, W_l], shallow to deep, of RGB images [B, 3, H, W].

        Args:
            images_BCHW: uint8, or float32 in 0..1 (images altered in training; values outside
                are taken as they are).

        Raises:
            UsageError: another type, or not three channels.
        """
        if images_BCHW.dtype not in (torch.uint8, torch.float32) or images_BCHW.shape[1] != 3:
            came = f"{images_BCHW.dtype} {tuple(images_BCHW.shape)}"
            raise UsageError(
                f"images_BCHW came as {came}; expected uint8 [B, 3, H, W], or float32 in 0..1."
            )
        if not self.channels:
            return ()
        if images_BCHW.device.type == "cuda":
            return self._part(images_BCHW)
        height, width = images_BCHW.shape[2:]
        few = max(1, CPU_PIXELS // (height * width))
        starts = range(0, max(len(images_BCHW), 1), few)
        parts = [self._part(images_BCHW[start : start + few]) for start in starts]
        return tuple(torch.cat(level) for level in zip(*parts, strict=True))

    def _part(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        x_BCHW = self.normalised(images_BCHW).to(memory_format=torch.channels_last)
        kind = images_BCHW.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            levels = self._levels(x_BCHW)
        return tuple(level.float().contiguous() for level in levels)

    def _levels(self, x_BCHW: Tensor) -> list[Tensor]:
        side = tuple(x_BCHW.shape[2:])
        try:
            levels: list[Tensor] = self.network(x_BCHW)
        except AssertionError as error:  # how timm's networks refuse a size
            raise UsageError(
                f"The backbone {self.tag} does not take images of {side} px: {error}"
            ) from error
        for level, channels, stride in zip(levels, self.channels, self.strides, strict=True):
            expected = (channels, *(math.ceil(length / stride) for length in side))
            if level.shape[1:] != expected:
                raise UsageError(
                    f"The backbone {self.tag} gave a level of shape {tuple(level.shape[1:])} where "
                    f"{expected} was expected; choose a convolutional network."
                )
        return levels


def build(
    backbone: str,
    levels: tuple[int, ...],
    weights: Weights,
    device: torch.device,
    blocks: tuple[int, ...] = (),
) -> FeatureExtractor:
    """The frozen extractor of a backbone's levels at the given strides, or of a ViT's blocks.

    Raises:
        UsageError: the network has no such levels or blocks, or the file does not fit it.
    """
    if backbone == NO_BACKBONE:
        return FeatureExtractor(networks.Nothing(), (), weights).to(device)
    architecture = backbone.removesuffix(RANDOM)
    # From a seed of its own: a resumed run must meet the same random backbone again.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, backbone))
        network = networks.network(architecture, levels, blocks)
    if weights.path is not None:
        networks.fill(network, architecture, weights)
    network = network.to(memory_format=torch.channels_last)
    info: Any = network.feature_info
    strides = tuple(int(stride) for stride in info.reduction()) if blocks else levels
    return FeatureExtractor(network, strides, weights, blocks).to(device)
