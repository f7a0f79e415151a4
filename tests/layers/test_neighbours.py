"""Nearest neighbours against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from core.layers import neighbours
from core.layers.neighbours import nearest


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("block", [7, 8192])
def test_agrees_with_scikit_learn(k: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BANK", block)
    monkeypatch.setattr(neighbours, "QUERIES", 50)
    generator = torch.Generator().manual_seed(k)
    bank = torch.randn(230, 11, generator=generator)
    queries = torch.randn(120, 11, generator=generator)
    squared, indices = nearest(queries, bank, k)
    model = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(bank.double().numpy())
    distances, places = model.kneighbors(queries.double().numpy())
    np.testing.assert_array_equal(indices.numpy(), places)
    np.testing.assert_allclose(squared.numpy(), distances**2, rtol=1e-5)


def test_small_distances_far_from_the_origin_are_exact() -> None:
    bank = 1000 + torch.arange(50.0)[:, None].expand(-1, 8)
    squared, indices = nearest(bank + 1e-3, bank)
    assert indices[:, 0].tolist() == list(range(50))
    expected = (((bank + 1e-3) - bank) ** 2).sum(dim=1)
    assert torch.equal(squared[:, 0], expected)
    assert torch.equal(nearest(bank, bank)[0], torch.zeros(50, 1))


def test_autocast_around_it_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    bank, queries = torch.randn(300, 32, generator=generator), torch.randn(9, 32)
    expected = nearest(queries, bank)
    with torch.autocast("cpu", torch.bfloat16):
        found = nearest(queries, bank)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
