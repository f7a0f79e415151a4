"""What is kept of one test image: its score, and its pixels sorted, normal and anomalous apart.

A normal pixel costs 4 bytes (its float32 value), an anomalous one 8: a 64-bit key whose upper
half orders like the value and whose lower half is the area of the pixel's region. Sorting keys
sorts values and carries the areas along, in one order whatever order images came in.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.ranking import FloatArray, Ranking, rank

Float32s = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]

_SIGN = np.uint32(0x80000000)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image.

    Attributes:
        label: 0 normal, 1 anomalous.
        score: image score.
        digest: checksum of map and regions; orders images that share label and score.
        normals_N: map values of normal pixels, ascending; empty when the mask is unknown.
        keys_M: anomalous pixels, ascending; see `encode`.
        regions: number of anomalous regions.
    """

    label: int
    score: float
    digest: int
    normals_N: Float32s
    keys_M: Keys
    regions: int

    @property
    def place(self) -> tuple[int, float, int]:
        """Sort key that does not depend on the order of arrival."""
        return self.label, self.score, self.digest


@dataclass(frozen=True, slots=True)
class Pooled:
    """All pixels of a class: values of normal ones and keys of anomalous ones, ascending."""

    normals_N: Float32s
    keys_M: Keys
    regions: int


def encode(values_M: Float32s, areas_M: npt.NDArray[Any]) -> Keys:
    """Keys that order by value, then by area; -0.0 and 0.0 are one value."""
    bits = (values_M + np.float32(0)).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered.astype(np.uint64) << _HALF) | areas_M.astype(np.uint64)


def decode(keys_M: Keys) -> tuple[Float32s, npt.NDArray[np.uint64]]:
    """Values and areas of keys."""
    ordered = (keys_M >> _HALF).astype(np.uint32)
    bits = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered)
    return bits.view(np.float32), keys_M & _LOW


def record(
    map_HW: Float32s, regions_HW: npt.NDArray[Any], label: int, score: float, known: bool
) -> ImageRecord:
    """The record of one checked image; an anomalous image without a region counts as unknown."""
    values, ids = map_HW.ravel(), regions_HW.ravel()
    marked = ids > 0
    digest = zlib.crc32(values.tobytes())
    nothing = np.empty(0, dtype=np.uint64)
    if label == 0:
        return ImageRecord(0, score, digest, np.sort(values), nothing, 0)
    if not known or not marked.any():
        return ImageRecord(1, score, digest, np.empty(0, dtype=np.float32), nothing, 0)
    digest = zlib.crc32(ids.astype(np.uint32).tobytes(), digest)
    _, region_M, area = np.unique(ids[marked], return_inverse=True, return_counts=True)
    keys_M = np.sort(encode(values[marked], area[region_M]))
    return ImageRecord(1, score, digest, np.sort(values[~marked]), keys_M, len(area))


def records(
    class_name: str,
    maps_BHW: npt.ArrayLike,
    regions_BHW: npt.ArrayLike,
    scores_B: npt.ArrayLike,
    labels_B: npt.ArrayLike,
    has_mask_B: npt.ArrayLike,
) -> list[ImageRecord]:
    """Check a batch of one class and make its records.

    Raises:
        UsageError: shapes that do not fit, a map or score that is not finite, a label other than
            0 or 1, a normal image with an anomalous pixel; names the class.
    """
    where = f"Class {class_name!r}"
    with np.errstate(over="ignore"):
        maps = np.asarray(maps_BHW).astype(np.float32, copy=False)
    regions, labels = np.asarray(regions_BHW), np.asarray(labels_B)
    scores = np.asarray(scores_B, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    known = np.asarray(has_mask_B, dtype=bool)
    if maps.ndim != 3 or maps.size == 0 or regions.shape != maps.shape:
        raise UsageError(
            f"{where}: maps came with shape {maps.shape} and regions with {regions.shape}; "
            "both must be [images, height, width]."
        )
    if regions.dtype == bool or not np.issubdtype(regions.dtype, np.integer):
        raise UsageError(f"{where}: regions came as {regions.dtype}; give integer region ids.")
    if not scores.shape == labels.shape == known.shape == maps.shape[:1]:
        raise UsageError(
            f"{where}: {len(maps)} maps came with scores {scores.shape}, labels {labels.shape} "
            f"and mask flags {known.shape}; one of each an image is needed."
        )
    if not np.isin(labels, (0, 1)).all():
        raise UsageError(f"{where}: a label is neither 0 (normal) nor 1 (anomalous).")
    for what, values in (("map", maps), ("score", scores)):
        if not np.isfinite(values).all():
            raise UsageError(f"{where}: a {what} holds NaN or infinity; train or predict it again.")
    if regions.min() < 0:
        raise UsageError(f"{where}: a region id is negative; use 0 for normal pixels and 1, 2, ...")
    if regions[labels == 0].any():
        raise UsageError(
            f"{where}: a normal image has anomalous pixels; correct its label or mask."
        )
    return [
        record(maps[i], regions[i], int(labels[i]), float(scores[i]), bool(known[i]))
        for i in range(len(maps))
    ]


def pool(images: Sequence[ImageRecord]) -> Pooled:
    """All pixels of these images, sorted."""
    normals_N = np.concatenate([image.normals_N for image in images])
    normals_N.sort()
    keys_M = np.concatenate([image.keys_M for image in images])
    keys_M.sort()
    return Pooled(normals_N, keys_M, sum(image.regions for image in images))


def image_ranking(images: Sequence[ImageRecord]) -> Ranking | str:
    """Exact ranking of images by score, or the reason why there is none."""
    normals = np.sort([image.score for image in images if image.label == 0])
    anomalous = [image.score for image in images if image.label == 1]
    if not anomalous:
        return "no anomalous test image"
    if len(normals) == 0:
        return "no normal test image"
    distinct, count = np.unique(anomalous, return_counts=True)
    return rank(normals, distinct, count, None)


def pixel_ranking(images: Sequence[ImageRecord], pooled: Pooled) -> Ranking | str:
    """Exact ranking of pixels by map value, or the reason why there is none."""
    if not any(image.label for image in images):
        return "no anomalous test image"
    if len(pooled.keys_M) == 0:
        return "no anomalous test image has a usable mask"
    if len(pooled.normals_N) == 0:
        return "no normal pixel in the test images"
    values, areas = decode(pooled.keys_M)
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    count = np.diff(starts, append=len(values))
    gain = np.add.reduceat(1.0 / areas, starts) / pooled.regions
    return rank(pooled.normals_N, values[starts], count, gain)


def cumulated_gain(keys_M: Keys) -> FloatArray:
    """Sum of 1 / area over the first 0, 1, ..., M keys. [M + 1]"""
    return np.concatenate(([0.0], np.cumsum(1.0 / decode(keys_M)[1])))
