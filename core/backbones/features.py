"""Frozen multi-level features from any timm network that offers `features_only`.

The extractor owns mean and deviation: it takes uint8 RGB and nothing else. It is always in
evaluation mode, so that an image's features do not depend on the others in the batch. It runs
with channels last, on CUDA in bf16, on the CPU in float32 and a few images at a time.
"""

from __future__ import annotations

import math
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from core.backbones.weights import RANDOM, Weights, by_position, load
from core.errors import UsageError
from core.seeding import derive

CPU_PIXELS = 4 * 256 * 256
"""Pixels a pass on a CPU: with more, activations leave the cache and cost twice the time."""


class FeatureExtractor(nn.Module):
    """A frozen network that gives feature levels by stride.

    Attributes:
        tag: the backbone as configs name it.
        strides: of the levels, shallow to deep.
        channels: of the levels.
        weights: where its weights came from.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self, network: nn.Module, strides: tuple[int, ...], weights: Weights) -> None:
        super().__init__()
        info: Any = network.feature_info
        self.tag = weights.tag
        self.weights = weights
        self.strides = strides
        self.channels = tuple(int(count) for count in info.channels())
        self.network = network
        self.register_buffer("mean_C11", torch.tensor(weights.mean).view(3, 1, 1))
        self.register_buffer("std_C11", torch.tensor(weights.std).view(3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Stays in evaluation mode, whatever it is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """float32 levels [B, C_l, H_l, W_l], shallow to deep, of uint8 RGB images [B, 3, H, W].

        Raises:
            UsageError: not uint8 with three channels.
        """
        if images_BCHW.dtype != torch.uint8 or images_BCHW.shape[1] != 3:
            came = f"{images_BCHW.dtype} {tuple(images_BCHW.shape)}"
            raise UsageError(f"images_BCHW came as {came}; expected uint8 [B, 3, H, W].")
        if images_BCHW.device.type == "cuda":
            return self._part(images_BCHW)
        height, width = images_BCHW.shape[2:]
        few = max(1, CPU_PIXELS // (height * width))
        starts = range(0, max(len(images_BCHW), 1), few)
        parts = [self._part(images_BCHW[start : start + few]) for start in starts]
        return tuple(torch.cat(level) for level in zip(*parts, strict=True))

    def _part(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        x_BCHW = (images_BCHW.float() / 255 - self.mean_C11) / self.std_C11
        x_BCHW = x_BCHW.to(memory_format=torch.channels_last)
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
    backbone: str, levels: tuple[int, ...], weights: Weights, device: torch.device
) -> FeatureExtractor:
    """The frozen extractor of a backbone's levels at the given strides.

    Raises:
        UsageError: the network has no such levels, or the file does not fit it.
    """
    architecture = backbone.removesuffix(RANDOM)
    # From a seed of its own: a resumed run must meet the same random backbone again.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, backbone))
        network = _network(architecture, levels)
    if weights.path is not None:
        _fill(network, architecture, weights)
    network = network.to(memory_format=torch.channels_last)
    return FeatureExtractor(network, levels, weights).to(device)


def _network(architecture: str, levels: tuple[int, ...]) -> nn.Module:
    name = architecture.split(".")[0]
    try:
        with torch.device("meta"):
            whole: Any = timm.create_model(name, features_only=True, pretrained=False)
        strides = [int(stride) for stride in whole.feature_info.reduction()]
        indices = tuple(strides.index(stride) for stride in levels)
        made: Any = timm.create_model(
            name, features_only=True, pretrained=False, out_indices=indices
        )
    except (RuntimeError, AttributeError, ValueError, TypeError) as error:
        raise UsageError(
            f"The backbone {architecture!r} has no feature maps at strides {levels}; choose a "
            "convolutional network such as tf_efficientnet_lite0 or resnet18."
        ) from error
    stages = getattr(made, "_stage_out_idx", None)
    if stages and getattr(made, "feature_hooks", None) is None:
        # timm's EfficientNets and MobileNets keep (and run) every stage, wanted or not.
        made.blocks = made.blocks[: max(stages)]
    return cast(nn.Module, made)


def _fill(network: nn.Module, architecture: str, weights: Weights) -> None:
    """Load the classifier's weights into the part of it that gives features."""
    with torch.device("meta"):
        classifier = timm.create_model(architecture.split(".")[0], pretrained=False)
    state = classifier_state(classifier, weights)
    wanted = network.state_dict()
    renamed = {name: state.get(name, state.get(name.replace("_", ".", 1))) for name in wanted}
    lost = [name for name, tensor in renamed.items() if tensor is None]
    if lost:
        raise UsageError(f"{weights.path} lacks {lost[0]!r} of {architecture}; use another file.")
    network.load_state_dict(renamed)


def classifier_state(classifier: nn.Module, weights: Weights) -> dict[str, Tensor]:
    """The file's tensors under the classifier's own names, all of them.

    Files with timm's names load by name, others (the packaged one) by position.
    """
    given = load(weights)
    wanted = classifier.state_dict()
    if set(wanted) <= set(given):
        return {name: given[name] for name in wanted}
    return by_position(given, wanted, str(weights.path))
