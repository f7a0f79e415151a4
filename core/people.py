"""What people add, kept for ever: append-only JSON lines under <workspace>/people/.

One file a kind. A line is a version of an entry: {"id", "at", "author", ...its own fields}. Writing
an id again makes a new version and keeps the old ones; taking an entry back is a version, too, with
"removed": true. Nothing is ever rewritten, so two people may write at once.

Kinds in use: "marks" (a reviewer's word on a case), "thresholds" (operating points people chose),
"comparisons" (saved comparisons with a name), "edits" (images excluded from or moved within a data
set).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from core.errors import UsageError
from core.workspace import Workspace, append_jsonl, now, read_jsonl

Kind = Literal["marks", "thresholds", "comparisons", "edits"]
KINDS: tuple[Kind, ...] = ("marks", "thresholds", "comparisons", "edits")
OWN = ("id", "at", "author", "removed")
"""Fields this module writes; an entry's own fields have other names."""
LONGEST = 20_000
"""Characters of one line, so that a slip of the mouse does not fill the disk."""
NOBODY = "unnamed"


def add(
    workspace: Workspace, kind: Kind, author: str, fields: dict[str, Any], id: str | None = None
) -> dict[str, Any]:
    """Write a version of an entry; returns it as written.

    Args:
        author: who says so, as people typed it; "" is filed as "unnamed".
        fields: the entry's own fields, as JSON can hold them.
        id: of the entry this is a new version of; None: a new entry.

    Raises:
        UsageError: a field has a name of `OWN`, or the entry is too long.
    """
    taken = sorted(set(fields) & set(OWN))
    if taken:
        raise UsageError(f"Fields {', '.join(taken)} of {kind} are written by Flawscope itself.")
    return _append(workspace, kind, author, fields, id or uuid4().hex[:12])


def remove(workspace: Workspace, kind: Kind, author: str, id: str) -> None:
    """Take an entry back; its versions stay in the file.

    Raises:
        UsageError: there is no such entry.
    """
    if not any(entry["id"] == id for entry in latest(workspace, kind)):
        raise UsageError(f"There is no entry {id!r} among the {kind}.")
    _append(workspace, kind, author, {"removed": True}, id)


def versions(workspace: Workspace, kind: Kind) -> list[dict[str, Any]]:
    """Every version ever written, oldest first; lines that are no entries are left out."""
    lines = read_jsonl(file_of(workspace, kind))
    return [line for line in lines if isinstance(line, dict) and {"id", "at", "author"} <= {*line}]


def latest(workspace: Workspace, kind: Kind) -> list[dict[str, Any]]:
    """The last version of every entry that was not taken back, in the order of first writing."""
    held: dict[str, dict[str, Any]] = {}
    for line in versions(workspace, kind):
        held[str(line["id"])] = line
    return [line for line in held.values() if not line.get("removed")]


def file_of(workspace: Workspace, kind: Kind) -> Path:
    """Where the entries of a kind stand."""
    return workspace.people / f"{kind}.jsonl"


def stamp(workspace: Workspace) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever any kind does; a few file look-ups."""
    found = []
    for kind in KINDS:
        path = file_of(workspace, kind)
        if path.exists():
            at = path.stat()
            found.append((kind, at.st_mtime_ns, at.st_size))
    return tuple(found)


def _append(
    workspace: Workspace, kind: Kind, author: str, fields: dict[str, Any], id: str
) -> dict[str, Any]:
    name = re.sub(r"\s+", " ", author).strip()[:80] or NOBODY
    entry = {"id": id, "at": now(), "author": name} | fields
    if len(str(entry)) > LONGEST:
        raise UsageError(f"An entry of {kind} is at most {LONGEST:,} characters long; shorten it.")
    append_jsonl(file_of(workspace, kind), entry)
    return entry
