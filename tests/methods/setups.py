"""A small setting in which every method can be tried: generated cloth, a chequered blot on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from small import SMALL
from torch import Tensor

from core import maps
from core.backbones.features import FeatureExtractor, build
from core.backbones.weights import NO_BACKBONE, PACKAGED, resolve
from core.engine.training import batch_of, optimise, stepping
from core.methods.base import Batch, Method, overrides
from core.seeding import seed_everything
from core.types import Prediction
from core.workspace import Workspace

SIZE = 96
IMAGES = 8
CPU = torch.device("cpu")
BLOT = (slice(40, 64), slice(24, 48))


VIT = "vit_tiny_patch16_224:random"
"""For methods on transformer blocks: a small one, not pretrained."""


def tag_of(kind: type[Method]) -> str:
    """The backbone a method is tried with."""
    return _tag(kind.levels, kind.blocks)


def _tag(levels: tuple[int, ...], blocks: tuple[int, ...]) -> str:
    return VIT if blocks else PACKAGED if levels else NO_BACKBONE


@lru_cache(maxsize=16)
def extractor(levels: tuple[int, ...], blocks: tuple[int, ...] = ()) -> FeatureExtractor:
    """The packaged backbone at those strides, a small ViT at those blocks, or none."""
    tag = _tag(levels, blocks)
    weights = resolve(tag, None, Workspace(Path(mkdtemp(prefix="flawscope-"))))
    return build(tag, levels, weights, CPU, blocks)


def cloth(count: int, seed: int) -> Tensor:
    """Woven stripes under noise, uint8 [count, 3, SIZE, SIZE]."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(SIZE)
    weave = 40 * torch.sin(place / 3.0)[:, None] + 40 * torch.sin(place / 4.0)[None]
    noise = 12 * torch.randn(count, 3, SIZE, SIZE, generator=generator)
    tint = torch.tensor([10.0, 0, -20]).view(3, 1, 1)
    return (128 + weave + tint + noise).clamp(0, 255).to(torch.uint8)


def with_blot(images_BCHW: Tensor) -> Tensor:
    """The same images with a chequered square, light and dark."""
    spoilt = images_BCHW.clone()
    side = torch.arange(24) // 3
    spoilt[:, :, BLOT[0], BLOT[1]] = (
        (side[:, None] + side[None]).remainder(2).mul(200).add(20).byte()
    )
    return spoilt


def small_settings(id: str) -> dict[str, Any]:
    """Settings that make a method small."""
    found = SMALL.get(id, {})
    return found() if callable(found) else found


def make(kind: type[Method], seed: int = 0, size: int = SIZE) -> Method:
    seed_everything(seed, "model")
    settings = kind.Config(**small_settings(kind.id))
    return kind(settings, extractor(kind.levels, kind.blocks), size)


def train(method: Method, images_BCHW: Tensor, steps: int, seed: int = 0) -> list[float]:
    """Losses summed, step by step; [] for a memory bank. One step sees all images."""
    seed_everything(seed, "training")
    if method.learns == "bank":
        method.fit_bank(_by_twos(method, images_BCHW), lambda fraction, message: None)
        return []
    plan, losses = method.plan(), []
    _hook(method, images_BCHW, "before_training")
    for step in range(steps):
        method.on_epoch(step, steps)
        method.train()
        for named in stepping(method, batch_of(method, images_BCHW), CPU):
            optimise(plan, named)
            losses.append(float(sum(value.detach() for value in named.values())))
    _hook(method, images_BCHW, "after_training")
    return losses


def _hook(method: Method, images_BCHW: Tensor, name: str) -> None:
    if overrides(method, name):
        with torch.no_grad():
            getattr(method.eval(), name)(_by_twos(method, images_BCHW), lambda f, m: None)


def _by_twos(method: Method, images_BCHW: Tensor) -> Iterator[Batch]:
    for pair in images_BCHW.split(2):
        yield batch_of(method, pair)


@torch.inference_mode()
def predict(method: Method, images_BCHW: Tensor) -> Prediction:
    method.eval()
    return maps.finish(method.predict(images_BCHW), method.rule, method.size)
