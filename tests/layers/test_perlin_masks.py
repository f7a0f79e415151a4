"""Batched Perlin masks against the one-at-a-time definition, and what they must look like."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from core.layers.perlin_masks import perlin_masks, perlin_noise, turned_masks
from core.layers.rotation import rotated
from core.synthesis.perlin import perlin_2d

CPU = torch.device("cpu")


class Angles:
    """Stands in for a generator of numpy: hands out chosen gradient angles."""

    def __init__(self, angles: np.ndarray) -> None:
        self.angles = angles

    def uniform(self, low: float, high: float, shape: tuple[int, int]) -> np.ndarray:
        assert shape == self.angles.shape
        return self.angles


@pytest.mark.parametrize("size", [64, 97])
def test_noise_and_masks_are_those_of_the_definition_image_by_image(size: int) -> None:
    torch.manual_seed(0)
    angles = 2 * math.pi * torch.rand(4, 33, 33, dtype=torch.float64)
    cells = torch.tensor([[1, 1], [32, 4], [2, 16], [8, 8]])
    turns = torch.tensor([0.0, 90.0, -37.5, 12.0])
    noise = perlin_noise(angles.float(), cells, size)
    masks = turned_masks(noise, turns)
    assert masks.shape == (4, 1, size, size) and masks.dtype == torch.bool
    for index, (y, x) in enumerate(cells.tolist()):
        given = Angles(angles[index, : y + 1, : x + 1].numpy())
        expected = perlin_2d((size, size), (y, x), given)  # type: ignore[arg-type]
        np.testing.assert_allclose(noise[index], expected, atol=2e-6)
        turned = ndimage.rotate(
            expected, float(turns[index]), reshape=False, order=1, mode="constant", cval=0.0
        )
        clear = np.abs(turned - 0.5) > 1e-4  # there rounding may decide
        np.testing.assert_array_equal(masks[index, 0].numpy()[clear], (turned > 0.5)[clear])
        assert clear.mean() > 0.99


def test_rotation_is_scipys_inside_and_zero_outside() -> None:
    images = torch.rand(3, 2, 31, 31, generator=torch.Generator().manual_seed(1))
    angles = torch.tensor([0.0, 30.0, -75.0])
    turned = rotated(images, angles)
    torch.testing.assert_close(turned[0], images[0], atol=1e-5, rtol=0)
    for index in (1, 2):
        expected = ndimage.rotate(
            images[index].numpy(), float(angles[index]), axes=(2, 1), reshape=False, order=1
        )
        np.testing.assert_allclose(turned[index], expected, atol=1e-5)
        assert float(turned[index, :, 0, 0].abs().max()) == 0.0


def test_every_image_draws_its_own_lattice_and_angle_from_torchs_generator() -> None:
    torch.manual_seed(3)
    masks = perlin_masks(200, 64, CPU)
    torch.manual_seed(3)
    assert torch.equal(perlin_masks(200, 64, CPU), masks)
    assert not torch.equal(perlin_masks(200, 64, CPU), masks)
    shares = masks.flatten(1).float().mean(dim=1)
    assert 0.01 < float(shares.mean()) < 0.15 and float(shares.max()) < 0.7
    assert 0.0 < float((shares == 0).float().mean()) < 0.3, "a few are empty"
    regions = [ndimage.label(mask[0].numpy())[1] for mask in masks]
    assert min(regions) < 3 and max(regions) > 50, "coarse and fine lattices are drawn"


def test_masks_stay_in_float32_under_autocast() -> None:
    torch.manual_seed(3)
    expected = perlin_masks(8, 64, CPU)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(perlin_masks(8, 64, CPU), expected)
