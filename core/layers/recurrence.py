"""The linear recurrence h_t = a_t h_(t-1) + b_t over an axis of time, in place."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor


def recur(
    decay: Tensor,
    state: Tensor,
    carry: Tensor | None,
    parts: bool = False,
    backwards: bool = False,
) -> None:
    """state[:, t] += decay[:, t] * state[:, t - 1] for all t in turn; t + 1 if `backwards`.

    With `parts` the steps are cut into about sqrt(S) parts of as many steps. First every part runs
    from nothing, all side by side, which gives the pair (a, b) that it amounts to; then these pairs
    are run through, joined by (a, b) then (a', b') = (a a', a' b + b'); then every part runs again
    from the state that enters it. That is 3 sqrt(S) steps instead of S, and five passes through
    memory; doubling steps (log2 S, each over all states) would need about three times as many. No
    decay is ever divided by another, so nothing overflows.

    Args:
        decay, state: [B, S, ...].
        carry: the state before the first step (after the last one), [B, ...]; None = zero.
        parts: for where launches cost more than arithmetic.
    """
    steps = state.shape[1]
    length = math.isqrt(steps) if parts else 1
    whole = steps // length * length if length > 1 else 0
    if backwards and whole < steps:
        _run(decay[:, whole:], state[:, whole:], carry, backwards)
        carry = state[:, whole]
    if whole:
        _run_parts(decay[:, :whole], state[:, :whole], carry, length, backwards)
    if not backwards and whole < steps:
        _run(decay[:, whole:], state[:, whole:], state[:, whole - 1] if whole else carry, backwards)


def _run(
    decay: Tensor, state: Tensor, carry: Tensor | None, backwards: bool, axis: int = 1
) -> None:
    for decay_t, state_t in _in_turn(decay, state, backwards, axis):
        if carry is not None:
            state_t.addcmul_(decay_t, carry)
        carry = state_t


def _in_turn(
    decay: Tensor, state: Tensor, backwards: bool, axis: int
) -> Iterator[tuple[Tensor, Tensor]]:
    pairs = list(zip(decay.unbind(axis), state.unbind(axis), strict=True))
    return reversed(pairs) if backwards else iter(pairs)


def _run_parts(
    decay: Tensor, state: Tensor, carry: Tensor | None, length: int, backwards: bool
) -> None:
    decay, state = (torch.unflatten(t, 1, (-1, length)) for t in (decay, state))
    pairs = _in_turn(decay, state, backwards, axis=2)
    reach, end = (first.clone() for first in next(pairs))
    for decay_t, state_t in pairs:
        torch.addcmul(state_t, decay_t, end, out=end)
        reach.mul_(decay_t)
    _run(reach, end, carry, backwards)
    first = torch.zeros_like(end[:, :1]) if carry is None else carry.unsqueeze(1)
    entering = [end[:, 1:], first] if backwards else [first, end[:, :-1]]
    _run(decay, state, torch.cat(entering, dim=1), backwards, axis=2)
