"""CFLOW-AD: the paper's size, its fibres, its loss, its rates and its map by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from setups import CPU, batch_of, cloth, extractor, make
from test_papers import Wide
from torch import Tensor, nn

from core.config import parse
from core.engine.training import optimise, stepping
from core.layers.positions import position_code
from core.layers.rotation import rotated
from core.methods.base import Batch
from core.methods.cflow import CFlow, CFlowConfig

CHANNELS = (4, 6, 8)


def small(**settings: object) -> CFlow:
    torch.manual_seed(0)
    config = CFlowConfig(**{"blocks": 1, "condition": 8, **settings})
    return CFlow(config, Wide(*CHANNELS), 256)  # type: ignore[arg-type]


def levels(images: int, size: int = 256, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(images, channels, size // stride, size // stride, generator=generator)
        for channels, stride in zip(CHANNELS, (8, 16, 32), strict=True)
    )


class Spy(nn.Module):
    """A flow that keeps what it is given and finds everything alike."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.rows: list[Tensor] = []
        self.places: list[Tensor] = []

    def forward(self, x_NC: Tensor, place_ND: Tensor) -> tuple[Tensor, Tensor]:
        self.rows.append(x_NC)
        self.places.append(place_ND)
        return x_NC * self.weight, self.weight * torch.zeros(len(x_NC))


def test_trainable_parts_have_the_papers_size() -> None:
    with torch.device("meta"):
        method = CFlow(CFlowConfig(), Wide(512, 1024, 2048), 256)  # type: ignore[arg-type]
    trained = sum(parameter.numel() for parameter in method.parameters())
    assert trained / 1e6 == pytest.approx(CFlow.card.parameters, abs=0.005)
    assert trained / 1e6 == pytest.approx(81.7, abs=0.06)
    rotations = sum(buffer.numel() for name, buffer in method.named_buffers() if "rotation" in name)
    # ADer's 169.7 M hold every rotation twice, forth and back
    assert (trained + 2 * rotations) / 1e6 == pytest.approx(169.7, abs=0.1)


def test_a_batch_of_32_images_at_256_px_makes_168_steps() -> None:
    method = small()
    losses = list(method.training_steps(Batch(None, levels(32))))
    assert len(losses) == 128 + 32 + 8
    assert all(set(named) == {"likelihood"} for named in losses)


def test_fibres_hold_each_vector_at_most_once_with_the_code_of_its_place() -> None:
    method = small(fibre=100)
    method.flows = nn.ModuleList(Spy() for _ in CHANNELS)
    features = levels(3)
    assert len(list(method.training_steps(Batch(None, features)))) == 30 + 7 + 1
    for spy, level_BCHW, fibres in zip(method.flows, features, (30, 7, 1), strict=True):
        assert [len(rows) for rows in spy.rows] == [100] * fibres
        rows, places = torch.cat(spy.rows), torch.cat(spy.places)
        assert len(rows.unique(dim=0)) == len(rows)
        height, width = level_BCHW.shape[2:]
        code_PD = position_code(8, height, width)
        for row, place in zip(rows[:40], places[:40], strict=True):
            same_BHW = (level_BCHW == row.view(1, -1, 1, 1)).all(dim=1)
            _, y, x = same_BHW.nonzero()[0].tolist()
            torch.testing.assert_close(place, code_PD[y * width + x])
        assert not torch.equal(rows, level_BCHW.permute(0, 2, 3, 1).flatten(0, 2)[: len(rows)])


def test_the_loss_is_minus_the_log_sigmoid_of_the_likelihood_per_channel() -> None:
    method = small(fibre=10_000)
    features = levels(1)
    for flow, level_BCHW, named in zip(
        method.flows, features, method.training_steps(Batch(None, features)), strict=True
    ):
        channels = level_BCHW.shape[1]
        rows = level_BCHW[0].flatten(1).T
        with torch.no_grad():
            z, logdet = flow(rows, position_code(8, *level_BCHW.shape[2:]))
        z, logdet = z.double().numpy(), logdet.double().numpy()
        log_p = -channels / 2 * math.log(2 * math.pi) - (z**2).sum(axis=1) / 2 + logdet
        expected = np.log1p(np.exp(-log_p / channels)).mean()
        assert float(named["likelihood"].detach()) == pytest.approx(expected, rel=1e-5)


def test_a_step_moves_the_flow_of_its_own_level_alone() -> None:
    method = small(fibre=10_000)
    plan = method.plan()
    held = [[p.detach().clone() for p in flow.parameters()] for flow in method.flows]
    steps = stepping(method, Batch(None, levels(2)), CPU)
    for step in range(3):
        optimise(plan, next(steps))
        moved = [
            any(not torch.equal(p, old) for p, old in zip(flow.parameters(), before, strict=True))
            for flow, before in zip(method.flows, held, strict=True)
        ]
        assert moved == [level == step for level in range(3)]
        held = [[p.detach().clone() for p in flow.parameters()] for flow in method.flows]


def test_plan_is_aders() -> None:
    plan = small().plan()
    (adam,) = plan.optimizers
    group = adam.param_groups[0]
    assert isinstance(adam, torch.optim.Adam)
    assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.9, 0.999), 0)
    assert plan.clip_norm is None
    rates = [2e-4 * plan.schedule(epoch, 100) for epoch in range(100)]
    for epoch in range(20, 100):
        meta = epoch // 10
        expected = 2e-7 + (2e-4 - 2e-7) * (1 + math.cos(math.pi * meta / 10)) / 2
        assert rates[epoch] == pytest.approx(expected, rel=1e-9)
    # linear from 2e-5 to 1.809e-4 over twenty epochs, at the middle of each
    steps = np.linspace(2e-5, 1.80921e-4, 41)[1::2]
    np.testing.assert_allclose(rates[:20], steps, rtol=1e-4)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 10, 25, 300])
def test_any_number_of_epochs_warms_up_and_cools_down(epochs: int) -> None:
    schedule = small().plan().schedule
    factors = [schedule(epoch, epochs) for epoch in range(epochs)]
    assert all(0.02 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert max(factors) > 0.6, "no run stays in warm-up"
    if epochs >= 10:
        assert top / epochs <= 0.3 and factors[-1] < 0.03


def test_the_papers_preset_is_its_own_code() -> None:
    settings = parse(CFlowConfig, dict(CFlow.paper.settings), "method cflow")
    assert (settings.meta_epochs, settings.rotation, CFlow.paper.epochs) == (25, 5.0, 200)
    schedule = small(meta_epochs=25).plan().schedule
    assert schedule(8, 200) < schedule(15, 200) < schedule(16, 200)  # two meta epochs of eight
    assert schedule(16, 200) == schedule(23, 200) > schedule(24, 200)


def test_the_highest_likelihood_is_that_of_the_training_images() -> None:
    method = small().eval()
    first, second = levels(2, seed=1), levels(1, seed=2)
    with torch.no_grad():
        method.after_training([Batch(None, first), Batch(None, second)], lambda f, m: None)
        maps = [method._likelihoods(features) for features in (first, second)]
    for index in range(3):
        highest = max(float(one[index].max()) for one in maps)
        assert float(method.highest_L[index]) == pytest.approx(highest, abs=1e-6)
    assert "highest_L" in method.state_dict()


def test_the_map_is_minus_the_likelihood_as_a_share_of_the_highest() -> None:
    method = small().eval()
    features = levels(2)
    with torch.no_grad():
        likelihoods = [level.double().numpy() for level in method._likelihoods(features)]
        method.highest_L.copy_(torch.tensor([float(np.median(level)) for level in likelihoods]))
        maps = method.score(features).levels_BHW
    for level, found, flow, features_BCHW in zip(
        likelihoods, maps, method.flows, features, strict=True
    ):
        expected = -np.minimum(1, np.exp(level - np.median(level)))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)
        assert (found == -1).sum() >= found.numel() // 2, "more likely counts as that likely"
        with torch.no_grad():  # one vector alone, at its own place
            z, logdet = flow(
                features_BCHW[1, :, 3, 5][None],
                position_code(8, *features_BCHW.shape[2:])[3 * features_BCHW.shape[3] + 5][None],
            )
        channels = features_BCHW.shape[1]
        alone = (float(logdet) - float(z.square().sum()) / 2) / channels
        assert level[1, 3, 5] == pytest.approx(alone - math.log(2 * math.pi) / 2, abs=1e-5)


def test_many_images_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    method = small().eval()
    features = levels(3)
    with torch.no_grad():
        whole = method.score(features).levels_BHW
        monkeypatch.setattr("core.methods.cflow.ROWS", 1)
        for one, other in zip(method.score(features).levels_BHW, whole, strict=True):
            torch.testing.assert_close(one, other)


def test_rotation_runs_the_backbone_on_turned_images() -> None:
    torch.manual_seed(0)
    config = CFlowConfig(blocks=1, rotation=5.0, fibre=10_000)
    method = CFlow(config, extractor(CFlow.levels), 96)
    assert method.trains_on == "images" and make(CFlow).trains_on == "features"
    method.flows = nn.ModuleList(Spy() for _ in range(3))
    images = cloth(2, seed=0)
    batch = batch_of(method, images)
    assert batch.features == ()
    torch.manual_seed(7)
    degrees = torch.empty(2).uniform_(-5, 5)
    torch.manual_seed(7)
    assert len(list(method.training_steps(batch))) == 3
    turned = method.extractor(rotated(images.float() / 255, degrees))
    unturned = method.extractor(images)
    for spy, level_BCHW, plain_BCHW in zip(method.flows, turned, unturned, strict=True):
        expected = level_BCHW.permute(0, 2, 3, 1).flatten(0, 2)
        torch.testing.assert_close(spy.rows[0].sum(dim=0), expected.sum(dim=0), rtol=1e-3, atol=0.1)
        assert not torch.allclose(level_BCHW, plain_BCHW, atol=0.1)
    with torch.no_grad():
        method.after_training([batch], lambda f, m: None)
    for spy, plain_BCHW in zip(method.flows, unturned, strict=True):
        torch.testing.assert_close(spy.rows[-1], plain_BCHW.permute(0, 2, 3, 1).flatten(0, 2))


def test_a_step_under_autocast_is_that_in_float32() -> None:
    losses = []
    for enabled in (False, True):
        method = small(fibre=10_000)
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            named = list(method.training_steps(Batch(None, levels(2))))
        losses.append(torch.stack([one["likelihood"] for one in named]))
        losses[-1].sum().backward()
        assert all(bool(p.grad.isfinite().all()) for p in method.parameters())
    torch.testing.assert_close(losses[1], losses[0])


def test_a_batch_smaller_than_a_fibre_is_one() -> None:
    method = CFlow(CFlowConfig(blocks=1), extractor(CFlow.levels), 96)
    method.flows = nn.ModuleList(Spy() for _ in range(3))
    assert len(list(method.training_steps(batch_of(method, cloth(1, seed=0))))) == 3
    assert [len(spy.rows[0]) for spy in method.flows] == [144, 36, 9]
