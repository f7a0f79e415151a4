"""Files of an imported data set: made once, hashed once, kept while what they show stands.

`.begun.jsonl` lists what was made since the manifest was written, so that an import that is cut off
goes on where it ended; it goes when the manifest is in place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from core.data.importing.base import Item, Tell
from core.data.layout import SOURCE, Findings, Severity, inside
from core.data.manifest import Row
from core.data.prepare_fill import cores
from core.data.prepare_hashes import Hashes
from core.errors import DataError, FlawscopeError
from core.types import Sample
from core.workspace import Workspace, append_jsonl, read_jsonl, write_atomically

PARTS = ("images", "masks")
"""Folders of what was made."""

_BEGUN = ".begun.jsonl"
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
        self._stamps = {name_of(row): row.stamp for row in before}
        self._begun = _begun(folder / _BEGUN)
        self._made: dict[str, str] = {}
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
                    self._note()
        finally:
            self._note()
            self._hashes.save()
        return rows

    def done(self, rows: Sequence[Row]) -> None:
        """Remove made files that no row names any more; to be called with the manifest in place."""
        held = {key for row in rows for key in (row.sample.key, *row.sample.masks)}
        for part in PARTS:
            for path in (self._folder / part).rglob("*"):
                if path.is_file() and path.relative_to(self._folder).as_posix() not in held:
                    path.unlink(missing_ok=True)
        (self._folder / _BEGUN).unlink(missing_ok=True)

    def _row(self, item: Item, drawn: bool) -> tuple[Row | None, str]:
        """The row of an item, and what is wrong with it; no row: the image cannot be used."""
        key = f"images/{item.name}.png" if item.draw else f"{SOURCE}/{item.name}"
        try:
            if item.draw is not None and not self._stands(item, key):
                self._save(key, item.draw(), item.stamp)
            digest = self._digest(key)
        except FlawscopeError as error:
            return None, f"{error} It was left out."
        except Exception as error:  # what draws decodes, and decoders raise nearly anything
            refuse_full(error)
            return None, f"{item.origin or item.name} was left out: {_first(error)}."
        masks, complaint = self._masks(item)
        sample = Sample(
            key=key, class_name=item.class_name, split=item.split or "train", label=item.label,
            anomaly_type=item.anomaly_type, masks=masks, specimen=item.specimen, view=item.view,
        )  # fmt: skip
        digests = tuple(self._digest(mask) for mask in masks)
        return Row(sample, item.origin, item.stamp, digest, digests, drawn), complaint

    def _masks(self, item: Item) -> tuple[tuple[str, ...], str]:
        """Keys of the masks of an anomalous item, and what is wrong with them."""
        if not item.label:
            return (), ""
        if item.draw_mask is None:
            keys = tuple(f"{SOURCE}/{mask}" for mask in item.masks)
            for key in keys:
                try:
                    self._digest(key)
                except (OSError, DataError):
                    shown = key.removeprefix(f"{SOURCE}/")
                    return (), (
                        f"{item.name} has no mask {shown} that can be read; it counts for image "
                        "metrics only."
                    )
            return keys, ""
        key = f"masks/{item.name}.png"
        try:
            if not self._stands(item, key):
                self._save(key, Image.fromarray(item.draw_mask()).convert("L"), item.stamp)
        except FlawscopeError as error:
            return (), f"{error} {item.name} counts for image metrics only."
        except Exception as error:
            refuse_full(error)
            return (), f"The mask of {item.name} cannot be made ({_first(error)})."
        return (key,), ""

    def _stands(self, item: Item, key: str) -> bool:
        """Whether a file that was made earlier still shows the item."""
        was = self._begun.get(key, self._stamps.get(item.name))
        return bool(item.stamp) and was == item.stamp and (self._folder / key).is_file()

    def _save(self, key: str, image: Image.Image, stamp: str) -> None:
        # level 1: a fraction of the default's time, files slightly larger
        path = made_file(self._folder, key)
        write_atomically(path, lambda file: image.save(file, "PNG", compress_level=1))
        self._made[key] = stamp

    def _note(self) -> None:
        """File what was made, in one write."""
        if self._made:
            append_jsonl(self._folder / _BEGUN, {"made": self._made})
            self._made = {}

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


def refuse_full(error: BaseException) -> None:
    """Raises DataError when it was the disk that had no room."""
    if isinstance(error, OSError) and error.errno in _FULL:
        raise DataError("The disk is full; free some space and import again.") from error


def _begun(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in read_jsonl(file):
        made = line.get("made") if isinstance(line, dict) else None
        found.update(made if isinstance(made, dict) else {})
    return found


def _first(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:120].rstrip(".")
