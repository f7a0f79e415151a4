"""The pictures behind a case: photograph, truth, heat map, and the levels they are read at.

A file's key comes from the store, never from the address bar; the photograph keeps its own aspect.
A file that a browser shows as it is travels as it is; others are made a WebP first.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from PIL import Image

from core.data import prepared, thumbnails
from core.errors import FlawscopeError
from dashboard import results
from dashboard.gallery import kind
from dashboard.results import Source

THUMBNAIL_SIDE = 160
LONGEST = 1024
AS_IT_IS = 2_500_000
"""Bytes up to which a file of at most LONGEST px is sent unchanged."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is to be turned."""
LIKELY_ALARM = 1e-3
"""Share of normal pixels at which a heat map without truth is outlined."""


class Photo(NamedTuple):
    """A picture as data URI, and as the file's bytes where there is one.

    Both are None when it cannot be shown, and `note` says why.
    """

    uri: str | None
    width: int = 0
    height: int = 0
    note: str = ""
    data: bytes | None = None

    @property
    def picture(self) -> str | bytes | None:
        """What the viewer takes: bytes, else the data URI."""
        return self.data if self.data is not None else self.uri


def photo(source: Source, data_root: str, key: str, size: int, aspect: float) -> Photo:
    """The photograph of a case, at most LONGEST px a side.

    When the file is gone, the copy the run was trained on (square, `size` px) takes its place,
    stretched back to `aspect` = width / height.
    """
    path = Path(data_root) / key
    try:
        return _shown(*_photo(str(path), path.stat().st_mtime_ns))
    except OSError:
        gone = f"The data set's folder {data_root} is gone"
        if Path(data_root).is_dir():
            gone = f"{key} is no longer in {data_root}"
    except FlawscopeError as error:
        gone = str(error).rstrip(".")
    image_CHW = prepared.recall(Path(data_root), key, size, source.workspace)
    if image_CHW is None:
        return Photo(None, note=f"{gone}; the heat map is kept, the photograph is not.")
    width, height = (size, round(size / aspect)) if aspect >= 1 else (round(size * aspect), size)
    picture = Image.fromarray(np.moveaxis(image_CHW, 0, -1)).resize((width, height))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=85)
    note = f"{gone}; this is the {size} px copy the run worked on."
    return _shown(buffer.getvalue(), width, height, note)


def _shown(data: bytes, width: int, height: int, note: str = "") -> Photo:
    return Photo(_uri(data), width, height, note, data)


@st.cache_data(show_spinner=False, max_entries=32)
def _photo(path: str, stamp: int) -> tuple[bytes, int, int]:
    file = Path(path)
    return _unchanged(file) or thumbnails.picture(file, longest=LONGEST)


def _unchanged(path: Path) -> tuple[bytes, int, int] | None:
    """The file itself, its width and height, when a browser shows it just as we would."""
    if path.stat().st_size > AS_IT_IS:
        return None
    try:
        with Image.open(path) as image:  # reads the header only
            plain = image.format in ("PNG", "JPEG", "WEBP") and image.mode in ("RGB", "L")
            upright = image.getexif().get(ORIENTATION, 1) == 1
            if plain and upright and max(image.size) <= LONGEST and "icc_profile" not in image.info:
                return path.read_bytes(), image.width, image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # the decoder proper says what is wrong with it
    return None


def _uri(data: bytes) -> str:
    return f"data:{kind(data)};base64,{base64.b64encode(data).decode()}"


def thumbnail(source: Source, data_root: str, key: str) -> str | None:
    """A small picture as data URI; None when it cannot be shown."""
    try:
        stamp = (Path(data_root) / key).stat().st_mtime_ns
        return _thumbnail(source.root, data_root, key, stamp)
    except (OSError, FlawscopeError):
        return None


@st.cache_data(show_spinner=False, max_entries=2000)
def _thumbnail(root: str, data_root: str, key: str, stamp: int) -> str:
    workspace = Source(root, 0).workspace
    data = thumbnails.thumbnail(Path(data_root), key, side=THUMBNAIL_SIDE, workspace=workspace)
    return _uri(data)


def truth(
    data_root: str, key: str, masks: tuple[str, ...], size: int
) -> npt.NDArray[np.bool_] | None:
    """True pixels [size, size] of a case; None when there is no mask that can be used."""
    paths = [Path(data_root) / mask for mask in masks]
    image = Path(data_root) / key
    try:
        stamps = tuple(path.stat().st_mtime_ns for path in paths)
        picture = str(image) if image.exists() else None
        return _truth(tuple(map(str, paths)), stamps, size, picture) if paths else None
    except (OSError, FlawscopeError):
        return None


@st.cache_data(show_spinner=False, max_entries=64)
def _truth(
    paths: tuple[str, ...], stamps: tuple[int, ...], size: int, picture: str | None
) -> npt.NDArray[np.bool_] | None:
    image = None if picture is None else Path(picture)
    return thumbnails.mask_picture([Path(path) for path in paths], (size, size), image)


@st.cache_data(show_spinner=False, max_entries=64)
def tail(source: Source, run_id: str, class_name: str) -> list[tuple[float, float]]:
    """[(map value, share of the class's normal pixels that high or higher)], by rising value.

    Falls back to the pixels of all classes when the class has no table of its own.
    """
    for name in (class_name, "mean"):
        points = results.curves(source, (run_id,), "normal_tail", name)
        if len(points):
            rows = points.sort_values("x")
            return [(float(x), float(y)) for x, y in zip(rows["x"], rows["y"], strict=True)]
    return []


class Level(NamedTuple):
    """A map value at which regions are outlined, and where it comes from."""

    name: str
    value: float


def levels(source: Source, run_id: str, class_name: str) -> list[Level]:
    """Map values to outline at, the default first.

    The pixel threshold of best F1 (oracle); the image threshold when the run scores an image by
    its hottest pixel; the level that one in a thousand normal pixels reaches.
    """
    found = []
    pixel = results.thresholds(source, run_id, "pixel").get(class_name)
    if pixel is not None:
        found.append(Level("best pixel F1 (oracle)", pixel.value))
    image = results.thresholds(source, run_id).get(class_name)
    if image is not None and scores_are_peaks(results.judged(source, run_id)):
        where = "oracle" if image.oracle else "" if image.chosen else "held out"
        where = ", ".join(filter(None, (image.chosen, where)))
        found.append(Level(f"image alarm ({where})", image.value))
    points = tail(source, run_id, class_name)
    reached = [value for value, share in points if share <= LIKELY_ALARM]
    if reached:
        found.append(Level("1 in 1,000 normal pixels", reached[0]))
    return found


def scores_are_peaks(cases: pd.DataFrame) -> bool:
    """Whether the image score is the map's maximum, so that one threshold serves both."""
    if cases.empty or cases["peak"].isna().any():
        return False
    return bool(np.allclose(cases["score"], cases["peak"], rtol=1e-5, atol=1e-8))


class Reading(NamedTuple):
    """What one run says about one case, ready to show."""

    run_id: str
    map_HW: npt.NDArray[np.float16]
    tail: list[tuple[float, float]]
    levels: list[Level]


def reading(source: Source, run_id: str, row: int, class_name: str) -> Reading:
    """Map and levels of one case.

    Raises:
        RunError: the run has no maps.
    """
    map_HW = results.map_of(source, run_id, row)
    at = levels(source, run_id, class_name)
    return Reading(run_id, map_HW, tail(source, run_id, class_name), at)


def share_text(share: float | None) -> str:
    """ "1 in 1,200 normals" and the like, for a share of normal pixels."""
    if share is None:
        return "unknown"
    if share <= 0:
        return "above all normals"
    if share >= 0.05:
        return f"{share:.0%} of normals"
    digits = 10 ** max(0, len(str(int(1 / share))) - 2)
    return f"1 in {round(1 / share / digits) * digits:,} normals"
