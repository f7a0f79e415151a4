"""RD++: sizes with the paper's backbone, the noise on images, each loss by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from setups import SIZE, batch_of, cloth, extractor, make
from torch import Tensor, nn

from core.backbones.features import build
from core.backbones.weights import resolve
from core.errors import UsageError
from core.layers.projection import Projection
from core.layers.sinkhorn import sinkhorn_divergence
from core.methods.base import Batch
from core.methods.rdpp import RDPP, RDPPConfig, contrast, rebuilding, transport, with_noise
from core.types import MapRule
from core.workspace import Workspace


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_trainable_parts_have_the_papers_size(tmp_path) -> None:
    tag, meta = "wide_resnet50_2.racm_in1k:random", torch.device("meta")
    wide = build(tag, RDPP.levels, resolve(tag, None, Workspace(tmp_path)), meta)
    with meta:
        method = RDPP(RDPPConfig(), wide, 256)
    # the published 15.49 has biases before the norms: one a channel that comes out
    biases = sum(c // 2 + c // 4 + c // 2 + c for c in wide.channels)
    assert (count(method.projections) + biases) / 1e6 == pytest.approx(15.49, abs=0.005)
    assert count(method.embedding) / 1e6 == pytest.approx(30.83, abs=0.005)
    assert count(method.decoder) / 1e6 == pytest.approx(24.92, abs=0.005)
    assert count(method) / 1e6 == pytest.approx(RDPP.card.parameters, abs=0.005)


def test_a_projection_in_numpy() -> None:
    torch.manual_seed(0)
    projection = Projection(8).double()
    level = 3 + torch.randn(2, 8, 5, 6, dtype=torch.float64)
    x = level.numpy()
    widths = []
    for conv in (part for part in projection.layers if isinstance(part, nn.Conv2d)):
        kernel = conv.weight.detach().numpy()
        widths.append(kernel.shape[0])
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        x = sum(
            np.einsum("oi,bihw->bohw", kernel[:, :, a, b], padded[:, :, a : a + 5, b : b + 6])
            for a in range(3)
            for b in range(3)
        )
        x = x - x.mean(axis=(2, 3), keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=(2, 3), keepdims=True) + 1e-5)
        x = np.where(x > 0, x, 0.01 * x)
    assert widths == [4, 2, 4, 8]
    np.testing.assert_allclose(projection(level).detach().numpy(), x, atol=1e-10)
    projection.eval()
    np.testing.assert_allclose(projection(level).detach().numpy(), x, atol=1e-10)


def changed_rectangle(difference_CHW: Tensor) -> tuple[int, int, int, int]:
    rows = difference_CHW.abs().amax(dim=(0, 2)).nonzero()[:, 0]
    columns = difference_CHW.abs().amax(dim=(0, 1)).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_noise_lies_on_one_rectangle_of_each_image() -> None:
    torch.manual_seed(0)
    size, images = 64, torch.full((200, 3, 64, 64), 255, dtype=torch.uint8)
    difference = with_noise(images, 0.2) - 1
    tops, heights, widths = [], [], []
    for one in difference:
        top, bottom, left, right = changed_rectangle(one)
        heights.append(bottom - top + 1)
        widths.append(right - left + 1)
        tops.append(top)
        assert min(top, left) >= 1 and max(bottom, right) <= size - 2
        inside = one[:, top : bottom + 1, left : right + 1]
        assert float((inside != 0).float().mean()) > 0.95, "the whole rectangle has noise"
    assert (min(heights), max(heights), min(widths), max(widths)) == (10, 31, 10, 31)
    assert min(tops) == 1 and max(tops) > 40
    touched = difference[difference != 0]
    assert float(touched.mean()) == pytest.approx(0, abs=0.01)
    assert 0.06 < float(touched.std()) < 0.1  # 0.2 times six octaves of deviation 0.4
    assert float(difference.max()) > 0.1, "nothing is clipped"
    assert len({round(float(one.sum()), 4) for one in difference}) == 200


def test_noise_keeps_the_rest_and_follows_the_generator() -> None:
    images = cloth(4, seed=0)
    torch.manual_seed(5)
    first = with_noise(images, 0.2)
    torch.manual_seed(5)
    again = with_noise(images, 0.4)
    plain = images.float() / 255
    torch.testing.assert_close(again - plain, 2 * (first - plain), atol=1e-6, rtol=0)
    assert first.dtype == torch.float32
    kept = (first == plain).float().mean(dim=(1, 2, 3))
    assert bool((kept > 1 - 31 * 31 / SIZE**2).all())


def test_losses_of_the_projections_by_hand() -> None:
    clean = (torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).repeat(2, 1, 2, 2),)
    noisy = (torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).repeat(2, 1, 2, 2),)
    assert float(rebuilding(noisy, clean)) == pytest.approx(0.4)  # 1 - 3/5
    assert float(contrast(noisy, clean)) == pytest.approx(0.1)  # 3/5 - 1/2
    assert float(contrast((-noisy[0],), clean)) == 0
    half = (torch.cat([noisy[0][:1], -noisy[0][1:]]),)
    assert float(rebuilding(half, clean)) == pytest.approx((0.4 + 1.6) / 2)
    assert float(contrast(half, clean)) == pytest.approx(0.05)
    assert float(contrast(noisy * 2, clean * 2)) == pytest.approx(0.2), "levels are summed"


def test_contrast_compares_whole_levels() -> None:
    """Two places that agree and one that is opposite: (2 - 1) / 3, below the margin."""
    clean = (torch.ones(1, 1, 1, 3),)
    assert float(contrast((torch.tensor([1.0, 1, -1]).view(1, 1, 1, 3),), clean)) == 0
    assert float(contrast((torch.tensor([1.0, 1, 1]).view(1, 1, 1, 3),), clean)) == pytest.approx(
        0.5
    )


def test_transport_compares_the_directions_of_different_images() -> None:
    torch.manual_seed(0)
    level = torch.randn(3, 4, 3, 3)
    clouds = F.normalize(level.flatten(2).transpose(1, 2), dim=2)
    pairs = [sinkhorn_divergence(clouds[[i]], clouds[[i - 1]]) for i in range(3)]
    expected = float(torch.cat(pairs).mean())
    assert expected > 0.05
    assert float(transport((level,), points=9)) == pytest.approx(expected, rel=1e-4)
    assert float(transport((level, 5 * level), points=9)) == pytest.approx(2 * expected, rel=1e-4)
    assert float(transport((level[:1],), points=9)) == pytest.approx(0, abs=1e-6)
    fewer = transport((level.requires_grad_(),), points=4)
    (gradient,) = torch.autograd.grad(fewer, level)
    assert int((gradient.abs().sum(dim=(0, 1)) > 1e-7).sum()) == 4


def test_the_step_sums_the_papers_losses() -> None:
    """L = sum cos + 0.2 (0.01 L_rec + 0.1 L_con) / 1.11, projections in, raw features as target."""
    method = make(RDPP).eval()
    for projection in method.projections.each:
        # near enough to the features for their cosine to exceed the margin
        projection.layers = projection.layers[-2:]
    batch = batch_of(method, cloth(2, seed=0))
    assert batch.images_BCHW is not None and len(batch.features) == 3
    torch.manual_seed(3)
    with torch.no_grad():
        losses = method.training_step(batch)
    torch.manual_seed(3)
    with torch.no_grad():
        noisy = method.extractor(with_noise(batch.images_BCHW, 0.2))
        projected, denoised = method.projections(batch.features), method.projections(noisy)
        rebuilt = method.decoder(method.embedding(projected))
    flat = [(a.flatten(1), b.flatten(1)) for a, b in zip(batch.features, rebuilt, strict=True)]
    distance = sum(float((1 - F.cosine_similarity(a, b)).mean()) for a, b in flat)
    weight = 0.2 / 1.11
    assert set(losses) == {"distance", "rebuilding", "contrast"}
    assert float(losses["distance"]) == pytest.approx(distance, rel=1e-5)
    assert float(losses["rebuilding"]) == pytest.approx(
        weight * 0.01 * float(rebuilding(denoised, projected)), rel=1e-4
    )
    assert float(losses["contrast"]) == pytest.approx(
        weight * 0.1 * float(contrast(noisy, projected)), rel=1e-4
    )
    assert float(losses["rebuilding"]) > 0 and float(losses["contrast"]) > 0


def test_transport_is_off_by_default_and_can_be_turned_on() -> None:
    assert RDPPConfig().transport_weight == 0
    config = RDPPConfig(transport_weight=2.0, transport_points=16)
    torch.manual_seed(0)
    method = RDPP(config, extractor(RDPP.levels), 64).train()
    batch = batch_of(method, cloth(2, seed=0)[:, :, :64, :64])
    losses = method.training_step(batch)
    assert 0 < float(losses["transport"].detach()) < 2 * 0.2 / 1.11 * 3 * 2
    losses["transport"].backward()
    gradients = [parameter.grad for parameter in method.projections.parameters()]
    assert all(g is not None and float(g.abs().max()) > 0 for g in gradients)
    assert all(parameter.grad is None for parameter in method.decoder.parameters())


def test_scores_compare_raw_features_with_what_projections_give() -> None:
    method = make(RDPP).eval()
    features = method.extractor(cloth(2, seed=0))
    with torch.no_grad():
        levels_BHW = method.score(features).levels_BHW
        rebuilt = method.decoder(method.embedding(method.projections(features)))
    for theirs, mine, level_BHW in zip(features, rebuilt, levels_BHW, strict=True):
        a, b = theirs[1, :, 2, 1].double().numpy(), mine[1, :, 2, 1].double().numpy()
        expected = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert float(level_BHW[1, 2, 1]) == pytest.approx(expected, abs=1e-5)


def test_a_step_under_autocast_is_finite_with_every_loss() -> None:
    torch.manual_seed(0)
    config = RDPPConfig(transport_weight=1.0, transport_points=16)
    method = RDPP(config, extractor(RDPP.levels), 64).train()
    batch = batch_of(method, cloth(2, seed=0)[:, :, :64, :64])
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.training_step(batch)
    assert all(value.dtype == torch.float32 and bool(value.isfinite()) for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for parameter in method.parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())


def test_plan_rule_and_presets() -> None:
    method = make(RDPP)
    plan = method.plan()
    (adam,) = plan.optimizers
    assert isinstance(adam, torch.optim.Adam)
    student, projections = adam.param_groups
    assert (student["lr"], projections["lr"]) == (5e-3, 1e-3)
    assert student["betas"] == projections["betas"] == (0.5, 0.999)
    assert student["weight_decay"] == projections["weight_decay"] == 0
    assert {id(p) for p in projections["params"]} == {
        id(p) for p in method.projections.parameters()
    }
    assert len(student["params"]) + len(projections["params"]) == len(list(method.parameters()))
    assert plan.clip_norm == 5.0 and {plan.schedule(e, 100) for e in (0, 80, 99)} == {1.0}
    assert RDPP.rule == MapRule(align_corners=True, sigma=4.0, score="max", ader_score="max")
    assert RDPP.batch_size == 16 and RDPP.trains_on == "both"
    paper = RDPPConfig(**RDPP.paper.settings)
    assert RDPP(paper, extractor(RDPP.levels), 64).plan().clip_norm is None
    assert RDPP.paper.epochs == 200


@pytest.mark.parametrize("size", [32, 100])
def test_sizes_it_cannot_halve_five_times_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size came as {size}"):
        RDPP(RDPPConfig(), extractor(RDPP.levels), size)


def test_a_batch_without_images_is_a_mistake() -> None:
    method = make(RDPP)
    with pytest.raises(AssertionError):
        method.training_step(Batch(None, method.extractor(cloth(1, seed=0))))
