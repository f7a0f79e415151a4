"""Preparing 1,000 large images: ours, a torch DataLoader that decodes, anomalib's data module.

    python benchmarks/data.py [--images 1000] [--peer path/to/anomalib/bin/python]

Every side resizes the same generated 1024x1024 files to 256x256 on the same cores and hands out
batches of 32, uint8 as they go to the device (anomalib: float32, as it always does); each runs in a
process of its own, so that its peak memory is its own (mapped files left out, see own_memory.py; of
a loader's workers the largest is told apart). "first epoch" is from nothing to the last batch,
"later epoch" the median of three more (of ours, which take a fraction of a second, of nine).

Predictions written down before measuring: a 1024x1024 PNG decodes in 25 to 40 ms and a JPEG in 15
to 25 ms on one core, so two cores give 50 to 130 images a second to everyone in the first epoch; a
later epoch of ours copies 196 kB an image out of the page cache, some 10,000 to 25,000 images a
second, 50 to 300 times a decoding loader's. Time is linear in images because each is
decoded once, memory flat because rows are written through a memory map.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402

HERE = Path(__file__).parent
SIDE, SIZE, BATCH, WORKERS, LATER = 1024, 256, 32, 2, 3
SHARES = (0.25, 0.5, 1.0)
REACH = 50.0
PACKAGES = ("pillow", "numpy", "torch", "torchvision")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--formats", default="png,jpeg")
    parser.add_argument("--peer", type=Path, help="a Python with anomalib")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in given.formats.split(","):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "photos"
            draw(data, given.images, kind)
            rows += measure(data, kind, given.images, given.peer)
    made = checks(rows)
    report.write(__file__, PACKAGES, rows, made)
    print(json.dumps(made, indent=1))
    return 0


def draw(root: Path, count: int, kind: str) -> None:
    """Images like a camera's: smooth structure and fine grain, one class in MVTec AD's layout.

    The hundred different ones are written under ten names each; every file is read and decoded.
    """
    suffix, options = (
        (".png", {"compress_level": 3}) if kind == "png" else (".jpg", {"quality": 92})
    )
    distinct = max(1, count // 10)
    for number in range(distinct):
        rng = np.random.default_rng(number)
        coarse = rng.integers(40, 216, (8, 8, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 4, (SIDE, SIDE, 3))
        image = Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8))
        first = root / "part/train/good" / f"{number:05d}{suffix}"
        first.parent.mkdir(parents=True, exist_ok=True)
        image.save(first, **options)
        for copy in range(1, -(-count // distinct)):
            at = copy * distinct + number
            if at < count:  # one byte more at the end, so that no two files have one content
                path = first.with_name(f"{at:05d}{suffix}")
                path.write_bytes(first.read_bytes() + at.to_bytes(4, "big"))
    for number in range(2):
        for type in ("good", "crack"):
            path = root / f"part/test/{type}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, 0, 0)).save(path)


def measure(data: Path, kind: str, count: int, peer: Path | None) -> list[dict[str, Any]]:
    """One row a side and number of images, in turn within this invocation."""
    sides = [("flawscope", sys.executable, share) for share in SHARES]
    sides += [("torch DataLoader", sys.executable, 1.0)]
    sides += [("anomalib", str(peer), 1.0)] if peer else []
    rows = []
    for side, python, share in sides:
        task = {
            "side": side, "data": str(data), "images": round(share * count), "size": SIZE,
            "batch": BATCH, "workers": WORKERS, "later": LATER,
        }  # fmt: skip
        script = "data_peer.py" if side != "flawscope" else "data_ours.py"
        done = subprocess.run(
            [python, str(HERE / script), json.dumps(task)], capture_output=True, text=True
        )
        row: dict[str, Any] = {"side": side, "format": kind, "images": task["images"]}
        if done.returncode:
            row["error"] = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
        else:
            row |= json.loads(done.stdout.strip().splitlines()[-1])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for kind in dict.fromkeys(row["format"] for row in rows):
        mine = [row for row in rows if row["format"] == kind and row["side"] == "flawscope"]
        whole = mine[-1]
        for other in (row for row in rows if row["format"] == kind and row not in mine):
            if "error" in other:
                made.append(report.check(f"{kind}: {other['side']}", other["error"], "", False))
                continue
            later = whole["later_images_a_second"] / other["later_images_a_second"]
            what = f"{kind}: times as fast as {other['side']}"
            reach = f">= {REACH:.0f}"
            made.append(report.check(f"{what}, later", round(later, 1), reach, later >= REACH))
        each = [row["first_seconds"] / row["images"] for row in mine]
        spread = round(max(each) / min(each), 2)
        what = f"{kind}: seconds an image, most over least of {', '.join(map(str, SHARES))} of all"
        made.append(report.check(what, spread, "<= 1.25", spread <= 1.25))
        growth = round((mine[-1]["peak_memory_mib"] - mine[0]["peak_memory_mib"]), 1)
        what = f"{kind}: peak memory of four times as many images less that of a quarter, MiB"
        made.append(report.check(what, growth, "<= 64", growth <= 64))
    return made


if __name__ == "__main__":
    raise SystemExit(main())
