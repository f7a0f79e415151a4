"""The selective scan against a loop over positions: values, all gradients, extremes, memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers import scan_chunks
from core.layers.scan_chunks import Blocking
from core.layers.selective_scan import CPU, CUDA, selective_scan

NAMES = ("x", "controls", "weight", "bias", "decay")
SMALL = Blocking(lane=1, chunk=5 * 3 * 4, parts=False)  # an image and an order; five steps a chunk
PARTS = Blocking(lane=10**6, chunk=2 * 2 * 3 * 4 * 9, parts=True)  # all; nine steps, three parts


def drawn(
    images: int = 2, positions: int = 12, orders: int = 2, dtype: torch.dtype = torch.float64
) -> tuple[list[Tensor], Tensor]:
    """Inputs with 3 channels, 4 states and a rank of 2, and orders."""
    torch.manual_seed(positions)
    channels, states, rank = 3, 4, 2
    tensors = [
        torch.randn(images, positions, channels),
        torch.randn(images, positions, orders, rank + 2 * states),
        torch.randn(orders, rank, channels),
        torch.randn(orders, channels) - 1,
        -4 * torch.rand(orders, states, channels),
    ]
    order_KP = torch.stack([torch.randperm(positions) for _ in range(orders)])
    return [tensor.to(dtype).requires_grad_() for tensor in tensors], order_KP


def by_loop(tensors: list[Tensor], order_KP: Tensor) -> Tensor:
    """Order by order, position by position, as the formulas have it."""
    x_BPD, controls_BPKM, weight_KRD, bias_KD, decay_KND = tensors
    orders, rank, channels = weight_KRD.shape
    states = decay_KND.shape[1]
    total = torch.zeros_like(x_BPD)
    for k in range(orders):
        h_BND = x_BPD.new_zeros(len(x_BPD), states, channels)
        made: list[Tensor | None] = [None] * x_BPD.shape[1]
        for place in order_KP[k].tolist():
            rates, b, c = controls_BPKM[:, place, k].split((rank, states, states), dim=-1)
            step_BD = F.softplus(rates @ weight_KRD[k] + bias_KD[k])
            h_BND = torch.exp(step_BD[:, None] * decay_KND[k]) * h_BND
            h_BND = h_BND + b[:, :, None] * (step_BD * x_BPD[:, place])[:, None]
            made[place] = (c[:, :, None] * h_BND).sum(1)
        total = total + torch.stack(made, dim=1)  # type: ignore[arg-type]
    return total


@pytest.mark.parametrize(
    "blocking", [SMALL, PARTS, CPU, CUDA], ids=["small", "parts", "cpu", "gpu"]
)
@pytest.mark.parametrize("positions", [1, 2, 9, 12, 23])
def test_values_and_gradients_are_the_loops(positions: int, blocking: Blocking) -> None:
    tensors, order_KP = drawn(positions=positions)
    expected, found = by_loop(tensors, order_KP), selective_scan(*tensors, order_KP, blocking)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    weights = torch.randn_like(expected)
    theirs = torch.autograd.grad((expected * weights).sum(), tensors)
    mine = torch.autograd.grad((found * weights).sum(), tensors)
    for name, one, other in zip(NAMES, mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("blocking", [SMALL, PARTS], ids=["small", "parts"])
def test_gradients_are_the_differences(blocking: Blocking) -> None:
    tensors, order_KP = drawn(positions=7)
    assert torch.autograd.gradcheck(
        lambda *t: selective_scan(*t, order_KP, blocking), tensors, fast_mode=False
    )


def test_by_hand() -> None:
    """One channel, one state: step ln 2, decay 2^-1; h = 2, 1 + 2 = 3 (times ln 2), c = 10."""
    x_BPD = torch.tensor([[[2.0], [2.0]]])
    controls_BPKM = torch.tensor([0.0, 1.0, 10.0]).expand(1, 2, 1, 3)
    zero, one = torch.zeros(1, 1), torch.ones(1, 1, 1)
    y_BPD = selective_scan(x_BPD, controls_BPKM, one, zero, -one, torch.tensor([[1, 0]]))
    ln2 = 0.69314718
    torch.testing.assert_close(y_BPD, torch.tensor([[[30 * ln2], [20 * ln2]]]))


def test_nothing_overflows_however_fast_or_slow_states_decay() -> None:
    """Steps to 60 against A to -400: exponents to -24,000; no float32 holds a quotient."""
    tensors, order_KP = drawn(positions=40, dtype=torch.float32)
    with torch.no_grad():
        tensors[2] *= 20
        tensors[4] *= 100
    exact = [tensor.detach().double().requires_grad_() for tensor in tensors]
    expected = by_loop(exact, order_KP)
    theirs = torch.autograd.grad(expected.square().sum(), exact)
    for blocking in (SMALL, PARTS):
        found = selective_scan(*tensors, order_KP, blocking)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)
        mine = torch.autograd.grad(found.square().sum(), tensors)
        for name, one, other in zip(NAMES, mine, theirs, strict=True):
            scale = float(other.abs().max())
            assert bool(one.isfinite().all()), name
            torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-5 * scale, msg=name)


def test_it_computes_in_float32_under_autocast_forwards_and_backwards() -> None:
    tensors, order_KP = drawn(dtype=torch.float32)
    plain = selective_scan(*tensors, order_KP, SMALL)
    expected = torch.autograd.grad(plain.sum(), tensors)
    with torch.autocast("cpu", torch.bfloat16):
        found = selective_scan(*tensors, order_KP, SMALL)
        gradients = torch.autograd.grad(found.sum(), tensors)
    assert torch.equal(found, plain)
    assert all(map(torch.equal, gradients, expected))


@pytest.mark.parametrize("blocking", [SMALL, PARTS], ids=["small", "parts"])
def test_what_the_memory_held_before_is_never_read(
    blocking: Blocking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(block: scan_chunks.Block, decay_KND: Tensor, count: int) -> list[Tensor]:
        return [torch.full_like(memory, torch.nan) for memory in room(block, decay_KND, count)]

    room = scan_chunks.Block.room
    monkeypatch.setattr(scan_chunks.Block, "room", spoilt)
    tensors, order_KP = drawn(positions=13)
    y_BPD = selective_scan(*tensors, order_KP, blocking)
    gradients = torch.autograd.grad(y_BPD.sum(), tensors)
    assert all(bool(value.isfinite().all()) for value in (y_BPD, *gradients))


def test_only_what_needs_a_gradient_gets_one() -> None:
    tensors, order_KP = drawn()
    frozen = [tensors[0].detach(), *tensors[1:]]
    (gradient,) = torch.autograd.grad(selective_scan(*frozen, order_KP).sum(), frozen[1])
    (expected,) = torch.autograd.grad(selective_scan(*tensors, order_KP).sum(), tensors[1])
    assert torch.equal(gradient, expected)


def test_states_are_not_kept() -> None:
    """At 16 x 16 positions, a block of all states would be 2,048 times the state of a step."""
    torch.manual_seed(0)
    images, positions, orders, channels, states = 1, 256, 8, 32, 16
    inputs = [
        torch.randn(images, positions, channels),
        torch.randn(images, positions, orders, 2 + 2 * states),
        torch.randn(orders, 2, channels),
        torch.randn(orders, channels),
        -torch.rand(orders, states, channels),
    ]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    kept: list[Tensor] = []
    order_KP = torch.arange(positions).expand(orders, -1)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        selective_scan(*inputs, order_KP, Blocking(lane=2**14, chunk=2**17, parts=False)).sum()
    all_states = positions * orders * channels * states
    assert sum(tensor.numel() for tensor in kept) < all_states / 4


def test_blocks_cover_every_image_order_and_step_once() -> None:
    tensors, order_KP = drawn(images=5, positions=11, orders=3)
    inputs = scan_chunks.Inputs(*tensors)
    for lane in (1, 24, 36, 80, 1000):
        seen = torch.zeros(5, 3, 11, dtype=torch.int64)
        for block in scan_chunks.blocks(inputs, order_KP, Blocking(lane, 100, parts=False)):
            places_SK = torch.cat(block.places_SK)
            assert torch.equal(places_SK.T, order_KP[block.orders])
            assert len(block.places_SK) == 1 or len(places_SK) > len(block.places_SK[0])
            seen[block.images, block.orders] += 1
        assert bool((seen == 1).all()), lane
