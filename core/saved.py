"""Views of a page that people keep under a name: what the address said, a note, who and when.

They stand among the "comparisons" of `core.people`, append-only: a new name is a new version, and
one that is taken back stays in the file. A view holds the page and the query of its address, never
an address itself, so that it opens under any host and base path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from core import people
from core.errors import UsageError
from core.people import Kind
from core.workspace import Workspace

KIND: Kind = "comparisons"
LONGEST_NAME, LONGEST_NOTE = 80, 2000
PASSING = ("present", "words", "tour", "embed", "embed_options")
"""What the address says of the reader, not of the view."""
PAGE = re.compile(r"[a-z][a-z0-9_]{0,39}")
Query = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class SavedView:
    """One saved view, in its last version.

    Attributes:
        page: address name of a page ("compare").
        query: what stood in the address, each parameter with its values.
        at: when this version was written, ISO 8601, UTC.
        versions: how many there are.
    """

    id: str
    name: str
    note: str
    page: str
    query: tuple[tuple[str, tuple[str, ...]], ...]
    author: str
    at: str
    versions: int

    @property
    def href(self) -> str:
        """The link that restores it, relative to the dashboard's own address."""
        asked = urlencode({key: list(values) for key, values in self.query}, doseq=True)
        return f"{self.page}?{asked}" if asked else self.page

    def get(self, name: str) -> str:
        """The first value of a parameter; "" when the view does not name it."""
        return next((values[0] for key, values in self.query if key == name and values), "")


def save(
    workspace: Workspace, author: str, name: str, page: str, query: Query, note: str = ""
) -> SavedView:
    """Keep a view.

    Raises:
        UsageError: no name, a name or note that is too long, or something that is no page.
    """
    if not PAGE.fullmatch(page):
        raise UsageError(f"page: expected the address name of a page, got {page!r}.")
    kept = {
        str(key): [str(one) for one in ([value] if isinstance(value, str) else value)]
        for key, value in query.items()
        if key not in PASSING
    }
    return _write(workspace, author, name, note, {"page": page, "query": kept}, None)


def rename(workspace: Workspace, author: str, id: str, name: str, note: str = "") -> SavedView:
    """A new version under another name and note; the view itself stays.

    Raises:
        UsageError: there is no such view, no name, or one that is too long.
    """
    held = next((view for view in views(workspace) if view.id == id), None)
    if held is None:
        raise UsageError(f"There is no saved view {id!r}; it may have been taken back.")
    query = {key: list(values) for key, values in held.query}
    return _write(workspace, author, name, note, {"page": held.page, "query": query}, id)


def take_back(workspace: Workspace, author: str, id: str) -> None:
    """Take a view off the list.

    Raises:
        UsageError: there is no such view.
    """
    people.remove(workspace, KIND, author, id)


def views(workspace: Workspace) -> list[SavedView]:
    """What is kept, the latest first; lines that are no views are left out."""
    counted: dict[str, int] = {}
    for line in people.versions(workspace, KIND):
        counted[str(line["id"])] = counted.get(str(line["id"]), 0) + 1
    found = (_view(line, counted) for line in people.latest(workspace, KIND))
    return sorted((one for one in found if one), key=lambda one: (one.at, one.id), reverse=True)


def _write(
    workspace: Workspace, author: str, name: str, note: str, held: dict[str, Any], id: str | None
) -> SavedView:
    name, note = re.sub(r"\s+", " ", name).strip(), note.strip()
    if not name:
        raise UsageError("A saved view needs a name, such as 'PatchCore against RD on pcb'.")
    if len(name) > LONGEST_NAME or len(note) > LONGEST_NOTE:
        raise UsageError(
            f"A name has at most {LONGEST_NAME} characters and a note at most {LONGEST_NOTE:,}; "
            f"got {len(name)} and {len(note):,}."
        )
    line = people.add(workspace, KIND, author, {"name": name, "note": note} | held, id)
    view = _view(line, {})
    assert view is not None
    return view


def _view(line: Mapping[str, Any], counted: Mapping[str, int]) -> SavedView | None:
    name, page, query = line.get("name"), line.get("page"), line.get("query")
    if not (isinstance(name, str) and isinstance(page, str) and isinstance(query, dict)):
        return None
    if not PAGE.fullmatch(page):
        return None
    pairs = tuple(
        (str(key), tuple(map(str, values if isinstance(values, list) else [values])))
        for key, values in query.items()
    )
    return SavedView(
        id=str(line["id"]), name=name, note=str(line.get("note") or ""), page=page, query=pairs,
        author=str(line["author"]), at=str(line["at"]), versions=counted.get(str(line["id"]), 1),
    )  # fmt: skip
