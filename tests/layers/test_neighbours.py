"""Exact nearest neighbours against scipy's tree, and where cancellation would hurt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from core.layers import neighbours
from core.layers.neighbours import nearest


@pytest.mark.parametrize("k", [1, 3, 9])
def test_neighbours_are_the_trees(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BANK", 64)
    monkeypatch.setattr(neighbours, "QUERIES", 50)
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(300, 12)), rng.normal(size=(130, 12))
    squared, index = nearest(torch.from_numpy(queries).float(), torch.from_numpy(bank).float(), k=k)
    expected, places = cKDTree(bank).query(queries, k=k)
    np.testing.assert_allclose(
        squared.numpy().squeeze(), expected.squeeze() ** 2, rtol=1e-4, atol=1e-5
    )
    assert (index.numpy().squeeze() == places.squeeze()).mean() > 0.99


def test_a_row_of_the_bank_is_at_distance_zero_even_far_from_the_origin() -> None:
    bank = 1e3 + torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    squared, index = nearest(bank[:100], bank)
    assert torch.equal(index[:, 0], torch.arange(100))
    assert float(squared.max()) == 0.0


def test_memory_does_not_grow_with_queries_times_bank() -> None:
    assert neighbours.QUERIES * neighbours.BANK * 4 <= 64 * 2**20
