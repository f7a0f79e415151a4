"""Starts queued runs, notices dead ones, files ended ones in the store; one a workspace.

`python -m core.jobs.supervisor --workspace DIR`. It holds no state that it could not read again
from the run directories, so it may be killed and started at any time: workers that survived it
are recognised by their proc.json. It leaves when nothing is left to do.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from core.errors import RunError
from core.jobs import queue
from core.jobs.launcher import Handle, Launcher, LocalLauncher, signal_worker
from core.runs import GONE, RunDirectory, Status, all_runs
from core.workspace import Workspace, now

TICK_SECONDS = 0.3
IDLE_SECONDS = 20.0
GRACE_SECONDS = 30.0
KILL_AFTER_SECONDS = 5.0
STORE_RETRY_SECONDS = 2.0
STORE_TRIES = 10
STOPPED = "Cancelled on request; what was saved is kept, and it can be resumed."

log = logging.getLogger("flawscope.supervisor")


def device_key(device: str) -> str:
    """What two runs must not share: "cuda" is the first GPU."""
    return "cuda:0" if device == "cuda" else device


def conflict(one: str, other: str) -> bool:
    """Whether runs on these devices must not run at once; "auto" may become any device."""
    return one == other or "auto" in (one, other)


class Statuses:
    """The stored statuses of all runs, read again only when their file changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[str, tuple[tuple[int, int], Status]] = {}
        self._devices: dict[str, str] = {}
        self._complained: set[str] = set()

    def read(self) -> list[tuple[RunDirectory, Status]]:
        """Runs that can be read, with their statuses."""
        found = []
        for run in all_runs(self._workspace):
            try:
                found.append((run, self._status(run)))
            except (RunError, OSError) as error:
                if run.run_id not in self._complained:
                    log.warning("%s It is left alone.", error)
                self._complained.add(run.run_id)
        return found

    def device(self, run: RunDirectory) -> str:
        """Key of the device a run asks for.

        Raises:
            RunError: its config.json cannot be read.
        """
        if run.run_id not in self._devices:
            self._devices[run.run_id] = device_key(run.record().config.device)
        return self._devices[run.run_id]

    def _status(self, run: RunDirectory) -> Status:
        seen = (run.path / RunDirectory.STATUS).stat()
        mark = (seen.st_mtime_ns, seen.st_ino)
        known = self._known.get(run.run_id)
        if known is None or known[0] != mark:
            known = mark, run.stored_status()
            self._known[run.run_id] = known
        return known[1]


class Supervisor:
    """The loop; `tick` is one round of it.

    Args:
        workspace: whose runs to look after.
        launcher: how workers start.
        idle_seconds: how long to stay with nothing to do.
        grace_seconds: how long a run asked to stop may take.
    """

    def __init__(
        self,
        workspace: Workspace,
        launcher: Launcher,
        idle_seconds: float = IDLE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.workspace = workspace
        self.launcher = launcher
        self.idle_seconds = idle_seconds
        self.grace_seconds = grace_seconds
        self._statuses = Statuses(workspace)
        self._handles: dict[str, Handle] = {}
        self._terminated: set[str] = set()
        self._lingering: dict[str, float] = {}
        self._ended: dict[str, str] | None = None
        self._store_tries = 0
        self._store_next = 0.0

    def serve(self) -> None:
        """Run until there has been nothing to do for a while, or the workspace is gone."""
        busy_at = time.monotonic()
        while queue.supervisor(self.workspace) == os.getpid():
            if self.tick() or self._store_due():
                busy_at = time.monotonic()
            self.file_ended()
            if time.monotonic() - busy_at >= self.idle_seconds and self._leave():
                return
            time.sleep(TICK_SECONDS)

    def tick(self) -> bool:
        """Bury the dead, end the overdue, start the next; whether any run is active."""
        for run_id, handle in list(self._handles.items()):
            status = handle.poll()  # reaps the process
            if status is not None:
                log.info("%s: worker %d ended with status %d", run_id, handle.pid, status)
                del self._handles[run_id]
        with queue.transitions(self.workspace):
            runs = self._statuses.read()
            busy = [key for run, status in runs for key in self._look_after(run, status)]
            waiting = queue.in_order(runs)
            for run in waiting:
                key = self._statuses.device(run)
                leaving = run.run_id in self._handles  # its last process has not quite ended
                if not leaving and not any(conflict(key, other) for other in busy):
                    self._start(run)
                busy.append(key)  # a run that must wait is not overtaken on its device, either
        self._note_ended(runs)
        return bool(busy)

    def _look_after(self, run: RunDirectory, status: Status) -> list[str]:
        """The device a started run holds; [] for one that does not run (any more)."""
        if status.ended:
            return self._see_off(run)
        if status.state == "queued" and not queue.started(run):
            return []
        if not run.process_alive():
            self._bury(run)
            return []
        self._end_overdue(run)
        return [self._statuses.device(run)]

    def _see_off(self, run: RunDirectory) -> list[str]:
        """The device of an ended run whose process has not left yet; it gets a while to."""
        if run.run_id not in self._handles:
            self._lingering.pop(run.run_id, None)
            return []
        since = self._lingering.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - since > self.grace_seconds:
            signal_worker(run, signal.SIGKILL)
        return [self._statuses.device(run)]

    def _bury(self, run: RunDirectory) -> None:
        """Write the end of a run whose process is gone, unless it has written it itself."""
        status = run.stored_status()
        if status.ended:
            return
        state, error = "failed", GONE
        if run.cancel_requested():
            state, error = "cancelled", STOPPED
        elif status.state == "queued":
            last = (run.log_tail(2000).strip().splitlines() or ["nothing was said"])[-1][:300]
            error = f"The run's process ended before the run began ({last}); see its log, resume."
        log.warning("%s: %s", run.run_id, error)
        self._close(run, state, error)

    def _close(self, run: RunDirectory, state: str, error: str) -> None:
        run.update_status(state=state, error=error, eta_seconds=None, rate=None, finished_at=now())
        run.event("ended", state=state, error=error)

    def _end_overdue(self, run: RunDirectory) -> None:
        """End a run that was asked to stop and did not: first politely, then for good."""
        try:
            asked = (run.path / RunDirectory.CANCEL).stat().st_mtime
        except FileNotFoundError:
            self._terminated.discard(run.run_id)
            return
        late = time.time() - asked - self.grace_seconds
        if late > KILL_AFTER_SECONDS:
            log.warning("%s: killed, it did not stop when asked", run.run_id)
            signal_worker(run, signal.SIGKILL)
        elif late > 0 and run.run_id not in self._terminated:
            log.warning("%s: terminated, it did not stop when asked", run.run_id)
            self._terminated.add(run.run_id)
            signal_worker(run, signal.SIGTERM)

    def _start(self, run: RunDirectory) -> None:
        try:
            handle = self.launcher.start(self.workspace, run)
        except OSError as error:
            self._close(run, "failed", f"The run's process could not be started: {error}.")
            return
        self._handles[run.run_id] = handle
        log.info("%s: started as process %d", run.run_id, handle.pid)

    def _leave(self) -> bool:
        """Sign off, unless something was queued meanwhile."""
        with queue.transitions(self.workspace):
            if queue.waiting(self.workspace):
                return False
            queue.supervisor_file(self.workspace).unlink(missing_ok=True)
            return True

    # -- the store ------------------------------------------------------------------------------

    def _note_ended(self, runs: list[tuple[RunDirectory, Status]]) -> None:
        ended = {run.run_id: status.updated_at for run, status in runs if status.ended}
        if ended != self._ended:
            self._ended = ended
            self._store_tries = STORE_TRIES
            self._store_next = 0.0

    def _store_due(self) -> bool:
        return self._store_tries > 0

    def file_ended(self) -> None:
        """Bring the store up to date when a run ended, was resumed or removed."""
        if not self._store_due() or time.monotonic() < self._store_next:
            return
        from core.store import ingest

        try:
            ingest.refresh(self.workspace)
            self._store_tries = 0
        except Exception:
            log.exception("The store could not be brought up to date")
            self._store_tries -= 1
            self._store_next = time.monotonic() + STORE_RETRY_SECONDS


def hold_office(workspace: Workspace, patience: float = 5.0) -> FileLock | None:
    """The lock that makes this process the supervisor, or None when another one is.

    A predecessor that has signed off but not yet let go of the lock is waited for.
    """
    lock = FileLock(workspace.root / "supervisor.lock", timeout=0)
    deadline = time.monotonic() + patience
    while True:
        with suppress(Timeout):
            lock.acquire()
            with queue.transitions(workspace):
                queue.note_supervisor(workspace)
            return lock
        held_by_other = queue.supervisor(workspace) not in (None, os.getpid())
        if held_by_other or time.monotonic() > deadline:
            return None
        time.sleep(0.05)


def main(arguments: list[str] | None = None) -> int:
    """Serve a workspace; a second supervisor leaves quietly with status 0."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.supervisor", description=__doc__)
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds to stay idle")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds to stop in")
    given = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    workspace = Workspace.locate(given.workspace)
    lock = hold_office(workspace)
    if lock is None:
        return 0
    signal.signal(signal.SIGTERM, _leave_at_once)
    try:
        log.info("serving %s", workspace.root)
        Supervisor(workspace, LocalLauncher(), given.idle, given.grace).serve()
    finally:
        lock.release()
    return 0


def _leave_at_once(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
