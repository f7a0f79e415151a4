"""CFA: the paper's size, its memory, losses and score by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from setups import batch_of, cloth, extractor, make
from test_papers import Wide
from torch import Tensor, nn

from core import maps
from core.errors import UsageError
from core.methods.base import Batch
from core.methods.cfa import CFA, CFAConfig


def silent(fraction: float, message: str) -> None:
    """A report to nobody."""


def remembering(method: CFA, images: Tensor, size: int) -> CFA:
    with torch.no_grad():
        method.eval().before_training([batch_of(method, b) for b in images.split(size)], silent)
    return method


def test_trainable_parts_have_the_papers_size() -> None:
    with torch.device("meta"):
        method = CFA(CFAConfig(), Wide(256, 512, 1024), 256)  # type: ignore[arg-type]
    count = sum(parameter.numel() for parameter in method.parameters())
    assert count == (1792 + 2) * 1792 + 1792 + 1
    assert count / 1e6 == pytest.approx(CFA.card.parameters, abs=0.005)
    assert method.memory.shape == (4096, 1792) and not method.narrow


def described(method: CFA, features: tuple[Tensor, ...]) -> Tensor:
    """Neighbourhood means, resized, joined with coordinates, mapped: the long way, float64."""
    height, width = features[0].shape[2:]
    levels = []
    for level in features:
        padded = F.pad(float(method.scale) * level.double(), (1, 1, 1, 1))
        mean = F.unfold(padded, 3).view(len(level), level.shape[1], 9, -1).mean(dim=2)
        mean = mean.view(level.shape)
        levels.append(F.interpolate(mean, (height, width), mode="bilinear"))
    down = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None].expand(height, width)
    right = torch.linspace(-1, 1, width, dtype=torch.float64)[None].expand(height, width)
    places = torch.stack([right, down]).expand(len(levels[0]), -1, -1, -1)
    joined = torch.cat([*levels, places], dim=1).permute(0, 2, 3, 1)
    linear = method.descriptor.joined
    return joined @ linear.weight.detach().double().T + linear.bias.detach().double()


def test_the_memory_is_the_mean_descriptor_of_all_images_at_each_position() -> None:
    images = cloth(5, seed=0)
    method = remembering(make(CFA), images, 2)  # the last batch has one image
    of_images = described(method, method.extractor(images))
    assert method.memory.shape == (24 * 24, 24 + 40 + 112)
    expected = of_images.mean(dim=0).flatten(0, 1).float()
    torch.testing.assert_close(method.memory, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_memory_does_not_depend_on_the_batch_size(size: int) -> None:
    images = cloth(5, seed=0)
    expected, found = remembering(make(CFA), images, 2), remembering(make(CFA), images, size)
    torch.testing.assert_close(found.scale, expected.scale, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.memory, expected.memory, rtol=1e-5, atol=1e-6)


def test_narrow_features_are_scaled_and_the_papers_are_not() -> None:
    images = cloth(4, seed=0)
    method = remembering(make(CFA), images, 3)
    variances = [
        level.double().var(dim=(0, 2, 3), correction=0) for level in method.extractor(images)
    ]
    deviation = math.sqrt(float(torch.cat(variances).mean()))
    assert deviation > 1 and float(method.scale) == pytest.approx(0.5 / deviation, rel=1e-5)
    wide = CFA(CFAConfig(), Wide(2, 2, 1788), 32)  # type: ignore[arg-type]
    levels = tuple(9 * torch.randn(2, c, s, s) for c, s in ((2, 8), (2, 4), (1788, 2)))
    wide.before_training([Batch(None, levels)], silent)
    assert float(wide.scale) == 1.0


class Fixed(nn.Module):
    """A descriptor that gives the first level's values as they are."""

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        return levels[0].permute(0, 2, 3, 1)


def on_a_line(*memory: float, **settings: object) -> CFA:
    """One channel that is 0 everywhere, beside memory entries at the given places."""
    method = CFA(CFAConfig.model_validate(settings), Wide(1, 1, 1), 32)  # type: ignore[arg-type]
    method.descriptor = Fixed()  # type: ignore[assignment]
    method.memory = torch.tensor(memory)[:, None]
    return method


NOTHING = tuple(torch.zeros(1, 1, side, side) for side in (8, 4, 2))


def test_losses_by_hand() -> None:
    """Squared distances 0.01, 0.04, 0.09 and 0.16, 0.25, 1 (4 is too far), r 0.6, margin 0.1."""
    method = on_a_line(0.5, -0.1, 0.2, 2.0, -0.3, 0.4, -1.0)
    method.radius.data.fill_(0.6)
    losses = method.training_step(Batch(None, NOTHING))
    assert losses["attraction"].item() == pytest.approx(0.0)
    # r^2 - d - margin: 0.36 - 0.16 - 0.1 = 0.1, 0.36 - 0.25 - 0.1 = 0.01, nothing
    assert losses["repulsion"].item() == pytest.approx((0.1 + 0.01) / 3 * 1000, rel=1e-4)
    method.radius.data.fill_(0.1)
    losses = method.training_step(Batch(None, NOTHING))
    assert losses["attraction"].item() == pytest.approx((0.03 + 0.08) / 3 * 1000, rel=1e-4)
    assert losses["repulsion"].item() == 0.0
    losses["attraction"].backward()
    # -2 r for the two outside, over three, times 1000
    assert float(method.radius.grad) == pytest.approx(-0.2 * 2 / 3 * 1000, rel=1e-4)  # type: ignore[arg-type]


def test_the_score_is_the_nearest_distance_times_its_softmin() -> None:
    method = on_a_line(3.0, -1.0, 2.0, 5.0, -7.0, 6.0)
    (level,) = method.score(NOTHING).levels_BHW
    share = math.exp(-1) / (math.exp(-1) + math.exp(-2) + math.exp(-3))
    torch.testing.assert_close(level, torch.full((1, 8, 8), share * 1.0))


def test_map_and_image_score_are_finished_as_by_ader() -> None:
    """Upsampled with corners not aligned, smoothed by 4, best mean over 16 x 16 px."""
    method = remembering(make(CFA), cloth(3, seed=0), 2)
    with torch.no_grad():
        raw = method.predict(cloth(2, seed=1))
    final = maps.finish(raw, method.rule, method.size)
    up = F.interpolate(raw.levels_BHW[0][:, None], (96, 96), mode="bilinear")[:, 0]
    smoothed = maps.smooth(up, 4.0)
    torch.testing.assert_close(final.maps_BHW, smoothed)
    best = F.avg_pool2d(smoothed[:, None], 16, stride=1).amax(dim=(1, 2, 3))
    torch.testing.assert_close(final.scores_B, best)
    assert torch.equal(final.scores_B, final.ader_scores_B)


def test_one_image_is_at_distance_zero_of_its_own_memory() -> None:
    image = cloth(1, seed=0)
    method = remembering(make(CFA), image, 1)
    features = method.extractor(image)
    assert float(method.training_step(Batch(None, features))["attraction"].detach()) > 0
    with torch.no_grad():
        (level,) = method.score(features).levels_BHW
    assert float(level.abs().max()) < 1e-5


def test_the_memory_stays_while_the_descriptor_learns() -> None:
    method = remembering(make(CFA), cloth(2, seed=0), 2)
    before = method.memory.clone()
    (adam,) = method.plan().optimizers
    sum(method.training_step(batch_of(method, cloth(2, seed=1))).values()).backward()  # type: ignore[union-attr]
    adam.step()
    assert torch.equal(method.memory, before) and "memory" in method.state_dict()


def test_autocast_changes_nothing() -> None:
    method = remembering(make(CFA), cloth(2, seed=0), 2)
    batch = batch_of(method, cloth(2, seed=1))
    expected = method.training_step(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = method.training_step(batch)
    for name, value in expected.items():
        assert float(found[name].detach()) == pytest.approx(float(value.detach()), rel=1e-6)
    found["attraction"].backward()
    gradients = [parameter.grad for parameter in method.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)


def test_plan_is_aders() -> None:
    plan = make(CFA).plan()
    (adam,) = plan.optimizers
    assert isinstance(adam, torch.optim.AdamW)
    matrices, rest = adam.param_groups
    assert (matrices["lr"], matrices["weight_decay"], matrices["amsgrad"]) == (1e-3, 5e-4, True)
    assert (rest["lr"], rest["weight_decay"], rest["amsgrad"]) == (1e-3, 0.0, True)
    assert len(matrices["params"]) == 1 and len(rest["params"]) == 2
    assert plan.clip_norm is None and plan.schedule(99, 100) == 1.0
    assert (CFA.epochs, CFA.batch_size) == (100, 4)
    assert (CFA.paper.epochs, CFA.paper.size, CFA.paper.batch_size) == (30, 224, None)


def test_more_neighbours_than_positions_are_refused() -> None:
    config = CFAConfig(neighbours=40, negatives=30)
    with pytest.raises(UsageError, match="70 memory entries, but an image of 32 px has 64"):
        CFA(config, extractor(CFA.levels), 32)
