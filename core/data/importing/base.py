"""What an importer is: it turns a source (a folder, a table, scans) into a stream of items.

An importer only says what there is; `core.data.importing.bring` draws splits, keeps images and
masks, and writes the manifest. Image files that Pillow reads stay where they are; what has to be
made (a slice of a volume, a mask from polygons) is drawn when it is its turn and kept as PNG.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from PIL import Image

from core.config import Config
from core.data.images import Mask
from core.data.layout import Findings
from core.registry import Registry
from core.types import GOOD, Split
from core.workspace import Workspace

Tell: TypeAlias = Callable[[float, str], None]
"""Told how far the work is, 0 to 1, and what is being done; what it raises ends the work."""


class Options(Config):
    """Settings of an importer; every field with a description a plant engineer understands."""


Chosen = TypeVar("Chosen", bound=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image of a source.

    Attributes:
        name: unique and stable. Of an image file that stays where it is: its path below the
            source. Of a made image: what its file will be called, without suffix, "/" between
            parts, and without anything that names a person.
        class_name: object or organ.
        label: 0 normal, 1 anomalous.
        anomaly_type: kind of defect or lesion; `GOOD` for normal ones.
        split: as the source gives it; None: drawn by share and seed.
        specimen: part or patient.
        view: what tells images of a specimen apart.
        masks: mask files below the source that stay where they are.
        draw: makes the image ("L" or "RGB"); None: `name` is the file.
        draw_mask: makes the mask, bool [H, W] at the image's size; None: `masks`, or none.
        origin: what the source calls it, for people; "" where that names a person.
        stamp: changes when what `draw` or `draw_mask` make would change; needed with them.
    """

    name: str
    class_name: str
    label: int
    anomaly_type: str = GOOD
    split: Split | None = None
    specimen: str | None = None
    view: str | None = None
    masks: tuple[str, ...] = ()
    draw: Callable[[], Image.Image] | None = None
    draw_mask: Callable[[], Mask] | None = None
    origin: str = ""
    stamp: str = ""


class Importer(ABC, Generic[Chosen]):
    """Reads one kind of source. Subclass, set the class variables, decorate with `@importer("id")`.

    Attributes:
        title, summary: what people choose by: two or three words, and one sentence.
        takes: "folder", or the suffixes of the file it takes (".csv").
        options: its settings.
        workspace: where the data set will be; None for a mere look.
    """

    workspace: Workspace | None = None
    id: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = ("folder",)
    specificity: ClassVar[int] = 0
    options: type[Chosen]

    @abstractmethod
    def recognise(self, source: Path) -> str | None:
        """One sentence that says by what sign `source` is such a thing, or None. Cheap."""

    def suggest(self, source: Path) -> Chosen:
        """Settings that fit this source (columns found by their names, say)."""
        return self.options()

    @abstractmethod
    def items(self, source: Path, options: Chosen, findings: Findings) -> Iterator[Item]:
        """Every image. What is wrong with one becomes a finding and leaves it out.

        Raises:
            DataError: nothing can be read at all; names the file and the remedy.
            UsageError: a setting that does not fit this source.
        """

    def link(self, source: Path) -> Path:
        """The folder that `Item.name` and `Item.masks` are below."""
        return source if source.is_dir() else source.parent

    def link_for(self, source: Path, options: Chosen) -> Path:
        """`link`, where a setting may name another folder.

        Raises:
            UsageError: that folder is not there.
        """
        return self.link(source)


IMPORTERS: Registry[type[Importer[Any]]] = Registry("kind of source", "core.data.importing")


def importer(id: str):  # type: ignore[no-untyped-def]
    """Class decorator: file an `Importer` under `id`."""

    def keep(kind: type[Importer[Chosen]]) -> type[Importer[Chosen]]:
        kind.id = id
        return IMPORTERS.register(id)(kind)

    return keep


def fitting(source: Path) -> list[tuple[Importer[Any], str]]:
    """Importers that recognise a source and by what sign, the most specific first."""
    found = []
    for _, kind in IMPORTERS.items():
        one = kind()
        suits = source.is_dir() if "folder" in kind.takes else False
        suits = suits or (source.is_file() and source.suffix.lower() in kind.takes)
        sign = one.recognise(source) if suits else None
        if sign is not None:
            found.append((one, sign))
    return sorted(found, key=lambda pair: (-pair[0].specificity, pair[0].id))
