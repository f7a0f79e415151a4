"""The whole job in a real browser: add data, start runs, watch, rank, open a case, move the
threshold, come back by the link. With $FLAWSCOPE_SHOTS set to a folder, pictures land there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data import demo
from core.runs import all_runs
from core.workspace import Workspace

pytestmark = pytest.mark.browser
PATIENCE_MS = 240_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job")
    demo.generate(root / "parts", train=16, test=10)
    return root


def shot(page: Any, name: str) -> None:
    folder = os.environ.get("FLAWSCOPE_SHOTS")
    if folder:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def expect_text(page: Any, text: str, timeout: int = 30_000) -> None:
    page.get_by_text(text).first.wait_for(timeout=timeout)


def test_the_whole_job(page: Any, server: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    address = server(folder / "workspace", cwd=tmp_path)
    page.set_default_timeout(30_000)

    page.goto(address)
    expect_text(page, "Run the demo")
    shot(page, "overview-empty")

    page.goto(f"{address}/data_sets")
    page.get_by_role("button", name="Add a data set").click()
    page.get_by_role("textbox", name="Folder or file").fill(str(folder / "parts"))
    page.get_by_role("textbox", name="Folder or file").press("Enter")
    page.get_by_role("button", name="Look inside").click()
    page.get_by_role("button", name="Make the data set").click()
    expect_text(page, "parts is ready")
    expect_text(page, "circuit board")
    shot(page, "data-sets")

    page.goto(f"{address}/new_run?data=parts&method=patchcore&method=rd")
    page.get_by_role("spinbutton", name="Epochs").fill("2")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    page.get_by_role("button", name="Queue 2 runs").click()

    page.wait_for_url("**/jobs*")
    expect_text(page, "PatchCore")
    shot(page, "jobs-running")
    expect_text(page, "Nothing runs.", PATIENCE_MS)
    assert page.get_by_text("done", exact=True).count() == 2
    shot(page, "jobs-done")

    page.goto(f"{address}/leaderboard")
    expect_text(page, "Image AUROC")
    for title in ("PatchCore", "RD"):  # rows of the table, which lies in a component
        page.locator("table").get_by_text(title, exact=True).first.wait_for()
    assert "Traceback" not in page.inner_text('[data-testid="stMain"]')
    shot(page, "leaderboard")

    ids = {
        run.record().config.method: run.run_id for run in all_runs(Workspace(folder / "workspace"))
    }
    flawed = f"{address}/inspect?run={ids['patchcore']}&class=circuit_board"
    page.goto(f"{flawed}&type=misplaced_component")
    page.locator("output.at").first.wait_for()
    page.get_by_role("columnheader", name="Region").first.wait_for()
    shot(page, "inspect")
    page.goto(f"{flawed}&show=all")
    at = page.locator("output.at").first
    at.wait_for()
    before = at.inner_text()
    slider = page.locator("#threshold")
    slider.focus()
    for _ in range(60):
        slider.press("ArrowRight")
    assert at.inner_text() != before, "the threshold moves in the browser"

    first = page.url
    page.locator('button[data-do="next"]').first.click()
    page.wait_for_function("before => window.location.href !== before", arg=first)
    there = page.url
    expect_text(page, "case 2 of")
    page.goto(f"{address}/overview")
    page.goto(there)
    expect_text(page, "case 2 of")

    page.goto(f"{address}/compare")
    expect_text(page, "PatchCore")
    shot(page, "compare")
    page.goto(f"{address}/run")
    expect_text(page, "By class")
    shot(page, "run")
