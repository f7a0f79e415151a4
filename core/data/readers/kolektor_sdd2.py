"""KolektorSDD2 (Božič, Tabernik, Skočaj, Computers in Industry 2021).

train/10000.png  train/10000_GT.png      test/20000.png  test/20000_GT.png

Every image has a mask, all zero when it is good: the mask is the label. Only names of five digits
count, since the archive holds copies whose masks would pass for images. The split is the official
one, less the defective training images. The .pyb files beside it are pickles and never opened.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.layout import Findings, Tree, assemble, below, is_image
from core.data.reading import DEFECT, marked
from core.types import GOOD, Sample, Split

CLASS = "kolektor_sdd2"

_IMAGE = re.compile(r"(\d{5})\.png")
_MASK = re.compile(r"(\d{5})_GT\.png")
_SPLITS: tuple[Split, ...] = ("train", "test")


@reader("kolektor_sdd2")
class KolektorSdd2(Reader):
    """train and test, an image beside its mask."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="KolektorSDD2",
        summary="Scratches, spots and dents on production items; defective images in training are "
        "left out.",
        licence="CC-BY-NC-SA-4.0",
        licence_note="No commercial use; credit and the same licence for what you make of it.",
        year=2021,
        citation="J. Božič, D. Tabernik, D. Skočaj: Mixed supervision for surface-defect "
        "detection: From weakly to fully supervised learning, Computers in Industry 129, 2021",
        home="https://www.vicos.si/resources/kolektorsdd2/",
        layout="train/10000.png with train/10000_GT.png, test/20000.png with test/20000_GT.png",
        domain="industrial",
        image_size="184-241 x 597-665",
        counts={CLASS: Count(2085, 894, 110)},
        total=Count(2085, 894, 110),
        commercial=False,
    )

    def recognise(self, root: Path) -> str | None:
        """By train and test holding five-digit images with masks named _GT."""
        tree = Tree(root)
        for split in _SPLITS:
            numbers = _numbers(tree, split, _MASK)
            if not numbers or not numbers.keys() & _numbers(tree, split, _IMAGE).keys():
                return None
        return "KolektorSDD2: images of five digits with masks named _GT in train and test."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """Both splits; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        samples = [sample for split in _SPLITS for sample in _split(tree, split)]
        recognised = self.recognise(root) or "KolektorSDD2."
        return assemble(self, root, name, recognised, samples, findings)


def _numbers(tree: Tree, folder: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """Keys of the files of a pattern by their number."""
    found = {name: pattern.fullmatch(name) for name in tree.listing(folder).files}
    return {match[1]: below(folder, name) for name, match in found.items() if match}


def _split(tree: Tree, split: Split) -> list[Sample]:
    images, masks = _numbers(tree, split, _IMAGE), _numbers(tree, split, _MASK)
    full = marked(tree.root, [masks[n] for n in images if n in masks], tree.findings)
    _note_others(tree, split, images, masks)
    samples = []
    left_out = 0
    for number, key in images.items():
        mask = masks.get(number, "")
        if mask not in full:
            continue
        label = int(full[mask])
        if label and split == "train":
            left_out += 1
            continue
        samples.append(
            Sample(
                key=key,
                class_name=CLASS,
                split=split,
                label=label,
                anomaly_type=DEFECT if label else GOOD,
                masks=(mask,) if label else (),
            )
        )
    if left_out:
        tree.findings.add(
            "note",
            split,
            f"{left_out} defective training images were left out: methods learn from good ones.",
        )
    return samples


def _note_others(tree: Tree, split: Split, images: dict[str, str], masks: dict[str, str]) -> None:
    """Say which images have no mask, and which names are none of the set's."""
    for number, key in images.items():
        if number not in masks:
            tree.findings.add(
                "warning",
                key,
                f"{key} has no mask {number}_GT.png, so whether it is defective is unknown; it was "
                "left out.",
                kind="mask missing",
            )
    known = {*images.values(), *masks.values()}
    strays = [
        key
        for name in tree.listing(split).files
        if is_image(name) and (key := below(split, name)) not in known
    ]
    if strays:
        tree.findings.add(
            "note",
            strays[0],
            f"{len(strays)} files in {split} are copies by their names, such as {strays[0]}; they "
            "were ignored.",
        )
