"""The file of a run capsule: how it is packed, and how a strange one is read.

Whoever verifies a capsule did not make it: nothing of it is unpacked outside a given folder, sizes
are checked before anything is read, and whatever is not as it should be is one sentence.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.capsule.claims import (
    ALWAYS,
    CHECKPOINT,
    FORMAT,
    IMAGES,
    MANIFEST,
    MODEL,
    THRESHOLDS,
    ImageFacts,
    Manifest,
    Row,
    Thresholds,
)
from core.config import RunConfig
from core.data.layout import inside
from core.errors import DataError, UsageError
from core.runs import Record, RunDirectory

MOST_MEMBERS, MOST_ROWS = 20_000, 5_000_000
ROOM = 1 << 30
"""Bytes a capsule may unpack to beyond twice its own size; the model is never compressed."""
LONGEST_NAME = 1_000
_TIME = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, KeyError, ValueError,
    RuntimeError, OverflowError,
)  # fmt: skip
"""What a damaged or encrypted archive raises when it is read."""
T = TypeVar("T")


def pack(file: IO[bytes], members: Mapping[str, bytes | Path]) -> None:
    """Write an archive whose bytes depend on names and contents alone.

    JSON is compressed; tables are already, and the model is stored as it is.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system, info.external_attr = 3, 0o644 << 16
            small = isinstance(content, bytes) or name == RunDirectory.CONFIG
            info.compress_type = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as target:
                if isinstance(content, bytes):
                    target.write(content)
                else:
                    with content.open("rb") as source:
                        _pour(source, target)


def _pour(source: IO[bytes], target: IO[bytes]) -> None:
    while piece := source.read(_PIECE):
        target.write(piece)


@dataclass(frozen=True, slots=True)
class Capsule:
    """An opened capsule; members are read on demand. Every reader raises DataError."""

    path: Path
    manifest: Manifest

    @property
    def run_id(self) -> str:
        return self.manifest.run_id

    @property
    def model_members(self) -> dict[str, str]:
        """SHA-256 by name of the model's files it carries; {} without a model."""
        members = self.manifest.members.items()
        return {
            name.removeprefix(CHECKPOINT): digest
            for name, digest in members
            if name.startswith(CHECKPOINT)
        }

    def damaged(self) -> list[str]:
        """Members whose content is not what the manifest says."""
        wrong = []
        with _opened(self.path) as archive:
            for name, wanted in sorted(self.manifest.members.items()):
                with archive.open(name) as member:
                    digest = hashlib.sha256()
                    while piece := member.read(_PIECE):
                        digest.update(piece)
                if digest.hexdigest() != wanted:
                    wrong.append(name)
        return wrong

    def record(self) -> Record:
        """The run's config, as asked for and resolved."""
        raw = self._parsed(RunDirectory.CONFIG, dict[str, Any])
        try:
            config = RunConfig.model_validate(raw["config"])
            resolved = TypeAdapter(dict[str, Any]).validate_python(raw["resolved"])
            return Record(str(raw["run_id"]), str(raw["created_at"]), config, resolved)
        except (ValidationError, KeyError) as error:
            raise self._bad(RunDirectory.CONFIG, error) from error

    def images(self) -> dict[str, ImageFacts]:
        """What is known of every test image's files."""
        return self._parsed(IMAGES, dict[str, ImageFacts])

    def thresholds(self) -> dict[str, Thresholds]:
        """By class."""
        return self._parsed(THRESHOLDS, dict[str, Thresholds])

    def model(self) -> dict[str, str]:
        """SHA-256 of the model's files, carried or not."""
        return self._parsed(MODEL, dict[str, str])

    def cases(self) -> list[Row]:
        """Every test image, in the order of the run."""
        names = ("key", "class_name", "label", "anomaly_type", "score")
        rows = self._rows(RunDirectory.CASES, names)
        try:
            found = TypeAdapter(list[Row]).validate_python(rows)
        except ValidationError as error:
            raise self._bad(RunDirectory.CASES, error) from error
        sound = all(row.label in (0, 1) and math.isfinite(row.score) for row in found)
        if not found or not sound or len({row.key for row in found}) < len(found):
            raise DataError(
                f"{RunDirectory.CASES} in {self.path.name} names no image, one twice, or a label "
                "or score that is none; ask for another capsule."
            )
        return found

    def metrics(self) -> list[dict[str, Any]]:
        """Rows of metrics.parquet: class_name, metric, value, convention, anomaly_type."""
        names = ("class_name", "metric", "value", "convention", "anomaly_type")
        rows = self._rows(RunDirectory.METRICS, names)
        kinds = (str, str, float | None, str, str)
        for row in rows:
            if not all(
                isinstance(row[name], kind) for name, kind in zip(names, kinds, strict=True)
            ):
                raise self._bad(RunDirectory.METRICS, TypeError("a value of another kind"))
        return rows

    def unpack_run(self, run: Path, model: bool) -> None:
        """The config, and on demand the model, as files of a run's directory."""
        with _opened(self.path) as archive:
            for name in self.manifest.members:
                if name == RunDirectory.CONFIG or (model and name.startswith(CHECKPOINT)):
                    path = inside(run, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, path.open("wb") as out:
                        _pour(source, out)

    def _parsed(self, name: str, kind: type[T]) -> T:
        try:
            return TypeAdapter(kind).validate_json(_read(self.path, name))
        except ValidationError as error:
            raise self._bad(name, error) from error

    def _rows(self, name: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(io.BytesIO(_read(self.path, name)))
            if file.metadata.num_rows > MOST_ROWS:
                raise ValueError("more rows than any run has")
            missing = [column for column in columns if column not in file.schema_arrow.names]
            if missing:
                raise ValueError(f"no column {missing[0]}")
            rows: list[dict[str, Any]] = file.read(columns=list(columns)).to_pylist()
            return rows
        except (pa.ArrowException, ValueError, OSError) as error:
            raise self._bad(name, error) from error

    def _bad(self, name: str, error: Exception) -> DataError:
        """The first thing that is wrong with a member, in one line."""
        said = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")
        line = (said.splitlines() or [""])[0][:200].rstrip(".")
        return DataError(f"{name} in {self.path.name} is damaged: {line}; ask for another capsule.")


def open_capsule(path: Path) -> Capsule:
    """Open a capsule and check its form; contents are checked by `Capsule.damaged`.

    Raises:
        UsageError: there is no such file.
        DataError: it is no capsule, of another format, too large, or names what none has.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}; give a capsule made by `capsule`.")
    with _opened(path) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        unpacked = sum(info.file_size for info in infos)
    if unpacked > ROOM + 2 * path.stat().st_size:
        raise DataError(f"{path.name} would unpack to {unpacked / 1e9:.1f} GB, so it is refused.")
    if MANIFEST not in names:
        raise DataError(f"{path.name} is a ZIP archive but no capsule: it has no {MANIFEST}.")
    raw = _read(path, MANIFEST)
    try:
        held = json.loads(raw)
        version = held.get("format") if isinstance(held, dict) else None
        if version != FORMAT:
            raise DataError(
                f"{path.name} is of capsule format {version!r}, and this version reads {FORMAT}; "
                "make it anew, or verify it with the version that made it."
            )
        manifest = Manifest.model_validate(held)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} has a damaged {MANIFEST}; ask for another one.") from error
    _check_names(path, names, manifest)
    return Capsule(path, manifest)


def _check_names(path: Path, names: list[str], manifest: Manifest) -> None:
    """Raises DataError when members are more, fewer or others than a capsule's."""
    wanted = {MANIFEST, *manifest.members}
    strange = [name for name in wanted if not (name in {MANIFEST, *ALWAYS} or _of_model(name))]
    if strange or "/" in manifest.run_id or not _plain(manifest.run_id):
        raise DataError(f"{path.name} names members that no capsule has, so it is refused.")
    missing = set(ALWAYS) - wanted | wanted - set(names)
    if missing:
        raise DataError(f"{path.name} lacks {min(missing)}; ask for another capsule.")
    if len(names) != len(wanted) or len(names) > MOST_MEMBERS:
        raise DataError(f"{path.name} holds more than its manifest names, so it is refused.")


def _of_model(name: str) -> bool:
    return name.startswith(CHECKPOINT) and _plain(name)


def _plain(name: str) -> bool:
    """Whether a name stays below the folder it is put into, on every system."""
    parts = name.split("/")
    return (
        len(name) <= LONGEST_NAME
        and name.isprintable()
        and "\\" not in name
        and not any(part in ("", ".", "..") for part in parts)
    )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _BROKEN as error:
        line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path.name} is no readable ZIP archive, perhaps cut short or changed ({line}); get "
            "the capsule again."
        ) from error


def _read(path: Path, name: str) -> bytes:
    with _opened(path) as archive:
        return archive.read(name)
