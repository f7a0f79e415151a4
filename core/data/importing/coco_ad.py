"""COCO-AD (InvAD, arXiv 2404.10760): COCO 2017, with a quarter of its categories called anomalous.

annotations/instances_train2017.json, annotations/instances_val2017.json
train2017/000000000009.jpg, val2017/000000000139.jpg

The 80 categories, by ascending id, are numbered from 0; split k calls 20k to 20k + 19 anomalous. An
image is normal when it shows none of them. Normal images of train2017 train, all of val2017 are
tested; images without any annotation are in neither. Masks join the polygons and run lengths of the
anomalous categories, vertices truncated to whole pixels; they are drawn one at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from core.data.images import Mask, fsname
from core.data.importing.base import Importer, Item, Options, importer
from core.data.importing.json_stream import stream_array
from core.data.importing.shapes import Size, compressed_rle, pairs, polygon_mask, rle_mask
from core.data.layout import Findings
from core.data.reading import UNNAMED_TYPE
from core.errors import DataError
from core.types import GOOD

CLASS = "coco"
PARTS = ("train2017", "val2017")
SEVERAL = "several"
"""Anomaly type of an image that shows several anomalous categories."""

_CATEGORIES = 80
_A_SPLIT = 20


class CocoAdOptions(Options):
    """Which of the four splits."""

    number: int = Field(
        default=0, ge=0, le=3,
        description="which categories are anomalous: 0 person to cow, 1 elephant to bottle, 2 wine "
        "glass to bed, 3 dining table to toothbrush",
    )  # fmt: skip


@importer("coco_ad")
class CocoAd(Importer[CocoAdOptions]):
    """The folder of COCO 2017."""

    title = "COCO-AD"
    summary = "COCO's photographs of everyday scenes; a quarter of its 80 kinds of things is new."
    takes: ClassVar[tuple[str, ...]] = ("folder",)
    specificity = 20
    options = CocoAdOptions

    def recognise(self, source: Path) -> str | None:
        """By the two files of annotations and the two folders of images."""
        there = all(_annotations(source, part).is_file() for part in PARTS)
        if not there or not all((source / part).is_dir() for part in PARTS):
            return None
        return (
            "COCO 2017: annotations of train2017 and val2017 beside their images. Annotations are "
            "CC-BY-4.0; the photographs belong to their owners, pass none on."
        )

    def items(self, source: Path, options: CocoAdOptions, findings: Findings) -> Iterator[Item]:
        """Normal training images, then all annotated validation images."""
        for part in PARTS:
            if not (source / part).is_dir():
                raise DataError(f"{fsname(source)} has no folder {part}; unpack COCO 2017 there.")
        anomalous = _anomalous(source, options.number)
        train, val = PARTS
        shown = _shown(_annotations(source, train), anomalous)
        for image, _, key in _images(source, train, set(shown), findings):
            if not shown[image]:
                yield Item(name=key, class_name=CLASS, label=0, split="train")
        tested = _shapes(_annotations(source, val), anomalous)
        for image, size, key in _images(source, val, set(tested), findings):
            shapes = tested[image]
            if not shapes:
                yield Item(name=key, class_name=CLASS, label=0, split="test")
                continue
            kinds = {anomalous[category] for category, _ in shapes}
            drawn = tuple(shape for _, shape in shapes)
            yield Item(
                name=key,
                class_name=CLASS,
                label=1,
                anomaly_type=kinds.pop() if len(kinds) == 1 else SEVERAL,
                split="test",
                draw_mask=partial(draw_mask, drawn, size),
                stamp=_stamp(drawn, size),
            )


def draw_mask(shapes: tuple[bytes, ...], size: Size) -> Mask:
    """The union of segmentations as booleans [H, W]; it may be empty when all are tiny.

    Args:
        shapes: "segmentation" of each annotation as JSON.
        size: width and height of the image.

    Raises:
        DataError: one of them is none of COCO's, or of another size.
    """
    mask = np.zeros((size[1], size[0]), dtype=np.bool_)
    for shape in shapes:
        segmentation = json.loads(shape)
        if isinstance(segmentation, dict):
            mask |= _run_lengths(segmentation, size)
        elif isinstance(segmentation, list) and all(isinstance(p, list) for p in segmentation):
            for polygon in segmentation:
                mask |= polygon_mask(pairs(polygon), size)
        else:
            raise DataError("An annotation has no outline.")
    return mask


def _run_lengths(segmentation: dict[str, Any], size: Size) -> Mask:
    counts = segmentation.get("counts")
    if segmentation.get("size") != [size[1], size[0]]:
        raise DataError("Run lengths are of another size than their image.")
    if isinstance(counts, str):
        counts = compressed_rle(counts)
    if not isinstance(counts, list):
        raise DataError("An annotation has no run lengths.")
    return rle_mask(counts, size)


def _annotations(source: Path, part: str) -> Path:
    return source / "annotations" / f"instances_{part}.json"


def _anomalous(source: Path, number: int) -> dict[int, str]:
    """Name of each anomalous category by its id.

    Raises:
        DataError: the file does not list COCO's 80 categories.
    """
    path = _annotations(source, PARTS[1])
    names: dict[int, str] = {}
    for category in stream_array(path, "categories"):
        id, name = _field(category, "id", int), _field(category, "name", str)
        if id is not None:
            name = name if name and name.isprintable() and name != GOOD else UNNAMED_TYPE
            names[id] = name
    if len(names) != _CATEGORIES:
        raise DataError(
            f"{fsname(path)} lists {len(names)} categories where COCO 2017 has {_CATEGORIES}; take "
            "its own annotations."
        )
    chosen = sorted(names)[number * _A_SPLIT : (number + 1) * _A_SPLIT]
    return {id: names[id] for id in chosen}


def _shown(path: Path, anomalous: dict[int, str]) -> dict[int, bool]:
    """Whether each annotated image shows an anomalous category, by image id."""
    shown: dict[int, bool] = {}
    for annotation in stream_array(path, "annotations"):
        image = _field(annotation, "image_id", int)
        if image is not None:
            bad = _field(annotation, "category_id", int) in anomalous
            shown[image] = shown.get(image, False) or bad
    return shown


def _shapes(path: Path, anomalous: dict[int, str]) -> dict[int, list[tuple[int, bytes]]]:
    """Category and segmentation of each anomalous annotation, by id of any annotated image."""
    shapes: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for annotation in stream_array(path, "annotations"):
        image = _field(annotation, "image_id", int)
        category = _field(annotation, "category_id", int)
        if image is None:
            continue
        mine = shapes[image]
        if category is not None and category in anomalous:
            # as text: a tenth of the memory of lists of numbers
            segmentation = annotation.get("segmentation")
            mine.append((category, json.dumps(segmentation, separators=(",", ":")).encode()))
    return dict(shapes)


def _images(
    source: Path, part: str, annotated: set[int], findings: Findings
) -> Iterator[tuple[int, Size, str]]:
    """Id, size, and path below the source of each annotated image that is there."""
    there = set(os.listdir(source / part))  # noqa: PTH208 - names only, of 118,000 files
    for image in stream_array(_annotations(source, part), "images"):
        id, file = _field(image, "id", int), _field(image, "file_name", str)
        width, height = _field(image, "width", int), _field(image, "height", int)
        if id is None or id not in annotated:
            continue
        if file is None or width is None or height is None or file not in there:
            findings.add(
                "error", f"{part}/{file}",
                f"Image {file or id} of {part} is listed but not there; it was left out.",
                kind=part,
            )  # fmt: skip
            continue
        yield id, (width, height), f"{part}/{file}"


def _field(record: Any, name: str, kind: type) -> Any:
    """A field of a record if it is there and of that kind, else None."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _stamp(shapes: tuple[bytes, ...], size: Size) -> str:
    digest = hashlib.blake2b(f"1 {size[0]}x{size[1]}".encode(), digest_size=8)
    for shape in shapes:
        digest.update(shape)
        digest.update(b"\n")
    return digest.hexdigest()
