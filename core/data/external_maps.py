"""Anomaly maps another tool made of a data set's test images: found, checked, read one by one.

A folder of map files (see `map_files`) in one of these layouts, told apart by what fits most:

    <key without suffix>            as the images lie in the data set
    <class>/test/<type>/<stem>      MVTec AD's official evaluation
    <class>/<type>/<stem>
    <stem>                          one flat folder, where stems are unique among the test images

or one NPY array [images, height, width], whose rows are named by `keys.txt` (one a line) or
`keys.json` (a list) beside it, else are the test images sorted by key. Every test image needs
its map, and every map its image; maps of classes that were not chosen are passed over.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from core.data.image_names import ImageNames, bare
from core.data.images import fsname
from core.data.map_files import (
    SUFFIXES,
    BadMap,
    Map,
    and_more,
    as_map,
    map_shape,
    most_pixels,
    open_array,
    read_map,
    together,
)
from core.data.map_tiff import NoMap
from core.errors import DataError, UsageError

KEY_FILES = ("keys.txt", "keys.json")


class Maps(ABC):
    """The maps of test images, read one at a time.

    Attributes:
        keys: images that have a map.
        note: one sentence on how maps were matched, when that was not written anywhere.
    """

    keys: Mapping[str, object]
    note: str = ""

    @abstractmethod
    def name(self, key: str) -> str:
        """What errors call the map of an image."""

    @abstractmethod
    def shape(self, key: str) -> tuple[int, int]:
        """Height and width, without reading the map. Raises BadMap."""

    @abstractmethod
    def read(self, key: str) -> Map:
        """The map, float32 [H, W]. Raises BadMap."""

    def shapes(self, keys: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Height and width of each map.

        Raises:
            DataError: some cannot be; names the first and counts the rest.
        """
        found: dict[str, tuple[int, int]] = {}
        faults = []
        for key in keys:
            try:
                found[key] = self.shape(key)
            except BadMap as fault:
                faults.append(fault)
        if faults:
            raise together(faults)
        return found


class FolderMaps(Maps):
    """One file a map."""

    def __init__(self, folder: Path, keys: Mapping[str, Path]) -> None:
        self._folder = folder
        self.keys: Mapping[str, Path] = keys

    def name(self, key: str) -> str:
        return fsname(self.keys[key].relative_to(self._folder))

    def shape(self, key: str) -> tuple[int, int]:
        return map_shape(self.keys[key], self.name(key))

    def read(self, key: str) -> Map:
        return read_map(self.keys[key], self.name(key))


class StackMaps(Maps):
    """One memory-mapped array for all."""

    def __init__(self, path: Path, keys: Mapping[str, int], array: npt.NDArray[Any]) -> None:
        self._file = fsname(path.name)
        self._array = array
        self.keys: Mapping[str, int] = keys

    def name(self, key: str) -> str:
        return f"{self._file}, row {self.keys[key]}, for {key},"

    def shape(self, key: str) -> tuple[int, int]:
        height, width = self._array.shape[1:]
        return height, width

    def read(self, key: str) -> Map:
        try:
            return as_map(self._array[self.keys[key]])
        except NoMap as error:
            raise BadMap(self.name(key), str(error)) from None


def open_maps(path: Path, images: ImageNames) -> Maps:
    """The maps below a folder, or those in an NPY file.

    Raises:
        UsageError: there is no such folder or file.
        DataError: a map is missing, one belongs to no test image, two belong to the same, or
            nothing is there; names the first and counts the rest.
    """
    if path.is_dir():
        maps: Maps = _folder(path, images)
    elif path.is_file() and path.suffix.lower() == ".npy":
        maps = _stack(path, images)
    elif path.exists():
        raise UsageError(
            f"--maps came as {fsname(path)}; expected a folder of maps, or an .npy array of all."
        )
    else:
        raise UsageError(f"--maps came as {fsname(path)}, which is not there; check the path.")
    images.require(maps.keys, fsname(path), "map")
    return maps


def _folder(folder: Path, images: ImageNames) -> FolderMaps:
    files = _files(folder)
    if not files:
        raise DataError(
            f"{fsname(folder)} holds no map; expected files of the kinds {', '.join(SUFFIXES)}."
        )
    fitting = max(images.layouts, key=lambda names: len(files.keys() & names.keys()), default={})
    strange = sorted(files.keys() - fitting.keys())
    if strange:
        first = fsname(files[strange[0]][0].relative_to(folder))
        hint = f"maps are named like {bare(images.keys[0])}.tiff"
        raise images.unknown(first, len(strange), hint)
    twice = sorted(name for name, paths in files.items() if len(paths) > 1)
    if twice:
        paths = " and ".join(fsname(path.relative_to(folder)) for path in files[twice[0]])
        raise DataError(
            f"{paths}{and_more(len(twice))} are maps of the same image; keep one of them."
        )
    wanted = set(images.keys)
    return FolderMaps(
        folder,
        {fitting[name]: paths[0] for name, paths in files.items() if fitting[name] in wanted},
    )


def _files(folder: Path) -> dict[str, list[Path]]:
    """Map files below a folder by their relative path without suffix; hidden ones left out."""
    found: dict[str, list[Path]] = defaultdict(list)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                path = Path(place, name)
                found[bare(path.relative_to(folder).as_posix())].append(path)
    return found


def _stack(path: Path, images: ImageNames) -> StackMaps:
    name = fsname(path.name)
    try:
        array = open_array(path, axes=3)
    except NoMap as error:
        raise DataError(f"{name} {error}") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None
    if 0 in array.shape or array.shape[1] * array.shape[2] > most_pixels():
        raise DataError(f"{name} has the shape {list(array.shape)}; save maps of a usual size.")
    listed = _key_list(path)
    if listed is not None:
        file, texts = listed
        if len(texts) != len(array):
            raise DataError(f"{file} names {len(texts)} maps, but {name} holds {len(array)}.")
        rows = images.places(texts, file)
    elif len(array) == len(images.keys):
        rows = {key: row for row, key in enumerate(images.keys)}
    else:
        raise DataError(
            f"{name} holds {len(array)} maps, but {images.dataset} has {len(images.keys)} test "
            f"images; put a {KEY_FILES[0]} beside it that names the image of each map."
        )
    wanted = set(images.keys)
    maps = StackMaps(path, {key: row for key, row in rows.items() if key in wanted}, array)
    if listed is None:
        maps.note = (
            f"No {KEY_FILES[0]} lies beside {name}: its rows were taken for the test images sorted "
            f"by key, from {images.keys[0]} to {images.keys[-1]}."
        )
    return maps


def _key_list(path: Path) -> tuple[str, list[str]] | None:
    """The key file beside an array and the names in it; None when there is none.

    Raises:
        DataError: there are two, or it is no list of names.
    """
    there = [file for file in KEY_FILES if (path.parent / file).is_file()]
    if not there:
        return None
    if len(there) > 1:
        raise DataError(f"{' and '.join(there)} both lie beside {fsname(path.name)}; keep one.")
    try:
        text = (path.parent / there[0]).read_text(encoding="utf-8-sig")
        if there[0].endswith(".txt"):
            return there[0], [line.strip() for line in text.splitlines() if line.strip()]
        names = json.loads(text)
    except (OSError, ValueError):
        raise DataError(f"{there[0]} cannot be read; write it as UTF-8 text.") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{there[0]} is no list of keys; write one like [{json.dumps('a.png')}].")
    return there[0], names


def check_sides(
    maps: Maps,
    shapes: Mapping[str, tuple[int, int]],
    originals: Mapping[str, tuple[int, int]],
) -> None:
    """Refuse maps that are neither square nor of their image's shape.

    Args:
        shapes: height and width of maps by key.
        originals: width and height of the upright images by key.

    Raises:
        DataError: names the first and counts the rest.
    """
    faults = []
    for key, (width, height) in originals.items():
        rows, columns = shapes[key]
        if rows != columns and not same_shape((columns, rows), (width, height)):
            reason = (
                f"is mis-sized: {columns}x{rows} px have neither the shape of the image "
                f"({width}x{height} px) nor that of a square; save the map of the whole image."
            )
            faults.append(BadMap(maps.name(key), reason))
    if faults:
        raise together(faults)


def same_shape(map_size: tuple[int, int], image_size: tuple[int, int]) -> bool:
    """Whether a map (width, height) is its image scaled by one factor, each side rounded."""
    (w, h), (width, height) = map_size, image_size
    return (w, h) == (width, height) or abs(w * height - h * width) < max(width, height)
