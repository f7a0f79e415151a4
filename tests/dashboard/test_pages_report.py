"""The Report page: makes files in the background, lists them, takes them away."""

from __future__ import annotations

import shutil
import time

import pandas as pd
import pytest
from stores import Store, filled
from visiting import text, visit

from core.errors import UsageError
from core.vocabulary import GENERAL, PLANT
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import results, taking
from dashboard.components import report_parts
from dashboard.components.report_parts import stands


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("taking"))


@pytest.fixture
def made(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The filled workspace, with nothing taken away yet."""
    shutil.rmtree(store.workspace.root / "reports", ignore_errors=True)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(store.workspace.root))
    return store


def waited(workspace: Workspace, seconds: float = 60) -> list[taking.Job]:
    """The jobs once none is at work."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        jobs = taking.jobs(workspace)
        if not any(not job.error for job in jobs):
            return jobs
        time.sleep(0.1)
    raise AssertionError("it is still at work")


def test_a_report_is_made_and_shown(made: Store) -> None:
    run = made.runs["patchcore"]
    test = visit("report", run=run)
    assert "One file to hand over" in text(test)
    test.button(key="make-report").click().run()
    assert not test.exception and "Stop" in [button.label for button in test.button]
    assert waited(made.workspace) == []
    test.run()
    (one,) = taking.made(made.workspace)
    assert one.kind == "report" and one.size > 20_000
    assert f"Preview of {one.name}" in str([e.value for e in test.subheader])
    test.button(key=f"drop-{one.name}").click().run()
    assert taking.made(made.workspace) == [] and not test.exception


def test_tables_and_pictures_are_made(made: Store) -> None:
    test = visit("report", run=made.runs["rd"])
    test.button(key="make-csv").click().run()
    test.button(key="make-overlays").click().run()
    assert waited(made.workspace) == []
    kinds = {one.name.rsplit("-", 1)[1] for one in taking.made(made.workspace)}
    assert kinds == {"csv.zip", "overlays.zip"}


def test_what_fails_says_why_and_can_be_dismissed(made: Store) -> None:
    taking.start(made.workspace, ["report", "no-such-run"], "x-report.html", "The report")
    (job,) = waited(made.workspace)
    assert "no run 'no-such-run'" in job.error
    test = visit("report", run=made.runs["rd"])
    assert "The report could not be made" in text(test)
    test.button(key="stop-x-report.html").click().run()
    assert taking.jobs(made.workspace) == []


def test_a_job_can_be_stopped_and_leaves_nothing(made: Store) -> None:
    run = made.runs["patchcore"]
    taking.start(made.workspace, ["export", run, "--overlays"], "y-overlays.zip", "The pictures")
    taking.stop(made.workspace, "y-overlays.zip")
    time.sleep(0.5)
    assert taking.jobs(made.workspace) == [] and taking.made(made.workspace) == []


def test_names_cannot_lead_elsewhere(made: Store) -> None:
    for name in ("../x.html", "a/b.zip", "x.py", ""):
        with pytest.raises(UsageError):
            taking.content(made.workspace, name)
    assert "Preview" not in text(visit("report", run=made.runs["rd"], file="../../etc/passwd"))


def test_it_speaks_the_chosen_words(made: Store) -> None:
    assert "escapes" in text(visit("report", run=made.runs["rd"], words="plant"))


def test_the_sentence_counts_and_names_oracle_thresholds() -> None:
    frame = pd.DataFrame({
        "outcome": ["missed", "found", "false alarm", "false alarm", "passed"],
        "oracle": [True] * 5,
    })  # fmt: skip
    assert stands(frame, "RD", GENERAL) == "RD: 1 miss and 2 false alarms at oracle thresholds."
    frame["oracle"] = [True, False, False, False, False]
    assert stands(frame, "RD", PLANT).endswith(
        "2 overkills at its thresholds (some of them oracle)."
    )
    frame["outcome"], frame["oracle"] = "not judged", False
    assert "has no threshold" in stands(frame, "RD", GENERAL)


def test_a_job_tells_how_far_it_is_and_when_it_ends(made: Store) -> None:
    job = taking.Job("x.zip", "The pictures", began=100.0, share=0.25, words="picture 1 of 4")
    assert job.left(110.0) == 30.0, "a quarter took 10 s"
    assert job.left(101.0) is None and taking.Job("x.zip", "", 0.0).left(9.0) is None
    place = taking.folder(made.workspace)
    taking.start(made.workspace, ["report", made.runs["rd"]], "z-report.html", "The report")
    deadline, told = time.monotonic() + 30, ""
    while time.monotonic() < deadline and not told:
        told = next((one.words for one in taking.jobs(made.workspace)), "done")
        time.sleep(0.02)
    assert told.startswith(("reading", "drawing", "comparing"))
    assert waited(made.workspace) == []
    assert [path.name for path in place.iterdir()] == ["z-report.html"], "nothing is left beside it"


def test_the_run_page_offers_its_tables(made: Store) -> None:
    source = results.source()
    run = made.runs["patchcore"]
    lines = report_parts._cases(source, run, "csv").decode().splitlines()
    assert '"outcome"' in lines[0] and len(lines) == 1 + 42
    assert report_parts._metrics(source, run, "parquet")[:4] == b"PAR1"
