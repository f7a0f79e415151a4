"""Runs wait in order as queued run directories; the order is that of queueing.

Every step from one state to another that is not the worker's own happens under one short lock,
so that a run is neither started twice nor cancelled while it starts.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from core import liveness
from core.config import RunConfig
from core.errors import RunError
from core.jobs.launcher import detached
from core.runs import RunDirectory, Status, all_runs
from core.workspace import Workspace, now, write_json

LOCK_SECONDS = 30.0
CANCELLED = "Cancelled on request before it began."

log = logging.getLogger(__name__)
_children: list[subprocess.Popen[bytes]] = []


def submit(workspace: Workspace, config: RunConfig) -> RunDirectory:
    """Queue a run and see to it that a supervisor is there to start it.

    A relative folder or weight file is made absolute: the worker runs elsewhere.
    """
    with transitions(workspace):
        run = RunDirectory.create(workspace, _anchored(workspace, config))
        stamp = run.stored_status().updated_at
        while now() == stamp:  # the next one queued must not carry the same time
            time.sleep(0.0003)
        ensure_supervisor(workspace)
    return run


def waiting(workspace: Workspace) -> list[RunDirectory]:
    """Queued runs that were not started yet, first come first."""
    found = []
    for run in all_runs(workspace):
        try:
            found.append((run, run.stored_status()))
        except RunError as error:
            log.warning("%s", error)
    return in_order(found)


def in_order(runs: Iterable[tuple[RunDirectory, Status]]) -> list[RunDirectory]:
    """Of runs with their stored statuses, those that wait, first come first."""
    queued = [
        (status.updated_at, run.run_id, run)
        for run, status in runs
        if status.state == "queued" and not started(run)
    ]
    return [run for _, _, run in sorted(queued, key=lambda entry: entry[:2])]


def started(run: RunDirectory) -> bool:
    """Whether a worker was started for the run since it was queued (it may be gone again)."""
    return run.has(RunDirectory.PROCESS)


def position(workspace: Workspace, run_id: str) -> int | None:
    """Place in the queue, 1 = next; None when the run does not wait (any more)."""
    ids = [run.run_id for run in waiting(workspace)]
    return ids.index(run_id) + 1 if run_id in ids else None


def cancel(workspace: Workspace, run_id: str) -> Status:
    """Stop a run; what it saved is kept. A queued one is cancelled at once.

    A running one is asked to stop and has half a minute before the supervisor ends it.

    Raises:
        UsageError: there is no such run.
        RunError: it has already succeeded or failed.
    """
    run = RunDirectory.open(workspace, run_id)
    with transitions(workspace):
        status = run.status()
        if status.state == "cancelled":
            return status
        if status.ended:
            raise RunError(f"Run {run.run_id} has already {status.state}; nothing is left to stop.")
        if status.state == "queued" and not started(run):
            return run.update_status(state="cancelled", error=CANCELLED, finished_at=now())
        run.request_cancel()
        ensure_supervisor(workspace)
        return status


def resume(workspace: Workspace, run_id: str) -> RunDirectory:
    """Queue a failed, killed or cancelled run again; it goes on from its last checkpoint.

    Raises:
        UsageError: there is no such run.
        RunError: it has succeeded, or still runs.
    """
    run = RunDirectory.open(workspace, run_id)
    with transitions(workspace):
        status = run.status()
        if status.state == "succeeded":
            raise RunError(f"Run {run.run_id} has succeeded; there is nothing to resume.")
        if status.state == "running" or (status.state == "queued" and run.process_alive()):
            raise RunError(f"Run {run.run_id} still runs; cancel it first, or wait for its end.")
        if status.state != "queued" or started(run):
            run.clear_cancel()
            (run.path / RunDirectory.PROCESS).unlink(missing_ok=True)
            run.update_status(
                state="queued",
                phase="waiting",
                message="",
                error=None,
                rate=None,
                eta_seconds=None,
                finished_at=None,
            )
            run.event("resumed")
        ensure_supervisor(workspace)
    return run


def ensure_supervisor(workspace: Workspace) -> None:
    """Start the workspace's supervisor unless one is there; returns at once.

    Whoever queues holds the lock of `transitions`, and a supervisor looks at the queue once more
    under that lock before it leaves: a run queued at that moment is not lost.
    """
    with transitions(workspace):
        _children[:] = [child for child in _children if child.poll() is None]  # reap those ended
        if supervisor(workspace) is not None:
            return
        with (workspace.logs / "supervisor.log").open("ab") as file:
            command = [sys.executable, "-P", "-m", "core.jobs.supervisor"]
            child = detached([*command, "--workspace", str(workspace.root)], workspace, file)
        _children.append(child)
        note_supervisor(workspace, child.pid)


def supervisor(workspace: Workspace) -> int | None:
    """The pid of the live supervisor, as noted; None when there is none."""
    try:
        held = json.loads(supervisor_file(workspace).read_text())
    except (OSError, ValueError):
        return None
    return int(held["pid"]) if liveness.alive(held) else None


def supervisor_file(workspace: Workspace) -> Path:
    return workspace.root / "supervisor.json"


def note_supervisor(workspace: Workspace, pid: int | None = None) -> None:
    """Note who the supervisor is."""
    try:
        write_json(supervisor_file(workspace), liveness.identity(pid))
    except psutil.NoSuchProcess:
        log.warning("The supervisor ended at once; see %s", workspace.logs / "supervisor.log")


@contextmanager
def transitions(workspace: Workspace) -> Iterator[None]:
    """The lock under which runs are queued, started, cancelled and resumed; may be nested.

    Raises:
        RunError: another process held it for half a minute.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(
        workspace.root / "jobs.lock", timeout=LOCK_SECONDS, poll_interval=0.01, is_singleton=True
    )
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"The queue of {workspace.root} has been locked for over {LOCK_SECONDS:.0f} s; "
            "try again, or end the process that holds it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _anchored(workspace: Workspace, config: RunConfig) -> RunConfig:
    """The config with relative folders and files made absolute."""
    changes: dict[str, str] = {}
    folder = Path(config.data).expanduser()
    if folder.is_dir() and (folder.is_absolute() or not _registered(workspace, config.data)):
        changes["data"] = str(folder.resolve())
    if config.weights:
        changes["weights"] = str(Path(config.weights).expanduser().resolve())
    return config.model_copy(update=changes)


def _registered(workspace: Workspace, name: str) -> bool:
    """Whether it names a registered data set, which goes before a folder of that name."""
    from core.data.catalogue import registered

    return any(entry.name == name for entry in registered(workspace))
