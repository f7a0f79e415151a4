"""Names of files that were handed in, made harmless: what is kept of them, and where they may lie.

Of a name only letters, digits and a few marks stay; control characters, leading dots, separators
and what some systems refuse become "_". Two that would become one, in whatever case, are told
apart by a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST_PART = 120
"""Bytes of one folder or file name."""
DEEPEST = 12
"""Folders within folders."""
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")


def harmless(part: str) -> str:
    """One name of a path; never empty, hidden, or a step up."""
    text = unicodedata.normalize("NFC", part.encode("utf-8", "replace").decode("utf-8"))
    kept = "".join(c if c.isalnum() or c in " -_.()+,=@" else "_" for c in text).strip()
    kept = kept.lstrip(".").rstrip(". ") or "unnamed"
    if _RESERVED.match(kept):
        kept = f"_{kept}"
    stem, suffix = _split(kept)
    return _cut(stem, LONGEST_PART - len(suffix.encode())) + suffix


class Places:
    """Paths below one folder, each given once."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, ...], str] = {}
        self._used: set[str] = set()

    def take(self, parts: Sequence[str]) -> str:
        """A free path for a file that came by these names, "/" between its parts.

        A folder keeps its place, so that files which lay together lie together.
        """
        return self._free(self._folder(tuple(parts[:-1])), harmless(parts[-1]))

    def _folder(self, parts: tuple[str, ...]) -> str:
        if not parts:
            return ""
        if parts not in self._folders:
            self._folders[parts] = self._free(self._folder(parts[:-1]), harmless(parts[-1]))
        return self._folders[parts]

    def _free(self, folder: str, name: str) -> str:
        start = f"{folder}/" if folder else ""
        path, number = start + name, 2
        stem, suffix = _split(name)
        while path.casefold() in self._used:
            path, number = f"{start}{stem}-{number}{suffix}", number + 1
        self._used.add(path.casefold())
        return path


def suffix_of(name: str) -> str:
    """The suffix in lower case; ".nii.gz" is one."""
    return _split(name.rpartition("/")[2])[1].lower()


def _split(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+?)(\.nii\.gz|\.[A-Za-z0-9]{1,10})", name, re.IGNORECASE | re.DOTALL)
    return (found[1], found[2]) if found else (name, "")


def _cut(text: str, most: int) -> str:
    """At most so many bytes, no character halved."""
    return text.encode()[: max(most, 1)].decode("utf-8", "ignore").strip() or "unnamed"
