"""Reports and exports made in the background: a child process writes them, the page watches.

<workspace>/reports/ holds what was made, and beside each, while it is made, a `.job` file that says
which process is at work. Nothing blocks the page; closing it stops nothing.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import liveness
from core.errors import UsageError
from core.workspace import Workspace, write_json

ROOT = Path(__file__).resolve().parents[1]
NAME = re.compile(r"[\w.-]+\.(html|zip)")
PATIENCE = 2.0
"""Seconds a stopped process has to end by itself."""
TELLING = ("report", "export")
"""Commands that say how far they are."""
KINDS = {".html": "report", ".zip": "archive"}


@dataclass(frozen=True, slots=True)
class Made:
    """A finished file: its name, size in bytes and time (seconds since 1970)."""

    name: str
    size: int
    at: float

    @property
    def kind(self) -> str:
        return KINDS[Path(self.name).suffix]


@dataclass(frozen=True, slots=True)
class Job:
    """A file being made, or one that failed.

    Attributes:
        share, words: how far it is, 0 to 1, and what it does; None where that is not known.
        error: why it failed; "" while it is at work.
    """

    name: str
    what: str
    began: float
    error: str = ""
    share: float | None = None
    words: str = ""

    def left(self, at: float) -> float | None:
        """Seconds until it ends, judged by its progress; None before that can be told."""
        passed = at - self.began
        if self.share is None or self.share < 0.03 or passed < 2:
            return None
        return passed * (1 - self.share) / self.share


def folder(workspace: Workspace) -> Path:
    """Where reports and archives lie."""
    place = workspace.root / "reports"
    place.mkdir(parents=True, exist_ok=True)
    return place


def start(workspace: Workspace, arguments: list[str], name: str, what: str) -> str:
    """Begin `python -m core <arguments> --out <name>`; returns the file's name.

    Args:
        what: what is made, in words, for the page.

    Raises:
        UsageError: the name is not one of ours.
    """
    target = _path(workspace, name)
    job = target.with_suffix(f"{target.suffix}.job")
    log = workspace.logs / f"{name}.log"
    command = [sys.executable, "-m", "core", *arguments, "--out", str(target),
               "--workspace", str(workspace.root), "--json"]  # fmt: skip
    if arguments[0] in TELLING:
        command += ["--progress", str(_aside(target))]
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    _CHILDREN[name] = child
    held = {"process": liveness.identity(child.pid), "what": what, "began": time.time()}
    write_json(job, held)
    return name


_CHILDREN: dict[str, subprocess.Popen[bytes]] = {}


def jobs(workspace: Workspace) -> list[Job]:
    """What is being made, and what failed; finished ones are cleared away."""
    found = []
    for path in sorted(folder(workspace).glob("*.job")):
        name = path.name.removesuffix(".job")
        try:
            held = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        child = _CHILDREN.get(name)
        ended = child.poll() is not None if child else not liveness.alive(held["process"])
        if ended and (path.parent / name).exists():
            path.unlink(missing_ok=True)
            _aside(path.parent / name).unlink(missing_ok=True)
            _CHILDREN.pop(name, None)
            continue
        error = _why(workspace.logs / f"{name}.log") if ended else ""
        share, words = _progress(path.parent / name)
        found.append(Job(name, str(held["what"]), float(held["began"]), error, share, words))
    return found


def _aside(target: Path) -> Path:
    """Where the child says how far it is; `stop` clears it away with what is half-written."""
    return target.with_name(f".{target.name}.progress")


def _progress(target: Path) -> tuple[float | None, str]:
    try:
        held = json.loads(_aside(target).read_text())
        return min(1.0, max(0.0, float(held["share"]))), str(held["words"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, ""


def _why(log: Path) -> str:
    """The sentence a failed child left, from its last JSON line."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in reversed(lines):
        if line.startswith('{"error"'):
            return str(json.loads(line)["error"])
    return f"It ended without a result; the log {log.name} has the details."


def stop(workspace: Workspace, name: str) -> None:
    """End a job, or take a failed one off the list; nothing half-written stays."""
    job = _path(workspace, name).with_name(f"{name}.job")
    try:
        process = json.loads(job.read_text())["process"]
        if liveness.alive(process):
            os.killpg(int(process["pid"]), signal.SIGTERM)
        _gone(name, process)
    except (OSError, ValueError, KeyError):
        pass
    _CHILDREN.pop(name, None)
    job.unlink(missing_ok=True)
    for part in folder(workspace).glob(f".{name}.*"):
        part.unlink(missing_ok=True)


def _gone(name: str, process: dict[str, Any]) -> None:
    """Wait for a process told to end, and end it the hard way when it does not listen."""
    child, deadline = _CHILDREN.get(name), time.monotonic() + PATIENCE
    while (child.poll() is None) if child else liveness.alive(process):
        if time.monotonic() > deadline:
            os.killpg(int(process["pid"]), signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.02)


def made(workspace: Workspace) -> list[Made]:
    """Finished files, the latest first."""
    files = [path for path in folder(workspace).iterdir() if NAME.fullmatch(path.name)]
    facts = [(path.name, path.stat()) for path in files]
    found = [Made(name, stat.st_size, stat.st_mtime) for name, stat in facts]
    return sorted(found, key=lambda one: one.at, reverse=True)


def content(workspace: Workspace, name: str) -> bytes:
    """A finished file. Raises UsageError, OSError."""
    return _path(workspace, name).read_bytes()


def remove(workspace: Workspace, name: str) -> None:
    """Delete a finished file; it can be made again."""
    _path(workspace, name).unlink(missing_ok=True)


def _path(workspace: Workspace, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no report or archive.")
    return folder(workspace) / name
