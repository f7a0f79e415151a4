"""Test images with maps and regions, and slow direct evaluations to compare with."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from core.metrics.accumulate import Accumulator, Evaluation, Grade


@dataclass(frozen=True)
class Batch:
    """Images of one class."""

    maps_BHW: npt.NDArray[np.float32]
    regions_BHW: npt.NDArray[np.int32]
    scores_B: npt.NDArray[np.float64]
    labels_B: npt.NDArray[np.int64]
    has_mask_B: npt.NDArray[np.bool_]

    def take(self, index: object) -> Batch:
        return Batch(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def add_to(
        self, accumulator: Accumulator, class_name: str = "tile", **facts: Any
    ) -> Accumulator:
        """Add all images; `facts` are further arguments of `update`, such as keys_B."""
        accumulator.update(
            class_name=class_name,
            maps_BHW=self.maps_BHW,
            regions_BHW=self.regions_BHW,
            scores_B=self.scores_B,
            labels_B=self.labels_B,
            has_mask_B=self.has_mask_B,
            **facts,
        )
        return accumulator

    def evaluate(self, intervals: int = 0, seed: int = 0, grade: Grade = "exact") -> Evaluation:
        return self.add_to(Accumulator(grade)).compute(intervals=intervals, seed=seed)

    def with_maps(self, maps_BHW: npt.NDArray[np.float32]) -> Batch:
        return replace(self, maps_BHW=maps_BHW.astype(np.float32))


def regions(masks_BHW: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """8-connected regions, numbered from 1 in each image."""
    eight = np.ones((3, 3))
    return np.stack([ndimage.label(mask, eight)[0] for mask in masks_BHW]).astype(np.int32)


def make(
    seed: int, images: int = 12, side: int = 16, levels: int | None = None, shift: float = 1.0
) -> Batch:
    """Random images, every second one anomalous with a few blobs.

    Args:
        levels: number of distinct map values; None = practically no ties.
        shift: how much higher anomalous pixels are, in standard deviations.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    noise = rng.standard_normal((images, side, side))
    masks = ndimage.gaussian_filter(noise, (0, 1.5, 1.5)) > 0.2
    masks[:, side // 2, side // 2] = True
    masks &= labels[:, None, None] == 1
    maps = rng.standard_normal((images, side, side)) + shift * masks
    if levels is not None:
        maps = np.clip(np.floor((maps + 3) * levels / 6), 0, levels - 1)
    maps = maps.astype(np.float32)
    scores = maps.max(axis=(1, 2)).astype(np.float64)
    return Batch(maps, regions(masks), scores, labels, np.ones(images, dtype=bool))


def facts(batch: Batch, prefix: str = "", keys: bool = True) -> dict[str, list[Any]]:
    """Types, specimens of two images each, pooled scores and, if wanted, keys of the images."""
    count = len(batch.labels_B)
    kinds = ("hole", "scratch", "stain")
    made: dict[str, list[Any]] = {
        "anomaly_types_B": [kinds[i // 2 % 3] for i in range(count)],
        "specimens_B": [None if i % 5 == 4 else f"{prefix}{i // 4}{i % 2}" for i in range(count)],
        "ader_scores_B": [float(score) - i % 3 for i, score in enumerate(batch.scores_B)],
    }
    return made | ({"keys_B": [f"{prefix}{i}.png" for i in range(count)]} if keys else {})


def add_rows(
    accumulator: Accumulator, class_name: str, batch: Batch, known: dict[str, list[Any]],
    rows: list[int],
) -> Accumulator:  # fmt: skip
    """Add the images at `rows` with their facts."""
    some = {name: [listed[row] for row in rows] for name, listed in known.items()}
    return batch.take(rows).add_to(accumulator, class_name, **some)


def direct_aupro(batch: Any, limit: float = 0.3) -> float:
    """AU-PRO as its definition reads: every distinct value of any pixel is tried in turn.

    Images of the batch may differ in size.
    """
    images = list(zip(batch.maps_BHW, batch.regions_BHW, strict=True))
    inside = [
        values_HW[ids_HW == region]
        for values_HW, ids_HW in images
        for region in range(1, int(ids_HW.max()) + 1)
    ]
    outside = np.concatenate([values_HW[ids_HW == 0] for values_HW, ids_HW in images])
    every = np.unique(np.concatenate([values_HW.ravel() for values_HW, _ in images]))
    points = [(0.0, 0.0)]
    for threshold in every[::-1]:
        rate = float(np.mean(outside >= threshold))
        overlap = float(np.mean([np.mean(values >= threshold) for values in inside]))
        points.append((rate, overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 >= limit:
            break
        end = min(x1, limit)
        y_end = y1 if x1 == x0 else y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def direct_iou(batch: Batch) -> float:
    """IoU-max with every distinct value tried in turn."""
    truth = batch.regions_BHW > 0
    return max(
        float((truth & called).sum() / (truth | called).sum())
        for called in (batch.maps_BHW >= t for t in np.unique(batch.maps_BHW))
    )
