"""Object level: are the marked objects the true ones? See `objects` for how they are matched."""

from __future__ import annotations

from core.metrics import formulas
from core.metrics.base import AT_ORACLE, Evidence, NotComputable, metric
from core.metrics.objects import IOUS, object_ap
from core.metrics.ranking import FloatArray


def _object_ap(place: int, iou: float) -> None:
    @metric(
        f"object_ap_{round(100 * iou)}",
        title=f"Object AP at IoU {iou:g}",
        level="object",
        summary="How few of the marked spots are false while the flaws are being found; a spot "
        f"counts as found when it and a flaw share at least {iou:.0%} of the area both cover.",
        definition="Step sum of precision over recall of the 8-connected objects at or above the "
        "threshold of pixel F1-max (oracle), ranked by their highest map value and matched "
        f"greedily to the true regions at an intersection over union of {iou:g}.",
        formula=formulas.object_ap(iou),
        source="Everingham et al., The PASCAL VOC Challenge, IJCV 2010, section 4.2",
        note=lambda evidence: AT_ORACLE,
    )
    def average_precision(evidence: Evidence) -> FloatArray:
        detections = evidence.need("detections")
        if sum(image.regions for image in detections) == 0:
            raise NotComputable("no anomalous test image has a usable mask")
        return object_ap(detections, evidence.weights_RN)[:, place]


for _place, _iou in enumerate(IOUS):
    _object_ap(_place, _iou)
