"""Pixel level: does the map tell anomalous pixels from normal ones?

All pixels of a class are one population: those of normal images, and those of anomalous images
whose mask is known. Every distinct map value is a threshold.
"""

from __future__ import annotations

from core.metrics.base import Evidence, metric
from core.metrics.ranking import FloatArray, auroc, average_precision, f1_max, iou_max


@metric(
    "pixel_auroc",
    title="Pixel AUROC",
    level="pixel",
    summary="How often an anomalous pixel has a higher map value than a normal one.",
    definition="Rank sum of the map values; ties count one half.",
    source="Hanley & McNeil 1982; sklearn.metrics.roc_auc_score",
)
def pixel_auroc(evidence: Evidence) -> FloatArray:
    return auroc(evidence.pixels)


@metric(
    "pixel_ap",
    title="Pixel AP",
    level="pixel",
    summary="How pure the highest map values stay while all anomalous pixels are found.",
    definition="Sum over distinct values of (rise in recall) x precision, without interpolation.",
    source="sklearn.metrics.average_precision_score",
)
def pixel_ap(evidence: Evidence) -> FloatArray:
    return average_precision(evidence.pixels)


@metric(
    "pixel_f1max",
    title="Pixel F1-max",
    level="pixel",
    summary="The best balance of precision and recall over pixels that any one threshold reaches.",
    definition="Highest F1 over all distinct map values as thresholds (oracle).",
    source="ADer benchmark, arXiv 2406.03262; sklearn.metrics.precision_recall_curve",
)
def pixel_f1max(evidence: Evidence) -> FloatArray:
    return f1_max(evidence.pixels)


@metric(
    "pixel_ioumax",
    title="Pixel IoU-max",
    level="pixel",
    summary="The best overlap of thresholded map and true mask that any one threshold reaches.",
    definition="Highest TP / (TP + FP + FN) over all distinct map values as thresholds (oracle).",
    source="ADer benchmark, arXiv 2406.03262",
)
def pixel_ioumax(evidence: Evidence) -> FloatArray:
    return iou_max(evidence.pixels)
