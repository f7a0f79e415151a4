"""Thresholds people chose: one in use for a run and class, the others kept, bad ones refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest

from core import cli, people, thresholds
from core.errors import UsageError
from core.judging import points
from core.runs import RunDirectory
from core.workspace import Workspace
from tests.dashboard import stores


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_the_latest_is_in_use_and_the_others_are_kept(place: Workspace) -> None:
    first = thresholds.choose(place, "Ann", "run", "tile", 3.0, name="day shift")
    second = thresholds.choose(place, "Bo", "run", "tile", 4.0, upper=5.0, name="night shift")
    held = thresholds.chosen(place, "run")
    assert [(one.id, one.active) for one in held if one.active] == [(second.id, True)]
    assert {one.id for one in held} == {first.id, second.id}
    now = thresholds.in_use(held, "tile")
    assert now is not None and (now.value, now.upper, now.author) == (4.0, 5.0, "Bo")
    thresholds.use(place, "Cy", first.id)
    again = thresholds.in_use(thresholds.chosen(place, "run"), "tile")
    assert again is not None and (again.id, again.author) == (first.id, "Ann"), "who chose it stays"


def test_a_class_comes_before_all_classes(place: Workspace) -> None:
    thresholds.choose(place, "", "run", "tile", 3.0, name="tile")
    thresholds.choose(place, "", "run", thresholds.ALL_CLASSES, 9.0, name="all")
    held = thresholds.chosen(place, "run")
    assert [one.value for name in ("tile", "board") if (one := thresholds.in_use(held, name))] == [
        3.0,
        9.0,
    ]
    assert thresholds.in_use(thresholds.chosen(place, "other run"), "tile") is None


def test_stopping_and_taking_back(place: Workspace) -> None:
    one = thresholds.choose(place, "", "run", "tile", 3.0, name="n")
    thresholds.use(place, "", one.id, active=False)
    assert thresholds.in_use(thresholds.chosen(place), "tile") is None
    thresholds.take_back(place, "", one.id)
    assert thresholds.chosen(place) == [] and len(people.versions(place, "thresholds")) == 3
    with pytest.raises(UsageError, match="taken back"):
        thresholds.use(place, "", one.id)


@pytest.mark.parametrize(
    ("value", "upper", "name", "word"),
    [
        (math.nan, None, "n", "finite"),
        (1.0, 1.0, "n", "above"),
        (1.0, math.inf, "n", "above"),
        (1.0, None, "  ", "name"),
        (1.0, None, "x" * 81, "80"),
    ],
)
def test_bad_ones_are_refused(
    place: Workspace, value: float, upper: float | None, name: str, word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        thresholds.choose(place, "", "run", "tile", value, upper=upper, name=name)
    assert not people.file_of(place, "thresholds").exists()


def test_lines_written_by_hand_do_no_harm(place: Workspace) -> None:
    people.add(place, "thresholds", "", {"run_id": 5, "value": "high"})
    people.add(place, "thresholds", "", {"run_id": "run", "class_name": "a", "name": "n",
                                         "value": 2, "upper": 1})  # fmt: skip
    (one,) = thresholds.chosen(place)
    assert (one.value, one.upper) == (2.0, None)


def test_the_command_counts_at_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = stores.filled(tmp_path)
    run = store.runs["patchcore"]
    directory = RunDirectory.open(store.workspace, run)
    thresholds.choose(store.workspace, "Ann", run, "tile", -5, upper=1e6, name="look at all")
    thresholds.choose(
        store.workspace, "Bo", run, thresholds.ALL_CLASSES, 1e6, name="never", origin="oracle"
    )
    given = ["thresholds", run, "--workspace", str(store.workspace.root)]
    assert cli.main([*given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["run_id"], told["alpha"]) == (run, 0.05)
    rows = {(row["class"], row["kind"]): row for row in told["thresholds"]}
    assert {name for name, _ in rows} == {"board", "scan", "tile", "all classes"}
    # its own band comes before the one for all: each of 8 and 6 is looked at again
    own = rows["tile", "chosen"]
    assert (own["found_again"], own["alarms_again"], own["missed"]) == (8, 6, 0)
    assert (own["value"], own["upper"]) == (-5, 1e6) and own["note"] == "look at all, by Ann"
    shared = rows["board", "chosen"]
    assert (shared["missed"], shared["passed"]) == (8, 6) and "oracle" in shared["note"]
    assert points(store.workspace, directory)["board"].oracle
    assert rows["all classes", "chosen"]["missed"] == 24
    # the oracle by trying every score of the class
    cases = [row for row in directory.read_table("cases.parquet").to_pylist()
             if row["class_name"] == "tile"]  # fmt: skip
    hits = {
        t: 2 * sum(row["label"] for row in cases if row["score"] >= t)
        / (8 + sum(row["score"] >= t for row in cases))
        for t in (row["score"] for row in cases)
    }  # fmt: skip
    best = max(t for t, f1 in hits.items() if f1 == max(hits.values()))
    assert rows["tile", "oracle"]["value"] == pytest.approx(best)

    assert cli.main([*given, "--class", "tile"]) == 0
    said = capsys.readouterr().out
    assert "14 looked at again" in " ".join(said.split()) and "Oracle" in said
    assert cli.main([*given, "--alpha", "2"]) == 2
    assert cli.main([*given, "--class", "tyle"]) == 2
    assert "tile" in capsys.readouterr().err, "the nearest name"


def test_the_command_tells_promised_and_realised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stores.filled(tmp_path)
    run = RunDirectory.open(store.workspace, store.runs["deployed"])
    curves = run.read_table(RunDirectory.CURVES)
    held = [
        {"class_name": "tile", "curve": "heldout_scores", "position": i, "x": i / 10, "y": 0.0,
         "threshold": None}
        for i in range(19)
    ]  # fmt: skip
    more = pa.Table.from_pylist(held, schema=curves.schema)
    run.write_table(RunDirectory.CURVES, pa.concat_tables([curves, more]))
    assert cli.main(["thresholds", run.run_id, "--class", "tile", "--json", "--workspace",
                     str(store.workspace.root)]) == 0  # fmt: skip
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["thresholds"]
    (row,) = [one for one in rows if one["kind"] == "held-out"]
    # 19 scores, 0 to 1.8, promise 1 in 20; every test image scores higher than that
    assert row["promised"] == pytest.approx(0.05) and row["kept"] is True
    assert row["promised_interval"] == pytest.approx([1 - 0.975 ** (1 / 19), 1 - 0.025 ** (1 / 19)])
    assert (row["alarms"], row["realised"], row["verdict"]) == (6, 1.0, "more")
    assert row["realised_interval"] == pytest.approx([6 / (6 + 1.959964**2), 1.0], abs=1e-6)
    assert cli.main(["thresholds", store.runs["queued"], "--workspace",
                     str(store.workspace.root)]) != 0  # fmt: skip
    assert "no scores yet" in capsys.readouterr().err
