"""The selective scan of state space models in plain torch, along many orders of one input.

"Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752, section 3;
several visiting orders of an image as in VMamba (arXiv 2401.10166) and MambaAD (arXiv 2404.06564).
For every order k, channel d and state n, along the visited positions t:

    step_t = softplus(rates_t weight + bias)
    h_t    = exp(step_t A) h_(t-1) + step_t b_t u_t,    h = 0 before the first
    y_t    = sum over n of c_t h_t

The states are never held as a whole. Blocks of sequences and, within them, chunks of steps are
computed one after the other (`core.layers.scan_chunks`); the state that enters a chunk is all that
is kept, and the backward pass computes the chunk again.

Shapes: B images, P positions, K orders, S steps of a chunk, D channels, N states, R rank of the
rates, M = R + 2N.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from core.layers.precision import full_precision
from core.layers.scan_chunks import Block, Blocking, Chunk, Following, Inputs, blocks

CPU = Blocking(lane=2**14, chunk=2**19, parts=False)
"""For one thread; measured on a Xeon with 2 MiB of second-level cache (lanes 2^12 to 2^16, chunks
2^17 to 2^20, maps of 8 to 64 a side): two tensors of 2 MiB a chunk, some 30 steps."""
CUDA = Blocking(lane=2**24, chunk=2**27, parts=True)
"""Three tensors of 0.5 GiB; at 64 x 64 positions and 16 images some 700 launches instead of 8,000.
Derived, not measured."""


def selective_scan(
    x_BPD: Tensor,
    controls_BPKM: Tensor,
    weight_KRD: Tensor,
    bias_KD: Tensor,
    decay_KND: Tensor,
    order_KP: Tensor,
    blocking: Blocking | None = None,
) -> Tensor:
    """y of every position, summed over orders: [B, P, D].

    All is given and returned position by position, not in visiting order. Computed in float32, or
    in float64 if `x_BPD` is; first derivatives flow to all inputs but the orders.

    Args:
        x_BPD: the input u, the same for all orders.
        controls_BPKM: side by side rates (R), input weights b (N) and output weights c (N).
        weight_KRD, bias_KD: make step sizes of rates.
        decay_KND: A, negative.
        order_KP: the positions as each order visits them, each position once.
        blocking: None = `CPU` or `CUDA`, by the device.
    """
    if blocking is None:
        on_gpu = x_BPD.device.type == "cuda"
        blocking = CUDA if on_gpu else CPU.times(torch.get_num_threads())
    exact = torch.float64 if x_BPD.dtype == torch.float64 else torch.float32
    inputs = Inputs(
        x_BPD.to(exact),
        controls_BPKM.to(exact),
        weight_KRD.to(exact),
        bias_KD.to(exact),
        decay_KND.to(exact),
    )
    keep = torch.is_grad_enabled() and any(value.requires_grad for value in inputs)
    scanned_BPD: Tensor = _Scan.apply(*inputs, order_KP, blocking, keep)
    return scanned_BPD


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, order_KP, blocking, keep = arguments
        inputs = Inputs(*tensors)
        y_BPKD = _per_order(inputs, order_KP)
        entering: list[Tensor] = []
        with full_precision(y_BPKD.device):
            for block in blocks(inputs, order_KP, blocking):
                _push(block, inputs, blocking, y_BPKD, entering if keep else None)
        ctx.save_for_backward(*inputs, order_KP, *entering)
        ctx.blocking = blocking
        return y_BPKD.sum(dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, order_KP = ctx.saved_tensors[: len(Inputs._fields) + 1]
        inputs = Inputs(*tensors)
        entering = iter(ctx.saved_tensors[len(Inputs._fields) + 1 :])
        du_BPKD = _per_order(inputs, order_KP)
        dcontrols_BPKM = torch.empty_like(inputs.controls_BPKM)
        weights = (
            torch.zeros_like(inputs.weight_KRD),
            torch.zeros_like(inputs.bias_KD),
            torch.zeros_like(inputs.decay_KND),
        )
        with full_precision(du_BPKD.device):
            for block in blocks(inputs, order_KP, ctx.blocking):
                carries = [None, *(next(entering) for _ in block.places_SK[1:])]
                room = block.room(inputs.decay_KND, 3)
                following: Following | None = None
                for place_SK, carry in zip(
                    reversed(block.places_SK), reversed(carries), strict=True
                ):
                    chunk = Chunk(block, place_SK, inputs, room)
                    chunk.push(carry, ctx.blocking.parts)
                    du_BSKD, dcontrols_BSKM, following = chunk.pull(
                        gradients[0], carry, following, ctx.blocking.parts, weights
                    )
                    chunk.put(du_BSKD, du_BPKD)
                    chunk.put(dcontrols_BSKM, dcontrols_BPKM)
        return du_BPKD.sum(dim=2), dcontrols_BPKM, *weights, None, None, None


def _per_order(inputs: Inputs, order_KP: Tensor) -> Tensor:
    images, positions, channels = inputs.x_BPD.shape
    return inputs.x_BPD.new_empty(images, positions, len(order_KP), channels)


def _push(
    block: Block,
    inputs: Inputs,
    blocking: Blocking,
    y_BPKD: Tensor,
    entering: list[Tensor] | None,
) -> None:
    """The outputs of a block; adds the states that enter its chunks, but the first, to a list."""
    room = block.room(inputs.decay_KND, 2)
    carry: Tensor | None = None
    for place_SK in block.places_SK:
        if entering is not None and carry is not None:
            entering.append(carry)
        chunk = Chunk(block, place_SK, inputs, room)
        chunk.push(carry, blocking.parts)
        chunk.put(chunk.output(), y_BPKD)
        carry = chunk.states[:, -1].clone()
