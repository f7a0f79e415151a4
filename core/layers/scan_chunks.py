"""What a selective scan computes at a time: some steps of some images along some orders.

See `core.layers.selective_scan` for the formulas and the letters of shapes. States lie as
[B, S, K, N, D], channels innermost, because step sizes and inputs have no N: broadcasting along an
innermost axis of 16 is several times slower on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.recurrence import recur


@dataclass(frozen=True, slots=True)
class Blocking:
    """How much is computed at a time.

    Attributes:
        lane: states (of images, orders and channels) that one step updates, about.
        chunk: states held at a time, over all steps of a chunk.
        parts: whether a chunk's recurrence runs in parts side by side (`recurrence.recur`).
    """

    lane: int
    chunk: int
    parts: bool

    def times(self, count: int) -> Blocking:
        """For so many threads, which share the work of every operation."""
        return Blocking(count * self.lane, count * self.chunk, self.parts)


class Inputs(NamedTuple):
    """As `selective_scan` takes them, all of one floating type."""

    x_BPD: Tensor
    controls_BPKM: Tensor
    weight_KRD: Tensor
    bias_KD: Tensor
    decay_KND: Tensor


class Following(NamedTuple):
    """Of the first step of the chunk that follows: its decays, the gradient of its states."""

    decay: Tensor
    gradient: Tensor


@dataclass(frozen=True, slots=True)
class Block:
    """Some images' sequences along some orders, cut into chunks of steps.

    Attributes:
        images, orders: which.
        numbers_K: the orders again, to index with.
        places_SK: of each chunk, the positions visited at its steps.
    """

    images: slice
    orders: slice
    numbers_K: Tensor
    places_SK: list[Tensor]

    def room(self, decay_KND: Tensor, count: int) -> list[Tensor]:
        """Memory for the states of a chunk and one step more, `count` times, for all chunks."""
        sequences = (self.images.stop - self.images.start) * len(self.numbers_K)
        size = (len(self.places_SK[0]) + 1) * sequences * decay_KND[0].numel()
        return [decay_KND.new_empty(size) for _ in range(count)]


def blocks(inputs: Inputs, order_KP: Tensor, blocking: Blocking) -> Iterator[Block]:
    """All images and orders, as many at a time as `blocking` says."""
    images, orders, one = len(inputs.x_BPD), len(order_KP), inputs.decay_KND[0].numel()
    few = min(orders, math.ceil(blocking.lane / one))
    many = min(images, max(1, blocking.lane // (orders * one))) if few == orders else 1
    steps = max(1, blocking.chunk // (few * many * one))
    for image in range(0, images, many):
        for order in range(0, orders, few):
            some = slice(order, min(order + few, orders))
            numbers_K = torch.arange(some.start, some.stop, device=order_KP.device)
            places_SK = list(torch.split(order_KP[some].T, steps))
            yield Block(slice(image, min(image + many, images)), some, numbers_K, places_SK)


class Chunk:
    """Inputs of a chunk in visiting order [B, S, K, ...], its states, their gradients.

    Args:
        room: memory for the decays, the states and (for `pull` only) their gradients.
    """

    def __init__(self, block: Block, place_SK: Tensor, inputs: Inputs, room: list[Tensor]) -> None:
        self.block, self.place_SK, self.room = block, place_SK, room
        self.weight_KRD = inputs.weight_KRD[block.orders]
        self.decay_KND = inputs.decay_KND[block.orders]
        states, channels = self.decay_KND.shape[1:]
        controls_BSKM = inputs.controls_BPKM[block.images][:, place_SK, block.numbers_K]
        self.rates_BSKR, self.b_BSKN, self.c_BSKN = torch.split(
            controls_BSKM, [self.weight_KRD.shape[1], states, states], dim=-1
        )
        self.raw_BSKD = torch.einsum("bskr,krd->bskd", self.rates_BSKR, self.weight_KRD)
        self.raw_BSKD += inputs.bias_KD[block.orders]
        self.step_BSKD = F.softplus(self.raw_BSKD)
        self.u_BSKD = inputs.x_BPD[block.images][:, place_SK]
        self.driven_BSKD = self.step_BSKD * self.u_BSKD
        images, steps, orders = self.u_BSKD.shape[:3]
        self.shape = (images, steps, orders, states, channels)
        self.decays_and_next = _shaped(room[0], (images, steps + 1, orders, states, channels))
        self.decays = self.decays_and_next[:, :-1]
        self.states = _shaped(room[1], self.shape)

    def push(self, carry: Tensor | None, parts: bool) -> None:
        """Compute `decays` and `states` from the state that enters; None = zero."""
        torch.mul(self.step_BSKD.unsqueeze(-2), self.decay_KND, out=self.decays).exp_()
        torch.mul(self.driven_BSKD.unsqueeze(-2), self.b_BSKN.unsqueeze(-1), out=self.states)
        recur(self.decays, self.states, carry, parts)

    def output(self) -> Tensor:
        """y [B, S, K, D]."""
        return _weighted(self.c_BSKN, self.states)

    def pull(
        self,
        dy_BPD: Tensor,
        carry: Tensor | None,
        following: Following | None,
        parts: bool,
        weights: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Following]:
        """The gradients of a chunk whose states are computed, which it uses up.

        The states' gradient g runs backwards: g_t = c_t dy_t + a_(t+1) g_(t+1).

        Args:
            dy_BPD: gradient of the output at every position.
            carry: the state that entered.
            following: of the next chunk, None after the last one.
            weights: gradients of weight, bias and decay, to which this chunk's are added.

        Returns:
            gradients of u and of the controls in visiting order, and what the chunk before needs.
        """
        dy_BSKD = dy_BPD[self.block.images][:, self.place_SK]
        g = _shaped(self.room[2], self.shape)
        torch.mul(self.c_BSKN.unsqueeze(-1), dy_BSKD.unsqueeze(-2), out=g)
        self.decays_and_next[:, -1] = 0 if following is None else following.decay
        late = None if following is None else following.gradient
        recur(self.decays_and_next[:, 1:], g, late, parts, backwards=True)
        mine = Following(self.decays[:, 0].clone(), g[:, 0].clone())
        dc_BSKN = (self.states @ dy_BSKD.unsqueeze(-1)).squeeze(-1)
        db_BSKN = (g @ self.driven_BSKD.unsqueeze(-1)).squeeze(-1)
        du_per_step_BSKD = _weighted(self.b_BSKN, g)
        dstep_BSKD = self._through_decays(g, carry, weights[2])
        dstep_BSKD.addcmul_(self.u_BSKD, du_per_step_BSKD)
        drates_BSKR = self._through_steps(dstep_BSKD, weights[0], weights[1])
        du_BSKD = self.step_BSKD * du_per_step_BSKD
        return du_BSKD, torch.cat([drates_BSKR, db_BSKN, dc_BSKN], dim=-1), mine

    def _through_decays(self, g: Tensor, carry: Tensor | None, ddecay_KND: Tensor) -> Tensor:
        """d step of a_t = exp(step_t A), whose own gradient is g_t h_(t-1); d A is added."""
        exponent = self.decays.mul_(g)
        exponent[:, 1:].mul_(self.states[:, :-1])
        if carry is None:
            exponent[:, 0].zero_()
        else:
            exponent[:, 0].mul_(carry)
        torch.mul(exponent, self.step_BSKD.unsqueeze(-2), out=self.states)
        ddecay_KND[self.block.orders] += self.states.sum((0, 1))
        return exponent.mul_(self.decay_KND).sum(-2)

    def _through_steps(self, dstep_BSKD: Tensor, dweight_KRD: Tensor, dbias_KD: Tensor) -> Tensor:
        """d rates of step = softplus(raw), whose slope is the sigmoid; the others are added."""
        draw_BSKD = dstep_BSKD.mul_(self.raw_BSKD.sigmoid_())
        dbias_KD[self.block.orders] += draw_BSKD.sum((0, 1))
        dweight_KRD[self.block.orders] += torch.einsum("bskr,bskd->krd", self.rates_BSKR, draw_BSKD)
        return torch.einsum("bskd,krd->bskr", draw_BSKD, self.weight_KRD)

    def put(self, values_BSKX: Tensor, into_BPKX: Tensor) -> None:
        """Values in visiting order to the positions and orders that they belong to."""
        into_BPKX[self.block.images][:, self.place_SK, self.block.numbers_K] = values_BSKX


def _shaped(room: Tensor, shape: tuple[int, ...]) -> Tensor:
    return room[: math.prod(shape)].view(shape)


def _weighted(weights_BSKN: Tensor, states_BSKND: Tensor) -> Tensor:
    """The sum over states: [B, S, K, D]."""
    return (weights_BSKN.unsqueeze(-2) @ states_BSKND).squeeze(-2)
