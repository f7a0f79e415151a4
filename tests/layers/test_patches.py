"""Patch features against the papers' own steps, done the long way with numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.layers.patches import patch_dimension, patch_features


def averaged(values: np.ndarray, length: int) -> np.ndarray:
    """Adaptive averaging of the last axis by its definition."""
    entries = values.shape[-1]
    return np.stack(
        [
            values[..., i * entries // length : math.ceil((i + 1) * entries / length)].mean(axis=-1)
            for i in range(length)
        ],
        axis=-1,
    )


def neighbourhoods(level_CHW: np.ndarray) -> np.ndarray:
    """[H, W, C * 9], zero padded, row-major within a channel."""
    channels, height, width = level_CHW.shape
    padded = np.pad(level_CHW, ((0, 0), (1, 1), (1, 1)))
    found = np.empty((height, width, channels * 9))
    for y in range(height):
        for x in range(width):
            found[y, x] = padded[:, y : y + 3, x : x + 3].reshape(-1)
    return found


@pytest.mark.parametrize(
    ("channels", "dimension"), [((8, 16), 16), ((8, 16), 24), ((6, 10), 14), ((5, 7), 2)]
)
def test_equals_unfolding_and_averaging_twice(channels: tuple[int, int], dimension: int) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = tuple(torch.randn(2, c, 5, 4, generator=generator) for c in channels)
    found = patch_features(levels, dimension)
    for image in range(2):
        once = [
            averaged(neighbourhoods(level[image].double().numpy()), dimension) for level in levels
        ]
        expected = averaged(np.concatenate(once, axis=-1), dimension)
        np.testing.assert_allclose(found[image].numpy(), expected, atol=2e-6)


def test_closed_form_of_patchcores_widths() -> None:
    """512 + 1024 channels to 1,024 values: a tenth of the nine, and the centre once more."""
    generator = torch.Generator().manual_seed(1)
    second = torch.randn(1, 512, 3, 3, generator=generator)
    third = torch.randn(1, 1024, 3, 3, generator=generator)
    centre = patch_features((second, third), 1024)[0, 1, 1]
    nine = second[0].flatten(1)
    assert torch.allclose(centre[:512], 0.1 * nine.sum(dim=1) + 0.1 * nine[:, 4], atol=1e-6)
    assert torch.allclose(centre[512:], third[0].reshape(512, 18).mean(dim=1), atol=1e-6)


def test_narrow_networks_join_plain_means_at_the_finer_side() -> None:
    assert patch_dimension((512, 1024), 1024) == 1024
    assert patch_dimension((40, 112), 1024) is None
    fine, coarse = torch.ones(1, 2, 4, 4), torch.full((1, 3, 2, 2), 5.0)
    joined = patch_features((fine, coarse), None)
    assert joined.shape == (1, 4, 4, 5)
    assert torch.allclose(joined[0, 1, 1], torch.tensor([1.0, 1, 5, 5, 5]))
    # In a corner four of the nine are inside, the others are zero.
    assert torch.allclose(joined[0, 0, 0], torch.tensor([1.0, 1, 5, 5, 5]) * 4 / 9)
