"""Decoded rows of one size: two flat files that only grow, and an index of what they hold.

<workspace>/cache/prepared/rows-<size>-v1/
  images-<token>.u8     uint8 [rows, 3, size, size]
  regions-<token>.u16   uint16 [rows, size, size], little-endian
  index.json            content hash -> row; replaced atomically, after the rows are on disk
  lock                  held while rows are added

A row the index names is complete and never written again, so readers need no lock. Rows after
the last one the index counts belong to nobody: a killed writer may have left them half done,
and the next writer writes over them.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt
import PIL

from core.errors import DataError
from core.workspace import Workspace, write_atomically

VERSION = 1
"""Raised when the transform changes, so that older rows are not taken for it."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """Where a decoded image lies, and what its file was.

    Attributes:
        row: in the image file; -1 for a file that could not be decoded (`reason` says why).
        width, height: of the upright image; stored_width, stored_height: before EXIF rotation.
        orientation: EXIF orientation that was applied.
        kind: what was unusual about its mode, or "".
    """

    row: int
    width: int = 0
    height: int = 0
    stored_width: int = 0
    stored_height: int = 0
    orientation: int = 1
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MaskRow:
    """Where a mask's regions lie.

    Attributes:
        row: in the region file; -1 for a mask of no use.
        state: "ok", "empty", "vanished" (nothing is left at this size), "size" (does not fit the
            image), "crowded" (too many regions) or "unreadable".
        detail: what a message adds: the mask's size, or the reason it is unreadable.
    """

    row: int
    state: str = "ok"
    detail: str = ""


_IMAGE = tuple(one.name for one in fields(ImageRow))
_MASK = tuple(one.name for one in fields(MaskRow))


@dataclass(slots=True)
class Index:
    """What the files hold."""

    token: str
    image_rows: int = 0
    region_rows: int = 0
    images: dict[str, ImageRow] = field(default_factory=dict)
    masks: dict[str, MaskRow] = field(default_factory=dict)


class Pool:
    """The rows of one size in a workspace."""

    def __init__(self, workspace: Workspace, size: int) -> None:
        self.size = size
        self._folder = workspace.prepared / f"rows-{size}-v{VERSION}"

    def load(self) -> Index | None:
        """The index as it is now; None when there is none, or it does not fit its files."""
        try:
            stored = json.loads((self._folder / "index.json").read_bytes())
            index = Index(
                token=str(stored["token"]),
                image_rows=int(stored["image_rows"]),
                region_rows=int(stored["region_rows"]),
                images={key: ImageRow(*values) for key, values in stored["images"].items()},
                masks={key: MaskRow(*values) for key, values in stored["masks"].items()},
            )
            fits = (
                self._image_file(index).stat().st_size >= index.image_rows * self.image_bytes
                and self._region_file(index).stat().st_size >= index.region_rows * self.region_bytes
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if not fits:
            return None
        if stored.get("pillow") != PIL.__version__:  # another version may read what this could not
            index.images = {key: kept for key, kept in index.images.items() if kept.row >= 0}
            index.masks = {k: kept for k, kept in index.masks.items() if kept.state != "unreadable"}
        return index

    def images(self, index: Index) -> npt.NDArray[np.uint8]:
        """uint8 [rows, 3, size, size], memory-mapped, read-only."""
        shape = (index.image_rows, 3, self.size, self.size)
        return _map(self._image_file(index), np.dtype(np.uint8), shape)

    def regions(self, index: Index) -> npt.NDArray[np.uint16]:
        """uint16 [rows, size, size], memory-mapped, read-only."""
        shape = (index.region_rows, self.size, self.size)
        return _map(self._region_file(index), np.dtype("<u2"), shape)

    @property
    def image_bytes(self) -> int:
        """Bytes of one image row."""
        return 3 * self.size * self.size

    @property
    def region_bytes(self) -> int:
        """Bytes of one region row."""
        return 2 * self.size * self.size

    @contextmanager
    def writing(self, waiting: Callable[[], None] | None = None) -> Iterator[Writer]:
        """The one writer; waits for another process that is preparing images of this size.

        What was added is kept however the block ends. `waiting` is called about once a second
        while another process writes.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with _held(filelock.FileLock(self._folder / "lock"), waiting):
            index = self.load() or Index(token=secrets.token_hex(6))
            for old in self._folder.glob("*-*.u*"):
                if index.token not in old.name:  # readers that map it keep it until they end
                    old.unlink(missing_ok=True)
            writer = Writer(self, index, self._image_file(index), self._region_file(index))
            try:
                yield writer
            finally:
                try:
                    writer.publish()
                finally:
                    writer.close()

    def store_index(self, index: Index) -> None:
        """Replace the index; the rows it names must be on disk."""
        stored = {
            "pillow": PIL.__version__,
            "token": index.token,
            "image_rows": index.image_rows,
            "region_rows": index.region_rows,
            "images": {key: [getattr(row, n) for n in _IMAGE] for key, row in index.images.items()},
            "masks": {key: [getattr(row, n) for n in _MASK] for key, row in index.masks.items()},
        }
        data = json.dumps(stored, separators=(",", ":")).encode()
        write_atomically(self._folder / "index.json", lambda file: file.write(data))

    def need(self, images: int) -> None:
        """Raise DataError when the disk cannot take that many more images and masks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        wanted = images * (self.image_bytes + self.region_bytes)
        free = shutil.disk_usage(self._folder).free
        if wanted > free:
            raise DataError(
                f"Preparing {images} images at {self.size} px needs {wanted / 1e9:.1f} GB in "
                f"{self._folder}, where {free / 1e9:.1f} GB are free; free some space or choose "
                "another workspace."
            )

    def _image_file(self, index: Index) -> Path:
        return self._folder / f"images-{index.token}.u8"

    def _region_file(self, index: Index) -> Path:
        return self._folder / f"regions-{index.token}.u16"


class Writer:
    """Adds rows; `add_image` and `add_regions` may be called from several threads at once."""

    def __init__(self, pool: Pool, index: Index, image_file: Path, region_file: Path) -> None:
        self.index = index
        self._pool = pool
        flags = os.O_RDWR | os.O_CREAT
        self._image_fd = os.open(image_file, flags, 0o644)
        self._region_fd = os.open(region_file, flags, 0o644)
        self._next_image = itertools.count(index.image_rows)  # next() is atomic
        self._next_region = itertools.count(index.region_rows)
        self._published = time.monotonic()
        self._cost = 0.0

    def add_image(self, image_CHW: npt.NDArray[np.uint8]) -> int:
        """Store one image; returns its row."""
        row = next(self._next_image)
        _write(self._image_fd, image_CHW, row * self._pool.image_bytes)
        return row

    def add_regions(self, regions_HW: npt.NDArray[np.uint16]) -> int:
        """Store one mask's regions; returns their row."""
        row = next(self._next_region)
        _write(self._region_fd, regions_HW.astype("<u2"), row * self._pool.region_bytes)
        return row

    def publish_sometimes(self) -> None:
        """Publish when it would cost less than a tenth of the time since it was last done."""
        if time.monotonic() - self._published > max(2.0, 10 * self._cost):
            self.publish()

    def publish(self) -> None:
        """Sync the rows, then the index that names them. No row may be under way meanwhile."""
        began = time.monotonic()
        os.fsync(self._image_fd)
        os.fsync(self._region_fd)
        rows = [kept.row for kept in self.index.images.values()]
        self.index.image_rows = max(rows, default=-1) + 1
        region_rows = [kept.row for kept in self.index.masks.values()]
        self.index.region_rows = max(region_rows, default=-1) + 1
        self._pool.store_index(self.index)
        self._published = time.monotonic()
        self._cost = self._published - began

    def close(self) -> None:
        os.close(self._image_fd)
        os.close(self._region_fd)


@contextmanager
def _held(lock: filelock.BaseFileLock, waiting: Callable[[], None] | None) -> Iterator[None]:
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except filelock.Timeout:
            if waiting is not None:
                waiting()
    try:
        yield
    finally:
        lock.release()


def _write(descriptor: int, values: npt.NDArray[Any], offset: int) -> None:
    data = np.ascontiguousarray(values).data.cast("B")
    while len(data):
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def _map(file: Path, kind: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if shape[0] == 0:  # an empty file cannot be mapped
        return np.zeros(shape, dtype=kind)
    return np.asarray(np.memmap(file, dtype=kind, mode="r", shape=shape))
