"""anomalib trains on data in MVTec AD's layout and maps its test images, for accuracy_real3.py.

Runs in an environment with anomalib; task as JSON in. Writes maps.npy [images, size, size],
keys.txt and scores.csv into the folder given. All classes train one model.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_speed_peer import use_file, write_no_checkpoints

LEVELS = {"patchcore": ("blocks.2", "blocks.4"), "cflow": ("blocks.2", "blocks.4", "blocks.6")}
"""timm's names of strides 8, 16 and 32 of EfficientNet-Lite0."""
BACKBONE = "tf_efficientnet_lite0"


def model(task: dict[str, Any]) -> Any:
    from anomalib import models
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Compose, Normalize, Resize

    side = (task["size"], task["size"])
    half = (0.5, 0.5, 0.5)
    resize = Resize(side, antialias=True)
    packaged = PreProcessor(Compose([resize, Normalize(half, half)]))
    common: dict[str, Any] = {"evaluator": False, "visualizer": False, "post_processor": False}
    kinds: dict[str, Any] = {
        "patchcore": lambda: models.Patchcore(
            backbone=BACKBONE,
            layers=LEVELS["patchcore"],
            pre_processor=packaged,
            coreset_sampling_ratio=task["settings"].get("coreset_ratio", 0.1),
            **common,
        ),
        "cflow": lambda: models.Cflow(
            backbone=BACKBONE, layers=LEVELS["cflow"], pre_processor=packaged, **common
        ),
        "draem": lambda: models.Draem(
            dtd_dir=task["textures"], pre_processor=PreProcessor(Compose([resize])), **common
        ),
    }
    return kinds[task["method"]]()


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    root, out = Path(task["data"]), Path(task["out"])
    use_file(task["weights"])
    write_no_checkpoints()
    from anomalib.data import Folder
    from anomalib.engine import Engine

    torch.manual_seed(0)
    good = sorted(str(p.relative_to(root)) for p in root.glob("*/train/good"))
    tests = sorted(str(p.relative_to(root)) for p in root.glob("*/test/*"))
    data = Folder(
        name="all", root=root, normal_dir=good,
        normal_test_dir=[name for name in tests if name.endswith("/good")],
        abnormal_dir=[name for name in tests if not name.endswith("/good")],
        train_batch_size=task["batch"], eval_batch_size=task["batch"], num_workers=0,
        val_split_mode="none",
    )  # fmt: skip
    trained = model(task)
    engine = Engine(
        max_epochs=task["epochs"], accelerator="gpu" if task["device"] == "cuda" else "cpu",
        devices=1, logger=False, enable_progress_bar=False, limit_val_batches=0,
        num_sanity_val_steps=0, default_root_dir=str(out / "anomalib"),
    )  # fmt: skip
    engine.fit(model=trained, datamodule=data)
    if task["method"] == "patchcore" and not len(trained.model.memory_bank):
        trained.fit()
    save(mapped(trained, data, task), root, out, task["size"])


@torch.inference_mode()
def mapped(trained: Any, data: Any, task: dict[str, Any]) -> list[tuple[str, np.ndarray, float]]:
    """(path, map, score) of every test image."""
    device = "cuda" if task["device"] == "cuda" else "cpu"
    trained = trained.eval().to(device)
    found = []
    for batch in data.test_dataloader():
        answer = trained.model(trained.pre_processor.transform(batch.image.to(device)))
        maps_BHW = answer.anomaly_map.squeeze(1).float().cpu().numpy()
        scores_B = answer.pred_score.flatten().float().cpu().numpy()
        found += zip(batch.image_path, maps_BHW, scores_B.tolist(), strict=True)
    return found


def save(found: list[tuple[str, np.ndarray, float]], root: Path, out: Path, size: int) -> None:
    keys = [Path(path).relative_to(root).as_posix() for path, _, _ in found]
    maps_NHW = np.stack([one for _, one, _ in found]).astype(np.float32)
    assert maps_NHW.shape[1:] == (size, size), maps_NHW.shape
    np.save(out / "maps.npy", maps_NHW)
    (out / "keys.txt").write_text("\n".join(keys) + "\n")
    with (out / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "score"])
        writer.writerows(zip(keys, (score for _, _, score in found), strict=True))


if __name__ == "__main__":
    main()
