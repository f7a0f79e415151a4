"""The others' side of data.py: a torch DataLoader that decodes, or anomalib's data module."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from own_memory import Peak
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Decoded(Dataset[torch.Tensor]):
    """Decodes and resizes each time an image is asked for; uint8, as ours."""

    def __init__(self, files: list[Path], size: int) -> None:
        self._files = files
        self._transform = v2.Compose([v2.Resize((size, size), antialias=True), v2.PILToTensor()])

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> torch.Tensor:
        with Image.open(self._files[row]) as image:
            made: torch.Tensor = self._transform(image.convert("RGB"))
        return made


def plain(task: dict[str, Any]) -> Any:
    files = sorted((Path(task["data"]) / "part/train/good").iterdir())[: task["images"]]
    return DataLoader(
        Decoded(files, task["size"]), task["batch"], shuffle=True, num_workers=task["workers"],
        persistent_workers=True,
    )  # fmt: skip


def anomalib(task: dict[str, Any]) -> Any:
    from anomalib.data import Folder

    side = (task["size"], task["size"])
    data = Folder(
        name="part", root=task["data"], normal_dir="part/train/good",
        abnormal_dir="part/test/crack", normal_test_dir="part/test/good",
        train_batch_size=task["batch"], num_workers=task["workers"],
        augmentations=v2.Resize(side, antialias=True), val_split_mode="none",
    )  # fmt: skip
    data.setup("fit")
    return data.train_dataloader()


def epoch(loader: Any) -> int:
    seen = 0
    for batch in loader:
        images = batch if isinstance(batch, torch.Tensor) else batch.image
        seen += len(images)
    return seen


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    with Peak() as peak:
        began = time.perf_counter()
        loader = (anomalib if task["side"] == "anomalib" else plain)(task)
        count = epoch(loader)
        first = time.perf_counter() - began
        later = []
        for _ in range(task["later"]):
            began = time.perf_counter()
            epoch(loader)
            later.append(time.perf_counter() - began)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    told = {
        "counted": count,
        "first_seconds": round(first, 3),
        "later_seconds": round(statistics.median(later), 4),
        "first_images_a_second": round(count / first, 1),
        "later_images_a_second": round(count / statistics.median(later), 1),
        "peak_memory_mib": peak.mib,
        "peak_memory_of_a_worker_mib": round(workers / 1024, 1),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
