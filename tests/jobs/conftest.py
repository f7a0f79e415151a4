"""A workspace for the queue's tests; see `fake_worker`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_worker import WORKER, kill_supervisor, process_of

from core.jobs import launcher
from core.runs import RunDirectory
from core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose workers are fakes; whatever still runs at the end is killed."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    command = shlex.join([sys.executable, str(script)])
    monkeypatch.setenv(launcher.COMMAND_VARIABLE, command)
    place = Workspace(tmp_path / "ws")
    yield place
    kill_supervisor(place)
    for folder in place.runs.iterdir():
        run = RunDirectory(folder)
        if run.has(RunDirectory.PROCESS) and process_of(run).get("pid") != os.getpid():
            launcher.signal_worker(run, signal.SIGKILL)
