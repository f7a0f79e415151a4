"""Connected regions of a mask: 8-connected, labelled once and stored beside the images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.data.images import Mask

Regions = npt.NDArray[np.uint16]

MOST_REGIONS = 65_535


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
