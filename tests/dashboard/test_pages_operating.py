"""The Threshold page: what a line misses and rejects, in words; keeping one changes every page."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from stores import Store, add_run, filled, make_data
from visiting import text, visit

from core import thresholds
from core.metrics.in_use import Costs
from core.metrics.operating import Share
from core.runs import RunDirectory
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import evidence, operating, operating_words, results
from dashboard.casework import ALL
from dashboard.operating import CHEAPEST, HAND, HELD_OUT, ORACLE, Mark, Prices
from dashboard.words import GENERAL, PLANT

HELD = {"board": 7, "scan": 19, "tile": 99}
"""Held-out normal images of the deployment run, whose scores are 0, 1, 2, ... ."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = filled(tmp_path_factory.mktemp("operating"))
    _hold_out(RunDirectory.open(store.workspace, store.runs["deployed"]))
    return store


def _hold_out(run: RunDirectory) -> None:
    table = run.read_table(RunDirectory.CURVES)
    rows = [
        {"class_name": name, "curve": "heldout_scores", "position": i, "x": float(i), "y": 0.0,
         "threshold": None}
        for name, count in HELD.items() for i in range(count)
    ]  # fmt: skip
    held = pa.Table.from_pylist(rows, schema=table.schema)
    run.write_table(RunDirectory.CURVES, pa.concat_tables([table, held]))


@pytest.fixture
def made(built: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """To look at only."""
    _enter(built.workspace, monkeypatch)
    return built


@pytest.fixture
def mine(built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy to write to."""
    shutil.copytree(built.workspace.root, tmp_path / "workspace")
    store = Store(Workspace(tmp_path / "workspace"), built.data_root, built.runs)
    _enter(store.workspace, monkeypatch)
    return store


def _enter(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    results.noticed()


# -- the page ---------------------------------------------------------------------------------


def test_it_counts_what_the_store_counts(made: Store) -> None:
    run = made.runs["patchcore"]
    said = text(visit("operating_point", run=run, **{"class": "tile"}))
    scored = results.judged(results.source(), run)
    scored = scored[scored["class_name"] == "tile"]
    scores, bad = scored["score"].to_numpy(), scored["label"].to_numpy() == 1
    # best F1 by trying every score, ties to the highest
    tries = {t: 2 * (bad & (scores >= t)).sum() / ((scores >= t).sum() + bad.sum()) for t in scores}
    best = max(t for t, f1 in tries.items() if f1 == max(tries.values()))
    missed, alarms = int((bad & (scores < best)).sum()), int((~bad & (scores >= best)).sum())
    assert f"misses {missed or 'none'} of 8 anomalous images" in said
    assert f"flags {alarms or 'none'} of 6 good ones" in said
    assert f"{100 * Share(missed, 8).interval[1]:.1f}" in said
    assert "At the oracle threshold" in said and "expect less in use" in said


def test_an_empty_workspace_offers_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(Workspace(tmp_path / "empty"), monkeypatch)
    assert "No scores to split yet" in text(visit("operating_point"))


def test_only_a_failed_run_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, data = Workspace(tmp_path / "workspace"), make_data(tmp_path)
    run = add_run(workspace, data, "rd", state="failed", error="The loss became infinite.")
    _enter(workspace, monkeypatch)
    assert "No scores to split yet" in text(visit("operating_point", run=run.run_id))


def test_a_failed_run_is_named_beside_the_one_shown(made: Store) -> None:
    said = text(visit("operating_point", run=made.runs["failed"]))
    assert "That run has no scores" in said and "misses" in said


def test_one_class_has_no_section_for_all_and_needs_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, data = Workspace(tmp_path / "workspace"), make_data(tmp_path)
    add_run(workspace, data, "patchcore", classes=("scan",))  # the class without masks
    shutil.rmtree(data)
    _enter(workspace, monkeypatch)
    test = visit("operating_point")
    said = text(test)
    assert "of 8 anomalous images" in said and "One for all" not in said
    assert test.selectbox(key="class").options == ["Class: scan"]


def test_it_speaks_the_chosen_words(made: Store) -> None:
    said = text(visit("operating_point", run=made.runs["rd"], words="plant", **{"class": "tile"}))
    assert "defective parts" in said and "rejects" in said and "Rejected" in said
    assert "escapes" in said and "overkills" in said
    clinic = text(visit("operating_point", run=made.runs["rd"], words="clinic"))
    assert "diseased patients" in clinic and "refers" in clinic


def test_held_out_normals_promise_and_test_images_answer(made: Store) -> None:
    run = made.runs["deployed"]
    said = text(visit("operating_point", run=run, **{"class": "tile"}))
    # 99 scores 0 to 98 at 5 %: rank 95, so 5 of 100 above it and just above 94
    assert "99 held-out good images promise at most 5 % false alarms" in said
    assert "Promised on average" in said and "5.0 %" in said and "Realised on good" in said
    assert "0 of 6" in said and "chance allows 0 to 2" in said
    few = text(visit("operating_point", run=run, **{"class": "board"}))
    assert "Few normals: no guarantee below 12.5 %" in few
    together = text(visit("operating_point", run=run, **{"class": ALL}))
    assert "mixed as they were held out" in together
    plain = text(visit("operating_point", run=made.runs["patchcore"], **{"class": "tile"}))
    assert "deployment protocol" in plain and "Promised on average" not in plain


def test_a_lower_rate_asked_of_them_moves_the_threshold(made: Store) -> None:
    test = visit("operating_point", run=made.runs["deployed"], alpha="0.2", **{"class": "tile"})
    assert "promise at most 20 %" in text(test)
    assert test.query_params["alpha"] == "0.2"


def test_a_review_band_comes_from_the_address(made: Store) -> None:
    asked = {"run": made.runs["patchcore"], "class": "tile", "t": "0", "hi": "1000"}
    test = visit("operating_point", **asked)
    said = text(test)
    assert "Between the two thresholds 14 images are looked at again" in said
    assert "8 of them anomalous" in said and "1,000 looked at again" in said
    assert test.session_state["from"] == HAND and "set by hand" in said


def test_typed_figures_change_the_day_and_the_cheapest(made: Store) -> None:
    run = made.runs["rd"]
    test = visit("operating_point", run=run, **{"class": "board", "from": CHEAPEST})
    assert "oracle threshold of lowest cost" in text(test)
    test.number_input(key="op-miss").set_value(0.0).run()
    said = text(test)
    assert "misses 8 of 8" in said and "flags none of 6" in said, "a free miss: flag nothing"
    assert test.query_params["miss"] == "0"
    test.number_input(key="op-miss").set_value(1e6).run()
    assert "misses none of 8" in text(test)
    test.number_input(key="op-day").set_value(20_000.0).run()
    assert "Of 20,000 images a day" in text(test)


def test_the_button_takes_the_cheapest_and_keeping_it_says_oracle(mine: Store) -> None:
    test = visit("operating_point", run=mine.runs["rd"], **{"class": "board"})
    test.button(key="op-cheapest").click().run()
    assert test.query_params["from"] == CHEAPEST
    test.text_input(key="op-name").set_value("cheap")
    test.button(key="op-save").click().run()
    (one,) = thresholds.chosen(mine.workspace)
    assert one.origin == "oracle" and "an oracle threshold" in text(test)


# -- keeping ----------------------------------------------------------------------------------


def test_a_kept_threshold_judges_everywhere(mine: Store) -> None:
    run = mine.runs["patchcore"]
    before = results.judged(results.source(), run)
    value = float(before.loc[before["class_name"] == "tile", "score"].max()) + 1
    thresholds.choose(mine.workspace, "Ann", run, "tile", value, name="very strict")
    results.noticed()
    source = results.source()
    judged = results.judged(source, run)
    judged = judged[judged["class_name"] == "tile"]
    assert set(judged.loc[judged["label"] == 1, "outcome"]) == {"missed"}
    assert results.thresholds(source, run)["tile"].name == "chosen threshold “very strict”"
    assert "very strict" in text(visit("operating_point", run=run, **{"class": "tile"}))
    assert "8 misses among 8" in text(visit("failures", run=run, **{"class": "tile"}))
    assert "very strict" in text(visit("inspect_cases", run=run, **{"class": "tile"}))


@pytest.mark.parametrize(("origin", "name"), [("hand", "night"), ("oracle", "night, oracle")])
def test_the_viewers_levels_name_it(mine: Store, origin: thresholds.Origin, name: str) -> None:
    run = mine.runs["patchcore"]
    levels = {one.name for one in evidence.levels(results.source(), run, "tile")}
    assert "image alarm (oracle)" in levels
    thresholds.choose(mine.workspace, "Ann", run, "tile", 3.5, name="night", origin=origin)
    results.noticed()
    levels_now = evidence.levels(results.source(), run, "tile")
    assert f"image alarm ({name})" in {one.name for one in levels_now}
    assert {one.value for one in levels_now if "night" in one.name} == {3.5}


def test_keeping_one_needs_a_name(mine: Store) -> None:
    test = visit("operating_point", run=mine.runs["patchcore"], **{"class": "tile"})
    test.button(key="op-save").click().run()
    assert "Not kept" in text(test) and thresholds.chosen(mine.workspace) == []
    test.text_input(key="op-name").set_value("line <3>")
    test.button(key="op-save").click().run()
    (one,) = thresholds.chosen(mine.workspace)
    assert (one.name, one.class_name, one.origin) == ("line <3>", "tile", "oracle")
    assert "Kept as" in text(test) and "line &lt;3&gt;" in text(test) and not test.exception
    test.button(key=f"op-use-{one.id}").click().run()
    assert thresholds.in_use(thresholds.chosen(mine.workspace), "tile") is None
    test.button(key=f"op-back-{one.id}").click().run()
    assert thresholds.chosen(mine.workspace) == []


def test_one_for_all_is_kept_for_every_class(mine: Store) -> None:
    asked = {"run": mine.runs["patchcore"], "class": ALL, "t": "1000"}
    test = visit("operating_point", **asked)
    test.text_input(key="op-name").set_value("flag nothing")
    test.button(key="op-save").click().run()
    results.noticed()
    judged = results.judged(results.source(), mine.runs["patchcore"])
    assert set(judged["outcome"]) == {"missed", "passed"}


# -- the logic, by hand -----------------------------------------------------------------------


def cases(rows: list[tuple[str, int, float, str | None]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["class_name", "label", "score", "specimen"])


NONE_HELD = pd.DataFrame({"class_name": pd.Series([], dtype=str), "x": pd.Series([], dtype=float)})
TWO = cases([
    ("a", 0, 1.0, None), ("a", 0, 2.0, None), ("a", 1, 3.0, None), ("a", 1, 4.0, None),
    ("b", 0, 11.0, None), ("b", 0, 12.0, None), ("b", 1, 13.0, None), ("b", 1, 14.0, None),
])  # fmt: skip


def test_one_threshold_for_two_scales_by_hand() -> None:
    """At 12.5 class a loses both anomalies and b loses nothing; each alone is perfect."""
    seen = operating.scene("run", TWO, NONE_HELD)
    prices = Prices(0.1, Costs(miss=10, alarm=1))
    found = operating.one_for_all(seen, TWO, NONE_HELD, Mark(HAND, 12.5), 0.05, prices)
    assert found is not None and found.rule == ORACLE and not found.same_rule
    assert [(one.more_misses, one.more_alarms) for one in found.classes] == [(2, 0), (0, 0)]
    # a: 100 of 1,000 are anomalous, all missed at 10 each
    assert [one.dearer for one in found.classes] == pytest.approx([1000.0, 0.0])
    said = operating_words.one_for_all(found, GENERAL)
    assert "2 more misses and no more false alarms" in said and "the oracle of best F1" in said
    assert "It costs a most: 1,000 more for 1,000 images" in said


def test_another_class_is_held_against_the_common_threshold_of_the_rule() -> None:
    seen = operating.scene("run", TWO, NONE_HELD, "b")
    found = operating.one_for_all(seen, TWO, NONE_HELD, Mark(ORACLE, 13.0), 0.05)
    assert found is not None and found.same_rule
    # all together: F1 at 3 is 2 * 4 / (4 + 6) = 0.8, the highest; b then has two false alarms
    assert found.common.low == 3.0 and (found.more_misses, found.more_alarms) == (0, 2)
    held = operating.one_for_all(seen, TWO, NONE_HELD, Mark(HELD_OUT, 13.0), 0.05)
    assert held is None, "nothing was held out"


def test_specimens_are_counted_once_and_the_promise_stays_one_for_images() -> None:
    rows = [("a", 0, 1.0, "x"), ("a", 0, 9.0, "x"), ("a", 0, 2.0, "y"), ("a", 1, 8.0, "z"),
            ("a", 0, np.nan, "z")]  # fmt: skip
    held = pd.DataFrame({"class_name": "a", "x": np.arange(19.0) / 4})
    seen = operating.scene("run", cases(rows), held, "a", operating.SPECIMEN)
    assert sorted(seen.scores_N) == [2.0, 8.0, 9.0] and seen.left_out == 1
    found = operating.marks(seen, (), 0.05)[HELD_OUT]
    assert found.promise is not None
    real = operating.realised(seen, found.promise)
    assert (real.share.hits, real.share.count) == (1, 3), "images, not specimens"
    said = operating_words.promised(found.promise, real, seen, PLANT)
    assert "1 of 3 good test images" in said and "single images" in said


def test_a_class_of_good_images_alone() -> None:
    good = cases([("a", 0, 1.0, None), ("a", 0, 2.0, None)])
    seen = operating.scene("run", good, NONE_HELD, "a")
    assert operating.marks(seen, (), 0.05, Prices(0.1, Costs(miss=1, alarm=1))) == {}
    said = operating_words.finding("PatchCore", seen, Mark(HAND, 2.0), PLANT)
    assert "rejects 1 of 2 good parts" in said and "no defective one to miss" in said
