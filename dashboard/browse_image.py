"""One image as the Browse page shows it: picture, mask, regions, and what its file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import images, thumbnails
from core.data.images import fsname
from core.data.layout import inside
from core.data.regions import Region, measured
from core.errors import FlawscopeError
from core.types import Sample
from core.workspace import Workspace
from dashboard.queries import workspace

LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one image.

    Attributes:
        picture: WebP, its longer side at most `LONGEST`; None when it cannot be read.
        width, height: of the upright original.
        mode, format: as Pillow names them; bytes: of the file.
        mask_HW: at the picture's size; None without a usable mask.
        regions: the largest first, in pixels of the original.
        trouble: a sentence for everything that could not be read.
    """

    picture: bytes | None
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    bytes: int = 0
    mask_HW: npt.NDArray[np.bool_] | None = None
    regions: tuple[Region, ...] = ()
    trouble: tuple[str, ...] = ()


def look(root: Path, sample: Sample) -> Look:
    """Read an image and its masks; what is wrong with them is told, never raised."""
    names = (sample.key, *(sample.masks if sample.label else ()))
    stamps = tuple(_stamp(root / name) for name in names)
    return _look(str(workspace().root), str(root), names, stamps)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        at = path.stat()
    except (OSError, ValueError):
        return (0, 0)
    return (at.st_mtime_ns, at.st_size)


@st.cache_resource(show_spinner=False, max_entries=24)
def _look(
    place: str, root: str, names: tuple[str, ...], stamps: tuple[tuple[int, int], ...]
) -> Look:
    trouble: list[str] = []
    try:
        path = inside(Path(root), names[0])
        picture, width, height = thumbnails.picture(path, LONGEST, Workspace(Path(place)))
        with images.opened(path, names[0], load=False) as header:
            mode, kind = header.mode, header.format or ""
        upright = images.decode(path, names[0])
        size = upright.image.size
    except (FlawscopeError, OSError) as error:
        return Look(None, trouble=(str(error),))
    found: tuple[Region, ...] = ()
    small = None
    if len(names) > 1:
        try:
            mask = _mask(Path(root), names[1:], upright)
            if mask is None:
                trouble.append("The mask has another size than the image, so it is not shown.")
            else:
                small, found = images.squash_mask(mask, (width, height)), measured(mask)
        except (FlawscopeError, OSError) as error:
            trouble.append(str(error))
    return Look(picture, *size, mode, kind, stamps[0][1], small, found, tuple(trouble))


def _mask(root: Path, names: tuple[str, ...], upright: images.Picture) -> images.Mask | None:
    paths = [inside(root, name) for name in names]
    mask = images.join_masks([(fsname(path), images.decode_mask(path, fsname(path)))
                              for path in paths])  # fmt: skip
    return images.fit_mask(mask, upright.image.size, upright.stored_size, upright.orientation)
