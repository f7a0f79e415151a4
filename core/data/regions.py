"""Connected regions of a mask: 8-connected, labelled once and stored beside the images; and the
lines that show them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.images import Mask

Regions = npt.NDArray[np.uint16]

MOST_REGIONS = 65_535


@dataclass(frozen=True, slots=True)
class Region:
    """A connected part of a mask: pixels, their share of the image, and its box in pixels."""

    area: int
    share: float
    left: int
    top: int
    width: int
    height: int


def label(mask: Mask) -> Regions | None:
    """Number the 8-connected regions of a mask.

    Args:
        mask: bool [H, W].

    Returns:
        uint16 [H, W], 0 where normal, 1 to n in scan order; None when there are more than
        `MOST_REGIONS`, which no real mask has.
    """
    from scipy import ndimage  # loads slowly, and is not needed to open a prepared data set

    labelled, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int8))
    return labelled.astype(np.uint16) if count <= MOST_REGIONS else None


def areas(mask: Mask) -> npt.NDArray[np.int64]:
    """Pixels of each region of a mask, in scan order. [n]; empty when there are too many."""
    labelled = label(mask)
    if labelled is None:
        return np.zeros(0, dtype=np.int64)
    return np.bincount(labelled.ravel())[1:].astype(np.int64)


def measured(mask: Mask) -> tuple[Region, ...]:
    """The regions of a mask, the largest first; none when there are too many."""
    from scipy import ndimage

    labelled = label(mask)
    if labelled is None:
        return ()
    pixels = np.bincount(labelled.ravel())
    found = [
        Region(
            int(pixels[n]), float(pixels[n] / mask.size), columns.start, rows.start,
            columns.stop - columns.start, rows.stop - rows.start,
        )
        for n, (rows, columns) in enumerate(ndimage.find_objects(labelled), start=1)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: -one.area))


def outline(mask: Mask) -> tuple[Mask, Mask]:
    """A line around the mask and a wider one around that, bool [H, W] each.

    Both lie outside the mask, so that what it marks stays visible.
    """
    from scipy import ndimage

    near = ndimage.binary_dilation(mask, iterations=1)
    wide = ndimage.binary_dilation(mask, np.ones((3, 3), dtype=bool), iterations=2)
    return near & ~mask, wide & ~near
