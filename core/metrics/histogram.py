"""A histogram of map values that needs no range, no second look and no order.

Bins are dyadic intervals of the float32 order (`keys`). All bins have one `shift`; some
neighbouring bins (32 by default, see `page_bits`) make a page, and the shift is the smallest at
which the pages that the values seen so far lie in have at most `capacity` bins. Since more values
never lie in fewer pages, the shift only ever grows, and the one reached in the end is the same for
every order of updates and every grouping of merges: it is a function of the set of values. So are
the counts, which are integers. Memory is bounded by the capacity, whatever the number of values.
(Pages, not bins, decide, because a sample of the values finds nearly all pages: the first look at
a batch already has the right shift.)

A histogram counts several groups of images over the same bins: the normal ones, and each anomaly
type. Of each group it has columns (int64):
    TOTAL: pixels.
    ANOMALOUS: anomalous pixels among them.
    GAIN: sum over anomalous pixels of UNIT / area of their region, rounded pixel by pixel.
    SHARE: sum over anomalous pixels of UNIT / anomalous pixels of their image, likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.keys import BOTTOM, TOP

Int64s = npt.NDArray[np.int64]
Bins = npt.NDArray[np.int32]
Column: TypeAlias = tuple[str, int]
"""Group and kind of count."""

TOTAL, ANOMALOUS, GAIN, SHARE = range(4)
UNIT: int = 2**44
"""Fixed point of GAIN and SHARE: integers add in any order to the bit, floats do not. 2^19
regions (or images) of one class fit into 63 bits."""
CAPACITY: int = 2**16
PAGES_BITS = 11
LEAST = 2
"""Smallest capacity: values of both signs never share a bin."""


def rounding(largest_area: int) -> float:
    """How far fixed point may move a region's share: half a unit a pixel."""
    return 0.5 * largest_area / UNIT


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in dyadic bins; immutable.

    Attributes:
        shift: bits dropped from the keys.
        bins_B: occupied bins, ascending int32 (key >> shift).
        columns: counts [B] by group and kind; a missing one is all zeros.
        lowest, highest: keys of the extremes.
    """

    shift: int = 0
    bins_B: Bins = field(default_factory=lambda: np.empty(0, np.int32))
    columns: Mapping[Column, Int64s] = field(default_factory=dict)
    lowest: int = TOP
    highest: int = BOTTOM

    @property
    def nbytes(self) -> int:
        return self.bins_B.nbytes + sum(column.nbytes for column in self.columns.values())

    @property
    def groups(self) -> list[str]:
        return sorted({group for group, _ in self.columns})

    def column(self, kind: int, groups: Iterable[str]) -> Int64s:
        """Counts of one kind over some groups together. [B]"""
        total = np.zeros(len(self.bins_B), np.int64)
        for group in groups:
            if (group, kind) in self.columns:
                total += self.columns[group, kind]
        return total

    def coarsened(self, shift: int) -> Histogram:
        """The same values at a coarser (or the same) shift."""
        if shift <= self.shift:
            return self
        bins = self.bins_B >> np.int32(shift - self.shift)
        starts = starts_of(bins)
        columns = {
            name: np.add.reduceat(counts, starts) if len(starts) else counts
            for name, counts in self.columns.items()
        }
        return Histogram(shift, bins[starts], columns, self.lowest, self.highest)

    def within(self, capacity: int) -> Histogram:
        """At the finest shift that keeps to a capacity of at least LEAST bins."""
        shift, bins, bits = self.shift, self.bins_B, page_bits(capacity)
        while len(distinct_sorted(bins >> np.int32(bits))) > capacity >> bits:
            shift, bins = shift + 1, distinct_sorted(bins >> np.int32(1))
        return self.coarsened(shift)

    def plus(self, other: Histogram, capacity: int) -> Histogram:
        """Both together; an empty one changes nothing."""
        if len(other.bins_B) == 0:
            return self
        if len(self.bins_B) == 0:
            return other.within(capacity)
        shift = max(self.shift, other.shift)
        one, two = self.coarsened(shift), other.coarsened(shift)
        bins = distinct(np.concatenate((one.bins_B, two.bins_B)))
        columns: dict[Column, Int64s] = {}
        for part in (one, two):
            at = places_among(bins, part.bins_B)
            for name, counts_B in part.columns.items():
                column = columns.setdefault(name, np.zeros(len(bins), np.int64))
                column[at] += counts_B
        ends = min(self.lowest, other.lowest), max(self.highest, other.highest)
        return Histogram(shift, bins, columns, *ends).within(capacity)


def page_bits(capacity: int) -> int:
    """Bits of a bin's number within its page: so many that some 2^PAGES_BITS pages make up the
    capacity; none where it is smaller than that."""
    return max(0, capacity.bit_length() - 1 - PAGES_BITS)


def places_among(bins: Bins, some: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Places of some of the bins among all of them, which ascend; by a table where they lie close
    together."""
    low, span = int(bins[0]), int(bins[-1]) - int(bins[0]) + 1
    if span > 32 * len(bins):
        return np.searchsorted(bins, some)
    table = np.empty(span, np.intp)
    table[bins - np.int32(low)] = np.arange(len(bins))
    found: npt.NDArray[np.intp] = table[some - np.int32(low)]
    return found


def distinct(bins: Bins) -> Bins:
    """Distinct bins, ascending (numpy's `unique` hashes, which is slower than a sort here)."""
    return distinct_sorted(np.sort(bins))


def distinct_sorted(ordered: Bins) -> Bins:
    """Distinct bins of ascending ones."""
    return ordered[starts_of(ordered)]


def starts_of(ordered: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where runs of equal values begin in a sorted array; none in an empty one."""
    if len(ordered) == 0:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
