"""What people add: versions, taking back, half lines, and the store derived from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import people
from core.errors import UsageError
from core.store import read
from core.store.connection import version
from core.store.ingest import index, refresh
from core.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_new_version_counts_and_the_old_one_stays(place: Workspace) -> None:
    first = people.add(place, "marks", "Ann", {"mark": "agree"})
    people.add(place, "marks", "Bo", {"mark": "wrong label"}, first["id"])
    (held,) = people.latest(place, "marks")
    assert (held["mark"], held["author"], held["id"]) == ("wrong label", "Bo", first["id"])
    assert [one["mark"] for one in people.versions(place, "marks")] == ["agree", "wrong label"]


def test_what_is_taken_back_is_gone_but_kept(place: Workspace) -> None:
    kept = people.add(place, "comparisons", "", {"name": "kept"})
    gone = people.add(place, "comparisons", "", {"name": "gone"})
    people.remove(place, "comparisons", "Ann", gone["id"])
    assert [one["id"] for one in people.latest(place, "comparisons")] == [kept["id"]]
    assert len(people.versions(place, "comparisons")) == 3
    with pytest.raises(UsageError, match="no entry"):
        people.remove(place, "comparisons", "Ann", gone["id"])


def test_names_are_tidied_and_own_fields_refused(place: Workspace) -> None:
    assert people.add(place, "marks", "  Ann \n Lee ", {})["author"] == "Ann Lee"
    assert people.add(place, "marks", " ", {})["author"] == people.NOBODY
    with pytest.raises(UsageError, match="author"):
        people.add(place, "marks", "Ann", {"author": "Eve"})
    with pytest.raises(UsageError, match="shorten"):
        people.add(place, "marks", "Ann", {"note": "x" * 30_000})


def test_a_half_line_of_a_killed_writer_costs_nothing(place: Workspace) -> None:
    people.add(place, "marks", "Ann", {"n": 1})
    with people.file_of(place, "marks").open("a") as file:
        file.write('{"id": "half", "at": ')
    people.add(place, "marks", "Bo", {"n": 2})
    assert [one["n"] for one in people.latest(place, "marks")] == [1, 2]


def test_many_write_at_once(place: Workspace) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: people.add(place, "marks", f"P{n}", {"n": n}), range(200)))
    assert sorted(one["n"] for one in people.latest(place, "marks")) == list(range(200))


def test_the_store_is_derived_from_the_files(place: Workspace) -> None:
    first = people.add(place, "marks", "Ann", {"key": "a/b.png", "mark": "agree"})
    refresh(place)
    before = version(place)
    refresh(place)
    assert version(place) == before, "nothing new is no change"
    people.add(place, "marks", "Bo", {"key": "a/b.png", "mark": "wrong mask"}, first["id"])
    other = people.add(place, "marks", "Bo", {"key": "c.png", "mark": "agree"})
    people.remove(place, "marks", "Bo", other["id"])
    refresh(place)
    found = read.entries(place, "marks")
    assert version(place) != before
    assert found["fields"].tolist() == [{"key": "a/b.png", "mark": "wrong mask"}]
    assert found[["author", "versions"]].values.tolist() == [["Bo", 2]]
    index(place)
    assert read.entries(place, "marks")["fields"].tolist() == found["fields"].tolist()
    assert read.entries(place, "thresholds").empty
