"""Training speed of the methods that anomalib 2.7 has too, ours and its, in turn on the same files.

    python benchmarks/train_speed.py --data path/to/real3 --peer path/to/anomalib/bin/python

The peer is a Python in which anomalib is installed, an environment of its own. Both sides get the
same image files, image size, batch, epochs, threads and backbone weights (a ResNet-18 whose random
weights are written to one file: what they are changes no speed, and all methods of both sides take
it). On the CPU: a part of the images at 128 px. With --device cuda: 4,000 generated images of
256 px and a Wide ResNet-50. Each training runs in a fresh process, whose highest memory is
reported; decoding, features and steps are all in the time. Writes benchmarks/train_speed.json.

Predicted before it was measured: twice for RD, CFA and CFLOW (the backbone runs once instead of ten
times, images are decoded once), a little above one for PatchCore (one pass on both sides) and DRAEM
(its networks are the same and take nearly all of the time).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402

HERE = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "timm", "numpy")


@dataclass(frozen=True, slots=True)
class Budget:
    """What both sides train on: images, epochs, images a batch."""

    images: int
    epochs: int
    batch: int


CPU = {
    "patchcore": Budget(48, 1, 8),
    "rd": Budget(64, 10, 8),
    "cfa": Budget(64, 10, 4),
    "cflow": Budget(64, 10, 8),
    "draem": Budget(8, 2, 4),
}
CUDA = {
    "patchcore": Budget(1000, 1, 16),
    "rd": Budget(4000, 10, 16),
    "cfa": Budget(4000, 10, 4),
    "cflow": Budget(4000, 10, 32),
    "draem": Budget(4000, 2, 8),
}
SETTINGS: dict[str, dict[str, Any]] = {"cflow": {"fibre": 64}}
"""Of ours, so that both do the same: anomalib's fibres are of 64 vectors (ADer's of 256)."""
REUSE = ("rd", "cfa", "cflow")
"""Methods on frozen features over several epochs: asked to be twice as fast at least."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="real3; not needed on CUDA")
    parser.add_argument("--peer", type=Path, required=True, help="a Python with anomalib")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--methods", default=",".join(CPU))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cuda = given.device == "cuda"
    budgets, size = (CUDA, 256) if cuda else (CPU, 128)
    backbone = "wide_resnet50_2" if cuda else "resnet18"
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        textures = draw_textures(place / "dtd")
        weights = random_weights(backbone, place / f"{backbone}.safetensors")
        for method in given.methods.split(","):
            budget = budgets[method]
            data = lay_out(given.data, budget.images, size, place / f"data-{budget.images}")
            task = {
                "method": method, "data": str(data), "size": size, "backbone": backbone,
                "weights": str(weights), "epochs": budget.epochs, "batch": budget.batch,
                "device": given.device, "scratch": folder,
                "settings": SETTINGS.get(method, {}), "textures": str(textures),
            }  # fmt: skip
            rows.append(compared(task, budget, given.peer, given.rounds))
            print(json.dumps(rows[-1]), flush=True)
    report.write(__file__, PACKAGES, rows, checks(rows))
    return 0


def random_weights(backbone: str, path: Path) -> Path:
    """One file of random weights for both sides."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(dict(timm.create_model(backbone, pretrained=False).state_dict()), path)
    return path


def draw_textures(folder: Path) -> Path:
    """Texture images for DRAEM on both sides, in DTD's layout; theirs takes no other source."""
    import torch
    from torchvision.io import write_jpeg

    from core.layers.drawn_textures import drawn_textures

    torch.manual_seed(0)
    (folder / "images" / "drawn").mkdir(parents=True)
    images = drawn_textures(64, 256, torch.device("cpu"))
    for index, image in enumerate((255 * images).byte()):
        write_jpeg(image, str(folder / "images" / "drawn" / f"{index:03d}.jpg"), quality=95)
    return folder


def lay_out(source: Path | None, count: int, size: int, place: Path) -> Path:
    """`count` training images and two test images in MVTec AD's layout."""
    import numpy as np
    from PIL import Image

    folder = place / "part"
    if folder.exists():
        return place
    for part in ("train/good", "test/good", "test/bad"):
        (folder / part).mkdir(parents=True)
    if source is None:
        generator = np.random.default_rng(0)
        for index in range(count):
            noise = generator.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
            image = Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)
            image.save(folder / f"train/good/{index:05d}.png", compress_level=1)
        some = sorted(folder.glob("train/good/*"))[:1]
    else:
        real = sorted(source.glob("*/train/good/*"))
        for index, path in enumerate(real[:: max(1, len(real) // count)][:count]):
            shutil.copy(path, folder / f"train/good/{index:05d}{path.suffix}")
        some = real[-1:]
    for part in ("good", "bad"):
        shutil.copy(some[0], folder / f"test/{part}/000{some[0].suffix}")
    return place


def compared(task: dict[str, Any], budget: Budget, peer: Path, rounds: int) -> dict[str, Any]:
    """Medians of both sides, in turn."""
    sides: dict[str, list[dict[str, Any]]] = {"ours": [], "anomalib": []}
    for _ in range(rounds):
        sides["ours"].append(child(Path(sys.executable), HERE / "train_speed_ours.py", task))
        sides["anomalib"].append(child(peer, HERE / "train_speed_peer.py", task))
    row: dict[str, Any] = {key: task[key] for key in ("method", "size", "backbone", "device")}
    row |= {"images": budget.images, "epochs": budget.epochs, "batch": budget.batch,
            "rounds": rounds}  # fmt: skip
    for side, found in sides.items():
        failed = [one["error"] for one in found if "error" in one]
        if failed:
            row[side] = {"error": failed[0]}
            continue
        row[side] = {
            key: round(statistics.median(one[key] for one in found), 4) for key in found[0]
        }
        row[side]["images_per_second"] = round(
            budget.images * budget.epochs / row[side]["seconds"], 2
        )
    if "error" not in row["ours"] and "error" not in row["anomalib"]:
        row["times_as_fast"] = round(row["anomalib"]["seconds"] / row["ours"]["seconds"], 2)
    return row


def child(python: Path, script: Path, task: dict[str, Any]) -> dict[str, Any]:
    """What a fresh process answers in its last line: seconds, loading_seconds, peak_memory_gib."""
    done = subprocess.run(
        [str(python), str(script), json.dumps(task)],
        capture_output=True,
        text=True,
        cwd=task["scratch"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for row in rows:
        reach = 2.0 if row["method"] in REUSE else 1.0
        ratio = row.get("times_as_fast")
        what = f"{row['method']}: seconds of anomalib over ours, {row['epochs']} epochs"
        met = ratio is not None and ratio >= reach
        made.append(report.check(what, ratio, f">= {reach:g}", met))
    return made


if __name__ == "__main__":
    raise SystemExit(main())
