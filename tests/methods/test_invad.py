"""InvAD and InvAD-lite: the paper's sizes, loss, plan and map."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from setups import SIZE, batch_of, cloth, extractor, make, train
from small import SMALL
from test_papers import Student, Wide
from torch import Tensor, nn

from core import maps
from core.engine.training import optimise
from core.errors import UsageError
from core.methods.base import Batch, Method
from core.methods.invad import InvAD, InvADConfig
from core.methods.invad_lite import InvADLite, InvADLiteConfig

WIDE_RESNET, RESNET = (256, 512, 1024), (64, 128, 256)
both = pytest.mark.parametrize("kind", [InvAD, InvADLite])


def count(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize(
    ("kind", "channels", "fuser", "decoder", "whole"),
    [(InvAD, WIDE_RESNET, 3.49, 67.28, 70.77), (InvADLite, RESNET, 0.45, 8.52, 8.98)],
)
def test_trained_parts_have_the_papers_size(
    kind: Any, channels: tuple[int, ...], fuser: float, decoder: float, whole: float
) -> None:
    with torch.device("meta"):
        method = kind(kind.Config(), Wide(*channels), 256)
    assert count(method.fuser) == pytest.approx(fuser, abs=0.005)
    assert count(method.decoder) == pytest.approx(decoder, abs=0.005)
    assert count(method) == pytest.approx(whole, abs=0.005) == kind.card.parameters
    features = tuple(
        torch.empty(1, c, side, side, device="meta")
        for c, side in zip(channels, (64, 32, 16), strict=True)
    )
    assert [level.shape for level in method.rebuilt(features)] == [f.shape for f in features]
    assert [tuple(style.shape[1:]) for style in method.fuser(features)] == [
        (64, 16, 16), (64, 32, 32), (64, 64, 64),
    ]  # fmt: skip


@both
@pytest.mark.parametrize("side", [2, 3])
def test_widths_follow_any_backbone_and_any_multiple_of_sixteen(kind: Any, side: int) -> None:
    channels = (24, 40, 112)
    method = kind(kind.Config(**SMALL[kind.id]), Wide(*channels), 16 * side)
    features = tuple(
        torch.randn(2, c, side * k, side * k) for c, k in zip(channels, (4, 2, 1), strict=True)
    )
    rebuilt = method.rebuilt(features)
    assert [level.shape for level in rebuilt] == [level.shape for level in features]
    (level,) = method.eval().score(features).levels_BHW
    assert level.shape == (2, 4 * side, 4 * side)


@both
@pytest.mark.parametrize("size", [16, 100])
def test_other_sizes_are_refused_by_name(kind: Any, size: int) -> None:
    with pytest.raises(UsageError, match=rf"^{kind.card.title} .*--size came as {size}"):
        kind(kind.Config(), extractor(kind.levels), size)


def off_by(*differences: float) -> Any:
    """A decoder whose levels are off by these constants; the fuser hands on the features."""
    return Student(
        lambda levels: tuple(
            level + difference for level, difference in zip(levels, differences, strict=True)
        )
    )


@pytest.mark.parametrize(("kind", "factor"), [(InvAD, 1), (InvADLite, 5)])
def test_loss_is_the_sum_of_the_levels_mean_squares(kind: Any, factor: int) -> None:
    method = kind(kind.Config(), Wide(2, 2, 2), 32)
    method.fuser, method.decoder = nn.Identity(), off_by(1.0, -2.0, 0.5)
    features = tuple(torch.randn(3, 2, side, side) for side in (8, 4, 2))
    losses = method.training_step(Batch(None, features))
    assert list(losses) == ["error"]
    assert float(losses["error"]) == pytest.approx(factor * (1 + 4 + 0.25), rel=1e-5)


def test_map_by_hand() -> None:
    method = InvAD(InvADConfig(), Wide(2, 1, 1), 32)  # type: ignore[arg-type]
    method.fuser = nn.Identity()  # type: ignore[assignment]

    def opposite_second(levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first, second, third = levels
        return 9 * first, -second, 2 * third

    method.decoder = Student(opposite_second)  # type: ignore[assignment]
    features = (torch.randn(2, 2, 8, 8), torch.ones(2, 1, 4, 4), torch.ones(2, 1, 2, 2))
    (level,) = method.score(features).levels_BHW
    # three unit vectors joined: product 1 - 1 + 1, lengths sqrt 3: one minus a third
    torch.testing.assert_close(level, torch.full((2, 8, 8), 2 / 3))


@both
def test_map_is_one_joint_cosine_aligned_and_smoothed(kind: type[Method]) -> None:
    method: Any = make(kind).eval()
    features = method.extractor(cloth(2, seed=0))
    with torch.no_grad():
        rebuilt = method.rebuilt(features)
        final = maps.finish(method.score(features), kind.rule, SIZE)

    def joined(levels: tuple[Tensor, ...]) -> Tensor:
        unit = [level / level.norm(dim=1, keepdim=True) for level in levels]
        return torch.cat(
            [F.interpolate(u, (24, 24), mode="bilinear", align_corners=True) for u in unit], dim=1
        )

    raw = 1 - F.cosine_similarity(joined(features), joined(rebuilt), dim=1)
    large = F.interpolate(raw[:, None], (SIZE, SIZE), mode="bilinear", align_corners=True)[:, 0]
    expected = maps.smooth(large, 4.0)
    torch.testing.assert_close(final.maps_BHW, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(final.scores_B, expected.amax((1, 2)), rtol=1e-4, atol=1e-5)
    assert kind.rule.score == kind.rule.ader_score == "max"


@both
def test_plan_is_aders(kind: type[Method]) -> None:
    plan = make(kind).plan()
    (adam,) = plan.optimizers
    assert type(adam) is torch.optim.Adam
    (group,) = adam.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (4e-3, (0.0, 0.99), 0)
    assert plan.clip_norm == 5.0
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]
    assert (kind.epochs, kind.batch_size, kind.levels) == (100, 32, (4, 8, 16))
    assert kind.paper.epochs == 300 and not kind.paper.settings


def test_the_lite_form_differs_in_backbone_blocks_and_loss_alone() -> None:
    large, lite = InvADConfig().model_dump(), InvADLiteConfig().model_dump()
    assert large.keys() == lite.keys()
    changed = {name: (large[name], lite[name]) for name in large if large[name] != lite[name]}
    assert changed == {"loss_weight": (1.0, 5.0), "blocks": (2, 4)}
    assert (InvAD.backbone, InvADLite.backbone) == (
        "wide_resnet50_2.racm_in1k",
        "resnet34.bt_in1k",
    )
    assert (InvAD.id, InvADLite.id) == ("invad", "invad_lite")
    assert InvAD.card.title == "InvAD" and InvADLite.card.title == "InvAD-lite"
    assert "ResNet-34" in InvADLite.card.deviations[0]


@both
def test_a_step_in_bf16_has_finite_losses_and_gradients(kind: type[Method]) -> None:
    method = make(kind)
    batch = batch_of(method, cloth(2, seed=0))
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.training_step(batch)
    assert losses["error"].dtype == torch.float32 and bool(losses["error"].isfinite())
    optimise(method.plan(), losses)
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        before_norm = name.startswith("fuser.shrink") and name.endswith("0.bias")
        assert before_norm or float(parameter.grad.abs().sum()) > 0, name


def test_one_image_at_a_time_is_learnt_at_the_smallest_size() -> None:
    method = make(InvAD, size=32)
    losses = train(method, cloth(1, seed=0)[:, :, :32, :32].contiguous(), steps=12)
    assert all(loss == loss for loss in losses) and losses[-1] < losses[0]
