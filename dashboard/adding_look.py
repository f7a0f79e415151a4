"""What a source holds when it is read one way: counts, pictures, faults; nothing is made of it."""

from __future__ import annotations

import base64
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.data import catalogue, thumbnails
from core.data.images import fsname
from core.data.importing import sound
from core.data.importing.base import IMPORTERS, Item
from core.data.importing.splits import Splits, draw
from core.data.layout import Findings, inside
from core.errors import DataError, FlawscopeError
from core.types import Problem, Sample
from core.workspace import Workspace
from dashboard.adding import Way, options
from dashboard.gallery import SIDE, kind, outlined

MOST = 10_000
"""Images looked at before a data set is made."""
SECONDS = 8.0
"""Time that looking may take; what is found by then is shown."""
NORMAL, FLAWED = 4, 6
"""Pictures shown of what was found."""


@dataclass(frozen=True, slots=True)
class Row:
    """What comes of one class; `types` counts anomalous images by kind."""

    name: str
    train: int
    calibration: int
    good: int
    anomalous: int
    with_mask: int
    types: Mapping[str, int]


Shown = tuple[str, str, str, bool]
"""A picture: data URI, caption, name, whether it shows a flaw."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a source holds when it is read one way.

    Attributes:
        items: images in the source's order, splits as given.
        capped: there are more, or may be.
        problems: what cannot be used, the worst first.
        pictures: some of them.
        notice: what stands in the set's card on its licence; "" for people's own images.
    """

    items: tuple[Item, ...]
    capped: bool
    problems: tuple[Problem, ...]
    pictures: tuple[Shown, ...]
    notice: str = ""

    @property
    def open_splits(self) -> bool:
        """Whether the source leaves the splits of some images to be drawn."""
        return any(item.split is None for item in self.items)


def look(workspace: Workspace, way: Way, chosen: Mapping[str, Any], variant: str = "") -> Look:
    """Read a source, up to `MOST` images of it, and make nothing but small pictures.

    Raises:
        FlawscopeError: nothing usable is there, or a setting does not fit.
    """
    return _imported(workspace, way, chosen) if way.importer else _read(workspace, way, variant)


def _imported(workspace: Workspace, way: Way, chosen: Mapping[str, Any]) -> Look:
    one = IMPORTERS.get(way.importer)()
    settings = options(way, chosen)
    findings = Findings()
    cap = _Cap()
    items = sound.checked(cap.of(one.items(way.source, settings, findings)), findings, _quiet)
    if not items:
        first = findings.problems()[:1]
        why = f" {first[0].message}" if first else " Try another way to read it."
        raise DataError(f"No usable image was found in {fsname(way.source.name)}.{why}")
    home = one.link_for(way.source, settings)
    pictures = _pictures(items, lambda item: picture(item, home, workspace))
    return Look(tuple(items), cap.reached, findings.problems(), pictures)


def _read(workspace: Workspace, way: Way, variant: str) -> Look:
    (reader, _), *_ = catalogue.recognise(way.source)
    dataset = reader.read(way.source, way.source.name or "root", variant)
    items = [_as_item(sample) for sample in dataset.samples]
    pictures = _pictures(items, lambda item: picture(item, dataset.root, workspace))
    card = dataset.card
    notice = "" if card.licence == "unknown" else f"Licence {card.licence}. {card.licence_note}"
    return Look(tuple(items), False, dataset.problems, pictures, notice)


def _as_item(sample: Sample) -> Item:
    return Item(
        name=sample.key, class_name=sample.class_name, label=sample.label,
        anomaly_type=sample.anomaly_type, split=sample.split, masks=sample.masks,
    )  # fmt: skip


class _Cap:
    """Lets items through until there are `MOST`, or the time is up."""

    def __init__(self) -> None:
        self.reached = False

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        ends = time.monotonic() + SECONDS
        for number, item in enumerate(items):
            if number >= MOST or time.monotonic() > ends:
                self.reached = True
                return
            yield item


def _quiet(share: float, words: str) -> None:
    pass


def rows(items: Sequence[Item], splits: Splits) -> list[Row]:
    """What comes of each class once splits are drawn, in the order of their names."""
    settled, _ = draw(items, splits)
    by_class: dict[str, list[Item]] = {}
    for item in settled:
        by_class.setdefault(item.class_name, []).append(item)
    return [_row(name, by_class[name]) for name in sorted(by_class)]


def _row(name: str, items: Sequence[Item]) -> Row:
    splits = Counter(item.split for item in items)
    bad = [item for item in items if item.label]
    marked = sum(bool(item.masks or item.draw_mask) for item in bad)
    return Row(
        name, splits["train"], splits["calibration"], splits["test"] - len(bad), len(bad), marked,
        dict(Counter(item.anomaly_type for item in bad)),
    )  # fmt: skip


def unusable(found: Sequence[Row]) -> str:
    """Why nothing could be trained on what was found; "" when something can."""
    if any(row.train for row in found):
        return ""
    return (
        "No image here counts as good, and a method learns from good images only. Say which "
        "images are good."
    )


# -- pictures --------------------------------------------------------------------------------------


def _pictures(items: Sequence[Item], make: Callable[[Item], str | None]) -> tuple[Shown, ...]:
    """Pictures of some items: normal ones first, anomalous ones of every kind in turn."""
    good = [item for item in items if not item.label]
    kinds: dict[str, list[Item]] = {}
    for item in items:
        if item.label:
            kinds.setdefault(item.anomaly_type, []).append(item)
    turns = max((len(members) for members in kinds.values()), default=0)
    bad = [m[turn] for turn in range(min(turns, FLAWED)) for m in kinds.values() if turn < len(m)]
    found: list[Shown] = []
    for item in [*_apart(good, NORMAL), *bad[:FLAWED]]:
        made = make(item)
        caption = item.anomaly_type.replace("_", " ") if item.label else "good"
        found += [(made, caption, item.origin or item.name, bool(item.label))] if made else []
    return tuple(found)


def _apart(items: Sequence[Item], count: int) -> list[Item]:
    """Some of them, far apart."""
    step = max(1, len(items) // count)
    return list(items[::step][:count])


def picture(item: Item, home: Path, workspace: Workspace) -> str | None:
    """A small picture as data URI, its mask outlined; None when it cannot be made."""
    try:
        if item.draw is None:
            data = thumbnails.thumbnail(home, item.name, side=SIDE, workspace=workspace)
        else:
            drawn = item.draw()
            drawn.thumbnail((SIDE, SIDE))
            data = _webp(drawn)
        mask = _mask(item, home, Image.open(io.BytesIO(data)).size)
        if mask is not None:
            shown = Image.open(io.BytesIO(data)).convert("RGB")
            data = _webp(Image.fromarray(outlined(np.asarray(shown), mask)))
    except (FlawscopeError, OSError, ValueError, MemoryError):
        return None
    return f"data:{kind(data)};base64,{base64.b64encode(data).decode()}"


def _mask(item: Item, home: Path, size: tuple[int, int]) -> Any:
    if not item.label:
        return None
    if item.draw_mask is not None:
        whole = Image.fromarray(item.draw_mask()).convert("L")
        return np.asarray(whole.resize(size, Image.Resampling.BILINEAR)) >= 128
    if not item.masks:
        return None
    paths = [inside(home, mask) for mask in item.masks]
    return thumbnails.mask_picture(paths, size, image=inside(home, item.name))


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
