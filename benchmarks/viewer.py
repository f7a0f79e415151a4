"""How quickly the viewer draws, in a real browser, on cases of 1024 x 1024 with 2 and 3 heat maps.

    python benchmarks/viewer.py [--rounds 8]

Measured in the browser, from a key press to the frame on screen:
    first paint    a case that was never sent: the server encodes it, the browser decodes and draws
    next case      a case that was sent ahead while the present one was looked at
    slider frame   the threshold dragged over its whole range with outline and fill, then outline
                   alone: time between two frames
    payload        bytes of the message of one case
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from tests.browser.conftest import ARGUMENTS, executable  # noqa: E402

PACKAGES = ("streamlit", "numpy", "pillow", "playwright")
REACH = {"first paint": 300, "next case": 150, "slider frame": 50}

PRESS = """async () => {
  // milliseconds from the right arrow key until the next case is on screen
  const root = flawscopeViewerRoot(), before = root.dataset.case, began = performance.now();
  document.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
  await new Promise((done) => {
    const seen = new MutationObserver(() => {
      if (root.dataset.case === before) return;
      seen.disconnect();
      setTimeout(done);
    });
    seen.observe(root, { attributes: true, attributeFilter: ['data-case'] });
  });
  return [performance.now() - began, Number(root.dataset.ready)];
}"""
DRAG = """async (steps) => {
  // milliseconds between frames while the threshold is dragged there and back
  const slider = flawscopeViewerRoot().querySelector('#threshold'), gaps = [];
  let before = await new Promise(requestAnimationFrame);
  for (let i = 0; i < steps; i++) {
    slider.value = 150 + 750 * Math.abs(1 - 2 * i / steps);
    slider.dispatchEvent(new Event('input'));
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - before);
    before = now;
  }
  return gaps.slice(2);
}"""
FIND = """globalThis.flawscopeViewerRoot = () => [...document.querySelectorAll('*')]
  .map((one) => one.shadowRoot?.querySelector('.viewer')).find(Boolean)"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of viewer_page.py on a server of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = ROOT / "benchmarks" / "viewer_page.py"
    command = [sys.executable, "-m", "streamlit", "run", str(script),
               "--server.port", str(port), "--server.address", "127.0.0.1",
               "--server.headless", "true", "--server.fileWatcherType", "none",
               "--browser.gatherUsageStats", "false"]  # fmt: skip
    environment = os.environ | {"FLAWSCOPE_WORKSPACE": str(folder), "PYTHONPATH": str(ROOT)}
    with (folder / "server.log").open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def opened(browser: Any, address: str, panes: int, ahead: int) -> tuple[Any, list[int]]:
    """A window on the page, everything sent; and the bytes of each message that came since."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    sizes: list[int] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(len(data)))
    )
    page.add_init_script(FIND)
    page.goto(f"{address}/?panes={panes}&ahead={ahead}")
    page.locator(".viewer[data-ready]").wait_for(timeout=120_000)
    page.get_by_text("all sent at 0;").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    return page, sizes


def rows_of(what: str, panes: int, values: list[float]) -> dict[str, Any]:
    ordered = sorted(values)
    return {
        "what": what,
        "panes": panes,
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))], 1),
        "times": len(ordered),
    }


def measure(browser: Any, address: str, panes: int, rounds: int) -> list[dict[str, Any]]:
    rows = []
    page, sizes = opened(browser, address, panes, ahead=0)
    page.locator(".settings section").first.hover()
    firsts, drawn, encoded, kilobytes = [], [], [], []
    for at in range(1, rounds + 1):
        sizes.clear()
        whole, in_browser = page.evaluate(PRESS)
        firsts.append(whole)
        drawn.append(in_browser)
        told = page.get_by_text(f"server at {at},")
        told.wait_for()
        encoded.append(float(told.inner_text().split("encoded in ")[1].split()[0]))
        page.get_by_text(f"all sent at {at};").wait_for()
        page.wait_for_timeout(300)
        kilobytes.append(max(sizes) / 1e3)
    rows.append(rows_of("first paint", panes, firsts))
    rows.append(rows_of("first paint, of it on the server", panes, encoded))
    rows.append(rows_of("first paint, of it decoding and drawing", panes, drawn))
    rows.append({"what": "payload", "panes": panes, "kB": round(statistics.median(kilobytes))})
    for style in ("both", "outline"):
        page.locator(f"[data-do=regions][data-value={style}]").click()
        page.evaluate(DRAG, 20)
        rows.append(rows_of(f"slider frame, {style}", panes, page.evaluate(DRAG, 120)))
    page.context.close()
    page, _ = opened(browser, address, panes, ahead=1)
    page.locator(".settings section").first.hover()
    nexts = []
    for at in range(1, rounds + 1):
        nexts.append(page.evaluate(PRESS)[0])
        page.get_by_text(f"all sent at {at};").wait_for()
        page.wait_for_timeout(700)
    page.context.close()
    return [*rows, rows_of("next case", panes, nexts)]


def checks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for row in rows:
        name = next((name for name in REACH if row["what"] in (name, f"{name}, both")), None)
        if name is not None:
            reach, value = REACH[name], row["median_ms"]
            words = f"{row['what']}, 1024 x 1024, {row['panes']} heat maps, ms (median)"
            made.append(report.check(words, value, f"<= {reach} ms", value <= reach))
    return made


def main() -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address,
        sync_playwright() as playwright,
    ):  # fmt: skip
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        rows = [row for panes in (2, 3) for row in measure(browser, address, panes, given.rounds)]
        browser.close()
    made = checks(rows)
    target = report.write(__file__, PACKAGES, rows, made)
    for entry in (*rows, *made):
        print(entry)
    print(target)
    return 0 if all(entry["met"] for entry in made) else 1


if __name__ == "__main__":
    raise SystemExit(main())
