"""The Threshold page: what a line misses and rejects, in words; keeping one changes every page."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import Store, filled
from visiting import text, visit

from core import thresholds
from core.metrics.shares import wilson
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import evidence, results


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = filled(tmp_path)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(store.workspace.root))
    results.noticed()
    return store


def test_it_counts_what_the_store_counts(made: Store) -> None:
    run = made.runs["patchcore"]
    said = text(visit("operating_point", run=run, **{"class": "tile"}))
    judged = results.judged(results.source(), run)
    mine = judged[judged["class_name"] == "tile"]
    missed = int((mine["outcome"] == "missed").sum())
    alarms = int((mine["outcome"] == "false alarm").sum())
    assert f"{'none' if missed == 0 else missed} of 8 anomalous images" in said
    assert f"{'none' if alarms == 0 else alarms} of 6 good" in said
    low, high = (100 * end for end in wilson(missed, 8))
    assert f"{high:.1f}" in said and "oracle" in said and "expect less in use" in said
    assert low <= high


def test_it_speaks_the_chosen_words(made: Store) -> None:
    said = text(visit("operating_point", run=made.runs["rd"], words="plant", **{"class": "tile"}))
    assert "defective parts" in said and "rejects" in said


def test_held_out_normals_promise_and_test_images_answer(made: Store) -> None:
    said = text(visit("operating_point", run=made.runs["deployed"], **{"class": "tile"}))
    assert "held-out" in said and "promise" in said.lower()
    plain = text(visit("operating_point", run=made.runs["patchcore"], **{"class": "tile"}))
    assert "deployment" in plain, "how to get a held-out threshold"


def test_a_kept_threshold_judges_everywhere(made: Store) -> None:
    run = made.runs["patchcore"]
    before = results.judged(results.source(), run)
    value = float(before.loc[before["class_name"] == "tile", "score"].max()) + 1
    thresholds.choose(made.workspace, "Ann", run, "tile", value, name="very strict")
    results.noticed()
    source = results.source()
    mine = results.judged(source, run)
    mine = mine[mine["class_name"] == "tile"]
    assert set(mine.loc[mine["label"] == 1, "outcome"]) == {"missed"}
    assert results.thresholds(source, run)["tile"].name == "chosen threshold “very strict”"
    names = [level.name for level in evidence.levels(source, run, "tile")]
    assert "image alarm (very strict)" in names or not evidence.scores_are_peaks(mine)
    assert "very strict" in text(visit("operating_point", run=run, **{"class": "tile"}))
    assert "8 misses among 8" in text(visit("failures", run=run, **{"class": "tile"}))


def test_keeping_one_needs_a_name(made: Store) -> None:
    test = visit("operating_point", run=made.runs["patchcore"], **{"class": "tile"})
    test.button(key="op-save").click().run()
    assert "Not kept" in text(test) and thresholds.chosen(made.workspace) == []
    test.text_input(key="op-name").set_value("line 3")
    test.button(key="op-save").click().run()
    (one,) = thresholds.chosen(made.workspace)
    assert (one.name, one.class_name, one.origin) == ("line 3", "tile", "oracle")
    assert "Kept as" in text(test) and not test.exception
    test.button(key=f"op-back-{one.id}").click().run()
    assert thresholds.chosen(made.workspace) == []
