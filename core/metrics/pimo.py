"""AUPIMO: how much of each anomalous image is found while hardly a normal pixel is marked.

Bertoldo, Ameln, Vaidya & Akcay, "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High
Speed and Low Tolerance", arXiv 2401.01984. A threshold is known by its false-positive rate f on
NORMAL images alone. For anomalous image i

    AUPIMO_i = 1 / ln(U / L) * integral over f from L to U of recall_i(f) d ln f

with L = 1e-5, U = 1e-4 and recall_i the share of the image's anomalous pixels at or above the
threshold. Every image has a value of its own; a summary over images is up to the caller.

Closed form. FPR(v), the share of normal pixels with value >= v, falls as v rises. An anomalous
pixel of value v is found at rate f when some threshold <= v has a rate of at most f, that is, when
FPR(v) <= f. So recall_i(f) = (1 / n_i) * sum over the n_i anomalous pixels of [FPR(v) <= f], and
the integral of each term is the length of the part of [ln L, ln U] right of ln FPR(v):

    AUPIMO_i = (1 / n_i) * sum of s(FPR(v)),   s(f) = clip(ln(U / f) / ln(U / L), 0, 1),   s(0) = 1.

No threshold grid, no numerical integration; ties need no care.

Deviations. The paper takes the mean over normal images of each one's false-positive rate; here the
normal pixels are pooled. Both are the same number when all maps have one size, as they have within
a run. Anomalous images add no normal pixels, as in the paper (unlike AU-PRO).

With few normal pixels the rate is a coarse step: it is 0 or at least 1 / (number of pixels), so
recall below that rate is read at rate 0. The value is defined all the same; see `few_pixels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.ranking import FloatArray

LOW, HIGH = 1e-5, 1e-4
"""Bounds L and U of the false-positive rate."""


def pimo_scores(fpr: npt.NDArray[Any], low: float = LOW, high: float = HIGH) -> FloatArray:
    """s(fpr): what an anomalous pixel adds to its image's AUPIMO. Same shape; falls from 1 to 0.

    Args:
        fpr: share of normal pixels at or above the pixel's value, 0 to 1.

    Raises:
        UsageError: not 0 < low < high <= 1.
    """
    if not 0 < low < high <= 1:
        raise UsageError(
            f"AUPIMO was asked for from {low} to {high}; give rates with 0 < low < high <= 1."
        )
    rate = np.clip(np.asarray(fpr, dtype=np.float64), low, high)
    return np.asarray(np.log(high / rate) / np.log(high / low))


def aupimo(
    fpr_M: npt.NDArray[Any],
    image_M: npt.NDArray[Any],
    images: int,
    counts_M: npt.NDArray[Any] | None = None,
    low: float = LOW,
    high: float = HIGH,
) -> FloatArray:
    """AUPIMO of each image, 0 to 1; NaN for an image without an anomalous pixel. [images]

    Args:
        fpr_M: share of normal pixels at or above each anomalous pixel, or bin of them.
        image_M: the image each belongs to, 0 to images - 1.
        images: number of images.
        counts_M: pixels in each bin; None = one.
        low, high: bounds of the rate.

    Raises:
        UsageError: not 0 < low < high <= 1.
    """
    scores_M = pimo_scores(fpr_M, low, high)
    count_M = np.ones(len(scores_M)) if counts_M is None else np.asarray(counts_M, dtype=np.float64)
    total = np.bincount(image_M, weights=count_M, minlength=images)
    found = np.bincount(image_M, weights=count_M * scores_M, minlength=images)
    with np.errstate(invalid="ignore"):
        return np.asarray(found / total)


def few_pixels(negatives: int, low: float = LOW) -> str:
    """A remark when the normal pixels cannot resolve the lowest rate; "" when they can."""
    if negatives * low >= 1:
        return ""
    return (
        f"{negatives} normal pixels resolve false-positive rates from {1 / max(1, negatives):.1e} "
        f"on; AUPIMO integrates from {low:.0e}, where none of them may be marked"
    )
