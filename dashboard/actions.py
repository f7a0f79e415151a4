"""What a person sets going from the Prepare pages: data sets added, runs queued, time measured.

Every function raises only `Refused`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st

from core import demo
from core.config import RunConfig
from core.data import catalogue, manifest, uploads
from core.data.importing import bring
from core.errors import FlawscopeError, UsageError
from core.jobs import queue
from core.listing import HERE
from core.runs import RunDirectory
from dashboard.queries import DEMO, workspace

MEASURE_SECONDS = 600.0
Refused = FlawscopeError
"""What every action raises; its text is the sentence to show."""


def free_to_use(name: str) -> str:
    """A name that a new data set may have."""
    wanted = catalogue.check_name(name)
    if any(entry.name == wanted for entry in catalogue.registered(workspace())):
        raise UsageError(f"There is a data set {wanted!r} already; choose another name.")
    return wanted


def discard_upload(source: Path) -> None:
    """Remove the upload a source belongs to, unless a data set was made of it."""
    held = uploads.home(workspace())
    if not source.is_relative_to(held):
        return
    top = held / source.relative_to(held).parts[0] if source != held else held
    if not any(path.is_relative_to(top) for path in places()):
        uploads.discard(workspace(), source)


def places() -> list[Path]:
    """Folders of the registered data sets, and those that imported ones were made from."""
    found = []
    for entry in catalogue.registered(workspace()):
        found.append(entry.path)
        if manifest.is_manifest(entry.path):
            with suppress(FlawscopeError):
                found.append(Path(manifest.told(entry.path).source))
    return found


def importing_again(name: str) -> Callable[[Callable[[float, str], None]], None]:
    """Work that imports a data set anew from what it was made of; see `dashboard.later.begin`."""
    place = workspace()

    def work(tell: Callable[[float, str], None]) -> None:
        bring.bring_again(place, name, tell=tell)

    return work


def remove_data(name: str) -> None:
    """Take a data set off the list; its files stay."""
    catalogue.remove_dataset(workspace(), name)


def make_demo_data() -> None:
    """Generate the demo data set (some seconds); does nothing when it is there."""
    catalogue.open_dataset(DEMO, workspace())


def run_demo() -> list[str]:
    """Queue the demo's runs; their ids."""
    return [run.run_id for run in demo.submit(workspace())]


def submit(configs: Sequence[RunConfig]) -> list[str]:
    """Queue runs in this order; their ids."""
    return [queue.submit(workspace(), config).run_id for config in configs]


def cancel(run_id: str) -> None:
    queue.cancel(workspace(), run_id)


def resume(run_id: str) -> None:
    queue.resume(workspace(), run_id)


def events(run_id: str) -> list[dict[str, Any]]:
    """The events of a run so far."""
    return RunDirectory(workspace().runs / run_id).events()


def log_tail(run_id: str) -> str:
    """The end of a run's log."""
    return RunDirectory(workspace().runs / run_id).log_tail()


def measure(config: RunConfig) -> dict[str, Any]:
    """Probe how long a run would take here, in a process of its own: {"seconds", "basis"}.

    Leaving the page ends the probe.
    """
    command = [
        sys.executable, "-m", "core", "estimate", "--json", "--data", config.data,
        "--method", config.method, "--setting", config.setting, "--size", str(config.size),
        "--device", config.device, "--preset", config.preset, "--backbone", config.backbone,
        "--workspace", str(workspace().root),
    ]  # fmt: skip
    more = {
        "--classes": ",".join(config.classes), "--epochs": config.epochs,
        "--batch-size": config.batch_size, "--weights": config.weights,
    }  # fmt: skip
    for option, value in more.items():
        command += [option, str(value)] if value else []
    for key, value in config.method_config.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    with _child(command) as child:
        began = time.monotonic()
        slot = st.empty()
        while child.poll() is None:
            elapsed = time.monotonic() - began
            if elapsed > MEASURE_SECONDS:
                raise FlawscopeError("Measuring took over ten minutes; queue the run to find out.")
            slot.caption(f"Measuring for {elapsed:.0f} s …")  # also notices a closed page
            time.sleep(0.5)
        slot.empty()
        said, complaint = child.communicate()
    if child.returncode != 0:
        last = (complaint.strip().splitlines() or ["no reason was given"])[-1]
        raise FlawscopeError(f"The time could not be measured: {last}")
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


@contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
