"""The Sinkhorn divergence against linear programming, its own definition and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from core.layers.sinkhorn import _costs, _epsilons, sinkhorn_divergence


def clouds(points_x: int, points_y: int, seed: int = 0, pairs: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(points: int) -> Tensor:
        return torch.rand(pairs, points, 3, generator=generator, dtype=torch.float64)

    return draw(points_x), 0.5 * draw(points_y) + 0.4


def transport_cost(x_ND: Tensor, y_MD: Tensor) -> float:
    """Optimal transport without blur: the linear program over all plans."""
    x, y = x_ND.numpy(), y_MD.numpy()
    n, m = len(x), len(y)
    cost = 0.5 * ((x[:, None] - y[None]) ** 2).sum(axis=2)
    leaving = np.kron(np.eye(n), np.ones(m))
    arriving = np.kron(np.ones(n), np.eye(m))
    masses = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    answer = linprog(cost.ravel(), A_eq=np.vstack([leaving, arriving]), b_eq=masses)
    assert answer.success
    return float(answer.fun)


def exactly(x: Tensor, y: Tensor, blur: float) -> float:
    """The definition: entropic plans by plain alternate scaling, their dual values debiased."""

    def value(a: np.ndarray, b: np.ndarray) -> float:
        cost = 0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2)
        kernel = np.exp(-cost / blur**2) / (len(a) * len(b))
        u, v = np.ones(len(a)), np.ones(len(b))
        for _ in range(20_000):
            u = 1 / len(a) / (kernel @ v)
            v = 1 / len(b) / (kernel.T @ u)
        return blur**2 * (np.log(u).mean() + np.log(v).mean())

    a, b = x.numpy(), y.numpy()
    return value(a, b) - 0.5 * value(a, a) - 0.5 * value(b, b)


@pytest.mark.parametrize(("points_x", "points_y"), [(6, 6), (5, 8), (1, 4)])
def test_nears_the_linear_program_as_the_blur_goes(points_x: int, points_y: int) -> None:
    x, y = clouds(points_x, points_y)
    expected = transport_cost(x[0], y[0])
    errors = [
        abs(float(sinkhorn_divergence(x, y, blur=blur, settle=2000)) - expected)
        for blur in (0.3, 0.1, 0.03, 0.01)
    ]
    assert errors[-1] < 1e-3 * expected
    assert errors[-1] <= errors[-2] <= errors[0] + 1e-12


@pytest.mark.parametrize("blur", [0.2, 0.5])
def test_equals_its_definition(blur: float) -> None:
    x, y = clouds(7, 5)
    found = float(sinkhorn_divergence(x, y, blur=blur, settle=2000))
    assert found == pytest.approx(exactly(x[0], y[0], blur), rel=1e-7)


def test_two_points_by_hand() -> None:
    """Between single points nothing is to be chosen: half the squared distance, at any blur."""
    x, y = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.6, 0.8]]])
    for blur in (0.01, 0.5):
        assert float(sinkhorn_divergence(x, y, blur=blur)) == pytest.approx(0.5, abs=1e-6)


def test_symmetric_positive_and_zero_for_equal_measures() -> None:
    x, y = clouds(9, 6, pairs=4)
    there, back = sinkhorn_divergence(x, y), sinkhorn_divergence(y, x)
    torch.testing.assert_close(there, back, rtol=0, atol=1e-12)
    assert bool((there > 1e-3).all())
    shuffled = x[:, torch.randperm(9)].requires_grad_()
    same = sinkhorn_divergence(x, shuffled)
    assert float(same.detach().abs().max()) < 1e-10
    (gradient,) = torch.autograd.grad(same.sum(), shuffled)
    assert float(gradient.abs().max()) < 1e-10, "nothing pulls at equal measures"


def test_pairs_do_not_mix() -> None:
    x, y = clouds(5, 5, pairs=3)
    together = sinkhorn_divergence(x, y)
    alone = torch.cat([sinkhorn_divergence(x[i : i + 1], y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_gradients_equal_finite_differences() -> None:
    x, y = clouds(4, 5)
    x.requires_grad_()
    y.requires_grad_()

    def value(a: Tensor, b: Tensor) -> Tensor:
        return sinkhorn_divergence(a, b, blur=0.2, settle=1000)

    gradients = torch.autograd.grad(value(x, y).sum(), (x, y))
    still, step = [x.detach(), y.detach()], 1e-5
    for which, gradient in enumerate(gradients):
        count = gradient.numel()
        nudges = step * torch.eye(count, dtype=torch.float64).view(count, *gradient.shape[1:])
        values = []
        for sign in (1, -1):
            moved = [cloud.expand(count, -1, -1) for cloud in still]
            moved[which] = moved[which] + sign * nudges
            values.append(value(*moved))
        slopes = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close(gradient.reshape(-1), slopes, rtol=0, atol=1e-7)


def test_descent_brings_clouds_together() -> None:
    x, y = clouds(8, 8)
    before = float(sinkhorn_divergence(x, y))
    for _ in range(30):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(sinkhorn_divergence(x, y).sum(), x)
        x = x - 8 * 0.5 * gradient  # each of 8 points bears an eighth of the mean
    assert float(sinkhorn_divergence(x.detach(), y)) < 0.02 * before


def test_the_default_number_of_steps_is_enough() -> None:
    """Clouds of directions as RD++ compares them: within 3 % of the converged value."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(2, 3, 40, 6, generator=generator) + torch.tensor([0.5, 0, 0, 0, 0, 0])
    x, y = torch.nn.functional.normalize(raw, dim=3)
    found = sinkhorn_divergence(x, y)
    converged = sinkhorn_divergence(x.double(), y.double(), scaling=0.97, settle=2000)
    torch.testing.assert_close(found.double(), converged, rtol=0.03, atol=0)
    assert found.dtype == torch.float32 and converged.dtype == torch.float64


def test_schedule_ends_at_the_blur() -> None:
    assert _epsilons(0.5, 2.0, 0.5) == [4.0, 1.0, 0.25]
    assert _epsilons(3.0, 2.0, 0.5) == [9.0]
    lengths = np.sqrt(_epsilons(0.05, 2.0, 0.8))
    assert lengths[-1] == pytest.approx(0.05) and np.all(np.diff(lengths) < 0)


def test_costs_do_not_cancel_far_from_the_origin() -> None:
    x, y = clouds(6, 7)
    expected = 0.5 * (x[:, :, None] - y[:, None]).square().sum(dim=3)
    far = (_costs((x + 100).float(), (y + 100).float()) - expected.float()).abs().max()
    assert float(far) < 5e-5


def test_autocast_changes_nothing() -> None:
    x, y = clouds(10, 10)
    x32, y32 = x.float(), y.float()
    expected = sinkhorn_divergence(x32, y32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sinkhorn_divergence(x32, y32), expected)
        assert float(sinkhorn_divergence(x32.bfloat16(), y32.bfloat16())) == pytest.approx(
            float(expected), rel=0.02
        )
