"""What changes when a data set does, told without opening it; asked for at every run of a page."""

from __future__ import annotations

import os
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path

from core import people
from core.data import edits, manifest
from core.data.layout import SOURCE_FILE
from core.workspace import Workspace

FOLDERS = 2_000
"""Folders of a data set whose times are looked at."""
LISTS = 50
_LISTS = (".json", ".csv", ".tsv", ".txt", ".parquet", ".xml")


def folder_stamp(path: Path) -> int:
    """Changes when what a data set holds does, as far as that shows without opening it.

    Of an imported set: its manifest. Of any other: a file that appears in or vanishes from the
    tree, and a list beside its folders that is written anew.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """
    at = path.stat().st_mtime_ns
    if not path.is_dir():
        raise NotADirectoryError(str(path))
    held = _file_stamps(path / manifest.FILE, path / SOURCE_FILE)
    if held:
        return hash(held)
    stamps: list[Hashable] = [at]
    folders, lists = _entries(str(path), at)
    stamps.append(_file_stamps(*map(Path, lists)))
    level, left = list(folders), FOLDERS
    for _ in range(3):  # class / split / type
        below: list[str] = []
        for folder in level[:left]:
            try:
                at = os.stat(folder).st_mtime_ns  # noqa: PTH116 - many, and a plain text
            except OSError:
                continue
            stamps.append((folder, at))
            below += _entries(folder, at)[0]
        left -= len(level[:left])
        level = below
    return hash(tuple(stamps))


@lru_cache(maxsize=4 * FOLDERS)
def _entries(folder: str, stamp: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders and lists in a folder; they change with its time."""
    folders, lists = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                elif entry.name.lower().endswith(_LISTS):
                    lists.append(entry.path)
    except OSError:
        pass
    return tuple(sorted(folders)), tuple(sorted(lists)[:LISTS])


def _file_stamps(*paths: Path) -> tuple[tuple[str, int, int], ...]:
    found = []
    for path in paths:
        try:
            at = path.stat()
        except OSError:
            continue
        found.append((path.name, at.st_mtime_ns, at.st_size))
    return tuple(found)


def edits_stamp(workspace: Workspace, name: str) -> int:
    """Changes when what people excluded from or moved within this data set does."""
    mine = _file_stamps(people.file_of(workspace, "edits"))
    return _edits_at(workspace, mine).get(name, 0) if mine else 0


@lru_cache(maxsize=8)
def _edits_at(workspace: Workspace, stamp: Hashable) -> dict[str, int]:
    names = {str(line.get("dataset")) for line in people.latest(workspace, "edits")}
    return {name: hash(tuple(edits.of_dataset(workspace, name))) for name in names}
