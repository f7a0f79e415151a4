"""Bootstrap intervals: how far the metrics would move with other test images.

Images are drawn with replacement, normal and anomalous ones apart, whole specimens at once where
they are known (`resampling`). One draw serves all metrics of a class, so that summaries such as
mAD keep their dependence; classes are drawn independently, and the interval of a mean over
classes comes from the means of the draws.

What pixels are binned for (`evidence`) serves the width of the interval only: every resampled
value is shifted by the difference between the exact value and the binned estimate of all images.

A percentile interval has no width where the metric is already 1 (or 0) in every resample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.base import METRICS, NotComputable, computing_order
from core.metrics.evidence import Summaries
from core.metrics.ranking import FloatArray
from core.metrics.records import ImageRecord
from core.metrics.resampling import bca, draw, leave_one_out, percentile, units
from core.seeding import derive

Kind: TypeAlias = Literal["percentile", "bca"]
Strata: TypeAlias = npt.NDArray[np.integer[Any]]
Ends: TypeAlias = tuple[float, float] | tuple[None, None]
LEVEL = 0.95
_BLOCK = 2_000_000  # numbers in one array of resamples x thresholds


def drawable(images: Sequence[ImageRecord]) -> str:
    """Why these images give no interval; "" when they do."""
    return unvaried(
        np.array([image.label for image in images]),
        np.array([image.known for image in images]),
        [image.specimen for image in images],
    )


def unvaried(
    labels_N: Strata, known_N: npt.NDArray[np.bool_], specimens_N: Sequence[str | None]
) -> str:
    """Why no draw of these images can differ from another in some respect; "" where all can.

    One image of a label is in every draw, and so is one specimen that shows all of them.

    Args:
        known_N: whether the image counts for pixel metrics.
    """
    unit_N = units(labels_N, specimens_N).unit_N
    for mine_N, what in (
        (labels_N == 0, "normal"),
        (labels_N == 1, "anomalous"),
        ((labels_N == 1) & known_N, "masked anomalous"),
    ):
        if np.count_nonzero(mine_N) == 1:
            return f"no interval: one {what} image"
        if len(np.unique(unit_N[mine_N])) == 1:
            return f"no interval: all {what} images show one specimen"
    return ""


def resampled(name: str, summaries: Summaries, resamples: int, seed: int) -> dict[str, FloatArray]:
    """Values of every metric in every resample, centred on the exact ones.

    Args:
        name: of the class; the draw depends on it and on the seed.
        summaries: with the exact values of all metrics that have one.
        resamples: how many; 0 gives {}.

    Returns:
        metric id -> [resamples]; NaN where a resample drew no image with a mask.
    """
    images = summaries.images
    if resamples < 1 or drawable(images):
        return {}
    labels_N = np.array([image.label for image in images])
    specimens = [image.specimen for image in images]
    weights_RN = draw(labels_N, resamples, derive(seed, "bootstrap", name), specimens)
    return weighted(summaries, weights_RN)


def weighted(summaries: Summaries, weights_RN: FloatArray) -> dict[str, FloatArray]:
    """Values of every metric in every weighting, centred: {metric: [R]}."""
    rows = max(1, _BLOCK // max(512, len(summaries.images)))
    blocks = [
        _metrics(summaries, weights_RN[start : start + rows])
        for start in range(0, len(weights_RN), rows)
    ]
    whole = _metrics(summaries, np.ones((1, len(summaries.images))))
    exact = summaries.exact.values
    return {
        id: np.concatenate([block[id] for block in blocks]) + (exact[id] - whole[id])
        for id in whole
        if all(id in block for block in blocks)
    }


@np.errstate(invalid="ignore", divide="ignore")
def _metrics(summaries: Summaries, weights_RN: FloatArray) -> dict[str, FloatArray]:
    """Every metric that has an exact value, for every row of weights."""
    values: dict[str, FloatArray] = {}
    evidence = summaries.weighted(weights_RN, values)
    for metric in computing_order():
        if metric.level != "threshold" and metric.id in summaries.exact.values:
            try:
                values[metric.id] = metric.compute(evidence)
            except NotComputable:  # nothing of single images was kept for it
                continue
    return values


def jackknife(summaries: Summaries) -> tuple[dict[str, FloatArray], Strata]:
    """Values with each image (or specimen) left out, and the stratum each came from."""
    labels_N = np.array([image.label for image in summaries.images])
    weights_JN, strata_J = leave_one_out(labels_N, [i.specimen for i in summaries.images])
    return weighted(summaries, weights_JN), strata_J


def interval(metric_id: str, values_R: FloatArray) -> Ends:
    """95 % percentile interval within the metric's range; (None, None) without a finite value."""
    metric = METRICS.get(metric_id)
    return percentile(values_R, LEVEL, metric.low, metric.high)


def bca_interval(
    metric_id: str,
    values_R: FloatArray,
    exact: float,
    jackknife_J: FloatArray,
    strata_J: Strata,
) -> Ends:
    """95 % bias-corrected, accelerated interval; see `resampling.bca`."""
    metric = METRICS.get(metric_id)
    return bca(values_R, exact, jackknife_J, strata_J, LEVEL, metric.low, metric.high)
