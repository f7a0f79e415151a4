"""Pixels of a class in two sorted arrays: the plainest `PixelCounts` there is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from core.metrics.ader import Counts
from core.metrics.keys import Float32s
from core.metrics.ranking import FloatArray


@dataclass(frozen=True)
class SortedCounts:
    """`PixelCounts` of normal and of anomalous values, ascending, at least one of each; gains are
    1 / area of the region an anomalous value lies in."""

    normals_N: Float32s
    values_M: Float32s
    gains_M: FloatArray

    @property
    def lowest(self) -> float:
        return float(min(self.normals_N[0], self.values_M[0]))

    @property
    def highest(self) -> float:
        return float(max(self.normals_N[-1], self.values_M[-1]))

    @property
    def positives(self) -> int:
        return len(self.values_M)

    @property
    def negatives(self) -> int:
        return len(self.normals_N)

    @property
    def regions(self) -> int:
        return round(float(self._gain_from_M1[0]))

    @cached_property
    def _gain_from_M1(self) -> FloatArray:
        """Sum of gains from each place to the end; 0 beyond it."""
        return np.append(np.cumsum(self.gains_M[::-1])[::-1], 0.0)

    def at_or_above(self, thresholds_T: FloatArray, strict: bool) -> Counts:
        """See `PixelCounts`."""
        side: Literal["left", "right"] = "right" if strict else "left"
        outward = np.float32(-np.inf if strict else np.inf)
        # nearest float32 that separates the same float32 values, so that they are not converted
        nearest = thresholds_T.astype(np.float32)
        beyond = nearest > thresholds_T if strict else nearest < thresholds_T
        cuts = np.where(beyond, np.nextafter(nearest, outward), nearest)
        below_T = np.searchsorted(self.values_M, cuts, side=side)
        false_T = self.negatives - np.searchsorted(self.normals_N, cuts, side=side)
        overlap_T = self._gain_from_M1[below_T] / self.regions
        return false_T.astype(np.float64), (self.positives - below_T).astype(np.float64), overlap_T
