"""Content hashes of a data set's files, remembered by size and times.

A file is hashed again only when its size, modification or change time differs. A file that
was written within two seconds of being hashed is hashed again too: a later write could have
left the same times (the "racy" case of git's index).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any

from core.types import Sample
from core.workspace import Workspace, write_atomically

_SETTLED_NS = 2_000_000_000
Stamp = tuple[int, int, int]


class Hashes:
    """Remembered hashes of the files below one root; keys are relative to it."""

    def __init__(self, root: Path, workspace: Workspace) -> None:
        self._root = root
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:20]
        self._file = workspace.prepared / "hashes" / f"{name}.json"
        self._known: dict[str, list[Any]] = _load(self._file)
        self._changed = False

    def unchanged(self, key: str) -> str | None:
        """The hash of a file that has not changed since it was hashed, else None."""
        known = self._known.get(key)
        if known is None:
            return None
        try:
            stamp = _stamp(os.stat(self._root / key))  # noqa: PTH116 - twice as quick, often called
        except (OSError, ValueError):
            return None
        settled = known[3] - max(stamp[1], stamp[2]) > _SETTLED_NS
        return str(known[4]) if settled and tuple(known[:3]) == stamp else None

    def last_known(self, key: str) -> str | None:
        """The hash a file had when it was last read, whatever has become of it since."""
        known = self._known.get(key)
        return str(known[4]) if known else None

    def hash(self, key: str, file: BufferedReader) -> str:
        """Hash an open file from its start and remember it; the file is left at its start."""
        checked = time.time_ns()
        stamp = _stamp(os.fstat(file.fileno()))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        self._known[key] = [*stamp, checked, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Write what is new; a lost update costs another hashing, no more."""
        if self._changed:
            text = json.dumps({"root": str(self._root), "files": self._known})
            write_atomically(self._file, lambda file: file.write(text.encode()))
            self._changed = False


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _load(file: Path) -> dict[str, list[Any]]:
    try:
        files = json.loads(file.read_bytes())["files"]
        if all(len(entry) == 5 for entry in files.values()):
            return dict(files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not there or torn: everything is hashed again
    return {}


MISSING = "missing"
"""Stands for the hash of a file that cannot be read."""


def fingerprint(samples: Iterable[Sample], hashes: dict[str, str]) -> str:
    """What a set of samples contains, as one SHA-256.

    Depends on keys, classes, splits, labels, types and the content of images and masks; not on
    the order of the samples, on file times or on where the folder lies. Held-out normals count
    as training images, so that both protocols and all seeds share a data set's fingerprint.

    Args:
        samples: all samples.
        hashes: content hash by key of every image and mask that could be read.
    """
    lines = []
    for sample in samples:
        split = "train" if sample.split == "calibration" else sample.split
        content = [hashes.get(key, MISSING) for key in (sample.key, *sample.masks)]
        lines.append(
            json.dumps(
                [sample.key, sample.class_name, split, sample.label, sample.anomaly_type, *content]
            )
        )
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
