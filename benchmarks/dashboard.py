"""How quickly the pages answer, in a real browser, on a large store.

    python benchmarks/dashboard.py [--workspace DIR] [--rounds 5]

The store (`dashboard_store.py`): 200 runs, 1,000,000 cases, 20 classes. Measured on one server:
    fresh       a browser that was never here opens the first page: streamlit's own scripts, too
    opened      the page's address in a new tab: from the request until the page is ready
    switched    a click in the sidebar of an open window: until the page is ready
    filtered    another option of a picker: until the address has changed and the page is ready
A page is ready when its first sentence (or table) is there, the script has ended and nothing is
stale. The first visit of each page after the server's start is reported beside the median of the
later ones. Memory is that of the server process, before and after ten more windows; ten windows
then visit every page at once.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from benchmarks import report  # noqa: E402
from benchmarks.dashboard_store import make  # noqa: E402
from tests.browser.conftest import ARGUMENTS, executable  # noqa: E402

PACKAGES = ("streamlit", "plotly", "duckdb", "pandas", "pyarrow", "playwright")
PAGES = {
    "overview": "Overview", "data_sets": "Data sets", "methods": "Methods", "jobs": "Jobs",
    "leaderboard": "Leaderboard", "run": "Run", "classes": "By class", "failures": "Failures",
    "inspect": "Inspect", "operating": "Threshold", "compare": "Compare", "try_it": "Try it",
    "report": "Report",
}  # fmt: skip
FILTERS = {"leaderboard": "Rank by", "failures": "Class", "inspect": "Class", "classes": "Metric",
           "operating": "Class"}  # fmt: skip
READY = """() => {
  const main = document.querySelector('.stMain');
  if (!main || !main.querySelector('h1')) return false;
  if (document.querySelector('[data-testid="stStatusWidget"]')) return false;
  if (main.querySelector('[data-stale="true"], [data-testid="stSpinner"]')) return false;
  return !!main.querySelector('.fs-finding, .fs-table, .fs-empty, form');
}"""
REACH = {"page": 1.5, "filter": 0.5, "memory": 150.0}


class Server:
    """The dashboard on a free port; its memory counts all its child processes."""

    def __init__(self, workspace: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = workspace / "benchmark-server.log"
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"),
                   "--server.port", str(self.port), "--server.fileWatcherType", "none"]  # fmt: skip
        environment = os.environ | {"FLAWSCOPE_WORKSPACE": str(workspace)}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"The server did not start; see {self.log}.")

    def memory(self) -> float:
        """Resident MB of the server."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def ready(page: Any) -> None:
    page.wait_for_function(READY, timeout=120_000, polling=20)


def window(browser: Any) -> Any:
    """A browser profile of its own, with nothing cached yet."""
    return browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")


def opened(context: Any, address: str) -> float:
    """Seconds from asking for an address in a new tab until the page is ready."""
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address)
    ready(page)
    seconds = time.perf_counter() - began
    page.close()
    return seconds


def fresh(browser: Any, address: str) -> float:
    """The same in a profile that has nothing cached."""
    context = window(browser)
    seconds = opened(context, address)
    context.close()
    return seconds


def switched(page: Any, title: str) -> float:
    """Seconds from a click in the sidebar until the page is ready."""
    began = time.perf_counter()
    page.get_by_role("link", name=title, exact=True).first.click()
    page.wait_for_function(
        "title => document.querySelector('.stMain h1')?.textContent.trim() === title",
        arg=title, timeout=120_000, polling=20,
    )  # fmt: skip
    ready(page)
    return time.perf_counter() - began


def filtered(page: Any, label: str, step: int) -> float:
    """Seconds from choosing another option of a picker until the page is ready."""
    picker = page.locator(f'.st-key-fs-filters [aria-label*="{label}"]').first
    picker.click()
    options = page.get_by_role("option")
    options.first.wait_for()
    before, wanted = page.url, options.nth(1 + step % (options.count() - 1))
    began = time.perf_counter()
    wanted.click()
    page.wait_for_function("before => location.href !== before", arg=before, polling=10)
    ready(page)
    return time.perf_counter() - began


def all_at_once(browser: Any, address: str, sessions: int = 10) -> dict[str, Any]:
    """Ten windows ask for every page at once; how long, and whether anything went wrong."""
    context = window(browser)
    pages = [context.new_page() for _ in range(sessions)]
    errors: list[str] = []
    for page in pages:
        page.on("pageerror", lambda error: errors.append(str(error)))
    names, slowest = list(PAGES), 0.0
    for round_ in range(3):
        began = time.perf_counter()
        for i, page in enumerate(pages):
            page.goto(f"{address}/{names[(i + 4 * round_) % len(names)]}", wait_until="commit")
        for page in pages:
            ready(page)
            if page.locator(".fs-failure").count():
                errors.append(page.locator(".fs-failure").first.inner_text())
        slowest = max(slowest, time.perf_counter() - began)
    context.close()
    return {"what": "ten windows at once", "seconds": round(slowest, 2), "errors": errors}


def measure(workspace: Path, rounds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from playwright.sync_api import sync_playwright

    server = Server(workspace)
    rows: list[dict[str, Any]] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
            first = [fresh(browser, server.address) for _ in range(rounds + 1)]
            rows.append(row("fresh", "overview", first))
            context = window(browser)
            for url in PAGES:
                address = server.address + ("/" if url == "overview" else f"/{url}")
                times = [opened(context, address) for _ in range(rounds + 1)]
                rows.append(row("opened", url, times))
            page = context.new_page()
            page.goto(server.address)
            ready(page)
            visits: dict[str, list[float]] = {url: [] for url in PAGES}
            for _ in range(rounds + 1):
                for url, title in PAGES.items():
                    visits[url].append(switched(page, title))
            rows += [row("switched", url, times) for url, times in visits.items()]
            for url, label in FILTERS.items():
                switched(page, PAGES[url])
                rows.append(
                    row("filtered", url, [filtered(page, label, n) for n in range(rounds + 1)])
                )
            before = server.memory()
            others = window(browser)
            tabs = [others.new_page() for _ in range(10)]
            for i, tab in enumerate(tabs):
                for url in list(PAGES)[i % 3 :: 3]:
                    tab.goto(f"{server.address}/{'' if url == 'overview' else url}")
                    ready(tab)
            grown = (server.memory() - before) / len(tabs)
            rows.append(
                {"what": "memory", "server_mb": round(before), "a_session_mb": round(grown, 1)}
            )
            others.close()
            rows.append(all_at_once(browser, server.address))
            browser.close()
    finally:
        server.stop()
    return rows, checks(rows)


def row(what: str, page: str, times: list[float]) -> dict[str, Any]:
    later = times[1:]
    found = {
        "what": what, "page": page, "first": round(times[0], 2),
        "median": round(statistics.median(later), 2), "slowest": round(max(later), 2),
    }  # fmt: skip
    print(found, flush=True)
    return found


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for what, reach in (("switched", "page"), ("opened", "page"), ("filtered", "filter")):
        mine = [r for r in rows if r["what"] == what]
        worst = max(mine, key=lambda r: r["median"])
        words = f"slowest page {what} (median): {worst['page']}"
        limit = REACH[reach]
        made.append(report.check(words, worst["median"], f"<= {limit} s", worst["median"] <= limit))
    memory = next(r for r in rows if r["what"] == "memory")["a_session_mb"]
    made.append(
        report.check("server memory a session, MB", memory, "<= 150", memory <= REACH["memory"])
    )
    errors = next(r for r in rows if r["what"] == "ten windows at once")["errors"]
    made.append(report.check("errors of ten windows at once", len(errors), "0", not errors))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=ROOT / "build" / "dashboard")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    given.workspace.mkdir(parents=True, exist_ok=True)
    workspace = make(given.workspace.resolve())
    rows, made = measure(workspace.root, given.rounds)
    target = report.write(__file__, PACKAGES, rows, made)
    for entry in made:
        print(entry)
    print(target)
    return 0 if all(entry["met"] for entry in made) else 1


if __name__ == "__main__":
    raise SystemExit(main())
