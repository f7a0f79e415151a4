"""Recall by size: are small regions found as well as large ones?

A region is hit when at least one of its pixels reaches the operating threshold. Two summaries:

- recall in the quartiles of the regions' own areas, so that every class is divided by what is
  small and large for it;
- the minimum detectable size: the smallest region area from which on regions are found reliably,
  that is, at least a given share of all regions of that area or more is hit. It is akin to
  a limit of detection (Armbruster & Pry, "Limit of blank, limit of detection and limit of
  quantitation", Clinical Biochemist Reviews 29, 2008, which asks for 95 %); nothing is fitted.

Shapes: L regions, R resamples, N images, A distinct areas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.ranking import FloatArray

_BLOCK = 2_000_000  # numbers in one array of resamples x regions
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)

Counts = npt.NDArray[np.int64]


def recall_by_quartile(
    areas_L: npt.NDArray[Any],
    hits_L: npt.NDArray[Any],
    image_L: npt.NDArray[Any] | None = None,
    weights_RN: npt.NDArray[Any] | None = None,
) -> tuple[FloatArray, FloatArray, Counts]:
    """Share of regions hit, by quartile of area.

    Args:
        areas_L: in pixels.
        hits_L: bool.
        image_L: the image each region is in; needed with weights.
        weights_RN: how often each image counts in each resample; None = once (R = 1).

    Returns:
        edges [5]: quantiles 0, 1/4, 1/2, 3/4, 1 of the areas (linear interpolation). A region is
            in the first quartile whose upper edge it does not exceed, so equal areas stay together
            and a quartile may be empty.
        recall [R, 4]: NaN where a quartile holds no region. Resamples keep the edges of the whole
            set: sizes mean the same in all of them.
        counts [4]: regions in each quartile, unweighted.

    Raises:
        UsageError: no region, or arrays that do not fit.
    """
    areas, hits, images, weights = _checked(areas_L, hits_L, image_L, weights_RN)
    edges = np.quantile(areas, _QUARTERS)
    quartile_L = np.searchsorted(edges[1:4], areas, side="left")
    member_L4 = (quartile_L[:, None] == np.arange(4)).astype(np.float64)
    recall = np.empty((len(weights), 4))
    for rows in _blocks(len(weights), len(areas)):
        drawn_RL = weights[rows][:, images]
        with np.errstate(invalid="ignore"):
            recall[rows] = (drawn_RL * hits) @ member_L4 / (drawn_RL @ member_L4)
    return edges, recall, np.bincount(quartile_L, minlength=4).astype(np.int64)


def minimum_detectable_size(
    areas_L: npt.NDArray[Any],
    hits_L: npt.NDArray[Any],
    image_L: npt.NDArray[Any] | None = None,
    weights_RN: npt.NDArray[Any] | None = None,
    share: float = 0.9,
) -> FloatArray:
    """Smallest region area a such that at least `share` of the regions with area >= a are hit.

    Args:
        areas_L, hits_L, image_L, weights_RN: see `recall_by_quartile`.
        share: above 0, at most 1.

    Returns:
        [R], in pixels, always the area of a region of the resample; NaN if there is no such area.

    Raises:
        UsageError: no region, arrays that do not fit, a share out of range.
    """
    if not 0 < share <= 1:
        raise UsageError(f"The share of regions to be found came as {share}; give one in (0, 1].")
    areas, hits, images, weights = _checked(areas_L, hits_L, image_L, weights_RN)
    order = np.argsort(areas, kind="stable")
    area_A, starts = np.unique(areas[order], return_index=True)
    smallest_R = np.empty(len(weights))
    for rows in _blocks(len(weights), len(areas)):
        drawn_RL = weights[rows][:, images[order]]
        at_RA = np.add.reduceat(drawn_RL, starts, axis=1)
        hit_RA = np.add.reduceat(drawn_RL * hits[order], starts, axis=1)
        all_RA, found_RA = (np.cumsum(some[:, ::-1], axis=1)[:, ::-1] for some in (at_RA, hit_RA))
        with np.errstate(invalid="ignore"):
            enough_RA = (at_RA > 0) & (found_RA / all_RA >= share)
        smallest_R[rows] = np.where(enough_RA.any(1), area_A[enough_RA.argmax(1)], np.nan)
    return smallest_R


def _blocks(resamples: int, regions: int) -> list[slice]:
    rows = max(1, _BLOCK // regions)
    return [slice(start, start + rows) for start in range(0, resamples, rows)]


def _checked(
    areas_L: npt.NDArray[Any],
    hits_L: npt.NDArray[Any],
    image_L: npt.NDArray[Any] | None,
    weights_RN: npt.NDArray[Any] | None,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp], FloatArray]:
    """Areas, hits and images of regions and the weights, as arrays that fit each other."""
    areas, hits = np.asarray(areas_L, dtype=np.float64), np.asarray(hits_L).astype(bool)
    if areas.ndim != 1 or len(areas) == 0 or hits.shape != areas.shape:
        raise UsageError(
            f"Areas came with shape {areas.shape} and hits with {hits.shape}; both must be "
            "[regions], at least one."
        )
    hit_L = hits.astype(np.float64)
    if weights_RN is None:
        return areas, hit_L, np.zeros(len(areas), dtype=np.intp), np.ones((1, 1))
    if image_L is None or np.shape(image_L) != areas.shape or np.ndim(weights_RN) != 2:
        raise UsageError(
            f"Weights came with shape {np.shape(weights_RN)} and images of "
            f"{0 if image_L is None else len(image_L)} of {len(areas)} regions; weights must be "
            "[resamples, images], with the image of every region."
        )
    images = np.asarray(image_L).astype(np.intp)
    if images.min() < 0 or images.max() >= np.shape(weights_RN)[1]:
        raise UsageError(
            f"A region is in image {images.max()} and weights came for {np.shape(weights_RN)[1]} "
            "images; number the images from 0 as the weights do."
        )
    return areas, hit_L, images, np.asarray(weights_RN).astype(np.float64)
