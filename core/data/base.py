"""What a data set is, and the registry of readers that recognise one from its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from core.errors import UsageError
from core.registry import Registry
from core.types import Problem, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """What is known of a data set before it is opened.

    Attributes:
        title: full name.
        summary: one sentence a plant engineer or clinician understands.
        licence: SPDX id or a short name; "unknown" when nothing is stated.
        licence_note: what the licence forbids or asks, one sentence.
        year, citation, home: where it comes from; empty when it is the user's own.
        layout: the folder layout, one sentence.
    """

    title: str
    summary: str
    licence: str = "unknown"
    licence_note: str = "Nothing is stated; ask its owner before you pass it on."
    year: int | None = None
    citation: str = ""
    home: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of samples as one reader understood it.

    Attributes:
        name: short name people use ("real3"); the folder's name unless registered under another.
        root: absolute folder; every `Sample.key` is relative to it.
        reader: id of the reader that read it.
        recognised: one sentence that says what was recognised and by what sign.
        card: what is known of it.
        samples: in a stable order (class, split, key).
        problems: what was found wrong; such samples are left out when they cannot be used.
    """

    name: str
    root: Path
    reader: str
    recognised: str
    card: DatasetCard
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(sorted({sample.class_name for sample in self.samples}))

    def require_classes(self, wanted: Iterable[str]) -> None:
        """Raises UsageError when one of the wanted classes is not there."""
        unknown = sorted(set(wanted) - set(self.classes))
        if unknown:
            raise UsageError(
                f"{self.name} has no class {unknown[0]!r}; it has {', '.join(self.classes)}."
            )


class Reader(ABC):
    """Reads one layout. Subclass, set `card`, decorate with `@reader("id")`; one file each.

    When several readers recognise a folder, the one of highest `specificity` reads it.
    """

    id: ClassVar[str]
    card: ClassVar[DatasetCard]
    specificity: ClassVar[int] = 0

    @abstractmethod
    def recognise(self, root: Path) -> str | None:
        """One sentence that says by what sign `root` has this layout, or None. Cheap."""

    @abstractmethod
    def read(self, root: Path, name: str) -> Dataset:
        """All samples below `root`.

        Raises:
            DataError: nothing usable is there; names the folder and the remedy.
        """


READERS: Registry[type[Reader]] = Registry("data set reader", "core.data")


def reader(id: str):  # type: ignore[no-untyped-def]
    """Class decorator: file a `Reader` under `id`."""

    def keep(kind: type[Reader]) -> type[Reader]:
        kind.id = id
        return READERS.register(id)(kind)

    return keep
