"""A run is a directory; this module is the only one that knows its files.

See `RunDirectory` for the names. Files appear under their final name only when complete.
Nothing here imports torch: the dashboard, the store and the queue read runs through it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from core import liveness
from core.config import RunConfig
from core.errors import RunError, UsageError
from core.types import State
from core.workspace import Workspace, append_jsonl, now, read_jsonl, write_atomically, write_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

FORMAT = 1
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled")
GONE = (
    "The process ended without a word (killed, or the machine restarted); "
    "what it had saved is kept: resume the run."
)


class Status(BaseModel):
    """`status.json`: where a run is. `facts` holds measured figures once there are any.

    `progress` counts the whole run; `rate` is a phrase with its unit ("38 images/s").
    Facts: seconds, train_seconds, images_per_second, peak_memory_bytes, parameters,
    feature_dtype, bank_rows and whatever else was measured, numbers or short strings.
    """

    model_config = ConfigDict(extra="ignore")

    state: State = "queued"
    phase: str = "waiting"
    progress: float = Field(default=0.0, ge=0.0, le=1.0)
    eta_seconds: float | None = None
    rate: str | None = None
    message: str = ""
    error: str | None = None
    created_at: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    updated_at: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Record:
    """`config.json`: what was asked for, and what it was resolved to once the run started.

    `resolved` is {} while queued; then: dataset (name, root, reader, fingerprint, classes,
    counts), backbone, weights (source, sha256, pretrained), device, machine, versions,
    method_config, epochs, batch_size, feature_dtype.
    """

    run_id: str
    created_at: str
    config: RunConfig
    resolved: dict[str, Any] = field(default_factory=dict)

    @property
    def group_id(self) -> str:
        """Equal for runs that differ in their seed alone."""
        values = self.config.model_dump(mode="json", exclude={"seed", "device"})
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class RunDirectory:
    """Reads and writes one run's files; holds no state of its own but the path."""

    CONFIG = "config.json"
    PROCESS = "proc.json"
    STATUS = "status.json"
    EVENTS = "events.jsonl"
    LOG = "log.txt"
    CHECKPOINT = "checkpoint"
    SAMPLES = "samples.parquet"
    CASES = "cases.parquet"
    MAPS = "maps.npy"
    METRICS = "metrics.parquet"
    CURVES = "curves.parquet"
    REGIONS = "regions.parquet"
    SUMMARIES = "summaries.parquet"
    CANCEL = "cancel"

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        return self.path.name

    # -- making and finding -------------------------------------------------------------

    @classmethod
    def create(cls, workspace: Workspace, config: RunConfig) -> RunDirectory:
        """A new queued run; `config.json` is written first."""
        data = "".join(c if c.isalnum() else "-" for c in Path(config.data).name.lower())[:24]
        for _ in range(100):
            at = time.time()  # milliseconds keep runs in the order they were asked for
            stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(at)) + f"{int(at % 1 * 1000):03d}"
            run_id = f"{stamp}-{config.method}-{data.strip('-')}-{os.urandom(2).hex()}"
            path = workspace.runs / run_id
            try:
                path.mkdir()
                break
            except FileExistsError:
                continue
        else:
            raise RunError(f"No free run id in {workspace.runs}; try again.")
        run = cls(path)
        created = now()
        run.write_record(Record(run_id, created, config))
        run.write_status(Status(created_at=created))
        return run

    @classmethod
    def open(cls, workspace: Workspace, run_id: str) -> RunDirectory:
        """An existing run by id, or by an unambiguous beginning of it.

        Raises:
            UsageError: there is none, or several begin so; names the nearest.
        """
        ids = [run.run_id for run in all_runs(workspace)]
        fits = [run_id] if run_id in ids else [id for id in ids if run_id and id.startswith(run_id)]
        if len(fits) == 1:
            return cls(workspace.runs / fits[0])
        if fits:
            raise UsageError(f"{len(fits)} runs begin with {run_id!r}; give more of the id.")
        near = difflib.get_close_matches(run_id, ids, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " `runs` lists what is stored."
        raise UsageError(f"There is no run {run_id!r} in {workspace.root}.{hint}")

    # -- config, status, process ----------------------------------------------------------

    def record(self) -> Record:
        """Raises RunError when config.json is missing or damaged."""
        try:
            raw = json.loads((self.path / self.CONFIG).read_text())
            return Record(
                raw["run_id"],
                raw["created_at"],
                RunConfig.model_validate(raw["config"]),
                raw.get("resolved", {}),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"Run {self.run_id} has no readable {self.CONFIG}: {error}.") from error

    def write_record(self, record: Record) -> None:
        write_json(
            self.path / self.CONFIG,
            {
                "format": FORMAT,
                "run_id": record.run_id,
                "created_at": record.created_at,
                "config": record.config.model_dump(mode="json"),
                "resolved": record.resolved,
            },
        )

    def stored_status(self) -> Status:
        """`status.json` as it stands."""
        try:
            return Status.model_validate_json((self.path / self.STATUS).read_bytes())
        except FileNotFoundError:
            return Status()
        except ValueError as error:
            raise RunError(f"Run {self.run_id} has a damaged {self.STATUS}: {error}.") from error

    def status(self) -> Status:
        """The status, with a `running` whose process is gone reported as failed."""
        status = self.stored_status()
        if status.state == "running" and not self.process_alive():
            status = self.stored_status()  # it may have ended between the two looks
            if status.state == "running" and not self.process_alive():
                return status.model_copy(
                    update={"state": "failed", "error": GONE, "eta_seconds": None, "rate": None}
                )
        return status

    def write_status(self, status: Status) -> None:
        stamped = status.model_copy(update={"updated_at": now()})
        data = stamped.model_dump_json(indent=1).encode()
        write_atomically(self.path / self.STATUS, lambda file: file.write(data))

    def update_status(self, **changes: Any) -> Status:
        """Change some fields of the stored status."""
        status = Status.model_validate(self.stored_status().model_dump() | changes)
        self.write_status(status)
        return status

    def claim(self, device: str) -> None:
        """Write `proc.json` for the present process."""
        write_json(self.path / self.PROCESS, liveness.identity() | {"device": device})

    def process_alive(self) -> bool:
        """Whether the process in `proc.json` still runs."""
        try:
            held = json.loads((self.path / self.PROCESS).read_text())
        except (OSError, ValueError):
            return False
        return liveness.alive(held)

    # -- events, cancelling ---------------------------------------------------------------

    def event(self, kind: str, **fields: Any) -> None:
        """Append a line to events.jsonl: {"at", "kind", ...}."""
        append_jsonl(self.path / self.EVENTS, {"at": now(), "kind": kind} | fields)

    def events(self) -> list[dict[str, Any]]:
        return read_jsonl(self.path / self.EVENTS)

    def log_tail(self, characters: int = 8000) -> str:
        """The end of log.txt; "" when there is none."""
        path = self.path / self.LOG
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - characters))
            return file.read().decode(errors="replace")

    def request_cancel(self) -> None:
        (self.path / self.CANCEL).touch()

    def cancel_requested(self) -> bool:
        return (self.path / self.CANCEL).exists()

    def clear_cancel(self) -> None:
        (self.path / self.CANCEL).unlink(missing_ok=True)

    # -- tables and maps ------------------------------------------------------------------

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a parquet file of the run, atomically."""
        import pyarrow.parquet as pq

        write_atomically(self.path / name, lambda file: pq.write_table(table, file))

    def read_table(self, name: str) -> pa.Table:
        """Raises RunError when the run has no such table (yet)."""
        import pyarrow.parquet as pq

        path = self.path / name
        if not path.exists():
            raise RunError(f"Run {self.run_id} has no {name} yet; it appears once the run ends.")
        return pq.read_table(path)

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    @contextmanager
    def writing_maps(self, shape: tuple[int, int, int]) -> Iterator[npt.NDArray[np.float16]]:
        """A float16 array [cases, h, w] to fill; becomes `maps.npy` when the block ends well."""
        import numpy as np

        aside = self.path / f".{self.MAPS}.part"
        maps = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=shape)
        yield maps
        maps.flush()
        del maps
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, self.path / self.MAPS)

    def maps(self) -> npt.NDArray[np.float16]:
        """Memory-mapped float16 maps [cases, h, w]; row i belongs to case i.

        Raises:
            RunError: the run has none (yet).
        """
        import numpy as np

        path = self.path / self.MAPS
        if not path.exists():
            raise RunError(f"Run {self.run_id} has no maps yet; they appear once it has predicted.")
        maps: npt.NDArray[np.float16] = np.load(path, mmap_mode="r")
        return maps


def all_runs(workspace: Workspace) -> list[RunDirectory]:
    """Every run directory of a workspace, oldest first."""
    folders = (path for path in workspace.runs.iterdir() if (path / RunDirectory.CONFIG).exists())
    return [RunDirectory(path) for path in sorted(folders)]
