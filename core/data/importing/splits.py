"""Splits drawn by share and seed: normals only in training, no specimen in two splits.

A specimen with one anomalous image is tested whole: a part that is flawed somewhere must not be
learned as normal from another side. What was drawn once is kept (`known`); only new images are
drawn. Specimens are told apart within a class: part 7 of one class is not part 7 of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from core.config import Config
from core.data.importing.base import Item
from core.seeding import derive
from core.types import Split

NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "calibration", "valid": "calibration", "validation": "calibration",
    "calibration": "calibration",
}  # fmt: skip
"""What sources call splits, in lower case; normals held out for validation give thresholds."""

_FIRST: tuple[Split, ...] = ("test", "calibration", "train")


class Splits(Config):
    """How splits are drawn where the source gives none."""

    test_share: float = Field(
        default=0.3, gt=0, lt=1, description="part of the good images that is kept for testing"
    )
    calibration_share: float = Field(
        default=0.0, ge=0, lt=1,
        description="part of the good images that thresholds are taken from; 0: chosen by each run",
    )  # fmt: skip
    seed: int = Field(default=0, ge=0, description="another number, another draw")


def draw(
    items: Sequence[Item], rule: Splits, known: Mapping[str, Split] | None = None
) -> tuple[list[Item], set[str]]:
    """Items with a split each, and the names of those whose split was drawn.

    Args:
        items: of any classes; their order is kept.
        known: split by name, as drawn before.

    A given split of one image holds for its whole specimen; so does a known one. A specimen whose
    images were given different splits stays divided as given, and its anomalous images are tested
    whatever the others do.
    """
    known = known or {}
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.class_name, _group(item)].append(item)
    settled: dict[str, Split] = {}
    open_groups: dict[str, dict[str, list[Item]]] = defaultdict(dict)
    held: dict[str, dict[Split, int]] = defaultdict(lambda: defaultdict(int))
    for (class_name, group), members in groups.items():
        split = _settled(members, known)
        if split is None:
            open_groups[class_name][group] = members
            continue
        for item in members:
            settled[item.name] = item.split or ("test" if item.label else split)
            held[class_name][settled[item.name]] += item.label == 0
    for class_name, mine in open_groups.items():
        for group, split in _drawn(class_name, mine, rule, held[class_name]).items():
            settled.update({item.name: split for item in mine[group]})
    drawn = {item.name for item in items if item.split is None}
    return [replace(item, split=settled[item.name]) for item in items], drawn


def _group(item: Item) -> str:
    # "\0" keeps a specimen's name apart from a file's that reads the same
    return f"\0{item.specimen}" if item.specimen is not None else item.name


def _settled(members: Sequence[Item], known: Mapping[str, Split]) -> Split | None:
    """The split a specimen has already, or must have; None: to be drawn."""
    given = next((item.split for item in members if item.split is not None), None)
    if given is not None:
        return given
    if any(item.label for item in members):
        return "test"
    before = {known[item.name] for item in members if item.name in known}
    # what was tested once stays out of training, should two groups have become one
    return next((split for split in _FIRST if split in before), None)


def _drawn(
    class_name: str, groups: Mapping[str, list[Item]], rule: Splits, held: Mapping[Split, int]
) -> dict[str, Split]:
    """A split for each group of one class; the last of a class that has none trains."""
    sizes = {group: len(members) for group, members in groups.items()}
    total = sum(sizes.values()) + sum(held.values())
    room: dict[Split, int] = {
        "test": round(rule.test_share * total) - held["test"],
        "calibration": round(rule.calibration_share * total) - held["calibration"],
    }
    order = sorted(groups, key=lambda group: derive(rule.seed, "split", class_name, group))
    found: dict[str, Split] = {}
    trains = held["train"]
    for group in order:
        left = len(order) - len(found)
        split: Split = "train"
        if trains or left > 1:
            split = next((s for s in room if 0 < sizes[group] <= room[s]), "train")
        found[group] = split
        if split == "train":
            trains += sizes[group]
        else:
            room[split] -= sizes[group]
    if not held["test"] and "test" not in found.values():
        spare = _spare(order, found, sizes, bool(held["train"]))
        if spare is not None:
            found[spare] = "test"
    return found


def _spare(
    order: Sequence[str], found: Mapping[str, Split], sizes: Mapping[str, int], trained: bool
) -> str | None:
    """The smallest group to test where each is larger than the share; one is left to train."""
    training = [group for group in order if found[group] == "train"]
    others = [group for group in order if found[group] != "train"]
    usable = training if trained or len(training) > 1 else others
    return min(usable, key=lambda group: sizes[group], default=None)
