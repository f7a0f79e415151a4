"""A large workspace for `benchmarks/dashboard.py`: 200 runs, 1,000,000 cases, 20 classes.

    python benchmarks/dashboard_store.py WORKSPACE [--runs 200]

Pictures and maps are drawn here (small ones: what is measured is the dashboard, not the disk). Four
runs are evaluated from maps by the same code as any other; the rest are copies of those under
other methods, settings and seeds, their scores and values moved a little, on ten data sets that
share the pictures. Every table a run has is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from PIL import Image  # noqa: E402

from core.runs import RunDirectory  # noqa: E402
from core.store.ingest import index  # noqa: E402
from core.workspace import Workspace, write_json  # noqa: E402

CLASSES, GOOD, BAD, TRAIN = 20, 100, 150, 4
SIDE, SIZE, MASK = 64, 32, 255
TYPES = ("crack", "stain", "missing")
DATA_SETS = 10
METHODS = (
    "patchcore",
    "simplenet",
    "rd",
    "uniad",
    "draem",
    "cfa",
    "vitad",
    "invad",
    "cflow",
    "rdpp",
)
CHANGED = (RunDirectory.CONFIG, RunDirectory.STATUS, RunDirectory.CASES, RunDirectory.METRICS)


def draw(root: Path) -> dict[str, Any]:
    """The data set in the MVTec layout; returns {key: (label, box of the flaw, class)}."""
    rng = np.random.default_rng(0)
    drawn: dict[str, Any] = {}
    for c in range(CLASSES):
        name = f"part_{c:02d}"
        ground = rng.uniform(60, 190, 3)
        for split, count in (("train/good", TRAIN), ("test/good", GOOD), ("test", BAD)):
            for i in range(count):
                kind = TYPES[i % len(TYPES)] if split == "test" else ""
                folder = root / name / split / kind
                folder.mkdir(parents=True, exist_ok=True)
                picture = rng.normal(ground, 14, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
                box = None
                if kind:
                    w, h = rng.integers(3, 22, 2)
                    x, y = rng.integers(0, SIDE - w), rng.integers(0, SIDE - h)
                    box = (x, y, w, h)
                    picture[y : y + h, x : x + w] = (210, 70, 60)
                    mask = np.zeros((SIDE, SIDE), np.uint8)
                    mask[y : y + h, x : x + w] = MASK
                    place = root / name / "ground_truth" / kind
                    place.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(place / f"{i:03d}_mask.png", compress_level=1)
                Image.fromarray(picture).save(folder / f"{i:03d}.png", compress_level=1)
                if split != "train/good":
                    drawn[f"{name}/{split}/{kind + '/' if kind else ''}{i:03d}.png"] = (box, c)
    return drawn


def maps(folder: Path, drawn: dict[str, Any], strength: float, seed: int) -> None:
    """One float32 .npy a picture: noise, and a bump on the flaw that is higher on easy classes."""
    rng = np.random.default_rng(seed)
    scale = SIDE // SIZE
    for key, (box, c) in drawn.items():
        values = rng.normal(0, 1, (SIZE, SIZE)).astype(np.float32)
        if box:
            x, y, w, h = (int(v) for v in box)
            bump = strength * (0.4 + c / CLASSES) * rng.uniform(0.2, 1.2)
            values[y // scale : (y + h) // scale + 1, x // scale : (x + w) // scale + 1] += bump
        path = (folder / key).with_suffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)


def evaluated(workspace: Workspace, data: Path, drawn: dict[str, Any]) -> list[RunDirectory]:
    """Four runs of different strength, evaluated like any maps made elsewhere."""
    from core.engine.external import evaluate
    from core.engine.external_request import Request

    found = []
    for i, strength in enumerate((4.0, 3.6, 2.8, 1.5)):
        folder = workspace.root / "made-maps" / str(i)
        maps(folder, drawn, strength, seed=i)
        request = Request(
            truth=str(data),
            maps=folder,
            scores=None,
            name=f"base {i}",
            size=SIZE,
            classes=(),
            seed=0,
        )
        began = time.monotonic()
        found.append(evaluate(workspace, request))
        print(f"evaluated base {i} in {time.monotonic() - began:.0f} s", flush=True)
    return found


def copies(workspace: Workspace, bases: list[RunDirectory], count: int) -> None:
    """`count` runs made from the bases; the bases themselves are taken out."""
    rng = np.random.default_rng(1)
    for n in range(count):
        base = bases[n % len(bases)]
        data_set, place = n % DATA_SETS, n // DATA_SETS
        method = METHODS[place % len(METHODS)]
        target = workspace.runs / f"20260101-{n:09d}-{method}-parts-{n:04x}"
        target.mkdir()
        for file in base.path.iterdir():
            if file.is_file() and file.name not in CHANGED:
                os.link(file, target / file.name)
        record = json.loads((base.path / RunDirectory.CONFIG).read_text())
        record["run_id"], record["created_at"] = (
            target.name,
            f"2026-01-01T{n // 60:02d}:{n % 60:02d}:00+00:00",
        )
        record["config"] |= {
            "method": method, "method_config": {}, "seed": place // len(METHODS) % 2,
            "data": f"parts {data_set}",
        }  # fmt: skip
        record["resolved"]["dataset"] |= {
            "name": f"parts {data_set}",
            "fingerprint": record["resolved"]["dataset"]["fingerprint"] + f"-{data_set}",
        }
        write_json(target / RunDirectory.CONFIG, record)
        status = json.loads((base.path / RunDirectory.STATUS).read_text())
        status["facts"] |= {
            "train_seconds": float(rng.uniform(20, 900)),
            "images_per_second": float(rng.uniform(5, 90)),
            "peak_memory_bytes": int(rng.uniform(0.4, 6) * 2**30),
        }  # fmt: skip
        write_json(target / RunDirectory.STATUS, status)
        moved(base.path / RunDirectory.CASES, target, ["score"], rng.normal(0, 0.05))
        shift = float(rng.normal(0, 0.01))
        moved(base.path / RunDirectory.METRICS, target, ["value", "ci_low", "ci_high"], shift)


def moved(source: Path, target: Path, columns: list[str], by: float) -> None:
    """A copy of a table with some columns moved by a constant."""
    table = pq.read_table(source)
    for name in columns:
        values = table[name].to_numpy() + by
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, pa.float64(), from_pandas=True))
    pq.write_table(table, target / source.name)


def make(root: Path, runs: int = 200) -> Workspace:
    """The workspace, indexed; nothing is done when it is already there."""
    workspace = Workspace(root.resolve())
    if (root / "made.json").exists():
        return workspace
    data = root / "pictures"
    drawn = draw(data)
    bases = evaluated(workspace, data, drawn)
    copies(workspace, bases, runs)
    import shutil

    for base in bases:
        shutil.rmtree(base.path)
    shutil.rmtree(root / "made-maps")
    began = time.monotonic()
    index(workspace)
    seconds = time.monotonic() - began
    print(f"indexed {runs} runs in {seconds:.1f} s", flush=True)
    write_json(root / "made.json", {"runs": runs, "index_seconds": round(seconds, 2)})
    return workspace


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()
    given.workspace.mkdir(parents=True, exist_ok=True)
    make(given.workspace, given.runs)
