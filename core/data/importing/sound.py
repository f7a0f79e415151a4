"""Whether the items of an importer can be filed: names, classes, labels that fit their split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from core.data.importing.base import Item, Tell
from core.data.layout import Findings
from core.data.reading import UNNAMED_TYPE, can_name_class
from core.types import GOOD, MEAN


def checked(items: Iterator[Item], findings: Findings, tell: Tell) -> list[Item]:
    """All items, less those a run could not file.

    An anomalous image that is given as a training image is tested instead, which is told.
    """
    kept: dict[str, Item] = {}
    for number, item in enumerate(items):
        if number % 500 == 0:
            tell(0.0, f"{number:,} images found" if number else "looking through the source")
        fault = _fault(item, kept)
        if fault is not None:
            kind, sentence = fault
            findings.add("error", shown(item.name), sentence, kind=kind)
            continue
        if item.label and item.split not in (None, "test"):
            findings.add(
                "warning", item.name,
                f"{item.name} is anomalous but given for training; it is tested instead.",
                kind="anomalous in training",
            )  # fmt: skip
            item = replace(item, split="test")
        kept[item.name] = _cleaned(item)
    return list(kept.values())


def shown(text: str) -> str:
    """A text that can be stored and shown: no control characters, no halves of characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _fault(item: Item, kept: dict[str, Item]) -> tuple[str, str] | None:
    """What kind of fault keeps an item from being filed, and the sentence on it."""
    where, name = shown(item.name), item.class_name
    if shown(item.name) != item.name or not item.name:
        return "name", f"{where!r} was left out because its name cannot be used; rename it."
    if not can_name_class(name) or name == MEAN:
        said = (
            f"{where} has the class name {shown(name)!r}, which cannot be used; rename the class."
        )
        return "class name", said
    if item.name in kept:
        return "twice", f"{where} comes twice; only the first counts, remove the other."
    return None


def _cleaned(item: Item) -> Item:
    kind = " ".join(shown(item.anomaly_type).split()) or UNNAMED_TYPE
    if item.label == 0:
        kind = GOOD
    elif kind == GOOD:
        kind = UNNAMED_TYPE
    return replace(
        item, anomaly_type=kind, origin=shown(item.origin),
        specimen=None if item.specimen is None else shown(item.specimen),
        view=None if item.view is None else shown(item.view),
    )  # fmt: skip
