"""Image level: does the image score tell anomalous images from normal ones?

Definitions are scikit-learn's (`roc_auc_score`, `average_precision_score`,
`precision_recall_curve`); every distinct score is a threshold.
"""

from __future__ import annotations

from core.metrics.base import Evidence, metric
from core.metrics.ranking import FloatArray, auroc, average_precision, f1_max


@metric(
    "image_auroc",
    title="Image AUROC",
    level="image",
    summary="How often an anomalous image scores higher than a normal one.",
    definition="Rank sum of the image scores; ties count one half.",
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
    source="ADer benchmark, arXiv 2406.03262; sklearn.metrics.precision_recall_curve",
)
def image_f1max(evidence: Evidence) -> FloatArray:
    return f1_max(evidence.images)
