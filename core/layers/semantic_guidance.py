"""The parts with which DiAD (arXiv 2312.06607, section 3) guides a denoising network by the image.

A stack of convolutions makes the hint of the image; a trainable copy of the network's way down sees
it; a fusion block adds the features of the copy's last stage but one to those of its last (SFF).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.precision import full_precision
from core.layers.reconstruction_unet import zeroed
from core.layers.stable_diffusion import Encoder, Way

HINT_WIDTHS = (16, 32, 96, 256)


class HintEncoder(nn.Sequential):
    """3x3 convolutions and SiLUs from the image to a hint at a lower resolution.

    Args:
        channels_out: of the hint.
        widths: before the first halving of the side, and after each.
        silent: whether the hint starts at zero.
    """

    def __init__(
        self, channels_out: int, widths: Sequence[int] = HINT_WIDTHS, silent: bool = True
    ) -> None:
        parts: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1), nn.SiLU()]
        for narrow, wide in pairwise(widths):
            parts += [nn.Conv2d(narrow, narrow, 3, padding=1), nn.SiLU()]
            parts += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.SiLU()]
        last = nn.Conv2d(widths[-1], channels_out, 3, padding=1)
        super().__init__(*parts, zeroed(last) if silent else last)


class FeatureFusion(nn.Module):
    """Spatial-aware feature fusion: each feature of a stage takes in all of the stage before.

    Every pair has a 3x3 convolution of stride 2 that starts at zero, an instance normalisation and
    a SiLU; a SiLU follows their sum with the feature itself.

    Args:
        before: channels of the features of the stage before, at twice the side.
        last: channels of the features that take them in.
    """

    def __init__(self, before: Sequence[int], last: Sequence[int]) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(
            nn.ModuleList(
                zeroed(nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False))
                for narrow in before
            )
            for wide in last
        )

    def forward(self, before: Sequence[Tensor], last: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Of `last`'s shapes; sides of at least 2, lest nothing be left of a normalised map."""
        fused = []
        for convolutions, own_BCHW in zip(self.reduce, last, strict=True):
            assert isinstance(convolutions, nn.ModuleList)
            for convolution, feature_BCHW in zip(convolutions, before, strict=True):
                own_BCHW = own_BCHW + F.silu(_normalised(convolution(feature_BCHW)))
            fused.append(F.silu(own_BCHW))
        return tuple(fused)


class SemanticGuidance(nn.Module):
    """What guides the frozen way down: a copy of it, shown the image, and fusion.

    Only the middle and the features of the last stage are guided; the layers that carry this to
    them start at zero.

    Args:
        encoder: the copy, to be trained.
        widths: channels of the stages.
        blocks: residual blocks a stage.
        halvings: of the image's side on the way to the latents.
    """

    def __init__(self, encoder: Encoder, widths: Sequence[int], blocks: int, halvings: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.hint = HintEncoder(widths[0], HINT_WIDTHS[: halvings + 1])
        self.guided = blocks + 1
        before = [widths[-3], *blocks * [widths[-2]]]
        last = [widths[-2], *blocks * [widths[-1]]]
        self.carry = nn.ModuleList(zeroed(nn.Conv2d(wide, wide, 1)) for wide in last)
        self.carry_middle = zeroed(nn.Conv2d(widths[-1], widths[-1], 1))
        self.fusion = FeatureFusion(before, last)

    def forward(
        self, way: Way, x_BCHW: Tensor, level_B: Tensor, prompt_1LD: Tensor, images_BCHW: Tensor
    ) -> Way:
        """The frozen network's way down, guided.

        Args:
            way: of the frozen network.
            x_BCHW, level_B, prompt_1LD: what it was given.
            images_BCHW: normalised images.
        """
        own = self.encoder(x_BCHW, level_B, prompt_1LD, self.hint(images_BCHW))
        before = own.kept[-2 * self.guided : -self.guided]
        last = own.kept[-self.guided :]
        carried = [carry(one) for carry, one in zip(self.carry, last, strict=True)]
        guides = self.fusion(before, carried)
        pairs = zip(way.kept[-self.guided :], guides, strict=True)
        kept = way.kept[: -self.guided] + tuple(theirs + guide for theirs, guide in pairs)
        return Way(kept, way.middle_BCHW + self.carry_middle(own.middle_BCHW), way.told_BD)


def _normalised(x_BCHW: Tensor) -> Tensor:
    with full_precision(x_BCHW.device):
        return F.instance_norm(x_BCHW.float())
