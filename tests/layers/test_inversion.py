"""Fuser and decoder of feature inversion, against what the paper describes, step by step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.inversion import InversionDecoder, StyleFuser

CHANNELS = (3, 4, 5)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def levels(count: int, side: int = 2) -> tuple[Tensor, ...]:
    """As of images of 16 x `side` pixels, float64."""
    return tuple(
        torch.randn(count, channels, side * patch, side * patch, dtype=torch.float64)
        for channels, patch in zip(CHANNELS, (4, 2, 1), strict=True)
    )


def fuser() -> StyleFuser:
    made = StyleFuser(CHANNELS, width=6, inner=2).double()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return made.eval()


def patchwise(level: Tensor, weight: Tensor, bias: Tensor | None, patch: int) -> Tensor:
    """A convolution whose kernel and stride are `patch`: one product a patch."""
    cells = level.unfold(2, patch, patch).unfold(3, patch, patch)
    out = torch.einsum("bihwkl,oikl->bohw", cells, weight)
    return out if bias is None else out + bias.view(-1, 1, 1)


def standardised(x: Tensor, norm: torch.nn.BatchNorm2d, eps: float) -> Tensor:
    mean, deviation = (
        norm.running_mean.view(-1, 1, 1),
        (norm.running_var + eps).sqrt().view(-1, 1, 1),
    )
    return (x - mean) / deviation * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)


def test_fusion_step_by_step() -> None:
    made, given = fuser(), levels(2)
    shrunk = []
    for part, level, patch in zip(made.shrink, given, (4, 2, 1), strict=True):
        conv, norm = part
        shrunk.append(standardised(patchwise(level, conv.weight, conv.bias, patch), norm, 1e-6))
    conv, norm, _, bottleneck = made.fuse
    fused = F.relu(standardised(patchwise(torch.cat(shrunk, 1), conv.weight, None, 1), norm, 1e-5))
    style = bottleneck(fused)
    for stage, found in zip(made.stages, made(given), strict=True):
        style = stage[1](stage[0](style))
        torch.testing.assert_close(found, style)


def test_style_maps_lie_at_strides_16_8_and_4() -> None:
    found = fuser()(levels(3, side=3))
    assert [tuple(style.shape) for style in found] == [(3, 6, s, s) for s in (3, 6, 12)]


def test_an_image_in_training_is_enough_at_the_smallest_size() -> None:
    made = fuser().train()
    assert all(bool(style.isfinite().all()) for style in made(levels(1, side=2)))


def decoder(blocks: int = 2, side: int = 2) -> InversionDecoder:
    return InversionDecoder(CHANNELS, side, width=6, style=2, blocks=blocks).double()


def styles(count: int, side: int = 2) -> tuple[Tensor, ...]:
    return tuple(
        torch.randn(count, 6, side * k, side * k, dtype=torch.float64, requires_grad=True)
        for k in (1, 2, 4)
    )


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_decoder_rebuilds_the_levels_shapes(blocks: int) -> None:
    made = decoder(blocks, side=3)
    rebuilt = made(styles(2, side=3))
    shapes = [(2, c, s, s) for c, s in zip(CHANNELS, (12, 6, 3), strict=True)]
    assert [tuple(level.shape) for level in rebuilt] == shapes
    assert [len(stage.blocks) for stage in made.stages] == [blocks] * 3


def test_decoder_step_by_step() -> None:
    made, given = decoder(), styles(2)
    x = made.begin(made.constant_1CHW.repeat(2, 1, 1, 1))  # the same for every image
    expected = []
    for number, (stage, style) in enumerate(zip(made.stages, given, strict=True)):
        narrow = stage.narrow[1](stage.narrow[0](style))
        assert narrow.shape[1] == 2
        for index, block in enumerate(stage.blocks):
            assert (block.first.modulation is None) == (number > 0 and index == 0)
            x = block(x, narrow)
        expected.insert(0, x)
    torch.testing.assert_close(list(made(given)), expected)
    wanted = (made.constant_1CHW, *made.begin.parameters())
    slow = torch.autograd.grad(sum(level.square().sum() for level in expected), wanted)
    found = torch.autograd.grad(sum(level.square().sum() for level in made(given)), wanted)
    torch.testing.assert_close(found, slow)


def test_every_parameter_and_style_gets_a_gradient() -> None:
    made, given = decoder(), styles(2)
    torch.stack([level.square().mean() for level in made(given)]).sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name
    assert all(style.grad is not None and float(style.grad.abs().sum()) > 0 for style in given)


def test_images_differ_by_their_styles_alone() -> None:
    made = decoder()
    same = tuple(style[:1].repeat(2, 1, 1, 1) for style in styles(2))
    for level in made(same):
        torch.testing.assert_close(level[0], level[1])
    assert all(not torch.allclose(level[0], level[1]) for level in made(styles(2)))


def test_the_constant_is_standard_normal() -> None:
    constant = InversionDecoder((4, 4, 64), 16, 4, 2, 1).constant_1CHW
    assert constant.shape == (1, 64, 16, 16)
    assert float(constant.detach().std()) == pytest.approx(1, abs=0.02)
