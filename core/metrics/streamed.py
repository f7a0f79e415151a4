"""The pixels of one class in grade "stream": a histogram, and a few counts beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from core.errors import UsageError
from core.metrics.batch import Batch, not_finite
from core.metrics.counting import Job, count
from core.metrics.histogram import UNIT, Histogram
from core.metrics.population import BinnedPixels
from core.metrics.truth import Truth
from core.types import GOOD

MOST_REGIONS = 2**63 // UNIT - 1
"""Regions of one class whose shares add up within 63 bits; images with a region are no more."""


class Shape(NamedTuple):
    """Of an anomaly type: its number of regions, and the most pixels a region or an image has."""

    regions: int = 0
    largest: int = 0

    def plus(self, other: Shape) -> Shape:
        return Shape(self.regions + other.regions, max(self.largest, other.largest))


@dataclass(frozen=True, slots=True)
class Streamed:
    """Immutable; groups of the histogram are anomaly types, the normal images' among them."""

    histogram: Histogram = field(default_factory=Histogram)
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return self.histogram.nbytes

    def with_batch(self, batch: Batch, capacity: int) -> Streamed:
        """With the pixels of a batch's known images.

        Raises:
            UsageError: a map holds NaN or infinity; more regions than `merged` takes.
        """
        parts: dict[str, list[int]] = defaultdict(list)
        for i in np.flatnonzero(batch.known_B):
            parts[batch.types_B[i]].append(int(i))
        jobs, shapes = [], {}
        for kind, rows in parts.items():
            close = rows[-1] - rows[0] < len(rows)  # then a view will do
            where = slice(rows[0], rows[-1] + 1) if close else rows
            truth = None if kind == GOOD else Truth(batch.regions_BHW[where])
            jobs.append(Job(kind, batch.maps_BHW, np.array(rows), truth))
            if truth is not None:
                most = truth.areas_L.max(initial=0), truth.pixels_B.max(initial=0)
                shapes[kind] = Shape(len(truth.areas_L), max(map(int, most)))
        if not jobs:
            return self
        try:
            fresh = count(jobs, self.histogram.shift, capacity)
        except ValueError as error:
            raise not_finite(batch.class_name, "map") from error
        return self.merged(Streamed(fresh, shapes), capacity)

    def merged(self, other: Streamed, capacity: int) -> Streamed:
        """Both together.

        Raises:
            UsageError: more regions than fixed point can add up.
        """
        shapes = {
            kind: self.shapes.get(kind, Shape()).plus(other.shapes.get(kind, Shape()))
            for kind in {*self.shapes, *other.shapes}
        }
        if sum(shape.regions for shape in shapes.values()) > MOST_REGIONS:
            raise UsageError(
                f"A class has more than {MOST_REGIONS:,} anomalous regions, too many for grade "
                "'stream'; check that its masks are masks, or use grade 'exact'."
            )
        return Streamed(self.histogram.plus(other.histogram, capacity), shapes)

    def population(self, anomaly_type: str | None) -> BinnedPixels:
        """All pixels, or those of the normal images and of one anomaly type."""
        bad = [kind for kind in sorted(self.shapes) if anomaly_type in (None, kind)]
        shapes = [self.shapes[kind] for kind in bad]
        return BinnedPixels(
            self.histogram,
            bad,
            sum(shape.regions for shape in shapes),
            max((shape.largest for shape in shapes), default=0),
        )
