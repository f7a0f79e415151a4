"""Image level: does the image score tell anomalous images from normal ones?

Definitions are scikit-learn's (`roc_auc_score`, `average_precision_score`,
`precision_recall_curve`); every distinct score is a threshold.
"""

from __future__ import annotations

import numpy as np

from core.metrics import formulas
from core.metrics.base import Evidence, metric
from core.metrics.ranking import FloatArray, auroc, average_precision, f1_max

LEVEL = 0.95
"""The fixed sensitivity, and the fixed specificity."""
_ENOUGH = 1e-12  # 0.95 of a count may come out a hair above the whole number it is


@metric(
    "image_auroc",
    title="Image AUROC",
    level="image",
    summary="How often an anomalous image scores higher than a normal one.",
    definition="Rank sum of the image scores; ties count one half.",
    formula=formulas.AUROC,
    source="Hanley & McNeil 1982; sklearn.metrics.roc_auc_score",
)
def image_auroc(evidence: Evidence) -> FloatArray:
    return auroc(evidence.images)


@metric(
    "image_ap",
    title="Image AP",
    level="image",
    summary="How pure the list of highest-scoring images stays while all anomalous ones are found.",
    definition="Sum over distinct scores of (rise in recall) x precision, without interpolation.",
    formula=formulas.AP,
    source="sklearn.metrics.average_precision_score",
)
def image_ap(evidence: Evidence) -> FloatArray:
    return average_precision(evidence.images)


@metric(
    "image_f1max",
    title="Image F1-max",
    level="image",
    summary="The best balance of precision and recall over images that any one threshold reaches.",
    definition="Highest F1 over all distinct scores as thresholds (oracle).",
    formula=formulas.F1_MAX,
    source="ADer benchmark, arXiv 2406.03262; sklearn.metrics.precision_recall_curve",
)
def image_f1max(evidence: Evidence) -> FloatArray:
    return f1_max(evidence.images)


def false_rate_at(evidence: Evidence, sensitivity: float) -> FloatArray:
    """Lowest false-positive rate of any threshold that reaches a sensitivity. [R]"""
    r = evidence.images
    wanted_R1 = (sensitivity - _ENOUGH) * r.positives_R[:, None]
    first_R1 = (r.found_RM >= wanted_R1).argmax(axis=1)[:, None]
    return np.asarray(np.take_along_axis(r.false_RM, first_R1, axis=1)[:, 0] / r.negatives_R)


def sensitivity_at(evidence: Evidence, specificity: float) -> FloatArray:
    """Highest true-positive rate of any threshold that keeps a specificity. [R]"""
    r = evidence.images
    allowed_R1 = (1.0 - specificity + _ENOUGH) * r.negatives_R[:, None]
    found = np.where(r.false_RM <= allowed_R1, r.found_RM, 0.0)
    return np.asarray(found.max(axis=1) / r.positives_R)


@metric(
    "image_fpr95",
    title="False alarms at 95 % found",
    level="image",
    higher_is_better=False,
    summary="The share of normal images that raise an alarm once 95 % of the anomalous are found.",
    definition="Lowest false-positive rate over all distinct scores as thresholds whose "
    "true-positive rate is at least 0.95, without interpolation.",
    formula=formulas.FPR_AT_95,
    source="Liang, Li & Srikant, arXiv 1706.02690, section 4 (FPR at 95 % TPR)",
)
def image_fpr95(evidence: Evidence) -> FloatArray:
    return false_rate_at(evidence, LEVEL)


@metric(
    "image_sensitivity_at_spec95",
    title="Sensitivity at 95 % specificity",
    level="image",
    summary="The share of anomalous images found while at most 5 % of normal ones raise an alarm.",
    definition="Highest true-positive rate over all distinct scores as thresholds whose "
    "false-positive rate is at most 0.05, without interpolation; 0 when there is none.",
    formula=formulas.SENSITIVITY_AT_95,
    source="Pepe, The Statistical Evaluation of Medical Tests, 2003, chapter 4 (ROC curves)",
)
def image_sensitivity_at_spec95(evidence: Evidence) -> FloatArray:
    return sensitivity_at(evidence, LEVEL)


@metric(
    "image_specificity_at_sens95",
    title="Specificity at 95 % sensitivity",
    level="image",
    summary="The share of normal images that pass once 95 % of the anomalous are found.",
    definition="One minus the false-positive rate at a true-positive rate of 0.95.",
    formula=formulas.SPECIFICITY_AT_95,
    source="Pepe, The Statistical Evaluation of Medical Tests, 2003, chapter 4 (ROC curves)",
)
def image_specificity_at_sens95(evidence: Evidence) -> FloatArray:
    return 1.0 - false_rate_at(evidence, LEVEL)
