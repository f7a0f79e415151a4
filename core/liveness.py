"""Whether a process noted earlier still runs.

A pid alone does not tell: it may be a zombie or belong to another process by now. The start
time beside it does.
"""

from __future__ import annotations

import socket
from typing import Any

import psutil

CLOCK_TOLERANCE_SECONDS = 0.05


def identity(pid: int | None = None) -> dict[str, Any]:
    """A process of this host (default: the present one) as plain data: {"pid", "started", "host"}.

    Raises:
        psutil.NoSuchProcess: there is no such process.
    """
    process = psutil.Process(pid)
    return {"pid": process.pid, "started": process.create_time(), "host": socket.gethostname()}


def alive(held: dict[str, Any]) -> bool:
    """Whether the process of an `identity` still runs: same pid and start time, no zombie.

    A process on another host cannot be seen from here and counts as alive.
    """
    if held.get("host") != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(held["pid"]))
        same = abs(process.create_time() - float(held["started"])) < CLOCK_TOLERANCE_SECONDS
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, ValueError, TypeError):
        return False
