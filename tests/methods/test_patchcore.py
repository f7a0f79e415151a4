"""PatchCore: its bank and its distances against scikit-learn, patch by patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from setups import batch_of, cloth, extractor, make, predict, train, with_blot
from sklearn.neighbors import NearestNeighbors

from core.layers.coreset import greedy_coreset
from core.layers.patches import patch_features
from core.methods.patchcore import PatchCore, PatchCoreConfig, _taken
from core.seeding import seed_everything


def test_the_bank_is_a_tenth_of_all_patches_chosen_greedily() -> None:
    method, images = make(PatchCore), cloth(6, seed=0)
    train(method, images, steps=1)
    rows = patch_features(method.extractor(images), None).flatten(0, 2)
    assert rows.shape == (6 * 12 * 12, 152)
    chosen = greedy_coreset(
        rows,
        round(0.1 * len(rows)),
        generator=torch.Generator().manual_seed(seed_everything(0, "training")),
    )
    assert torch.allclose(method.bank, rows[chosen], atol=1e-5)


def test_a_whole_bank_scores_its_own_images_zero() -> None:
    method = PatchCore(PatchCoreConfig(coreset_ratio=1.0), extractor(PatchCore.levels), 96)
    images = cloth(2, seed=0)
    train(method, images, steps=1)
    (level_BHW,) = method.score(batch_of(method, images).features).levels_BHW
    assert len(method.bank) == 2 * 12 * 12 and float(level_BHW.max()) < 1e-6
    assert float(predict(method, with_blot(images)).scores_B.min()) > 1


@pytest.mark.parametrize("neighbours", [1, 4])
def test_maps_are_mean_squared_distances_to_the_bank(neighbours: int) -> None:
    config = PatchCoreConfig(neighbours=neighbours)
    method = PatchCore(config, extractor(PatchCore.levels), 96)
    train(method, cloth(4, seed=0), steps=1)
    batch = batch_of(method, with_blot(cloth(2, seed=1)))
    (level_BHW,) = method.score(batch.features).levels_BHW
    rows = patch_features(batch.features, None).flatten(0, 2).double().numpy()
    model = NearestNeighbors(n_neighbors=neighbours, algorithm="brute")
    distances, _ = model.fit(method.bank.double().numpy()).kneighbors(rows)
    expected = (distances**2).mean(axis=1).reshape(2, 12, 12)
    np.testing.assert_allclose(level_BHW.numpy(), expected, rtol=1e-4)


def test_more_neighbours_than_rows_take_all_rows() -> None:
    config = PatchCoreConfig(neighbours=50, coreset_ratio=0.01)
    method = PatchCore(config, extractor(PatchCore.levels), 96)
    train(method, cloth(1, seed=0), steps=1)
    assert len(method.bank) == 1
    assert bool(predict(method, cloth(1, seed=1)).maps_BHW.isfinite().all())


def test_the_bank_is_taken_from_chunks_in_the_order_of_choice() -> None:
    rows = torch.randn(60, 3)
    chosen = torch.tensor([59, 0, 13, 14, 5, 40])
    taken = _taken(list(rows.split([14, 1, 30, 15])), chosen, torch.device("cpu"))
    assert torch.equal(taken, rows[chosen])
