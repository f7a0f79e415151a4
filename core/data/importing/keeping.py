"""Files of an imported data set: made once, hashed once, kept while what they show stands."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from core.data.images import Mask
from core.data.importing.base import Item, Tell
from core.data.layout import SOURCE, Findings, Severity, inside
from core.data.manifest import Row
from core.data.prepare_fill import cores
from core.data.prepare_hashes import Hashes
from core.errors import DataError, FlawscopeError
from core.types import Sample
from core.workspace import Workspace, write_atomically

_CHUNK = 64
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Keeper:
    """Makes what has to be made and hashes everything.

    Args:
        folder: of the data set.
        before: rows of an earlier import of the same source.
        findings: gets what cannot be used.
    """

    def __init__(
        self, folder: Path, workspace: Workspace, before: Sequence[Row], findings: Findings
    ) -> None:
        self._folder = folder
        self._hashes = Hashes(folder, workspace)
        self._before = {row.sample.key: row for row in before}
        self._findings = findings

    def keep(self, items: Sequence[Item], drawn: set[str], tell: Tell) -> list[Row]:
        """Rows of the images that can be used.

        Args:
            drawn: names of those whose split was drawn.

        Raises:
            DataError: the disk is full.
        """
        rows: list[Row] = []
        try:
            with ThreadPoolExecutor(cores()) as executor:
                for start in range(0, len(items), _CHUNK):
                    tell(start / len(items), f"{start:,} of {len(items):,} images kept")
                    chunk = items[start : start + _CHUNK]
                    made = executor.map(lambda one: self._row(one, one.name in drawn), chunk)
                    for item, (row, complaint) in zip(chunk, made, strict=True):
                        rows += [row] if row else []
                        if complaint:
                            severity: Severity = "warning" if row else "error"
                            self._findings.add(severity, item.name, complaint, kind=severity)
        finally:
            self._hashes.save()
        return rows

    def _row(self, item: Item, drawn: bool) -> tuple[Row | None, str]:
        """The row of an item, and what is wrong with it; no row: the image cannot be used."""
        key = f"images/{item.name}.png" if item.draw else f"{SOURCE}/{item.name}"
        old = self._before.get(key)
        try:
            if item.draw is not None and not self._stands(old, item, key):
                _save(made_file(self._folder, key), item.draw())
            digest = self._digest(key)
        except FlawscopeError as error:
            return None, f"{error} It was left out."
        except (OSError, ValueError, MemoryError) as error:
            _refuse_full(error)
            return None, f"{item.origin or item.name} was left out: {_first(error)}."
        masks, complaint = self._masks(item, old)
        sample = Sample(
            key=key, class_name=item.class_name, split=item.split or "train", label=item.label,
            anomaly_type=item.anomaly_type, masks=masks, specimen=item.specimen, view=item.view,
        )  # fmt: skip
        digests = tuple(self._digest(mask) for mask in masks)
        return Row(sample, item.origin, item.stamp, digest, digests, drawn), complaint

    def _masks(self, item: Item, old: Row | None) -> tuple[tuple[str, ...], str]:
        """Keys of the masks of an anomalous item, and what is wrong with them."""
        if not item.label:
            return (), ""
        if item.draw_mask is None:
            keys = tuple(f"{SOURCE}/{mask}" for mask in item.masks)
            for key in keys:
                try:
                    inside(self._folder, key).stat()
                except (OSError, DataError):
                    shown = key.removeprefix(f"{SOURCE}/")
                    return (), f"{item.name} has no mask {shown}; it counts for image metrics only."
            return keys, ""
        key = f"masks/{item.name}.png"
        try:
            if not self._stands(old, item, key):
                _save(made_file(self._folder, key), _picture(item.draw_mask()))
        except FlawscopeError as error:
            return (), f"{error} {item.name} counts for image metrics only."
        except (OSError, ValueError, MemoryError) as error:
            _refuse_full(error)
            return (), f"The mask of {item.name} cannot be made ({_first(error)})."
        return (key,), ""

    def _stands(self, old: Row | None, item: Item, key: str) -> bool:
        """Whether a made file of an earlier import still shows the item."""
        same = old is not None and bool(item.stamp) and old.stamp == item.stamp
        return same and (self._folder / key).is_file()

    def _digest(self, key: str) -> str:
        known = self._hashes.unchanged(key)
        if known is not None:
            return known
        with inside(self._folder, key).open("rb") as file:
            return self._hashes.hash(key, file)


def name_of(row: Row) -> str:
    """`Item.name` of a row."""
    part, _, rest = row.sample.key.partition("/")
    return rest if part == SOURCE else rest.removesuffix(".png")


def link(folder: Path, target: Path) -> None:
    """Let `source` lead to the images that stay where they are."""
    place = folder / SOURCE
    if place.is_symlink() and os.readlink(place) == str(target):  # noqa: PTH115
        return
    aside = folder / f".{SOURCE}.new"
    aside.unlink(missing_ok=True)
    aside.symlink_to(target, target_is_directory=True)
    aside.replace(place)


def made_file(folder: Path, key: str) -> Path:
    """Where a made file is written.

    Raises:
        DataError: its name would lead elsewhere.
    """
    if any(part in ("", ".", "..") or set(part) & set("\0\\") for part in key.split("/")):
        raise DataError(f"{key!r} cannot name a file.")
    return folder / key


def sweep(folder: Path, rows: Sequence[Row]) -> None:
    """Remove made files that no row names any more."""
    held = {key for row in rows for key in (row.sample.key, *row.sample.masks)}
    for part in ("images", "masks"):
        for path in (folder / part).rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in held:
                path.unlink(missing_ok=True)


def _picture(mask: Mask) -> Image.Image:
    return Image.fromarray(mask).convert("L")


def _save(path: Path, image: Image.Image) -> None:
    # level 1: a fraction of the default's time, files slightly larger
    write_atomically(path, lambda file: image.save(file, "PNG", compress_level=1))


def _refuse_full(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in _FULL:
        raise DataError("The disk is full; free some space and import again.") from error


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120].rstrip(".")
