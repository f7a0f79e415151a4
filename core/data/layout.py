"""What readers of folder layouts share: safe listing, findings, and the last checks.

`Tree` lists folders below a root once each, never follows a link out of it, and leaves out
names that are not UTF-8; what it leaves out becomes a problem.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from core.data.base import Dataset, Reader
from core.data.images import fsname
from core.errors import DataError
from core.types import MEAN, Problem, Sample

IMAGE_SUFFIXES = frozenset(
    (
        ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
        ".jpx", ".mpo", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif",
        ".tiff", ".webp",
    )
)  # fmt: skip
"""What Pillow decodes by itself; of files with several frames the first counts."""
NORMAL_NAMES = frozenset(("good", "ok"))
"""Folder names, in lower case, that mean normal."""

Severity: TypeAlias = Literal["error", "warning", "note"]

SOURCE = "source"
"""Link in the folder of an imported data set to images that stay where they are."""
SOURCE_FILE = "import.json"
"""Beside it: what was imported and how; its "source" is where the link leads."""

LISTED_ALIKE = 20
"""Problems of one kind that are listed singly; the rest are counted."""


def inside(root: Path, key: str) -> Path:
    """The real path of a key, which must lie below the root, links followed.

    The link by which a data set in the workspace reaches the folder it was made from (`SOURCE`)
    counts as a part of the root; what it leads to may not be left either.

    Raises:
        DataError: it lies outside.
    """
    if "\0" not in key:
        real = (root / key).resolve()
        base = root / SOURCE if key.startswith(f"{SOURCE}/") and _is_source(root) else root
        if real.is_relative_to(base.resolve()):
            return real
    raise DataError(
        f"{fsname(key)!r} leads out of the data set's folder {fsname(root)}; copy what it points "
        "to into that folder."
    )


def _is_source(root: Path) -> bool:
    """Whether the root's link to its source is the one that was made on import."""
    try:
        told = json.loads((root / SOURCE_FILE).read_bytes())["source"]
        return isinstance(told, str) and os.readlink(root / SOURCE) == told  # noqa: PTH115
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_image(name: str) -> bool:
    """By the suffix, in any case."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a name, no path


def stem(name: str) -> str:
    """A file's name without its folder and last suffix."""
    return os.path.splitext(name.rpartition("/")[2])[0]  # noqa: PTH122 - a name, no path


def below(folder: str, name: str) -> str:
    """The key of an entry of a folder; the root's key is ""."""
    return f"{folder}/{name}" if folder else name


class Findings:
    """Problems in the order found; beyond `LISTED_ALIKE` of a kind only their number."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._more: dict[str, list[Problem]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, severity: Severity, key: str, message: str, kind: str | None = None) -> None:
        """File one sentence; `kind` groups those that are alike (default: never grouped)."""
        problem = Problem(severity=severity, key=key, message=message)
        if kind is not None:
            self._counts[kind] += 1
            if self._counts[kind] > LISTED_ALIKE:
                self._more[kind].append(problem)
                return
        self._listed.append(problem)

    def problems(self) -> tuple[Problem, ...]:
        """All, errors first."""
        counted = [
            Problem(
                severity=more[0].severity,
                key=more[0].key,
                message=f"And {len(more)} more: {more[0].message}",
            )
            for more in self._more.values()
        ]
        order = {"error": 0, "warning": 1, "note": 2}
        return tuple(sorted(self._listed + counted, key=lambda found: order[found.severity]))


@dataclass(frozen=True, slots=True)
class Listing:
    """Names in one folder, sorted."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def folder(self, names: Iterable[str]) -> str | None:
        """The first folder whose name, in lower case, is one of `names`."""
        wanted = frozenset(names)
        return next((name for name in self.folders if name.lower() in wanted), None)


class Tree:
    """Folders below `root` by key, each listed once.

    Args:
        root: an absolute folder.
        findings: gets what has to be left out.
    """

    def __init__(self, root: Path, findings: Findings | None = None) -> None:
        self.root = root
        self.findings = findings or Findings()
        self._listed: dict[str, Listing] = {}

    def listing(self, key: str = "") -> Listing:
        """Folders and files of a folder; empty when it is not there. Hidden names are left out."""
        if key not in self._listed:
            self._listed[key] = self._list(key)
        return self._listed[key]

    def has_file(self, key: str) -> bool:
        """Whether a file of that key lies below the root, reached without leaving it."""
        folder, _, name = key.rpartition("/")
        return self.has_folder(folder) and name in self.listing(folder).files

    def has_folder(self, key: str) -> bool:
        """Whether a folder of that key lies below the root, reached without leaving it."""
        if not key:
            return True
        parent, _, name = key.rpartition("/")
        return self.has_folder(parent) and name in self.listing(parent).folders

    def _list(self, key: str) -> Listing:
        folders, files = [], []
        try:
            with os.scandir(self.root / key) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not self._sound(key, entry):
                        continue
                    if entry.is_dir():
                        folders.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return Listing()
        except PermissionError:
            self.findings.add(
                "error", key, f"Folder {key or self.root} may not be read; change its permissions."
            )
        return Listing(tuple(sorted(folders)), tuple(sorted(files)))

    def _sound(self, folder: str, entry: os.DirEntry[str]) -> bool:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            shown = below(folder, fsname(entry.name))
            self.findings.add(
                "error",
                shown,
                f"{shown} was left out because its name is not UTF-8; rename it.",
                kind="name",
            )
            return False
        if not entry.is_symlink():
            return True
        key = below(folder, entry.name)
        try:
            inside(self.root, key).stat()
        except DataError as error:
            self.findings.add("error", key, str(error), kind="outside")
            return False
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            self.findings.add(
                "warning", key, f"{key} is a link that leads nowhere; remove it.", kind="link"
            )
            return False
        return True


def assemble(
    reader: Reader,
    root: Path,
    name: str,
    recognised: str,
    samples: list[Sample],
    findings: Findings,
    classes: Iterable[str] = (),
    variant: str = "",
) -> Dataset:
    """The data set, less the classes no method could be trained on.

    Args:
        classes: classes the layout names, which may turn out to have no samples.

    Raises:
        DataError: no class is left.
    """
    by_class: dict[str, list[Sample]] = {class_name: [] for class_name in classes}
    for sample in samples:
        by_class.setdefault(sample.class_name, []).append(sample)
    usable = set()
    for class_name, mine in sorted(by_class.items()):
        if class_name == MEAN:
            findings.add(
                "error", class_name, f"Class {MEAN!r} was left out: the name is taken; rename it."
            )
        elif not any(sample.split == "train" for sample in mine):
            findings.add(
                "error",
                class_name,
                f"Class {class_name} was left out because it has no normal training images; "
                "add some.",
            )
        else:
            usable.add(class_name)
            _note_test_gaps(class_name, mine, findings)
    kept = [sample for sample in samples if sample.class_name in usable]
    problems = findings.problems()
    if not kept:
        why = f" First problem: {problems[0].message}" if problems else ""
        raise DataError(f"{fsname(root)} has no class with normal training images.{why}")
    kept.sort(key=lambda sample: (sample.class_name, sample.split, sample.key))
    return Dataset(
        name=name,
        root=root,
        reader=reader.id,
        recognised=recognised,
        card=reader.card,
        samples=tuple(kept),
        problems=problems,
        variant=variant,
    )


def _note_test_gaps(class_name: str, samples: list[Sample], findings: Findings) -> None:
    labels = {sample.label for sample in samples if sample.split == "test"}
    if labels == {0, 1}:
        return
    missing = {(): "test", (0,): "anomalous test", (1,): "normal test"}[tuple(sorted(labels))]
    findings.add(
        "warning",
        class_name,
        f"Class {class_name} has no {missing} images, so its metrics cannot be computed; add some.",
    )
