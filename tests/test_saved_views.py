"""Saved views: what is kept, versions, taking back, and lines that are no views."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import people, saved
from core.errors import UsageError
from core.workspace import Workspace, append_jsonl


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


QUERY = {"a": "run-1", "b": "run-2", "class": ["x y", "z&"], "present": "1", "words": "plant"}


def test_a_view_comes_back_as_it_was(workspace: Workspace) -> None:
    made = saved.save(workspace, "Ada", " pcb,\n both ", "compare", QUERY, "why B wins ")
    (held,) = saved.views(workspace)
    assert held == made
    assert (held.name, held.note, held.author, held.versions) == (
        "pcb, both", "why B wins", "Ada", 1,
    )  # fmt: skip
    assert held.href == "compare?a=run-1&b=run-2&class=x+y&class=z%26"
    assert held.get("a") == "run-1" and held.get("class") == "x y" and held.get("none") == ""
    assert "present" not in held.href and "words" not in held.href, "these are the reader's own"


def test_a_page_without_a_query(workspace: Workspace) -> None:
    assert saved.save(workspace, "", "Board", "leaderboard", {}).href == "leaderboard"
    assert saved.views(workspace)[0].author == people.NOBODY


def test_a_new_name_is_a_new_version(workspace: Workspace) -> None:
    first = saved.save(workspace, "Ada", "one", "compare", QUERY, "note")
    saved.save(workspace, "Ada", "two", "compare", QUERY)
    named = saved.rename(workspace, "Bo", first.id, "renamed", "other")
    assert named.id == first.id and named.href == first.href
    held = {view.id: view for view in saved.views(workspace)}
    assert len(held) == 2
    assert (held[first.id].name, held[first.id].note) == ("renamed", "other")
    assert held[first.id].author == "Bo" and held[first.id].versions == 2
    lines = people.versions(workspace, "comparisons")
    assert [line["name"] for line in lines] == ["one", "two", "renamed"], "nothing is rewritten"


def test_taking_back(workspace: Workspace) -> None:
    view = saved.save(workspace, "Ada", "one", "compare", QUERY)
    saved.take_back(workspace, "Ada", view.id)
    assert saved.views(workspace) == []
    for act in (
        lambda: saved.take_back(workspace, "Ada", view.id),
        lambda: saved.rename(workspace, "Ada", view.id, "x"),
    ):
        with pytest.raises(UsageError, match=view.id):
            act()


@pytest.mark.parametrize(
    ("name", "page", "note", "said"),
    [
        ("  ", "compare", "", "needs a name"),
        ("x" * 81, "compare", "", "at most 80"),
        ("x", "compare", "y" * 2001, "2,001"),
        ("x", "https://elsewhere", "", "address name"),
        ("x", "../up", "", "address name"),
    ],
)
def test_what_is_refused(workspace: Workspace, name: str, page: str, note: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        saved.save(workspace, "Ada", name, page, {}, note)
    assert saved.views(workspace) == []


def test_lines_that_are_no_views_are_left_out(workspace: Workspace) -> None:
    file = people.file_of(workspace, "comparisons")
    base = {"at": "2026-01-01", "author": "x"}
    append_jsonl(file, {"id": "1", **base, "name": "no page"})
    append_jsonl(file, {"id": "2", **base, "name": "n", "page": "javascript:x", "query": {}})
    append_jsonl(file, {"id": "3", **base, "name": "n", "page": "compare", "query": "a=1"})
    append_jsonl(file, {"id": "4", **base, "name": "n", "page": "compare", "query": {"a": 1}})
    assert [(view.id, view.href) for view in saved.views(workspace)] == [("4", "compare?a=1")]
