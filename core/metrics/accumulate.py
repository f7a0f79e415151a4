"""The accumulator: maps, masks, scores and labels go in by batch, an evaluation comes out.

Grade "exact": every pixel's float32 value is kept and sorted (4 bytes a normal pixel, 8 an
anomalous one); every distinct value is a threshold. Grade "stream": pixels go into histograms of
bounded size, whatever their number, and every value comes with bounds that surely hold the exact
one. In both, order of updates and grouping of merges change nothing, to the bit, intervals
included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import RunError, UsageError
from core.metrics.ascending import Ascending
from core.metrics.base import METRICS
from core.metrics.batch import checked, new_keys, region_ids, require_apart, require_finite
from core.metrics.curves import Curve
from core.metrics.evaluation import Evaluation, evaluate
from core.metrics.group import Group
from core.metrics.histogram import CAPACITY, LEAST
from core.metrics.objects import Detections, detect
from core.metrics.pixel import Confusion
from core.metrics.population import Population, WholePixels
from core.metrics.records import ImageRecord, records
from core.metrics.results import Grade, MetricRow, Value
from core.metrics.stats import Kind
from core.metrics.streamed import Streamed
from core.metrics.summary import with_parts
from core.metrics.threads import Told
from core.types import MEAN

__all__ = ["Accumulator", "Curve", "Evaluation", "Grade", "MetricRow", "Value"]

STREAM_FROM = 200_000_000
"""Pixels from which `grade_for` streams; exact took 1.6 GB at 131 million (benchmarks/metrics)."""


def grade_for(pixels: int) -> Grade:
    """The grade a run of that many pixels gets: exact while it fits in memory with ease."""
    return "exact" if pixels < STREAM_FROM else "stream"


class Accumulator:
    """Collects test images of any number of classes.

    Args:
        grade: see the module.
        details: whether single images are looked at closely: local maxima for FROC and, in
            grade "stream", a profile of each image (a few kB) for intervals and regions.
        capacity: most bins of a histogram; more of them give closer bounds.
    """

    def __init__(
        self, grade: Grade = "exact", *, details: bool = True, capacity: int = CAPACITY
    ) -> None:
        if grade not in ("exact", "stream"):
            raise UsageError(f"grade came as {grade!r}; choose 'exact' or 'stream'.")
        if capacity < LEAST:
            raise UsageError(
                f"capacity came as {capacity}; a histogram needs {LEAST} bins or more."
            )
        self.grade: Grade = grade
        self.details = details
        self.capacity = capacity
        self._images: dict[str, list[ImageRecord]] = {}
        self._pixels: dict[str, Streamed] = {}
        self._keys: dict[str, set[str]] = {}
        self._pooled: dict[str, Population] = {}  # kept from `thresholds` for `compute`
        self._objects: dict[str, dict[str, Detections]] = {}

    def __len__(self) -> int:
        """Number of images so far."""
        return sum(map(len, self._images.values()))

    @property
    def classes(self) -> list[str]:
        return sorted(self._images)

    def update(
        self,
        *,
        class_name: str,
        maps_BHW: Any,
        regions_BHW: Any,
        scores_B: npt.ArrayLike,
        labels_B: npt.ArrayLike,
        has_mask_B: npt.ArrayLike | None = None,
        anomaly_types_B: Sequence[str] | None = None,
        specimens_B: Sequence[str | None] | None = None,
        keys_B: Sequence[str] | None = None,
        ader_scores_B: npt.ArrayLike | None = None,
    ) -> None:
        """Add a batch of one class; arrays and tensors are read, not kept.

        Maps on another device than the CPU stay there: what comes to the host is counts, values
        at some ranks and the values of anomalous pixels.

        Args:
            class_name: any name but "mean".
            maps_BHW: anomaly maps, higher = more anomalous, taken as float32.
            regions_BHW: 0 = normal pixel, 1, 2, ... = ids of 8-connected regions, unique within
                an image; or a boolean mask, whose regions are then found.
            scores_B: image scores.
            labels_B: 0 normal, 1 anomalous.
            has_mask_B: False = anomalous image whose mask is unknown; it counts for image
                metrics only, as does an anomalous image without any region. Not read for normal
                images, whose pixels are all normal. None: all are known.
            anomaly_types_B: kind of anomaly of each image; not read for normal ones.
            specimens_B: part or patient each image shows; None = one of its own.
            keys_B: what each image is called, unique within its class; needed for comparing runs.
            ader_scores_B: the image score by ADer's pooling, where it is another one.

        Raises:
            UsageError: arrays that do not fit together, NaN or infinity; names the class.
        """
        if class_name == MEAN:
            raise UsageError(
                f"A class cannot be called {MEAN!r}; that names the mean over classes."
            )
        batch = checked(
            class_name, maps_BHW, regions_BHW, scores_B, labels_B, has_mask_B,
            anomaly_types_B, specimens_B, keys_B, ader_scores_B,
        )  # fmt: skip
        named = new_keys(batch, self._keys.get(class_name, set()))
        if self.grade == "exact":
            require_finite(batch, np.arange(len(batch.labels_B)))
            found = records(batch, whole=True, details=True, marks=self.details)
        else:
            require_finite(batch, np.flatnonzero(~batch.known_B))  # the others are counted
            counted = self._pixels.get(class_name, Streamed()).with_batch(batch, self.capacity)
            found = records(batch, whole=False, details=self.details, marks=self.details)
            self._pixels[class_name] = counted
        self._images.setdefault(class_name, []).extend(found)
        self._keys.setdefault(class_name, set()).update(named)
        self._pooled.pop(class_name, None)

    def merge(self, other: Accumulator) -> Accumulator:
        """A new accumulator with the images of both; neither is changed.

        Raises:
            UsageError: they differ in grade, details or capacity, or share an image.
        """
        mine, theirs = ((one.grade, one.details, one.capacity) for one in (self, other))
        if mine != theirs:
            raise UsageError(
                f"Accumulators of grade, details and capacity {mine} and {theirs} cannot be "
                "merged; make both alike."
            )
        for name in self._keys.keys() & other._keys.keys():
            require_apart(name, self._keys[name], other._keys[name])
        merged = Accumulator(self.grade, details=self.details, capacity=self.capacity)
        for part in (self, other):
            for class_name, keys in part._keys.items():
                merged._keys.setdefault(class_name, set()).update(keys)
            for class_name, images in part._images.items():
                merged._images.setdefault(class_name, []).extend(images)
            for class_name, pixels in part._pixels.items():
                held = merged._pixels.get(class_name, Streamed())
                merged._pixels[class_name] = held.merged(pixels, self.capacity)
            for class_name, objects in part._objects.items():
                merged._objects.setdefault(class_name, {}).update(objects)
        return merged

    def nbytes(self) -> int:
        """Bytes of the arrays that are kept."""
        images = sum(image.nbytes for held in self._images.values() for image in held)
        return images + sum(pixels.nbytes for pixels in self._pixels.values())

    # -- the second pass: objects need a threshold, which only the first pass tells ------------

    def thresholds(self, told: Told = lambda share: None) -> dict[str, float]:
        """The map value of best pixel F1 of each class that has one (oracle); `told` hears the
        share of classes done and may end it by raising."""
        found = {}
        for number, name in enumerate(self.classes, start=1):
            group = self._group(name)
            self._pooled[name] = group.population
            found[name] = group.evidence.threshold
            told(number / len(self._images))
        return {name: value for name, value in found.items() if not np.isnan(value)}

    def update_objects(
        self, class_name: str, threshold: float, maps_BHW: Any, regions_BHW: Any,
        keys_B: Sequence[str],
    ) -> None:  # fmt: skip
        """Second look at images already added: the objects at or above a threshold.

        Args:
            threshold: see `thresholds`; the same for all images of a class.
            maps_BHW, regions_BHW, keys_B: as in `update`, on the host. Leave out images whose
                mask is unknown.

        Raises:
            UsageError: maps, regions and keys that do not fit together; names the class.
        """
        maps, regions = np.asarray(maps_BHW), region_ids(class_name, regions_BHW)
        if not len(maps) == len(regions) == len(keys_B):
            raise UsageError(
                f"Class {class_name!r}: {len(maps)} maps came with {len(regions)} masks and "
                f"{len(keys_B)} keys for a second look; one of each an image is needed."
            )
        images = zip(keys_B, maps, regions, strict=True)
        found = {key: detect(map_HW, ids_HW, threshold) for key, map_HW, ids_HW in images}
        self._objects.setdefault(class_name, {}).update(found)

    # -- results ---------------------------------------------------------------------------------

    def population(
        self, class_name: str, anomaly_type: str | None = None, clean: Ascending | None = None
    ) -> Population:
        """The pixels of a class, or of its normal images and those of one anomaly type.

        Args:
            clean: pixels of its normal images, if they are sorted already.
        """
        images = self._chosen(class_name, anomaly_type)
        if self.grade == "exact":
            return WholePixels(images, clean)
        return self._pixels.get(class_name, Streamed()).population(anomaly_type)

    def confusion(self, class_name: str, threshold: float) -> Confusion:
        """Pixels of a class called anomalous and not, at a threshold of one's own. R = 1."""
        pixels = self.population(class_name)
        false, found, _ = pixels.at_or_above(np.array([threshold]), strict=False)
        return Confusion(found, pixels.positives - found, false, pixels.negatives - false)

    def _chosen(self, class_name: str, anomaly_type: str | None) -> list[ImageRecord]:
        images = sorted(self._images[class_name], key=lambda image: image.place)
        if anomaly_type is None:
            return images
        return [i for i in images if i.label == 0 or i.anomaly_type == anomaly_type]

    def _group(
        self, class_name: str, anomaly_type: str | None = None,
        held_out: Mapping[str, npt.ArrayLike] | None = None, clean: Ascending | None = None,
    ) -> Group:  # fmt: skip
        images = self._chosen(class_name, anomaly_type)
        objects = self._objects.get(class_name)
        known = [image for image in images if image.known]
        detections = None
        if objects is not None:
            missing = [image.key for image in known if image.key not in objects]
            if missing:
                raise UsageError(
                    f"Class {class_name!r}: {len(missing)} images such as {missing[0]!r} had no "
                    "second look; give all of them to update_objects."
                )
            nothing = Detections(np.empty(0, np.float32), np.empty((0, 3), bool), 0)
            detections = [objects[i.key] if i.known else nothing for i in images]
        scores = (held_out or {}).get(class_name)
        pooled = None if anomaly_type else self._pooled.pop(class_name, None)
        return Group(
            name=class_name,
            anomaly_type=anomaly_type or "",
            images=images,
            population=pooled or self.population(class_name, anomaly_type, clean),
            detections=detections,
            held_out_N=None if scores is None else np.asarray(scores, np.float64).ravel(),
        )

    def values(self, *metrics: str) -> dict[str, dict[str, Value]]:
        """Some metrics of every class, without intervals and curves: {class: {metric: value}}.

        A metric that has no value for a class is left out of it.

        Raises:
            UnknownId: no such metric.
        """
        needed = [METRICS.get(id) for id in with_parts(metrics)]
        found = {name: self._group(name).some(needed, self.grade) for name in self.classes}
        return {
            name: {id: v for id, v in of.items() if id in metrics} for name, of in found.items()
        }

    def compute(
        self,
        *,
        intervals: int = 500,
        seed: int = 0,
        held_out: Mapping[str, npt.ArrayLike] | None = None,
        interval: Kind = "percentile",
        by_type: bool = True,
        told: Told = lambda share: None,
    ) -> Evaluation:
        """Metrics, their 95 % intervals and curves, per class and type, and their mean.

        Args:
            intervals: bootstrap resamples; 0 = no intervals.
            seed: of the resampling.
            held_out: class name -> scores of held-out normal images (deployment protocol), for
                the threshold they vouch for; classes not named get no such row.
            interval: "percentile", or "bca" (corrected for bias and skew, several times slower).
            by_type: also every anomaly type by itself.
            told: hears the share done, in this thread, twice a second; may end it by raising.

        Raises:
            RunError: there is no image.
        """
        if not self._images:
            raise RunError(
                "There is no test image to evaluate; choose classes that have a test split."
            )
        groups = [self._group(name, None, held_out) for name in self.classes]
        kinds, alone = [], {}
        for group in groups if by_type else ():
            present = sorted({i.anomaly_type for i in group.images if i.label == 1})
            clean = group.population.clean if isinstance(group.population, WholePixels) else None
            if len(present) == 1:
                alone[group.name] = present[0]
                continue
            for kind in present:
                told(0.0)
                if kind:  # "" stands for all of the class
                    kinds.append(self._group(group.name, kind, None, clean))
        return evaluate(groups, kinds, alone, self.grade, intervals, seed, interval, told)
