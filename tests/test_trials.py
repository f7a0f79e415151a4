"""Trials on disk: complete or not there, found again, removed; thresholds they are judged by."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core import liveness, thresholds
from core.config import RunConfig
from core.cuts import Cut, cut_of
from core.errors import DataError, RunError, UsageError
from core.runs import RunDirectory
from core.trials import GONE, Draft, Trial, folder, listing
from core.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def made(place: Workspace, run_id: str = "r1", images: int = 2) -> Trial:
    draft = Draft(place, 64)
    for number in range(images):
        draft.intake.data(f"{number}.png", b"bytes")
    return draft.finish(run_id, "tile", "upload", cut=Cut(value=3.0, name="held-out threshold"))


def test_a_trial_is_complete_or_not_there(place: Workspace) -> None:
    draft = Draft(place, 64)
    draft.intake.data("a.png", b"1")
    assert listing(place) == [], "not before it is finished"
    trial = draft.finish("r1", None, "upload")
    assert [one.id for one in listing(place)] == [trial.id]
    again = Trial.open(place, trial.id)
    assert again.request().images[0].name == "a.png" and again.image(0).read_bytes() == b"1"
    assert (again.status().state, again.status().total) == ("queued", 1)
    empty = Draft(place, 64)
    empty.intake.data("a.zip", b"no zip")
    with pytest.raises(DataError, match="no intact ZIP"):
        empty.finish("r1", None, "upload")
    assert len(list(folder(place).iterdir())) == 1, "nothing half-made is left"


def test_large_maps_lower_the_number_of_images(place: Workspace) -> None:
    draft = Draft(place, 8192)  # 128 MB a map
    for number in range(6):
        draft.intake.data(f"{number}.png", b"x")
    assert len(draft.intake.images) == 4 and "2 more are left out" in draft.intake.left_out[0]


@pytest.mark.parametrize("id", ["", "..", "../runs", "20261125-044834139-e208", "a" * 500, "\0"])
def test_only_ids_of_trials_open(place: Workspace, id: str) -> None:
    with pytest.raises(UsageError, match="There is no trial"):
        Trial.open(place, id)


def test_listing_is_newest_first_and_of_some_runs(place: Workspace) -> None:
    first, second, third = made(place, "r1"), made(place, "r2"), made(place, "r1")
    ids = sorted((first.id, second.id, third.id), reverse=True)
    assert [one.id for one in listing(place)] == ids
    assert {one.id for one in listing(place, ["r1"])} == {first.id, third.id}
    assert len(listing(place, most=1)) == 1


def test_a_worker_that_is_gone_is_noticed(place: Workspace) -> None:
    trial = made(place)
    trial.update(state="working", done=1, process=liveness.identity())
    assert trial.status().state == "working"
    dead = liveness.identity() | {"started": 1.0}
    trial.update(process=dead)
    assert (trial.status().state, trial.status().error) == ("failed", GONE)
    trial.update(state="queued", process=None, updated_at=1.0)
    assert trial.status().state == "failed", "nobody came"
    trial.again()
    assert trial.status().state == "queued" and not trial.cancelled()


def test_a_removed_trial_stays_removed(place: Workspace) -> None:
    trial = made(place)
    trial.remove()
    assert listing(place) == [] and not list(folder(place).iterdir())
    with pytest.raises(RunError, match="was removed"):
        trial.update(done=1)
    assert not list(folder(place).iterdir()), "a late word does not bring it back"


def test_verdicts_with_and_without_a_band() -> None:
    plain = Cut(value=3.0, name="x")
    assert [plain.verdict(score) for score in (2.9, 3.0, 4.0)] == [
        "normal",
        "anomalous",
        "anomalous",
    ]
    band = Cut(value=3.0, name="x", low=3.0, high=4.0)
    said = [band.verdict(score) for score in (2.9, 3.0, 3.9, 4.0)]
    assert said == ["normal", "review", "review", "anomalous"]


def test_a_chosen_threshold_comes_before_held_out_before_oracle(place: Workspace) -> None:
    run = RunDirectory.create(place, RunConfig(data="d", method="patchcore"))
    with pytest.raises(RunError):
        cut_of(place, run, "tile")
    oracle = {"class_name": "tile", "metric": "image_f1max_threshold", "value": 5.0}
    held = {"class_name": "tile", "metric": "image_threshold_heldout", "value": 6.0}
    other = {"class_name": "pcb", "metric": "image_threshold_heldout", "value": 9.0}
    run.write_table(RunDirectory.METRICS, pa.Table.from_pylist([oracle, other]))
    assert cut_of(place, run, "tile") == Cut(value=5.0, name="oracle threshold")
    run.write_table(RunDirectory.METRICS, pa.Table.from_pylist([oracle, held, other]))
    assert cut_of(place, run, "tile") == Cut(value=6.0, name="held-out threshold")
    assert cut_of(place, run, "scan") is None
    thresholds.choose(place, "Ada", run.run_id, "tile", 7.0, name="night", upper=8.0)
    chosen = cut_of(place, run, "tile")
    assert chosen == Cut(value=7.0, name="chosen threshold “night”", low=7.0, high=8.0)
