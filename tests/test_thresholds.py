"""Thresholds people chose: one in use for a run and class, the others kept, bad ones refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

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
    oracle = points(store.workspace, RunDirectory.open(store.workspace, run))["tile"].value
    thresholds.choose(store.workspace, "Ann", run, "tile", oracle + 100, name="never")
    given = ["thresholds", run, "--class", "tile", "--workspace", str(store.workspace.root)]
    assert cli.main([*given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["thresholds"]
    by_kind = {row["from"] if "from" in row else row["kind"]: row for row in told}
    assert {"oracle", "chosen"} <= set(by_kind)
    assert by_kind["chosen"]["found"] == 0 and by_kind["oracle"]["found"] > 0
    assert cli.main([*given, "--alpha", "2"]) == 2
