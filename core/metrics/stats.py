"""Bootstrap intervals: how far the metrics would move with other test images.

Images are drawn with replacement, normal and anomalous ones apart (stratified), 95 % percentile
intervals (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). One draw
serves all metrics of a class, so that summaries such as mAD keep their dependence; classes are
drawn independently, and the interval of a mean over classes comes from the means of the draws.

Image-level metrics are recomputed exactly from the drawn scores. Pixel-level ones come from one
histogram an image: about 512 bins at quantiles of the class's own map values, of normal pixels,
of anomalous pixels and of region shares; a resample is a weighted sum of these. The binning
serves the width of the interval only: every resampled value is shifted by the difference between
the exact value and the binned estimate of all images.

A percentile interval has no width where the metric is already 1 (or 0) in every resample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.metrics.base import Evidence, computing_order
from core.metrics.ranking import FloatArray, Ranking, rank_bins
from core.metrics.records import (
    Float32s,
    ImageRecord,
    Keys,
    Pooled,
    cumulated_gain,
    decode,
    encode,
)
from core.seeding import derive

LEVEL = 0.95
_BLOCK = 2_000_000  # numbers in one array of resamples x thresholds


@dataclass(frozen=True, slots=True)
class PixelSummaries:
    """Per-image histograms over B ascending bins.

    Attributes:
        normal_NB, anomalous_NB: pixels.
        gain_NB: sum over anomalous pixels of 1 / (area of their region).
        regions_N: number of regions.
    """

    normal_NB: FloatArray
    anomalous_NB: FloatArray
    gain_NB: FloatArray
    regions_N: FloatArray


def drawable(images: Sequence[ImageRecord]) -> str:
    """Why these images give no interval; "" when they do. One image of a label cannot vary."""
    masked = sum(image.regions > 0 for image in images)
    for count, what in (
        (sum(image.label == 0 for image in images), "normal"),
        (sum(image.label == 1 for image in images), "anomalous"),
        (masked, "masked anomalous"),
    ):
        if count == 1:
            return f"no interval: one {what} image"
    return ""


def bin_edges(pooled: Pooled) -> Float32s:
    """Lower edges of the bins, ascending: quantiles of normal values, more of them at the top,
    and of anomalous values. The first is the lowest value of all."""
    normals, keys = pooled.normals_N, pooled.keys_M
    even, tail = np.linspace(0, 1, 192), 1 - np.logspace(-6, -0.5, 64)
    at_normals = np.concatenate((even, tail)) * (len(normals) - 1)
    at_keys = np.linspace(0, 1, 256) * (len(keys) - 1)
    picked, _ = decode(keys[at_keys.astype(np.intp)])
    return np.unique(np.concatenate((normals[at_normals.astype(np.intp)], picked)))


def summarise(images: Sequence[ImageRecord], edges_B: Float32s) -> PixelSummaries:
    """Histograms of every image over bins [edge, next edge)."""
    edge_keys: Keys = encode(edges_B, np.zeros(len(edges_B)))
    normal_NB = np.empty((len(images), len(edges_B)))
    anomalous_NB, gain_NB = np.empty_like(normal_NB), np.empty_like(normal_NB)
    for row, image in enumerate(images):
        below = np.searchsorted(image.normals_N, edges_B, side="left")
        normal_NB[row] = np.diff(below, append=len(image.normals_N))
        below = np.searchsorted(image.keys_M, edge_keys, side="left")
        ends = np.append(below, len(image.keys_M))
        anomalous_NB[row] = np.diff(ends)
        gain_NB[row] = np.diff(cumulated_gain(image.keys_M)[ends])
    regions_N = np.array([image.regions for image in images], dtype=np.float64)
    return PixelSummaries(normal_NB, anomalous_NB, gain_NB, regions_N)


def draw(labels_N: npt.NDArray[np.int64], resamples: int, seed: int) -> FloatArray:
    """How often each image is drawn, [resamples, N]; each label keeps its number of images."""
    rng = np.random.default_rng(seed)
    weights_RN = np.zeros((resamples, len(labels_N)))
    for label in (0, 1):
        (members,) = np.nonzero(labels_N == label)
        if len(members):
            chances = np.full(len(members), 1 / len(members))
            weights_RN[:, members] = rng.multinomial(len(members), chances, size=resamples)
    return weights_RN


def weighted_images(images: Sequence[ImageRecord], weights_RN: FloatArray) -> Ranking:
    """Ranking of images by score when each counts as often as it was drawn; bins are scores."""
    scores = np.array([image.score for image in images])
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    anomalous_N = np.array([image.label for image in images])[order]
    drawn_RN = weights_RN[:, order]
    return rank_bins(
        np.add.reduceat(drawn_RN * (1 - anomalous_N), starts, axis=1),
        np.add.reduceat(drawn_RN * anomalous_N, starts, axis=1),
        None,
    )


def weighted_pixels(summaries: PixelSummaries, weights_RN: FloatArray) -> Ranking:
    """Ranking of pixels when each image counts as often as it was drawn."""
    s = summaries
    regions_R1 = (weights_RN @ s.regions_N)[:, None]
    return rank_bins(
        weights_RN @ s.normal_NB, weights_RN @ s.anomalous_NB, weights_RN @ s.gain_NB / regions_R1
    )


def resampled(
    class_name: str,
    images: Sequence[ImageRecord],
    pooled: Pooled,
    exact: Evidence,
    resamples: int,
    seed: int,
) -> dict[str, FloatArray]:
    """Values of every metric in every resample, centred on the exact ones.

    Args:
        images: of one class, in an order that does not depend on their arrival.
        pooled: their pixels.
        exact: with the exact values of all metrics that have one.
        resamples: how many; 0 gives {}.
        seed: the draw depends on it and on the class's name.

    Returns:
        metric id -> [resamples]; NaN where a resample drew no image with a mask.
    """
    if resamples < 1 or drawable(images):
        return {}
    summaries = None
    if not isinstance(exact.pixel_ranking, str):
        summaries = summarise(images, bin_edges(pooled))
    labels_N = np.array([image.label for image in images])
    weights_RN = draw(labels_N, resamples, derive(seed, "bootstrap", class_name))
    rows = max(1, _BLOCK // max(512, len(images)))
    blocks = [
        _metrics(images, summaries, exact, weights_RN[start : start + rows])
        for start in range(0, resamples, rows)
    ]
    whole = _metrics(images, summaries, exact, np.ones((1, len(images))))
    return {
        id: np.concatenate([block[id] for block in blocks]) + (exact.values[id] - whole[id])
        for id in whole
    }


@np.errstate(invalid="ignore", divide="ignore")
def _metrics(
    images: Sequence[ImageRecord],
    summaries: PixelSummaries | None,
    exact: Evidence,
    weights_RN: FloatArray,
) -> dict[str, FloatArray]:
    """Every metric that has an exact value, for every row of weights."""
    values: dict[str, FloatArray] = {}
    has_images = not isinstance(exact.image_ranking, str)
    evidence = Evidence(
        image_ranking=weighted_images(images, weights_RN) if has_images else exact.image_ranking,
        pixel_ranking=weighted_pixels(summaries, weights_RN) if summaries else exact.pixel_ranking,
        values=values,
    )
    for metric in computing_order():
        if metric.level != "threshold" and metric.id in exact.values:
            values[metric.id] = metric.compute(evidence)
    return values


def interval(values_R: FloatArray) -> tuple[float, float] | tuple[None, None]:
    """95 % percentile interval within 0 and 1; (None, None) without a finite value."""
    finite = values_R[np.isfinite(values_R)]
    if len(finite) == 0:
        return None, None
    tails = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
    low, high = np.clip(np.percentile(finite, tails), 0.0, 1.0)
    return float(low), float(high)
