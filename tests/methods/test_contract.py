"""The contract every registered method keeps; a new one is tested the moment it exists."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from core import maps
from core.backbones import weights
from core.backbones.features import FeatureExtractor, build
from core.config import Config
from core.engine.training import optimise
from core.methods.base import METHODS, Batch, Method
from core.workspace import Workspace

SIZE = 96
IDS = METHODS.ids()
CPU = torch.device("cpu")


@lru_cache(maxsize=4)
def extractor(levels: tuple[int, ...]) -> FeatureExtractor:
    found = weights.resolve(weights.PACKAGED, None, Workspace(Path("unused")), allow_hub=False)
    return build(weights.PACKAGED, levels, found, CPU)


@lru_cache(maxsize=1)
def normal_images() -> Tensor:
    """Stripes with a little noise and a phase that wanders. uint8 [12, 3, S, S]"""
    generator = torch.Generator().manual_seed(0)
    x = torch.arange(SIZE).float()
    images = []
    for _ in range(12):
        phase, noise = (
            torch.rand(1, generator=generator),
            torch.randn(3, SIZE, SIZE, generator=generator),
        )
        wave = 120 + 60 * torch.sin(x / 4 + phase)
        images.append((wave.expand(3, SIZE, SIZE) + 6 * noise).clamp(0, 255).to(torch.uint8))
    return torch.stack(images)


def with_blob(images_BCHW: Tensor) -> Tensor:
    """The same with a bright and dark chequered patch in the middle."""
    marked = images_BCHW.clone()
    side = torch.arange(20)
    chequer = (((side[:, None] // 3 + side[None] // 3) % 2) * 200 + 20).to(torch.uint8)
    marked[:, :, 38:58, 38:58] = chequer
    return marked


def make(id: str) -> Method:
    kind = METHODS.get(id)
    torch.manual_seed(0)
    return kind(kind.Config(), extractor(kind.levels), SIZE)


def learn(method: Method, images_BCHW: Tensor, steps: int = 25) -> list[float]:
    """Train as the engine does, without its files; the losses, if any."""
    torch.manual_seed(1)
    features = method.extractor(images_BCHW) if method.trains_on == "features" else ()
    batch = Batch(None if features else images_BCHW, features)
    if method.learns == "bank":
        method.fit_bank(iter([batch]), lambda fraction, message: None)
        return []
    plan, losses = method.plan(), []
    method.train()
    for _ in range(steps):
        for parts in method.training_steps(batch):
            losses.append(sum(float(value.detach()) for value in parts.values()))
            optimise(plan, parts)
    return losses


@cache
def trained(id: str) -> Method:
    method = make(id)
    method.losses = learn(method, normal_images())  # type: ignore[assignment]
    return method.eval()


@torch.inference_mode()
def predicted(method: Method, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    final = maps.finish(method.predict(images_BCHW), method.rule, SIZE)
    return final.maps_BHW, final.scores_B


@pytest.mark.parametrize("id", IDS)
def test_the_card_and_settings_are_complete(id: str) -> None:
    kind = METHODS.get(id)
    card = kind.card
    for text in (card.title, card.paper, card.venue, card.summary, card.frozen, card.trained):
        assert text.strip()
    assert 2015 <= card.year <= 2030 and kind.id == id
    assert card.family in {"augmentation", "embedding", "reconstruction", "hybrid"}
    assert all(sentence.endswith(".") for sentence in card.deviations)
    assert issubclass(kind.Config, Config)
    for name, field in kind.Config.model_fields.items():
        assert field.description, f"{id}.{name} needs a description for the form"
    assert kind.levels == tuple(sorted(kind.levels)) and kind.backbone


@pytest.mark.parametrize("id", IDS)
def test_it_learns(id: str) -> None:
    losses = trained(id).losses
    if METHODS.get(id).learns == "bank":
        banks = [buffer for buffer in trained(id).buffers() if buffer.numel()]
        assert banks and all(torch.isfinite(bank).all() for bank in banks)
    else:
        assert sum(losses[-3:]) < 0.8 * sum(losses[:3]), losses


@pytest.mark.parametrize("id", IDS)
def test_a_flaw_is_hotter_than_its_surroundings(id: str) -> None:
    method, images = trained(id), normal_images()[:4]
    maps_BHW, scores_B = predicted(method, with_blob(images))
    assert maps_BHW.shape == (4, SIZE, SIZE) and maps_BHW.dtype == torch.float32
    assert scores_B.shape == (4,) and torch.isfinite(maps_BHW).all()
    inside = maps_BHW[:, 42:54, 42:54].mean()
    outside = maps_BHW.clone()
    outside[:, 26:70, 26:70] = torch.nan
    assert inside > outside.nanmean()
    assert (scores_B > predicted(method, images)[1]).all()


@pytest.mark.parametrize("id", IDS)
def test_a_loaded_model_predicts_the_same_to_the_bit(id: str) -> None:
    method = trained(id)
    stored = save({name: t.contiguous() for name, t in method.state_dict().items()})
    torch.manual_seed(99)
    kind = METHODS.get(id)
    other = kind(kind.Config(), extractor(kind.levels), SIZE)
    other.load_state_dict(load(stored))
    ours, theirs = (predicted(m.eval(), with_blob(normal_images()[:3])) for m in (method, other))
    assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])
    assert not any("extractor" in name for name in method.state_dict())


@pytest.mark.parametrize("id", IDS)
def test_the_same_seed_gives_the_same_scores(id: str) -> None:
    first, second = make(id), make(id)
    for method in (first, second):
        learn(method, normal_images(), steps=3)
    a, b = (predicted(m.eval(), normal_images()[:2])[0] for m in (first, second))
    assert torch.equal(a, b)


@pytest.mark.parametrize("id", IDS)
def test_the_batch_does_not_matter(id: str) -> None:
    method, images = trained(id), with_blob(normal_images()[:5])
    together = predicted(method, images)[0]
    alone = torch.cat([predicted(method, image[None])[0] for image in images])
    scale = float(together.abs().max())
    torch.testing.assert_close(alone / scale, together / scale, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("id", IDS)
def test_one_training_image_is_enough_to_run(id: str) -> None:
    method = make(id)
    learn(method, normal_images()[:1], steps=2)
    assert torch.isfinite(predicted(method.eval(), normal_images()[:1])[0]).all()
