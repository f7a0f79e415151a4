"""Annotations in COCO's JSON: images, categories, and regions as boxes, outlines or run lengths.

Format: https://cocodataset.org/#format-data. An image without a region of a chosen category is
good. A box counts where no outline is given. Outlines are drawn at the width and height the file
gives; the image itself stays where it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.data.images import fsname
from core.data.importing.base import Importer, Item, importer
from core.data.importing.outlines import AnnotationOptions, Region, image_size, item, numbers
from core.data.importing.paths import Paths, folder_of
from core.data.importing.shapes import Size, pairs
from core.data.layout import Findings
from core.data.reading import json_of
from core.errors import DataError, UsageError

_SIGNS = (re.compile(rb'"images"\s*:\s*\['), re.compile(rb'"(annotations|categories)"\s*:\s*\['))
_LOOKED_AT = 1 << 20
_PLACES = ("", "images", "../images", "..", "../../images")
"""Where images lie, relative to the JSON file, beside folders named after it."""


class CocoOptions(AnnotationOptions):
    """How a COCO file is read."""

    images: str = Field(
        default="", description="folder of the images; empty: the folder of the JSON file"
    )


@importer("coco")
class Coco(Importer[CocoOptions]):
    """A JSON file with images, annotations and categories."""

    title: ClassVar[str] = "COCO annotations"
    summary: ClassVar[str] = (
        "A COCO JSON file: images with boxes, outlines or run lengths are anomalous, others good."
    )
    takes: ClassVar[tuple[str, ...]] = (".json",)
    specificity: ClassVar[int] = 10
    options = CocoOptions

    def recognise(self, source: Path) -> str | None:
        """By lists of images and of annotations or categories."""
        try:
            with source.open("rb") as file:
                start = file.read(_LOOKED_AT)
                size = file.seek(0, 2)
                file.seek(max(0, size - _LOOKED_AT))
                end = file.read(_LOOKED_AT)
        except OSError:
            return None
        if all(sign.search(start) or sign.search(end) for sign in _SIGNS):
            return "COCO annotations: lists of images and annotations."
        return None

    def suggest(self, source: Path) -> CocoOptions:
        """The folder that holds most of the first images."""
        names = [str(image["file_name"]) for image in _load(source)["images"][:50] if _named(image)]
        subset = re.sub(r"^(instances|annotations|person_keypoints|coco)?[_.-]*", "", source.stem)
        near = [p for p in (subset, f"../{subset}", f"../images/{subset}") if subset.strip("./")]
        counts = {}
        for place in (*_PLACES, *near):
            folder = (source.parent / place).resolve()
            if place not in counts and folder.is_dir():
                paths = Paths(folder)
                counts[place] = sum(paths.found(name) is not None for name in names)
        best = max(counts, key=lambda place: counts[place], default="")
        return CocoOptions(images=best if counts.get(best) else "")

    def link_for(self, source: Path, options: CocoOptions) -> Path:
        """The folder of the images."""
        return folder_of(source.parent, options.images, "images")

    def items(self, source: Path, options: CocoOptions, findings: Findings) -> Iterator[Item]:
        """Every image of the file that is there; see `Importer.items`."""
        told = _load(source)
        home = self.link_for(source, options)
        categories = _categories(told)
        chosen = _chosen(categories, options.anomalies, source)
        regions = _by_image(told, source, findings)
        paths = Paths(home)
        for number, image in enumerate(told["images"]):
            if not _named(image):
                findings.add(
                    "error", source.name,
                    f"Image {number} of {fsname(source.name)} has no id or file_name; it was left "
                    "out.",
                    kind="image",
                )  # fmt: skip
                continue
            name = paths.found(image["file_name"])
            if name is None:
                findings.add(
                    "error", source.name,
                    f"The image {image['file_name']!r} is not in {fsname(home)}; it was left out.",
                    kind="gone",
                )  # fmt: skip
                continue
            mine = [one for one in regions[image["id"]] if one["category_id"] in chosen]
            kinds = [categories.get(one["category_id"], "") for one in mine]
            size = (_size(image) or image_size(home / name)) if mine else None
            drawn = [region for one in mine for region in _regions(one)]
            if mine and not all(_regions(one) for one in mine):
                findings.add(
                    "warning", name,
                    f"{name} has an annotation without a usable outline or box; it counts for "
                    "image metrics only.",
                    kind="outline",
                )  # fmt: skip
                drawn = []
            yield item(name, options.class_name or home.name, kinds, drawn, size)


def _load(source: Path) -> dict[str, Any]:
    told = json_of(source)
    if not isinstance(told, dict) or not isinstance(told.get("images"), list):
        raise DataError(f"{fsname(source)} has no list of images; it is no COCO file.")
    for field in ("annotations", "categories"):
        if not isinstance(told.setdefault(field, []), list):
            raise DataError(f"{fsname(source)}: {field!r} is no list; export it again.")
    return told


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _named(image: Any) -> bool:
    return (
        isinstance(image, dict)
        and _is_id(image.get("id"))
        and isinstance(image.get("file_name"), str)
    )


def _size(image: dict[str, Any]) -> Size | None:
    width, height = image.get("width"), image.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _categories(told: dict[str, Any]) -> dict[Any, str]:
    """Names by id; annotations without a category have the id None."""
    names = {
        one["id"]: str(one.get("name", one["id"]))
        for one in told["categories"]
        if isinstance(one, dict) and _is_id(one.get("id"))
    }
    used = {one.get("category_id") for one in told["annotations"] if isinstance(one, dict)
            and _is_id(one.get("category_id"))}  # fmt: skip
    return {**{id: f"category {id}" for id in used}, **names, None: ""}


def _chosen(categories: dict[Any, str], wanted: tuple[str, ...], source: Path) -> set[Any]:
    """Ids of the categories that are anomalies."""
    if not wanted:
        return set(categories)
    unknown = sorted(set(wanted) - set(categories.values()))
    if unknown:
        known = ", ".join(sorted(filter(None, categories.values())))
        raise UsageError(f"{fsname(source.name)} has no category {unknown[0]!r}; it has {known}.")
    return {id for id, name in categories.items() if name in wanted}


def _by_image(
    told: dict[str, Any], source: Path, findings: Findings
) -> dict[Any, list[dict[str, Any]]]:
    """Annotations by the id of their image, each with a category_id (None: it has none)."""
    known = {image["id"] for image in told["images"] if _named(image)}
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    lost = 0
    for one in told["annotations"]:
        image = one.get("image_id") if isinstance(one, dict) else None
        if not _is_id(image) or image not in known:
            lost += 1
            continue
        category = one.get("category_id")
        found[image].append({**one, "category_id": category if _is_id(category) else None})
    if lost:
        findings.add(
            "warning", source.name,
            f"{lost} annotations of {fsname(source.name)} belong to no image of the file; they "
            "were ignored.",
        )  # fmt: skip
    return found


def _regions(annotation: dict[str, Any]) -> list[Region]:
    """Regions of one annotation: its outlines or run lengths, else its box; [] when unusable."""
    shape = annotation.get("segmentation")
    found: list[Region] = []
    if isinstance(shape, dict):
        size, counts = numbers(shape.get("size"), 2), shape.get("counts")
        if size and isinstance(counts, list | str) and counts:
            found = [Region("runs", (int(size[1]), int(size[0]), counts))]
    elif isinstance(shape, list):
        for outline in shape if all(isinstance(part, list) for part in shape) else [shape]:
            flat = numbers(outline, len(outline))
            if flat is not None and len(flat) >= 6 and len(flat) % 2 == 0:
                found.append(Region("polygon", tuple(pairs(flat))))
    box = numbers(annotation.get("bbox"), 4)
    if not found and box is not None and box[2] >= 0 and box[3] >= 0:
        left, top, width, height = box
        found = [Region("box", (left, top, left + width, top + height))]
    return found
