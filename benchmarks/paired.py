"""Comparing two runs by 1,000 paired resamples of nine metrics over 1,725 images.

    python benchmarks/paired.py

As many images as the MVTec AD test set, in fifteen classes or in one, each with maps of 256 x 256
from benchmarks/metrics_data.py scored by two accumulators. What is measured is the comparison
alone, from the per-image summaries that a run keeps. Writes benchmarks/paired.json.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.metrics_data import make_maps  # noqa: E402
from core.metrics.accumulate import Accumulator  # noqa: E402
from core.metrics.base import NINE  # noqa: E402
from core.metrics.compare import RESAMPLES, ClassCases, compare  # noqa: E402

IMAGES, POOL, REACH, ROUNDS = 1725, 115, 5.0, 3


def scored(classes: int, gain: float) -> dict[str, ClassCases]:
    """Cases of a run whose maps are a power of the pool's: ranks stay, spreads do not."""
    pool = make_maps(POOL)
    accumulator = Accumulator("stream")
    for number in range(IMAGES // POOL):
        name = f"c{number % classes}"
        maps = pool.maps_BHW ** np.float32(gain + 0.02 * number)
        noise = np.random.default_rng(number).normal(0, 0.3 * gain, len(maps))
        accumulator.update(
            class_name=name,
            maps_BHW=maps,
            regions_BHW=pool.regions_BHW,
            scores_B=np.log(maps.max(axis=(1, 2))) + noise,
            labels_B=pool.labels_B,
            keys_B=[f"{number}/{i}" for i in range(len(maps))],
        )
    evaluation = accumulator.compute(intervals=0, by_type=False)
    return {group.name: ClassCases.of_group(group) for group in evaluation.groups}


def main() -> int:
    rows: list[dict[str, Any]] = []
    for classes in (15, 1):
        a, b = scored(classes, 1.0), scored(classes, 0.8)
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            found = compare(a, b, NINE, RESAMPLES)
            seconds.append(time.perf_counter() - began)
        mean = next(row for row in found if (row.class_name, row.metric) == ("mean", "image_auroc"))
        rows.append({
            "images": IMAGES, "classes": classes, "resamples": RESAMPLES, "metrics": len(NINE),
            "seconds": round(statistics.median(seconds), 3),
            "image_auroc_difference": mean.difference,
        })  # fmt: skip
        print(rows[-1])
    checks = [
        report.check(
            f"seconds for {RESAMPLES} paired resamples of nine metrics over {IMAGES} images, "
            f"{row['classes']} classes",
            row["seconds"],
            f"{REACH:g} or less",
            row["seconds"] <= REACH,
        )
        for row in rows
    ]
    print(report.write(__file__, ("numpy", "scipy"), rows, checks))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
