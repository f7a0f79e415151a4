"""Decoding what a pool does not hold yet, in parallel.

Threads, not processes: Pillow, zlib and hashlib release the interpreter lock, so two threads on
two cores decode 1.9 times as fast as one, without the start-up and copying of processes, and
without fork, which hangs once torch has run.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.data import regions
from core.data.images import (
    Unreadable,
    decode,
    decode_mask,
    fit_mask,
    join_masks,
    squash,
    squash_mask,
)
from core.data.layout import inside
from core.data.prepare_hashes import MISSING, Hashes
from core.data.prepare_pool import ImageRow, Index, MaskRow, Writer
from core.errors import DataError
from core.types import Sample

Report = Callable[[float, str], None]
_CHUNK = 64
_OFTEN = 0.5
"""Seconds after which large images are reported before their chunk is done."""


@dataclass(slots=True)
class Found:
    """What is known of a data set's files.

    Attributes:
        hashes: content hash by key of every image and mask read so far.
        failed: key -> why it could not be opened at all; such a file has no hash.
    """

    hashes: dict[str, str]
    failed: dict[str, str]


def look_up(samples: Sequence[Sample], hashes: Hashes) -> Found:
    """The hashes of all files that have not changed."""
    keys = {key for sample in samples for key in (sample.key, *sample.masks)}
    known = ((key, hashes.unchanged(key)) for key in keys)
    return Found({key: value for key, value in known if value is not None}, {})


def mask_key(sample: Sample, found: Found, index: Index) -> str | None:
    """Under what a sample's mask is filed: its files and the image it has to fit.

    None while the image or a mask file is unknown or could not be opened.
    """
    image = index.images.get(found.hashes.get(sample.key, MISSING))
    files = [found.hashes.get(key) for key in sample.masks]
    if image is None or image.row < 0 or not files or None in files:
        return None
    fit = [image.width, image.height, image.stored_width, image.stored_height, image.orientation]
    return hashlib.sha256(repr([*files, *fit]).encode()).hexdigest()


def images_to_do(samples: Sequence[Sample], found: Found, index: Index | None) -> list[Sample]:
    """Samples whose image has to be read."""
    if index is None:
        return list(samples)
    return [s for s in samples if found.hashes.get(s.key, MISSING) not in index.images]


def masks_to_do(samples: Sequence[Sample], found: Found, index: Index | None) -> list[Sample]:
    """Anomalous samples whose masks have to be read."""
    masked = [sample for sample in samples if sample.label == 1 and sample.masks]
    if index is None:
        return masked
    to_do = []
    for sample in masked:
        image = index.images.get(found.hashes.get(sample.key, MISSING))
        if image is not None and image.row < 0:  # left out; hashed for the fingerprint's sake
            done = all(mask in found.hashes for mask in sample.masks)
        else:
            done = mask_key(sample, found, index) in index.masks
        if not done:
            to_do.append(sample)
    return to_do


def hash_all(root: Path, samples: Sequence[Sample], hashes: Hashes, found: Found) -> None:
    """Hash the files that have changed or were never read; those that cannot be are skipped."""
    keys = {key for sample in samples for key in (sample.key, *sample.masks)}

    def one(key: str) -> None:
        try:
            with inside(root, key).open("rb") as file:
                found.hashes[key] = hashes.hash(key, file)
        except (OSError, DataError) as error:
            found.failed[key] = _why(key, error)

    with ThreadPoolExecutor(cores()) as executor:
        list(executor.map(one, sorted(keys - found.hashes.keys())))


class Filler:
    """Reads, hashes, decodes, resizes and stores; one instance a preparation."""

    def __init__(self, root: Path, size: int, hashes: Hashes, found: Found, writer: Writer) -> None:
        self._root = root
        self._size = size
        self._hashes = hashes
        self._found = found
        self._writer = writer

    def fill(self, samples: Sequence[Sample], workers: int | None, report: Report | None) -> None:
        """Do what is to do of these samples; rows finished before an exception are kept."""
        index = self._writer.index
        images = images_to_do(samples, self._found, index)
        total = len(images) + len(masks_to_do(samples, self._found, index))
        executor = ThreadPoolExecutor(workers or cores(), thread_name_prefix="prepare")
        done = 0

        def work_off(what: str, work: Callable[[Sample], None], jobs: Sequence[Sample]) -> None:
            nonlocal done
            due = time.monotonic() + _OFTEN
            for start in range(0, len(jobs), _CHUNK):
                chunk = jobs[start : start + _CHUNK]
                for number, _ in enumerate(executor.map(work, chunk), start=1):
                    done += 1
                    if number == len(chunk):
                        self._writer.publish_sometimes()
                    if report is not None and (number == len(chunk) or time.monotonic() > due):
                        part = f"{start + number} of {len(jobs)} {what} decoded"
                        report(min(1.0, done / max(total, 1)), part)
                        due = time.monotonic() + _OFTEN

        try:
            work_off("images", self._image, images)
            # only now the sizes of the images are known, which the masks have to fit
            work_off("masks", self._mask, masks_to_do(samples, self._found, index))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _image(self, sample: Sample) -> None:
        key, images = sample.key, self._writer.index.images
        try:
            with inside(self._root, key).open("rb") as file:
                digest = self._found.hashes.get(key) or self._hashes.hash(key, file)
                if digest not in images:
                    images[digest] = self._decoded(file)
                self._found.hashes[key] = digest
        except (OSError, DataError) as error:
            self._found.failed[key] = _why(key, error)

    def _decoded(self, file: IO[bytes]) -> ImageRow:
        try:
            picture = decode(file, "")
        except Unreadable as error:
            return ImageRow(row=-1, reason=error.reason)
        row = self._writer.add_image(squash(picture.image, self._size))
        return ImageRow(
            row, *picture.image.size, *picture.stored_size, picture.orientation, picture.kind
        )

    def _mask(self, sample: Sample) -> None:
        masks = self._writer.index.masks
        paths = []
        for mask in sample.masks:
            try:
                path = inside(self._root, mask)
                with path.open("rb") as file:
                    if mask not in self._found.hashes:
                        self._found.hashes[mask] = self._hashes.hash(mask, file)
                paths.append((mask, path))
            except (OSError, DataError) as error:
                self._found.failed[mask] = _why(mask, error)
        key = mask_key(sample, self._found, self._writer.index)
        if key is not None and key not in masks and len(paths) == len(sample.masks):
            image = self._writer.index.images[self._found.hashes[sample.key]]
            masks[key] = self._labelled(paths, image)

    def _labelled(self, paths: list[tuple[str, Path]], image: ImageRow) -> MaskRow:
        try:
            mask = join_masks([(name, decode_mask(path, name)) for name, path in paths])
        except Unreadable as error:
            return MaskRow(-1, "unreadable", error.reason)
        shown = f"{mask.shape[1]}x{mask.shape[0]}"
        stored_size = (image.stored_width, image.stored_height)
        upright = fit_mask(mask, (image.width, image.height), stored_size, image.orientation)
        if upright is None:
            return MaskRow(-1, "size", shown)
        if not upright.any():
            return MaskRow(-1, "empty")
        small = squash_mask(upright, (self._size, self._size))
        if not small.any():
            return MaskRow(-1, "vanished", shown)
        labelled = regions.label(small)
        if labelled is None:
            return MaskRow(-1, "crowded")
        return MaskRow(self._writer.add_regions(labelled))


def _why(key: str, error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{key} is not there any more; open the data set again."
    said = error.strerror if isinstance(error, OSError) else str(error)
    return f"{key} cannot be read ({said}); check its permissions and its disk."


def cores() -> int:
    """Threads worth starting: the cores this process may use, at most 16."""
    if hasattr(os, "sched_getaffinity"):
        return min(16, len(os.sched_getaffinity(0)))
    return min(16, os.cpu_count() or 1)
