"""Our side of data.py: prepare once, then hand out batches; task and seconds as JSON."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


def epoch(prepared: Any, batch: int) -> int:
    """Every training image as the engine hands it to the device, uint8; returns how many."""
    import torch

    rows = prepared.rows("train")
    seen = 0
    for start in range(0, len(rows), batch):
        images_BCHW = torch.from_numpy(prepared.images(rows[start : start + batch]))
        seen += len(images_BCHW)
    return seen


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    import torch  # noqa: F401 - its start-up is nobody's data loading

    from benchmarks.own_memory import Peak
    from core.data.catalogue import open_dataset
    from core.data.prepared import prepare
    from core.workspace import Workspace

    dataset = open_dataset(task["data"], Workspace(Path(tempfile.gettempdir())))
    train = [sample for sample in dataset.samples if sample.split == "train"]
    chosen = train[: task["images"]]
    with tempfile.TemporaryDirectory() as folder, Peak() as peak:
        began = time.perf_counter()
        prepared = prepare(dataset, task["size"], Workspace(Path(folder)), samples=chosen)
        prepared_in = time.perf_counter() - began
        assert epoch(prepared, task["batch"]) == len(chosen)
        first = time.perf_counter() - began
        later = []
        for _ in range(3 * task["later"]):  # a fraction of a second each
            began = time.perf_counter()
            epoch(prepared, task["batch"])
            later.append(time.perf_counter() - began)
    told = {
        "prepare_seconds": round(prepared_in, 3),
        "first_seconds": round(first, 3),
        "later_seconds": round(statistics.median(later), 4),
        "first_images_a_second": round(len(chosen) / first, 1),
        "later_images_a_second": round(len(chosen) / statistics.median(later), 1),
        "peak_memory_mib": peak.mib,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
