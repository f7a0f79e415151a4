"""ADer's own evaluation procedure, so that its published rows can be compared like for like.

Source: the ADer benchmark (arXiv 2406.03262), its Evaluator with `use_adeval`, and the package
ADEval 1.1.0 that it calls with 50 strips. Image metrics are exact there and need nothing here.

- AUROC, AP and AU-PRO come from 51 thresholds evenly spaced from the lowest to the highest map
  value of a class, both included; a pixel is anomalous when its value is >= the threshold.
  Areas are trapezoids between these points alone: no point (0, 0) is added, so what lies left of
  the highest threshold is lost. AP is the area under precision against recall, precision being 1
  where nothing is predicted. AU-PRO ends at a false-positive rate of 0.3, interpolated linearly.
- F1-max and IoU-max come from the levels 0, 0.05, ..., 1 of the map rescaled to 0..1 over the
  class; a pixel is anomalous when it is > the level. F1 and its parts have 1e-8 in each divisor.

Two ways of counting. ADEval's classes for the CPU count as above. Its class for CUDA, which ADer
calls, counts pixels *equal to the highest value* twice, once in the last strip and once above it
(totals included). One pixel among thousands hardly matters; a saturated map's many do.
`cuda=True` counts so.

Rounding follows, for float32 maps: CPU thresholds are computed in float32. CUDA finds a pixel's
strip by a float32 division, and levels are compared with the rescaled map in float32 (numpy 1's
rule, which ADer ran on): here the largest value that stays below is found for each.

Agreement with ADEval 1.1.0 on random, tied and saturated maps: AUROC and AP the same, AU-PRO to
1e-9 (its region weights are float32); its CUDA class was run on the CPU for that. Deviations:
where ADEval fails or returns NaN, these functions raise `NotComputable` (one map value only, one
kind of pixel only, more than 30 % of normal pixels at the highest value) or return the area,
which is defined (no region is touched up to the limit).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.base import NotComputable
from core.metrics.ranking import FloatArray
from core.metrics.region import LIMIT
from core.metrics.summary import SEVEN

STRIPS = 50
"""Strips between the lowest and the highest map value."""
LEVEL_STEP = 0.05
EPSILON = 1e-8

ADER_NOTE = (
    "ADer's published tables count pixels at 51 evenly spaced map values instead of at every "
    "value. Where a few pixels have far higher values than all others, or many share the highest "
    "one, the result differs much from the exact one: the same ranking of pixels gave an exact "
    "AUROC of 0.961, and 0.720 with 50 bins, once its scores were spread like a log-normal."
)
"""What the difference to the exact values can be, for people."""

_BEST = (
    "The best of 21 evenly spaced thresholds. It cannot exceed the exact value and lies far below "
    "it when the best threshold falls between two of them."
)
ADER_NOTES: Mapping[str, str] = {
    "pixel_auroc": "Area through 51 evenly spaced thresholds. It changes when a map is merely "
    "rescaled: the same ranking gave 0.961 exactly and 0.720 here with heavy-tailed scores.",
    "pixel_ap": "Area under the precision-recall curve through 51 evenly spaced thresholds, by "
    "trapezoids. It may lie above or below the exact average precision.",
    "pixel_f1max": _BEST,
    "pixel_ioumax": _BEST,
    "pixel_aupro": "Area through 51 evenly spaced thresholds, up to 30 % of the normal pixels. "
    "With heavy-tailed scores a single threshold may jump over the whole of that range.",
}
"""The same for each metric, by id."""

Float32s: TypeAlias = npt.NDArray[np.float32]
Counts: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]


class PixelCounts(Protocol):
    """All pixels of one class, to be counted at any threshold: extremes of all map values,
    numbers of anomalous and of normal pixels and of anomalous regions."""

    @property
    def lowest(self) -> float: ...
    @property
    def highest(self) -> float: ...
    @property
    def positives(self) -> int: ...
    @property
    def negatives(self) -> int: ...
    @property
    def regions(self) -> int: ...

    def at_or_above(self, thresholds_T: FloatArray, strict: bool) -> Counts:
        """Counts at T thresholds, in any order.

        Args:
            thresholds_T: float64.
            strict: pixels above the threshold only.

        Returns:
            false_T, found_T, overlap_T: normal pixels, anomalous pixels, and the mean over
            regions of the share of the region, with value >= (strict: >) the threshold.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Curve:
    """Counts at the 51 thresholds from the highest down, and their totals."""

    false_T: FloatArray
    found_T: FloatArray
    overlap_T: FloatArray
    negatives: float
    positives: float


def _range(counts: PixelCounts) -> tuple[np.float32, np.float32]:
    """Lowest map value and width of the range; raises NotComputable where there is no scale."""
    if counts.positives < 1 or counts.negatives < 1:
        raise NotComputable("normal and anomalous pixels are both needed")
    low, high = np.float32(counts.lowest), np.float32(counts.highest)
    with np.errstate(over="ignore"):
        width = high - low
    if not 0 < width < np.inf:
        raise NotComputable("the map values leave no range to divide into strips")
    return low, width


def _curve(counts: PixelCounts, strips: int, cuda: bool) -> _Curve:
    low, width = _range(counts)
    totals = (float(counts.negatives), float(counts.positives), 1.0)
    if not cuda:
        edges_T = np.linspace(0.0, 1.0, strips + 1, dtype=np.float32) * width + low
        columns = counts.at_or_above(edges_T[::-1].astype(np.float64), strict=False)
        return _Curve(*columns, negatives=totals[0], positives=totals[1])
    strip_T = np.arange(strips - 1, 0, -1, dtype=np.float32)
    scale = np.float32(strips)
    below_T = _last(counts, strips - 1, lambda v_T: (v_T - low) * scale / width < strip_T)
    columns = counts.at_or_above(below_T, strict=True)
    tops = counts.at_or_above(np.array([counts.highest]), strict=False)
    false_T, found_T, overlap_T = (
        np.concatenate((top, column + top, total + top))
        for column, top, total in zip(columns, tops, totals, strict=True)
    )
    whole = overlap_T[-1]
    return _Curve(false_T, found_T, overlap_T / whole, float(false_T[-1]), float(found_T[-1]))


def _last(
    counts: PixelCounts, questions: int, below_T: Callable[[Float32s], npt.NDArray[np.bool_]]
) -> FloatArray:
    """For each question, the largest float32 up to the highest value that is still below, by
    halving: rescaling in float32 keeps the order, and the lowest value is always below. [T]"""
    over_T = np.full(questions, counts.highest, np.float32)
    under_T = np.where(below_T(over_T), over_T, np.float32(counts.lowest))
    while True:
        middle = 0.5 * under_T.astype(np.float64) + 0.5 * over_T.astype(np.float64)
        middle_T = middle.astype(np.float32)
        if ((middle_T == under_T) | (middle_T == over_T)).all():
            return under_T.astype(np.float64)
        fits_T = below_T(middle_T)
        under_T = np.where(fits_T, middle_T, under_T)
        over_T = np.where(fits_T, over_T, middle_T)


def ader_pixel_auroc(counts: PixelCounts, *, strips: int = STRIPS, cuda: bool = False) -> float:
    """Area under the ROC polyline through `strips` + 1 evenly spaced thresholds.

    Args:
        counts: pixels of one class.
        strips: 50 in ADer.
        cuda: count pixels of the highest value twice, as the published rows do.

    Raises:
        NotComputable: one kind of pixel only, or one map value only.
    """
    curve = _curve(counts, strips, cuda)
    found_T, false_T = curve.found_T / curve.positives, curve.false_T / curve.negatives
    return float(np.trapezoid(found_T, false_T))


def ader_pixel_ap(counts: PixelCounts, *, strips: int = STRIPS, cuda: bool = False) -> float:
    """Area under precision against recall, by trapezoids; arguments as `ader_pixel_auroc`."""
    curve = _curve(counts, strips, cuda)
    called_T = curve.false_T + curve.found_T
    precision_T = np.where(called_T > 0, curve.found_T / np.maximum(called_T, 1.0), 1.0)
    return float(np.trapezoid(precision_T, curve.found_T / curve.positives))


def ader_pixel_aupro(
    counts: PixelCounts, *, limit: float = LIMIT, strips: int = STRIPS, cuda: bool = False
) -> float:
    """Area under the mean region overlap up to a false-positive rate of `limit`, over `limit`.

    Arguments as `ader_pixel_auroc`.

    Raises:
        NotComputable: also when the curve begins beyond the limit.
    """
    curve = _curve(counts, strips, cuda)
    rate_T, overlap_T = curve.false_T / curve.negatives, curve.overlap_T
    after = int(np.searchsorted(rate_T, limit, side="right"))  # the lowest threshold has rate 1
    if after == 0:
        raise NotComputable(
            f"more than {100 * limit:g} % of the normal pixels have the highest map value"
        )
    (x0, x1), (y0, y1) = rate_T[after - 1 : after + 1], overlap_T[after - 1 : after + 1]
    at_limit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
    area = np.trapezoid(overlap_T[:after], rate_T[:after]) + (limit - x0) * (y0 + at_limit) / 2
    return float(area / limit)


def ader_pixel_f1max(counts: PixelCounts) -> float:
    """Highest F1 of the 21 levels; raises as `ader_pixel_auroc`."""
    false_T, found_T, _ = counts.at_or_above(_levels(counts), strict=True)
    precision_T = found_T / (false_T + found_T + EPSILON)
    recall_T = found_T / (counts.positives + EPSILON)
    f1_T = 2 * precision_T * recall_T / (precision_T + recall_T + EPSILON)
    return float(f1_T.max())


def ader_pixel_ioumax(counts: PixelCounts) -> float:
    """Highest intersection over union of the 21 levels; raises as `ader_pixel_auroc`."""
    false_T, found_T, _ = counts.at_or_above(_levels(counts), strict=True)
    return float((found_T / (false_T + counts.positives + EPSILON)).max())


def _levels(counts: PixelCounts) -> FloatArray:
    """For each level, the largest map value whose rescaled value does not exceed it. [21]"""
    low, width = _range(counts)
    levels_T = np.arange(0.0, 1.0 + 1e-3, LEVEL_STEP).astype(np.float32)
    return _last(counts, len(levels_T), lambda v_T: (v_T - low) / width <= levels_T)


def ader_mad(values: Mapping[str, float | None]) -> float:
    """ADer's mAD of one class: the mean of its seven metrics, by id; IoU-max is not among them.

    Raises:
        NotComputable: one of the seven is missing or None; names it.
    """
    found = {id: values.get(id) for id in SEVEN}
    missing = [id for id, value in found.items() if value is None]
    if missing:
        raise NotComputable(f"{', '.join(missing)} cannot be computed")
    return float(np.mean([value for value in found.values() if value is not None]))
