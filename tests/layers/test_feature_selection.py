"""Channels chosen on drawn anomalies, residuals ranked image by image: against slow versions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.layers.feature_selection import (
    FeatureSelection,
    ResidualSelection,
    channel_errors,
    smallest,
)


def errors_by_hand(clean: Tensor, altered: Tensor, masks: Tensor) -> np.ndarray:
    """Channel by channel in numpy."""
    height, width = clean.shape[2:]
    rows = np.arange(height) * masks.shape[2] // height
    columns = np.arange(width) * masks.shape[3] // width
    wanted = masks[:, 0].numpy()[:, rows][:, :, columns].astype(float)
    answers = []
    for channel in range(clean.shape[1]):
        change = (altered[:, channel].double() - clean[:, channel].double()).numpy() ** 2
        shown = (change - change.min()) / (change.max() - change.min() + 1e-4)
        answers.append(((shown - wanted) ** 2).mean())
    return np.array(answers)


def test_a_channels_error_is_its_scaled_squared_change_against_the_mask() -> None:
    torch.manual_seed(0)
    clean, altered = torch.randn(3, 5, 4, 6), torch.randn(3, 5, 4, 6)
    masks = torch.rand(3, 1, 16, 24) > 0.5
    found = channel_errors(clean, altered, masks)
    np.testing.assert_allclose(found.numpy(), errors_by_hand(clean, altered, masks), rtol=1e-5)


def test_a_channels_error_in_numbers() -> None:
    """Changes 0, 1, 2, 0, squared 0, 1, 4, 0; mask 0, 1, 1, 0; a silent channel beside it."""
    clean = torch.zeros(1, 2, 1, 4)
    altered = torch.tensor([[[[0.0, 1, 2, 0]], [[0.0, 0, 0, 0]]]])
    masks = torch.tensor([[[[False, True, True, False]]]])
    expected = [(1 - 1 / 4.0001) ** 2 / 4 + (1 - 4 / 4.0001) ** 2 / 4, 2 / 4]
    torch.testing.assert_close(channel_errors(clean, altered, masks), torch.tensor(expected))


def test_the_smallest_come_in_order_nan_last_ties_first() -> None:
    errors = torch.tensor([0.3, float("nan"), 0.1, 0.3, 0.2, 0.3])
    assert smallest(errors, 4).tolist() == [0, 2, 3, 4]
    assert smallest(errors, 5).tolist() == [0, 2, 3, 4, 5]


def test_selection_sums_batches_and_keeps_the_best_channels() -> None:
    torch.manual_seed(1)
    selection = FeatureSelection((6, 3), (2, 5))
    assert selection.counts == (2, 3)
    total = np.zeros(6)
    for _ in range(3):
        clean = (torch.randn(2, 6, 4, 4), torch.randn(2, 3, 2, 2))
        altered = tuple(level + torch.randn_like(level) for level in clean)
        masks = torch.rand(2, 1, 8, 8) > 0.5
        selection.add(clean, altered, masks)
        total += errors_by_hand(clean[0], altered[0], masks)
    selection.settle()
    expected = sorted(np.argsort(total)[:2].tolist())
    assert selection.chosen(0).tolist() == expected
    kept = selection(clean)
    assert torch.equal(kept[0], clean[0][:, expected]) and kept[1] is clean[1]
    again = FeatureSelection((6, 3), (2, 5))
    again.load_state_dict(selection.state_dict())
    assert torch.equal(again(clean)[0], kept[0])


def test_selection_finds_the_channels_that_see_the_anomaly() -> None:
    torch.manual_seed(2)
    masks = torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    masks[:, :, 2:5, 3:7] = True
    clean = torch.randn(4, 8, 8, 8)
    altered = clean + 0.3 * torch.rand(4, 8, 8, 8)
    altered[:, [1, 6]] += 2.0 * masks
    selection = FeatureSelection((8,), (2,))
    selection.add((clean,), (altered,), masks)
    selection.settle()
    assert selection.chosen(0).tolist() == [1, 6]


def chosen_by_hand(norm: nn.BatchNorm2d, residuals: Tensor, counts: tuple[int, int]) -> Tensor:
    """By a normalised copy of everything, image by image."""
    ranked = norm(residuals)
    images = []
    for image, copy in zip(residuals, ranked, strict=True):
        highest = copy.flatten(1).max(dim=1).values.argsort(descending=True)[: counts[0]]
        brightest = copy.flatten(1).mean(dim=1).argsort(descending=True)[: counts[1]]
        images.append(torch.stack([image[int(c)] for c in (*highest, *brightest)]))
    return torch.stack(images)


def test_residuals_are_ranked_as_by_a_normalised_copy() -> None:
    torch.manual_seed(4)
    selection, norm = ResidualSelection(7, 3, 2), nn.BatchNorm2d(7, momentum=0.9, affine=False)
    size = torch.rand(7)[:, None, None] * 5  # without normalising the large ones always win
    for _ in range(3):
        residuals = (size * torch.randn(4, 7, 5, 6)).square().requires_grad_()
        found, expected = selection(residuals), chosen_by_hand(norm, residuals, (3, 2))
        assert torch.equal(found, expected)
        weight = torch.randn_like(found)
        mine, theirs = (
            torch.autograd.grad((kept * weight).sum(), residuals) for kept in (found, expected)
        )
        torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(selection.mean_C, norm.running_mean)
    torch.testing.assert_close(selection.variance_C, norm.running_var)
    selection.eval(), norm.eval()
    fresh = (size * torch.randn(2, 7, 5, 6)).square()
    assert torch.equal(selection(fresh), chosen_by_hand(norm, fresh, (3, 2)))
    torch.testing.assert_close(selection.mean_C, norm.running_mean)


def test_one_channel_may_be_in_both_rankings_and_gets_both_gradients() -> None:
    selection = ResidualSelection(2, 1, 1).eval()
    residuals = torch.tensor([[[[1.0]], [[3.0]]]], requires_grad=True)
    kept = selection(residuals)
    assert kept.flatten().tolist() == [3.0, 3.0]
    kept.sum().backward()
    assert residuals.grad is not None and residuals.grad.flatten().tolist() == [0.0, 2.0]
