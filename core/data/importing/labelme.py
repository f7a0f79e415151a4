"""Annotations in LabelMe's JSON files, one an image (https://github.com/wkentaro/labelme).

Outlines, rectangles, circles and bitmaps become masks; points and lines have no area and only say
that the image is anomalous. An image without a JSON file, or with one that holds no shape, is good.
The image of a file is the one of its stem beside it, else the one its imagePath names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from core.data.importing import walking
from core.data.importing.base import Importer, Item, importer
from core.data.importing.outlines import AnnotationOptions, Region, image_size, item, numbers
from core.data.importing.paths import Paths
from core.data.importing.shapes import Size
from core.data.importing.sound import shown
from core.data.layout import Findings, Tree, below, is_image, stem
from core.data.reading import json_of
from core.errors import DataError

_RECOGNISED = 40
_SIGNS = ('"shapes"', '"imagePath"')
_NO_AREA = frozenset(("point", "points", "line", "linestrip"))


class LabelmeOptions(AnnotationOptions):
    """How LabelMe's files are read."""


@importer("labelme")
class Labelme(Importer[LabelmeOptions]):
    """A folder of images, with LabelMe's JSON files beside them or apart."""

    title: ClassVar[str] = "LabelMe annotations"
    summary: ClassVar[str] = (
        "A folder of images with LabelMe's JSON files: images with shapes are anomalous, others "
        "good."
    )
    specificity: ClassVar[int] = 10
    options = LabelmeOptions

    def recognise(self, source: Path) -> str | None:
        """By one of the first JSON files."""
        tree = Tree(source)
        for number, folder in enumerate(walking.folders(tree)):
            if number >= _RECOGNISED:
                return None
            for name in [f for f in tree.listing(folder).files if _is_json(f)][:3]:
                if _signed(source / folder / name):
                    return f"LabelMe annotations: {below(folder, name)} holds shapes of an image."
        return None

    def items(self, source: Path, options: LabelmeOptions, findings: Findings) -> Iterator[Item]:
        """Every image; see `Importer.items`."""
        tree = Tree(source, findings)
        folders = list(walking.folders(tree))
        files = _files(tree, folders, findings)
        class_name = options.class_name or source.name
        for folder in folders:
            for name in filter(is_image, tree.listing(folder).files):
                key = below(folder, name)
                found = files.get(key, [])
                if any(told is None for _, told in found):
                    continue  # told already
                yield _item(source, key, [told for _, told in found if told], class_name, options,
                            findings)  # fmt: skip


Told = dict[str, Any]


def _files(
    tree: Tree, folders: list[str], findings: Findings
) -> dict[str, list[tuple[str, Told | None]]]:
    """JSON files, with what they say, by the key of their image; None for a damaged one."""
    paths = Paths(tree.root)
    found: dict[str, list[tuple[str, Told | None]]] = {}
    for folder in folders:
        beside = {stem(f): below(folder, f) for f in tree.listing(folder).files if is_image(f)}
        for name in filter(_is_json, tree.listing(folder).files):
            key = below(folder, name)
            told, fault = _load(tree.root / key)
            if told is None and fault is None:
                continue  # another JSON file
            path = told.get("imagePath") if told else None
            image = beside.get(stem(name))
            if image is None and isinstance(path, str):
                image = paths.found(path, folder)
            if image is None:
                fault = (
                    fault or f"{key} belongs to no image that is there; put its image beside it."
                )
            elif fault:
                fault = f"{fault} Its image {image} was left out."
            if fault:
                findings.add("error" if image else "warning", image or key, fault, kind="json")
            if image is not None:
                found.setdefault(image, []).append((key, None if fault else told))
    return found


def _load(path: Path) -> tuple[Told | None, str | None]:
    """What a file says, or what is wrong with it; neither, when it is no file of LabelMe's."""
    try:
        told = json_of(path)
    except DataError as error:
        return None, str(error)
    if not isinstance(told, dict) or "shapes" not in told:
        return None, None
    shapes = told["shapes"]
    if not isinstance(shapes, list) or not all(isinstance(one, dict) for one in shapes):
        return None, f"{path.name} holds no list of shapes; save it again."
    told.pop("imageData", None)  # the image itself, which lies beside
    return told, None


def _item(
    source: Path, key: str, files: list[Told], class_name: str, options: LabelmeOptions,
    findings: Findings,
) -> Item:  # fmt: skip
    shapes = [shape for told in files for shape in told["shapes"]]
    wanted = set(options.anomalies)
    shapes = [one for one in shapes if not wanted or _label(one) in wanted]
    if not shapes:
        return item(key, class_name, [], [], None)
    regions = [region for one in shapes if (region := _region(one)) is not None]
    lost = [one for one in shapes if _region(one) is None]
    size = next((size for told in files if (size := _size(told))), None) or image_size(source / key)
    if lost:
        what = shown(str(lost[0].get("shape_type", "polygon")))
        why = "has no area" if what in _NO_AREA else "cannot be drawn"
        findings.add(
            "warning", key,
            f"{key} has a shape that {why} ({what}, {_label(lost[0])!r}); it counts for image "
            "metrics only.",
            kind="shape",
        )  # fmt: skip
        regions = []
    return item(key, class_name, [_label(one) or "anomaly" for one in shapes], regions, size)


def _label(shape: Told) -> str:
    return str(shape.get("label") or "")


def _size(told: Told) -> Size | None:
    width, height = told.get("imageWidth"), told.get("imageHeight")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _region(shape: Told) -> Region | None:
    """The region of a shape; None when it has no area or cannot be read."""
    kind, raw = str(shape.get("shape_type") or "polygon"), shape.get("points")
    if kind in _NO_AREA or not isinstance(raw, list):
        return None
    points = [numbers(point, 2) for point in raw]
    if not points or any(point is None for point in points):
        return None
    corners = [(point[0], point[1]) for point in points if point]
    if kind == "polygon" and len(corners) >= 3:
        return Region("polygon", tuple(corners))
    if kind == "rectangle" and len(corners) >= 2:
        xs, ys = zip(*corners, strict=True)
        return Region("box", (min(xs), min(ys), max(xs), max(ys)))
    if kind == "circle" and len(corners) == 2:
        return Region("circle", (*corners[0], math.dist(*corners)))
    bitmap = shape.get("mask")
    if kind == "mask" and isinstance(bitmap, str):
        return Region("bitmap", (*corners[0], bitmap))
    return None


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _signed(path: Path) -> bool:
    """Whether a file begins or ends as LabelMe's do; the image may stand in between."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
            size = file.seek(0, 2)
            file.seek(max(0, size - (1 << 12)))
            text = (start + file.read()).decode("utf-8", "replace")
    except OSError:
        return False
    return all(sign in text for sign in _SIGNS)
