"""Anomaly maps in TIFF files, as stored numbers, read with tifffile.

The official MVTec AD evaluations take such files, most with 32-bit floats, MVTec AD 2 with 16-bit
ones; Pillow knows neither 16-bit nor 64-bit floats and swaps the bytes of compressed big-endian
files. Compressions that tifffile needs further packages for (LZW, PackBits) are left to Pillow
where it is right. Values are not inverted when the file says that white is zero: they are numbers,
not shades.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_OWN = (1, 8, 32946)  # plain, and deflated in its two spellings
_PILLOW = ("|u1", "<u2", "<f4")


class NoMap(Exception):
    """A file that holds no usable map; `str(error)` goes on from the file's name."""


@dataclass(frozen=True, slots=True)
class Tiff:
    """The header of a file that holds one map: sides in pixels, and whether Pillow reads it."""

    height: int
    width: int
    by_pillow: bool


def read_header(path: Path) -> Tiff:
    """What the file holds, without reading its pixels.

    Raises:
        NoMap: no TIFF, several pages or channels, or values that cannot be read rightly.
    """
    with _first_page(path) as page:
        height, width = page.shape
        by_pillow = page.compression not in _OWN
        dtype = page.dtype.newbyteorder(page.parent.byteorder).str
        if by_pillow and dtype not in _PILLOW:
            raise NoMap(
                f"holds {page.dtype.name} values in a compression that is not read; save it "
                "uncompressed or deflated."
            )
        return Tiff(height, width, by_pillow)


def read_values(path: Path, header: Tiff) -> npt.NDArray[Any]:
    """The stored values [height, width].

    Raises:
        NoMap: the file ends early or a part of it does not decompress.
    """
    if header.by_pillow:
        with Image.open(path, formats=("TIFF",)) as image:
            return np.asarray(image)
    size = path.stat().st_size
    with _first_page(path) as page:
        parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        # what is missing would be filled with zeros without a word
        if not parts or any(count == 0 or offset + count > size for offset, count in parts):
            raise NoMap("ends early; write it again.")
        return np.asarray(page.asarray(maxworkers=1))


@contextmanager
def _first_page(path: Path) -> Iterator[Any]:
    """The one page of a file, of one channel of numbers."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if len(file.pages) != 1:
                raise NoMap("holds several pages; save one map a file.")
            page: Any = file.pages[0]
            if page.samplesperpixel != 1 or len(page.shape) != 2:
                raise NoMap("has several channels; save one map as one grey channel.")
            if page.dtype is None or page.dtype.kind not in "uif":
                raise NoMap(
                    f"holds values of {page.bitspersample} bits that are no numbers of a known "
                    "kind; save floats of 16, 32 or 64 bits, or 8- or 16-bit grey."
                )
            yield page
    except tifffile.TiffFileError:
        raise NoMap("is not a TIFF file; write it as one.") from None
    except (ValueError, IndexError, KeyError, RuntimeError):
        raise NoMap("is no intact TIFF file; write it again.") from None
