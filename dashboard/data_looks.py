"""Data sets as the pages show them: opened once, kept until what they hold changes.

A set is kept by its stamp (`dashboard.data_stamps`). Opening is work beside the page: a set of
150,000 images takes seconds, and the page says so and comes back.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from core.data import catalogue, counts, manifest
from core.data.base import Dataset, DatasetCard
from core.errors import DataError, FlawscopeError
from core.types import Problem, Sample
from core.workspace import Workspace
from dashboard import later, navigation
from dashboard.data_stamps import edits_stamp, folder_stamp

DEMO = "demo"
KEPT = 64
"""Looks kept in memory."""
PATIENCE = 2.5
"""Seconds a page waits for all its data sets together."""

_looks: OrderedDict[Hashable, DataLook] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class ClassLook:
    """What a data set holds of one class; `types` counts test images by anomaly type."""

    name: str
    train: int
    good: int
    anomalous: int
    with_mask: int
    types: dict[str, int]
    normal_examples: tuple[Sample, ...]
    anomalous_examples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class DataLook:
    """A registered data set as the pages show it.

    Attributes:
        path: folder that keys are relative to.
        made: it is open.
        error: why it cannot be opened.
        imported: what it was made from, where it was.
        differences: sentences on counts that differ from the published ones.
        opening: it is being read, and the page comes back when it is.
    """

    name: str
    path: Path
    made: bool
    error: str | None = None
    recognised: str = ""
    card: DatasetCard | None = None
    classes: tuple[ClassLook, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    variant: str = ""
    contaminated: str = ""
    imported: manifest.Told | None = None
    differences: tuple[str, ...] = ()
    opening: bool = False

    @property
    def train(self) -> int:
        return sum(look.train for look in self.classes)

    @property
    def test(self) -> int:
        return sum(look.good + look.anomalous for look in self.classes)


# -- which there are -----------------------------------------------------------------------------


def data_names() -> list[str]:
    """Names of all registered data sets; the demo is always among them."""
    return [entry.name for entry in catalogue.registered(Workspace.locate())]


def data_sets() -> list[DataLook]:
    """Every registered data set, opened where it can be; the page runs again when those that are
    being opened are open."""
    return _all(catalogue.registered(Workspace.locate()))


def data_set(name: str) -> DataLook | None:
    """One registered data set; None when there is none of that name."""
    entries = catalogue.registered(Workspace.locate())
    return next(iter(_all([entry for entry in entries if entry.name == name])), None)


def _all(entries: Sequence[catalogue.Registered]) -> list[DataLook]:
    workspace, ends = Workspace.locate(), time.monotonic() + PATIENCE
    found: list[DataLook] = []
    waiting: list[Hashable] = []
    for entry in entries:
        key = _key(workspace, entry)
        look = _gone(entry) if key is None else _kept(key)
        if look is None and key is not None:
            look = _ask(key, workspace, entry, max(0.05, ends - time.monotonic()))
            if look is None:
                waiting.append(key)
                look = DataLook(entry.name, entry.path, made=False, opening=True)
        assert look is not None
        found.append(look)
    if waiting:
        later.look_after(waiting)
    return found


def _gone(entry: catalogue.Registered) -> DataLook:
    if entry.name == DEMO:
        from core.data.demo import CARD  # generates images; only when it is asked for

        return DataLook(DEMO, entry.path, made=False, card=CARD)
    gone = f"The folder {entry.path} is gone; put it back, or remove the data set from this list."
    return DataLook(entry.name, entry.path, made=False, error=gone)


def _key(workspace: Workspace, entry: catalogue.Registered) -> Hashable | None:
    """What a look is kept by; None when the folder is not there."""
    try:
        stamp = folder_stamp(entry.path)
        with _lock:
            root = _roots.get((workspace.root, entry.name, entry.path), entry.path)
        # a set may lie one folder further down than what was registered
        inner = folder_stamp(root) if root != entry.path and root.is_dir() else 0
    except (FileNotFoundError, NotADirectoryError):
        return None
    facts = (entry.name, entry.path, entry.reader, entry.variant)
    return ("data set", workspace.root, *facts, stamp, inner, edits_stamp(workspace, entry.name))


_roots: dict[tuple[Path, str, Path], Path] = {}
"""Where a registered data set was found to lie."""


def _ask(
    key: Hashable, workspace: Workspace, entry: catalogue.Registered, patience: float
) -> DataLook | None:
    look = later.outcome(key, lambda: _open(workspace, entry), patience)
    if look is None:
        return None
    later.forget(key)
    with _lock:
        place = (workspace.root, entry.name, entry.path)
        moved = look.made and _roots.get(place, entry.path) != look.path
        if look.made:
            _roots[place] = look.path
    kept = _key(workspace, entry) if moved else key
    with _lock:
        _looks[kept] = look
        while len(_looks) > KEPT:
            _looks.popitem(last=False)
    return look


def _kept(key: Hashable) -> DataLook | None:
    with _lock:
        if key in _looks:
            _looks.move_to_end(key)
        return _looks.get(key)


def _open(workspace: Workspace, entry: catalogue.Registered) -> DataLook:
    """The data set, or why it cannot be opened."""
    try:
        dataset = catalogue.open_dataset(entry.name, workspace)
        return describe(dataset)
    except FlawscopeError as error:
        return DataLook(entry.name, entry.path, made=False, error=str(error))
    except Exception:
        where = navigation.logged(f"opening {entry.name}")
        said = f"Something went wrong while it was read. {where}"
        return DataLook(entry.name, entry.path, made=False, error=said)


# -- what they hold ------------------------------------------------------------------------------


def describe(dataset: Dataset, examples: int = 6) -> DataLook:
    """Counts and example pictures by class."""
    by_class: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        by_class.setdefault(sample.class_name, []).append(sample)
    looks = tuple(_class_look(name, by_class[name], examples) for name in sorted(by_class))
    return DataLook(
        dataset.name, dataset.root, True, None, dataset.recognised, dataset.card, looks,
        dataset.problems, dataset.variant, dataset.contaminated, _told(Path(dataset.root)),
        tuple(counts.differences(dataset)),
    )  # fmt: skip


def _told(root: Path) -> manifest.Told | None:
    """What an imported data set was made from."""
    if not manifest.is_manifest(root):
        return None
    try:
        return manifest.told(root)
    except DataError:
        return None


def _class_look(name: str, samples: list[Sample], examples: int) -> ClassLook:
    test = [sample for sample in samples if sample.split == "test"]
    train = [sample for sample in samples if sample.split != "test"]
    bad = [sample for sample in test if sample.label]
    return ClassLook(
        name=name,
        train=len(train),
        good=len(test) - len(bad),
        anomalous=len(bad),
        with_mask=sum(bool(sample.masks) for sample in bad),
        types=dict(Counter(sample.anomaly_type for sample in bad)),
        normal_examples=tuple(train[:examples]),
        anomalous_examples=_spread(bad, examples),
    )


def _spread(samples: list[Sample], count: int) -> tuple[Sample, ...]:
    """Up to `count` samples that take turns over the anomaly types."""
    by_type: dict[str, list[Sample]] = {}
    for sample in samples:
        by_type.setdefault(sample.anomaly_type, []).append(sample)
    chosen: list[Sample] = []
    turn = 0
    while len(chosen) < min(count, len(samples)):
        chosen += [members[turn] for members in by_type.values() if turn < len(members)]
        turn += 1
    return tuple(chosen[:count])
