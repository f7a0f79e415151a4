"""Images a second, and the latency of a single image, of every method on this machine.

    python benchmarks/inference.py [--device cpu] [--size 256] [--methods rd,uniad]

Untrained models at their default settings on the packaged backbone (what is trained does not change
how long it takes); memory banks hold as many rows as they would after 400 training images. Batches
of 8 for the rate, single images for the latency: medians. Writes benchmarks/inference.json, which
the Methods page shows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks import report  # noqa: E402
from core import maps  # noqa: E402
from core.backbones.features import build  # noqa: E402
from core.backbones.weights import NO_BACKBONE, PACKAGED, RANDOM, resolve  # noqa: E402
from core.engine import device as devices  # noqa: E402
from core.engine.training import batch_of  # noqa: E402
from core.errors import FlawscopeError  # noqa: E402
from core.methods.base import METHODS, Method, overrides  # noqa: E402
from core.seeding import seed_everything  # noqa: E402
from core.workspace import Workspace  # noqa: E402

PACKAGES = ("torch", "torchvision", "timm")
BATCH = 8
IMAGES = 400
"""Training images a memory bank stands for."""
PATIENCE_SECONDS = 20.0
"""Of measuring one thing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--methods", default=",".join(METHODS.ids()))
    given = parser.parse_args()
    device = devices.pick(given.device)
    rows = []
    for id in given.methods.split(","):
        try:
            rows.append(measure(METHODS.get(id), given.size, device))
        except FlawscopeError as error:
            rows.append({"method": id, "error": str(error)})
        print(rows[-1], flush=True)
    report.write(__file__, PACKAGES, rows, [])
    return 0


def measure(kind: type[Method], size: int, device: torch.device) -> dict[str, Any]:
    """One row: rate in batches, latency alone, at `size`."""
    method = made(kind, size, device)
    images = torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8, device=device)
    filled = fill(method, images)
    method.eval()
    with torch.inference_mode():
        many = seconds(method, images, device)
        alone = seconds(method, images[:1], device)
    return {
        "method": kind.id, "backbone": method.extractor.tag, "size": size, "device": device.type,
        "parameters": sum(p.numel() for p in method.parameters()),
        "images_per_second": round(BATCH / many, 3), "latency_ms": round(1000 * alone, 2),
    } | filled  # fmt: skip


def made(kind: type[Method], size: int, device: torch.device) -> Method:
    """The method untrained, on the packaged backbone, or on its ViT with random weights."""
    tag = f"{kind.backbone}{RANDOM}" if kind.blocks else PACKAGED if kind.levels else NO_BACKBONE
    with tempfile.TemporaryDirectory() as folder:
        weights = resolve(tag, None, Workspace(Path(folder)))
    seed_everything(0, "inference")
    kind.check(kind.Config())
    extractor = build(tag, kind.levels, weights, device, kind.blocks)
    return kind(kind.Config(), extractor, size).to(device)


def fill(method: Method, images_BCHW: torch.Tensor) -> dict[str, Any]:
    """What a method measures before or after training, on noise; a bank of its usual size."""
    if method.learns == "bank":
        batch = batch_of(method, images_BCHW)
        method.fit_bank(iter([batch]), lambda fraction, message: None)
        bank = next(buffer for name, buffer in method.named_buffers() if name.endswith("bank"))
        rows = round(len(bank) * IMAGES / len(images_BCHW))
        method.bank = torch.randn(rows, bank.shape[1], device=bank.device)
        return {"bank_rows": rows}
    with torch.no_grad():
        for hook in ("before_training", "after_training"):
            if overrides(method, hook):
                batches = iter([batch_of(method, images_BCHW[:2])])
                getattr(method.eval(), hook)(batches, lambda fraction, message: None)
    return {}


def seconds(method: Method, images_BCHW: torch.Tensor, device: torch.device) -> float:
    """Median seconds of a prediction, after one to warm up."""
    taken: list[float] = []
    started = time.monotonic()
    while len(taken) < 21 and (len(taken) < 3 or time.monotonic() - started < PATIENCE_SECONDS):
        began = time.perf_counter()
        maps.finish(method.predict(images_BCHW), method.rule, method.size).scores_B.cpu()
        devices.synchronise(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


if __name__ == "__main__":
    raise SystemExit(main())
