"""Pixel level: does the map tell anomalous pixels from normal ones?

All pixels of a class are one population: those of normal images, and those of anomalous images
whose mask is known. Every distinct map value is a threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.metrics import bounds, formulas
from core.metrics.base import AT_ORACLE, Evidence, NotComputable, metric
from core.metrics.ranking import FloatArray, auroc, average_precision, f1_max, iou_max


@metric(
    "pixel_auroc",
    title="Pixel AUROC",
    level="pixel",
    summary="How often an anomalous pixel has a higher map value than a normal one.",
    definition="Rank sum of the map values; ties count one half.",
    formula=formulas.AUROC,
    source="Hanley & McNeil 1982; sklearn.metrics.roc_auc_score",
    bounds=lambda evidence: bounds.auroc_bounds(evidence.pixels),
)
def pixel_auroc(evidence: Evidence) -> FloatArray:
    return auroc(evidence.pixels)


@metric(
    "pixel_ap",
    title="Pixel AP",
    level="pixel",
    summary="How pure the highest map values stay while all anomalous pixels are found.",
    definition="Sum over distinct values of (rise in recall) x precision, without interpolation.",
    formula=formulas.AP,
    source="sklearn.metrics.average_precision_score",
    bounds=lambda evidence: bounds.average_precision_bounds(evidence.pixels),
)
def pixel_ap(evidence: Evidence) -> FloatArray:
    return average_precision(evidence.pixels)


@metric(
    "pixel_f1max",
    title="Pixel F1-max",
    level="pixel",
    summary="The best balance of precision and recall over pixels that any one threshold reaches.",
    definition="Highest F1 over all distinct map values as thresholds (oracle).",
    formula=formulas.F1_MAX,
    source="ADer benchmark, arXiv 2406.03262; sklearn.metrics.precision_recall_curve",
    bounds=lambda evidence: bounds.f1_max_bounds(evidence.pixels),
)
def pixel_f1max(evidence: Evidence) -> FloatArray:
    return f1_max(evidence.pixels)


@metric(
    "pixel_ioumax",
    title="Pixel IoU-max",
    level="pixel",
    summary="The best overlap of thresholded map and true mask that any one threshold reaches.",
    definition="Highest TP / (TP + FP + FN) over all distinct map values as thresholds (oracle).",
    formula=formulas.IOU_MAX,
    source="ADer benchmark, arXiv 2406.03262",
    bounds=lambda evidence: bounds.iou_max_bounds(evidence.pixels),
)
def pixel_ioumax(evidence: Evidence) -> FloatArray:
    return iou_max(evidence.pixels)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pixels called anomalous and not at one threshold, each [R].

    Attributes:
        found, missed: anomalous pixels at or above it, and below.
        false, passed: normal pixels at or above it, and below.
    """

    found: FloatArray
    missed: FloatArray
    false: FloatArray
    passed: FloatArray

    @property
    def precision(self) -> FloatArray:
        """Share of the called pixels that are anomalous; NaN where none is called."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> FloatArray:
        return _share(self.found, self.found + self.missed)

    @property
    def specificity(self) -> FloatArray:
        return _share(self.passed, self.passed + self.false)

    @property
    def dice(self) -> FloatArray:
        """2 TP / (2 TP + FP + FN) (Dice, Ecology 26, 1945)."""
        return _share(2.0 * self.found, 2.0 * self.found + self.false + self.missed)

    @property
    def iou(self) -> FloatArray:
        return _share(self.found, self.found + self.false + self.missed)

    @property
    def mcc(self) -> FloatArray:
        """Matthews' correlation (Biochimica et Biophysica Acta 405, 1975); 0 where every pixel
        is called, or none is (Chicco & Jurman, BMC Genomics 21, 2020)."""
        agree = self.found * self.passed - self.false * self.missed
        scale = np.sqrt(self.found + self.false) * np.sqrt(self.found + self.missed)
        scale = scale * np.sqrt(self.passed + self.false) * np.sqrt(self.passed + self.missed)
        nothing = np.where(np.isnan(scale), np.nan, 0.0)
        return np.asarray(np.divide(agree, scale, out=nothing, where=scale > 0))


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def confusion(evidence: Evidence) -> Confusion:
    """At the evidence's operating threshold."""
    r, at = evidence.pixels, evidence.operating
    if at is None:
        raise NotComputable("no threshold is known")
    found, false = r.found_RM[:, at], r.false_RM[:, at]
    return Confusion(found, r.positives_R - found, false, r.negatives_R - false)


def _at_threshold(
    id: str, title: str, summary: str, definition: str, formula: str, source: str,
    take: Callable[[Confusion], FloatArray], correlation: bool = False,
) -> None:  # fmt: skip
    """Register a metric of the confusion at the operating threshold."""

    @metric(
        id,
        title=title,
        level="pixel",
        unit="correlation" if correlation else "share",
        summary=summary,
        definition=f"{definition}, of pixels at or above the threshold of pixel F1-max (oracle).",
        formula=formula,
        source=source,
        note=lambda evidence: AT_ORACLE,
    )
    def formula_of(evidence: Evidence) -> FloatArray:
        return take(confusion(evidence))


_at_threshold(
    "pixel_dice", "Pixel Dice",
    "How well the marked area and the true one cover each other: 1 wholly, 0 not at all.",
    "2 TP / (2 TP + FP + FN)", formulas.DICE, "Dice, Ecology 26, 1945", lambda at: at.dice,
)  # fmt: skip
_at_threshold(
    "pixel_precision", "Pixel precision",
    "The share of the marked pixels that are anomalous, at one threshold.",
    "TP / (TP + FP)", formulas.PRECISION, "sklearn.metrics.precision_score",
    lambda at: at.precision,
)  # fmt: skip
_at_threshold(
    "pixel_recall", "Pixel recall",
    "The share of the anomalous pixels that are marked, at one threshold.",
    "TP / (TP + FN)", formulas.RECALL, "sklearn.metrics.recall_score", lambda at: at.recall,
)  # fmt: skip
_at_threshold(
    "pixel_specificity", "Pixel specificity",
    "The share of the normal pixels that stay unmarked, at one threshold.",
    "TN / (TN + FP)", formulas.SPECIFICITY, "sklearn.metrics.recall_score of the normal pixels",
    lambda at: at.specificity,
)  # fmt: skip
_at_threshold(
    "pixel_mcc", "Pixel MCC",
    "How well marking and truth agree on all pixels: 1 wholly, 0 no better than by chance.",
    "Matthews correlation of marked and anomalous", formulas.MCC,
    "Matthews, Biochimica et Biophysica Acta 405, 1975; sklearn.metrics.matthews_corrcoef",
    lambda at: at.mcc, correlation=True,
)  # fmt: skip
