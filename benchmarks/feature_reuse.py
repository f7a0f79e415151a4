"""Seconds an epoch with frozen features computed once, and with the backbone run at every step.

    python benchmarks/feature_reuse.py [--device cpu] [--size 256] [--images 64]

The same steps on the same generated images, default settings, batches of 8 at most; the features'
one computation is given apart. Methods on the packaged backbone, ViTAD on ViT-S with random weights
(what they are changes no speed). Writes benchmarks/feature_reuse.json.

Predicted: most where the trained part is small beside the backbone (SimpleNet, UniAD on its fused
level), least where it is large (MambaAD, whose scan outweighs the backbone many times).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks import report  # noqa: E402
from benchmarks.inference import made  # noqa: E402
from core.engine import device as devices  # noqa: E402
from core.engine.features import FrozenFeatures  # noqa: E402
from core.engine.training import batch_of, optimise, stepping  # noqa: E402
from core.methods.base import METHODS, Batch, Method, overrides  # noqa: E402

PACKAGES = ("torch", "torchvision", "timm")
SHOWN = ("rd", "uniad", "cfa", "simplenet", "vitad", "invad", "mambaad")
ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--methods", default=",".join(SHOWN))
    given = parser.parse_args()
    device = devices.pick(given.device)
    rows = []
    for id in given.methods.split(","):
        rows.append(measure(made(METHODS.get(id), given.size, device), given.images, device))
        print(rows[-1], flush=True)
    report.write(__file__, PACKAGES, rows, [])
    return 0


def measure(method: Method, count: int, device: torch.device) -> dict[str, Any]:
    """One row: medians of `ROUNDS` epochs either way, in turn."""
    size, batch = method.size, min(8, method.batch_size)
    torch.manual_seed(0)
    all_NCHW = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8).to(device)
    rows = np.arange(count)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        frozen = FrozenFeatures(
            method.features, lambda at: all_NCHW[torch.from_numpy(at).to(device)], rows, device,
            Path(folder), batch, lambda fraction: None,
        )  # fmt: skip
        devices.synchronise(device)
        once = time.perf_counter() - began
        if overrides(method, "before_training"):
            with torch.no_grad():
                batches = [Batch(None, frozen.batch(at)) for at in torch.arange(count).split(batch)]
                method.eval().before_training(iter(batches), lambda fraction, message: None)
        ways: dict[str, Callable[[Tensor], Batch]] = {
            "with_reuse": lambda places: Batch(None, frozen.batch(places)),
            "without": lambda places: batch_of(method, all_NCHW[places.to(device)]),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, source in ways.items():
                taken[way].append(epoch(method, source, count, batch, device))
        frozen.close()
    medians = {way: statistics.median(seconds) for way, seconds in taken.items()}
    return {
        "method": method.id, "size": size, "images": count, "batch": batch, "device": device.type,
        "features_once_seconds": round(once, 3), "kept_bytes_an_image": frozen.bytes // count,
        "seconds_an_epoch": {way: round(value, 3) for way, value in medians.items()},
        "times_as_fast": round(medians["without"] / medians["with_reuse"], 2),
    }  # fmt: skip


def epoch(
    method: Method, source: Callable[[Tensor], Batch], count: int, batch: int, device: torch.device
) -> float:
    """Seconds of one epoch's steps."""
    plan = method.plan()
    method.train()
    began = time.perf_counter()
    for places in torch.randperm(count).split(batch):
        for losses in stepping(method, source(places), device):
            optimise(plan, losses)
    devices.synchronise(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
