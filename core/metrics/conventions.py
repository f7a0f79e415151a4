"""The two conventions a value can follow; they are kept apart and never share a table.

exact   every distinct value is a threshold; scikit-learn's definitions
ader    ADer's own procedure (see `ader`), to stand beside its published rows
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from core.metrics.ader import (
    ADER_NOTE,
    PixelCounts,
    ader_mad,
    ader_pixel_ap,
    ader_pixel_aupro,
    ader_pixel_auroc,
    ader_pixel_f1max,
    ader_pixel_ioumax,
)
from core.metrics.base import NotComputable
from core.metrics.evidence import score_ranking
from core.metrics.ranking import FloatArray, Ranking, auroc, average_precision, f1_max

if TYPE_CHECKING:
    from core.metrics.population import Population
    from core.metrics.records import ImageRecord

Convention: TypeAlias = Literal["exact", "ader"]
EXACT: Convention = "exact"
ADER: Convention = "ader"

TITLES = {EXACT: "exact", ADER: "as ADer counts"}
HELP = (
    "Exact: every distinct value is a threshold, as in scikit-learn. As ADer counts: its own "
    f"procedure, only to compare with its published rows. {ADER_NOTE}"
)
ESTIMATED = "read from histograms, without a bound"

_IMAGE: dict[str, Callable[[Ranking], FloatArray]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
    "image_f1max": f1_max,
}
_PIXEL: dict[str, Callable[[PixelCounts], float]] = {
    "pixel_auroc": lambda counts: ader_pixel_auroc(counts, cuda=True),
    "pixel_ap": lambda counts: ader_pixel_ap(counts, cuda=True),
    "pixel_f1max": ader_pixel_f1max,
    "pixel_ioumax": ader_pixel_ioumax,
    "pixel_aupro": lambda counts: ader_pixel_aupro(counts, cuda=True),
}


def ader_values(
    images: Sequence[ImageRecord], population: Population
) -> tuple[dict[str, float], dict[str, str]]:
    """The nine metrics of a class as ADer counts, and reasons for those it has none of.

    ADer labels an image by its resized mask: an anomalous one without a pixel left counts as
    normal. Scores are those of its pooling rule.
    """
    labels_N = np.array([int(image.label == 1 and image.known) for image in images])
    scores_N = np.array([image.ader_score for image in images])
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    by_score = score_ranking(scores_N, labels_N)
    for id, of_ranking in _IMAGE.items():
        if isinstance(by_score, str):
            reasons[id] = by_score
        else:
            values[id] = float(of_ranking(by_score)[0])
    nothing = population.ranking if isinstance(population.ranking, str) else ""
    for id, of_counts in _PIXEL.items():
        try:
            if nothing:
                raise NotComputable(nothing)
            values[id] = of_counts(population)
        except NotComputable as reason:
            reasons[id] = str(reason)
    try:
        values["mad"] = ader_mad(values)
    except NotComputable as reason:
        reasons["mad"] = str(reason)
    return values, reasons
