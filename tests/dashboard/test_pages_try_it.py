"""The Try it page in every state, and what it says, by hand; workers are played, not started."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from stores import SIZE, Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from visiting import text, visit

from core import thresholds
from core.cuts import Cut
from core.engine.trial import SCHEMA
from core.metrics.standing import standing
from core.trials import Draft, Trial, TrialStatus, listing
from core.workspace import ENVIRONMENT_VARIABLE, Workspace, write_json
from dashboard import results, trial_words, trials, words
from dashboard.components import spot_view, trial_intake, trial_parts, trial_table
from dashboard.trial_workers import Busy

PLANT, CLINIC, GENERAL = words.PLANT, words.CLINIC, words.GENERAL
CUT = Cut(value=34.8, name="held-out threshold")


class Played:
    """Stands for the workers: notes what was asked, answers nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.busy = False

    def try_(self, trial: Trial) -> None:
        if self.busy:
            raise Busy("Two other runs are being tried at the moment.")
        self.asked.append(("try", trial.id, 0))

    def compare(self, trial: Trial, row: int) -> None:
        self.asked.append(("compare", trial.id, row))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("tried"))


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    pool = Played()
    for module in (trial_intake, spot_view, trials):
        monkeypatch.setattr(module, "workers", lambda root: pool)
    return pool


def tried(
    store: Store, scores: list[float | None], cut: Cut | None = None, label: str = "patchcore",
    class_name: str | None = "tile",
) -> Trial:  # fmt: skip
    """A trial as its worker leaves it: one image a score; None = it could not be read."""
    draft = Draft(store.workspace, SIZE)
    for number in range(len(scores)):
        out = io.BytesIO()
        Image.new("RGB", (40, 30), (20 * number, 90, 90)).save(out, "PNG")
        draft.intake.data(f"part {number}.png", out.getvalue())
    trial = draft.finish(store.runs[label], class_name, "upload", cut=cut)
    rows: list[dict[str, Any]] = []
    maps = np.zeros((len(scores), SIZE, SIZE), np.float16)
    for row, score in enumerate(scores):
        read = score is not None
        verdict = "not judged" if cut is None else cut.verdict(score or 0.0)
        rows.append({
            "row": row, "name": f"part {row}.png", "score": score,
            "threshold": cut.value if cut else None, "verdict": verdict if read else "not read",
            "class_name": class_name, "seconds": 0.041, "kind": "", "peak": score,
            "error": None if read else f"part {row}.png is not an image Pillow can read.",
            "width": 40 if read else None, "height": 30 if read else None, "thumbnail": None,
        })  # fmt: skip
        if read:
            maps[row, 4, 9] = score
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), trial.path / Trial.RESULTS)
    np.save(trial.path / Trial.MAPS, maps)
    verdicts = [row["verdict"] for row in rows]
    trial.update(
        state="done", done=len(scores), read=len(scores) - verdicts.count("not read"),
        anomalous=verdicts.count("anomalous"),
    )  # fmt: skip
    return trial


def press(test: AppTest, key: str) -> AppTest:
    next(button for button in test.button if button.key == key).click()
    return test.run()


# -- pages -------------------------------------------------------------------------------------


def test_no_run_says_what_will_be_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert "No trained run to try yet" in text(visit("try_it"))


def test_before_an_image_it_says_what_will_happen(store: Store, played: Played) -> None:
    run_id = store.runs["patchcore"]
    said = text(visit("try_it", run=run_id, **{"class": "tile"}))
    source = results.source()
    at = results.thresholds(source, run_id)["tile"]
    known = results.judged(source, run_id)
    mine = known[(known["class_name"] == "tile") & (known["label"] == 0)]
    below = sum(score < at.value for score in mine["score"])
    assert f"{at.value:.4g} or more is flagged (oracle threshold)" in said
    assert f"{below} of 6" in said and played.asked == []


def test_one_image_is_judged_shown_and_compared(store: Store, played: Played) -> None:
    trial = tried(store, [99.0], CUT)
    test = visit("try_it", trial=trial.id, words="plant")
    said = text(test)
    assert "Reject: score 99 is above 34.8" in said and "held-out threshold" in said
    assert "hotter than 6 of 6 good test images" in said
    assert "higher than all 14 test images of tile, defective ones included" in said
    assert "41 ms" in said and "40 × 30 px" in said and "+64.2 (+184%)" in said
    assert ("compare", trial.id, 0) in played.asked
    assert test.query_params["run"] == store.runs["patchcore"]
    assert test.query_params["class"] == "tile"
    assert not any(button.key == "try-csv" for button in test.button)


def test_a_batch_is_counted(store: Store) -> None:
    trial = tried(store, [40.0, 10.0, None, 35.0], CUT)
    said = text(visit("try_it", trial=trial.id, item="1"))
    assert "2 of 3 images would be flagged; 41 ms an image." in said
    assert "1 file could not be read. Judged by the held-out threshold, 34.8." in said
    assert "No flaw flagged: score 10 is below 34.8" in said
    assert "is not an image" in text(visit("try_it", trial=trial.id, item="2"))
    assert "score 40 is above" in text(visit("try_it", trial=trial.id, item="nonsense"))


def test_progress_then_a_worker_that_is_gone(store: Store, played: Played) -> None:
    draft = Draft(store.workspace, SIZE)
    draft.intake.data("a.png", b"1")
    trial = draft.finish(store.runs["rd"], "tile", "upload", cut=CUT)
    played.busy = True
    test = visit("try_it", trial=trial.id)
    assert "Two other runs are being tried" in text(test)
    played.busy = False
    test.run()
    assert ("try", trial.id, 0) in played.asked
    trial.update(state="working", process={"pid": 1, "started": 1.0, "host": "here"}, done=0)
    write_json(trial.path / Trial.STATUS, TrialStatus(updated_at=1.0).model_dump())
    test.run()
    assert "ended without a word" in text(test) and "images are kept" in text(test)
    played.asked.clear()
    press(test, "try-again")
    assert ("try", trial.id, 0) in played.asked and trial.status().state == "queued"


def test_stopping_before_a_worker_came(store: Store, played: Played) -> None:
    draft = Draft(store.workspace, SIZE)
    draft.intake.data("a.png", b"1")
    trial = draft.finish(store.runs["rd"], "tile", "upload", cut=CUT)
    played.busy = True
    press(visit("try_it", trial=trial.id), "try-stop")
    assert trial.cancelled() and trial.status().state == "cancelled"
    assert "Stopped before the first image" in text(visit("try_it", trial=trial.id))


def test_a_folder_becomes_a_trial_and_a_wrong_one_a_sentence(store: Store, played: Played) -> None:
    test = visit("try_it", run=store.runs["rd"], **{"class": "board"})
    test.segmented_control(key="try-way").set_value("Folder").run()
    test.text_input[-1].set_value("/no/such/folder")
    next(button for button in test.button if button.label == "Try it").click()
    test.run()
    assert "is not there" in "".join(str(one.value) for one in test.warning)
    test.text_input[-1].set_value(str(store.data_root / "board" / "test" / "good"))
    next(button for button in test.button if button.label == "Try it").click()
    test.run()
    newest = listing(store.workspace, most=1)[0]
    assert newest.request().origin == "folder" and len(newest.request().images) == 6
    assert newest.request().class_name == "board" and newest.request().cut is not None
    assert ("try", newest.id, 0) in played.asked
    assert test.query_params["trial"] == newest.id


def test_test_images_are_offered_and_the_same_images_go_to_another_run(
    store: Store, played: Played
) -> None:
    test = visit("try_it", run=store.runs["rd"], **{"class": "tile"})
    press(test, "try-some")
    first = listing(store.workspace, most=1)[0]
    assert [one.name for one in first.request().images][:1] == ["tile/test/good/000.png"]
    assert len(first.request().images) == 6
    other = visit("try_it", run=store.runs["patchcore"], **{"class": "scan"}, trial=first.id)
    other.query_params["run"] = store.runs["patchcore"]
    other.run()
    press(other, "try-same")
    again = listing(store.workspace, most=1)[0]
    assert again.id != first.id and again.request().run_id == store.runs["patchcore"]
    assert [one.name for one in again.request().images] == [
        one.name for one in first.request().images
    ]


def test_removing_and_links_that_lead_nowhere(store: Store) -> None:
    trial = tried(store, [1.0], CUT)
    test = visit("try_it", trial=trial.id)
    press(test, "try-remove")
    assert not trial.path.exists() and "trial" not in test.query_params
    assert "There is no trial" in text(visit("try_it", trial=trial.id))
    assert "There is no trial" in text(visit("try_it", trial="../../etc"))


def test_runs_that_cannot_be_tried(store: Store, tmp_path: Path) -> None:
    assert "cannot be tried" in text(visit("try_it", run=store.runs["failed"]))
    assert "cannot be tried" in text(visit("try_it", run="nonsense"))


def test_maps_made_elsewhere_have_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = pd.DataFrame({"method": ["patchcore", "external:theirs"], "run_id": ["a", "b"]})
    assert list(trials.tryable(runs)["run_id"]) == ["a"]


def test_a_class_without_threshold_gets_a_score_only(store: Store) -> None:
    said = text(visit("try_it", trial=tried(store, [12.0]).id))
    assert "not judged, no threshold is known" in said


def test_a_chosen_threshold_and_its_band_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workspace(tmp_path / "workspace")
    run = add_run(place, make_data(tmp_path), "patchcore", classes=("tile",))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(place.root))
    thresholds.choose(place, "Ada", run.run_id, "tile", 11.0, name="line 3", upper=12.5)
    cut = trials.cut(results.source(), run.run_id, "tile")
    assert cut == Cut(value=11.0, name="chosen threshold “line 3”", low=11.0, high=12.5)
    said = text(visit("try_it", words="plant"))
    assert "chosen threshold “line 3”" in said


def test_earlier_trials_are_listed_and_escaped(store: Store) -> None:
    trial = tried(store, [40.0, 1.0], CUT)
    labels = {store.runs["patchcore"]: "<b>PatchCore</b>"}
    found = trials.earlier(results.source(), labels, most=1)
    assert found[0]["id"] == trial.id and found[0]["outcome"] == "1 of 2 flagged"
    html = trial_parts.earlier_html(found)
    assert "&lt;b&gt;PatchCore" in html and f"try_it?trial={trial.id}" in html
    assert "part 0.png and 1 more" in html


# -- sentences ---------------------------------------------------------------------------------


def test_verdicts_in_three_vocabularies() -> None:
    said, tone = trial_words.verdict(41.2, CUT, PLANT)
    assert (said, tone) == ("Reject: score 41.2 is above 34.8", "bad")
    assert trial_words.verdict(34.8, CUT, CLINIC)[0] == "Refer: score 34.8 is at 34.8"
    assert trial_words.verdict(30.1, CUT, CLINIC) == (
        "No lesion flagged: score 30.1 is below 34.8", "good",
    )  # fmt: skip
    band = Cut(value=34.8, name="x", low=34.8, high=41.0)
    assert trial_words.verdict(36.0, band, PLANT)[0] == (
        "Re-inspect: score 36 is near the threshold, between 34.8 and 41"
    )
    assert trial_words.verdict(41.2, band, PLANT)[0] == "Reject: score 41.2 is above 41"


def test_the_warning_says_only_what_was_counted() -> None:
    tail = [(0.0, 1.0), (5.0, 1e-3), (9.0, 1e-5)]
    cool, hot = np.zeros((4, 4)), np.full((4, 4), 6.0)
    known = [1.0, 2.0, 3.0, 8.0], [0, 0, 0, 1]
    usual = standing(2.5, *known)
    assert trial_words.warning(usual, cool, tail, "tile", PLANT) == ""
    assert "100% of this picture" in trial_words.warning(usual, hot, tail, "tile", PLANT)
    hot[:3] = 0
    assert trial_words.warning(usual, hot, tail, "tile", PLANT) == "", "a quarter is local"
    above = trial_words.warning(standing(9.0, *known), cool, tail, "tile", PLANT)
    assert "higher than all 4 test images of tile" in above
    below = trial_words.warning(standing(0.5, *known), cool, tail, "tile", CLINIC)
    assert "lower than all 3 healthy test images of tile" in below
    assert trial_words.warning(standing(2.5, *known), hot, [], "tile", PLANT) == ""


def test_the_spot_names_distance_and_yardstick() -> None:
    near = {"key": "a/train/good/1.png", "distance": 43.5, "own": 16.3, "crop": None}
    found = {
        "class_name": "magnetic_tile", "neighbours": [near], "images": 300, "of": 380,
        "backbone": "lite0", "strides": [8, 16], "crop": "AAAA",
    }  # fmt: skip
    said = trial_words.spot(found, GENERAL)
    assert "magnetic tile lies at a distance of 43.5, 2.7 times as far as" in said
    assert "300 of 380" in trial_words.searched(found)
    assert "all 380" in trial_words.searched(found | {"images": 380})
    assert trial_words.unlike(found, PLANT) == "", "older comparisons have no such count"
    apart = found | {"whole": {"distance": 9.0, "closer": 120, "of": 120}}
    assert "than each of those 120 lies from its own nearest" in trial_words.unlike(apart, PLANT)
    apart["whole"]["closer"] = 119  # type: ignore[index]
    assert trial_words.unlike(apart, PLANT) == ""
    near["own"] = 60.0
    assert "no further than" in trial_words.spot(found, GENERAL)
    assert "no good training image" in trial_words.spot(found | {"neighbours": []}, PLANT)
    html = spot_view.spots_html(found, "good", "<said>")
    assert "&lt;said&gt;" in html and "picture is gone" in html


def test_the_csv_is_what_the_table_shows(store: Store) -> None:
    table = trials.frame(tried(store, [40.0, None], CUT))
    table.loc[0, "name"] = "=cmd.png"
    lines = list(csv.reader(io.StringIO(trials.csv_of(table).decode())))
    assert lines[0] == list(trials.CSV_COLUMNS)
    assert lines[1][:4] == ["'=cmd.png", "40.0", "34.8", "anomalous"]
    assert lines[2][1] == "" and lines[2][3] == "not read" and "not an image" in lines[2][6]


def test_the_table_gets_values_to_sort_by(store: Store) -> None:
    table = trials.frame(tried(store, [40.0, None, 1.0], CUT))
    data = trial_table.payload("t", table, CUT, 2, PLANT)
    assert [row["values"][1] for row in data["rows"]] == [40.0, None, 1.0]
    assert [row["texts"][2] for row in data["rows"]] == [
        "reject", "part 1.png is not an image Pillow can read.", "no defect flagged",
    ]  # fmt: skip
    assert data["rows"][0]["values"][4] == pytest.approx(41.0) and data["current"] == 2
