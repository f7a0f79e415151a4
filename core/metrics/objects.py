"""Object level: predicted objects against true regions, as in object detection.

At one operating threshold the 8-connected components of a map's pixels at or above it are the
predicted objects; an object's score is its highest map value. Objects are matched to true regions
in descending order of score: each takes, among the regions of its image that no earlier object
took, the one with the highest intersection over union (IoU), if that reaches the IoU threshold
(Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2,
with region overlap in place of boxes).

Average precision pools the objects of all images and ranks them by score: the sum over distinct
scores of (rise in recall) x precision. Recall is relative to all true regions, so those that no
object matches lower it. Deviations from VOC: no interpolation of precision, objects of one score
make one step, and an object whose best region is taken may match another one.

Shapes: D objects, T IoU thresholds, R resamples, N images, M distinct scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import csr_array

from core.errors import UsageError
from core.metrics.ranking import FloatArray

IOUS = (0.1, 0.3, 0.5)
"""Default IoU thresholds: maps are blurred, and 0.5 of a small region is much to ask."""
_EIGHT = np.ones((3, 3), dtype=bool)
_BLOCK = 2_000_000  # numbers in one array of resamples x scores


@dataclass(frozen=True, slots=True)
class Detections:
    """Predicted objects of one image.

    Attributes:
        scores_D: float32, descending; objects of one score stand in raster order.
        hits_DT: whether the object matches a region at each IoU threshold.
        regions: number of true regions.
    """

    scores_D: npt.NDArray[np.float32]
    hits_DT: npt.NDArray[np.bool_]
    regions: int


def detect(
    map_HW: npt.NDArray[Any],
    regions_HW: npt.NDArray[Any],
    threshold: float,
    ious: Sequence[float] = IOUS,
    min_area: int = 1,
) -> Detections:
    """The objects of one map, matched.

    Args:
        map_HW: finite; compared as float32.
        regions_HW: integer region ids, 0 = normal.
        threshold: pixels at or above it belong to objects.
        ious: IoU thresholds, above 0, at most 1.
        min_area: smaller objects are dropped, in pixels; true regions never are.

    Raises:
        UsageError: shapes that differ, a threshold that is NaN, IoU thresholds out of range.
    """
    if map_HW.ndim != 2 or map_HW.shape != regions_HW.shape:
        raise UsageError(
            f"A map came with shape {map_HW.shape} and regions with {regions_HW.shape}; both "
            "must be [height, width]."
        )
    if np.isnan(threshold) or not all(0 < iou <= 1 for iou in ious):
        raise UsageError(
            f"Objects were asked for at threshold {threshold} and IoU {tuple(ious)}; give a number "
            "and IoU thresholds above 0 and at most 1."
        )
    values_HW = map_HW.astype(np.float32, copy=False)
    # as float64, so that the threshold is not rounded to the map's precision
    objects_HW, count = ndimage.label(values_HW >= np.float64(threshold), _EIGHT)
    areas_D = np.bincount(objects_HW.ravel(), minlength=count + 1)[1:]
    scores_D = np.full(count + 1, -np.inf, dtype=np.float32)
    np.maximum.at(scores_D, objects_HW.ravel(), values_HW.ravel())
    scores_D = scores_D[1:]
    order = np.argsort(-scores_D, kind="stable")
    order = order[areas_D[order] >= min_area]
    marked = regions_HW > 0
    ids, region_P = np.unique(regions_HW[marked], return_inverse=True)
    overlaps = _overlaps(objects_HW[marked], region_P, areas_D, len(ids))
    hits_DT = np.zeros((len(order), len(ious)), dtype=bool)
    for column, least in enumerate(ious):
        hits_DT[:, column] = _match(order, overlaps, least)
    return Detections(scores_D[order], hits_DT, len(ids))


def _overlaps(
    object_P: npt.NDArray[Any], region_P: npt.NDArray[Any], areas_D: npt.NDArray[Any], regions: int
) -> dict[int, list[tuple[float, int]]]:
    """object -> [(IoU, region), ...], highest first, from the anomalous pixels of an image."""
    area = np.bincount(region_P, minlength=regions)
    covered = object_P > 0
    code, shared = np.unique(
        (object_P[covered] - 1) * np.int64(regions) + region_P[covered], return_counts=True
    )
    found: dict[int, list[tuple[float, int]]] = {}
    for pair, pixels in zip(code.tolist(), shared.tolist(), strict=True):
        one, region = divmod(pair, regions)
        found.setdefault(one, []).append(
            (pixels / int(areas_D[one] + area[region] - pixels), region)
        )
    for pairs in found.values():
        pairs.sort(key=lambda pair: (-pair[0], pair[1]))
    return found


def _match(
    order: npt.NDArray[Any], overlaps: dict[int, list[tuple[float, int]]], least: float
) -> npt.NDArray[np.bool_]:
    """Which objects, in their order, take a region with at least this IoU."""
    taken: set[int] = set()
    hits = np.zeros(len(order), dtype=bool)
    for place, one in enumerate(order.tolist()):
        for iou, region in overlaps.get(one, ()):
            if iou >= least and region not in taken:
                taken.add(region)
                hits[place] = True
                break
    return hits


def object_ap(
    detections: Sequence[Detections], weights_RN: npt.NDArray[Any] | None = None
) -> FloatArray:
    """Average precision of objects at each IoU threshold. [R, T]

    Args:
        detections: of all images, normal ones included; the same IoU thresholds throughout.
        weights_RN: how often each image counts in each resample; None = once (R = 1).

    Returns:
        NaN where a resample holds no true region, 0 where nothing was matched.

    Raises:
        UsageError: no image, images with other IoU thresholds, weights that do not fit.
    """
    widths = {one.hits_DT.shape[1] for one in detections}
    if len(widths) != 1:
        raise UsageError(
            f"Objects of {len(detections)} images came with {sorted(widths)} IoU thresholds; "
            "give at least one image, and the same thresholds for all."
        )
    weights = np.ones((1, len(detections))) if weights_RN is None else np.asarray(weights_RN)
    if weights.ndim != 2 or weights.shape[1] != len(detections):
        raise UsageError(
            f"Weights came with shape {weights.shape} for {len(detections)} images; they must be "
            "[resamples, images]."
        )
    weights = weights.astype(np.float64)
    called_MN, hits_TMN = _steps(detections, widths.pop())
    regions_N = np.array([one.regions for one in detections], dtype=np.float64)
    rows = max(1, _BLOCK // max(1, called_MN.shape[0]))
    blocks = []
    for start in range(0, len(weights), rows):
        weights_NR = weights[start : start + rows].T
        positives_R = regions_N @ weights_NR
        called_RM = np.cumsum(_rows(called_MN @ weights_NR), axis=1)
        called_RM[called_RM == 0] = 1.0  # nothing called, hence nothing found
        areas = np.empty((weights_NR.shape[1], len(hits_TMN)))
        for column, hits_MN in enumerate(hits_TMN):
            rise_RM = _rows(hits_MN @ weights_NR)
            areas[:, column] = (rise_RM * np.cumsum(rise_RM, axis=1) / called_RM).sum(axis=1)
        with np.errstate(invalid="ignore"):
            blocks.append(areas / positives_R[:, None])
    return np.concatenate(blocks)


def _rows(values_MR: FloatArray) -> FloatArray:
    """[R, M], each resample contiguous: its sum is then the same to the bit in any block."""
    return np.ascontiguousarray(values_MR.T)


def _steps(detections: Sequence[Detections], width: int) -> tuple[Any, list[Any]]:
    """Objects counted by image and step, sparse: all [M, N], and hits, T times [M, N].

    Recall rises at scores of hits alone, so these are the steps, highest first. An object counts
    at the first step not above its score; one below all steps changes nothing.
    """
    images = len(detections)
    score_D = np.concatenate([one.scores_D for one in detections])
    hits_DT = np.concatenate([one.hits_DT for one in detections])
    image_D = np.repeat(np.arange(images), [len(one.scores_D) for one in detections])
    steps_M = np.unique(score_D[hits_DT.any(axis=1)])
    from_below_D = np.searchsorted(steps_M, score_D, side="right")
    step_D = len(steps_M) - from_below_D

    def counted(kept: npt.NDArray[np.bool_]) -> Any:
        place = (step_D[kept], image_D[kept])
        return csr_array((np.ones(kept.sum()), place), shape=(len(steps_M), images))

    return counted(from_below_D > 0), [counted(hits_DT[:, column]) for column in range(width)]
