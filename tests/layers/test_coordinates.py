"""The CoordConv over levels against one convolution of everything joined."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.coordinates import LevelsCoordConv, coordinates


def joined(layer: LevelsCoordConv, levels: tuple[Tensor, ...]) -> Tensor:
    """Resize, join, add two channels of coordinates, convolve."""
    images, _, height, width = levels[0].shape
    same = [F.interpolate(level, (height, width), mode="bilinear") for level in levels]
    columns = torch.tensor([[2 * x / (width - 1) - 1 for x in range(width)]] * height)
    rows = torch.tensor([[2 * y / (height - 1) - 1] * width for y in range(height)])
    places = torch.stack([columns, rows]).to(levels[0]).expand(images, -1, -1, -1)
    weight = layer.joined.weight[:, :, None, None]
    out = F.conv2d(torch.cat([*same, places], dim=1), weight, layer.joined.bias)
    return out.permute(0, 2, 3, 1)


def test_coordinates_run_from_minus_one_to_one() -> None:
    expected = [[[-1, -1], [0, -1], [1, -1]], [[-1, 1], [0, 1], [1, 1]]]
    assert coordinates(2, 3).tolist() == expected


def test_values_and_gradients_are_those_of_one_convolution() -> None:
    torch.manual_seed(0)
    layer = LevelsCoordConv((3, 4, 5), 6).double()
    shapes = ((3, 9, 7), (4, 5, 4), (5, 3, 2))  # sides that do not divide one another
    levels = tuple(torch.randn(2, *s, dtype=torch.float64, requires_grad=True) for s in shapes)
    found, expected = layer(levels), joined(layer, levels)
    assert found.shape == (2, 9, 7, 6)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(expected)
    wanted = (*levels, layer.joined.weight, layer.joined.bias)
    mine, theirs = (torch.autograd.grad((out * pull).sum(), wanted) for out in (found, expected))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_it_is_initialised_like_the_convolution() -> None:
    """Uniform in +-1 / sqrt(inputs), the two coordinates counted among them."""
    torch.manual_seed(0)
    layer = LevelsCoordConv((40, 58), 64)
    assert layer.joined.weight.shape == (64, 100)
    assert 0.099 < float(layer.joined.weight.detach().abs().max()) <= 0.1
