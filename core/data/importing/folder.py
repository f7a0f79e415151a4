"""A folder of images: good ones and anything else, as people keep them.

    good/*.jpg  scratch/*.jpg  dent/deep/*.jpg      one class, kinds "scratch" and "dent / deep"
    bolt/good/  bolt/crack/  nut/good/              two classes
    train/good/  test/good/  test/crack/            splits as given
    *.jpg                                           everything is good
    scratch/masks/7.png  masks/scratch/7.png  masks/7.png  scratch/7_mask.png   masks of scratch/7

Masks pair with images by folder and stem, never by position; a mask that could belong to two images
belongs to none. A file that is a mask by its name or folder is never taken for an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from core.data.images import Unreadable, read_mask
from core.data.importing import splits, walking
from core.data.importing.base import Importer, Item, Options, importer
from core.data.importing.folder_masks import (
    MASK_ENDINGS,
    MASK_FOLDERS,
    Masks,
    Place,
    is_mask_name,
)
from core.data.layout import Findings, Tree, below, is_image
from core.types import GOOD, Split

NORMAL = (
    "good", "ok", "normal", "normals", "healthy", "negative", "negatives", "pass", "passed",
    "intact", "defect-free", "defect_free", "no_defect", "nondefective", "non-defective",
    "non_defective", "io",
)  # fmt: skip
"""Folder names, in lower case, that mean good, wherever none is chosen."""

_FAULTY = frozenset(
    (
        "abnormal", "anomalies", "anomalous", "anomaly", "bad", "broken", "crack", "damaged", "def",
        "defect", "defective", "defects", "dent", "fail", "failed", "faulty", "fault", "ko",
        "lesion", "ng", "nok", "not_ok", "positive", "positives", "scratch", "sick", "tumor",
        "tumour", "ungood", "pathological",
    )
)  # fmt: skip
"""Folder names that say that the images below are not good."""

_PASSED = frozenset(("images", "image", "imgs", "img"))
"""Folder names that tell nothing."""

_RECOGNISED = 200
"""Folders that are looked at to recognise a source."""


class FolderOptions(Options):
    """How a folder of images is read."""

    normal: tuple[str, ...] = Field(
        default=NORMAL, description="names of the folders that hold good images"
    )
    others: Literal["anomalous", "good"] = Field(
        default="anomalous",
        description="what the other folders hold: anomalous images, each folder a kind of defect; "
        "or good ones, unless a mask marks something in them",
    )
    classes: Literal["one", "folders"] = Field(
        default="one",
        description="one: all images show one kind of object; folders: each top folder is a class",
    )
    class_name: str = Field(
        default="", description="name of the one class; empty: the folder's name"
    )
    splits: bool = Field(
        default=True, description="folders named train, test and val say what images are for"
    )
    masks: bool = Field(default=True, description="use masks where there are any")
    mask_folders: tuple[str, ...] = Field(
        default=MASK_FOLDERS, description="names of folders that hold masks, never images"
    )
    mask_endings: tuple[str, ...] = Field(
        default=MASK_ENDINGS,
        description="what a mask's name ends with when it lies beside its image (7_mask.png)",
    )


@importer("folder")
class Folder(Importer[FolderOptions]):
    """Any folder with images in it."""

    title: ClassVar[str] = "Folder of images"
    summary: ClassVar[str] = (
        "A folder with good images and, where there are any, folders of defects; masks optional."
    )
    options = FolderOptions

    def recognise(self, source: Path) -> str | None:
        """By the first image below it."""
        tree = Tree(source)
        first = next(walking.images(tree, _RECOGNISED), None)
        if first is None:
            return None
        names = [n for n in tree.listing().folders if n.lower() not in MASK_FOLDERS]
        if not names:
            return "A folder of images."
        listed = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
        return f"A folder of images, with folders {listed}."

    def suggest(self, source: Path) -> FolderOptions:
        """By the names of the folders that hold images."""
        tree = Tree(source)
        holding = [f for f in walking.folders(tree) if any(map(is_image, tree.listing(f).files))]
        words = {part.lower() for folder in holding for part in folder.split("/")}
        divided = {"train", "test"} <= {splits.NAMES.get(word) for word in words}
        rule = FolderOptions(splits=divided)
        places = [place for f in holding if not (place := _place(f, rule)).masks]
        depths = [_depth(place.parts, frozenset(NORMAL)) for place in places]
        normal = tuple(word for word in NORMAL if word in words)
        found = [depth for depth in depths if depth is not None]
        if found:
            return FolderOptions(
                normal=normal, splits=divided, classes="folders" if min(found) > 0 else "one"
            )
        loose = any(not place.parts for place in places)
        faulty = any(part.lower() in _FAULTY for place in places for part in place.parts)
        others: Literal["anomalous", "good"] = "anomalous" if loose or faulty else "good"
        return FolderOptions(others=others, splits=divided)

    def items(self, source: Path, options: FolderOptions, findings: Findings) -> Iterator[Item]:
        """Every image that is no mask; see `Importer.items`."""
        tree = Tree(source, findings)
        places, masks = _sorted_out(tree, options)
        judged = _judged(places, options, source.name or "images", findings)
        sought = {key: places[key] for key, one in judged.items() if one.verdict != "good"}
        paired = masks.pair(sought, findings) if options.masks else {}
        if options.masks:
            masks.note_unpaired(places, findings)
        items = [_item(tree.root, key, one, paired.get(key, ())) for key, one in judged.items()]
        _note_missing(items, findings)
        if items and not any(item.label for item in items):
            findings.add(
                "note", "",
                f"All {len(items)} images count as good, since no folder and no mask says "
                "otherwise: a method can learn from them, but nothing here tests whether it finds "
                "defects.",
            )  # fmt: skip
        yield from items


@dataclass(frozen=True, slots=True)
class _Judged:
    """What an image is: "maybe" means good unless a mask marks something in it."""

    class_name: str
    split: Split | None
    verdict: Literal["good", "anomalous", "maybe"]
    kind: str


def _place(folder: str, rule: FolderOptions) -> Place:
    split: Split | None = None
    parts, masks = [], False
    holding = {name.lower() for name in rule.mask_folders}
    for part in filter(None, folder.split("/")):
        word = part.lower()
        if rule.splits and word in splits.NAMES:
            split = splits.NAMES[word]
        elif word in holding:
            masks = True
        elif word not in _PASSED:
            parts.append(part)
    return Place(split, tuple(parts), masks)


def _depth(parts: tuple[str, ...], normal: frozenset[str]) -> int | None:
    """How many folders stand above the one that means good; None: none does."""
    return next((at for at, part in enumerate(parts) if part.lower() in normal), None)


def _sorted_out(tree: Tree, rule: FolderOptions) -> tuple[dict[str, Place], Masks]:
    """Where each image lies, by key, and the masks."""
    images: dict[str, Place] = {}
    masks = Masks(rule.mask_endings)
    strays: list[str] = []
    for folder in walking.folders(tree):
        place = _place(folder, rule)
        for name in tree.listing(folder).files:
            key = below(folder, name)
            if not is_image(name):
                strays.append(key)
            elif place.masks or is_mask_name(name, rule.mask_endings):
                masks.add(key, place)
            else:
                images[key] = place
    if strays:
        tree.findings.add(
            "note", strays[0],
            f"{len(strays)} files are no images by their name, such as {strays[0]}; they were "
            "ignored.",
        )  # fmt: skip
    return images, masks


def _judged(
    places: Mapping[str, Place], rule: FolderOptions, source: str, findings: Findings
) -> dict[str, _Judged]:
    """What the folders say of each image; those they say nothing of are left out and told."""
    normal = frozenset(name.lower() for name in rule.normal)
    settled = {_class(p, rule, source) for p in places.values() if _is_normal(p, normal)}
    found: dict[str, _Judged] = {}
    unclear: dict[str, list[str]] = {}
    for key, place in places.items():
        class_name = _class(place, rule, source)
        rest = place.parts[1:] if rule.classes == "folders" else place.parts
        if class_name is not None and _is_normal(place, normal):
            found[key] = _Judged(class_name, place.split, "good", GOOD)
            continue
        if class_name is None or (
            rule.others == "anomalous"
            and not rest
            and (place.split == "test" or (place.split is None and class_name in settled))
        ):
            unclear.setdefault(key.rpartition("/")[0], []).append(key)
            continue
        verdict: Literal["anomalous", "maybe"] = "maybe"
        if rest and rule.others == "anomalous":
            verdict = "anomalous"
        found[key] = _Judged(class_name, place.split, verdict, " / ".join(rest))
    for folder, keys in unclear.items():
        findings.add(
            "warning", keys[0],
            f"{len(keys)} images, such as {keys[0]}, stand directly in {folder or source}, where "
            "no folder says whether they are good; they were left out, move them into one that "
            "does.",
        )  # fmt: skip
    return found


def _is_normal(place: Place, normal: frozenset[str]) -> bool:
    return _depth(place.parts, normal) is not None


def _class(place: Place, rule: FolderOptions, source: str) -> str | None:
    """Name of the class; None where classes are folders and the image is in none."""
    if rule.classes == "one":
        return rule.class_name or source
    return place.parts[0] if place.parts else None


def _item(root: Path, key: str, one: _Judged, masks: tuple[str, ...]) -> Item:
    label = one.verdict == "anomalous" or (one.verdict == "maybe" and _marks(root, masks))
    return Item(
        name=key, class_name=one.class_name, label=int(label), anomaly_type=one.kind,
        split=one.split, masks=masks if label else (), origin=key,
    )  # fmt: skip


def _marks(root: Path, masks: tuple[str, ...]) -> bool:
    """Whether a mask marks anything, or cannot be read: then somebody meant to mark something."""
    for mask in masks:
        try:
            if read_mask(root / mask).any():
                return True
        except Unreadable:
            return True
    return False


def _note_missing(items: list[Item], findings: Findings) -> None:
    """Say which anomalous images have no mask: one sentence if none has any."""
    anomalous = [item for item in items if item.label]
    missing = [item for item in anomalous if not item.masks]
    if anomalous and len(missing) == len(anomalous):
        findings.add(
            "note", missing[0].name,
            f"None of the {len(missing)} anomalous images has a mask; they count for image metrics "
            "only.",
        )  # fmt: skip
        return
    for item in missing:
        findings.add(
            "warning", item.name,
            f"{item.name} has no mask; it counts for image metrics only.", kind="no mask",
        )  # fmt: skip
