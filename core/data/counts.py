"""How the numbers of images found differ from the published ones of a data set's card."""

from __future__ import annotations

from collections.abc import Iterable

from core.data.base import Count, Dataset
from core.types import Sample

_WORDS = (
    ("train", "training"),
    ("good", "normal test"),
    ("anomalous", "anomalous test"),
)
_NAMED = 6
_UNVERIFIED = " (the published numbers could not be verified)"


def differences(dataset: Dataset) -> tuple[str, ...]:
    """One sentence for each class whose numbers differ from the card's, and for the total.

    Numbers the card does not know are not compared. Calibration images were taken from the
    training images and count as such; anomalies among the training images do not count, as
    published numbers are of normal ones. Classes that are missing are named once, and the total
    is compared only where none is missing.

    Returns:
        Empty when nothing differs or nothing is published.
    """
    published = dataset.card.counts
    there = set(dataset.classes)
    missing = sorted(set(published) - there)
    found = list(_missing(missing, len(published)))
    if published:
        found += [
            f"Class {name} is not one of the published classes."
            for name in dataset.classes
            if name not in published
        ]
    by_class: dict[str, list[Sample]] = {name: [] for name in published}
    for sample in dataset.samples:
        by_class.setdefault(sample.class_name, []).append(sample)
    for name in sorted(there & set(published)):
        found += _sentence(f"Class {name}", published[name], _counted(by_class[name]))
    if dataset.card.total is not None and not missing:
        found += _sentence("The whole set", dataset.card.total, _counted(dataset.samples))
    return tuple(found)


def _missing(names: list[str], count: int) -> Iterable[str]:
    if not names:
        return
    listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    verb = "is" if len(names) == 1 else "are"
    yield f"{len(names)} of the {count} published classes {verb} not there: {listed}."


def _counted(samples: Iterable[Sample]) -> Count:
    train = good = anomalous = 0
    for sample in samples:
        if sample.split == "test":
            good += sample.label == 0
            anomalous += sample.label == 1
        else:
            train += sample.label == 0
    return Count(train, good, anomalous)


def _sentence(what: str, published: Count, found: Count) -> Iterable[str]:
    """None, or one sentence with every number that differs."""
    parts = []
    for field, word in _WORDS:
        wanted, got = getattr(published, field), getattr(found, field)
        if wanted is not None and got != wanted:
            images = "image" if got == 1 else "images"
            parts.append(f"{got:,} {word} {images} instead of {wanted:,}")
    if parts:
        yield f"{what} has {', '.join(parts)}{'' if published.verified else _UNVERIFIED}."
