"""A real browser and a real server for tests; see `browser` and `server`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


SKIPPED: list[str] = []
"""Why the browser tests skipped, if they did; said again in the last line of the run."""


def pytest_unconfigure() -> None:
    """The very last line says when nothing was seen in a real browser."""
    if SKIPPED:
        print(f"The browser tests were skipped: {SKIPPED[0]}")


def executable() -> str | None:
    """A Chrome or Chromium of the system; None when there is none."""
    found = [os.environ.get("FLAWSCOPE_BROWSER"), *map(shutil.which, NAMES)]
    return next((path for path in found if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A chromium: the system's, else playwright's own; skips and says so when neither is there."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        except sync_api.Error as error:
            reason = f"no Chrome or Chromium could be started: {str(error).splitlines()[0]}"
            SKIPPED.append(reason)
            pytest.skip(reason)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh window, 1440 x 900, dark; an uncaught error in the page fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors, f"the page raised: {errors}"


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[..., str]]:
    """`server(workspace, script=...)` starts streamlit and returns the address.

    Without `script` it is the dashboard itself. It stops with the module's last test.
    """
    running: list[subprocess.Popen[bytes]] = []

    def start(workspace: Path, script: Path | None = None, cwd: Path | None = None) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = workspace.parent / f"server-{port}.log"
        command = [sys.executable, "-m", "streamlit", "run", str(script or _app()),
                   "--server.port", str(port), "--server.address", "127.0.0.1",
                   "--server.headless", "true", "--browser.gatherUsageStats", "false",
                   "--server.fileWatcherType", "none"]  # fmt: skip
        environment = os.environ | {
            "FLAWSCOPE_WORKSPACE": str(workspace), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with log.open("wb") as out:
            running.append(
                subprocess.Popen(
                    command, env=environment, cwd=cwd or workspace.parent, stdin=subprocess.DEVNULL,
                    stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                )
            )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        _wait(address, running[-1], log)
        return address

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _app() -> Path:
    return ROOT / "dashboard" / "app.py"


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"streamlit ended at once: {log.read_text()[-800:]}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"streamlit did not answer in 60 s: {log.read_text()[-800:]}")
