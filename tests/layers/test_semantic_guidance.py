"""DiAD's guidance: fusion against numpy, and why its inputs are not silenced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.layers.semantic_guidance import FeatureFusion, HintEncoder, SemanticGuidance
from core.layers.stable_diffusion import Way


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def reduced(x_CHW: np.ndarray, weight_OCKK: np.ndarray) -> np.ndarray:
    """3x3, stride 2, one row of zeros around, normalised a channel, SiLU."""
    padded = np.pad(x_CHW, ((0, 0), (1, 1), (1, 1)))
    side = x_CHW.shape[1] // 2
    out = np.zeros((len(weight_OCKK), side, side))
    for row in range(side):
        for column in range(side):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            out[:, row, column] = (weight_OCKK * window).sum(axis=(1, 2, 3))
    centred = out - out.mean(axis=(1, 2), keepdims=True)
    return silu(centred / np.sqrt(out.var(axis=(1, 2), keepdims=True) + 1e-5))


def test_each_feature_takes_in_all_of_the_stage_before() -> None:
    torch.manual_seed(0)
    fusion = FeatureFusion((2, 3), (4, 5))
    for part in fusion.parameters():
        nn.init.normal_(part)
    before = [torch.randn(2, channels, 8, 8) for channels in (2, 3)]
    last = [torch.randn(2, channels, 4, 4) for channels in (4, 5)]
    found = fusion(before, last)
    for place, own in enumerate(last):
        for image in range(2):
            expected = own[image].double().numpy()
            for narrow, feature in enumerate(before):
                weight = fusion.reduce[place][narrow].weight.detach().double().numpy()
                expected = expected + reduced(feature[image].double().numpy(), weight)
            np.testing.assert_allclose(
                found[place][image].detach().numpy(), silu(expected), rtol=1e-4, atol=1e-4
            )


def test_fusion_starts_silent_and_learns_from_live_features_only() -> None:
    """Given zeros, as behind layers that start at zero, it would never get a gradient."""
    torch.manual_seed(0)
    last = [torch.randn(1, 4, 4, 4)]
    for live in (True, False):
        fusion = FeatureFusion((2,), (4,))
        before = torch.randn(1, 2, 8, 8) if live else torch.zeros(1, 2, 8, 8)
        before.requires_grad_(True)
        (fused,) = fusion([before], last)
        torch.testing.assert_close(fused, nn.functional.silu(last[0]))
        (fused * torch.randn_like(fused)).sum().backward()
        assert bool(fusion.reduce[0][0].weight.grad.any()) is live
        assert not before.grad.any()  # its weights are zero


def test_the_hint_halves_the_side_and_starts_silent() -> None:
    hint = HintEncoder(10)
    out = hint(torch.randn(1, 3, 32, 32))
    assert out.shape == (1, 10, 4, 4) and not out.any()
    widths = [(part.in_channels, part.out_channels) for part in hint if hasattr(part, "stride")]
    pairs = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 96), (96, 96), (96, 256), (256, 10)]
    assert widths == pairs
    assert HintEncoder(10, (4, 8), silent=False)(torch.randn(1, 3, 32, 32)).any()


class Stub(nn.Module):
    """A way down that gives the same features whatever it is shown, but for the hint."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way
        self.hints: list[torch.Tensor] = []

    def forward(self, x_BCHW, level_B, prompt_1LD, hint_BCHW) -> Way:
        self.hints.append(hint_BCHW)
        return self.way


@pytest.mark.parametrize("blocks", [1, 2])
def test_only_the_middle_and_the_last_stage_are_guided(blocks: int) -> None:
    torch.manual_seed(0)
    widths, sides = (4, 6, 8), (16, 8, 4)
    shapes = [(4, 16)]
    for stage, (wide, side) in enumerate(zip(widths, sides, strict=True)):
        shapes += blocks * [(wide, side)]
        if stage < 2:
            shapes.append((wide, side // 2))
    kept = tuple(torch.randn(1, wide, side, side) for wide, side in shapes)
    theirs = Way(kept, torch.randn(1, 8, 4, 4), torch.zeros(1, 1))
    own = Stub(Way(tuple(map(torch.randn_like, kept)), torch.randn(1, 8, 4, 4), torch.zeros(1, 1)))
    guidance = SemanticGuidance(own, widths, blocks, halvings=2)
    for part in [*guidance.carry, guidance.carry_middle]:
        nn.init.normal_(part.weight)
    level, prompt = torch.zeros(1), torch.zeros(1, 1, 1)
    guided = guidance(theirs, kept[0], level, prompt, torch.randn(1, 3, 64, 64))
    changed = [
        not torch.equal(one, other) for one, other in zip(guided.kept, theirs.kept, strict=True)
    ]
    assert changed == (len(kept) - blocks - 1) * [False] + (blocks + 1) * [True]
    middle = theirs.middle_BCHW + guidance.carry_middle(own.way.middle_BCHW)
    torch.testing.assert_close(guided.middle_BCHW, middle)
    last = nn.functional.silu(guidance.carry[-1](own.way.kept[-1]))  # fusion is still silent
    torch.testing.assert_close(guided.kept[-1], kept[-1] + last)
    assert own.hints[0].shape == (1, 4, 16, 16)
