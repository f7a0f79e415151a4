"""One array of a large JSON file, element by element: annotations of COCO fill half a gigabyte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from core.data.images import fsname
from core.errors import DataError

_BLOCK = 1 << 20
_BLANK = " \t\r\n"
_AFTER = frozenset(_BLANK + ",:]}")
"""Letters that may follow a value."""

_LONGEST = 16 << 20
"""Letters of one element; more is no list of annotations."""


def stream_array(path: Path, name: str) -> Iterator[Any]:
    """Elements of the array `name` of the object a file holds; memory as for one element.

    Raises:
        DataError: the file cannot be read, is no such object, has no such array or breaks off.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Text(file).array(name)
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{fsname(path)} cannot be read; check that it is there.") from None
    except (_Broken, RecursionError) as error:
        said = str(error) if isinstance(error, _Broken) else "is nested too deeply"
        raise DataError(f"{fsname(path)} {said}; get an intact copy.") from None


class _Broken(ValueError):
    """What is wrong with the text, to follow the file's name."""


class _Text:
    """The part of a file that is needed now."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._decode = json.JSONDecoder().raw_decode

    def array(self, wanted: str) -> Iterator[Any]:
        """Elements of one array of the object; the other values are passed over."""
        self._take("{")
        while self._peek() != "}":
            key = self._value()
            self._take(":")
            if key == wanted:
                if self._peek() != "[":
                    raise _Broken(f"has no list {wanted!r}")
                yield from self._elements()
                return
            if self._peek() == "[":
                for _ in self._elements():
                    pass
            else:
                self._value()
            if self._peek() == ",":
                self._at += 1
        raise _Broken(f"has no list {wanted!r}")

    def _elements(self) -> Iterator[Any]:
        self._take("[")
        while self._peek() != "]":
            yield self._value()
            if self._peek() == ",":
                self._at += 1
            elif self._peek() != "]":
                raise _Broken("is no JSON")
        self._at += 1

    def _peek(self) -> str:
        """The next letter that is no blank."""
        while True:
            while self._at < len(self._text):
                letter = self._text[self._at]
                if letter not in _BLANK:
                    return letter
                self._at += 1
            if not self._more():
                raise _Broken("breaks off")

    def _take(self, letter: str) -> None:
        if self._peek() != letter:
            raise _Broken("is no JSON object")
        self._at += 1

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except ValueError:
                end = -1
            # what a block cuts in two may look whole: "-1" of "-1.5e3"
            if end >= 0 and self._text[end : end + 1] in _AFTER:
                self._at = end
                return value
            if len(self._text) - self._at > _LONGEST or not self._more():
                raise _Broken("is no JSON or breaks off")

    def _more(self) -> bool:
        block = self._file.read(_BLOCK)
        self._text = self._text[self._at :] + block
        self._at = 0
        return bool(block)
