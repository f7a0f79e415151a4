"""One training of ours for train_speed.py: task as JSON in, figures as JSON out."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.backbones.features import build
from core.backbones.weights import NO_BACKBONE, resolve
from core.config import RunConfig
from core.data.catalogue import open_dataset
from core.data.prepared import prepare
from core.engine import device as devices
from core.engine.features import Images
from core.engine.progress import Progress
from core.engine.training import Task, train
from core.methods.base import METHODS
from core.runs import RunDirectory
from core.seeding import seed_everything
from core.workspace import Workspace


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=task["scratch"]) as folder:
        print(json.dumps(measured(task, Workspace(Path(folder)))))


def measured(task: dict[str, Any], place: Workspace) -> dict[str, float]:
    kind = METHODS.get(task["method"])
    device = devices.pick(task["device"])
    config = RunConfig(data=task["data"], method=kind.id, size=task["size"])
    run = RunDirectory.create(place, config)
    tag = task["backbone"] if kind.levels else NO_BACKBONE
    weights = resolve(tag, Path(task["weights"]) if kind.levels else None, place)
    extractor = build(tag, kind.levels, weights, device)
    seed_everything(0, "speed")
    settings = dict(task["settings"])
    if "textures" in kind.Config.model_fields:
        settings["textures"] = task["textures"]
    method = kind(kind.Config(**settings), extractor, task["size"]).to(device)
    dataset = open_dataset(task["data"], place)
    began = time.perf_counter()
    prepared = prepare(dataset, task["size"], place)
    loading = time.perf_counter() - began
    rows = np.asarray(prepared.rows(split="train"), dtype=np.intp)
    job = Task(
        "all", rows, (0.0, 1.0), 0, task["epochs"], task["batch"], run.path / "checkpoint",
        place.prepared, device,
    )  # fmt: skip
    progress = Progress(run, {"train": 1.0})
    progress.phase("train")
    train(method, job, Images(prepared, rows, device), progress)
    devices.synchronise(device)
    return {
        "seconds": time.perf_counter() - began,
        "loading_seconds": loading,
        "peak_memory_gib": devices.peak_memory(device) / 2**30,
    }


if __name__ == "__main__":
    main()
