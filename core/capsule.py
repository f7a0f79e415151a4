"""A run capsule: what a run claims, small enough to send, and checkable against the data.

A ZIP of config.json, cases.parquet (every score), metrics.parquet, thresholds.json, images.json
(size and SHA-256 of every test image and mask), checkpoint.json (SHA-256 of the model's files), on
demand the model itself, and manifest.json with the SHA-256 of every member. Making it twice gives
the same bytes. `core.engine.verify` checks it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from core.data.layout import inside
from core.errors import DataError, RunError, UsageError
from core.judging import points
from core.runs import RunDirectory
from core.workspace import Workspace, write_atomically

FORMAT: Final = 1
MANIFEST, IMAGES, THRESHOLDS, MODEL = (
    "manifest.json", "images.json", "thresholds.json", "checkpoint.json",
)  # fmt: skip
TABLES = (RunDirectory.CASES, RunDirectory.METRICS)
LARGEST_TABLE = 2 << 30
"""Bytes a member other than the model may unpack to."""
SAFE = re.compile(r"[\w.-]+(/[\w.-]+)*")
GONE = "gone"
_TIME = (1980, 1, 1, 0, 0, 0)
Report = Callable[[float, str], None]


def make(
    workspace: Workspace,
    run: RunDirectory,
    out: Path,
    with_model: bool = False,
    report: Report = lambda share, message: None,
) -> dict[str, Any]:
    """Write the capsule of a run that ended well; returns its manifest.

    Raises:
        RunError: the run has no results (yet).
    """
    status = run.status()
    if status.state != "succeeded":
        raise RunError(f"Run {run.run_id} has not ended well, so there is nothing to vouch for.")
    images = _images(run, report)
    held = {name: vars_of(point) for name, point in
            points(workspace, run).items()}  # fmt: skip
    model = _model_files(run)
    members: dict[str, bytes | Path] = {
        RunDirectory.CONFIG: run.path / RunDirectory.CONFIG,
        **{name: run.path / name for name in TABLES},
        IMAGES: _json(images),
        THRESHOLDS: _json(held),
        MODEL: _json({name: digest_of(path) for name, path in model.items()}),
    }
    if with_model:
        members |= {f"{RunDirectory.CHECKPOINT}/{name}": path for name, path in model.items()}
    manifest = {
        "format": FORMAT,
        "run_id": run.run_id,
        "created": status.finished_at,
        "with_model": with_model,
        "members": {name: digest_of(content) for name, content in sorted(members.items())},
    }
    members[MANIFEST] = _json(manifest)
    write_atomically(out, lambda file: _pack(file, members))
    return manifest


def vars_of(point: Any) -> dict[str, Any]:
    """A threshold as JSON holds it."""
    return {
        "value": point.value, "kind": point.kind, "oracle": point.oracle, "name": point.name,
        "note": point.note, "upper": point.upper,
    }  # fmt: skip


def digest_of(content: bytes | Path) -> str:
    """SHA-256 of bytes or of a file, read in pieces."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_facts(root: Path, key: str) -> dict[str, Any] | str:
    """Size and SHA-256 of a file below a data set's root; "gone" when it cannot be read."""
    try:
        path = inside(root, key)
        return {"bytes": path.stat().st_size, "sha256": digest_of(path)}
    except (OSError, DataError):
        return GONE


def _images(run: RunDirectory, report: Report) -> dict[str, Any]:
    root = Path(str((run.record().resolved.get("dataset") or {}).get("root", "")))
    samples = [
        row for row in run.read_table(RunDirectory.SAMPLES).to_pylist() if row["split"] == "test"
    ]
    found = {}
    for n, row in enumerate(samples):
        masks = {str(mask): file_facts(root, str(mask)) for mask in row["masks"] or ()}
        found[row["key"]] = {"image": file_facts(root, row["key"]), "masks": masks}
        report((n + 1) / len(samples), f"image {n + 1} of {len(samples)}")
    return found


def _model_files(run: RunDirectory) -> dict[str, Path]:
    folder = run.path / RunDirectory.CHECKPOINT
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _pack(file: IO[bytes], members: dict[str, bytes | Path]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o644 << 16
            small = isinstance(content, bytes) or name.endswith(".json")
            info.compress_type = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as target:
                for piece in _pieces(content):
                    target.write(piece)


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as source:
        while piece := source.read(1 << 20):
            yield piece


@dataclass(frozen=True, slots=True)
class Capsule:
    """An opened capsule; members are read on demand and never unpacked outside a given folder."""

    path: Path
    manifest: dict[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.manifest["run_id"])

    @property
    def with_model(self) -> bool:
        return bool(self.manifest.get("with_model"))

    def read(self, name: str) -> bytes:
        """A member that is no part of the model.

        Raises:
            DataError: it is not there, damaged or larger than any run's.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(name).file_size > LARGEST_TABLE:
                    raise DataError(f"{name} in {self.path.name} is larger than any run's; stop.")
                return archive.read(name)
        except (KeyError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise DataError(f"{self.path.name} has no readable {name} ({error}).") from error

    def json(self, name: str) -> Any:
        """A JSON member. Raises DataError."""
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise DataError(f"{name} in {self.path.name} is damaged: {error}.") from error

    def table(self, name: str) -> Any:
        """A parquet member, as an Arrow table. Raises DataError."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(io.BytesIO(self.read(name)))
        except pa.ArrowException as error:
            raise DataError(f"{name} in {self.path.name} is damaged: {error}.") from error

    def damaged(self) -> list[str]:
        """Members that are missing, more than named, or not as the manifest says."""
        wanted: dict[str, str] = self.manifest["members"]
        wrong = []
        try:
            with zipfile.ZipFile(self.path) as archive:
                there = {info.filename for info in archive.infolist()}
                wrong += sorted((there - {MANIFEST}) ^ set(wanted))
                for name in sorted(there & set(wanted)):
                    digest = hashlib.sha256()
                    with archive.open(name) as member:
                        while piece := member.read(1 << 20):
                            digest.update(piece)
                    if digest.hexdigest() != wanted[name]:
                        wrong.append(name)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
            raise DataError(f"{self.path.name} cannot be read to its end ({error}).") from error
        return wrong

    def unpack_run(self, folder: Path) -> RunDirectory:
        """The run's config and model in a folder of their own; hashes must have been checked."""
        target = folder / self.run_id
        with zipfile.ZipFile(self.path) as archive:
            for name in self.manifest["members"]:
                if name == RunDirectory.CONFIG or name.startswith(f"{RunDirectory.CHECKPOINT}/"):
                    path = inside(target, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, path.open("wb") as out:
                        while piece := source.read(1 << 20):
                            out.write(piece)
        return RunDirectory(target)


def open_capsule(path: Path) -> Capsule:
    """Open a capsule and check its form.

    Raises:
        UsageError: there is no such file.
        DataError: it is no capsule, of a later format, or names members that lead elsewhere.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}; give a capsule made by `capsule`.")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name} is no ZIP archive, so no capsule; it may be cut short.")
    manifest = Capsule(path, {}).json(MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path.name} is no capsule of format {FORMAT}; make it anew.")
    members, run_id = manifest.get("members"), str(manifest.get("run_id", ""))
    named = [*members, run_id] if isinstance(members, dict) else [""]
    if "/" in run_id or not all(SAFE.fullmatch(name) and ".." not in name for name in named):
        raise DataError(f"{path.name} names members that a capsule does not have; stop.")
    return Capsule(path, manifest)
