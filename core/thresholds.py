"""Operating points people chose, each for one run and one class, or for all classes of a run.

They stand among the "thresholds" of `core.people`, append-only. At most one is in use for a run,
class and level: the active one that was written last. A class's own comes before one for all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core import people
from core.errors import UsageError
from core.people import Kind
from core.workspace import Workspace

KIND: Kind = "thresholds"
LONGEST_NAME = 80
ALL_CLASSES = ""
"""`class_name` of an entry that holds for every class."""
Level = Literal["image"]
Origin = Literal["oracle", "held-out", "hand"]
ORIGINS: tuple[Origin, ...] = ("oracle", "held-out", "hand")
"""How the value was found: by a rule on the test images, from held-out normals, or set by hand."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen operating point, in its last version.

    Attributes:
        value: an image is called anomalous when its score is >= this.
        upper: with a review band, from `value` to here people look again; None: no band.
        active: whether its run is judged by it, unless a later one is.
        author, chosen_at: who chose it, and when (ISO 8601, UTC).
        at: when this version was written; another one may have come into use since.
    """

    id: str
    run_id: str
    class_name: str
    value: float
    upper: float | None
    name: str
    active: bool
    origin: Origin
    author: str
    chosen_at: str
    at: str
    level: str = "image"


def choose(
    workspace: Workspace,
    author: str,
    run_id: str,
    class_name: str,
    value: float,
    *,
    name: str,
    upper: float | None = None,
    origin: Origin = "hand",
    level: Level = "image",
) -> Chosen:
    """Keep an operating point and judge the run by it from now on.

    Raises:
        UsageError: no name or one that is too long, a value that is no number, an upper threshold
            that is not above the lower one.
    """
    name = re.sub(r"\s+", " ", name).strip()
    if not name:
        raise UsageError("A threshold needs a name, such as 'line 3, night shift'.")
    if len(name) > LONGEST_NAME:
        raise UsageError(f"A name has at most {LONGEST_NAME} characters; got {len(name)}.")
    if not math.isfinite(value):
        raise UsageError(f"value: expected a finite number, got {value!r}.")
    if upper is not None and not (math.isfinite(upper) and upper > value):
        raise UsageError(f"upper: expected a number above {value:g} (value), got {upper!r}.")
    fields = {
        "run_id": run_id, "class_name": class_name, "level": level, "value": float(value),
        "upper": None if upper is None else float(upper), "name": name, "active": True,
        "origin": origin,
    }  # fmt: skip
    line = people.add(workspace, KIND, author, fields)
    made = _parsed(line)
    assert made is not None
    _retire(workspace, author, made)
    return made


def use(workspace: Workspace, author: str, id: str, active: bool = True) -> Chosen:
    """Judge the run by this one from now on, or (`active` False) no longer.

    Raises:
        UsageError: there is no such threshold.
    """
    held = _held(workspace, id)
    line = people.add(workspace, KIND, author, _fields(held) | {"active": active}, id)
    made = _parsed(line)
    assert made is not None
    if active:
        _retire(workspace, author, made)
    return made


def take_back(workspace: Workspace, author: str, id: str) -> None:
    """Take a threshold off the list; its versions stay in the file.

    Raises:
        UsageError: there is no such threshold.
    """
    people.remove(workspace, KIND, author, id)


def chosen(workspace: Workspace, run_id: str | None = None) -> list[Chosen]:
    """What is kept, the latest first; lines that are no thresholds are left out."""
    return parsed(people.latest(workspace, KIND), run_id)


def parsed(lines: Iterable[Mapping[str, Any]], run_id: str | None = None) -> list[Chosen]:
    """Entries of this kind, as `core.people` or the store holds them, the latest first."""
    found = [one for line in lines if (one := _parsed(line)) is not None]
    found = [one for one in found if run_id in (None, one.run_id)]
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)


def in_use(entries: Iterable[Chosen], class_name: str, level: str = "image") -> Chosen | None:
    """The one a class is judged by; `entries` are of one run. None: nobody chose one."""
    latest = sorted(entries, key=lambda one: (one.at, one.id), reverse=True)
    for name in dict.fromkeys((class_name, ALL_CLASSES)):
        for one in latest:
            if one.active and one.level == level and one.class_name == name:
                return one
    return None


def _retire(workspace: Workspace, author: str, new: Chosen) -> None:
    """Write that earlier ones of the same run, class and level are no longer in use."""
    for old in chosen(workspace, new.run_id):
        same = (old.class_name, old.level) == (new.class_name, new.level)
        if old.active and same and old.id != new.id:
            people.add(workspace, KIND, author, _fields(old) | {"active": False}, old.id)


def _held(workspace: Workspace, id: str) -> Chosen:
    found = next((one for one in chosen(workspace) if one.id == id), None)
    if found is None:
        raise UsageError(f"There is no chosen threshold {id!r}; it may have been taken back.")
    return found


def _fields(one: Chosen) -> dict[str, Any]:
    names = ("run_id", "class_name", "level", "value", "upper", "name", "active", "origin")
    told = {"chosen_by": one.author, "chosen_at": one.chosen_at}
    return {name: getattr(one, name) for name in names} | told


def _parsed(line: Mapping[str, Any]) -> Chosen | None:
    """The entry of a line; None when it is none, as a line written by hand may be."""
    value, upper = _number(line.get("value")), _number(line.get("upper"))
    texts = [line.get(name) for name in ("run_id", "class_name", "name")]
    if value is None or not all(isinstance(text, str) for text in texts):
        return None
    run_id, class_name, name = map(str, texts)
    origin = line.get("origin")
    return Chosen(
        id=str(line["id"]), run_id=run_id, class_name=class_name, value=value,
        upper=upper if upper is not None and upper > value else None, name=name,
        active=line.get("active", True) is True,
        origin=next((one for one in ORIGINS if one == origin), "hand"),
        author=str(line.get("chosen_by") or line.get("author") or people.NOBODY),
        chosen_at=str(line.get("chosen_at") or line.get("at") or ""),
        at=str(line.get("at") or ""),
        level=str(line.get("level") or "image"),
    )  # fmt: skip


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else None
