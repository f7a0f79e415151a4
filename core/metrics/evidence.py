"""What is known of a group of images (a class, or one anomaly type of it): exact or weighted.

`evidence_of` states it once (R = 1); `Summaries.weighted` restates it for R weightings of the same
images at once, from per-image summaries instead of the maps. Image-level evidence and regions are
weighted exactly. Pixels come from one histogram an image, over about 500 bins at quantiles of the
group's own map values: they serve the width of intervals and the differences between weightings,
never a value itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics.base import Evidence, Sizes
from core.metrics.froc import Froc, froc
from core.metrics.keys import Float32s
from core.metrics.objects import Detections
from core.metrics.population import NO_ANOMALOUS, NO_MASK, Population
from core.metrics.ranking import FloatArray, Ranking, Rates, best_f1, rank, rank_bins
from core.metrics.records import ImageRecord

NO_NORMAL_IMAGE = "no normal test image"
NO_PIXELS = "pixels of single images were not kept"
_EVEN, _TAIL, _ANOMALOUS = 192, 64, 256


def evidence_of(
    images: Sequence[ImageRecord],
    population: Population,
    values: Mapping[str, FloatArray],
    held_out_N: FloatArray | None,
    detections: Sequence[Detections] | None,
) -> Evidence:
    """What these images say, each counting once."""
    pixels: Ranking | str = NO_ANOMALOUS
    if any(image.label for image in images):
        pixels = population.ranking
    operating, threshold = None, math.nan
    rates: Callable[[], Rates] | str
    if isinstance(pixels, str):
        rates = pixels
    else:
        rates, operating = lambda: population.rates, int(best_f1(pixels)[0])
        assert pixels.thresholds_M is not None
        threshold = float(pixels.thresholds_M[operating])
    return Evidence(
        image_ranking=image_ranking(images),
        pixel_ranking=pixels,
        rates=rates,
        sizes=_sizes(images) if not isinstance(pixels, str) else pixels,
        froc=_froc(images, None) if not isinstance(pixels, str) else pixels,
        detections="" if detections is None else detections,
        values=values,
        held_out_N=held_out_N,
        operating=operating,
        threshold=threshold,
        slack=population.slack,
    )


def image_ranking(images: Sequence[ImageRecord]) -> Ranking | str:
    """Exact ranking of images by score, or the reason why there is none."""
    return score_ranking(
        np.array([image.score for image in images]), np.array([image.label for image in images])
    )


def score_ranking(scores_N: FloatArray, labels_N: npt.NDArray[Any]) -> Ranking | str:
    """Exact ranking of scores, or the reason why there is none."""
    normals, anomalous = np.sort(scores_N[labels_N == 0]), scores_N[labels_N == 1]
    if len(anomalous) == 0:
        return NO_ANOMALOUS
    if len(normals) == 0:
        return NO_NORMAL_IMAGE
    distinct, count = np.unique(anomalous, return_counts=True)
    below, not_above = (np.searchsorted(normals, distinct, side) for side in ("left", "right"))
    ends = min(normals[0], distinct[0]), max(normals[-1], distinct[-1])
    return rank(distinct, count, below, not_above, len(normals), (float(ends[0]), float(ends[1])))


def _sizes(images: Sequence[ImageRecord]) -> Sizes | str:
    regions = [image.regions for image in images]
    if sum(regions) == 0:
        return NO_PIXELS if any(image.known for image in images if image.label) else NO_MASK
    return Sizes(
        np.concatenate([image.areas_L for image in images]),
        np.concatenate([image.peaks_L for image in images]),
        np.repeat(np.arange(len(images)), regions),
    )


def _froc(images: Sequence[ImageRecord], weights_RN: FloatArray | None) -> Froc | str:
    normal = [i for i, image in enumerate(images) if image.label == 0]
    bad = [i for i, image in enumerate(images) if image.regions > 0]
    marks = [images[i].marks_K for i in normal]
    if not normal:
        return NO_NORMAL_IMAGE
    if any(one is None for one in marks) or not bad:
        return NO_PIXELS
    weights = (None, None) if weights_RN is None else (weights_RN[:, normal], weights_RN[:, bad])
    return froc(
        [one for one in marks if one is not None],
        np.concatenate([images[i].ratings_L for i in bad]),
        np.repeat(np.arange(len(bad)), [images[i].regions for i in bad]),
        *weights,
    )


@dataclass(frozen=True, slots=True)
class PixelSummaries:
    """Per-image histograms over B ascending bins.

    Attributes:
        edges_B: lower edges.
        normal_NB, anomalous_NB: pixels.
        gain_NB: sum over anomalous pixels of 1 / (area of their region).
        regions_N: number of regions.
    """

    edges_B: Float32s
    normal_NB: FloatArray
    anomalous_NB: FloatArray
    gain_NB: FloatArray
    regions_N: FloatArray


def bin_edges(images: Sequence[ImageRecord], population: Population, threshold: float) -> Float32s:
    """Lower edges of the bins: quantiles of normal values, more of them at the top, of anomalous
    ones, and the operating threshold. The first is the lowest value of all."""
    shares = np.concatenate((1 - np.linspace(0, 1, _EVEN), np.logspace(-6, -0.5, _TAIL)))
    values = np.sort(np.concatenate([image.values_M for image in images]))
    picked = values[np.linspace(0, len(values) - 1, _ANOMALOUS).astype(np.intp)]
    ends = np.array([population.lowest, threshold], np.float32)
    edges = np.unique(np.concatenate((population.normal_values(shares), picked, ends)))
    return np.asarray(edges[edges >= ends[0]])


def summarise(images: Sequence[ImageRecord], edges_B: Float32s) -> PixelSummaries:
    """Histograms of every image over bins [edge, next edge)."""
    normal_NB = np.zeros((len(images), len(edges_B)))
    anomalous_NB, gain_NB = np.zeros_like(normal_NB), np.zeros_like(normal_NB)
    for row, image in enumerate(images):
        if image.normals is not None:
            below = image.normals.below(edges_B)
            normal_NB[row] = np.diff(below, append=image.normals.count)
        if image.regions:
            pixels, gains = image.anomalous_below(edges_B)
            total = float(image.areas_L.sum())
            anomalous_NB[row] = np.diff(pixels, append=total)
            gain_NB[row] = np.diff(gains, append=image.regions)
    regions_N = np.array([image.regions for image in images], dtype=np.float64)
    return PixelSummaries(edges_B, normal_NB, anomalous_NB, gain_NB, regions_N)


@dataclass(frozen=True, slots=True)
class Summaries:
    """Images ready to be weighted.

    Attributes:
        images: in an order that does not depend on their arrival.
        exact: their evidence, each counting once.
        pixels: None where the exact evidence has no pixels, or none were kept of single images.
    """

    images: Sequence[ImageRecord]
    exact: Evidence
    pixels: PixelSummaries | None

    @classmethod
    def of(
        cls, images: Sequence[ImageRecord], population: Population, exact: Evidence
    ) -> Summaries:
        """Summaries of the images behind some evidence."""
        kept = all(image.normals is not None for image in images if image.known)
        if isinstance(exact.pixel_ranking, str) or not kept:
            return cls(images, exact, None)
        edges_B = bin_edges(images, population, exact.threshold)
        return cls(images, exact, summarise(images, edges_B))

    def weighted(self, weights_RN: FloatArray, values: Mapping[str, FloatArray]) -> Evidence:
        """Evidence in which image n counts weights_RN[r, n] times in weighting r.

        Args:
            values: see `Evidence.values`.
        """
        exact = self.exact
        image: Ranking | str = exact.image_ranking
        if not isinstance(image, str):
            scores = np.array([one.score for one in self.images])
            image = weighted_scores(scores, np.array([i.label for i in self.images]), weights_RN)
        found = replace(exact, image_ranking=image, values=values, weights_RN=weights_RN)
        if not isinstance(exact.froc, str):
            found = replace(found, froc=_froc(self.images, weights_RN))
        if self.pixels is None:
            return replace(found, pixel_ranking=NO_PIXELS, rates=NO_PIXELS)
        edges = self.pixels.edges_B
        operating = len(edges) - 1 - int(np.searchsorted(edges, np.float32(exact.threshold)))
        return replace(
            found,
            pixel_ranking=weighted_pixels(self.pixels, weights_RN),
            rates=self._rates(self.pixels, weights_RN),
            operating=operating,
        )

    def _rates(self, p: PixelSummaries, weights_RN: FloatArray) -> Rates:
        clean_N = np.array([image.label == 0 for image in self.images])
        ties_RM = (weights_RN[:, clean_N] @ p.normal_NB[clean_N])[:, ::-1]
        high_RM = np.cumsum(ties_RM, axis=1)
        total_R1 = np.maximum(high_RM[:, -1:], 1.0)
        pixels_N = p.anomalous_NB.sum(axis=1)
        share_NB = p.anomalous_NB / np.maximum(pixels_N, 1.0)[:, None]
        with np.errstate(invalid="ignore"):  # a draw without an image with a mask: NaN
            share_RM = (weights_RN @ share_NB)[:, ::-1] / (weights_RN @ (pixels_N > 0))[:, None]
        return Rates((high_RM - ties_RM) / total_R1, high_RM / total_R1, share_RM, 1)


def weighted_scores(
    scores_N: FloatArray, labels_N: npt.NDArray[Any], weights_RN: FloatArray
) -> Ranking:
    """Ranking of images by score when each counts as often as it was drawn; bins are scores.

    NaN throughout where a weighting holds images of one label only: F1 and AP would have a value.
    """
    order = np.argsort(scores_N, kind="stable")
    ascending = scores_N[order]
    starts = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    anomalous_N, drawn_RN = labels_N[order], weights_RN[:, order]
    normal_RM = np.add.reduceat(drawn_RN * (1 - anomalous_N), starts, axis=1)
    anomalous_RM = np.add.reduceat(drawn_RN * anomalous_N, starts, axis=1)
    undefined_R = ~(normal_RM.any(axis=1) & anomalous_RM.any(axis=1))
    normal_RM[undefined_R] = anomalous_RM[undefined_R] = np.nan
    return rank_bins(normal_RM, anomalous_RM, None)


def weighted_pixels(summaries: PixelSummaries, weights_RN: FloatArray) -> Ranking:
    """Ranking of pixels when each image counts as often as it was drawn.

    Anomalous pixels are NaN where a weighting holds no image with a mask: F1 and IoU would be 0.
    """
    s = summaries
    regions_R1 = (weights_RN @ s.regions_N)[:, None]
    with np.errstate(invalid="ignore"):
        gain_RB = (weights_RN @ s.gain_NB) / regions_R1
    anomalous_RB = weights_RN @ s.anomalous_NB
    anomalous_RB[regions_R1[:, 0] == 0] = np.nan
    return rank_bins(weights_RN @ s.normal_NB, anomalous_RB, gain_RB)
