"""Thresholds: the oracle ones of F1-max, and one that held-out normal images vouch for.

An image (pixel) is called anomalous when its score (map value) is >= the threshold.

The held-out threshold is the split-conformal quantile (Vovk, Gammerman & Shafer, "Algorithmic
Learning in a Random World", 2005; Angelopoulos & Bates, arXiv 2107.07511, section 1): with n
held-out normals exchangeable with those to come, the ceil((n + 1)(1 - alpha))-th smallest score
is exceeded by a new normal with probability alpha at most, whatever the scores' distribution.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics import formulas
from core.metrics.base import Evidence, NotApplicable, NotComputable, metric
from core.metrics.ranking import FloatArray, f1_max_threshold

ALPHA = 0.05
ORACLE = "oracle: chosen on the test set"


def held_out_threshold(scores_N: npt.ArrayLike, alpha: float = ALPHA) -> tuple[float | None, str]:
    """Threshold that a new normal image reaches with probability `alpha` at most, and a note.

    With fewer than 1/alpha - 1 scores no threshold guarantees `alpha`; then the one just above
    the highest score comes back, with the rate it does guarantee, 1 / (n + 1), in the note.

    The value lies one float32 step above the conformal quantile: "exceeds the quantile" and
    ">= the threshold" are then the same for float32 scores, ties included.

    Args:
        scores_N: image scores of held-out normal images.
        alpha: tolerated share of false alarms, between 0 and 1.

    Returns:
        (threshold, note); the threshold is None only when there is no score.

    Raises:
        UsageError: alpha out of range, or a score that is not finite.
    """
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha came as {alpha!r}; give a share between 0 and 1, such as 0.05.")
    scores = np.sort(np.asarray(scores_N, dtype=np.float32).ravel())
    if not np.isfinite(scores).all():
        raise UsageError("A held-out score is not a finite number; look at the run's log.")
    n = len(scores)
    if n == 0:
        return None, "no held-out normal images"
    rank = n + 1 - math.floor((n + 1) * alpha + 1e-9)
    with np.errstate(over="ignore"):
        above = np.nextafter(scores[min(rank, n) - 1], np.float32(np.inf))
    threshold = min(float(above), float(np.finfo(np.float64).max))
    normals = f"{n} held-out normal{'s' if n != 1 else ''}"
    if rank > n:
        return threshold, f"{normals}: no guarantee below {100 / (n + 1):.3g} %"
    return threshold, f"{normals}: at most {100 * alpha:.3g} % false alarms expected"


@metric(
    "image_f1max_threshold",
    title="Image threshold at F1-max",
    level="threshold",
    summary="The image score at which F1 over the test images is highest.",
    definition="Highest distinct anomalous score at which image F1-max is reached.",
    formula=formulas.ARG_F1_MAX,
    source="as image_f1max",
    note=lambda evidence: ORACLE,
)
def image_f1max_threshold(evidence: Evidence) -> FloatArray:
    return f1_max_threshold(evidence.images)


@metric(
    "pixel_f1max_threshold",
    title="Pixel threshold at F1-max",
    level="threshold",
    summary="The map value at which F1 over the test pixels is highest.",
    definition="Highest distinct anomalous map value at which pixel F1-max is reached.",
    formula=formulas.ARG_F1_MAX,
    source="as pixel_f1max",
    note=lambda evidence: ORACLE,
)
def pixel_f1max_threshold(evidence: Evidence) -> FloatArray:
    return f1_max_threshold(evidence.pixels)


def _held_out(evidence: Evidence) -> tuple[float | None, str]:
    scores_N = evidence.held_out_N
    return held_out_threshold([] if scores_N is None else scores_N)


@metric(
    "image_threshold_heldout",
    title="Image threshold from held-out normals",
    level="threshold",
    summary="The image score that a normal image reaches in at most 5 % of cases.",
    definition="Split-conformal quantile of the scores of held-out normal training images.",
    formula=formulas.CONFORMAL,
    source="Angelopoulos & Bates, arXiv 2107.07511, section 1",
    note=lambda evidence: _held_out(evidence)[1],
)
def image_threshold_heldout(evidence: Evidence) -> FloatArray:
    if evidence.held_out_N is None:
        raise NotApplicable("nothing was held out")
    threshold, note = _held_out(evidence)
    if threshold is None:
        raise NotComputable(note)
    return np.array([threshold])
