"""Style layers against plain float64 loops, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.style import (
    ConvLayer,
    EqualConv2d,
    ScaledLeakyReLU,
    StyledConv,
    StyledResBlock,
    UpsamplingConv2d,
    blur_kernel,
    normalised,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(("kernel", "multiplier"), [(3, 1.0), (1, 0.01)])
def test_equalised_convolution_is_one_with_scaled_weights(kernel: int, multiplier: float) -> None:
    layer = EqualConv2d(5, 4, kernel, bias=0.25, multiplier=multiplier).double()
    x, towards = draw(2, 5, 6, 7), torch.randn(2, 4, 6, 7, dtype=torch.float64)
    scale = multiplier / math.sqrt(5 * kernel * kernel)
    used = (layer.weight.detach() * scale).requires_grad_()
    plain = F.conv2d(x, used, torch.full((4,), 0.25).double(), padding=kernel // 2)
    torch.testing.assert_close(layer(x), plain)
    by_used, by_x = torch.autograd.grad((plain * towards).sum(), (used, x))
    by_stored, by_x_too = torch.autograd.grad((layer(x) * towards).sum(), (layer.weight, x))
    torch.testing.assert_close(by_stored, by_used * scale)
    torch.testing.assert_close(by_x_too, by_x)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_stored_weights_are_wide_and_outputs_keep_the_deviation(multiplier: float) -> None:
    layer = EqualConv2d(64, 64, 3, multiplier=multiplier)
    assert layer.bias is None
    assert float(layer.weight.detach().std()) * multiplier == pytest.approx(1, abs=0.02)
    inner = layer(torch.randn(4, 64, 16, 16))[:, :, 1:-1, 1:-1]
    assert float(inner.detach().std()) == pytest.approx(1, abs=0.05)


def test_blur_by_hand() -> None:
    sixteenths = torch.tensor([[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]) / 16
    torch.testing.assert_close(blur_kernel(), sixteenths)
    assert float(blur_kernel().sum()) == 4


def enlarged_slowly(x: Tensor, weight: Tensor) -> Tensor:
    """Zeros between pixels, true convolution, blur; pixel by pixel.

    A source pixel (r, c) puts its k x k stamp at (2 r, 2 c); the stamps are summed and blurred, and
    what is centred on the image is kept.
    """
    side = weight.shape[-1]
    batch, _, height, width = x.shape
    margin = (5 - side) // 2  # of zeros round the stamps, so that a 4 x 4 blur leaves 2 H
    sheet = x.new_zeros(batch, len(weight), 2 * height + 3, 2 * width + 3)
    for r in range(height):
        for c in range(width):
            stamp = torch.einsum("bi,oikl->bokl", x[:, :, r, c], weight)
            top, left = margin + 2 * r, margin + 2 * c
            sheet[:, :, top : top + side, left : left + side] += stamp
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 4
    rows = []
    for r in range(2 * height):
        row = [
            torch.einsum("bokl,k,l->bo", sheet[:, :, r : r + 4, c : c + 4], taps, taps)
            for c in range(2 * width)
        ]
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize(("kernel", "multiplier"), [(3, 1.0), (3, 0.01), (1, 0.01)])
def test_upsampling_is_zeros_convolution_and_blur(kernel: int, multiplier: float) -> None:
    layer = UpsamplingConv2d(3, 2, kernel, multiplier).double()
    x, towards = draw(2, 3, 4, 5), torch.randn(2, 2, 8, 10, dtype=torch.float64)
    slow = enlarged_slowly(x, layer.weight * multiplier / math.sqrt(3 * kernel * kernel))
    assert layer(x).shape == slow.shape == (2, 2, 8, 10)
    torch.testing.assert_close(layer(x), slow)
    expected = torch.autograd.grad((slow * towards).sum(), (layer.weight, x))
    found = torch.autograd.grad((layer(x) * towards).sum(), (layer.weight, x))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_upsampling_doubles_any_side_exactly(side: int) -> None:
    x = torch.randn(1, 4, side, side)
    for layer in (UpsamplingConv2d(4, 6, 1), UpsamplingConv2d(4, 6, 3), ConvLayer(4, 6, True)):
        assert layer(x).shape == (1, 6, 2 * side, 2 * side)


def test_upsampling_by_one_pixel_kernels_is_bilinear_inside() -> None:
    layer = UpsamplingConv2d(1, 1, 1).double()
    torch.nn.init.ones_(layer.weight)
    x = draw(1, 1, 6, 6)
    bilinear = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(layer(x)[inside], bilinear[inside])
    # Beyond the border are zeros: a corner keeps 3/4 of each axis.
    torch.testing.assert_close(layer(x)[..., 0, 0], x[..., 0, 0] * 9 / 16)


def test_nothing_of_the_blur_is_saved_or_trained() -> None:
    layer = UpsamplingConv2d(2, 2, 3)
    assert list(layer.state_dict()) == ["weight"]


def test_activation_by_hand() -> None:
    layer = ScaledLeakyReLU(2)
    layer.bias_C11.data = torch.tensor([0.5, -1.0]).view(2, 1, 1)
    found = layer(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)).flatten()
    expected = [1.5 * math.sqrt(2), -0.2 * math.sqrt(2)]
    assert found.tolist() == pytest.approx(expected)
    assert layer(torch.zeros(1, 2, 1, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_layers_without_style_use_the_small_multiplier_only_to_upsample() -> None:
    plain, up = ConvLayer(32, 32), ConvLayer(32, 32, upsample=True)
    assert float(plain[0].weight.detach().std()) == pytest.approx(1, abs=0.05)
    assert float(up[0].weight.detach().std()) == pytest.approx(100, abs=5)
    x = torch.randn(2, 32, 5, 5)
    torch.testing.assert_close(plain(x), math.sqrt(2) * F.leaky_relu(plain[0](x), 0.2))


def slow_norm(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    return (centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()).view_as(x)


def test_normalisation_is_over_channels_and_positions_of_one_image() -> None:
    x = draw(3, 4, 5, 6)
    torch.testing.assert_close(normalised(x * 7 + 3), slow_norm(x * 7 + 3))
    torch.testing.assert_close(normalised(x)[1:2], normalised(x[1:2]))
    by_hand = normalised(torch.tensor([1.0, 3.0]).double().view(1, 2, 1, 1)).flatten()
    assert by_hand.tolist() == pytest.approx([-1, 1], abs=1e-5)


def activated(x: Tensor, bias_C11: Tensor) -> Tensor:
    x = x + bias_C11
    return math.sqrt(2) * torch.where(x > 0, x, 0.2 * x)


def styled_slowly(layer: StyledConv, x: Tensor, style: Tensor) -> Tensor:
    x = slow_norm(x)
    if layer.modulation is not None:
        count = x.shape[1]
        weight, bias = layer.modulation.weight, layer.modulation.bias
        assert bias is not None
        scale = 1 / math.sqrt(9 * style.shape[1])
        gamma = F.conv2d(style, weight[:count] * scale, bias[:count], padding=1)
        beta = F.conv2d(style, weight[count:] * scale, bias[count:], padding=1)
        x = x * gamma + beta
        x = F.conv2d(x, layer.conv.weight / math.sqrt(9 * count), padding=1)
    else:
        x = enlarged_slowly(x, layer.conv.weight / math.sqrt(9 * x.shape[1]))
    return activated(x, layer.activation.bias_C11)


@pytest.mark.parametrize("upsample", [False, True])
def test_styled_convolution_step_by_step(upsample: bool) -> None:
    layer = StyledConv(3, 4, style=2, upsample=upsample).double()
    for parameter in layer.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    out = 8 if upsample else 4
    x, style = draw(2, 3, 4, 4), draw(2, 2, out, out)
    slow = styled_slowly(layer, x, style)
    torch.testing.assert_close(layer(x, style), slow)
    towards = torch.randn_like(slow)
    wanted = [x, *layer.parameters()] + ([] if upsample else [style])
    expected = torch.autograd.grad((slow * towards).sum(), wanted)
    found = torch.autograd.grad((layer(x, style) * towards).sum(), wanted)
    torch.testing.assert_close(found, expected)


def test_modulation_starts_at_one_and_zero() -> None:
    layer = StyledConv(3, 4, style=2).double()
    x = draw(2, 3, 4, 4)
    unmodulated = layer.activation(layer.conv(normalised(x)))
    torch.testing.assert_close(layer(x, torch.zeros(2, 2, 4, 4).double()), unmodulated)
    assert not torch.allclose(layer(x, draw(2, 2, 4, 4)), unmodulated)


@pytest.mark.parametrize("upsample", [False, True])
def test_residual_block_step_by_step(upsample: bool) -> None:
    block = StyledResBlock(3, 4, style=2, upsample=upsample).double()
    out = 6 if upsample else 3
    x, style = draw(2, 3, 3, 3), draw(2, 2, out, out)
    h = styled_slowly(block.second, styled_slowly(block.first, x, style), style)
    if upsample:
        skip = enlarged_slowly(x, block.skip.weight * 0.01 / math.sqrt(3))
    else:
        skip = torch.einsum("bihw,oi->bohw", x, block.skip.weight[:, :, 0, 0] / math.sqrt(3))
    torch.testing.assert_close(block(x, style), (h + skip) / math.sqrt(2))
    assert block.skip.bias is None and (block.first.modulation is None) == upsample
    wanted = (x, style, *block.parameters())
    expected = torch.autograd.grad(((h + skip) / math.sqrt(2)).square().sum(), wanted)
    found = torch.autograd.grad(block(x, style).square().sum(), wanted)
    torch.testing.assert_close(found, expected)


def test_bf16_maps_stay_bf16_under_autocast() -> None:
    block = StyledResBlock(8, 8, style=4, upsample=True)
    x, style = torch.randn(2, 8, 4, 4), torch.randn(2, 4, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = block(x, style)
    assert found.dtype == torch.bfloat16
    assert float((found.float() - block(x, style).detach()).abs().max()) < 0.1
