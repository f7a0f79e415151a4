"""Review marks: what a person says of a case, kept with author and time, every version of it.

One entry a person and case: marking again is a new version, taking a mark back is one too. They
belong to the data set's content (its fingerprint), not to a run: a wrong label is wrong for every
method. The run that was looked at is noted beside.

Which labels are disputed, by one rule. Of every person the last mark on a case counts. A case is
disputed as soon as one person's last mark says "wrong label" or "wrong mask"; a wrong label
outweighs a wrong mask. Somebody else's "agree" does not lift that: such a case is contested, and
is shown as such until the two agree. A mark on an image that is not of the data set as it is now
(another fingerprint) disputes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, cast

from core import people
from core.errors import UsageError
from core.workspace import Workspace

Verdict = Literal["agree", "wrong_label", "wrong_mask", "interesting"]
TITLES: Final[Mapping[Verdict, str]] = {
    "agree": "agree",
    "wrong_label": "wrong label",
    "wrong_mask": "wrong mask",
    "interesting": "interesting",
}
VERDICTS: Final[tuple[Verdict, ...]] = tuple(TITLES)
DISPUTING: Final[tuple[Verdict, ...]] = ("wrong_label", "wrong_mask")
LONGEST_NOTE = 4000
"""Characters of a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One version of what one person says of one case.

    Attributes:
        fingerprint, key, class_name: which image of which data.
        verdict: None where the mark was taken back.
        note: in the person's own words; "" when there is none.
        label_should_be: "good" or an anomaly type, where the label is said to be wrong and the
            right one is known.
        run_id: the run that was looked at; None when none was.
        author, at: who said so, and when (UTC, ISO 8601).
        version: 1, 2, ... of this person's mark on this case.
        id: of the entry among those people added.
    """

    fingerprint: str
    key: str
    class_name: str
    verdict: Verdict | None
    note: str = ""
    label_should_be: str | None = None
    run_id: str | None = None
    author: str = people.NOBODY
    at: str = ""
    version: int = 1
    id: str = ""

    @property
    def said(self) -> str:
        """The verdict in words."""
        return "taken back" if self.verdict is None else TITLES[self.verdict]


def add(
    workspace: Workspace,
    author: str,
    *,
    fingerprint: str,
    key: str,
    class_name: str,
    verdict: Verdict,
    note: str = "",
    label_should_be: str | None = None,
    run_id: str | None = None,
) -> None:
    """File a mark; a person's earlier one on the same case stays as an older version.

    Raises:
        UsageError: no such verdict, no case, a note that is too long.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"verdict: expected one of {', '.join(VERDICTS)}, got {verdict!r}.")
    if not fingerprint or not key:
        raise UsageError("A mark needs the case it is about: a data set's fingerprint and a key.")
    if len(note) > LONGEST_NOTE:
        raise UsageError(
            f"note: expected at most {LONGEST_NOTE:,} characters, got {len(note):,}; shorten it."
        )
    own: dict[str, Any] = {
        "fingerprint": fingerprint, "key": key, "class_name": class_name, "verdict": verdict,
        "note": "\n".join(note.strip().splitlines()),  # of all line ends, one a line of JSON keeps
        "run_id": run_id,
        "label_should_be": label_should_be if verdict == "wrong_label" else None,
    }  # fmt: skip
    name = _name(author)
    people.add(workspace, "marks", name, own, id=entry_id(fingerprint, key, name))


def take_back(workspace: Workspace, author: str, fingerprint: str, key: str) -> None:
    """Withdraw this person's mark; its versions stay readable.

    Raises:
        UsageError: this person has no mark on the case.
    """
    name = _name(author)
    id = entry_id(fingerprint, key, name)
    if not any(mark.id == id for mark in standing(versions(workspace))):
        raise UsageError(f"{name} has no mark on {key} that could be taken back.")
    people.remove(workspace, "marks", name, id)


def entry_id(fingerprint: str, key: str, author: str) -> str:
    """The entry of one person on one case."""
    parts = "\0".join((fingerprint, key, _name(author)))
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


def _name(author: str) -> str:
    """As `people` files it."""
    return " ".join(author.split())[:80].strip() or people.NOBODY


def versions(workspace: Workspace, fingerprint: str | None = None) -> list[Mark]:
    """Every version of every mark, oldest first; lines that are no marks are left out.

    Args:
        fingerprint: of one data set alone; None: of all.
    """
    found: list[Mark] = []
    last: dict[str, Mark] = {}
    for line in people.versions(workspace, "marks"):
        mark = _read(line, last.get(str(line["id"])))
        if mark is not None:
            last[mark.id] = mark
            found.append(mark)
    return [mark for mark in found if fingerprint in (None, mark.fingerprint)]


def _read(line: dict[str, Any], before: Mark | None) -> Mark | None:
    """A line of the file; `before` is the entry's version before it."""
    same = {"id": str(line["id"]), "at": str(line["at"]), "author": str(line["author"])}
    number = before.version + 1 if before else 1
    if line.get("removed"):
        if before is None:
            return None
        return Mark(
            fingerprint=before.fingerprint, key=before.key, class_name=before.class_name,
            verdict=None, version=number, **same,
        )  # fmt: skip
    if line.get("verdict") not in VERDICTS:
        return None
    if not all(isinstance(line.get(name), str) for name in ("fingerprint", "key", "class_name")):
        return None
    return Mark(
        fingerprint=line["fingerprint"], key=line["key"], class_name=line["class_name"],
        verdict=cast(Verdict, line["verdict"]), note=str(line.get("note") or ""),
        label_should_be=_text(line.get("label_should_be")), run_id=_text(line.get("run_id")),
        version=number, **same,
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def standing(marks: Iterable[Mark]) -> list[Mark]:
    """The last version of every entry that was not taken back, in the order of first marking."""
    held = {mark.id: mark for mark in marks}
    return [mark for mark in held.values() if mark.verdict is not None]


def of_case(marks: Iterable[Mark], key: str) -> list[Mark]:
    """Those on one case, in the order they came."""
    return [mark for mark in marks if mark.key == key]


@dataclass(frozen=True, slots=True)
class Disputes:
    """Keys whose label or mask somebody calls wrong; see the module for the rule.

    Attributes:
        labels: the label is disputed.
        masks: the mask is, and the label is not.
        contested: disputed by one person while another one agrees with the label.
    """

    labels: frozenset[str] = frozenset()
    masks: frozenset[str] = frozenset()
    contested: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """All disputed cases."""
        return self.labels | self.masks

    def __len__(self) -> int:
        return len(self.keys)


def disputes(marks: Iterable[Mark]) -> Disputes:
    """What is disputed by these marks of one data set; older versions among them do not count."""
    said: dict[Verdict, set[str]] = {verdict: set() for verdict in VERDICTS}
    for mark in standing(marks):
        assert mark.verdict is not None
        said[mark.verdict].add(mark.key)
    wrong = said["wrong_label"] | said["wrong_mask"]
    return Disputes(
        frozenset(said["wrong_label"]),
        frozenset(said["wrong_mask"] - said["wrong_label"]),
        frozenset(wrong & said["agree"]),
    )


# -- taking them along ------------------------------------------------------------------------

COLUMNS: Final = tuple(field.name for field in fields(Mark))


def records(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Marks as plain rows with the columns `COLUMNS`."""
    return [asdict(mark) for mark in marks]


def as_json(marks: Sequence[Mark]) -> str:
    """Every version given, and what is disputed, as one JSON object."""
    found = disputes(marks)
    return json.dumps(
        {
            "marks": records(marks),
            "disputed": {
                "wrong_label": sorted(found.labels),
                "wrong_mask": sorted(found.masks),
                "contested": sorted(found.contested),
            },
        },
        indent=1,
        ensure_ascii=False,
    )


def as_csv(marks: Sequence[Mark]) -> str:
    """Every version given, one a line, with a header.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; the JSON export
    has all texts as they were written.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in records(marks):
        writer.writerow([_harmless(row[name]) for name in COLUMNS])
    return out.getvalue()


def _harmless(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
