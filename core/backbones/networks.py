"""Networks that give feature levels: made by timm, filled from a weight file."""

from __future__ import annotations

from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from core.backbones.weights import Weights, by_position, load
from core.errors import UsageError


class Nothing(nn.Module):
    """The network of a method without a backbone: no levels."""

    class feature_info:  # timm's name
        @staticmethod
        def channels() -> list[int]:
            return []

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        return []


def network(architecture: str, levels: tuple[int, ...], blocks: tuple[int, ...] = ()) -> nn.Module:
    """An untrained network that returns its levels, shallow to deep.

    Args:
        architecture: a timm id.
        levels: strides of the wanted levels.
        blocks: instead, the wanted blocks of a plain ViT, from 1, as maps without class token and
            before the final norm; it takes any size that is a multiple of its patches.

    Raises:
        UsageError: it has no such levels or blocks.
    """
    return _transformer(architecture, blocks) if blocks else _pyramid(architecture, levels)


def _transformer(architecture: str, blocks: tuple[int, ...]) -> nn.Module:
    name = architecture.split(".")[0]
    try:
        made: Any = timm.create_model(
            name,
            features_only=True,
            pretrained=False,
            out_indices=tuple(block - 1 for block in blocks),
            dynamic_img_size=True,
        )
        plain = hasattr(made.model, "blocks") and hasattr(made.model, "patch_embed")
    except (RuntimeError, AttributeError, ValueError, TypeError, AssertionError) as error:
        raise _not_a_vit(architecture, blocks) from error
    if not plain:
        raise _not_a_vit(architecture, blocks)
    return cast(nn.Module, made)


def _not_a_vit(architecture: str, blocks: tuple[int, ...]) -> UsageError:
    return UsageError(
        f"The backbone {architecture!r} has no transformer blocks {blocks}; choose a plain ViT "
        "such as vit_small_patch16_224.dino, or vit_tiny_patch16_224:random, not pretrained."
    )


def _pyramid(architecture: str, levels: tuple[int, ...]) -> nn.Module:
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


def fill(network: nn.Module, architecture: str, weights: Weights) -> None:
    """Load the classifier's weights into the part of it that gives features.

    Raises:
        UsageError: the file does not fit.
    """
    if all(name.startswith("model.") for name in network.state_dict()):
        state = {f"model.{name}": tensor for name, tensor in load(weights).items()}
    else:
        with torch.device("meta"):
            classifier = timm.create_model(architecture.split(".")[0], pretrained=False)
        state = classifier_state(classifier, weights)
    _put(network, state, weights)


def _put(network: nn.Module, state: dict[str, Tensor], weights: Weights) -> None:
    wanted = network.state_dict()
    renamed = {name: state.get(name, state.get(name.replace("_", ".", 1))) for name in wanted}
    for name, tensor in renamed.items():
        if tensor is None or tensor.shape != wanted[name].shape:
            what = "lacks" if tensor is None else "has another shape for"
            raise UsageError(
                f"{weights.path} {what} {name!r} of {weights.architecture}; use another file."
            )
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
