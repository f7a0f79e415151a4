"""The recurrence, in a row and in parts, against a loop over single numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.layers.recurrence import recur


def by_loop(decay: Tensor, state: Tensor, carry: Tensor | None, backwards: bool) -> Tensor:
    out = state.clone()
    steps = range(state.shape[1])
    before = torch.zeros_like(state[:, 0]) if carry is None else carry
    for t in reversed(steps) if backwards else steps:
        before = decay[:, t] * before + state[:, t]
        out[:, t] = before
    return out


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 15, 16, 17, 30])
def test_it_is_the_loop(steps: int, parts: bool, carried: bool, backwards: bool) -> None:
    torch.manual_seed(steps)
    decay = torch.rand(2, steps, 3, dtype=torch.float64)
    state = torch.randn(2, steps, 3, dtype=torch.float64)
    carry = torch.randn(2, 3, dtype=torch.float64) if carried else None
    kept = decay.clone()
    expected = by_loop(decay, state, carry, backwards)
    recur(decay, state, carry, parts, backwards)
    torch.testing.assert_close(state, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(decay, kept), "the backward pass needs the decays again"


def test_a_state_that_decays_at_once_is_what_enters_last() -> None:
    decay, state = torch.zeros(1, 9, 1), torch.arange(9.0).view(1, 9, 1)
    for parts in (False, True):
        again = state.clone()
        recur(decay, again, torch.full((1, 1), 5.0), parts)
        assert torch.equal(again, state)


def test_halves_by_hand() -> None:
    decay, state = torch.full((1, 4, 1), 0.5), torch.ones(1, 4, 1)
    recur(decay, state, None, parts=True)
    assert state.flatten().tolist() == [1.0, 1.5, 1.75, 1.875]
    state = torch.ones(1, 4, 1)
    recur(decay, state, torch.full((1, 1), 2.0), parts=True, backwards=True)
    assert state.flatten().tolist() == [2.0, 2.0, 2.0, 2.0]
