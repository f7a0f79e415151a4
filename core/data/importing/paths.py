"""Paths as other people's files write them, as keys below the folder of the images."""

from __future__ import annotations

from pathlib import Path

from core.data.layout import Findings, Tree, inside
from core.errors import DataError, UsageError


class Paths:
    """Finds files below one folder and never outside it.

    Args:
        home: a real absolute folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._tree = Tree(home, Findings())  # what else lies there does not matter

    def found(self, text: str, folder: str = "") -> str | None:
        """Key of the file of that path; None: it is not there, or outside.

        Args:
            folder: key of the folder that the path is relative to.
        """
        key = self.key(text, folder)
        return key if key and self._tree.has_file(key) else None

    def key(self, text: str, folder: str = "") -> str | None:
        """The key that a path has, whether a file is there or not; None: it leads out."""
        if not text or "\0" in text:
            return None
        try:
            text.encode()
            base = self._home / folder
            path = Path(text if (base / text).exists() else text.replace("\\", "/"))
            if path.is_absolute():
                direct = path.is_relative_to(self._home)
                path = (path if direct else path.resolve()).relative_to(self._home)
            else:
                path = Path(folder) / path
            inside(self._home, path.as_posix())
        except (ValueError, OSError, RuntimeError, DataError):
            return None
        parts: list[str] = []
        for part in path.parts:  # "a/../b" is b: a key names a file in one way
            if part != "..":
                parts.append(part)
            elif parts:
                parts.pop()
            else:
                return None
        return "/".join(parts)


def folder_of(base: Path, text: str, name: str) -> Path:
    """A folder as a setting names it, relative to `base` or absolute.

    Raises:
        UsageError: it is not there.
    """
    try:
        folder = (base / Path(text).expanduser()).resolve()
        there = folder.is_dir()
    except (OSError, ValueError, RuntimeError):
        there = False
    if not there:
        raise UsageError(f"{name} came as {text!r}, and there is no such folder; check the path.")
    return folder
