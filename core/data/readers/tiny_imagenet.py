"""Tiny-ImageNet (Stanford course CS231n, 2015) in ADer's four unified settings.

tiny-imagenet-200/wnids.txt, words.txt          class ids, and what they mean
train/n01443537/images/n01443537_0.JPEG
val/images/val_0.JPEG, val/val_annotations.txt  file, class id, box; tab-separated
val/n01443537/images/val_0.JPEG                 instead, as ADer moves them

Half of the 200 classes, sorted by id, is normal and trains; the validation images of all 200 are
the test. There is nothing to localise, so there are no masks. The unlabelled test/ is not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.layout import Findings, Tree, assemble, below, is_image
from core.data.reading import read_text
from core.errors import DataError
from core.types import GOOD, Sample

CLASS = "tiny_imagenet"

HALVES: Mapping[str, tuple[str, Callable[[int, int], bool]]] = {
    "split_0": ("the first half of the classes is normal.", lambda i, n: i < n // 2),
    "split_1": ("the second half of the classes is normal.", lambda i, n: i >= n // 2),
    "split_2": ("the classes of even number are normal.", lambda i, n: i % 2 == 0),
    "split_3": ("the classes of odd number are normal.", lambda i, n: i % 2 == 1),
}
"""ADer's unified splits: what each is, and whether class i of n is normal in it."""

_WNID = re.compile(r"n\d{8}")
_NOTES = "val/val_annotations.txt"


@reader("tiny_imagenet")
class TinyImagenet(Reader):
    """The folder tiny-imagenet-200."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Tiny-ImageNet",
        summary="Everyday photographs of 200 kinds, half of them called normal: novelty, not "
        "defects, and nothing to localise.",
        licence="ImageNet's terms",
        licence_note="For non-commercial research and teaching only; the photographs belong to "
        "their owners, pass none on.",
        year=2015,
        citation="Y. Le, X. Yang: Tiny ImageNet Visual Recognition Challenge, CS231n, Stanford "
        "University, 2015",
        home="http://cs231n.stanford.edu/",
        layout="wnids.txt, train/<id>/images/*.JPEG, val/images/*.JPEG with "
        "val/val_annotations.txt or val/<id>/images/*.JPEG",
        domain="natural",
        image_size="64x64",
        counts={CLASS: Count(50_000, 5000, 5000)},
        total=Count(50_000, 5000, 5000),
        commercial=False,
    )

    def recognise(self, root: Path) -> str | None:
        """By wnids.txt and a folder of ImageNet's ids in train."""
        tree = Tree(root)
        if "wnids.txt" not in tree.listing().files or not _ids(tree):
            return None
        return "Tiny-ImageNet: wnids.txt beside train with folders of ImageNet's class ids."

    def variants(self, root: Path) -> Mapping[str, str]:
        """Which half of the classes is normal."""
        return {id: about for id, (about, _) in HALVES.items()} if self.recognise(root) else {}

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """Training images of the normal half, validation images of all; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        ids = _ids(tree)
        chosen = variant or next(iter(HALVES))
        is_normal = HALVES[chosen][1]
        normal = {id for number, id in enumerate(ids) if is_normal(number, len(ids))}
        words = _words(tree, ids)
        samples = [
            Sample(key=key, class_name=CLASS, split="train", label=0)
            for id in ids
            if id in normal
            for key in _pictures(tree, below("train", id))
        ]
        for key, id in _validation(tree, ids):
            good = id in normal
            samples.append(
                Sample(
                    key=key,
                    class_name=CLASS,
                    split="test",
                    label=int(not good),
                    anomaly_type=GOOD if good else words[id],
                )
            )
        recognised = self.recognise(root) or "Tiny-ImageNet."
        return assemble(self, root, name, recognised, samples, findings, variant=chosen)


def _ids(tree: Tree) -> list[str]:
    """Class ids, sorted: the folders of train."""
    return [name for name in tree.listing("train").folders if _WNID.fullmatch(name)]


def _pictures(tree: Tree, home: str) -> list[str]:
    """Keys of the images in a class's folder, in `images` or directly."""
    folder = below(home, "images") if "images" in tree.listing(home).folders else home
    return [below(folder, name) for name in tree.listing(folder).files if is_image(name)]


def _validation(tree: Tree, ids: list[str]) -> list[tuple[str, str]]:
    """Key and class id of each validation image, in either layout."""
    found = [(key, id) for id in ids for key in _pictures(tree, below("val", id))]
    images = [name for name in tree.listing("val/images").files if is_image(name)]
    if not images:
        return found
    try:
        lines = read_text(tree.root, _NOTES).splitlines()
    except DataError as error:
        tree.findings.add("error", _NOTES, str(error))
        return found
    told = {fields[0]: fields[1] for line in lines if len(fields := line.split("\t")) > 1}
    unknown = [name for name in images if told.get(name) not in ids]
    if unknown:
        tree.findings.add(
            "warning",
            below("val/images", unknown[0]),
            f"{len(unknown)} images in val/images, such as {unknown[0]}, have no class of train in "
            f"{_NOTES}; they were left out.",
        )
    known = set(ids)
    return found + [(below("val/images", n), told[n]) for n in images if told.get(n) in known]


def _words(tree: Tree, ids: list[str]) -> dict[str, str]:
    """What each class id means: the first word of words.txt, with the id where two are alike."""
    words: dict[str, str] = {}
    wanted = set(ids)
    try:
        for line in read_text(tree.root, "words.txt").splitlines():
            id, _, text = line.partition("\t")
            word = text.split(",")[0].strip()
            if id in wanted and word:
                words[id] = word
    except DataError:
        tree.findings.add(
            "note", "words.txt", "words.txt is not there, so classes go by their ids."
        )
    often = Counter(words.values())
    return {
        id: word if (word := words.get(id, id)) != GOOD and often[word] < 2 else f"{word} {id}"
        for id in ids
    }
