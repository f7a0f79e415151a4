"""Predicts every test (and held-out) image, measures, evaluates; writes the run's tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core import maps
from core.data.prepared import Prepared
from core.engine import device as devices
from core.engine.features import ImageBatch
from core.engine.progress import Progress
from core.errors import RunError
from core.methods.base import Method
from core.types import Prediction

Rows = npt.NDArray[np.intp]


@dataclass(slots=True)
class Pace:
    """Prediction times: seconds of every batch, the first of each model counted apart (warm-up)."""

    warm_images: int = 0
    warm_seconds: float = 0.0
    cold: list[tuple[int, float]] = field(default_factory=list)

    def add(self, images: int, seconds: float, first: bool) -> None:
        if first:
            self.cold.append((images, seconds))
        else:
            self.warm_images += images
            self.warm_seconds += seconds

    @property
    def images_per_second(self) -> float | None:
        """Warm rate; the cold one when there was a single batch; None when nothing ran."""
        if self.warm_seconds > 0:
            return self.warm_images / self.warm_seconds
        seconds = sum(time for _, time in self.cold)
        return sum(count for count, _ in self.cold) / seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """One predicted batch on the host: float32 maps [B, S, S], scores [B], ms an image.

    Scores made elsewhere keep their 64 bits, lest near ones become ties.
    """

    rows: Rows
    maps_BHW: npt.NDArray[np.float32]
    scores_B: npt.NDArray[np.floating[Any]]
    ader_scores_B: npt.NDArray[np.float32]
    latency_ms: float


def predict(
    method: Method,
    rows: Rows,
    images: ImageBatch,
    batch_size: int,
    device: torch.device,
    pace: Pace,
) -> Iterator[Predicted]:
    """Final maps and scores of the images at `rows`, batch by batch.

    Raises:
        RunError: a map or score is not finite.
    """
    method.eval()
    for start in range(0, len(rows), batch_size):
        some = rows[start : start + batch_size]
        with devices.memory_guard("predicting", f"--batch-size (now {batch_size}) or --size"):
            began = time.monotonic()
            final = _one(method, some, images)
            maps_BHW = final.maps_BHW.cpu().numpy()
            devices.synchronise(device)
            seconds = time.monotonic() - began
        scores_B = final.scores_B.cpu().numpy()
        if not (np.isfinite(maps_BHW).all() and np.isfinite(scores_B).all()):
            raise RunError(
                f"{method.card.title} gave a map or score that is not a finite number for an image "
                f"of the batch from row {int(some[0])}; lower the learning rate and train again."
            )
        pace.add(len(some), seconds, first=start == 0)
        ader_scores_B = final.ader_scores_B.cpu().numpy()
        yield Predicted(some, maps_BHW, scores_B, ader_scores_B, 1000 * seconds / len(some))


@torch.inference_mode()
def _one(method: Method, rows: Rows, images: ImageBatch) -> Prediction:
    return maps.finish(method.predict(images(rows)), method.rule, method.size)


def truth_facts(
    prepared: Prepared, batch: Predicted, regions_BHW: npt.NDArray[np.integer[Any]]
) -> dict[str, list[Any]]:
    """Per image: size and number of true regions, height and place of the map's peak."""
    count = len(batch.rows)
    flat_maps = batch.maps_BHW.reshape(count, -1)
    flat_regions = regions_BHW.reshape(count, -1)
    top = flat_maps.argmax(axis=1)
    anomalous = [prepared.samples[row].label == 1 for row in batch.rows]
    known = prepared.has_mask[batch.rows]
    on_region = flat_regions[np.arange(count), top] > 0
    return {
        "area_px": [int(area) for area in (flat_regions > 0).sum(axis=1)],
        "regions": [int(number) for number in flat_regions.max(axis=1)],
        "peak": [float(value) for value in flat_maps[np.arange(count), top]],
        "peak_in_truth": [
            bool(hit) if bad and mask else None
            for hit, bad, mask in zip(on_region, anomalous, known, strict=True)
        ],
    }


def publish_cases(prepared: Prepared, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns of cases.parquet, from those gathered while predicting."""
    samples = [prepared.samples[row] for row in columns.pop("sample")]
    return {
        "row": list(range(len(samples))),
        "key": [sample.key for sample in samples],
        "class_name": [sample.class_name for sample in samples],
        "label": [sample.label for sample in samples],
        "anomaly_type": [sample.anomaly_type for sample in samples],
        "specimen": [sample.specimen for sample in samples],
    } | columns


def report_pace(progress: Progress, done: int, total: int, pace: Pace) -> None:
    rate = pace.images_per_second
    progress.update(
        done / max(total, 1), f"image {done} of {total}", f"{rate:.0f} images/s" if rate else None
    )
