"""One anomaly map from one file, written by any tool: TIFF, NPY or PNG, one channel.

suffix        values
.tiff .tif    floats of 16, 32 or 64 bits, 8- and 16-bit grey (see `map_tiff`)
.npy          a 2-D array of floats or integers; nothing is unpickled
.png          8- or 16-bit grey, taken as they are: a PNG of 8 bits tells 256 levels apart at
              most, so that many pixels tie

Higher = more anomalous. Values become float32; nothing is rescaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data import map_tiff
from core.data.map_tiff import NoMap
from core.errors import DataError

Map = npt.NDArray[np.float32]

TIFF, NPY, PNG = (".tiff", ".tif"), (".npy",), (".png",)
SUFFIXES = (*TIFF, *NPY, *PNG)
_GREY = ("1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N")


class BadMap(DataError):
    """A map that cannot be used; `str` is its name and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


def and_more(count: int) -> str:
    """ " (and 3 more)" after the first of four things; "" after a single one."""
    return f" (and {count - 1} more)" if count > 1 else ""


def together(faults: Sequence[BadMap]) -> DataError:
    """One sentence for all of them: the first, and how many more there are."""
    first = faults[0]
    return DataError(f"{first.name}{and_more(len(faults))} {first.reason}")


def map_shape(path: Path, name: str) -> tuple[int, int]:
    """Height and width of the map in a file, from its header alone.

    Args:
        path: the file; its suffix says what it is.
        name: what errors call it.

    Raises:
        BadMap: it is not there, or holds no single map.
    """
    with _named(path, name):
        height, width = _shape(path)
        if height * width == 0:
            raise NoMap("has no pixel; write it again.")
        if height * width > most_pixels():
            raise NoMap(f"has {width}x{height} px, too many for a map; scale it down.")
        return height, width


def read_map(path: Path, name: str) -> Map:
    """The map in a file, float32 [H, W].

    Raises:
        BadMap: see `map_shape`; or it is cut short, or holds a value that is not finite.
    """
    map_shape(path, name)
    with _named(path, name):
        return as_map(_values(path))


def as_map(values_HW: npt.NDArray[Any]) -> Map:
    """Values as float32.

    Raises:
        NoMap: one is not finite.
    """
    with np.errstate(over="ignore"):
        map_HW = values_HW.astype(np.float32)
    if not np.isfinite(map_HW).all():
        raise NoMap(
            "holds a value that is NaN, infinite or beyond 32-bit floats; save finite numbers."
        )
    return map_HW


def open_array(path: Path, axes: int) -> npt.NDArray[Any]:
    """A memory-mapped NPY array of numbers with that many axes.

    Raises:
        NoMap: no array of numbers, or other axes.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise NoMap(_broken(path)) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "bfiu":
        kind = array.dtype.name if isinstance(array, np.ndarray) else "several arrays"
        raise NoMap(f"holds {kind}; save an array of floats or integers.")
    if array.ndim != axes:
        wanted = "[height, width]" if axes == 2 else "[images, height, width]"
        raise NoMap(f"has the shape {list(array.shape)}; save an array {wanted}.")
    return array


def most_pixels() -> int:
    """Pillow's limit against decompression bombs, taken for every format."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 1 << 62)


def _shape(path: Path) -> tuple[int, int]:
    kind = path.suffix.lower()
    if kind in TIFF:
        header = map_tiff.read_header(path)
        return header.height, header.width
    if kind in NPY:
        height, width = open_array(path, axes=2).shape
        return height, width
    with Image.open(path, formats=("PNG",)) as image:
        if image.mode not in _GREY:
            raise NoMap(
                f"is a picture in colour or with transparency ({image.mode}); save the map itself "
                "as one grey channel."
            )
        return image.height, image.width


def _values(path: Path) -> npt.NDArray[Any]:
    kind = path.suffix.lower()
    if kind in TIFF:
        return map_tiff.read_values(path, map_tiff.read_header(path))
    if kind in NPY:
        return open_array(path, axes=2)
    with Image.open(path, formats=("PNG",)) as image:
        return np.asarray(image)


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Whatever goes wrong becomes one sentence that begins with the name."""
    try:
        yield
    except NoMap as error:
        raise BadMap(name, str(error)) from None
    except Image.DecompressionBombError:
        limit = most_pixels() / 1e6
        raise BadMap(name, f"has more than {limit:.0f} million px; scale it down.") from None
    except FileNotFoundError:
        raise BadMap(name, "is not there any more; write it again.") from None
    except (PermissionError, IsADirectoryError):
        raise BadMap(name, "may not be read; change its permissions.") from None
    except MemoryError:
        raise BadMap(name, "is too large for the memory that is free; scale it down.") from None
    except Exception:  # decoders raise nearly anything on broken bytes
        raise BadMap(name, _broken(path)) from None


def _broken(path: Path) -> str:
    return f"is no intact {path.suffix.lower().lstrip('.').upper()} file; write it again."
