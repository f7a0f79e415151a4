"""The pixels of one class, in the two grades of exactness, behind one set of questions.

WholePixels   grade "exact": every value, sorted; every distinct anomalous value a threshold
BinnedPixels  grade "stream": histograms; every bin a threshold, values inside in unknown order
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics.ascending import Ascending, Side
from core.metrics.histogram import (
    ANOMALOUS,
    GAIN,
    SHARE,
    TOTAL,
    Histogram,
    rounding,
    starts_of,
)
from core.metrics.keys import Float32s, edge_of, key_of, value_of
from core.metrics.lazy import lazy
from core.metrics.ranking import FloatArray, Ranking, Rates, rank
from core.metrics.records import ImageRecord
from core.metrics.threads import in_threads
from core.types import GOOD

NO_ANOMALOUS = "no anomalous test image"
NO_MASK = "no anomalous test image has a usable mask"
NO_NORMAL = "no normal pixel in the test images"


class WholePixels:
    """Every pixel of a class.

    Args:
        images: with whole records, in an order that does not depend on their arrival.
        clean: the pixels of the normal ones, if they are sorted already.
    """

    slack = 0.0

    def __init__(self, images: Sequence[ImageRecord], clean: Ascending | None = None) -> None:
        known = [image for image in images if image.known]
        halves = [
            [image.normals.values for image in known if image.label == label and image.normals]
            for label in (0, 1)
        ]
        if clean is None:
            self.clean, self.mixed = in_threads(Ascending.pooled, halves)
        else:
            self.clean, self.mixed = clean, Ascending.pooled(halves[1])
        bad = [image for image in known if image.label == 1]
        self._bad_images = len(bad)
        self.regions = sum(image.regions for image in bad)
        nothing = [np.empty(0, np.float32)]
        values = np.concatenate([image.values_M for image in bad] + nothing)
        order = np.argsort(values, kind="stable")  # stable: images stand in their own order
        self.values_M: Float32s = values[order]
        gains = [1.0 / image.areas_L[image.region_M] for image in bad]
        shares = [np.full(len(i.values_M), 1.0 / max(1, len(i.values_M))) for i in bad]
        self._gains_M = np.concatenate([*gains, np.empty(0)])[order]
        self._shares_M = np.concatenate([*shares, np.empty(0)])[order]

    @property
    def positives(self) -> int:
        return len(self.values_M)

    @property
    def negatives(self) -> int:
        return len(self.clean) + len(self.mixed)

    @lazy
    def lowest(self) -> float:
        return min(self._ends(0))

    @lazy
    def highest(self) -> float:
        return max(self._ends(-1))

    def _ends(self, rank: int) -> list[float]:
        held = (self.clean, self.mixed, Ascending(self.values_M))
        return [float(part.at(np.array([rank % len(part)]))[0]) for part in held if len(part)]

    def normals_below(self, thresholds_T: npt.NDArray[Any], strictly: bool = True) -> FloatArray:
        """Normal pixels < (or <=) each float32 threshold. [T]"""
        side: Side = "left" if strictly else "right"
        clean, mixed = (p.count_below(thresholds_T, side) for p in (self.clean, self.mixed))
        return (clean + mixed).astype(np.float64)

    def normals_at_or_above(self, thresholds_T: npt.NDArray[Any]) -> FloatArray:
        """Normal pixels >= each float32 threshold. [T]"""
        return self.negatives - self.normals_below(thresholds_T)

    def clean_rates(self, thresholds_T: npt.NDArray[Any]) -> FloatArray:
        """Share of the pixels of normal images >= each float32 threshold; NaN without any. [T]"""
        clean = len(self.clean)
        above_T = clean - self.clean.count_below(thresholds_T)
        return above_T / clean if clean else np.full(len(above_T), np.nan)

    def normal_values(self, shares_S: FloatArray) -> Float32s:
        """Map values near which these shares of the normal pixels lie at or above; any number."""
        found = []
        for part in (self.clean, self.mixed):
            ranks = np.maximum(1, np.rint(shares_S * len(part))).astype(np.intp)
            if len(part):
                found.append(part.at(np.unique(len(part) - ranks)))
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.float32)

    @lazy
    def _starts(self) -> npt.NDArray[np.intp]:
        return starts_of(self.values_M)

    @lazy
    def ranking(self) -> Ranking | str:
        """Exact: one threshold a distinct anomalous value; or the reason why there is none."""
        if self.positives == 0:
            return NO_MASK
        if self.negatives == 0:
            return NO_NORMAL
        distinct = self.values_M[self._starts]
        return rank(
            distinct,
            count_M=np.diff(self._starts, append=self.positives),
            below_M=self.normals_below(distinct),
            not_above_M=self.normals_below(distinct, strictly=False),
            negatives=self.negatives,
            ends=(self.lowest, self.highest),
            gain_M=np.add.reduceat(self._gains_M, self._starts) / self.regions,
        )

    @lazy
    def rates(self) -> Rates:
        """At the thresholds of `ranking`; needs one."""
        clean = len(self.clean)
        distinct = self.values_M[self._starts]
        rate_M = (clean - self.clean.count_below(distinct))[::-1] / max(1, clean)
        share_M = np.add.reduceat(self._shares_M, self._starts)[::-1] / self._bad_images
        return Rates(rate_M[None], rate_M[None], share_M[None], clean)

    def at_or_above(
        self, thresholds_T: FloatArray, strict: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Normal and anomalous pixels, and mean share of a region, >= (strict: >) thresholds."""
        single = _single(thresholds_T, strict)
        false_T = self.negatives - self.normals_below(single)
        first_T = np.searchsorted(self.values_M, single, side="left")
        gain = np.concatenate((np.cumsum(self._gains_M[::-1])[::-1], [0.0]))
        return (
            false_T,
            (self.positives - first_T).astype(np.float64),
            gain[first_T] / max(1, self.regions),
        )


class BinnedPixels:
    """A histogram of a class.

    Args:
        histogram: with the groups below.
        bad: groups (anomaly types) whose images count, beside the normal ones.
        regions: number of their regions.
        largest: largest region area or number of anomalous pixels of an image.
    """

    def __init__(
        self, histogram: Histogram, bad: Sequence[str], regions: int, largest: int
    ) -> None:
        self._histogram, self._bad, self.regions = histogram, tuple(bad), regions
        self.slack = rounding(largest)
        self._anomalous_B = histogram.column(ANOMALOUS, bad)
        self._clean_B = histogram.column(TOTAL, (GOOD,))
        self._normal_B = self._clean_B + histogram.column(TOTAL, bad) - self._anomalous_B
        self.positives = int(self._anomalous_B.sum())
        self.negatives = int(self._normal_B.sum())

    @property
    def lowest(self) -> float:
        return float(value_of(np.array([self._histogram.lowest]))[0])

    @property
    def highest(self) -> float:
        return float(value_of(np.array([self._histogram.highest]))[0])

    @lazy
    def edges_B(self) -> Float32s:
        """The lowest value of each bin."""
        edges = edge_of(self._histogram.bins_B, self._histogram.shift)
        return np.maximum(edges, np.float32(self.lowest))

    def _from_top(self, counts_B: npt.NDArray[Any]) -> FloatArray:
        """Sums from each bin up, and 0 at the end. [B + 1]"""
        return np.concatenate((np.cumsum(counts_B[::-1])[::-1], [0])).astype(np.float64)

    def _place(self, thresholds_T: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """First bin that lies wholly at or above each threshold, and how much of the bin before
        it does, if its values are spread evenly over its floats."""
        keys = key_of(np.ascontiguousarray(thresholds_T, np.float32)).astype(np.int64)
        shift = self._histogram.shift
        bins = self._histogram.bins_B.astype(np.int64)
        inside = np.zeros(len(keys))
        if len(bins) == 0:
            return np.zeros(len(keys), np.intp), inside
        first = np.searchsorted(bins, keys >> shift, side="right")
        same = first > 0
        same[same] = bins[first[same] - 1] == (keys >> shift)[same]
        begin = np.maximum(bins[first - 1] << shift, self._histogram.lowest)
        end = np.minimum((bins[first - 1] + 1) << shift, self._histogram.highest + 1)
        inside[same] = (end - keys)[same] / np.maximum(end - begin, 1)[same]
        return first, np.clip(inside, 0.0, 1.0)

    def normals_below(self, thresholds_T: npt.NDArray[Any], strictly: bool = True) -> FloatArray:
        """Normal pixels < (or <=) each threshold, interpolated inside bins. [T]"""
        return self.negatives - self._reached(self._normal_B, _single(thresholds_T, not strictly))

    def normals_at_or_above(self, thresholds_T: npt.NDArray[Any]) -> FloatArray:
        """Normal pixels >= each threshold, interpolated inside bins. [T]"""
        return self._reached(self._normal_B, np.asarray(thresholds_T, np.float32))

    def clean_rates(self, thresholds_T: npt.NDArray[Any]) -> FloatArray:
        """Share of the pixels of normal images >= each threshold; NaN without any. [T]"""
        above_T = self._reached(self._clean_B, np.asarray(thresholds_T, np.float32))
        clean = int(self._clean_B.sum())
        return above_T / clean if clean else np.full(len(above_T), np.nan)

    def _reached(self, counts_B: npt.NDArray[Any], thresholds_T: npt.NDArray[Any]) -> FloatArray:
        first, inside = self._place(thresholds_T)
        total = self._from_top(counts_B)
        in_part = np.append(counts_B, 0)[first - 1]  # none of the last, 0, where `first` is 0
        return np.asarray(total[first] + inside * in_part)

    def normal_values(self, shares_S: FloatArray) -> Float32s:
        """Lower edges of bins near which these shares of the normal pixels lie at or above."""
        reached = self._from_top(self._normal_B)[:-1]
        at = np.searchsorted(-reached, -shares_S * self.negatives, side="right") - 1
        return np.unique(self.edges_B[np.clip(at, 0, len(self.edges_B) - 1)])

    @lazy
    def _kept(self) -> npt.NDArray[np.intp]:
        """Bins with anomalous values, from the top."""
        return np.flatnonzero(self._anomalous_B > 0)[::-1]

    @lazy
    def ranking(self) -> Ranking | str:
        """One threshold a bin with anomalous values; or the reason why there is none."""
        if self.positives == 0:
            return NO_MASK
        if self.negatives == 0:
            return NO_NORMAL
        kept, from_top = self._kept, self._from_top(self._normal_B)
        gain = self._histogram.column(GAIN, self._bad)[kept]
        return Ranking(
            count_RM=self._anomalous_B[kept][None].astype(np.float64),
            above_RM=from_top[kept + 1][None],
            ties_RM=self._normal_B[kept][None].astype(np.float64),
            positives_R=np.array([self.positives], np.float64),
            negatives_R=np.array([self.negatives], np.float64),
            gain_RM=(gain / gain.sum())[None],
            thresholds_M=self.edges_B[kept],
            ceilings_M=edge_of(self._histogram.bins_B[kept] + 1, self._histogram.shift),
            lowest=self.lowest,
            highest=self.highest,
            spread=self._histogram.shift > 0,
        )

    @lazy
    def rates(self) -> Rates:
        """At the thresholds of `ranking`; needs one."""
        pixels = int(self._clean_B.sum())
        from_top = self._from_top(self._clean_B) / max(1, pixels)
        share = self._histogram.column(SHARE, self._bad)[self._kept]
        return Rates(
            from_top[self._kept + 1][None],
            from_top[self._kept][None],
            (share / max(1, share.sum()))[None],
            pixels,
        )

    def at_or_above(
        self, thresholds_T: FloatArray, strict: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Normal and anomalous pixels, and mean share of a region, >= (strict: >) thresholds;
        interpolated inside bins."""
        at = _single(thresholds_T, strict)
        gain = self._histogram.column(GAIN, self._bad).astype(np.float64)
        return (
            self._reached(self._normal_B, at),
            self._reached(self._anomalous_B, at),
            self._reached(gain / max(1.0, gain.sum()), at),
        )


Population = WholePixels | BinnedPixels


def _single(thresholds_T: npt.NDArray[Any], strict: bool) -> Float32s:
    """Float32 thresholds t' such that float32 values are >= t' exactly when they are >= t (> t)."""
    wide = np.asarray(thresholds_T, np.float64)
    with np.errstate(over="ignore"):
        single = wide.astype(np.float32)
        step = (single < wide) | ((single == wide) & strict)
        return np.where(step, np.nextafter(single, np.float32(np.inf)), single)
