"""PyramidFlow: the paper's size, its loss, its template and its map by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from setups import cloth, extractor, make, predict, train
from test_papers import Wide
from torch import Tensor

from core.config import parse
from core.errors import UsageError
from core.layers.pyramid_flow import compose
from core.methods.base import Batch
from core.methods.pyramidflow import PyramidFlowConfig, PyramidFlowMethod

CHANNELS, SIZE = 3, 64


def small(**settings: object) -> PyramidFlowMethod:
    torch.manual_seed(0)
    config = PyramidFlowConfig(**{"stacks": 1, "kernel": 3, **settings})
    method = PyramidFlowMethod(config, Wide(CHANNELS), SIZE)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # away from the start, where couplings do nothing
        for parameter in method.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return method


def features(images: int, seed: int = 0) -> tuple[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(images, CHANNELS, SIZE // 4, SIZE // 4, generator=generator),)


def channel_mean(levels: list[np.ndarray]) -> np.ndarray:
    """Of the pyramid composed in full, all channels of it. [B, H, W]"""
    return compose(tuple(torch.from_numpy(level) for level in levels)).numpy().mean(axis=1)


def test_trainable_parts_have_the_papers_size_and_work() -> None:
    with torch.device("meta"):
        method = PyramidFlowMethod(PyramidFlowConfig(), Wide(64), 256)  # type: ignore[arg-type]
    trained = sum(parameter.numel() for parameter in method.parameters())
    # 8 couplings hear two levels, 8 one; 7 x 7 kernels, 128 wide; 16 mixings of 64 channels
    convolutions = 8 * 49 * (128 + 128) * 128 + 8 * 49 * (64 + 128) * 128
    assert trained == convolutions + 16 * (2 * 64 * 64 + 64) == 22_610_944
    assert method.card.parameters == pytest.approx(trained / 1e6, abs=0.005)
    shapes = [tuple(level.shape) for level in method._template()]
    assert shapes == [(64, 64, 64), (64, 32, 32), (64, 16, 16), (64, 8, 8)]


def test_the_loss_is_the_mean_amplitude_of_the_pairs_difference() -> None:
    method = small().eval()  # so that one image does not move the other's latent
    batch = Batch(None, features(2))
    with torch.no_grad():
        loss = float(method.training_step(batch)["difference"])
        latent = [level.double().numpy() for level in method.flow(batch.features[0])]
    squares = [(level[:1] - level[1:]) ** 2 for level in latent]
    expected = np.abs(np.fft.fft2(channel_mean(squares))).mean()
    assert expected > 1
    assert loss == pytest.approx(expected, rel=1e-4)


def test_larger_batches_are_the_mean_over_all_pairs() -> None:
    method = small().eval()
    (level_BCHW,) = features(4)
    with torch.no_grad():
        loss = method.training_step(Batch(None, (level_BCHW,)))["difference"]
        pairs = [
            method.training_step(Batch(None, (level_BCHW[[i, j]],)))["difference"]
            for i in range(4)
            for j in range(i)
        ]
    assert len({float(pair) for pair in pairs}) == 6
    torch.testing.assert_close(loss, torch.stack(pairs).mean())


def test_a_lone_image_has_nothing_to_differ_from() -> None:
    method = small().train()
    loss = method.training_step(Batch(None, features(1)))["difference"]
    assert float(loss.detach()) == 0
    loss.backward()
    for parameter in method.parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().max()) == 0


def test_equal_images_do_not_differ() -> None:
    (level_BCHW,) = features(1)
    loss = small().train().training_step(Batch(None, (level_BCHW.repeat(2, 1, 1, 1),)))
    assert float(loss["difference"].detach()) == 0


def test_the_template_is_the_mean_latent_pyramid_however_batches_fall() -> None:
    method = small().eval()
    (level_BCHW,) = features(5)
    templates = []
    for size in (2, 5):
        with torch.no_grad():
            method.after_training(
                [Batch(None, (part,)) for part in level_BCHW.split(size)], lambda f, m: None
            )
        templates.append([level.clone() for level in method._template()])
    with torch.no_grad():
        latent = method.flow(level_BCHW)
    for twos, fives, level in zip(*templates, latent, strict=True):
        torch.testing.assert_close(twos, fives)
        torch.testing.assert_close(twos, level.mean(dim=0))
        assert float(twos.abs().max()) > 0.1
    assert {f"template_{index}" for index in range(4)} <= set(method.state_dict())


def test_the_map_is_the_composed_distance_from_the_template() -> None:
    method = small().eval()
    batch, others = Batch(None, features(2)), Batch(None, features(3, seed=1))
    with torch.no_grad():
        method.after_training([others], lambda f, m: None)
        (found,) = method.score(batch.features).levels_BHW
        latent = method.flow(batch.features[0])
    distances = [
        np.abs(level.double().numpy() - mean.double().numpy())
        for level, mean in zip(latent, method._template(), strict=True)
    ]
    assert found.shape == (2, 16, 16)
    np.testing.assert_allclose(found.numpy(), channel_mean(distances), rtol=1e-4)


def test_plan_is_aders() -> None:
    plan = small().plan()
    (adam,) = plan.optimizers
    group = adam.param_groups[0]
    assert isinstance(adam, torch.optim.Adam)
    assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.9))
    assert (group["eps"], group["weight_decay"]) == (1e-4, 1e-5)
    assert plan.clip_norm == 5.0 and PyramidFlowMethod.batch_size == 2
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]


def test_the_papers_preset_is_its_own_code() -> None:
    paper = PyramidFlowMethod.paper
    settings = parse(PyramidFlowConfig, dict(paper.settings), "method pyramidflow")
    plan = small(**settings.model_dump(include=set(paper.settings))).plan()
    assert plan.clip_norm == 1.0 and plan.schedule(14, 15) == 1.0
    assert (paper.epochs, paper.size) == (15, 1024)


@pytest.mark.parametrize(("size", "count"), [(80, 4), (256, 8), (100, 2)])
def test_sizes_it_cannot_halve_are_refused(size: int, count: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        PyramidFlowMethod(
            PyramidFlowConfig(pyramid_levels=count),
            extractor(PyramidFlowMethod.levels),
            size,
        )


def test_kernels_have_a_middle() -> None:
    with pytest.raises(UsageError, match="kernel"):
        parse(PyramidFlowConfig, {"kernel": 4}, "method pyramidflow")


def test_a_step_under_autocast_is_finite_and_close() -> None:
    losses = []
    for enabled in (False, True):
        method = small().train()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(method.training_step(Batch(None, features(2)))["difference"])
        losses[-1].backward()
        assert all(bool(p.grad.isfinite().all()) for p in method.parameters())
        assert any(float(p.grad.abs().max()) > 0 for p in method.parameters())
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], rtol=0.02, atol=0)


def test_the_map_is_enlarged_bilinearly_without_smoothing() -> None:
    method = make(PyramidFlowMethod)
    train(method, cloth(2, seed=0), steps=1)
    images = cloth(2, seed=1)
    final = predict(method, images)
    with torch.no_grad():
        (raw,) = method.predict(images).levels_BHW
    expected = F.interpolate(raw[:, None], scale_factor=4, mode="bilinear")[:, 0]
    torch.testing.assert_close(final.maps_BHW, expected)
    torch.testing.assert_close(final.scores_B, expected.amax(dim=(1, 2)))
