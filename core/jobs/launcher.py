"""How a queued run becomes a process. Here: a local one; a cluster is another `Launcher`.

The worker gets a session of its own, so that neither Ctrl-C nor the end of who started it
reaches it; what it prints goes to the run's log.txt.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import psutil

from core import liveness
from core.runs import RunDirectory
from core.workspace import Workspace, write_json

ROOT = Path(__file__).resolve().parents[2]
COMMAND_VARIABLE = "FLAWSCOPE_WORKER"
"""A command to use in place of `python -P -m core work`; the run's id and --workspace follow."""


class Handle(Protocol):
    """A started worker."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""


class Launcher(Protocol):
    """Starts workers."""

    def start(self, workspace: Workspace, run: RunDirectory) -> Handle:
        """Start the worker of a queued run and note it in the run's proc.json.

        Raises:
            OSError: it cannot be started.
        """


class LocalLauncher:
    """Workers as processes of this machine.

    Args:
        command: what to run instead of this project's own worker; see COMMAND_VARIABLE.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        given = shlex.split(os.environ.get(COMMAND_VARIABLE, ""))
        self.command = list(command or given or [sys.executable, "-P", "-m", "core", "work"])

    def start(self, workspace: Workspace, run: RunDirectory) -> subprocess.Popen[bytes]:
        with (run.path / RunDirectory.LOG).open("ab") as log:
            worker = detached(
                [*self.command, run.run_id, "--workspace", str(workspace.root)], workspace, log
            )
        # The worker writes the same itself once it runs; until then this keeps another
        # supervisor from starting the run a second time.
        with suppress(psutil.NoSuchProcess):
            device = run.record().config.device
            note = liveness.identity(worker.pid) | {"device": device}
            write_json(run.path / RunDirectory.PROCESS, note)
        return worker


def detached(
    command: Sequence[str], workspace: Workspace, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that can import `core`, output to `log`."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=workspace.root,
        env=_environment(os.environ),
        start_new_session=True,
    )


def _environment(present: Mapping[str, str]) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, present.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        # OpenMP threads that wait spin long by default. Spinning for a shorter while costs next
        # to nothing on a quiet machine and beside busy processes made an RD step 1.3 to 1.8 times
        # faster on two cores; never spinning (OMP_WAIT_POLICY=PASSIVE) cost 70 % when quiet.
        "GOMP_SPINCOUNT": "100000",
        **present,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }


def signal_worker(run: RunDirectory, number: signal.Signals) -> bool:
    """Send a signal to a run's live worker and all it started; whether it could be sent.

    A worker that leads no group of its own is signalled alone.
    """
    try:
        held = json.loads((run.path / RunDirectory.PROCESS).read_text())
    except (OSError, ValueError):
        return False
    if held.get("host") != socket.gethostname() or not liveness.alive(held):
        return False
    pid = int(held["pid"])
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
