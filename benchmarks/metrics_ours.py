"""Our accumulator measured once, as benchmarks/metrics_peers.py measures a peer.

    python -m benchmarks.metrics_ours ID FOLDER

Batches are laid out (or, beyond what fits into memory, made one by one) outside the clock. Masks
come as numbered regions, as prepared data keeps them; what numbering them costs is told apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.metrics_data import Maps, Source
from benchmarks.metrics_peers import Values, measure
from core.data.regions import label
from core.metrics.accumulate import Accumulator, Grade

OURS: dict[str, tuple[Grade, str]] = {
    "ours-stream": ("stream", "cpu"),
    "ours-exact": ("exact", "cpu"),
    "ours-stream-cuda": ("stream", "cuda"),
}
"""id -> grade and device."""


def ours(batches: Iterable[Maps], grade: Grade) -> Values:
    """Pixel AUROC, AP and AU-PRO of all batches, with their bounds."""
    accumulator = Accumulator(grade, details=False)
    for batch in batches:
        accumulator.update(
            class_name="maps",
            maps_BHW=batch.maps_BHW,
            regions_BHW=batch.regions_BHW,
            scores_B=batch.scores_B,
            labels_B=batch.labels_B,
            has_mask_B=batch.labels_B == 1,
        )
    names = ("auroc", "ap", "aupro")
    found = accumulator.values(*(f"pixel_{name}" for name in names))["maps"]
    values = {name: found[f"pixel_{name}"].value for name in names}
    for name in names:
        _, low, high = found[f"pixel_{name}"]
        if low is not None and high is not None:
            values[f"bound_{name}"] = max(values[name] - low, high - values[name])
    return values


def labelling_seconds(maps: Maps) -> float:
    """What it takes to number the regions of all anomalous masks."""
    masks = maps.masks_BHW[maps.labels_B == 1].astype(bool)
    began = time.perf_counter()
    for mask in masks:
        label(mask)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", choices=OURS)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    grade, device = OURS[given.id]
    source = Source(given.folder, device)
    few = source.few()
    ours([few], grade)
    label(few.masks_BHW[1].astype(bool))
    found = measure(lambda: ours(source, grade), device, lambda: source.seconds)
    if source.laid_out:
        found["labelling_seconds"] = labelling_seconds(source.whole())
    print(json.dumps(found | {"version": "this project"}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
