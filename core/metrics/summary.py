"""Summaries: one number from several metrics."""

from __future__ import annotations

import numpy as np

from core.metrics.base import Evidence, NotComputable, metric
from core.metrics.ranking import FloatArray

SEVEN = (
    "image_auroc",
    "image_ap",
    "image_f1max",
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1max",
    "pixel_aupro",
)
"""What mAD averages; IoU-max is not among them."""


@metric(
    "mad",
    title="mAD",
    level="summary",
    summary="One number for the whole: the mean of seven metrics on images, pixels and regions.",
    definition="Mean of image AUROC, AP, F1-max, pixel AUROC, AP, F1-max and AU-PRO.",
    source="ADer benchmark, arXiv 2406.03262; IoU-max left out, as its published tables do",
)
def mad(evidence: Evidence) -> FloatArray:
    missing = [id for id in SEVEN if id not in evidence.values]
    if missing:
        raise NotComputable(f"{', '.join(missing)} cannot be computed")
    return np.asarray(np.mean([evidence.values[id] for id in SEVEN], axis=0))
