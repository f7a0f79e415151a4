"""SSIM against scikit-image, at its borders by hand, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from core.layers.ssim import blurred, ssim


def pair(side: tuple[int, int] = (40, 33)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, *side, generator=generator, dtype=torch.float64)
    noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x, (x + 0.2 * noise).clamp(0, 1)


@pytest.mark.parametrize("span", [1.0, 2.0])
def test_it_is_scikit_images_away_from_the_border(span: float) -> None:
    x, y = pair()
    found = ssim(x, y, span)
    assert found.shape == x.shape
    for image in range(2):
        for channel in range(3):
            _, expected = structural_similarity(
                x[image, channel].numpy(),
                y[image, channel].numpy(),
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=span,
                full=True,
            )
            inner = (slice(5, -5), slice(5, -5))
            np.testing.assert_allclose(found[image, channel][inner], expected[inner], atol=1e-12)


def test_beyond_the_border_lies_zero() -> None:
    x, _ = pair((20, 23))
    offsets = np.arange(-5, 6)
    window = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = np.outer(window, window) / window.sum() ** 2
    padded = np.pad(x[0, 0].numpy(), 5)
    for row, column in ((0, 0), (19, 4), (7, 22)):
        expected = (window * padded[row : row + 11, column : column + 11]).sum()
        assert float(blurred(x)[0, 0, row, column]) == pytest.approx(expected, abs=1e-12)


def test_it_is_one_for_equal_images_and_known_for_flat_ones() -> None:
    x, _ = pair()
    torch.testing.assert_close(ssim(x, x), torch.ones_like(x))
    low, high = torch.full((1, 1, 31, 31), 0.2), torch.full((1, 1, 31, 31), 0.6)
    # without variance only the means count: (2 x 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert float(ssim(low, high)[0, 0, 15, 15]) == pytest.approx(0.2401 / 0.4001, rel=1e-4)


def test_its_gradient_is_right_and_autocast_changes_nothing() -> None:
    x, y = (part[:1, :1, :12, :12].clone().requires_grad_() for part in pair())
    assert torch.autograd.gradcheck(ssim, (x, y))
    x32, y32 = (part.float() for part in pair())
    with torch.autocast("cpu", torch.bfloat16):
        found = ssim(x32, y32)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, ssim(x32, y32))
