"""What the doctor knows of an anomalous sample's mask, at its original size.

column                    type       meaning
mask_state                text       "ok", "none" (no file is listed), "missing" (a listed file is
                                     gone), "empty", "full" (every pixel marked), "size" (it does
                                     not fit the image), "unreadable"; "" for normal samples
mask_reason               text       why it is unreadable
mask_width, mask_height   int        pixels of the first mask file
mask_values               int        distinct values above zero in the files
mask_min, mask_max        int        the smallest and the largest of them
mask_faint                float      share of marked pixels below half of the largest value
regions                   int        8-connected
area_px, area_share       int, float marked pixels, and their share of the image
smallest_px, largest_px   int        of the regions
areas                     list       pixels of every region, in scan order
centre_x, centre_y        float      middle of the box around all marks, 0 to 1 from top left
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data import regions
from core.data.images import (
    Mask,
    Unreadable,
    fit_mask,
    join_masks,
    marked,
    opened,
    turn_mask,
)

Row = dict[str, Any]
NONE: Row = {
    "mask_state": "", "mask_reason": "", "mask_width": 0, "mask_height": 0, "mask_values": 0,
    "mask_min": 0, "mask_max": 0, "mask_faint": 0.0, "regions": 0, "area_px": 0,
    "area_share": 0.0, "smallest_px": 0, "largest_px": 0, "areas": [], "centre_x": np.nan,
    "centre_y": np.nan,
}  # fmt: skip
"""The columns of a sample without a mask."""
_ORIENTATION = 0x0112


def measure(files: list[tuple[str, Path | None]], image: Row, orientation: int) -> Row:
    """The mask facts of one anomalous sample.

    Args:
        files: name and path of each mask; None for a path that may not be opened.
        image: the facts of its image (`width`, `height`, `stored_width`, `stored_height`).
        orientation: the image's EXIF orientation.
    """
    if not files:
        return NONE | {"mask_state": "none"}
    paths = [(name, path) for name, path in files if path is not None and path.is_file()]
    if len(paths) != len(files):
        return NONE | {"mask_state": "missing"}
    seen = _Values()
    try:
        mask = join_masks([(name, _read(path, name, seen)) for name, path in paths])
    except Unreadable as error:
        return NONE | {"mask_state": "unreadable", "mask_reason": error.reason}
    row: Row = {"mask_height": mask.shape[0], "mask_width": mask.shape[1]} | seen.facts()
    if not mask.any():
        return NONE | row | {"mask_state": "empty"}
    upright = fit_mask(
        mask, (image["width"], image["height"]), (image["stored_width"], image["stored_height"]),
        orientation,
    )  # fmt: skip
    if upright is None:
        return NONE | row | {"mask_state": "size"}
    state = "full" if upright.all() else "ok"
    return NONE | row | {"mask_state": state} | _regions(upright)


def _regions(mask: Mask) -> Row:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    labelled = regions.label(mask[top:bottom, left:right])
    area = int(np.count_nonzero(mask))
    # more regions than any real mask has: their areas are of no use
    areas = np.array([], int) if labelled is None else np.bincount(labelled.ravel())[1:]
    return {
        "regions": len(areas) if labelled is not None else regions.MOST_REGIONS + 1,
        "area_px": area,
        "area_share": area / mask.size,
        "smallest_px": int(areas.min(initial=area)),
        "largest_px": int(areas.max(initial=0)),
        "areas": [int(pixels) for pixels in areas],
        "centre_x": float(left + right) / 2 / mask.shape[1],
        "centre_y": float(top + bottom) / 2 / mask.shape[0],
    }


class _Values:
    """The values above zero of one or several mask files, and how often each occurs."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, values: npt.NDArray[Any]) -> None:
        if values.dtype == np.uint8:
            counts = np.bincount(values, minlength=256)
            found = np.flatnonzero(counts)
            counts = counts[found]
        else:
            found, counts = np.unique(values, return_counts=True)
        for value, count in zip(found.tolist(), counts.tolist(), strict=True):
            self._counts[int(value)] = self._counts.get(int(value), 0) + int(count)

    def facts(self) -> Row:
        if not self._counts:
            return {}
        low, high = min(self._counts), max(self._counts)
        faint = sum(count for value, count in self._counts.items() if 2 * value < high)
        return {
            "mask_values": len(self._counts),
            "mask_min": low,
            "mask_max": high,
            "mask_faint": faint / sum(self._counts.values()),
        }


def _read(path: Path, name: str, seen: _Values) -> Mask:
    """A mask file as `core.data.images.decode_mask` reads it, its values noted."""
    with opened(path, name) as image:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
        mask = marked(image)
        if mask.any():
            values = np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)
            if values.dtype == np.bool_:
                values = values.astype(np.uint8) * 255
            if values.ndim == 3:
                colours = 3 if values.shape[2] >= 3 else 1
                values = values[..., :colours].max(axis=-1)
            seen.add(np.nan_to_num(values[mask]))
        return turn_mask(mask, orientation)
