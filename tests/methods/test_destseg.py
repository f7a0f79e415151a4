"""DeSTSeg: the paper's sizes, its losses in numpy, its two stages, what it draws, its plans."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from setups import CPU, batch_of, cloth, extractor, make
from torch import Tensor, nn

from core.backbones.features import build
from core.backbones.weights import resolve
from core.config import parse
from core.errors import UsageError
from core.layers.aspp import ASPP, LoneBatchNorm
from core.layers.denoising_student import agreement, denoising_loss, small_masks
from core.maps import finish
from core.methods.base import Batch
from core.methods.destseg import DeSTSeg, DeSTSegConfig
from core.workspace import Workspace


def count(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_trainable_parts_have_the_papers_size(tmp_path) -> None:
    tag, meta = "resnet18.tv_in1k:random", torch.device("meta")
    teacher = build(tag, DeSTSeg.levels, resolve(tag, None, Workspace(tmp_path)), meta)
    assert teacher.channels == (64, 128, 256)
    with meta:
        method = DeSTSeg(DeSTSegConfig(), teacher, 256)
        rebuilt = method.student(torch.empty(1, 3, 256, 256), ((64, 64), (32, 32), (16, 16)))
        logits = method.segmentation(torch.empty(1, 448, 64, 64))
    assert count(method.student.encoder) == pytest.approx(11.18, abs=0.005)
    decoder = count(method.student.bottom) + count(method.student.stages)
    assert decoder == pytest.approx(13.49, abs=0.005)
    assert count(method.segmentation) == pytest.approx(7.71, abs=0.005)
    assert count(method) == pytest.approx(DeSTSeg.card.parameters, abs=0.005)
    shapes = [tuple(level.shape[1:]) for level in rebuilt]
    assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16)]
    assert logits.shape == (1, 1, 64, 64)


def levels(seed: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3, 4, 4), (2, 5, 2, 2))
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_students_loss_sums_over_images_and_levels() -> None:
    theirs, mine = levels(0), levels(1)
    expected = 0.0
    for one, other in zip(theirs, mine, strict=True):
        cosine = (unit(one.numpy()) * unit(other.numpy())).sum(axis=1)
        expected += (1 - cosine).mean(axis=(1, 2)).sum()
    assert float(denoising_loss(theirs, mine)) == pytest.approx(expected, rel=1e-6)
    assert float(denoising_loss(theirs, theirs)) == pytest.approx(0.0, abs=1e-6)


def test_agreement_is_minus_the_product_of_directions_at_the_finest_level() -> None:
    theirs, mine = levels(0), levels(1)
    found = agreement(theirs, mine)
    assert found.shape == (2, 8, 4, 4) and found.dtype == torch.float32
    fine, coarse = (
        -unit(one.numpy()) * unit(other.numpy()) for one, other in zip(theirs, mine, strict=True)
    )
    np.testing.assert_allclose(found[:, :3], fine, atol=1e-6)
    # from 2 to 4 pixels with corners not aligned: the outer pixel, then 3 : 1 of the two
    np.testing.assert_allclose(found[:, 3:, 0, 0], coarse[:, :, 0, 0], atol=1e-6)
    np.testing.assert_allclose(
        found[:, 3:, 0, 1], 0.75 * coarse[:, :, 0, 0] + 0.25 * coarse[:, :, 0, 1], atol=1e-6
    )


def test_masks_are_resized_and_count_from_one_half_on() -> None:
    masks = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    masks[..., 1, 1:3] = True  # two of the four middle pixels of the first 4 x 4
    masks[..., 5, 5] = True  # one of four
    assert small_masks(masks, (2, 2)).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]


class Known(DeSTSeg):
    """Draws what it is told."""

    def draw(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        masks = torch.zeros(len(images_BCHW), 1, 96, 96, dtype=torch.bool)
        masks[:, :, 20:60, 30:70] = True
        images = images_BCHW.float() / 255
        return torch.where(masks, 1 - images, images), masks


def known() -> Known:
    torch.manual_seed(0)
    return Known(DeSTSegConfig(width=8), extractor(DeSTSeg.levels), 96)


def test_the_first_stage_compares_with_the_clean_images_features() -> None:
    method = known()
    method.on_epoch(0, 100)
    method.train()
    batch = batch_of(method, cloth(2, seed=0))
    (losses,) = method.training_steps(batch)
    spoilt, _ = method.draw(cloth(2, seed=0))
    method.student.train()
    with torch.no_grad():
        sides = ((24, 24), (12, 12), (6, 6))
        rebuilt = method.student(method.extractor.normalised(spoilt), sides)
        expected = denoising_loss(method.extractor(cloth(2, seed=0)), rebuilt)
    assert set(losses) == {"denoising"}
    assert float(losses["denoising"].detach()) == pytest.approx(float(expected), rel=1e-5)
    losses["denoising"].backward()
    assert all(parameter.grad is not None for parameter in method.student.parameters())
    assert all(parameter.grad is None for parameter in method.segmentation.parameters())


def test_the_second_stage_trains_the_segmentation_alone_and_losses_in_numpy() -> None:
    method = known()
    method.on_epoch(20, 100)
    method.train()
    assert method.segmentation.training and not method.student.training
    before = {name: value.clone() for name, value in method.student.state_dict().items()}
    method.segmentation.eval()  # so that numpy meets the same statistics
    batch = batch_of(method, cloth(2, seed=0))
    (losses,) = method.training_steps(batch)
    spoilt, masks = method.draw(cloth(2, seed=0))
    with torch.no_grad():
        theirs = method.extractor(spoilt)
        mine = method.student(method.extractor.normalised(spoilt), ((24, 24), (12, 12), (6, 6)))
        p = torch.sigmoid(method.segmentation(agreement(theirs, mine))).double().numpy()
    small = F.interpolate(masks.float(), (24, 24), mode="bilinear").numpy() >= 0.5
    true = np.where(small, p, 1 - p)
    focal, absolute = -((1 - true) ** 4 * np.log(true)).mean(), np.abs(p - small).mean()
    assert float(losses["focal"].detach()) == pytest.approx(focal, rel=1e-4)
    assert float(losses["absolute"].detach()) == pytest.approx(absolute, rel=1e-4)
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is None for parameter in method.student.parameters())
    assert all(parameter.grad is not None for parameter in method.segmentation.parameters())
    assert all(torch.equal(before[name], now) for name, now in method.student.state_dict().items())


def test_stages_share_the_epochs_one_to_four() -> None:
    method = make(DeSTSeg)
    method.config = DeSTSegConfig()

    def switch(epochs: int) -> int:
        stages = []
        for epoch in range(epochs):
            method.on_epoch(epoch, epochs)
            stages.append(sorted(method.stages))
        first = sum("student" in stage for stage in stages)
        assert stages == [["student"]] * first + [["segmentation"]] * (epochs - first)
        return first

    assert [switch(epochs) for epochs in (2, 3, 5, 10, 100)] == [1, 1, 1, 2, 20]
    method.on_epoch(0, 1)
    assert method.stages == {"student", "segmentation"}
    method.train()
    steps = list(method.training_steps(batch_of(method, cloth(2, seed=0))))
    assert [sorted(step) for step in steps] == [["denoising"], ["absolute", "focal"]]


def test_both_stages_survive_autocast_and_a_single_image() -> None:
    method = make(DeSTSeg)
    for epoch in (0, 1):
        method.on_epoch(epoch, 2)
        method.train()
        batch = batch_of(method, cloth(1, seed=0))
        with torch.autocast("cpu", torch.bfloat16):
            (losses,) = method.training_steps(batch)
        assert all(value.dtype == torch.float32 for value in losses.values())
        torch.stack(list(losses.values())).sum().backward()
        found = [p.grad for p in method.parameters() if p.grad is not None]
        assert found and all(bool(gradient.isfinite().all()) for gradient in found)


def test_every_image_gets_an_anomaly() -> None:
    torch.manual_seed(0)
    method = DeSTSeg(DeSTSegConfig(width=8), extractor(DeSTSeg.levels), 64)
    images = torch.full((200, 3, 64, 64), 102, dtype=torch.uint8)
    spoilt, masks = method.draw(images)
    assert spoilt.dtype == torch.float32 and masks.dtype == torch.bool
    touched = (spoilt - 0.4).abs().amax(dim=1, keepdim=True) > 1e-6
    assert not bool((touched & ~masks).any())
    assert float(masks.flatten(1).any(dim=1).float().mean()) > 0.85, "few masks are empty"


def test_the_map_is_a_probability_at_stride_four_and_the_score_its_highest() -> None:
    method = make(DeSTSeg)
    logits = torch.full((1, 1, 24, 24), -2.0)
    logits[..., 5, 7] = 1.0
    method.segmentation = nn.Module()  # type: ignore[assignment]
    method.segmentation.forward = lambda agreement_BCHW: logits  # type: ignore[method-assign]
    with torch.inference_mode():
        raw = method.eval().predict(cloth(1, seed=0))
        final = finish(raw, method.rule, 96)
    (level,) = raw.levels_BHW
    assert level.shape == (1, 24, 24)
    assert float(level[0, 5, 7]) == pytest.approx(1 / (1 + np.exp(-1.0)))
    expected = F.interpolate(level[:, None], (96, 96), mode="bilinear")[:, 0]
    assert torch.equal(final.maps_BHW, expected), "corners not aligned, not smoothed"
    assert float(final.scores_B) == float(final.ader_scores_B) == float(expected.max())


def test_plans_are_aders_and_the_papers() -> None:
    torch.manual_seed(0)
    method = DeSTSeg(DeSTSegConfig(width=8), extractor(DeSTSeg.levels), 96)
    plan = method.plan()
    student, segmentation = plan.optimizers
    groups = [*student.param_groups, *segmentation.param_groups]
    assert [group["lr"] for group in groups] == [0.4, 0.1, 0.01]
    assert {(group["momentum"], group["weight_decay"]) for group in groups} == {(0.9, 1e-4)}
    owners = (method.student, method.segmentation.blocks, method.segmentation.head)
    for group, owner in zip(groups, owners, strict=True):
        assert {id(p) for p in group["params"]} == {id(p) for p in owner.parameters()}
    assert plan.clip_norm == 5.0 and plan.schedule(99, 100) == 1.0 and DeSTSeg.batch_size == 32
    paper = parse(DeSTSegConfig, {"width": 8, **DeSTSeg.paper.settings}, "destseg")
    assert DeSTSeg(paper, extractor(DeSTSeg.levels), 96).plan().clip_norm is None


def test_aspp_sees_the_whole_and_three_reaches() -> None:
    torch.manual_seed(0)
    layer = ASPP(4, 3).eval()
    assert [reach[0].dilation for reach in layer.reaches] == [(6, 6), (12, 12), (18, 18)]
    nn.init.zeros_(layer.join[0].weight)
    layer.join[0].weight.data[:, :3, 1, 1] = torch.eye(3)  # the whole's branch alone
    x = torch.rand(2, 4, 10, 10)
    with torch.no_grad():
        found, whole = layer(x), layer.whole[0](x.mean(dim=(2, 3), keepdim=True))
    expected = whole.clamp(min=0).expand_as(found) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(found, expected / (1 + 1e-5) ** 0.5)


def test_a_lone_value_meets_running_statistics() -> None:
    norm, plain = LoneBatchNorm(3).train(), nn.BatchNorm2d(3).train()
    many = torch.randn(4, 3, 1, 1)
    torch.testing.assert_close(norm(many), plain(many))
    lone = torch.randn(1, 3, 1, 1)
    torch.testing.assert_close(norm(lone), plain.eval()(lone))
    assert torch.equal(norm.running_mean, plain.running_mean)


def test_small_images_are_refused_and_textures_checked(tmp_path) -> None:
    with pytest.raises(UsageError, match="--size came as 32"):
        DeSTSeg(DeSTSegConfig(), extractor(DeSTSeg.levels), 32)
    with pytest.raises(UsageError, match="is no folder"):
        DeSTSeg.check(DeSTSegConfig(textures=str(tmp_path / "none")))
    assert "generated" in DeSTSeg.check(DeSTSegConfig())[0]


def test_odd_sizes_work() -> None:
    torch.manual_seed(0)
    method = DeSTSeg(DeSTSegConfig(width=8), extractor(DeSTSeg.levels), 100).eval()
    with torch.inference_mode():
        (level,) = method.predict(torch.zeros(1, 3, 100, 100, dtype=torch.uint8)).levels_BHW
    assert level.shape == (1, 25, 25)
    images = torch.zeros(2, 3, 100, 100, dtype=torch.uint8)
    batch = Batch(images, method.extractor(images.to(CPU)))
    losses = [value for step in method.training_steps(batch) for value in step.values()]
    assert len(losses) == 3 and all(bool(value.isfinite()) for value in losses)
