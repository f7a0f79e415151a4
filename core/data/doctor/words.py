"""Words and choices that several checks share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from core.data.base import Dataset
from core.types import Sample

MOST_LOST = 0.5
"""Share of a class's training images beyond which excluding them is not proposed."""


def counted(number: int, one: str, several: str = "") -> str:
    """ "1 image", "1,200 images"; `several` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def are(number: int) -> str:
    """ "is" or "are"."""
    return "is" if number == 1 else "are"


def have(number: int) -> str:
    """ "has" or "have"."""
    return "has" if number == 1 else "have"


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names with commas, the rest counted."""
    names = list(names)
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def by_key(dataset: Dataset) -> dict[str, Sample]:
    """Samples by key."""
    return {sample.key: sample for sample in dataset.samples}


def learns(sample: Sample) -> bool:
    """Whether a sample is of those a method learns from, or takes its thresholds from."""
    return sample.split != "test"


def spared(dataset: Dataset, train_keys: Sequence[str]) -> bool:
    """Whether every class keeps enough training images when these are excluded.

    The test set is left as it is where that can be, so that results stay comparable with those
    others have on it; a class that would lose more than `MOST_LOST` cannot spare them.
    """
    gone = set(train_keys)
    have_ = Counter(s.class_name for s in dataset.samples if s.split == "train")
    lost = Counter(s.class_name for s in dataset.samples if s.split == "train" and s.key in gone)
    return all(lost[name] <= MOST_LOST * have_[name] for name in lost)
