"""The accumulator: maps, masks, scores and labels go in by batch, an evaluation comes out.

Exact: every pixel's float32 value is kept (4 bytes a normal pixel, 8 an anomalous one), sorted
once an image. Order of updates and grouping of merges change nothing, to the bit, intervals
included.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from core.errors import UsageError
from core.metrics.curves import Curve
from core.metrics.evaluation import Evaluation, MetricRow, evaluate
from core.metrics.records import ImageRecord, records
from core.types import MEAN

__all__ = ["Accumulator", "Curve", "Evaluation", "MetricRow"]


class Accumulator:
    """Collects test images of any number of classes."""

    def __init__(self) -> None:
        self._images: dict[str, list[ImageRecord]] = {}

    def __len__(self) -> int:
        """Number of images so far."""
        return sum(map(len, self._images.values()))

    def update(
        self,
        *,
        class_name: str,
        maps_BHW: npt.ArrayLike,
        regions_BHW: npt.ArrayLike,
        scores_B: npt.ArrayLike,
        labels_B: npt.ArrayLike,
        has_mask_B: npt.ArrayLike,
    ) -> None:
        """Add a batch of one class; arrays (or CPU tensors) are read, not kept.

        Args:
            class_name: any name but "mean".
            maps_BHW: anomaly maps, higher = more anomalous, taken as float32.
            regions_BHW: 0 = normal pixel, 1, 2, ... = ids of 8-connected regions, unique within
                an image.
            scores_B: image scores.
            labels_B: 0 normal, 1 anomalous.
            has_mask_B: False = anomalous image whose mask is unknown; it counts for image
                metrics only, as does an anomalous image without any region. Not read for normal
                images, whose pixels are all normal.

        Raises:
            UsageError: arrays that do not fit together, NaN or infinity; names the class.
        """
        if class_name == MEAN:
            raise UsageError(
                f"A class cannot be called {MEAN!r}; that names the mean over classes."
            )
        batch = records(class_name, maps_BHW, regions_BHW, scores_B, labels_B, has_mask_B)
        self._images.setdefault(class_name, []).extend(batch)

    def merge(self, other: Accumulator) -> Accumulator:
        """A new accumulator with the images of both; neither is changed."""
        merged = Accumulator()
        for part in (self, other):
            for class_name, images in part._images.items():
                merged._images.setdefault(class_name, []).extend(images)
        return merged

    def compute(
        self,
        *,
        intervals: int = 500,
        seed: int = 0,
        held_out: Mapping[str, npt.ArrayLike] | None = None,
    ) -> Evaluation:
        """Metrics, their 95 % intervals and curves, per class and their mean.

        Args:
            intervals: bootstrap resamples; 0 = no intervals.
            seed: of the resampling.
            held_out: class name -> scores of held-out normal images (deployment protocol), for
                the threshold they vouch for; classes not named get no such row.

        Raises:
            RunError: there is no image.
        """
        return evaluate(self._images, intervals, seed, held_out or {})
