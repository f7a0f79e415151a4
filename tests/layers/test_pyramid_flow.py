"""Pyramid flow: the pyramid against loops, volume against exact Jacobians, and back again."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.pyramid_flow import (
    LevelCoupling,
    PyramidFlow,
    UnitMixing,
    VolumeNorm,
    blur,
    compose,
    decompose,
)

KINDS = ["channel", "spatial"]


def stirred(module: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with every parameter moved well away from where it starts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter += 0.3 * torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
    return module


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_blur(x_HW: Tensor) -> Tensor:
    row = [1.0, 4.0, 6.0, 4.0, 1.0]
    height, width = x_HW.shape
    lines = []
    for y in range(height):
        places = []
        for x in range(width):
            total = torch.zeros((), dtype=x_HW.dtype)
            for j in range(5):
                for i in range(5):
                    v, u = y + j - 2, x + i - 2
                    if 0 <= v < height and 0 <= u < width:
                        total = total + row[j] * row[i] / 256 * x_HW[v, u]
            places.append(total)
        lines.append(torch.stack(places))
    return torch.stack(lines)


def slow_pyramid(x_HW: Tensor, count: int) -> list[Tensor]:
    if count == 1:
        return [x_HW]
    height, width = x_HW.shape
    soft = slow_blur(x_HW)
    half = torch.stack(
        [
            torch.stack([soft[y : y + 2, x : x + 2].max() for x in range(0, width, 2)])
            for y in range(0, height, 2)
        ]
    )
    doubled = half.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    return [x_HW - slow_blur(doubled), *slow_pyramid(half, count - 1)]


def test_the_pyramid_is_what_loops_make_of_it_values_and_gradients() -> None:
    x_BCHW = noise(2, 2, 8, 8).requires_grad_()
    torch.testing.assert_close(blur(x_BCHW)[1, 0], slow_blur(x_BCHW[1, 0]))
    levels = decompose(x_BCHW, 3)
    weights = [noise(*level.shape, seed=index) for index, level in enumerate(levels)]
    slow = [
        torch.stack([torch.stack([slow_pyramid(x_HW, 3)[i] for x_HW in image]) for image in x_BCHW])
        for i in range(3)
    ]
    for level, other in zip(levels, slow, strict=True):
        torch.testing.assert_close(level, other)
    (found,) = torch.autograd.grad(
        sum((level * w).sum() for level, w in zip(levels, weights, strict=True)), x_BCHW
    )
    (expected,) = torch.autograd.grad(
        sum((level * w).sum() for level, w in zip(slow, weights, strict=True)), x_BCHW
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_pyramid_composes_back_to_what_it_is_of(count: int) -> None:
    x_BCHW = noise(2, 3, 24, 24)
    levels = decompose(x_BCHW, count)
    assert [level.shape[-1] for level in levels] == [24, 12, 6, 3][:count]
    torch.testing.assert_close(compose(levels), x_BCHW)


def test_composing_is_linear_and_treats_channels_alike() -> None:
    levels = decompose(noise(2, 3, 16, 16), 3)
    meaned = tuple(level.mean(dim=1, keepdim=True) for level in levels)
    torch.testing.assert_close(compose(meaned), compose(levels).mean(dim=1, keepdim=True))


@pytest.mark.parametrize("kind", KINDS)
def test_log_scales_lose_their_mean_and_remember_it(kind: str) -> None:
    norm = VolumeNorm(kind, (3, 4, 4)).double()
    axes = (0, 1) if kind == "channel" else (0, 2, 3)
    first, second = noise(2, 3, 4, 4, seed=1) + 5, noise(2, 3, 4, 4, seed=2) - 1
    for x in (first, second):
        torch.testing.assert_close(norm(x), x - x.mean(axes, keepdim=True))
    remembered = 0.09 * first.mean(axes, keepdim=True) + 0.1 * second.mean(axes, keepdim=True)
    torch.testing.assert_close(norm.running, remembered)
    norm.eval()
    torch.testing.assert_close(norm(first), first - remembered)
    torch.testing.assert_close(norm.running, remembered)


def test_mixing_starts_orthogonal_and_keeps_its_determinant_whatever_is_learned() -> None:
    torch.manual_seed(0)
    mixing = UnitMixing(6)
    weight = mixing.weight().detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), atol=1e-5, rtol=0)
    stirred(mixing)
    weight = mixing.weight().detach()
    assert not torch.allclose(weight @ weight.T, torch.eye(6, dtype=torch.float64), atol=0.1)
    assert float(torch.linalg.slogdet(weight).logabsdet) == pytest.approx(0, abs=1e-12)
    x_BCHW = noise(2, 6, 3, 3)
    z_BCHW = mixing(x_BCHW)
    torch.testing.assert_close(z_BCHW[1, :, 2, 0], weight @ x_BCHW[1, :, 2, 0])
    torch.testing.assert_close(mixing.inverse(z_BCHW), x_BCHW)


def test_every_number_of_a_mixing_is_learned() -> None:
    mixing = stirred(UnitMixing(4))
    mixing(noise(1, 4, 2, 2)).square().sum().backward()
    assert torch.equal(mixing.lower_CC.grad != 0, torch.ones(4, 4).tril(-1) > 0)
    assert torch.equal(mixing.upper_CC.grad != 0, torch.ones(4, 4).triu(1) > 0)
    assert bool((mixing.log_diagonal_C.grad != 0).all())


def slow_coupling(coupling: LevelCoupling, levels: list[Tensor], at: int, kind: str) -> Tensor:
    """The altered level by the paper's own order: listen, resize, scale, mix pixel by pixel."""
    first, _, second = coupling.subnet
    finer = at == len(levels) - 1
    side = levels[at - 1 if finer else at].shape[-2:]
    heard = [levels[i] for i in (at - 1, at + 1) if 0 <= i < len(levels)]
    given = torch.cat([F.interpolate(level, side, mode="nearest") for level in heard], dim=1)
    pad = first.kernel_size[0] // 2
    hidden = F.leaky_relu(F.conv2d(given, first.weight, padding=pad), 0.01)
    answer = F.conv2d(hidden, second.weight, padding=pad)
    answer = F.interpolate(answer, levels[at].shape[-2:], mode="nearest")
    log_scale, shift = answer.chunk(2, dim=1)
    log_scale = 2 * 0.636 * torch.atan(log_scale / 2)
    log_scale = log_scale - log_scale.mean((0, 1) if kind == "channel" else (0, 2, 3), keepdim=True)
    moved = levels[at] * torch.exp(log_scale) + shift
    p, sign = coupling.mixing.permutation_CC, coupling.mixing.sign_C
    unit = torch.eye(len(sign), dtype=torch.float64)
    w = coupling.mixing.log_diagonal_C
    lower = torch.tril(coupling.mixing.lower_CC, -1) + unit
    upper = torch.triu(coupling.mixing.upper_CC, 1) + torch.diag(sign * torch.exp(w - w.mean()))
    return torch.einsum("dc,bchw->bdhw", p @ lower @ upper, moved)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_coupling_alters_its_level_alone_values_and_gradients(at: int, kind: str) -> None:
    coupling = stirred(LevelCoupling(2, [8, 4, 2], at, 3, kind))
    levels = [noise(2, 2, side, side, seed=side).requires_grad_() for side in (8, 4, 2)]
    altered = coupling(tuple(levels))
    for other in {0, 1, 2} - {at}:
        assert altered[other] is levels[other]
    expected = slow_coupling(coupling, levels, at, kind)
    torch.testing.assert_close(altered[at], expected)
    weights = noise(*expected.shape, seed=9)
    wanted = [levels[i] for i in (at - 1, at, at + 1) if 0 <= i < 3]
    wanted += list(coupling.parameters())
    found = torch.autograd.grad((altered[at] * weights).sum(), wanted)
    for one, other in zip(
        found, torch.autograd.grad((expected * weights).sum(), wanted), strict=True
    ):
        assert float(other.abs().max()) > 0
        torch.testing.assert_close(one, other)


def flat(levels: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([level.flatten() for level in levels])


@pytest.mark.parametrize("kind", KINDS)
def test_volume_is_preserved_over_a_batch(kind: str) -> None:
    """log |det| of all couplings together, by the exact Jacobian, is zero in training."""
    flow = stirred(PyramidFlow(2, 4, count=3, stacks=2, kernel=3, normalisation=kind)).train()
    levels = decompose(noise(2, 2, 4, 4), 3)
    sizes = [level.numel() for level in levels]

    def through(x_N: Tensor) -> Tensor:
        parts = x_N.split(sizes)
        moved = tuple(part.view_as(like) for part, like in zip(parts, levels, strict=True))
        for coupling in flow.couplings:
            moved = coupling(moved)
        return flat(moved)

    x_N = flat(levels)
    jacobian = torch.autograd.functional.jacobian(through, x_N)
    assert float((through(x_N) - x_N).detach().abs().max()) > 0.5
    logabsdet = float(torch.linalg.slogdet(jacobian).logabsdet)
    assert logabsdet == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_it_can_be_undone(count: int, kind: str) -> None:
    flow = stirred(PyramidFlow(3, 16, count, stacks=2, kernel=3, normalisation=kind))
    x_BCHW = noise(2, 3, 16, 16)
    flow.train()(x_BCHW)  # so that the running means are not zero
    flow.eval()
    latent = flow(x_BCHW)
    assert [level.shape for level in latent] == [
        (2, 3, 16 // 2**i, 16 // 2**i) for i in range(count)
    ]
    torch.testing.assert_close(flow.inverse(latent), x_BCHW)


@pytest.mark.parametrize(
    ("count", "order"), [(2, [1, 0]), (3, [1, 0, 2]), (4, [1, 3, 0, 2]), (5, [1, 3, 0, 2, 4])]
)
def test_odd_levels_change_before_even_ones(count: int, order: list[int]) -> None:
    flow = PyramidFlow(2, 16, count, stacks=2, kernel=3)
    assert [coupling.at for coupling in flow.couplings] == 2 * order


def test_a_new_flow_only_mixes_channels() -> None:
    torch.manual_seed(0)
    flow = PyramidFlow(3, 8, count=2, stacks=1, kernel=3)
    x_BCHW = noise(1, 3, 8, 8).float()
    for before, after in zip(decompose(x_BCHW, 2), flow(x_BCHW), strict=True):
        torch.testing.assert_close(after.square().sum(dim=1), before.square().sum(dim=1))
        assert not torch.allclose(after, before, atol=0.1)
