"""MambaAD: the paper's sizes with the paper's backbone, its loss, map and optimizer by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from setups import CPU, SIZE, batch_of, cloth, extractor, make, predict
from torch import Tensor

from core.backbones.features import build
from core.backbones.weights import resolve
from core.engine.training import optimise, stepping
from core.errors import UsageError
from core.layers.state_space import LSSBlock
from core.methods.mambaad import MambaAD, MambaADConfig
from core.workspace import Workspace


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> MambaAD:
    """With a ResNet-34 at 256 px, without memory behind it."""
    tag, meta = MambaAD.backbone + ":random", torch.device("meta")
    space = Workspace(tmp_path_factory.mktemp("space"))
    with meta:
        return MambaAD(
            MambaADConfig(), build(tag, MambaAD.levels, resolve(tag, None, space), meta), 256
        )


def test_trainable_parts_have_the_papers_size(papers: MambaAD) -> None:
    assert papers.extractor.channels == (64, 128, 256)
    assert count(papers.fusion) / 1e6 == pytest.approx(1.46, abs=0.005)
    assert count(papers) / 1e6 == pytest.approx(MambaAD.card.parameters, abs=0.005)
    # What the original counts too: a bias before each of the three normalised 1x1 convolutions of
    # the fusion, an unused 3x3 depthwise convolution a block, two tables of positions a layer.
    biases = 128 + 256 + 256
    unused = 9 * sum((512, 2 * 256, 2 * 128, 64))
    tables = 2 * sum((3 * 8**2, 4 * 16**2, 6 * 32**2, 3 * 64**2))
    assert (count(papers.decoder) + unused + tables) / 1e6 == pytest.approx(16.04, abs=0.005)
    assert (count(papers) + biases + unused + tables) / 1e6 == pytest.approx(17.50, abs=0.005)


def test_stages_have_the_papers_widths_and_sides(papers: MambaAD) -> None:
    stages = [
        [(b.join.out_channels, b.layers[0].mix.order_KP.shape[1], len(b.layers)) for b in stage
         if isinstance(b, LSSBlock)]
        for stage in papers.decoder.stages
    ]  # fmt: skip
    assert stages == [
        [(512, 8**2, 3)],
        [(256, 16**2, 2), (256, 16**2, 2)],
        [(128, 32**2, 3), (128, 32**2, 3)],
        [(64, 64**2, 3)],
    ]
    mix = papers.decoder.stages[3][1].layers[0].mix
    assert mix.log_decay_KND.shape == (8, 16, 128) and mix.step_weight_KRD.shape == (8, 4, 128)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_loss_is_five_times_the_squared_error_and_the_map_one_minus_cosine() -> None:
    method = make(MambaAD).eval()
    batch = batch_of(method, cloth(2, seed=0))
    with torch.no_grad():
        loss = float(method.training_step(batch)["error"])
        levels_BHW = method.score(batch.features).levels_BHW
        rebuilt = method.decoder(method.fusion(batch.features))
    pairs = [
        (theirs.double().numpy(), mine.double().numpy())
        for theirs, mine in zip(batch.features, rebuilt, strict=True)
    ]
    expected = 5 * sum(((theirs - mine) ** 2).mean() for theirs, mine in pairs)
    assert loss == pytest.approx(expected, rel=1e-5)
    for (theirs, mine), level_BHW in zip(pairs, levels_BHW, strict=True):
        assert level_BHW.shape == (2, *theirs.shape[2:])
        found, wanted = float(level_BHW[1, 2, 1]), cosine(theirs[1, :, 2, 1], mine[1, :, 2, 1])
        assert found == pytest.approx(1 - wanted, abs=1e-5)


def test_the_image_score_is_the_highest_value_of_the_smoothed_map() -> None:
    assert (MambaAD.rule.align_corners, MambaAD.rule.sigma) == (True, 4.0)
    final = predict(make(MambaAD), cloth(2, seed=1))
    assert torch.equal(final.scores_B, final.maps_BHW.amax(dim=(1, 2)))


def test_plan_is_aders() -> None:
    method = make(MambaAD)
    plan = method.plan()
    (adamw,) = plan.optimizers
    assert type(adamw) is torch.optim.AdamW
    decayed, others = adamw.param_groups
    for group, decay in ((decayed, 1e-4), (others, 0.0)):
        found = (group["lr"], group["betas"], group["weight_decay"])
        assert found == (5e-3, (0.9, 0.999), decay)
    assert len(decayed["params"]) + len(others["params"]) == len(list(method.parameters()))
    mix = method.decoder.stages[0][0].layers[0].mix
    inside = {id(parameter) for parameter in decayed["params"]}
    assert {id(p) for p in (mix.log_decay_KND, mix.step_bias_KD, mix.controls)} <= inside
    assert not {id(p) for p in (mix.skip, mix.norm.weight, mix.convolution.bias)} & inside
    assert plan.clip_norm == 5.0
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]


def test_presets() -> None:
    assert (MambaAD.epochs, MambaAD.batch_size, MambaAD.trains_on) == (100, 16, "features")
    assert MambaAD.paper.epochs == 1000 and not MambaAD.paper.settings
    settings = MambaADConfig()
    assert (settings.depths, settings.states, settings.expansion) == ((3, 4, 6, 3), 16, 2)


def test_a_step_in_bfloat16_is_finite() -> None:
    method = make(MambaAD).train()
    batch = batch_of(method, cloth(2, seed=0))
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.training_step(batch)["error"]
    loss.backward()
    assert bool(loss.isfinite()) and loss.dtype == torch.float32
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name


@pytest.mark.parametrize("size", [32, 100])
def test_sizes_it_cannot_halve_five_times_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        MambaAD(MambaADConfig(), extractor(MambaAD.levels), size)


def test_one_image_at_the_smallest_size() -> None:
    """The fused map is 2 x 2 there: just enough for statistics over one image."""
    method = make(MambaAD, size=64).train()
    image: Tensor = cloth(1, seed=0)[:, :, : SIZE - 32, : SIZE - 32]
    plan = method.plan()
    for losses in stepping(method, batch_of(method, image), CPU):
        optimise(plan, losses)
    assert bool(predict(method, image).maps_BHW.isfinite().all())
