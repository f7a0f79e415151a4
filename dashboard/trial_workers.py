"""The processes that try images, as the dashboard sees them: at most two, one a run.

A worker (`python -m core try-worker RUN`) has a session of its own, reads requests on its standard
input and ends when that closes, so none outlives the dashboard for long; it also ends by itself
when idle. Nothing here waits for an answer: pages read the files that the worker writes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from core import liveness
from core.errors import RunError
from core.jobs.launcher import ROOT
from core.trials import Trial
from core.workspace import Workspace, write_json

MOST = 2
COMMAND = (sys.executable, "-P", "-m", "core", "try-worker")
BUSY = "Two other runs are being tried at the moment; this one follows when one of them is done."


class Busy(RunError):
    """Every worker has something to do for another run."""


class Worker:
    """One process and what it still owes.

    Args:
        command: what to start; the run's id and --workspace follow.
    """

    def __init__(self, workspace: Workspace, run_id: str, command: Sequence[str] = COMMAND) -> None:
        self.run_id = run_id
        self._owed = 0
        self._lock = threading.Lock()
        paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        log = workspace.logs / "try.log"
        with suppress(OSError):
            if log.stat().st_size > 2_000_000:
                log.unlink()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, run_id, "--workspace", str(workspace.root)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=workspace.root,
                env=environment, start_new_session=True,
            )  # fmt: skip
        self.identity = liveness.identity(self._process.pid)
        threading.Thread(target=self._listen, daemon=True, name="try-worker").start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                if "did" in json.loads(line) or "do" in json.loads(line):
                    with self._lock:
                        self._owed = max(0, self._owed - 1)
        self._process.wait()

    @property
    def alive(self) -> bool:
        """As a trial's status sees it: a process that is dying takes no more requests, although it
        may not have been waited for yet."""
        return self._process.poll() is None and liveness.alive(self.identity)

    @property
    def busy(self) -> bool:
        """Whether it still owes an answer."""
        return self.alive and self._owed > 0

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request.

        Raises:
            BrokenPipeError, ValueError: the process has ended.
        """
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write((json.dumps(request) + "\n").encode())
            self._process.stdin.flush()
            self._owed += 1

    def end(self) -> None:
        """Let it finish what it does, then end."""
        with suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(10)


class Workers:
    """The workers of one workspace; safe to use from several sessions at once."""

    def __init__(self, workspace: Workspace, command: Sequence[str] = COMMAND) -> None:
        self._workspace = workspace
        self._command = tuple(command)
        self._held: OrderedDict[str, Worker] = OrderedDict()
        self._lock = threading.Lock()

    def try_(self, trial: Trial) -> None:
        """Let a queued trial be carried out.

        Raises:
            Busy: not now; ask again later.
            RunError: the process cannot be started.
        """

        def note(worker: Worker) -> None:
            trial.update(state="queued", process=worker.identity)

        self._send(trial.request().run_id, {"do": "try", "trial": trial.id}, note)

    def compare(self, trial: Trial, row: int) -> None:
        """Let the hottest spot of an image be compared with normal ones. Raises as `try_`."""

        def note(worker: Worker) -> None:
            waiting = {"state": "working", "share": 0.0, "message": "waiting"}
            write_json(trial.spot_file(row), waiting | {"process": worker.identity})

        asked = {"do": "compare", "trial": trial.id, "row": row}
        self._send(trial.request().run_id, asked, note)

    def alive(self) -> list[str]:
        """Runs whose worker lives."""
        return [run_id for run_id, worker in self._held.items() if worker.alive]

    def close(self) -> None:
        """Let all end."""
        with self._lock:
            for worker in self._held.values():
                worker.end()
            self._held.clear()

    def of(self, run_id: str) -> Worker | None:
        """The live worker of a run."""
        worker = self._held.get(run_id)
        return worker if worker is not None and worker.alive else None

    def _send(self, run_id: str, request: dict[str, Any], note: Callable[[Worker], None]) -> None:
        """Ask the run's worker once `note` knows which one; a new one if it just ended."""
        with self._lock:
            for _ in range(2):
                worker = self._worker(run_id)
                note(worker)
                try:
                    worker.ask(request)
                    return
                except (OSError, ValueError):
                    self._held.pop(run_id, None)
        raise RunError("The process that tries images ends at once; logs/try.log says why.")

    def _worker(self, run_id: str) -> Worker:
        """The run's live worker, or a new one in place of an idle one of another run."""
        for other, worker in list(self._held.items()):
            if not worker.alive:
                del self._held[other]
        if run_id in self._held:
            self._held.move_to_end(run_id)
            return self._held[run_id]
        while len(self._held) >= MOST:
            idle = next((name for name, one in self._held.items() if not one.busy), None)
            if idle is None:
                raise Busy(BUSY)
            self._held.pop(idle).end()
        try:
            worker = Worker(self._workspace, run_id, self._command)
        except OSError as error:
            raise RunError(
                f"The process that tries images cannot be started ({error.strerror or error}); "
                "close other programs and try again."
            ) from error
        self._held[run_id] = worker
        return worker
