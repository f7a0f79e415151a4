"""Metrics with and without disputed labels: measured beside the page, cancelled, told, kept."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stores import add_run, make_data
from streamlit.testing.v1 import AppTest
from visiting import text

from core import marks
from core.reevaluation import held
from core.reevaluation import reevaluate as measured
from core.remeasuring import Report
from core.runs import RunDirectory
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import later
from dashboard.components import without_disputed
from dashboard.components.without_disputed import Asked
from dashboard.ranking import number

FINGERPRINT = "f1f2f3f4"
"""That of the runs of `stores`."""
KEY = "tile/test/stain/005.png"


def compared(run: str) -> None:
    from dashboard import results
    from dashboard.components.without_disputed import with_and_without

    with_and_without(results.source(), run)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What these tests began is nothing to others."""
    yield
    later._held.clear()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = Workspace(tmp_path / "w")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    return workspace


@pytest.fixture
def run(place: Workspace, tmp_path: Path) -> RunDirectory:
    return add_run(place, make_data(tmp_path), "rd")


def dispute(place: Workspace, key: str = KEY) -> None:
    marks.add(
        place, "Ann", fingerprint=FINGERPRINT, key=key, class_name="tile", verdict="wrong_label"
    )


def opened(run: RunDirectory) -> AppTest:
    test = AppTest.from_function(compared, kwargs={"run": run.run_id}, default_timeout=60).run()
    assert not test.exception
    return test


def begun(run: RunDirectory) -> AppTest:
    """The page after a click on its button."""
    test = opened(run)
    test.button(key="measure-without").click().run()
    assert not test.exception
    return test


def asked(place: Workspace, run: RunDirectory, key: str = KEY) -> Asked:
    return Asked(place, run, frozenset({key}), frozenset())


def ended(of: Asked) -> None:
    """Wait for the work."""
    until = time.monotonic() + 30
    while later.progress(of.key) is not None and time.monotonic() < until:
        time.sleep(0.02)
    assert later.progress(of.key) is None


def bar(test: AppTest) -> str:
    """What the bar says; "" where there is none."""
    return "".join(str(one.proto.text) for one in test.get("progress"))


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The work stays at its first words until what this gives is called; it can be cancelled."""
    go = threading.Event()

    def reevaluate(workspace: Workspace, run: RunDirectory, *out: Any, report: Report) -> Any:
        while not go.is_set():
            report(0.0, "opening the folder")
            time.sleep(0.01)
        labels, masks = out or ((), ())
        return measured(workspace, run, labels, masks, report)

    monkeypatch.setattr(without_disputed, "reevaluate", reevaluate)
    yield go.set
    go.set()


def until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not said() and time.monotonic() < end:
        time.sleep(0.02)
    assert said()


def test_nothing_disputed_nothing_to_measure(run: RunDirectory) -> None:
    test = opened(run)
    assert "there is nothing to leave out" in text(test) and not test.button


def test_metrics_with_and_without(place: Workspace, run: RunDirectory) -> None:
    dispute(place)
    test, mine = begun(run), asked(place, run)
    ended(mine)
    test.run()
    said = text(test)
    assert "Image metrics only" in said and "have changed since the run" in said
    assert "Without 1 disputed" in said and "1 case with a disputed label" in said
    cases = run.read_table(RunDirectory.CASES).to_pandas()
    values = []
    for rows in (cases, cases[cases["key"] != KEY]):
        tile = rows[rows["class_name"] == "tile"]
        bad, good = tile[tile["label"] == 1]["score"], tile[tile["label"] == 0]["score"]
        values.append(float((bad.to_numpy()[:, None] > good.to_numpy()[None, :]).mean()))
    pair = mine.known()
    assert pair is not None
    (row,) = without_disputed.rows(pair, "tile", ["image_auroc"])
    assert [row[1].text, row[2].text] == [f"{value:.3f}" for value in values]  # type: ignore[union-attr]
    assert number(row[3].text) == pytest.approx(values[1] - values[0], abs=0.0006)  # type: ignore[union-attr]


def test_a_partial_result_is_kept_and_can_be_made_again(
    place: Workspace, run: RunDirectory, held_up: Callable[[], None]
) -> None:
    dispute(place)
    mine = asked(place, run)
    held_up()
    begun(run)
    ended(mine)
    assert held(place, run, mine.labels, ()) is None, "not on disk: the folder may come back"
    test = opened(run)
    assert "Image metrics only" in text(test), "whoever opens the page later sees it too"
    assert test.button(key="measure-without").label == "Measure again"
    test.button(key="measure-without").click().run()
    ended(mine)
    test.run()
    assert "Image metrics only" in text(test)


def test_it_goes_on_beside_the_page_and_can_be_cancelled(
    place: Workspace, run: RunDirectory, held_up: Callable[[], None]
) -> None:
    dispute(place)
    mine, test = asked(place, run), begun(run)
    until(lambda: bool((at := later.progress(mine.key)) and at.words))
    test.run()
    assert bar(test) == "All labels: opening the folder …"
    assert not [one for one in test.button if one.key == "measure-without"]
    back = opened(run)
    assert bar(back) == "All labels: opening the folder …", "found again, also by another person"
    back.button(key="measure-without-cancel").click().run()
    back.run()
    assert not bar(back) and back.button(key="measure-without").label.startswith("Measure again")
    assert "Without 1 disputed" not in text(back) and "fs-failure" not in text(back)
    held_up()
    back.button(key="measure-without").click().run()
    ended(mine)
    assert "Without 1 disputed" in text(back.run())


def test_two_runs_do_not_mix(
    place: Workspace, run: RunDirectory, tmp_path: Path, held_up: Callable[[], None]
) -> None:
    other = add_run(place, tmp_path / "parts", "patchcore")
    dispute(place)
    begun(run)
    untouched = opened(other)
    assert not bar(untouched), "the other run is not at work"
    untouched.button(key="measure-without").click().run()
    until(lambda: later.progress(asked(place, run).key).words != "")  # type: ignore[union-attr]
    assert bar(untouched) == "Waiting for other work to end …"
    assert bar(opened(run)) == "All labels: opening the folder …"
    held_up()
    tables = []
    for one in (run, other):
        ended(asked(place, one))
        pair = asked(place, one).known()
        assert pair is not None
        tables.append(pair.whole.table)
        assert "Without 1 disputed" in text(opened(one))
    assert not tables[0].equals(tables[1])


def test_another_mark_asks_for_other_metrics(place: Workspace, run: RunDirectory) -> None:
    dispute(place)
    begun(run)
    ended(asked(place, run))
    assert "Without 1 disputed" in text(opened(run))
    dispute(place, "tile/test/crack/002.png")
    test = opened(run)
    assert "Without" not in text(test) and test.button(key="measure-without")


def test_what_goes_wrong_is_one_sentence_and_the_button_comes_back(
    place: Workspace, run: RunDirectory, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for key in run.read_table(RunDirectory.CASES)["key"].to_pylist():
        dispute(place, key)
    keys = frozenset(run.read_table(RunDirectory.CASES)["key"].to_pylist())
    mine, test = Asked(place, run, keys, frozenset()), begun(run)
    ended(mine)
    said = text(test.run())
    assert said.count("fs-failure") == 1 and "so nothing is left to evaluate" in said
    assert "Traceback" not in said

    def breaks(*given: Any, **more: Any) -> Any:
        raise KeyError("no such column")

    monkeypatch.setattr(without_disputed, "reevaluate", breaks)
    test.button(key="measure-without").click().run()
    ended(mine)
    said = text(test.run())
    assert said.count("fs-failure") == 1 and "Something went wrong; the log has the" in said
    assert "KeyError" not in said and "no such column" in caplog.text
    assert test.button(key="measure-without")


def test_a_column_that_is_on_disk_takes_none_of_the_bar(
    place: Workspace, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, list[float]] = {}

    def tell(share: float, words: str) -> None:
        heard.setdefault(words.split(":")[0], []).append(share)

    mine = asked(place, run)
    whole = mine.measure(tell).whole
    assert heard["all labels"][-1] == heard["without disputed"][0] == 0.5
    monkeypatch.setattr(Asked, "_on_disk", lambda self: (whole, None))
    heard.clear()
    mine.measure(tell)
    assert heard["without disputed"][0] == 0.0
    assert heard["without disputed"][-1] == 1.0


def test_a_run_that_is_gone_is_a_sentence(place: Workspace, run: RunDirectory) -> None:
    dispute(place)
    test = opened(run)
    shutil.rmtree(run.path)
    test.run()
    assert not test.exception and "fs-failure" in text(test) and "Traceback" not in text(test)
