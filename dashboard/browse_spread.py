"""Where the flaws of a data set lie and how large they are: every mask read once, in threads.

The result is small whatever the size of the data set: a grid for each class, and the pixels of
every region. It is kept in <workspace>/cache/browse until a mask is added, taken away or changed.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data import images, regions
from core.data.images import fsname
from core.data.layout import inside
from core.errors import FlawscopeError
from core.types import Sample
from core.workspace import Workspace, write_atomically
from dashboard.later import Tell

GRID = 48
"""Cells a side of a heat map."""
_CHUNK = 64
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Spread:
    """What the masks of a data set say together.

    Attributes:
        classes: those with a mask.
        masks: how many masks of each were read.
        heat_CHW: float32 [classes, GRID, GRID]: the mean share of each cell that is marked, images
            stretched to a square.
        areas: int64, pixels of every region.
        rows: int64, the row of the sample each region belongs to.
        failed: masks that could not be read or do not fit.
    """

    classes: tuple[str, ...]
    masks: tuple[int, ...]
    heat_CHW: npt.NDArray[np.float32]
    areas: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    failed: int


def compute(root: Path, samples: Sequence[Sample], tell: Tell) -> Spread:
    """Read all masks; memory stays that of a few dozen of them.

    Args:
        samples: of the whole data set, so that rows are theirs.
        tell: what it raises ends the work.
    """
    wanted = [(row, one) for row, one in enumerate(samples) if one.label and one.masks]
    sums: dict[str, npt.NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    areas: list[npt.NDArray[np.int64]] = []
    rows: list[npt.NDArray[np.int64]] = []
    failed = 0
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="masks") as threads:
        for start in range(0, len(wanted), _CHUNK):
            tell(start / len(wanted), f"reading masks, {start:,} of {len(wanted):,}")
            chunk = wanted[start : start + _CHUNK]
            for (row, sample), found in zip(
                chunk, threads.map(lambda one: _read(root, one[1]), chunk), strict=True
            ):
                if found is None:
                    failed += 1
                    continue
                cells, mine = found
                name = sample.class_name
                sums[name] = sums.get(name, 0) + cells
                counts[name] = counts.get(name, 0) + 1
                areas.append(mine)
                rows.append(np.full(len(mine), row, np.int64))
    classes = tuple(sorted(sums))
    heat: npt.NDArray[Any] = (
        np.stack([sums[name] / counts[name] for name in classes])
        if classes
        else np.zeros((0, GRID, GRID))
    )
    none = np.zeros(0, np.int64)
    return Spread(
        classes, tuple(counts[name] for name in classes), heat.astype(np.float32),
        np.concatenate([none, *areas]), np.concatenate([none, *rows]), failed,
    )  # fmt: skip


def _read(root: Path, sample: Sample) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]] | None:
    """Coverage of the grid's cells and the areas of the regions; None when the mask is no use."""
    try:
        paths = [inside(root, mask) for mask in sample.masks]
        mask = images.join_masks(
            [(fsname(path), images.decode_mask(path, fsname(path))) for path in paths]
        )
        with images.opened(inside(root, sample.key), sample.key, load=False) as header:
            stored = header.size
            orientation = int(header.getexif().get(_ORIENTATION, 1))
        upright = stored[::-1] if orientation in _TURNED else stored
        fitted = images.fit_mask(mask, upright, stored, orientation)
    except (FlawscopeError, OSError):
        return None
    if fitted is None:
        return None
    return coverage(fitted), regions.areas(fitted)


def coverage(mask_HW: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The share of each cell of a GRID x GRID grid that is marked, 0 to 1."""
    picture = Image.fromarray(mask_HW.astype(np.uint8) * 255)
    small = picture.resize((GRID, GRID), Image.Resampling.BOX)
    shares: npt.NDArray[np.float32] = np.asarray(small).astype(np.float32) / np.float32(255)
    return shares


# -- kept -----------------------------------------------------------------------------------------


def digest(root: Path, samples: Sequence[Sample]) -> str:
    """Changes with the masks of a data set: which there are, their sizes and times."""
    told = hashlib.sha256(f"{os.fspath(root)}\0{GRID}".encode(errors="surrogateescape"))
    for row, sample in enumerate(samples):
        if not (sample.label and sample.masks):
            continue
        told.update(f"\0{row}\0{sample.class_name}\0{sample.key}".encode(errors="surrogateescape"))
        for mask in sample.masks:
            try:
                at = os.stat(f"{root}/{mask}")  # noqa: PTH116 - many, and a plain text
            except (OSError, ValueError):
                continue
            told.update(f"\0{mask}\0{at.st_size}\0{at.st_mtime_ns}".encode())
    return told.hexdigest()[:32]


def load(place: Workspace, name: str) -> Spread | None:
    """What was stored under a `digest`; None when there is none."""
    try:
        with np.load(_file(place, name), allow_pickle=False) as held:
            return Spread(
                tuple(map(str, held["classes"])), tuple(map(int, held["masks"])), held["heat"],
                held["areas"], held["rows"], int(held["failed"]),
            )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError):
        return None


def keep(place: Workspace, name: str, spread: Spread) -> None:
    """Store it under a `digest`, in one step."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, classes=np.array(spread.classes, dtype=np.str_), masks=np.array(spread.masks),
        heat=spread.heat_CHW, areas=spread.areas, rows=spread.rows, failed=np.array(spread.failed),
    )  # fmt: skip
    write_atomically(_file(place, name), lambda out: out.write(buffer.getvalue()))


def _file(place: Workspace, name: str) -> Path:
    return place.root / "cache" / "browse" / f"{name}.npz"
