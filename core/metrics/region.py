"""Region level: are all anomalous regions found, small ones as much as large ones?"""

from __future__ import annotations

from core.metrics.base import Evidence, metric
from core.metrics.ranking import FloatArray, aupro

LIMIT = 0.3
"""False-positive rate up to which AU-PRO integrates."""


@metric(
    "pixel_aupro",
    title="AU-PRO",
    level="region",
    summary="The share of each anomalous region found, every region weighing the same, "
    "while at most 30 % of the normal pixels are marked.",
    definition="Area under the polyline of mean per-region overlap against the share of normal "
    "pixels marked, over all distinct thresholds, up to 0.3 (linear interpolation there), "
    "divided by 0.3; regions are 8-connected, normal pixels are those of all images.",
    source="Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021",
)
def pixel_aupro(evidence: Evidence) -> FloatArray:
    return aupro(evidence.pixels, LIMIT)
