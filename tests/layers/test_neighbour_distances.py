"""Differentiable nearest distances against all distances, sorted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.layers import neighbours
from core.layers.neighbour_distances import nearest_squared


def all_sorted(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    return (queries[:, None] - bank[None]).square().sum(dim=2).sort(dim=1).values[:, :k]


def some(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(40, 5, dtype=dtype, requires_grad=True), torch.randn(30, 5, dtype=dtype)


@pytest.mark.parametrize("k", [1, 6])
def test_values_and_gradients(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "QUERIES", 16)
    queries, bank = some()
    found, expected = nearest_squared(queries, bank, k), all_sorted(queries, bank, k)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(expected)
    (mine,), (theirs,) = (
        torch.autograd.grad((out * pull).sum(), queries) for out in (found, expected)
    )
    torch.testing.assert_close(mine, theirs)


def test_against_finite_differences() -> None:
    queries, bank = some()
    assert torch.autograd.gradcheck(lambda q: nearest_squared(q, bank, 3), queries[:4])


def test_the_gradient_of_one_distance_in_numbers() -> None:
    """From (0, 0) the nearest of (3, 4) and (1, 2) is 5 away; uphill is -2 (1, 2)."""
    query = torch.zeros(1, 2, requires_grad=True)
    squared = nearest_squared(query, torch.tensor([[3.0, 4.0], [1.0, 2.0]]), 1)
    assert squared.tolist() == [[5.0]]
    squared.sum().backward()
    assert query.grad is not None and query.grad.tolist() == [[-2.0, -4.0]]


def test_nothing_is_kept_for_every_neighbour() -> None:
    queries, bank = some(torch.float32)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        nearest_squared(queries, bank, 6)
    assert kept and all(tensor.ndim == 2 for tensor in kept)
    assert sum(tensor.numel() for tensor in kept) == queries.numel() + bank.numel() + 40 * 6


def test_autocast_around_it_changes_nothing() -> None:
    queries, bank = some(torch.float32)
    expected = nearest_squared(queries, bank, 3)
    (theirs,) = torch.autograd.grad(expected.sum(), queries)
    with torch.autocast("cpu", torch.bfloat16):
        found = nearest_squared(queries, bank, 3)
        (mine,) = torch.autograd.grad(found.sum(), queries)
    assert torch.equal(found, expected) and torch.equal(mine, theirs)
