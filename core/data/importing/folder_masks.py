"""Masks in a folder of images, paired with their images by folder and stem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.data.layout import Findings, is_image, stem
from core.types import Split

MASK_FOLDERS = (
    "mask", "masks", "ground_truth", "groundtruth", "ground-truth", "ground truth", "gt",
    "annotations", "labels", "label", "segmentation", "segmentations",
)  # fmt: skip
"""Folder names, in lower case, of masks."""

MASK_ENDINGS = ("_mask", "_gt", "-mask", "-gt", "_groundtruth")
"""What the stem of a mask ends with, in lower case, when it is not its image's own stem."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder's path says of its files.

    Attributes:
        split: by a folder named so.
        parts: names of the folders, without those that name a split, hold masks or tell nothing.
        masks: whether the files are masks.
    """

    split: Split | None
    parts: tuple[str, ...]
    masks: bool


def image_stem(name: str, endings: Iterable[str] = MASK_ENDINGS) -> str:
    """Stem of the image a mask file belongs to: 7 of 7.png, 7_mask.png, 7_GT.bmp and 7.jpg.png."""
    bare = stem(name)
    for ending in endings:
        if ending and bare.lower().endswith(ending.lower()) and len(bare) > len(ending):
            bare = bare[: -len(ending)]
            break
    return stem(bare) if is_image(bare) else bare


def is_mask_name(name: str, endings: Iterable[str]) -> bool:
    """Whether a file beside images is a mask by the end of its stem."""
    bare = stem(name).lower()
    return any(ending and bare.endswith(ending.lower()) for ending in endings)


class Masks:
    """Every mask of a source.

    Args:
        endings: see `MASK_ENDINGS`.
    """

    def __init__(self, endings: Iterable[str]) -> None:
        self._endings = tuple(endings)
        self._by_stem: dict[tuple[Split | None, tuple[str, ...], str], list[str]]
        self._by_stem = defaultdict(list)
        self._by_folder: dict[tuple[Split | None, tuple[str, ...]], list[str]] = defaultdict(list)
        self._stems: dict[str, str] = {}

    def add(self, key: str, place: Place) -> None:
        """File a mask that lies there."""
        mine = image_stem(key, self._endings)
        self._stems[key] = mine
        self._by_stem[place.split, place.parts, mine].append(key)
        self._by_folder[place.split, place.parts].append(key)

    def __len__(self) -> int:
        return len(self._stems)

    def pair(self, images: Mapping[str, Place], findings: Findings) -> dict[str, tuple[str, ...]]:
        """Masks of the images that have any; one that could be two images' is none's."""
        found = {key: masks for key, place in images.items() if (masks := self._of(key, place))}
        owners: dict[str, list[str]] = defaultdict(list)
        for key, masks in found.items():
            for mask in masks:
                owners[mask].append(key)
        for mask, keys in owners.items():
            if len(keys) == 1:
                continue
            findings.add(
                "warning", mask,
                f"{mask} could be the mask of {keys[0]} and of {keys[1]}; it was used for neither, "
                "put it into a folder that is named like its image's.",
                kind="mask of two",
            )  # fmt: skip
            for key in keys:
                found.pop(key, None)
        return found

    def note_unpaired(self, images: Iterable[str], findings: Findings) -> None:
        """Say how many masks belong to no image, by their stem."""
        known = {stem(key) for key in images}
        lone = [
            key
            for key, mine in self._stems.items()
            if mine not in known and not known & set(key.split("/")[:-1])
        ]
        if lone:
            findings.add(
                "note", lone[0],
                f"{len(lone)} files are masks by their name or folder but have no image of their "
                f"name, such as {lone[0]}; they were ignored.",
            )  # fmt: skip

    def _of(self, key: str, place: Place) -> tuple[str, ...]:
        """Masks by the image's own folder, else by the nearest folder above it."""
        mine = stem(key)
        for level in range(len(place.parts), -1, -1):
            parts = place.parts[:level]
            for split in dict.fromkeys((place.split, None)):
                masks = self._by_stem.get((split, parts, mine))
                masks = masks or self._by_folder.get((split, (*parts, mine)))
                if masks:
                    return tuple(masks)
        return ()
