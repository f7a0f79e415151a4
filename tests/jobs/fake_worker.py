"""A worker that keeps the contract of the real one but computes nothing, and its supervisors.

What it does stands in the run's `method_config`: {"does": "finish" | "hang" | "ignore" | "die" |
"linger"}.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.config import RunConfig
from core.jobs import queue
from core.runs import RunDirectory
from core.workspace import Workspace

ROOT = Path(__file__).parents[2]

WORKER = """
import os, signal, sys, time
from core.runs import RunDirectory
from core.workspace import Workspace, now

place = Workspace.locate(sys.argv[3])
run = RunDirectory.open(place, sys.argv[1])
settings = run.record().config.method_config
if settings["does"] == "die":
    sys.exit("ImportError: no module named nothing")
run.claim(run.record().config.device)
run.update_status(state="running", started_at=now())
run.event("began", pid=os.getpid())
if settings["does"] == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
deadline = time.monotonic() + (60 if settings["does"] in ("hang", "ignore") else 0.15)
while time.monotonic() < deadline:
    if run.cancel_requested() and settings["does"] != "ignore":
        run.update_status(state="cancelled", finished_at=now())
        sys.exit(1)
    time.sleep(0.02)
run.event("finished")
run.update_status(state="succeeded", progress=1.0, finished_at=now())
if settings["does"] == "linger":
    time.sleep(60)
"""


def kill_supervisor(workspace: Workspace) -> None:
    pid = queue.supervisor(workspace)
    if pid is not None and pid != os.getpid():
        os.kill(pid, signal.SIGKILL)
        until(lambda: queue.supervisor(workspace) is None)


def asked(does: str = "finish", **values: Any) -> RunConfig:
    return RunConfig(data="demo", method="fake", method_config={"does": does}, **values)


def queued(workspace: Workspace, does: str = "finish", **values: Any) -> RunDirectory:
    """A queued run, without a supervisor being started."""
    run = RunDirectory.create(workspace, asked(does, **values))
    time.sleep(0.002)
    return run


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until something is so; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def process_of(run: RunDirectory) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((run.path / RunDirectory.PROCESS).read_text())
    return held


def supervise(workspace: Workspace, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "core.jobs.supervisor", "--workspace", workspace.root, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
