"""DAGM 2007 (competition of the DAGM symposium, Heidelberg): synthetic textures.

Class1/Train/0576.PNG            Class1/Train/Label/0576_label.PNG    Class1/Train/Label/Labels.txt
Class1/Test/...                  alike

Labels.txt: a first line of one field, then tab-separated: number, 0 or 1 for a defect, image name,
something unused, mask name or 0. Normal and defective images are mixed in one folder, so that the
label stands there alone; defective training images are left out. Masks are coarse ellipses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.layout import Findings, Tree, assemble, below, is_image
from core.data.reading import DEFECT, read_text
from core.errors import DataError
from core.types import GOOD, Sample, Split

_CLASS = re.compile(r"Class\d+")
_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}
_LIST = "labels.txt"


def _counts() -> dict[str, Count]:
    return {
        f"Class{number}": Count(*((500, 500, 75) if number < 7 else (1000, 1000, 150)), False)
        for number in range(1, 11)
    }


@reader("dagm")
class Dagm(Reader):
    """Folders Class1 to Class10."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="DAGM 2007",
        summary="Ten artificial textures with defects marked by coarse ellipses, so that pixel "
        "metrics are rough; defective images in training are left out.",
        licence="unknown",
        licence_note="Publicly downloadable, but its terms are not known to us; ask before you "
        "pass it on or use it in a product.",
        year=2007,
        citation="M. Wieler, T. Hahn: Weakly Supervised Learning for Industrial Optical "
        "Inspection, competition of the DAGM symposium 2007",
        home="https://hci.iwr.uni-heidelberg.de/content/"
        "weakly-supervised-learning-industrial-optical-inspection",
        layout="Class<n>/{Train,Test}/*.PNG, labels in Label/Labels.txt, masks in Label",
        domain="industrial",
        image_size="512x512",
        counts=_counts(),
        total=Count(7000, 7000, 1050, verified=False),
    )

    def recognise(self, root: Path) -> str | None:
        """By folders Class<n> whose Train has a folder Label with Labels.txt."""
        tree = Tree(root)
        names = [name for name in _classes(tree) if _list_of(tree, _folder(tree, name, "train"))]
        if not names:
            return None
        return f"DAGM 2007: Labels.txt in the training folder of {', '.join(names)}."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All classes; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        classes = _classes(tree)
        samples = [
            sample
            for class_name in classes
            for split in _SPLITS.values()
            for sample in _split(tree, class_name, split)
        ]
        recognised = self.recognise(root) or "DAGM 2007."
        return assemble(self, root, name, recognised, samples, findings, classes)


def _classes(tree: Tree) -> list[str]:
    return [name for name in tree.listing().folders if _CLASS.fullmatch(name)]


def _folder(tree: Tree, home: str, name: str) -> str:
    """Key of a folder in any case; "" when it is not there."""
    found = tree.listing(home).folder((name,)) if home else None
    return below(home, found) if found else ""


def _list_of(tree: Tree, folder: str) -> str:
    """Key of a split's Labels.txt; "" when it is not there."""
    label = _folder(tree, folder, "label")
    files = tree.listing(label).files if label else ()
    return next((below(label, name) for name in files if name.lower() == _LIST), "")


def _split(tree: Tree, class_name: str, split: Split) -> Iterator[Sample]:
    folder = _folder(tree, class_name, split)
    listed = _list_of(tree, folder)
    if not listed:
        tree.findings.add(
            "error" if split == "train" else "warning",
            below(class_name, split),
            f"{class_name} has no Label/Labels.txt for {split}, so the labels of its images are "
            "unknown; they were left out, get an intact copy.",
        )
        return
    try:
        rows = _rows(tree, listed)
    except DataError as error:
        tree.findings.add("error", listed, str(error))
        return
    masks = {name.lower(): name for name in tree.listing(_folder(tree, folder, "label")).files}
    images = [name for name in tree.listing(folder).files if is_image(name)]
    unlisted = [name for name in images if name.lower() not in rows]
    if unlisted:
        tree.findings.add(
            "warning",
            below(folder, unlisted[0]),
            f"{len(unlisted)} images in {folder}, such as {unlisted[0]}, are not in {listed}, so "
            "their labels are unknown; they were left out.",
        )
    left_out = 0
    for name in images:
        label, mask = rows.get(name.lower(), (-1, ""))
        if label == -1:
            continue
        if label == 1 and split == "train":
            left_out += 1
            continue
        key = below(folder, name)
        files = _mask(tree, key, below(folder, "Label"), listed, masks.get(mask.lower()), label)
        kind = DEFECT if label else GOOD
        yield Sample(
            key=key, class_name=class_name, split=split, label=label, anomaly_type=kind,
            masks=files,
        )  # fmt: skip
    if left_out:
        tree.findings.add(
            "note",
            folder,
            f"{left_out} defective training images of {class_name} were left out: methods learn "
            "from good ones.",
        )


def _mask(
    tree: Tree, key: str, place: str, listed: str, name: str | None, label: int
) -> tuple[str, ...]:  # fmt: skip
    if not label:
        return ()
    if name is not None:
        return (below(listed.rpartition("/")[0], name),)
    tree.findings.add(
        "warning", key, f"{key} has no mask in {place}; it counts for image metrics only.",
        kind="mask missing",
    )  # fmt: skip
    return ()


def _rows(tree: Tree, listed: str) -> dict[str, tuple[int, str]]:
    """Label and mask name by the image's name in lower case.

    Raises:
        DataError: it cannot be read.
    """
    rows: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(read_text(tree.root, listed).splitlines(), start=1):
        fields = line.split()
        if len(fields) < 3:  # the first line, and blank ones
            continue
        if fields[1] not in ("0", "1"):
            tree.findings.add(
                "error",
                listed,
                f"{listed} line {number} has {fields[1]!r} where 0 or 1 is expected; its image was "
                "left out.",
                kind="row",
            )
            continue
        rows[fields[2].lower()] = int(fields[1]), fields[4] if len(fields) > 4 else ""
    return rows
