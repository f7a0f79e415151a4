"""Images people hand in: uploads, archives and folders, copied into a folder of ours.

Nothing that is handed in chooses where it is written: files are numbered, and of their names only
letters, digits and a known suffix are kept; or, where folders mean something (`tree`), each part
of the path is made harmless first (`core.data.intake_names`). An archive is read entry by entry,
never unpacked as a whole; entries that lead out of it, links and locked ones are left out, and
archives within it are no images. Sizes are counted while copying, so that a small file that unfolds
into a large one stops at the limit. What is left out is told in a sentence each; whether a file is
an intact image shows when it is decoded.
"""

from __future__ import annotations

import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.data.images import fsname
from core.data.intake_names import DEEPEST, Places, suffix_of
from core.data.layout import IMAGE_SUFFIXES
from core.errors import DataError

ZIP_SUFFIX = ".zip"
LONGEST_NAME = 160
_CHUNK = 1 << 20
_NEVER_A_BOMB = 20_000_000
"""Bytes below which it does not matter how well a file was packed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken at once.

    Attributes:
        most: images.
        largest: bytes of one file, unpacked.
        total: bytes of all.
        scanned: files of a folder, or entries of an archive, that are looked at.
        ratio: how many times its packed size a large file may have; pictures stay far below.
    """

    most: int = 500
    largest: int = 50_000_000
    total: int = 1_000_000_000
    scanned: int = 20_000
    ratio: int = 300


@dataclass(frozen=True, slots=True)
class Given:
    """One image that was taken: the file it lies in now, and the name it came by."""

    file: str
    name: str


class Intake:
    """Copies images into `folder`.

    Args:
        tree: folders and names are kept, made harmless; else files are numbered.
        suffixes: of the files that are taken, in lower case.
        tell: told how far an archive or a folder is, 0 to 1, and what is being done; what it
            raises ends the work.

    Attributes:
        images: what was taken, in order.
    """

    def __init__(
        self, folder: Path, limits: Limits | None = None, *, tree: bool = False,
        suffixes: Collection[str] = IMAGE_SUFFIXES,
        tell: Callable[[float, str], None] = lambda share, words: None,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._limits = limits or Limits()
        self._places = Places() if tree else None
        self._suffixes = suffixes
        self._tell = tell
        self._bytes = 0
        self._left_out: list[str] = []
        self._surplus = 0
        self._others: Counter[str] = Counter()
        self.images: list[Given] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def left_out(self) -> list[str]:
        """A sentence for everything that was not taken."""
        told = list(self._left_out)
        for where, count in self._others.items():
            what = "1 file is no image" if count == 1 else f"{count:,} files are no images"
            told.append(f"{where}: {what} by name and left out.")
        if self._surplus:
            limit = f"{self._limits.most:,} images and {self._limits.total / 1e6:,.0f} MB"
            verb = "is" if self._surplus == 1 else "are"
            told.append(f"{self._surplus:,} more {verb} left out: at most {limit} at once.")
        return told

    def data(self, name: str, data: bytes) -> None:
        """Take an uploaded file: an image, or a ZIP archive of images."""
        self.file(name, io.BytesIO(data))

    def file(self, name: str, file: IO[bytes], under: str = "") -> None:
        """Like `data`, from an open binary file.

        Args:
            under: folder that an image is put into where folders are kept.
        """
        if suffix_of(name) == ZIP_SUFFIX:
            self._archive(shown(name), file)
        else:
            self._take(shown(name), file, f"{under}/{name}".replace("\\", "/"))

    def copy(self, path: Path, name: str) -> None:
        """Take one file of this machine under another name.

        Raises:
            DataError: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                self._take(shown(name), file)
        except OSError as error:
            raise DataError(f"{name} cannot be read ({error.strerror or error}).") from None

    def path(self, path: Path) -> None:
        """Take an image, a ZIP archive or a folder of this machine, subfolders included.

        Raises:
            DataError: it is not there, or may not be read.
        """
        name = fsname(path)
        try:
            if path.is_dir():
                self._tree(path)
            elif suffix_of(path.name) == ZIP_SUFFIX:
                with path.open("rb") as file:
                    self._archive(shown(path.name), file)
            else:
                with path.open("rb") as file:
                    self._take(shown(path.name), file)
        except FileNotFoundError:
            raise DataError(f"{name} is not there; check the path.") from None
        except PermissionError:
            raise DataError(f"{name} may not be read; change its permissions.") from None
        except OSError as error:
            raise DataError(f"{name} cannot be read ({error.strerror or error}).") from None

    def _tree(self, root: Path) -> None:
        where = shown(root.name or str(root))
        scanned = self._limits.scanned
        for number, path in enumerate(_files(root)):
            if number >= scanned:
                self._left_out.append(f"Only the first {scanned:,} files of {where} are looked at.")
                return
            self._tell(0.0, f"{number:,} files looked at")
            if suffix_of(path.name) not in self._suffixes:
                self._others[where] += 1
                continue
            name = shown(fsname(path.relative_to(root)))
            try:
                with path.open("rb") as file:
                    self._take(name, file, path.relative_to(root).as_posix())
            except OSError as error:
                self._left_out.append(f"{name} cannot be read ({error.strerror or error}).")

    def _archive(self, where: str, file: IO[bytes]) -> None:
        scanned = self._limits.scanned
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                for number, entry in enumerate(entries[:scanned]):
                    self._tell(number / len(entries), f"{number:,} of {len(entries):,} unpacked")
                    self._entry(where, archive, entry)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
            self._left_out.append(f"{where} is no intact ZIP archive; pack it again.")
            return
        if len(entries) > scanned:
            self._left_out.append(f"Only the first {scanned:,} entries of {where} are looked at.")

    def _entry(self, where: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        hidden = any(part.startswith(".") and part != ".." for part in path.parts)
        if entry.is_dir() or hidden or "__MACOSX" in path.parts:
            return
        name = shown(f"{where}/{path}")
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", str(path)):
            self._left_out.append(f"{name} leads out of its archive and is left out.")
        elif stat.S_ISLNK(entry.external_attr >> 16):
            self._left_out.append(f"{name} is a link and is left out.")
        elif entry.flag_bits & 1:
            self._left_out.append(f"{name} is locked with a password; pack it without one.")
        elif suffix_of(path.name) not in self._suffixes:
            self._others[where] += 1
        elif self._places is not None and len(path.parts) > DEEPEST:
            self._left_out.append(f"{name} lies more than {DEEPEST} folders deep; move it up.")
        elif entry.file_size > self._limits.largest:
            self._left_out.append(self._too_large(name))
        else:
            try:
                with archive.open(entry) as file:
                    self._take(name, file, str(path), packed=entry.compress_size)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                self._left_out.append(f"{name} is damaged in its archive; pack it again.")

    def _too_large(self, name: str) -> str:
        return f"{name} has more than {self._limits.largest / 1e6:.0f} MB; scale it down."

    def _place(self, name: str, path: str) -> Path:
        """Where a file that came by `name` is written; of `path` nothing is trusted."""
        if self._places is None:
            return Path(f"{len(self.images):04d}-{_plain(name)}")
        return Path(self._places.take([part for part in path.split("/") if part] or ["unnamed"]))

    def _take(
        self, name: str, source: IO[bytes], path: str = "", packed: int | None = None
    ) -> None:
        """Copy one file; DataError when the disk is full."""
        if len(self.images) >= self._limits.most or self._bytes >= self._limits.total:
            self._surplus += 1
            return
        file = self._place(name, path or name)
        target = self._folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        bomb = None if packed is None else max(self._limits.ratio * packed, _NEVER_A_BOMB)
        size, fits = 0, True
        try:
            with target.open("xb") as out:
                while fits and (chunk := source.read(_CHUNK)):
                    size += len(chunk)
                    if bomb is not None and size > bomb:
                        break
                    fits = size <= self._limits.largest
                    if fits and self._bytes + size <= self._limits.total:
                        self._write(out, chunk)
                    elif fits:
                        self._surplus += 1
                        break
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        unfolds = bomb is not None and size > bomb
        if unfolds or not fits or self._bytes + size > self._limits.total:
            target.unlink(missing_ok=True)
            if unfolds:
                self._left_out.append(
                    f"{name} unfolds to more than {self._limits.ratio} times its packed size, as "
                    "no picture does; it is left out."
                )
            elif not fits:
                self._left_out.append(self._too_large(name))
            return
        self._bytes += size
        self.images.append(Given(file.as_posix(), name))

    def _write(self, out: IO[bytes], chunk: bytes) -> None:
        try:
            out.write(chunk)
        except OSError as error:
            raise DataError(
                f"Images cannot be kept in {self._folder} ({error.strerror or error}); free some "
                "space there."
            ) from error


def shown(name: str) -> str:
    """A name as it can be shown and stored: no control characters, at most LONGEST_NAME long."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace").replace("\\", "/")
    kept = "".join(c for c in text if unicodedata.category(c)[0] != "C").strip("/ ")
    return (kept if len(kept) <= LONGEST_NAME else "…" + kept[-LONGEST_NAME + 1 :]) or "unnamed"


def _plain(name: str) -> str:
    """A file name of letters, digits, dashes and a known suffix."""
    suffix = suffix_of(name)
    stem = re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(name).stem)[:40].strip("-") or "image"
    return stem + (suffix if suffix in IMAGE_SUFFIXES else ".bin")


def _files(root: Path) -> Iterator[Path]:
    """The regular files below a folder in the order of their names; links are not followed."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
