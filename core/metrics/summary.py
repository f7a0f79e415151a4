"""Summaries: one number from several metrics."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.metrics import formulas
from core.metrics.base import METRICS, Evidence, NotComputable, metric
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


def with_parts(metrics: Iterable[str]) -> list[str]:
    """The metrics and what summaries among them are made of, each once."""
    asked = list(metrics)
    return list(dict.fromkeys((*asked, *(SEVEN if "mad" in asked else ()))))


@metric(
    "mad",
    title="mAD",
    level="summary",
    summary="One number for the whole: the mean of seven metrics on images, pixels and regions.",
    definition="Mean of image AUROC, AP, F1-max, pixel AUROC, AP, F1-max and AU-PRO.",
    formula=formulas.MAD,
    source="ADer benchmark, arXiv 2406.03262; IoU-max left out, as its published tables do",
    bounds=lambda evidence: _mean_bounds(evidence),
)
def mad(evidence: Evidence) -> FloatArray:
    missing = [id for id in SEVEN if id not in evidence.values]
    if missing:
        raise NotComputable(f"{', '.join(missing)} cannot be computed")
    return np.asarray(np.mean([evidence.values[id] for id in SEVEN], axis=0))


def _mean_bounds(evidence: Evidence) -> tuple[FloatArray, FloatArray]:
    """The mean of the parts' bounds; an exact part is its own bound."""
    ends = []
    for id in SEVEN:
        value = float(evidence.values[id][0])
        ends.append(METRICS.get(id).bounds(evidence) or (value, value))
    low, high = np.mean(ends, axis=0)
    return np.array([low]), np.array([high])
