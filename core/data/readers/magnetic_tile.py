"""Magnetic Tile Defects (Huang, Qiu, Yuan, The Visual Computer 2020).

MT_Blowhole/Imgs/exp1_num_108719.jpg     an image, grey
MT_Blowhole/Imgs/exp1_num_108719.png     its mask, same folder and name; MT_Free's are all zero

exp is the exposure setting (by its range, 0 to 6), num the number of the frame. Frames of one tile
follow each other, so that frames of one folder that are at most `NEAR` numbers apart count as one
tile: a guess, made so that no tile is in training and test. There is no official split: of MT_Free
whole tiles are drawn for the test until they hold `TEST_SHARE` of its images; the draw depends on
the names alone. Masks have grey edges; every value but 0 marks.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.layout import Findings, Tree, assemble, below, is_image, stem
from core.data.reading import drawn, marked
from core.types import GOOD, Sample

NEAR = 100
"""Largest step between frame numbers within one tile: exposures of one follow 10 to 80 apart."""

TEST_SHARE = 0.2
CLASS = "magnetic_tile"

_FREE = "MT_Free"
_PREFIX = "MT_"
_KINDS = ("MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Uneven")
_NAME = re.compile(r"exp(\d+)_num_(\d+)")


@reader("magnetic_tile")
class MagneticTile(Reader):
    """The folders as published, images and masks side by side."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Magnetic Tile Defects",
        summary="Surfaces of magnetic tiles of motors under several exposures, five kinds of "
        "defect; no official split, so a fifth of the tiles without defect is drawn for testing.",
        licence="none",
        licence_note="No licence; its authors welcome use and ask to be cited; ask them before you "
        "pass it on.",
        year=2020,
        citation="Y. Huang, C. Qiu, K. Yuan: Surface defect saliency of magnetic tile, The Visual "
        "Computer 36, 2020",
        home="https://github.com/abin24/Magnetic-tile-defect-datasets.",
        layout="MT_<kind>/Imgs/exp<n>_num_<n>.jpg, the mask .png beside it; MT_Free is normal",
        domain="industrial",
        download="53 MB",
        image_size="103-632 x 222-403",
        counts={CLASS: Count(None, None, 392)},
        total=Count(None, None, 392),
    )

    def recognise(self, root: Path) -> str | None:
        """By the folders MT_Free/Imgs and one of the defects'."""
        tree = Tree(root)
        kinds = [name for name in _KINDS if tree.has_folder(below(name, "Imgs"))]
        if not kinds or not tree.has_folder(below(_FREE, "Imgs")):
            return None
        return f"Magnetic Tile Defects: folders {_FREE} and {', '.join(kinds)} with Imgs in them."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All folders; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        samples: list[Sample] = []
        for folder in tree.listing().folders:
            if folder.startswith(_PREFIX) and tree.has_folder(below(folder, "Imgs")):
                samples += _normal(tree) if folder == _FREE else _defective(tree, folder)
        recognised = self.recognise(root) or "Magnetic Tile Defects."
        return assemble(self, root, name, recognised, samples, findings)


def _normal(tree: Tree) -> list[Sample]:
    keys = _pictures(tree, _FREE)
    tiles = tiles_of(keys)
    sizes: dict[str, int] = {}
    for key in keys:
        group = tiles.get(key, key)
        sizes[group] = sizes.get(group, 0) + 1
    tested = drawn(sizes, TEST_SHARE, CLASS)
    count = sum(sizes[group] for group in tested)
    tree.findings.add(
        "note",
        _FREE,
        f"No split is published: {count} of {len(keys)} images of {_FREE} were drawn for testing, "
        f"by whole tiles ({len(sizes)}, guessed from frame numbers); the draw is always the same.",
    )
    return [
        Sample(
            key=key,
            class_name=CLASS,
            split="test" if tiles.get(key, key) in tested else "train",
            label=0,
            specimen=tiles.get(key),
            view=_exposure(key),
        )
        for key in keys
    ]


def _defective(tree: Tree, folder: str) -> list[Sample]:
    kind = folder.removeprefix(_PREFIX).lower()
    keys = _pictures(tree, folder)
    tiles = tiles_of(keys)
    masks = _masks(tree, folder)
    full = marked(tree.root, masks.values(), Findings())  # preparation names unreadable ones
    for key in keys:
        mask = masks.get(stem(key))
        if mask is None:
            tree.findings.add(
                "warning", key, f"{key} has no mask beside it; it counts for image metrics only.",
                kind="mask missing",
            )  # fmt: skip
        elif not full.get(mask, True):
            tree.findings.add(
                "note", key,
                f"The mask of {key} is empty although it lies in {folder}; it counts for image "
                "metrics only.",
            )  # fmt: skip
    return [
        Sample(
            key=key,
            class_name=CLASS,
            split="test",
            label=1,
            anomaly_type=kind if kind != GOOD else "defect",
            masks=(masks[stem(key)],) if stem(key) in masks else (),
            specimen=tiles.get(key),
            view=_exposure(key),
        )
        for key in keys
    ]


def tiles_of(keys: list[str]) -> dict[str, str]:
    """Tile of each image of one folder: frames at most `NEAR` numbers after the one before.

    A tile is called after the folder and its first frame. Images of another name have none.
    """
    frames = sorted((int(found[2]), key) for key in keys if (found := _NAME.fullmatch(stem(key))))
    tiles: dict[str, str] = {}
    tile, last = "", -NEAR - 1
    for number, key in frames:
        if number - last > NEAR:
            tile = f"{key.partition('/')[0]} {number}"
        tiles[key] = tile
        last = number
    return tiles


def _exposure(key: str) -> str | None:
    found = _NAME.fullmatch(stem(key))
    return f"exp{found[1]}" if found else None


def _masks(tree: Tree, folder: str) -> dict[str, str]:
    """Keys of the masks of a folder by stem."""
    home = below(folder, "Imgs")
    return {stem(name): below(home, name) for name in tree.listing(home).files if _mask(name)}


def _mask(name: str) -> bool:
    return name.lower().endswith(".png")


def _pictures(tree: Tree, folder: str) -> list[str]:
    home = below(folder, "Imgs")
    return [
        below(home, name) for name in tree.listing(home).files if is_image(name) and not _mask(name)
    ]
