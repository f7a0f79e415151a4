"""Both focal losses by hand, far out, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from core.layers.focal import sigmoid_focal, softmax_focal


def slow_softmax_focal(logits: torch.Tensor, masks: torch.Tensor, gamma: float) -> float:
    total, count = 0.0, 0
    for image in range(len(logits)):
        for row in range(logits.shape[2]):
            for column in range(logits.shape[3]):
                odds = [math.exp(float(logits[image, k, row, column])) for k in (0, 1)]
                p = [value / sum(odds) for value in odds]
                true = int(masks[image, 0, row, column])
                meant = (1 - 1e-5) * p[true] + 1e-5 * p[1 - true] + 1e-5
                total -= (1 - meant) ** gamma * math.log(meant)
                count += 1
    return total / count


def test_softmax_focal_is_the_slow_one() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    masks = torch.rand(2, 1, 3, 4) < 0.4
    for gamma in (2.0, 3.0):
        expected = slow_softmax_focal(logits.detach(), masks, gamma)
        assert float(softmax_focal(logits, masks, gamma).detach()) == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: softmax_focal(x, masks), (logits,))


def test_sigmoid_focal_by_hand() -> None:
    # p = 0.8 of an anomaly: true -> 0.2^4 ln(1/0.8), false -> 0.8^4 ln(1/0.2)
    logits = torch.full((2,), math.log(4.0), dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1.0, 0.0])
    expected = (0.2**4 * math.log(1 / 0.8) + 0.8**4 * math.log(1 / 0.2)) / 2
    assert float(sigmoid_focal(logits, targets).detach()) == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal(x, targets), (logits,))


@pytest.mark.parametrize("far", [80.0, 1e4])
def test_they_stay_finite_and_keep_a_gradient_where_it_is_all_wrong(far: float) -> None:
    logits = torch.tensor([[far, -far], [-far, far]]).view(1, 2, 1, 2).requires_grad_()
    masks = torch.tensor([True, False]).view(1, 1, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = softmax_focal(logits, masks)
    assert float(loss.detach()) == pytest.approx(-math.log(2e-5), rel=1e-3)
    single = torch.tensor([-far, far], requires_grad=True)
    alone = sigmoid_focal(single, torch.tensor([True, False]))
    assert float(alone.detach()) == pytest.approx(far)
    (gradient,) = torch.autograd.grad(alone, single)
    assert gradient.tolist() == pytest.approx([-0.5, 0.5])
