"""The Report page: makes files in the background, lists them, takes them away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from stores import Store, filled
from visiting import text, visit

from core.errors import UsageError
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import taking


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = filled(tmp_path)
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
    assert not test.exception and "is being made" in text(test)
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
