"""One training of anomalib's for train_speed.py: task as JSON in, figures as JSON out.

Runs in an environment with anomalib; imports nothing of this project. Weights come from the given
file instead of the hub; validation, logging and checkpoints are off, so that training alone counts.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import timm  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from safetensors.torch import load_file  # noqa: E402


def use_file(path: str) -> None:
    """Networks of timm and torchvision take their weights from one file, by name."""
    state = load_file(path)
    create = timm.create_model

    def made(name: str, *arguments: Any, **named: Any) -> Any:
        network = create(name, *arguments, **(named | {"pretrained": False}))
        network.load_state_dict(state, strict=False)
        return network

    timm.create_model = made
    for name in ("resnet18", "wide_resnet50_2"):
        build = getattr(torchvision.models, name)

        def filled(*arguments: Any, build: Any = build, **named: Any) -> Any:
            network = build(weights=None)
            network.load_state_dict(state, strict=False)
            return network

        setattr(torchvision.models, name, filled)


def model(task: dict[str, Any]) -> Any:
    from anomalib import models

    common: dict[str, Any] = {"evaluator": False, "visualizer": False, "post_processor": False}
    name, backbone = task["method"], task["backbone"]
    kinds: dict[str, Any] = {
        "patchcore": lambda: models.Patchcore(
            backbone=backbone, layers=("layer2", "layer3"), num_neighbors=1, **common
        ),
        "rd": lambda: models.ReverseDistillation(backbone=backbone, **common),
        "cfa": lambda: models.Cfa(backbone=backbone, **common),
        "cflow": lambda: models.Cflow(backbone=backbone, fiber_batch_size=64, **common),
        "draem": lambda: models.Draem(dtd_dir=task["textures"], **common),
    }
    made = kinds[name]()
    made.pre_processor = type(made).configure_pre_processor((task["size"], task["size"]))
    return made


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    use_file(task["weights"])
    from anomalib.data import Folder
    from anomalib.engine import Engine

    write_no_checkpoints()
    torch.manual_seed(0)
    data = Folder(
        name="part", root=Path(task["data"]) / "part", normal_dir="train/good",
        normal_test_dir="test/good", abnormal_dir="test/bad",
        train_batch_size=task["batch"], eval_batch_size=task["batch"], num_workers=2,
        val_split_mode="none",
    )  # fmt: skip
    trained = model(task)
    engine = Engine(
        max_epochs=task["epochs"], accelerator="gpu" if task["device"] == "cuda" else "cpu",
        devices=1, logger=False, enable_progress_bar=False,
        limit_val_batches=0, num_sanity_val_steps=0, default_root_dir=task["scratch"],
    )  # fmt: skip
    loading = load_once(data)
    began = time.perf_counter()
    engine.fit(model=trained, datamodule=data)
    if task["method"] == "patchcore" and not len(trained.model.memory_bank):
        trained.fit()
    if task["device"] == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if task["device"] == "cuda":
        peak = torch.cuda.max_memory_allocated()
    print(json.dumps({
        "seconds": seconds, "loading_seconds": loading, "peak_memory_gib": peak / 2**30,
    }))  # fmt: skip


def write_no_checkpoints() -> None:
    """anomalib insists on its checkpoint callback; it shall write nothing here."""
    from anomalib.callbacks import ModelCheckpoint

    def nothing(self: Any, *arguments: Any, **named: Any) -> None: ...

    for moment in ("on_train_epoch_end", "on_validation_end", "on_train_batch_end"):
        setattr(ModelCheckpoint, moment, nothing)


def load_once(data: Any) -> float:
    """Seconds of one pass over the training images without a model."""
    data.prepare_data()
    data.setup()
    began = time.perf_counter()
    for _ in data.train_dataloader():
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
