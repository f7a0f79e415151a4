"""Where the anomalous pixels of some images are, and what each weighs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics.histogram import UNIT, Int64s
from core.metrics.threads import blocks, in_threads

Index = npt.NDArray[np.intp]


class Truth:
    """Anomalous pixels (M) and regions (L) of some images (B); regions count over all of them.

    Attributes:
        places_M: places in the flattened maps, ascending.
        image_M, region_M: the image and the region a pixel belongs to.
        areas_L, ids_L: pixels and id of each region; ids ascend within an image.
        first_B: the first region of each image, and after the last image the number of regions.
    """

    __slots__ = ("areas_L", "first_B", "ids_L", "image_M", "places_M", "region_M")

    def __init__(self, regions_BHW: npt.NDArray[Any]) -> None:
        flat = np.ascontiguousarray(regions_BHW).reshape(-1)
        self.places_M: Index = _nonzero(flat)
        count = len(regions_BHW)
        ends = np.searchsorted(self.places_M, np.arange(count + 1) * (flat.size // max(1, count)))
        self.image_M: Index = np.repeat(np.arange(count), np.diff(ends))
        ids_M = flat[self.places_M].astype(np.int64)
        stride = int(ids_M.max(initial=0)) + 1
        if count * stride <= 4 * len(ids_M) + 2**20:  # numbered without gaps, by a table
            coded_M = self.image_M * stride + ids_M
            present = np.bincount(coded_M, minlength=count * stride) > 0
            self.region_M: Index = (np.cumsum(present) - 1)[coded_M]
            (coded_L,) = np.nonzero(present)
        else:
            coded_L, self.region_M = np.unique(self.image_M * stride + ids_M, return_inverse=True)
        self.areas_L: Int64s = np.bincount(self.region_M, minlength=len(coded_L)).astype(np.int64)
        self.ids_L: Int64s = coded_L % stride
        self.first_B: Index = np.searchsorted(coded_L, np.arange(count + 1) * stride)

    @property
    def pixels_B(self) -> Int64s:
        """Anomalous pixels of each image."""
        return np.bincount(self.image_M, minlength=len(self.first_B) - 1).astype(np.int64)

    @property
    def gains_M(self) -> Int64s:
        """Fixed-point share of its region that a pixel is."""
        return _fixed(self.areas_L)[self.region_M]

    @property
    def shares_M(self) -> Int64s:
        """Fixed-point share of its image's anomalous pixels that a pixel is."""
        return _fixed(self.pixels_B)[self.image_M]


def _fixed(areas: Int64s) -> Int64s:
    return np.rint(UNIT / np.maximum(areas, 1)).astype(np.int64)


def _nonzero(flat: npt.NDArray[Any]) -> Index:
    """Places that are not zero: few, so several ids are looked at in one 64-bit word."""
    packed = 8 // flat.itemsize
    if len(flat) % packed or packed == 1:
        return np.flatnonzero(flat)
    words = flat.view(np.uint64)
    found = in_threads(
        lambda part: np.flatnonzero(words[part] != 0) + part.start, blocks(len(words))
    )
    near = np.concatenate([*found, np.empty(0, np.intp)])
    places = (near[:, None] * packed + np.arange(packed)).reshape(-1)
    found_M: Index = places[flat[places] != 0]
    return found_M
