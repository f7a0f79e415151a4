"""Conditional flows against scalar loops, exact Jacobians and an integral."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.layers.coupling import (
    ConditionalCoupling,
    ConditionalFlow,
    log_likelihood,
    random_rotation,
)
from core.layers.positions import position_code

CONDITION = 4


def stirred(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """In float64 (rotations too), with every parameter moved well away from where it starts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter += 0.8 * torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
        for name, rotation_CC in module.named_buffers():
            assert name.endswith("rotation_CC")
            q_CC, r_CC = torch.linalg.qr(rotation_CC)
            rotation_CC.copy_(q_CC * r_CC.diagonal().sign())
    return module


def vectors(count: int, channels: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x_NC = 2 * torch.randn(count, channels, generator=generator, dtype=torch.float64)
    return x_NC, torch.randn(count, CONDITION, generator=generator, dtype=torch.float64)


def scalar_by_scalar(block: ConditionalCoupling, x_C: Tensor, place_D: Tensor) -> list[Tensor]:
    """Image of one vector and, last, the log-determinant, from the block's numbers alone."""
    channels = len(x_C)
    second = channels // 2
    first = channels - second
    given = [*x_C[:first], *place_D]
    layer_in, _, layer_out = block.subnet
    hidden = []
    for row, bias in zip(layer_in.weight, layer_in.bias, strict=True):
        hidden.append(torch.relu(sum(w * g for w, g in zip(row, given, strict=True)) + bias))
    answer = []
    for row, bias in zip(layer_out.weight, layer_out.bias, strict=True):
        answer.append(0.1 * (sum(w * h for w, h in zip(row, hidden, strict=True)) + bias))
    logdet = torch.zeros((), dtype=torch.float64)
    coupled = list(x_C[:first])
    for j in range(second):
        s = 1.9 * torch.tanh(answer[j])
        coupled.append(x_C[first + j] * torch.exp(s) + answer[second + j])
        logdet = logdet + s
    scaled = []
    for c in range(channels):
        gamma = 0.1 * 2 * torch.log(1 + torch.exp(0.5 * block.scale_C[c]))
        scaled.append(gamma * coupled[c] + block.shift_C[c])
        logdet = logdet + torch.log(gamma)
    turned = [
        sum(block.rotation_CC[row, c] * scaled[c] for c in range(channels))
        for row in range(channels)
    ]
    return [*turned, logdet]


@pytest.mark.parametrize("channels", [2, 5, 6])
def test_a_block_is_what_its_formula_says_values_and_gradients(channels: int) -> None:
    block = stirred(ConditionalCoupling(channels, CONDITION))
    x_NC, place_ND = vectors(3, channels)
    x_NC.requires_grad_()
    z_NC, logdet_N = block(x_NC, place_ND)
    slow = torch.stack(
        [torch.stack(scalar_by_scalar(block, x_NC[n], place_ND[n])) for n in range(3)]
    )
    torch.testing.assert_close(torch.cat([z_NC, logdet_N[:, None]], dim=1), slow)
    weights = torch.randn_like(slow)
    wanted = [x_NC, *block.parameters()]
    fast = (torch.cat([z_NC, logdet_N[:, None]], dim=1) * weights).sum()
    found = torch.autograd.grad(fast, wanted)
    expected = torch.autograd.grad((slow * weights).sum(), wanted)
    for one, other in zip(found, expected, strict=True):
        assert float(other.abs().max()) > 0
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("channels", [2, 5, 8])
def test_the_log_determinant_is_that_of_the_jacobian(channels: int) -> None:
    flow = stirred(ConditionalFlow(channels, CONDITION, blocks=3))
    x_NC, place_ND = vectors(4, channels)
    logdet_N = flow(x_NC, place_ND)[1].detach()
    for n in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda x_C, n=n: flow(x_C[None], place_ND[n : n + 1])[0][0], x_NC[n]
        )
        sign, expected = torch.linalg.slogdet(jacobian)
        assert float(sign) == 1
        assert float(logdet_N[n]) == pytest.approx(float(expected), abs=1e-9)
    assert float(logdet_N.std()) > 1e-3, "it differs from vector to vector"


@pytest.mark.parametrize("channels", [2, 5, 8])
def test_it_can_be_undone(channels: int) -> None:
    flow = stirred(ConditionalFlow(channels, CONDITION, blocks=4))
    x_NC, place_ND = vectors(6, channels)
    z_NC, _ = flow(x_NC, place_ND)
    assert not torch.allclose(z_NC, x_NC)
    torch.testing.assert_close(flow.inverse(z_NC, place_ND), x_NC)
    elsewhere = flow.inverse(z_NC, place_ND.flip(0))
    assert not torch.allclose(elsewhere, x_NC, atol=1e-3), "the place is heard"


def test_a_density_sums_to_one() -> None:
    flow = stirred(ConditionalFlow(2, CONDITION, blocks=2), seed=3)
    line = torch.linspace(-60, 60, 1201, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    place = torch.ones(1, CONDITION, dtype=torch.float64).expand(len(grid), -1)
    with torch.no_grad():
        likelihood_N = log_likelihood(*flow(grid, place))
    total = (2 * likelihood_N).exp().sum() * float(line[1] - line[0]) ** 2
    assert float(total) == pytest.approx(1.0, abs=2e-3)


def test_likelihood_of_a_hand_made_latent() -> None:
    z_NC = torch.tensor([[1.0, -2.0], [0.0, 0.0]])
    logdet_N = torch.tensor([3.0, 0.0])
    found = log_likelihood(z_NC, logdet_N)
    # (3 - 5/2) / 2 - ln(2 pi) / 2, and - ln(2 pi) / 2
    expected = torch.tensor([0.25, 0.0]) - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(found, expected)


def test_channels_start_unscaled() -> None:
    block = ConditionalCoupling(6, CONDITION)
    torch.nn.init.zeros_(block.subnet[-1].weight)
    torch.nn.init.zeros_(block.subnet[-1].bias)
    x_NC, place_ND = torch.randn(5, 6), torch.randn(5, CONDITION)
    z_NC, logdet_N = block(x_NC, place_ND)
    torch.testing.assert_close(z_NC, x_NC @ block.rotation_CC.T)
    torch.testing.assert_close(logdet_N, torch.zeros(5), atol=1e-5, rtol=0)


def test_log_scales_stay_within_the_clamp() -> None:
    block = ConditionalCoupling(6, CONDITION, clamp=0.5)
    kept = 1e4 * torch.randn(50, 3)
    log_scale, _ = block._affine(kept, torch.randn(50, CONDITION))
    assert 0.4 < float(log_scale.detach().abs().max()) <= 0.5


def test_rotations_are_rotations_drawn_evenly() -> None:
    torch.manual_seed(0)
    drawn = torch.stack([random_rotation(3) for _ in range(2000)]).double()
    unit = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(drawn @ drawn.mT, unit.expand(2000, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        torch.linalg.det(drawn), torch.ones(2000, dtype=torch.float64), atol=1e-5, rtol=0
    )
    # By Haar's measure entries have mean 0, mean square 1/3, and traces mean 0, mean square 1.
    assert float(drawn.mean(dim=0).abs().max()) < 0.06
    assert float((drawn.square().mean(dim=0) - 1 / 3).abs().max()) < 0.04
    trace = drawn.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert abs(float(trace.mean())) < 0.1 and float(trace.square().mean()) == pytest.approx(
        1, abs=0.1
    )


def test_places_are_sines_and_cosines_of_column_and_row() -> None:
    code = position_code(16, 3, 5)
    assert code.shape == (15, 16) and code.dtype == torch.float32
    for row in range(3):
        for column in range(5):
            expected = [
                wave(place * 10_000 ** (-2 * i / 8))
                for place in (column, row)
                for i in range(4)
                for wave in (math.sin, math.cos)
            ]
            torch.testing.assert_close(code[row * 5 + column], torch.tensor(expected))
    assert len(position_code(128, 64, 64).unique(dim=0)) == 64 * 64
