"""Decoding image and mask files: the one place that knows file modes.

Images become 8-bit RGB, upright; masks become booleans, any non-zero value anomalous.

mode            image                                        mask
8-bit grey      repeated to RGB                              non-zero
16-bit grey     scaled by the type's range (65,535 -> 255),  non-zero
                never by what one image happens to hold
palette         colours looked up                            palette index, not colour
CMYK, YCbCr     converted to RGB                             converted to RGB, any channel
alpha           dropped, stored colours kept (as ADer does)  ignored
32-bit, float   refused: their range is unknown              non-zero

EXIF rotation is applied to whatever carries it. A mask that carries none is taken as upright,
unless its size only fits the image as stored: then it was drawn on the unrotated pixels, and
is turned with the image. Images beyond Pillow's bomb limit are refused, whatever their format.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from core.errors import DataError, FlawscopeError

Mask = npt.NDArray[np.bool_]
Source = str | Path | IO[bytes]

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "TGA",
    "TIFF", "WEBP",
)  # fmt: skip
"""What is decoded, whatever a file is called: plain pixels, nothing that starts a program."""
_REMEDY = "replace it by an intact copy, or take it out of the data set"


class Unreadable(DataError):
    """A file that is no usable image; `reason` is the sentence without the file's name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        image: upright, mode "L" or "RGB".
        stored_size: width and height before any EXIF rotation.
        orientation: EXIF orientation that was applied, 1 = none.
        kind: what was unusual and converted ("16-bit grey", "CMYK", ...), or "".
    """

    image: Image.Image
    stored_size: tuple[int, int]
    orientation: int = 1
    kind: str = ""


def read_image(path: Path) -> Image.Image:
    """The image as upright 8-bit RGB.

    Raises:
        Unreadable: no such file, not an image, truncated, of unknown range or too large.
    """
    return decode(path, str(path)).image.convert("RGB")


def decode(source: Source, name: str) -> Picture:
    """Decode a file or an open binary file; `name` is what errors call it.

    Raises:
        Unreadable: see `read_image`.
    """
    with opened(source, name) as image:
        stored_size = image.size
        orientation = int(image.getexif().get(_ORIENTATION, 1))
        plain, kind = eight_bit(image, name)
        return Picture(turn_image(plain, orientation), stored_size, orientation, kind)


def read_mask(path: Path) -> Mask:
    """The mask as booleans [H, W]: True where any value (or palette index) is not zero.

    Raises:
        Unreadable: see `read_image`.
    """
    return decode_mask(path, str(path))


def decode_mask(source: Source, name: str) -> Mask:
    """Like `read_mask`, for a file or an open binary file that errors call `name`."""
    with opened(source, name) as image:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
        return turn_mask(marked(image), orientation)


def join_masks(masks: list[tuple[str, Mask]]) -> Mask:
    """One mask that is True where any of the named masks is.

    Raises:
        Unreadable: masks of one image differ in size; names the first that does.
    """
    joined = masks[0][1].copy()
    for name, mask in masks[1:]:
        if mask.shape != joined.shape:
            sizes = f"{_size(mask)} and {_size(joined)} px"
            reason = f"differs from another mask of its image ({sizes}); save all at its size."
            raise Unreadable(name, reason)
        joined |= mask
    return joined


def fit_mask(
    mask: Mask, size: tuple[int, int], stored_size: tuple[int, int], orientation: int
) -> Mask | None:
    """The mask as it lies on the upright image, or None when its size does not fit.

    Args:
        mask: [H, W], upright as far as its own file says.
        size, stored_size: width and height of the image, upright and before EXIF rotation.
        orientation: the image's EXIF orientation.
    """
    height, width = mask.shape
    if (width, height) == size:
        return mask
    if (width, height) == stored_size:
        return turn_mask(mask, orientation)
    return None


def turn_image(image: Image.Image, orientation: int) -> Image.Image:
    """Undo an EXIF orientation (1 to 8; anything else leaves the image as it is)."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def turn_mask(mask: Mask, orientation: int) -> Mask:
    """`turn_image` for a boolean mask [H, W]."""
    if orientation not in _TURNS:
        return mask
    turned = turn_image(Image.fromarray(mask.astype(np.uint8)), orientation)
    upright: Mask = np.asarray(turned) != 0
    return upright


def squash(image: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """Resize to size x size, aspect ignored as in ADer, bilinear with antialiasing.

    Returns:
        uint8 [3, size, size]; a grey image repeats its one channel.
    """
    small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    if small.ndim == 2:
        return np.repeat(small[None], 3, axis=0)
    return np.ascontiguousarray(small.transpose(2, 0, 1))


def squash_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize to (width, height), bilinear with antialiasing; True where at least half covered."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    covered: Mask = np.asarray(image.resize(size, Image.Resampling.BILINEAR)) >= 128
    return covered


def _size(mask: Mask) -> str:
    return f"{mask.shape[1]}x{mask.shape[0]}"


def eight_bit(image: Image.Image, name: str) -> tuple[Image.Image, str]:
    """As "L" or "RGB", and what was unusual about it."""
    mode = image.mode
    if mode in ("L", "RGB"):
        return image.copy(), ""
    if mode in _SIXTEEN_BIT or (mode == "I" and image.format in ("PNG", "PPM")):
        # 65,535 / 255 = 257 exactly; adding half of it rounds to the nearest level
        levels = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8)), "16-bit grey"
    if mode in ("I", "F"):
        what = "32-bit integers" if mode == "I" else "floating-point values"
        raise Unreadable(name, f"holds {what} of unknown range; save it with 8 or 16 bits.")
    if mode in ("LA", "La"):
        return image.convert("LA").getchannel("L"), "with alpha"
    if mode == "1":
        return image.convert("L"), ""
    if mode in ("RGBa", "PA"):
        image = image.convert("RGBA")
    kinds = {"P": "palette", "PA": "palette", "RGBA": "with alpha", "RGBa": "with alpha"}
    return image.convert("RGB"), kinds.get(mode, mode)


def marked(image: Image.Image) -> Mask:
    """True where a mask file's value is not zero, whatever its mode."""
    if image.mode in ("CMYK", "YCbCr", "HSV"):  # zero is not black there
        image = image.convert("RGB")
    values = np.asarray(image)
    if values.ndim == 3:  # the second and later channels of LA, PA, LAB do not mark
        colours = 3 if image.mode in ("RGB", "RGBA", "RGBa", "RGBX") else 1
        values = values[..., :colours].max(axis=-1)
    marked: Mask = values != 0
    return marked


@contextmanager
def opened(source: Source, name: str, load: bool = True) -> Iterator[Image.Image]:
    """The decoded file; whatever goes wrong becomes one sentence.

    With `load` False only its header was read, and the block calls `image.load()` itself.
    """
    try:
        with Image.open(source, formats=_formats()) as image:
            if load:
                image.load()
            yield image
    except FlawscopeError:
        raise
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        reason = f"has more than {limit:.0f} million pixels; cut it into tiles or scale it down."
        raise Unreadable(name, reason) from None
    except UnidentifiedImageError:
        raise Unreadable(name, f"is not an image Pillow can read; {_REMEDY}.") from None
    except FileNotFoundError:
        raise Unreadable(name, "is not there; open the data set again.") from None
    except (PermissionError, IsADirectoryError):
        raise Unreadable(name, "may not be read; change its permissions.") from None
    except MemoryError:  # no fault of the file, so no `Unreadable`
        raise DataError(
            f"{name} is too large for the memory that is free; scale it down."
        ) from None
    except Exception as error:  # decoders raise nearly anything on broken bytes
        said = _first_line(error)
        raise Unreadable(name, f"cannot be decoded ({said}); {_REMEDY}.") from None


@cache
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _first_line(error: Exception) -> str:
    text: Any = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__


def fsname(path: str | Path) -> str:
    """A path as text that can be shown and stored: bytes that are no UTF-8 become \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
