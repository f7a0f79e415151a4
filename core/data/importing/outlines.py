"""Regions that annotation files hold, and the masks they make."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from core.data.images import Mask, decode_mask, opened
from core.data.importing.base import Item, Options
from core.data.importing.shapes import Size, compressed_rle, polygon_mask, rle_mask
from core.errors import DataError
from core.types import Split

_TURNED = (5, 6, 7, 8)
_LARGEST_BITMAP = 200_000_000
"""Letters of a bitmap in base64."""


class AnnotationOptions(Options):
    """What every kind of annotation file is asked."""

    anomalies: tuple[str, ...] = Field(
        default=(), description="names of the regions that are anomalies; empty: all of them"
    )
    class_name: str = Field(
        default="", description="kind of object the images show; empty: their folder's name"
    )


@dataclass(frozen=True, slots=True)
class Region:
    """One region, in pixels of its image.

    Attributes:
        kind: what `data` is. "polygon": pairs of x and y; "box": left, top, right, bottom;
            "circle": x, y, radius; "runs": width, height and COCO's run lengths (a list or its
            compressed text); "bitmap": left, top and a PNG in base64.
        data: as JSON can hold it.
    """

    kind: Literal["polygon", "box", "circle", "runs", "bitmap"]
    data: tuple[Any, ...]


def draw(regions: Sequence[Region], size: Size) -> Mask:
    """All regions in one mask [H, W].

    Raises:
        DataError: a region that cannot be drawn, or a size no image has.
    """
    mask = rle_mask((size[0] * size[1],), size)  # nothing marked; checks the size
    for region in regions:
        if region.kind == "polygon":
            mask |= polygon_mask(region.data, size)
        elif region.kind == "box":
            _box(mask, region.data)
        elif region.kind == "circle":
            _circle(mask, region.data)
        elif region.kind == "runs":
            mask |= _runs(region.data, size)
        else:
            _bitmap(mask, region.data)
    return mask


def stamp(regions: Sequence[Region], size: Size) -> str:
    """Changes whenever the mask would."""
    told = [[region.kind, region.data] for region in regions]
    return hashlib.sha256(json.dumps([size, told]).encode()).hexdigest()[:32]


def item(
    name: str, class_name: str, kinds: Sequence[str], regions: Sequence[Region], size: Size | None,
    split: Split | None = None,
) -> Item:  # fmt: skip
    """An image that stays in place and the mask that is drawn for it.

    Args:
        kinds: what was found in it; empty: it is good.
        regions: of those; empty, or no `size`: no mask can be drawn.
    """
    found = sorted({kind for kind in kinds if kind})
    kind = " + ".join(found) if len(found) <= 3 else "several"
    if not kinds or not regions or size is None:
        return Item(
            name=name, class_name=class_name, label=int(bool(kinds)), anomaly_type=kind,
            split=split, origin=name,
        )  # fmt: skip
    return Item(
        name=name, class_name=class_name, label=1, anomaly_type=kind, split=split, origin=name,
        draw_mask=partial(draw, tuple(regions), size), stamp=stamp(regions, size),
    )  # fmt: skip


def image_size(path: Path) -> Size | None:
    """Width and height of the upright image by its header; None: it cannot be read."""
    try:
        with opened(path, path.name, load=False) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in _TURNED
    except DataError:
        return None
    return (height, width) if turned else (width, height)


def numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """That many finite numbers, or None."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
        return None
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) else None


def _box(mask: Mask, data: tuple[Any, ...]) -> None:
    """Every pixel the box touches."""
    left, top, right, bottom = data
    height, width = mask.shape
    x0, y0 = (math.floor(max(0.0, value)) for value in (left, top))
    x1 = math.ceil(min(float(width), max(right, x0 + 1)))
    y1 = math.ceil(min(float(height), max(bottom, y0 + 1)))
    mask[y0:y1, x0:x1] = True


def _circle(mask: Mask, data: tuple[Any, ...]) -> None:
    """Every pixel whose centre lies in the circle; pixel 0 reaches from 0 to 1."""
    x, y, radius = data
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    mask |= (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2


def _runs(data: tuple[Any, ...], size: Size) -> Mask:
    width, height, counts = data
    if (width, height) != tuple(size):
        raise DataError(
            f"Run lengths are of {width}x{height} px, their image has {size[0]}x{size[1]}."
        )
    return rle_mask(compressed_rle(counts) if isinstance(counts, str) else counts, size)


def _bitmap(mask: Mask, data: tuple[Any, ...]) -> None:
    left, top, text = data
    if len(text) > _LARGEST_BITMAP:
        raise DataError("A bitmap is too large; export it again.")
    try:
        png = base64.b64decode(text, validate=True)
    except ValueError:
        raise DataError("A bitmap is not in base64; export it again.") from None
    part = decode_mask(io.BytesIO(png), "A bitmap")
    height, width = mask.shape
    x, y = round(left), round(top)
    cut = part[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    x, y = max(0, x), max(0, y)
    mask[y : y + cut.shape[0], x : x + cut.shape[1]] |= cut
