"""RealNet: the paper's sizes with the paper's backbone, its choice, its losses, its map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from setups import CPU, batch_of, cloth, extractor
from small import SMALL
from torch import Tensor, nn

from core import maps
from core.backbones.features import build
from core.backbones.weights import resolve
from core.config import parse
from core.engine.training import optimise, stepping
from core.errors import UsageError
from core.layers.feature_selection import channel_errors, smallest
from core.layers.pixel_judge import PixelJudge
from core.methods import realnet
from core.methods.base import Batch
from core.methods.realnet import RealNet, RealNetConfig
from core.types import RawPrediction
from core.workspace import Workspace

SQUARE = (slice(None), slice(None), slice(8, 40), slice(16, 60))


def small(size: int = 96, **settings: Any) -> RealNet:
    torch.manual_seed(0)
    config = RealNetConfig(**{**SMALL["realnet"], **settings})
    return RealNet(config, extractor(RealNet.levels), size)


def quiet(fraction: float, message: str) -> None:
    pass


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every drawn anomaly is the same rectangle."""

    def one(count: int, size: int, device: torch.device) -> Tensor:
        masks = torch.zeros(count, 1, size, size, dtype=torch.bool)
        masks[SQUARE] = True
        return masks

    monkeypatch.setattr(realnet, "perlin_masks", one)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_trained_parts_have_the_papers_size(tmp_path) -> None:
    """0.591 G together with the backbone, as the published run's log says."""
    tag, meta = "wide_resnet50_2.racm_in1k:random", torch.device("meta")
    wide = build(tag, RealNet.levels, resolve(tag, None, Workspace(tmp_path)), meta)
    with meta:
        method = RealNet(RealNetConfig(), wide, 256)
        backbone = wide.fresh()
    assert method.selection.counts == (256, 512, 512, 256) and not method.narrow
    assert [network.enter.out_channels for network in method.rebuild] == [128, 256, 256, 128]
    assert method.residuals.counts == (256, 256)
    assert count(method) / 1e6 == pytest.approx(RealNet.card.parameters, abs=0.05)
    assert (count(method) + count(backbone)) / 1e9 == pytest.approx(0.591, abs=0.0005)


def test_narrow_levels_are_taken_whole() -> None:
    method = small(selected=(256, 512, 512, 256), residuals=256)
    assert method.selection.counts == (24, 40, 112, 256) and method.narrow
    assert [network.enter.out_channels for network in method.rebuild] == [32, 32, 64, 128]
    assert method.residuals.counts == (72, 72), "a sixth of 432"


def test_the_judge_is_two_residual_layers_and_five_convolutions() -> None:
    torch.manual_seed(2)
    judge = PixelJudge(6).double()
    for parameter in judge.parameters():
        nn.init.normal_(parameter, std=0.2)
    x_BCHW = torch.randn(2, 6, 5, 4, dtype=torch.float64, requires_grad=True)
    hidden = x_BCHW
    for layer in judge.residual:
        inner = F.conv2d(hidden.relu(), layer[1].weight, padding=1)
        hidden = hidden + F.conv2d(inner.relu(), layer[3].weight)
    first, norm, second, third = (judge.narrow[place] for place in (1, 2, 4, 6))
    hidden = F.conv2d(hidden.relu(), first.weight, first.bias, padding=1)
    rows = hidden.transpose(0, 1).flatten(1)
    scaled = (rows - rows.mean(1, True)) / (rows.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    scaled = scaled * norm.weight[:, None] + norm.bias[:, None]
    hidden = scaled.view(hidden.transpose(0, 1).shape).transpose(0, 1).relu()
    for part in (second, third):
        hidden = F.conv2d(hidden, part.weight, part.bias, padding=1).relu()
    hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=True)
    for part, last in ((judge.decide[0], False), (judge.decide[2], True)):
        hidden = F.conv2d(hidden, part.weight, part.bias, padding=1)
        hidden = hidden if last else hidden.relu()
    found = judge(x_BCHW)
    assert found.shape == (2, 2, 10, 8)
    assert [m.out_channels for m in (first, second, third)] == [128, 32, 8]
    torch.testing.assert_close(found, hidden)
    roots = [x_BCHW, *judge.parameters()]
    for mine, theirs in zip(
        torch.autograd.grad(found.square().sum(), roots),
        torch.autograd.grad(hidden.square().sum(), roots),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_losses_are_squared_distances_to_clean_features_and_cross_entropy(square: None) -> None:
    method = small().eval()
    nn.init.normal_(method.rebuild[0].leave[2].weight, std=0.02)  # else it rebuilds zeros
    batch = batch_of(method, cloth(4, seed=0))
    torch.manual_seed(7)
    with torch.no_grad():
        losses = method.training_step(batch)
    torch.manual_seed(7)
    places = (torch.rand(4) >= 0.5).nonzero()[:, 0]
    assert 0 < len(places) < 4, "some are altered, some are not"
    images = batch.images_BCHW.float() / 255
    images[places] = method._drawn(batch.images_BCHW[places])[0]
    masks = torch.zeros(4, 96, 96, dtype=torch.bool)
    masks[places, SQUARE[2], SQUARE[3]] = True
    distance, residuals = 0.0, []
    with torch.no_grad():
        for level, network in enumerate(method.rebuild):
            kept = method.selection.chosen(level)
            clean = batch.features[level][:, kept]
            seen = method.extractor(images)[level][:, kept]
            rebuilt = network(seen)
            distance += float(np.square(rebuilt.numpy() - clean.numpy()).mean())
            squared = torch.from_numpy(np.square(seen.numpy() - rebuilt.numpy()))
            residuals.append(F.interpolate(squared, (24, 24), mode="bilinear", align_corners=True))
        logits = method.judge(method.residuals(torch.cat(residuals, dim=1)))
        logits = F.interpolate(logits, (96, 96), mode="bilinear", align_corners=True)
    odds = logits.double().numpy()
    right = np.where(masks.numpy(), odds[:, 1], odds[:, 0])
    entropy = (np.log(np.exp(odds).sum(axis=1)) - right).mean()
    assert float(losses["rebuilding"]) == pytest.approx(distance, rel=1e-4)
    assert float(losses["mask"]) == pytest.approx(entropy, rel=1e-4)
    assert set(losses) == {"rebuilding", "mask"}


@pytest.mark.parametrize(("whole", "least"), [(False, 0.2), (True, 0.5)])
def test_anomalies_are_blended_in_at_the_papers_strengths(
    whole: bool, least: float, square: None, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """White over black: what is seen inside is the weight itself."""
    Image.new("RGB", (40, 40), "white").save(tmp_path / "white.png")
    seen_to: list[int] = []

    def operations(textures_BCHW: Tensor) -> Tensor:
        seen_to.append(len(textures_BCHW))
        return textures_BCHW

    monkeypatch.setattr(realnet, "altered", operations)
    folder = {"anomalies" if whole else "textures": str(tmp_path)}
    drawn, masks = small(**folder)._drawn(torch.zeros(300, 3, 96, 96, dtype=torch.uint8))
    weights = drawn[:, 0, 20, 20].clone()
    assert torch.equal(drawn[SQUARE], weights[:, None, None, None].expand(drawn[SQUARE].shape))
    drawn[SQUARE] = 0
    assert not bool(drawn.any()), "nothing changes outside"
    assert bool(masks[SQUARE].all()) and int(masks.sum()) == masks[SQUARE].numel()
    assert least <= float(weights.min()) < least + 0.05 and 0.95 < float(weights.max()) <= 1
    assert float(weights.mean()) == pytest.approx((least + 1) / 2, abs=0.05)
    assert seen_to == ([] if whole else [300]), "DRAEM's operations are for textures"


def test_normal_images_keep_their_cached_features(square: None) -> None:
    method = small(normal_share=0.75)
    batch = batch_of(method, cloth(8, seed=0))
    marked = Batch(batch.images_BCHW, tuple(level + 1000 for level in batch.features))
    torch.manual_seed(1)
    seen, masks = method._altered_half(marked.images_BCHW, method._chosen(marked.features))
    altered = masks.flatten(1).any(dim=1)
    assert 0 < int(altered.sum()) < 8
    for level in seen:
        assert ((level.flatten(1).mean(dim=1) < 500) == altered).all(), "only these were recomputed"
    method = small(normal_share=0.999999)
    torch.manual_seed(1)
    clean = method._chosen(batch.features)
    seen, masks = method._altered_half(batch.images_BCHW, clean)
    assert seen is clean and not bool(masks.any())


def test_channels_are_chosen_on_drawn_anomalies_and_narrow_levels_measured(square: None) -> None:
    method = small(selection_batches=3, selected=(20, 40, 50, 16)).eval()
    batches = [batch_of(method, cloth(2, seed=seed)) for seed in range(5)]
    torch.manual_seed(5)
    with torch.no_grad():
        method.before_training(iter(batches), quiet)
    torch.manual_seed(5)
    totals = [torch.zeros(channels) for channels in method.extractor.channels]
    for batch in batches:  # all five, though three would do
        images, masks = method._drawn(batch.images_BCHW)
        for level, altered in enumerate(method.extractor(images)):
            totals[level] += channel_errors(batch.features[level], altered, masks)
    for level, total in enumerate(totals):
        keep = (20, 40, 50, 16)[level]
        assert torch.equal(method.selection.chosen(level), smallest(total, keep))
        size = torch.cat([batch.features[level] for batch in batches]).square().mean().sqrt()
        assert float(method.size_L[level]) == pytest.approx(float(size), rel=1e-5)
    assert method.selection.chosen(3).tolist() != list(range(16))


def test_few_batches_are_drawn_on_again() -> None:
    method = small(selection_batches=7).eval()
    batches = [batch_of(method, cloth(2, seed=seed)) for seed in range(3)]
    drawn: list[int] = []
    original = method._drawn

    def spy(images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        drawn.append([torch.equal(images_BCHW, b.images_BCHW) for b in batches].index(True))
        return original(images_BCHW)

    method._drawn = spy  # type: ignore[method-assign]
    with torch.no_grad():
        method.before_training(iter(batches), quiet)
    assert drawn == [0, 1, 2, 0, 1, 2, 0]


def test_wide_backbones_keep_their_own_scale(square: None) -> None:
    method = small()
    method.narrow = False
    with torch.no_grad():
        method.before_training([batch_of(method, cloth(2, seed=0))], quiet)
    assert method.size_L.tolist() == [1, 1, 1, 1]


def test_plan_is_aders_and_the_papers_never_lowers_the_rate() -> None:
    plan = small(learning_rate=RealNetConfig().learning_rate).plan()
    (adam,) = plan.optimizers
    group = adam.param_groups[0]
    assert isinstance(adam, torch.optim.Adam)
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.999), 0)
    assert plan.clip_norm is None
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]
    settings = parse(RealNetConfig, dict(RealNet.paper.settings), "realnet")
    plan = small(**settings.model_dump(include=set(RealNet.paper.settings))).plan()
    assert RealNet.paper.epochs == 1000 and plan.schedule(999, 1000) == 1.0
    assert (RealNet.batch_size, RealNet.backbone) == (16, "wide_resnet50_2.racm_in1k")


def test_the_map_is_the_probability_and_the_score_its_pooled_maximum() -> None:
    method = small().eval()
    last = method.judge.decide[2]
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([0.0, 1.5]))
        raw = method.predict(cloth(2, seed=0))
    expected = torch.full((2, 96, 96), 1 / (1 + np.exp(-1.5)), dtype=torch.float32)
    torch.testing.assert_close(raw.levels_BHW[0], expected)
    spotted = torch.zeros(1, 96, 96)
    spotted[0, 50:54, 10:20] = 1
    final = maps.finish(RawPrediction((spotted,)), RealNet.rule, 96)
    assert torch.equal(final.maps_BHW, spotted), "no smoothing"
    assert float(final.scores_B) == float(final.ader_scores_B) == pytest.approx(40 / 256)


def test_a_step_in_bfloat16_is_finite_and_its_differences_are_not_rounded() -> None:
    method = small().train()
    batch = batch_of(method, cloth(4, seed=0))
    kinds: list[torch.dtype] = []
    method.residuals.register_forward_hook(lambda m, given, _: kinds.append(given[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.training_step(batch)
    assert {value.dtype for value in losses.values()} == {torch.float32} and kinds == [
        torch.float32
    ]
    optimise(method.plan(), losses)
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name


def test_check_says_where_anomalies_come_from(tmp_path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    folder = str(tmp_path)
    assert any("diffusion model" in s for s in RealNet.check(RealNetConfig()))
    assert any("generated" in s for s in RealNet.check(RealNetConfig()))
    assert any(folder in s for s in RealNet.check(RealNetConfig(textures=folder)))
    (said,) = RealNet.check(RealNetConfig(anomalies=folder))
    assert folder in said and said.endswith(".")
    for settings in ({"textures": folder + "/none"}, {"anomalies": folder + "/none"}):
        with pytest.raises(UsageError, match=f"Setting {next(iter(settings))} came as"):
            RealNet.check(RealNetConfig(**settings))


def test_a_trained_model_needs_no_folder() -> None:
    method = small(textures="/nowhere/at/all").eval()
    with torch.inference_mode():
        assert bool(method.predict(cloth(1, seed=0)).levels_BHW[0].isfinite().all())


def test_odd_levels_and_a_single_image_will_do() -> None:
    """At 96 px the last level is 3 x 3, which three stages cannot halve twice."""
    method = small(multipliers=(1, 2, 4), normal_share=0.0).train()
    for losses in stepping(method, batch_of(method, cloth(1, seed=0)), CPU):
        optimise(method.plan(), losses)
    with torch.inference_mode():
        final = method.eval().predict(cloth(1, seed=1)).levels_BHW[0]
    assert final.shape == (1, 96, 96) and bool(final.isfinite().all())


@pytest.mark.parametrize("size", [32, 100])
def test_sizes_it_cannot_halve_five_times_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        small(size)
