"""Noise schedule, noising and DDIM, by hand and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.layers.diffusion import (
    clean,
    ddim,
    ddim_levels,
    ddim_step,
    kept_shares,
    noise_of,
    noised,
)


def test_the_schedule_is_latent_diffusions() -> None:
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    np.testing.assert_allclose(kept_shares().numpy(), np.cumprod(1 - betas), rtol=1e-6)
    assert float(kept_shares()[0]) == pytest.approx(1 - 0.00085)
    assert float(kept_shares()[-1]) == pytest.approx(0.00466, abs=1e-5)
    # two levels by hand: betas 0.01 and 0.04 keep 0.99, then 0.99 x 0.96
    assert kept_shares(2, 0.01, 0.04).tolist() == pytest.approx([0.99, 0.9504])


def test_noising_by_hand() -> None:
    start, noise = torch.full((2, 1, 1, 1), 5.0), torch.full((2, 1, 1, 1), 10.0)
    noisy = noised(start, noise, torch.tensor([0.64, 1.0]))
    # 0.8 x 5 + 0.6 x 10, and no noise at all
    assert noisy.flatten().tolist() == pytest.approx([10.0, 5.0])


def test_a_step_by_hand() -> None:
    x, noise = torch.full((1, 1, 1, 1), 10.0), torch.full((1, 1, 1, 1), 10.0)
    kept, below = torch.tensor(0.64), torch.tensor(0.36)
    assert clean(x, noise, kept).item() == pytest.approx(5.0)  # (10 - 0.6 x 10) / 0.8
    assert ddim_step(x, noise, kept, below).item() == pytest.approx(11.0)  # 0.6 x 5 + 0.8 x 10
    assert noise_of(x, torch.tensor(5.0), kept).item() == pytest.approx(10.0)


def test_the_levels_are_the_papers() -> None:
    assert ddim_levels(10) == (901, 801, 701, 601, 501, 401, 301, 201, 101, 1)
    assert ddim_levels(5, 499) == (401, 301, 201, 101, 1)
    assert ddim_levels(1, 999) == (1,)
    for steps in (1, 3, 10, 100):
        for begin in (100, 250, 999):
            levels = ddim_levels(steps, begin)
            assert len(levels) == steps and max(levels) <= begin and min(levels) == 1
            assert list(levels) == sorted(set(levels), reverse=True)


def test_a_perfect_guess_of_the_noise_brings_the_image_back() -> None:
    """From the level that it was noised to, however many steps are taken."""
    torch.manual_seed(0)
    kept = kept_shares()
    start, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    for levels in ((901, 801, 1), (501,), (999, 3, 2, 1)):
        noisy = noised(start, noise, kept[levels[0]].expand(2))
        seen: list[list[int]] = []

        def guess(x_BCHW, level_B, seen=seen):
            seen.append(level_B.tolist())
            return noise_of(x_BCHW, start, kept[level_B[0]])

        back = ddim(guess, noisy, levels, kept)
        assert seen == [[level, level] for level in levels]
        # level 0 still keeps a little noise
        expected = noised(start, noise, kept[0].expand(2))
        torch.testing.assert_close(back, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            clean(noisy, noise, kept[levels[0]]), start, rtol=1e-3, atol=1e-4
        )


def test_steps_stay_in_float32_under_autocast() -> None:
    kept = kept_shares()
    x = torch.randn(1, 1, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = ddim(lambda x_BCHW, level_B: x_BCHW.bfloat16(), x, (501, 1), kept)
    expected = ddim(lambda x_BCHW, level_B: x_BCHW.bfloat16(), x, (501, 1), kept)
    assert found.dtype == torch.float32 and torch.equal(found, expected)
