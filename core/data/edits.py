"""What people exclude from a data set or move to another split; files stay as they are.

Kept as people's entries of kind "edits": {dataset, action, keys, split, reason, group}. An edit
goes by the data set's name and is undone by taking it back; both stay on record. Later ones win.
An anomalous image is only ever tested: a move of it to training or calibration has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args
from uuid import uuid4

from core import people
from core.data.base import Dataset
from core.errors import DataError, UsageError
from core.types import Problem, Sample, Split
from core.workspace import Workspace

Action: TypeAlias = Literal["exclude", "move"]
_ROOM = 15_000
"""Characters of keys in one entry; longer lists become several that share a group."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One decision of a person on some images.

    Attributes:
        group: its id; `undo` takes it.
        action: "exclude", or "move" to `split`.
        keys: of the images.
        reason: why, as the person or the finding put it.
        at, author: when and by whom.
    """

    group: str
    action: Action
    keys: tuple[str, ...]
    split: Split | None
    reason: str
    at: str
    author: str


def make(
    workspace: Workspace, author: str, dataset: str, keys: Iterable[str], action: Action,
    *, split: Split | None = None, reason: str = "",
) -> str:  # fmt: skip
    """Exclude images of a registered data set, or move them to another split.

    Args:
        author: as typed by the person.
        dataset: its name.
        keys: of the images.
        split: where to; only for "move".

    Returns:
        The edit's group, for `undo`.

    Raises:
        UsageError: no image is named, or a move without a known split.
    """
    wanted = sorted(set(keys))
    if not wanted:
        raise UsageError("No image is named; choose at least one.")
    if (action == "move") != (split in get_args(Split)):
        raise UsageError(f"Images are moved to one of {', '.join(get_args(Split))}.")
    group = uuid4().hex[:12]
    for part in _parts(wanted):
        fields: dict[str, Any] = {
            "dataset": dataset, "action": action, "keys": part, "split": split,
            "reason": reason[:500], "group": group,
        }  # fmt: skip
        people.add(workspace, "edits", author, fields)
    return group


def undo(workspace: Workspace, author: str, group: str) -> None:
    """Take an edit back.

    Raises:
        UsageError: there is no such edit.
    """
    mine = [line["id"] for line in people.latest(workspace, "edits") if line.get("group") == group]
    if not mine:
        raise UsageError(f"There is no edit {group!r}, or it was taken back already.")
    for id in mine:
        people.remove(workspace, "edits", author, id)


def of_dataset(workspace: Workspace, dataset: str) -> list[Edit]:
    """The edits in force, oldest first."""
    found: dict[str, Edit] = {}
    for line in people.latest(workspace, "edits"):
        keys = line.get("keys")
        if line.get("dataset") != dataset or not isinstance(keys, list):
            continue
        action: Any = line.get("action")
        split: Any = line.get("split")
        if action not in get_args(Action) or (action == "move" and split not in get_args(Split)):
            continue
        group = str(line.get("group") or line["id"])
        before = found[group].keys if group in found else ()
        found[group] = Edit(
            group, action, (*before, *map(str, keys)), split,
            str(line.get("reason") or ""), str(line["at"]), str(line["author"]),
        )  # fmt: skip
    return list(found.values())


def concerns(edit: Edit, label: int) -> bool:
    """Whether an edit changes an image of that label: anomalous images are moved to test only."""
    return label == 0 or edit.split in (None, "test")


def apply(dataset: Dataset, workspace: Workspace) -> Dataset:
    """The data set as people left it; a note says how many images were excluded and moved.

    Raises:
        DataError: no class has a training image left.
    """
    edits = of_dataset(workspace, dataset.name)
    if not edits:
        return dataset
    fate: dict[str, Edit] = {key: edit for edit in edits for key in edit.keys}
    kept: list[Sample] = []
    excluded = moved = 0
    for sample in dataset.samples:
        edit = fate.get(sample.key)
        if edit is None or not concerns(edit, sample.label):
            kept.append(sample)
        elif edit.action == "exclude":
            excluded += 1
        else:
            assert edit.split is not None
            moved += sample.split != edit.split
            kept.append(replace(sample, split=edit.split))
    note = Problem(
        severity="note",
        key="",
        message=f"People's edits exclude {excluded} and move {moved} of its images; Data sets "
        "lists them and can undo them.",
    )
    usable = {sample.class_name for sample in kept if sample.split == "train"}
    lost = [
        Problem(
            severity="error",
            key=name,
            message=f"Class {name} was left out because edits leave it no training images; undo "
            "one of them.",
        )
        for name in dataset.classes
        if name not in usable
    ]
    if not usable:
        raise DataError(
            f"People's edits leave {dataset.name} no training images; undo one of them."
        )
    kept = [sample for sample in kept if sample.class_name in usable]
    kept.sort(key=lambda sample: (sample.class_name, sample.split, sample.key))
    return replace(dataset, samples=tuple(kept), problems=(*lost, *dataset.problems, note))


def _parts(keys: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    room = _ROOM
    for key in keys:
        if parts[-1] and len(key) + 4 > room:
            parts.append([])
            room = _ROOM
        parts[-1].append(key)
        room -= len(key) + 4
    return parts
