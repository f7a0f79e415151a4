"""Masks from outlines and run lengths, as annotation files hold them.

Run lengths are COCO's: columns from top to bottom, left to right, beginning with a run of zeros.
The compressed form writes each run in groups of five bits, one letter a group, low bits first;
from the fourth run on it holds the difference to the run before the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from core.data.images import Mask
from core.errors import DataError

Size = tuple[int, int]
"""Width and height in pixels, as everywhere in `core.data`; COCO's own "size" is height, width."""

_FAR = 100_000
"""Vertices farther out than this are drawn as if they lay there."""

_LONGEST = 13
"""Letters of a run of 64 bits."""


def polygon_mask(points: Sequence[Sequence[float]], size: Size) -> Mask:
    """The filled outline, its edge included, as booleans [H, W].

    Args:
        points: pairs of x and y; they are truncated to whole pixels, as COCO-AD does. What lies
            outside the image is cut off.
        size: width and height.

    Raises:
        DataError: fewer than three points, a point that is no pair of finite numbers, or a size
            no image has.
    """
    width, height = _checked(size)
    corners = [_corner(point) for point in points]
    if len(corners) < 3:
        raise DataError(f"An outline has {len(corners)} points where at least 3 are needed.")
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).polygon(corners, fill=1, outline=1)
    mask: Mask = np.asarray(canvas) != 0
    return mask


def pairs(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """x and y of each vertex from COCO's flat list.

    Raises:
        DataError: an odd number of them.
    """
    if len(numbers) % 2:
        raise DataError(f"An outline has {len(numbers)} numbers; each point needs x and y.")
    return [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2)]


def rle_mask(counts: Sequence[int], size: Size) -> Mask:
    """The mask of COCO's run lengths, as booleans [H, W].

    Args:
        counts: lengths of runs of 0, 1, 0, ... down the columns.
        size: width and height.

    Raises:
        DataError: a run that is no whole number from 0 on, runs that do not add up to the size,
            or a size no image has.
    """
    width, height = _checked(size)
    if not all(isinstance(run, int) and not isinstance(run, bool) and run >= 0 for run in counts):
        raise DataError("Run lengths hold something that is no whole number from 0 on.")
    if sum(counts) != width * height:
        raise DataError(
            f"Run lengths add up to {sum(counts)} pixels; {width}x{height} has {width * height}."
        )
    values = np.arange(len(counts)) % 2 == 1
    columns = np.repeat(values, np.asarray(counts, dtype=np.int64))
    mask: Mask = np.ascontiguousarray(columns.reshape(width, height).T)
    return mask


def compressed_rle(text: str | bytes) -> list[int]:
    """Run lengths for `rle_mask` from COCO's compressed text.

    Raises:
        DataError: it holds a letter no run length has, breaks off, or decodes to a negative run.
    """
    runs: list[int] = []
    for value in _values(text.encode("utf-8") if isinstance(text, str) else text):
        run = value + runs[-2] if len(runs) > 2 else value
        if run < 0:
            raise DataError("Compressed run lengths hold a negative run; export them again.")
        runs.append(run)
    return runs


def _values(letters: bytes) -> Iterator[int]:
    """Signed numbers: six bits a letter from "0" on, the highest says that more follow."""
    value = used = 0
    for letter in letters:
        group = letter - 48
        if not 0 <= group < 64 or used == _LONGEST:
            raise DataError("Compressed run lengths hold a letter that does not belong there.")
        value |= (group & 31) << 5 * used
        used += 1
        if group & 32:
            continue
        yield value - (1 << 5 * used) if group & 16 else value
        value = used = 0
    if used:
        raise DataError("Compressed run lengths break off; export them again.")


def _corner(point: Sequence[float]) -> tuple[int, int]:
    try:
        x, y = (float(number) for number in point)
    except (TypeError, ValueError, OverflowError):
        raise DataError("An outline holds a point that is no pair of numbers.") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise DataError("An outline holds a point that is no pair of finite numbers.")
    return int(max(-_FAR, min(_FAR, x))), int(max(-_FAR, min(_FAR, y)))


def _checked(size: Size) -> Size:
    """The size, if an image could have it; protects memory from a number in a file."""
    width, height = size
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    if width < 1 or height < 1 or (limit and width * height > limit):
        raise DataError(f"A mask of {width}x{height} px cannot be made; check the image's size.")
    return width, height
