"""RD: the paper's sizes with the paper's backbone, its loss and its map by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from setups import batch_of, cloth, extractor, make

from core.backbones.features import build
from core.backbones.weights import resolve
from core.errors import UsageError
from core.methods.rd import RD, RDConfig
from core.workspace import Workspace


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_trainable_parts_have_the_papers_size(tmp_path) -> None:
    tag, meta = "wide_resnet50_2.racm_in1k:random", torch.device("meta")
    wide = build(tag, RD.levels, resolve(tag, None, Workspace(tmp_path)), meta)
    assert wide.channels == (256, 512, 1024)
    with meta:
        method = RD(RDConfig(), wide, 256)
    assert count(method.embedding) / 1e6 == pytest.approx(30.83, abs=0.005)
    assert count(method.decoder) / 1e6 == pytest.approx(24.92, abs=0.005)
    assert count(method) / 1e6 == pytest.approx(55.75, abs=0.005)
    embedded = torch.empty(1, 2048, 8, 8, device=meta)
    shapes = [tuple(level.shape[1:]) for level in method.decoder(embedded)]
    assert shapes == [(256, 64, 64), (512, 32, 32), (1024, 16, 16)]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_loss_and_map_are_one_minus_cosine() -> None:
    method = make(RD).eval()
    batch = batch_of(method, cloth(2, seed=0))
    with torch.no_grad():
        loss = float(method.training_step(batch)["distance"])
        levels_BHW = method.score(batch.features).levels_BHW
        rebuilt = method.decoder(method.embedding(batch.features))
    pairs = [
        (theirs.double().numpy(), mine.double().numpy())
        for theirs, mine in zip(batch.features, rebuilt, strict=True)
    ]
    expected = sum(
        1 - np.mean([cosine(theirs[i].ravel(), mine[i].ravel()) for i in range(2)])
        for theirs, mine in pairs
    )
    assert loss == pytest.approx(expected, rel=1e-5)
    for (theirs, mine), level_BHW in zip(pairs, levels_BHW, strict=True):
        assert level_BHW.shape == (2, *theirs.shape[2:])
        assert float(level_BHW[1, 2, 1]) == pytest.approx(
            1 - cosine(theirs[1, :, 2, 1], mine[1, :, 2, 1]), abs=1e-5
        )


def test_plan_is_aders() -> None:
    plan = make(RD).plan()
    (adam,) = plan.optimizers
    group = adam.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (5e-3, (0.5, 0.999), 0)
    assert plan.clip_norm == 5.0
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]


@pytest.mark.parametrize("size", [32, 100])
def test_sizes_it_cannot_halve_five_times_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        RD(RDConfig(), extractor(RD.levels), size)
