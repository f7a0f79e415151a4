"""Measuring without disputed labels in a real browser: a bar, the page meanwhile, cancelled, begun
again, found again after a reload, and the table by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import make_data

from core import marks
from core.engine.external import evaluate
from core.engine.external_request import Request
from core.runs import RunDirectory
from core.workspace import Workspace

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "disputed_script.py"
SIZE = 32


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with maps and masks of which one label is disputed."""
    folder = tmp_path_factory.mktemp("disputed")
    place, data, rng = Workspace(folder / "workspace"), make_data(folder), np.random.default_rng(2)
    for path in sorted(data.glob("*/test/*/*.png")):
        out = folder / "maps" / path.relative_to(data).with_suffix(".npy")
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, rng.gamma(2.0, 1.0, (SIZE, SIZE)).astype(np.float32))
    made = evaluate(place, Request(truth=str(data), maps=folder / "maps", size=SIZE))
    fingerprint = made.record().resolved["dataset"]["fingerprint"]
    marks.add(
        place, "Ann", fingerprint=fingerprint, key="tile/test/crack/002.png", class_name="tile",
        verdict="wrong_label",
    )  # fmt: skip
    return made


def open_box(page: Any) -> None:
    page.get_by_text("Metrics with and without disputed labels (1)").click(timeout=60_000)


def test_a_bar_the_page_meanwhile_and_the_table_by_itself(
    page: Any, server: Callable[..., str], run: RunDirectory
) -> None:
    root = run.path.parents[1]
    page.goto(f"{server(root, SCRIPT)}/failures?run={run.run_id}")
    open_box(page)
    begin = page.get_by_role("button", name="Measure again without them")
    bar = page.locator(".st-key-measure-without-bar")
    begin.click()
    bar.get_by_role("progressbar").wait_for()
    bar.get_by_text("All labels:").wait_for()
    assert begin.count() == 0

    page.get_by_text("Review marks (1)").click()  # the rest of the page answers
    page.get_by_role("cell", name="wrong label").first.wait_for(timeout=5_000)
    assert bar.count() == 1

    bar.get_by_role("button", name="Cancel").click()
    begin.wait_for(timeout=5_000)
    assert bar.count() == 0 and page.locator(".fs-failure").count() == 0

    begin.click()
    bar.get_by_text("All labels:").wait_for()
    page.reload()
    open_box(page)
    bar.get_by_text("All labels:").wait_for()  # it went on

    (root / "go").touch()
    table = page.get_by_role("columnheader", name="Without 1 disputed")
    table.wait_for(timeout=30_000)
    assert bar.count() == 0
    assert page.get_by_text("Image metrics only").count() == 0
    row = page.locator("tr", has_text="Pixel AUROC").first.inner_text()
    assert row.count(" to ") == 2, "both columns with their intervals"
