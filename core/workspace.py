"""Where things lie, and how files are written: aside, synced, renamed.

<workspace>/
  runs/<run_id>/         one directory a run; the truth
  flawscope.duckdb       index derived from the runs and from people/
  people/*.jsonl         what people added, append-only
  data/                  generated and imported data sets
  uploads/               folders that people uploaded to make data sets of
  trials/                images people tried on a run, with what came out
  reports/               reports people made
  cache/                 what can be computed again: decoded images (prepared/), resamples,
                         comparisons, contrasts, patches; deleting it loses nothing
  weights/               weight files a person put there
  logs/                  supervisor log
  private/               the key of patients' pseudonyms; for its owner's eyes only
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

ENVIRONMENT_VARIABLE = "FLAWSCOPE_WORKSPACE"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder that holds everything Flawscope stores; made on first use."""

    root: Path

    @classmethod
    def locate(cls, explicit: str | Path | None = None) -> Workspace:
        """`explicit`, else $FLAWSCOPE_WORKSPACE, else ./workspace."""
        chosen = explicit or os.environ.get(ENVIRONMENT_VARIABLE) or "workspace"
        return cls(Path(chosen).expanduser().resolve())

    def _folder(self, *parts: str) -> Path:
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def runs(self) -> Path:
        return self._folder("runs")

    @property
    def people(self) -> Path:
        return self._folder("people")

    @property
    def data(self) -> Path:
        return self._folder("data")

    @property
    def prepared(self) -> Path:
        return self._folder("cache", "prepared")

    @property
    def weights(self) -> Path:
        return self._folder("weights")

    @property
    def logs(self) -> Path:
        return self._folder("logs")

    @property
    def store(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / "flawscope.duckdb"


def now() -> str:
    """The time now, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a file aside, sync it and move it to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically; NaN and infinities are refused (ValueError)."""
    data = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
    write_atomically(path, lambda file: file.write(data))


def append_jsonl(path: Path, value: dict[str, Any]) -> None:
    """Append one JSON line; a single write, so that concurrent writers do not interleave."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a killed writer's half line
            line = "\n" + line
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All complete lines of a JSON-lines file; [] when it is not there.

    A last line cut short by a killed writer is left out.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):  # as written
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows
