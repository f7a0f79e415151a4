"""The small autoencoder: shapes, the divergence against torch's, and that it learns to draw."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from core.layers.autoencoder import KLAutoencoder, drawn, kl_to_normal


@pytest.mark.parametrize(("multipliers", "patch"), [((1, 2), 4), ((1,), 4), ((1, 1, 2), 2)])
def test_latents_stand_at_the_stride(multipliers: tuple[int, ...], patch: int) -> None:
    net = KLAutoencoder(32, multipliers, blocks=1, latent=5, patch=patch)
    assert net.stride == patch * 2 ** (len(multipliers) - 1)
    images = torch.randn(2, 3, 32, 32)
    mean, log_variance = net.encode(images)
    side = 32 // net.stride
    assert mean.shape == log_variance.shape == (2, 5, side, side)
    drawn_again = net.decode(drawn(mean, log_variance))
    assert drawn_again.shape == images.shape
    drawn_again.square().sum().backward()
    assert all(part.grad is not None and part.grad.any() for part in net.parameters())


def test_the_divergence_is_torchs() -> None:
    torch.manual_seed(0)
    mean = torch.randn(2, 3, 4, 4, requires_grad=True)
    log_variance = torch.randn(2, 3, 4, 4, requires_grad=True)
    there = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(there, Normal(torch.zeros_like(mean), 1.0)).mean()
    found = kl_to_normal(mean, log_variance)
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(value, (mean, log_variance)) for value in (found, expected)]
    torch.testing.assert_close(*grads)
    # by hand: mean 2, variance 1 -> 4 / 2
    assert float(kl_to_normal(torch.tensor([2.0]), torch.tensor([0.0]))) == pytest.approx(2.0)


def test_draws_have_the_mean_and_the_deviation() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.full((200, 50), 3.0), torch.full((200, 50), 4.0).log()
    draws = drawn(mean, log_variance)
    assert float(draws.mean()) == pytest.approx(3.0, abs=0.1)
    assert float(draws.std()) == pytest.approx(2.0, abs=0.05)


def test_extreme_variances_stay_finite() -> None:
    net = KLAutoencoder(32, (1,), blocks=1)
    with torch.no_grad():
        net.encoder[-1].bias[4:] = 1e6
    mean, log_variance = net.encode(torch.zeros(1, 3, 8, 8))
    assert float(log_variance.detach().max()) == 20.0
    assert bool(kl_to_normal(mean, log_variance).isfinite())


def test_it_learns_to_draw_two_images() -> None:
    torch.manual_seed(0)
    net = KLAutoencoder(32, (1, 1), blocks=1, latent=4)
    ramp = torch.linspace(-1, 1, 16)
    images = torch.stack([ramp[:, None].expand(16, 16), ramp[None].expand(16, 16)])
    images = images[:, None].expand(2, 3, 16, 16)
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    errors = []
    for _ in range(60):
        error = (net.decode(net.encode(images)[0]) - images).abs().mean()
        adam.zero_grad()
        error.backward()
        adam.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.25 * errors[0]
