"""Review marks: versions by person and case, what they dispute, and taking them along."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from core import marks, people
from core.cli import main
from core.errors import UsageError
from core.store import read
from core.store.ingest import refresh
from core.workspace import Workspace

PRINT = "f1f2f3f4"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def mark(place: Workspace, author: str, key: str, verdict: Any, **more: Any) -> None:
    whole = {"fingerprint": PRINT, "class_name": "tile"} | more
    marks.add(place, author, key=key, verdict=verdict, **whole)


def test_a_person_has_one_mark_a_case_and_all_its_versions(place: Workspace) -> None:
    mark(place, "Ann", "a", "interesting", note="look")
    mark(place, "Ben", "a", "agree")
    mark(place, "Ann ", "a", "wrong_label", label_should_be="good", run_id="r1")
    mark(place, "Ann", "b", "agree")
    every = marks.versions(place)
    assert [(m.author, m.key, m.version) for m in every] == [
        ("Ann", "a", 1), ("Ben", "a", 1), ("Ann", "a", 2), ("Ann", "b", 1),
    ]  # fmt: skip
    last = marks.of_case(marks.standing(every), "a")
    assert [(m.author, m.verdict) for m in last] == [("Ann", "wrong_label"), ("Ben", "agree")]
    assert (last[0].label_should_be, last[0].run_id, last[0].note) == ("good", "r1", "")
    assert [m.verdict for m in marks.of_case(every, "a")] == ["interesting", "agree", "wrong_label"]


def test_one_dispute_is_enough_and_agreement_makes_it_contested(place: Workspace) -> None:
    mark(place, "Ann", "label", "wrong_label")
    mark(place, "Ben", "label", "agree")
    mark(place, "Ann", "mask", "wrong_mask")
    mark(place, "Ann", "both", "wrong_mask")
    mark(place, "Ben", "both", "wrong_label")
    mark(place, "Ann", "settled", "wrong_label")
    mark(place, "Ann", "settled", "agree")
    mark(place, "Ann", "nice", "interesting")
    found = marks.disputes(marks.versions(place))
    assert found.labels == {"label", "both"} and found.masks == {"mask"}
    assert found.contested == {"label"} and found.keys == {"label", "both", "mask"}
    assert len(found) == 3


def test_a_mark_taken_back_no_longer_counts_and_can_be_made_again(place: Workspace) -> None:
    mark(place, "Ann", "a", "wrong_label")
    with pytest.raises(UsageError, match="Ben has no mark"):
        marks.take_back(place, "Ben", PRINT, "a")
    marks.take_back(place, "Ann", PRINT, "a")
    every = marks.versions(place)
    assert not marks.disputes(every) and [m.said for m in every] == ["wrong label", "taken back"]
    mark(place, "Ann", "a", "agree")
    assert marks.versions(place)[-1].version == 3


def test_other_data_is_not_touched(place: Workspace) -> None:
    mark(place, "Ann", "a", "wrong_label")
    mark(place, "Ann", "a", "agree", fingerprint="other")
    assert [m.verdict for m in marks.versions(place, "other")] == ["agree"]
    assert marks.disputes(marks.versions(place, PRINT)).labels == {"a"}


def test_what_cannot_be_a_mark_is_refused(place: Workspace) -> None:
    with pytest.raises(UsageError, match="verdict: expected one of agree"):
        mark(place, "Ann", "a", "maybe")
    with pytest.raises(UsageError, match="at most 4,000 characters, got 4,001"):
        mark(place, "Ann", "a", "agree", note="x" * 4001)
    with pytest.raises(UsageError, match="needs the case"):
        mark(place, "Ann", "", "agree")
    people.add(place, "marks", "Ann", {"verdict": "agree"})  # of an unknown case
    people.add(place, "marks", "Ann", {"mark": "agree"})  # another tool's
    assert marks.versions(place) == []


def test_a_note_keeps_every_line_end_on_one_line_of_the_file(place: Workspace) -> None:
    mark(place, "Ann", "a", "agree", note="one\u2028two\x85three\r\nfour ")
    (only,) = marks.versions(place)
    assert only.note == "one\ntwo\nthree\nfour"


def test_the_store_has_the_last_version_and_their_number(place: Workspace) -> None:
    mark(place, "Ann", "a", "agree")
    mark(place, "Ann", "a", "wrong_mask", note="too wide")
    refresh(place)
    (row,) = read.entries(place, "marks").to_dict("records")
    assert (row["author"], row["versions"]) == ("Ann", 2)
    assert row["fields"]["verdict"] == "wrong_mask" and row["fields"]["note"] == "too wide"


def test_exports_hold_every_version_and_no_formula(place: Workspace) -> None:
    mark(place, "Ann", "a", "agree", note="=1+1")
    mark(place, "Ann", "a", "wrong_label", note='said "no", twice\nindeed')
    every = marks.versions(place)
    rows = list(csv.DictReader(io.StringIO(marks.as_csv(every))))
    assert [row["note"] for row in rows] == ["'=1+1", 'said "no", twice\nindeed']
    assert [row["version"] for row in rows] == ["1", "2"] and rows[0]["author"] == "Ann"
    whole = json.loads(marks.as_json(every))
    assert whole["marks"][0]["note"] == "=1+1", "JSON has it as it was written"
    assert whole["disputed"] == {"wrong_label": ["a"], "wrong_mask": [], "contested": []}


def test_the_command_lists_and_exports(
    place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    mark(place, "Ann", "a.png", "agree")
    mark(place, "Ann", "a.png", "wrong_label", label_should_be="good")
    mark(place, "Ben", "b.png", "wrong_mask")
    where = ["--workspace", str(place.root)]
    out = place.root / "export" / "marks.csv"
    assert main(["marks", "--data", PRINT, "--out", str(out), "--json", *where]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["versions"], len(said["marks"])) == (3, 2)
    assert (said["disputed_labels"], said["disputed_masks"], said["contested"]) == (1, 1, 0)
    assert len(out.read_text().splitlines()) == 4
    assert main(["marks", *where]) == 0
    assert "Ann: wrong label  a.png (should be good)" in capsys.readouterr().out
    assert main(["marks", "--data", "nowhere", *where]) == 2
    assert "no data set with runs 'nowhere'" in capsys.readouterr().err
    assert main(["marks", "--out", "marks.txt", *where]) == 2
    assert ".csv or .json" in capsys.readouterr().err
