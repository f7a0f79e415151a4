"""What readers share beyond folders: lists in files, masks that are the label, and splits for sets
that have no official one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.images import decode_mask, fsname
from core.data.layout import Findings, Tree, inside
from core.data.prepare_fill import cores
from core.errors import DataError
from core.seeding import derive

UNNAMED_TYPE = "anomaly"
"""Anomaly type where a set names none."""

DEFECT = "defect"
"""The same for sets of manufactured parts."""

_LONGEST_PATH = 4096


class Files:
    """Which keys are files below a root, reached without leaving it; each folder listed once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._names: dict[str, frozenset[str]] = {}

    def __contains__(self, key: object) -> bool:
        folder, _, name = str(key).rpartition("/")
        if folder not in self._names:
            there = self._tree.has_folder(folder)
            files = self._tree.listing(folder).files if there else ()
            self._names[folder] = frozenset(files)
        return name in self._names[folder]


def head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file, without a byte order mark; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size).removeprefix(b"\xef\xbb\xbf")
    except (OSError, ValueError):
        return b""


def read_text(root: Path, key: str) -> str:
    """A text file below the root.

    Raises:
        DataError: it is not there, may not be read, is not UTF-8, or lies outside the root.
    """
    return _text(inside(root, key), fsname(root / key))


def _text(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError:
        raise DataError(f"{shown} cannot be read; check that the file is there.") from None
    except UnicodeDecodeError:
        raise DataError(f"{shown} is not UTF-8; save it as UTF-8.") from None


def read_json(root: Path, key: str) -> Any:
    """A JSON file below the root.

    Raises:
        DataError: see `read_text`, or it is no JSON.
    """
    return from_json(read_text(root, key), fsname(root / key))


def json_of(path: Path) -> Any:
    """A JSON file that a person named.

    Raises:
        DataError: see `read_json`.
    """
    return from_json(_text(path, fsname(path)), fsname(path))


def from_json(text: str, shown: str) -> Any:
    """The value of a JSON text that errors call `shown`.

    Raises:
        DataError: it is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{shown} is not JSON from line {error.lineno}, column {error.colno} on "
            f"({error.msg}); get an intact copy."
        ) from None
    except RecursionError:
        raise DataError(f"{shown} is nested too deeply; get an intact copy.") from None
    except ValueError:  # a number of more digits than Python converts
        raise DataError(f"{shown} holds a number that is too long; get an intact copy.") from None


def read_table(root: Path, key: str, columns: Iterable[str]) -> Iterator[dict[str, str]]:
    """Rows of a CSV file with a header, cells stripped; missing cells are empty.

    Raises:
        DataError: see `read_text`, or a column is missing.
    """
    lines = csv.reader(io.StringIO(read_text(root, key), newline=""))
    shown = fsname(root / key)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        missing = [column for column in columns if column not in header]
        if missing:
            raise DataError(f"{shown} has no column {missing[0]!r}; get an intact copy.")
        for cells in lines:
            if any(cells):
                filled = cells + [""] * (len(header) - len(cells))
                yield {name: cell.strip() for name, cell in zip(header, filled, strict=False)}
    except csv.Error as error:
        raise DataError(f"{shown} is no table ({error}); get an intact copy.") from None


def tidy_key(path: str) -> str | None:
    """A relative path with "//", "." and inner ".." taken out; None when it leaves its folder or
    cannot be a path."""
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", path):
        return None
    if len(path) > _LONGEST_PATH or not path.isprintable():
        return None
    parts: list[str] = []
    for part in path.replace("\\", "/").split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or None


def can_name_class(name: str) -> bool:
    """Whether a text from a file can name a class: it names folders of runs, so that it must not
    lead anywhere."""
    return bool(name) and not name.startswith(".") and name.isprintable() and not set(name) & {
        "/", "\\",
    }  # fmt: skip


def marked(root: Path, keys: Iterable[str], findings: Findings) -> dict[str, bool]:
    """Whether each mask marks a pixel; those that cannot be read are left out, each with an error.

    Remembered until the file changes, for sets whose label is the mask.
    """
    wanted = list(keys)
    found: dict[str, bool] = {}
    with ThreadPoolExecutor(cores()) as executor:
        answers = executor.map(lambda key: _marks(root, key), wanted)
        for key, marks in zip(wanted, answers, strict=True):
            if isinstance(marks, bool):
                found[key] = marks
            else:
                findings.add("error", key, marks, kind="mask unreadable")
    return found


def _marks(root: Path, key: str) -> bool | str:
    try:
        path = inside(root, key)
        stat = path.stat()
        return _marks_now(path, stat.st_mtime_ns, stat.st_size, key)
    except DataError as error:
        return str(error)
    except OSError:
        return f"{key} cannot be read; check that the file is there."


@lru_cache(maxsize=20_000)
def _marks_now(path: Path, changed: int, size: int, key: str) -> bool:
    """The answer for a file as it is: a change of `changed` or `size` asks again."""
    return bool(decode_mask(path, key).any())


def drawn(groups: Mapping[str, int], share: float, *salt: object) -> set[str]:
    """Groups drawn until they hold a share of the images; the same names give the same draw.

    At least one, and never all, of two groups or more.

    Args:
        groups: number of images by name of the group.
        share: part of all images, 0 to 1.
        salt: another salt, another draw.
    """
    order = sorted(groups, key=lambda name: (derive(0, *salt, name), name))
    wanted = share * sum(groups.values())
    chosen: set[str] = set()
    held = 0
    for name in order[:-1]:
        if held >= wanted and chosen:
            break
        chosen.add(name)
        held += groups[name]
    return chosen
