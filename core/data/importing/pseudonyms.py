"""Ids of persons become salted hashes: "patient-3f9a1c02b4".

The salt is one random key a workspace, <workspace>/private/pseudonyms.key, readable by its owner
only and kept outside the folders of data sets, so that a data set can be passed on without it. With
it the same patient gets the same pseudonym on every import; without it nobody can find out by
trying ids which one a pseudonym stands for (HMAC-SHA256, RFC 2104, first 40 bits). Deleting it
gives everybody a new pseudonym on the next import.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from core.data.images import fsname
from core.errors import DataError
from core.workspace import Workspace

_BYTES = 32
_DIGITS = 10  # 40 bits: among 10,000 patients two share one with a chance of 1 in 20,000
_WORD = re.compile(r"[^\W_]+")
_PLACEHOLDERS = frozenset(
    ("", "0", "anon", "anonymous", "anonymized", "anonymised", "deidentified", "none", "unknown")
)


class Pseudonyms:
    """Names for persons and files.

    Args:
        key: the salt.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, workspace: Workspace | None) -> Pseudonyms:
        """Those of a workspace; without one, names that hold for this object only (a preview).

        Raises:
            DataError: the key is damaged or may not be read.
        """
        return cls(secrets.token_bytes(_BYTES) if workspace is None else _kept(workspace))

    def name(self, kind: str, id: str, digits: int = _DIGITS) -> str:
        """A pseudonym such as "patient-3f9a1c02b4"; blanks around the id do not count."""
        return f"{kind}-{self.digest(kind, id, digits)}"

    def digest(self, kind: str, id: str, digits: int = _DIGITS) -> str:
        """The pseudonym's digits alone."""
        text = f"{kind}\0{id.strip()}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:digits]


class Private:
    """What may stand in no text: words of persons' names, and their ids."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Names or ids, as a header gives them ("Doe^John")."""
        for text in texts:
            if not is_placeholder(text):
                self._words.update(word for word in _words(text) if len(word) > 1)

    def tells(self, text: str) -> bool:
        """Whether a text holds one of them: as a word, or, from 4 letters, as a part of one."""
        words, whole = _words(text), text.lower()
        if not self._words.isdisjoint(words):
            return True
        return any(len(word) > 3 and word in whole for word in self._words)


def is_placeholder(id: str) -> bool:
    """Whether an id stands for nobody in particular, as in scans that were made anonymous."""
    return id.strip().strip("_- ").lower() in _PLACEHOLDERS


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _kept(workspace: Workspace) -> bytes:
    path = workspace.root / "private" / "pseudonyms.key"
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The key of the pseudonyms, {fsname(path)}, cannot be read or written "
            f"({error.strerror}); change its permissions."
        ) from None
    if len(key) != _BYTES:
        raise DataError(
            f"The key of the pseudonyms, {fsname(path)}, is damaged; put it back from a backup, or "
            "remove it: then everybody gets a new pseudonym."
        )
    return key


def _make(path: Path) -> None:
    """Write a key that only its owner can read; one that somebody made meanwhile stands."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)
