"""Labels in YOLO's text files: one file an image, one line a region, coordinates from 0 to 1.

    images/7.jpg  labels/7.txt        or train/images, train/labels; images/train, labels/train

A line is a class number and centre x, centre y, width, height; or a class number and the x, y of
each vertex of an outline (Ultralytics' format, https://docs.ultralytics.com/datasets/). An image
without a label file, or with an empty one, is good. Names of the classes: data.yaml, classes.txt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from core.data.importing import splits, walking
from core.data.importing.base import Importer, Item, importer
from core.data.importing.outlines import AnnotationOptions, Region, image_size, item, numbers
from core.data.layout import Findings, Tree, below, is_image, stem
from core.errors import DataError, UsageError
from core.types import Split

_NAME_FILES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names", "labels.txt")
_LARGEST = 5_000_000
"""Bytes of a label file or a list of names."""

_RECOGNISED = 60
_NUMBER = re.compile(r"\d{1,6}(\.0+)?")
_ENTRY = re.compile(r"(\d{1,4})\s*:\s*(.+)")


class YoloOptions(AnnotationOptions):
    """How YOLO's labels are read."""

    names: tuple[str, ...] = Field(
        default=(), description="names of the classes in the labels, from number 0 on"
    )
    splits: bool = Field(
        default=False, description="folders named train, test and val say what images are for"
    )


@importer("yolo")
class Yolo(Importer[YoloOptions]):
    """A folder with images and labels beside each other."""

    title: ClassVar[str] = "YOLO labels"
    summary: ClassVar[str] = (
        "A folder with images/ and labels/: images with boxes or outlines are anomalous, others "
        "good."
    )
    specificity: ClassVar[int] = 10
    options = YoloOptions

    def recognise(self, source: Path) -> str | None:
        """By a label file that reads as one, beside images."""
        tree = Tree(source)
        for number, folder in enumerate(walking.folders(tree)):
            if number >= _RECOGNISED:
                return None
            files = [f for f in tree.listing(folder).files if f.lower().endswith(".txt")]
            if _part(folder, "labels") is None or not files:
                continue
            images = _part(folder, "labels", "images") or ""
            names = {stem(f) for f in tree.listing(images).files if is_image(f)}
            fitting = (f for f in files if stem(f) in names)
            told = (f for f in fitting if (source / folder / f).stat().st_size)  # empty: a good one
            if any(_reads(source / folder / f) for f in islice(told, 20)):
                return f"YOLO labels: text files in {folder} name regions of images in {images}."
        return None

    def suggest(self, source: Path) -> YoloOptions:
        """Names of the classes where a file lists them."""
        return YoloOptions(names=_names(source))

    def items(self, source: Path, options: YoloOptions, findings: Findings) -> Iterator[Item]:
        """Every image in a folder named images; see `Importer.items`."""
        tree = Tree(source, findings)
        for name in options.anomalies:
            if options.names and name not in options.names and not _NUMBER.fullmatch(name):
                raise UsageError(
                    f"There is no class {name!r} in the labels; known: {', '.join(options.names)}."
                )
        for folder in walking.folders(tree):
            labels = _part(folder, "images", "labels")
            if labels is None:
                continue
            known = set(tree.listing(labels).files)
            for name in filter(is_image, tree.listing(folder).files):
                label = f"{stem(name)}.txt"
                path = source / labels / label if label in known else None
                try:
                    found = _lines(path) if path else []
                except DataError as error:
                    findings.add("error", below(folder, name), str(error), kind="label")
                    continue
                yield _item(source, below(folder, name), found, options)


def _part(folder: str, name: str, instead: str = "") -> str | None:
    """The folder with its last part of that name replaced; None: it has none."""
    parts = folder.split("/")
    for at in range(len(parts) - 1, -1, -1):
        if parts[at].lower() == name:
            return "/".join([*parts[:at], instead or parts[at], *parts[at + 1 :]])
    return None


def _item(
    source: Path, key: str, found: list[tuple[int, tuple[float, ...]]], options: YoloOptions
) -> Item:
    kinds, outlines = [], []
    for number, values in found:
        name = options.names[number] if number < len(options.names) else f"class {number}"
        if not options.anomalies or {name, str(number)} & set(options.anomalies):
            kinds.append(name)
            outlines.append(values)
    size = image_size(source / key) if kinds else None
    regions = [] if size is None else [_region(values, *size) for values in outlines]
    split: Split | None = None
    if options.splits:
        words = [splits.NAMES.get(part.lower()) for part in key.split("/")[:-1]]
        split = next((word for word in words if word), None)
    return item(key, options.class_name or source.name, kinds, regions, size, split)


def _region(values: tuple[float, ...], width: int, height: int) -> Region:
    if len(values) > 5:
        points = zip(values[::2], values[1::2], strict=True)
        return Region("polygon", tuple((x * width, y * height) for x, y in points))
    x, y, w, h = values[:4]
    return Region(
        "box",
        ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height),
    )


def _lines(path: Path) -> list[tuple[int, tuple[float, ...]]]:
    """Class number and coordinates of each line.

    Raises:
        DataError: a line that is none.
    """
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        count = len(words) - 1  # 4: a box; 5: a box and how sure a detector was; else an outline
        values = numbers(words[1:], count)
        usable = count in (4, 5) or (count >= 6 and count % 2 == 0)
        if not (usable and values and _NUMBER.fullmatch(words[0])) or max(map(abs, values)) > 2:
            raise DataError(
                f"{path.parent.name}/{path.name} is no YOLO label in line {number}; its image was "
                "left out, mend the line or remove the file."
            )
        found.append((int(float(words[0])), values))
    return found


def _reads(path: Path) -> bool:
    try:
        return bool(_lines(path))
    except DataError:
        return False


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise DataError(f"{path.name} is too large to be a label file; its image was left out.")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read ({error.strerror or error}); its image was left out."
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is no text; its image was left out.") from None


def _names(source: Path) -> tuple[str, ...]:
    """Names of the classes, by number; empty when no file lists them."""
    for name in _NAME_FILES:
        path = source / name
        if not path.is_file():
            continue
        try:
            text = _text(path)
        except DataError:
            continue
        if path.suffix not in (".yaml", ".yml"):
            return tuple(line.strip() for line in text.splitlines() if line.strip())
        found = _yaml_names(text)
        if found:
            return found
    return ()


def _yaml_names(text: str) -> tuple[str, ...]:
    """The value of `names` in the spellings that are in use: a list in one line or in several,
    or numbers and names in either."""
    start = re.search(r"^names[ \t]*:(.*)$", text, re.MULTILINE)
    if start is None:
        return ()
    first = start[1].split(" #")[0].strip()
    if first:
        entries = first.strip("[]{}").split(",")
    else:
        entries = []
        for line in text[start.end() :].splitlines()[1:]:
            entry = line.split(" #")[0].rstrip()
            if entry and not entry.startswith((" ", "\t", "-")):
                break
            entries.append(entry.strip().removeprefix("-"))
    found: dict[int, str] = {}
    for entry in filter(str.strip, entries):
        numbered = _ENTRY.fullmatch(entry.strip())
        at, name = (int(numbered[1]), numbered[2]) if numbered else (len(found), entry)
        found[at] = name.strip().strip("'\"")
    return tuple(found.get(at, f"class {at}") for at in range(max(found, default=-1) + 1))
