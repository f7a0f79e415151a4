"""What a data set is, and the registry of readers that recognise one from its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from core.errors import UsageError
from core.registry import Registry
from core.types import Problem, Sample

Domain: TypeAlias = Literal["industrial", "medical", "natural", "own"]


@dataclass(frozen=True, slots=True)
class Count:
    """Published numbers of images of a class or a whole set; None where none is known.

    Attributes:
        train: normal training images, validation included where the reader adds it to them.
        good, anomalous: test images.
        verified: False when the number was seen in no source of the set itself.
    """

    train: int | None = None
    good: int | None = None
    anomalous: int | None = None
    verified: bool = True


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
        domain: what the images show; "own" for layouts that may hold anything.
        download: size of the download or archive, as people say it ("5.3 GB"); empty: not known.
        image_size: width and height in pixels, as people say it; empty: not known.
        counts: published counts by class; `total` those of the whole set.
        commercial: whether commercial use is allowed; None: nothing is stated.
        labels_of_views: folders tell of the whole part, the label of one view of it, so that the
            two may differ.
    """

    title: str
    summary: str
    licence: str = "unknown"
    licence_note: str = "Nothing is stated; ask its owner before you pass it on."
    year: int | None = None
    citation: str = ""
    home: str = ""
    layout: str = ""
    domain: Domain = "own"
    download: str = ""
    image_size: str = ""
    counts: Mapping[str, Count] = field(default_factory=dict)
    total: Count | None = None
    commercial: bool | None = None
    labels_of_views: bool = False


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
        variant: which of the layout's variants (official splits, lists of samples) was read; ""
            when it has one only.
        contaminated: one sentence when anomalies among the training images are meant to be there;
            empty: they are a fault.
    """

    name: str
    root: Path
    reader: str
    recognised: str
    card: DatasetCard
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = field(default=())
    variant: str = ""
    contaminated: str = ""

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

    When several readers recognise a folder, the one of highest `specificity` reads it: 0 generic
    layouts, 10 lists of samples, 20 a published data set known by its names, 100 a manifest.
    """

    id: ClassVar[str]
    card: ClassVar[DatasetCard]
    specificity: ClassVar[int] = 0

    @abstractmethod
    def recognise(self, root: Path) -> str | None:
        """One sentence that says by what sign `root` has this layout, or None. Cheap."""

    def variants(self, root: Path) -> Mapping[str, str]:
        """What `read` can be asked for below `root`: id -> what it is, in a sentence; the first is
        read when nothing is asked for. Empty: there is one way to read it. Cheap."""
        return {}

    @abstractmethod
    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All samples below `root`.

        Args:
            variant: a key of `variants`; "" means its first.

        Raises:
            DataError: nothing usable is there; names the folder and the remedy.
        """


READERS: Registry[type[Reader]] = Registry("data set reader", "core.data.readers")


def reader(id: str):  # type: ignore[no-untyped-def]
    """Class decorator: file a `Reader` under `id`."""

    def keep(kind: type[Reader]) -> type[Reader]:
        kind.id = id
        return READERS.register(id)(kind)

    return keep
