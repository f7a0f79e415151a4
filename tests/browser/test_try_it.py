"""Two pictures dropped onto a real run in a real browser: verdicts, the table, CSV, the normal."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from core.config import RunConfig
from core.data import demo
from core.engine import runner
from core.runs import RunDirectory
from core.workspace import Workspace

pytestmark = pytest.mark.browser
WAIT = 60_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, RunDirectory, Path]:
    root = tmp_path_factory.mktemp("try")
    demo.generate(root / "tiny", size=96, train=6, test=6)
    place = Workspace(root / "workspace")
    config = RunConfig(
        data=str(root / "tiny"), method="patchcore", classes=("circuit_board",), size=96,
        backbone="tf_efficientnet_lite0", device="cpu", batch_size=4,
        method_config={"coreset_ratio": 0.1},
    )  # fmt: skip
    made = RunDirectory.create(place, config)
    assert runner.execute(place, made) == "succeeded", made.status().error
    return place, made, root / "tiny"


def test_two_pictures_get_verdicts_a_table_and_a_csv(
    run: tuple[Workspace, RunDirectory, Path], server: Callable[..., str], page: Any, tmp_path: Path
) -> None:
    place, made, data = run
    cases = made.read_table(RunDirectory.CASES).to_pylist()
    chosen = [next(case for case in cases if case["label"] == label) for label in (0, 1)]
    files = []
    for case, name in zip(chosen, ("fine part.png", "bad_part.png"), strict=True):
        shutil.copy(data / case["key"], tmp_path / name)
        files.append(str(tmp_path / name))
    address = server(place.root)
    page.goto(f"{address}/try_it?run={quote(made.run_id)}&words=plant")
    page.get_by_text("a new picture of circuit board").wait_for(timeout=WAIT)
    page.locator('input[type="file"]').set_input_files(files)
    page.get_by_text("of 2 parts would be rejected").wait_for(timeout=WAIT)
    assert "trial=" in page.url, "the address reopens it"
    rows = page.locator(".trial tbody tr")
    assert rows.count() == 2
    scores = [float(text) for text in page.locator(".trial td:nth-child(2)").all_inner_texts()]
    assert scores == sorted(scores, reverse=True), "the hottest first"
    for case in chosen:
        assert any(abs(score - case["score"]) <= 6e-4 * case["score"] for score in scores)
    page.get_by_role("button", name="Image", exact=True).click()
    assert page.locator(".trial td.name").first.inner_text() == "bad_part.png"
    page.get_by_text("Compared with what normal?").wait_for(timeout=WAIT)
    page.locator(".ti-spots figure").nth(5).wait_for(timeout=WAIT)
    assert page.locator(".ti-spots img").count() == 6
    rows.filter(has_text="fine part.png").click()
    page.wait_for_url("**item=0**", timeout=WAIT)
    page.locator(".us-line", has_text="fine part.png").wait_for(timeout=WAIT)
    page.locator(".viewer canvas").first.wait_for(timeout=WAIT)
    with page.expect_download(timeout=WAIT) as saved:
        page.get_by_role("button", name="Results as CSV").click()
    lines = list(csv.DictReader(Path(saved.value.path()).read_text().splitlines()))
    assert {line["name"] for line in lines} == {"fine part.png", "bad_part.png"}
    assert {line["verdict"] for line in lines} <= {"anomalous", "normal"}
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.get_by_text("of 2 parts would be rejected").wait_for(timeout=WAIT)
