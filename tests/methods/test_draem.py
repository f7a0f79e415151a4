"""DRAEM: the paper's sizes, its losses in numpy, what it draws, its map, its two plans."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from setups import cloth, extractor, make
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from core.config import parse
from core.errors import UsageError
from core.layers.draem_networks import Reconstructor, UNet
from core.maps import finish
from core.methods.base import Batch
from core.methods.draem import Draem, DraemConfig


def count(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_trainable_parts_have_the_papers_size() -> None:
    none = extractor(())
    with torch.device("meta"):
        method = Draem(DraemConfig(), none, 256)
        images = torch.empty(1, 3, 256, 256)
        rebuilt, logits = method._both(images)
    assert count(method.reconstructor) == pytest.approx(69.05, abs=0.005)
    assert count(method.unet) == pytest.approx(28.37, abs=0.005)
    assert count(method) == pytest.approx(Draem.card.parameters, abs=0.005)
    assert rebuilt.shape == images.shape and logits.shape == (1, 2, 256, 256)


def convolutions(network: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_channels, m.out_channels) for m in network.modules() if isinstance(m, nn.Conv2d)]


def test_widths_stage_by_stage() -> None:
    with torch.device("meta"):
        reconstructor, unet = Reconstructor(128), UNet(6, 64)
    encoder = [(3, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    encoder += [(512, 1024), (1024, 1024), (1024, 1024), (1024, 1024)]
    decoder = [(1024, 1024), (1024, 1024), (1024, 512), (512, 512), (512, 512), (512, 256)]
    decoder += [(256, 256), (256, 256), (256, 128), (128, 128), (128, 128), (128, 128), (128, 3)]
    assert convolutions(reconstructor) == encoder + decoder
    assert convolutions(unet.up) == [(512, 512), (512, 256), (256, 128), (128, 64), (64, 64)]
    joins = [(1024, 512), (512, 512), (768, 256), (256, 256), (384, 128), (128, 128)]
    assert convolutions(unet.join) == [*joins, (192, 64), (64, 64), (128, 64), (64, 64)]


def test_the_unets_skips_carry_detail_and_the_reconstructor_has_none() -> None:
    """A pixel of the output sees the input beside it only through what the skips carry."""
    torch.manual_seed(0)
    unet, x = UNet(6, 4).eval(), torch.rand(1, 6, 64, 64)
    with torch.no_grad():
        before = unet(x)
        for double in unet.up:  # nothing comes from below
            nn.init.zeros_(double[1].weight)
            nn.init.zeros_(double[1].bias)
        changed = x.clone()
        changed[..., 32, 32] = 5.0
        reach = (unet(changed) - unet(x)).abs().amax(dim=(0, 1)) > 0
    assert before.shape == (1, 2, 64, 64)
    rows = reach.any(dim=1).nonzero()[:, 0]
    # two convolutions down, two up, one last: five pixels either way
    assert (int(rows.min()), int(rows.max())) == (27, 37)


class Known(Draem):
    """Draws what it is told."""

    told: tuple[Tensor, Tensor, Tensor]

    def draw(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.told


def known(size: int = 64) -> Known:
    torch.manual_seed(0)
    method = Known(DraemConfig(width=4, unet_width=4), extractor(()), size)
    clean = torch.rand(2, 3, size, size)
    masks = torch.zeros(2, 1, size, size, dtype=torch.bool)
    masks[1, :, 8:20, 8:30] = True
    method.told = (clean, torch.where(masks, 1 - clean, clean), masks)
    return method


def test_losses_in_numpy() -> None:
    method = known().eval()
    clean, spoilt, masks = method.told
    with torch.no_grad():
        losses = method.training_step(Batch(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)))
        rebuilt = method.reconstructor(spoilt)
        logits = method.unet(torch.cat([rebuilt, spoilt], dim=1)).double().numpy()
    assert set(losses) == {"squares", "structure", "focal"}
    error = (rebuilt.double() - clean.double()).square().mean()
    assert float(losses["squares"]) == pytest.approx(float(error), rel=1e-5)
    padded = [
        np.pad(x.double().numpy(), ((0, 0), (0, 0), (5, 5), (5, 5))) for x in (rebuilt, clean)
    ]
    similar = []
    for mine, theirs in zip(*(x.reshape(-1, 74, 74) for x in padded), strict=True):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        similar.append(structural_similarity(mine, theirs, data_range=1.0, full=True, **options)[1])
    expected = 1 - np.mean(np.stack(similar)[:, 5:-5, 5:-5])
    assert float(losses["structure"]) == pytest.approx(expected, rel=1e-4)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = np.where(masks[:, 0].numpy(), p[:, 1], p[:, 0])
    focal = -((1 - true) ** 2 * np.log(true)).mean()
    assert float(losses["focal"]) == pytest.approx(focal, rel=1e-3)


def test_all_losses_reach_the_reconstructor_and_survive_autocast() -> None:
    method = known().train()
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    for precise in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            losses = method.training_step(Batch(images))
        assert all(value.dtype == torch.float32 for value in losses.values())
        for value in losses.values():
            method.zero_grad(set_to_none=True)
            value.backward(retain_graph=True)
            gradient = method.reconstructor.encoder[0][0].weight.grad
            assert gradient is not None and bool(gradient.isfinite().all())
            assert float(gradient.abs().max()) > 0


def test_what_is_drawn() -> None:
    torch.manual_seed(0)
    method = Draem(DraemConfig(width=4, unet_width=4), extractor(()), 64)
    images = torch.full((300, 3, 64, 64), 153, dtype=torch.uint8)
    images[:, :, :, :32] = 255
    clean, spoilt, masks = method.draw(images)
    touched = (spoilt - clean).abs().amax(dim=1, keepdim=True) > 1e-6
    assert not bool((touched & ~masks).any()), "outside the mask nothing changes"
    assert float(touched[masks].float().mean()) > 0.9
    assert float(spoilt.min()) >= 0.0 and float(spoilt.max()) <= 1.0 + 1e-6
    anomalous = masks.flatten(1).any(dim=1).float().mean()
    assert 0.36 < float(anomalous) < 0.55, "half are left clean, a few masks are empty"
    turned = (clean - images.float() / 255).abs().flatten(1).amax(dim=1) > 1e-3
    assert 0.22 < float(turned.float().mean()) < 0.38
    # the image's share inside is at most 0.8: the texture can always be seen
    inside = (spoilt - clean).abs()[masks.expand(-1, 3, -1, -1)]
    assert 0.1 < float(inside.mean()) < 0.5


def test_clean_share_and_textures_are_settings(tmp_path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    (sentence,) = Draem.check(DraemConfig(textures=str(tmp_path)))
    assert sentence == f"Texture images: 1 image from {tmp_path}."
    with pytest.raises(UsageError, match="is no folder"):
        Draem.check(DraemConfig(textures=str(tmp_path / "none")))
    (sentence,) = Draem.check(DraemConfig())
    assert sentence.startswith("Texture images: generated, because no folder was given")
    torch.manual_seed(0)
    settings = DraemConfig(width=4, unet_width=4, clean_share=0.0, textures=str(tmp_path))
    method = Draem(settings, extractor(()), 64)
    masks = method.draw(cloth(60, seed=0)[:, :, :64, :64])[2]
    assert float(masks.flatten(1).any(dim=1).float().mean()) > 0.85
    assert not any("texture" in name for name in method.state_dict())


class Logits(nn.Module):
    """Nought for normal, the first channel of the image for anomalous."""

    def forward(self, joined_B6HW: Tensor) -> Tensor:
        first = joined_B6HW[:, 3:4]
        return torch.cat([torch.zeros_like(first), first], dim=1)


def test_the_map_is_a_probability_and_the_score_its_highest_mean_of_21_by_21() -> None:
    method = make(Draem)
    method.unet = Logits()  # type: ignore[assignment]
    images = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    images[..., 40:61, 20:41] = 255
    with torch.inference_mode():
        final = finish(method.eval().predict(images), method.rule, 96)
    high = 1 / (1 + np.exp(-1.0))
    assert float(final.maps_BHW[0, 50, 30]) == pytest.approx(high)
    assert float(final.maps_BHW[0, 39, 30]) == pytest.approx(0.5), "not smoothed"
    assert float(final.scores_B) == float(final.ader_scores_B) == pytest.approx(high)


def test_plans_are_aders_and_the_papers() -> None:
    plan = Draem(DraemConfig(width=4, unet_width=4), extractor(()), 64).plan()
    paper = parse(DraemConfig, {"width": 4, "unet_width": 4, **Draem.paper.settings}, "draem")
    other = Draem(paper, extractor(()), 64).plan()
    for either in (plan, other):
        (adam,) = either.optimizers
        group = adam.param_groups[0]
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.999), 0)
    assert plan.clip_norm == 5.0 and other.clip_norm is None
    assert [plan.schedule(epoch, 100) for epoch in (0, 79, 80, 99)] == [1.0, 1.0, 0.1, 0.1]
    found = [other.schedule(epoch, 700) for epoch in (0, 559, 560, 629, 630, 699)]
    assert found == pytest.approx([1.0, 1.0, 0.2, 0.2, 0.04, 0.04])
    assert (Draem.batch_size, Draem.paper.batch_size, Draem.paper.epochs) == (8, 8, 700)


@pytest.mark.parametrize("size", [32, 100])
def test_sizes_it_cannot_halve_five_times_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"DRAEM.*--size came as {size}"):
        Draem(DraemConfig(width=4, unet_width=4), extractor(()), size)


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    for network in (Reconstructor(16), UNet(6, 16)):
        weights = torch.cat([m.weight.flatten() for m in network.modules() if type(m) is nn.Conv2d])
        gains = torch.cat([m.weight for m in network.modules() if type(m) is nn.BatchNorm2d])
        assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.02)
        assert float(gains.detach().mean()) == pytest.approx(1.0, abs=0.005)
        assert float(gains.detach().std()) == pytest.approx(0.02, rel=0.15)
