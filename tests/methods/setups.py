"""A small setting in which every method can be tried: generated cloth, a chequered blot on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import Tensor

from core import maps
from core.backbones.features import FeatureExtractor, build
from core.backbones.weights import PACKAGED, resolve
from core.engine.training import optimise, stepping
from core.methods.base import Batch, Method
from core.seeding import seed_everything
from core.types import Prediction
from core.workspace import Workspace

SIZE = 96
IMAGES = 8
CPU = torch.device("cpu")
BLOT = (slice(40, 64), slice(24, 48))


@lru_cache(maxsize=4)
def extractor(levels: tuple[int, ...]) -> FeatureExtractor:
    """The packaged backbone at those strides."""
    weights = resolve(PACKAGED, None, Workspace(Path(mkdtemp(prefix="flawscope-"))))
    return build(PACKAGED, levels, weights, CPU)


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


def make(kind: type[Method], seed: int = 0, size: int = SIZE) -> Method:
    seed_everything(seed, "model")
    return kind(kind.Config(), extractor(kind.levels), size)


def batch_of(method: Method, images_BCHW: Tensor) -> Batch:
    if method.trains_on == "features":
        return Batch(None, method.extractor(images_BCHW))
    return Batch(images_BCHW)


def train(method: Method, images_BCHW: Tensor, steps: int, seed: int = 0) -> list[float]:
    """Losses summed, step by step; [] for a memory bank. One step sees all images."""
    seed_everything(seed, "training")
    if method.learns == "bank":
        method.fit_bank(_by_twos(method, images_BCHW), lambda fraction, message: None)
        return []
    plan, losses = method.plan(), []
    method.train()
    for step in range(steps):
        method.on_epoch(step, steps)
        for named in stepping(method, batch_of(method, images_BCHW), CPU):
            optimise(plan, named)
            losses.append(float(sum(value.detach() for value in named.values())))
    return losses


def _by_twos(method: Method, images_BCHW: Tensor) -> Iterator[Batch]:
    for pair in images_BCHW.split(2):
        yield batch_of(method, pair)


@torch.inference_mode()
def predict(method: Method, images_BCHW: Tensor) -> Prediction:
    method.eval()
    return maps.finish(method.predict(images_BCHW), method.rule, method.size)
