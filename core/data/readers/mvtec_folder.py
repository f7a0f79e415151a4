"""Folders in the layout of MVTec AD (Bergmann et al., CVPR 2019): one folder a class.

<class>/train/good/000.png                        normal images ("ok" means the same)
<class>/test/<type>/000.png                       type "good" or "ok" normal, any other anomalous
<class>/ground_truth/<type>/000_mask.png          or 000.png; any image format
<class>/ground_truth/<type>/000/*.png             or several masks (MVTec LOCO), joined by "or"

The root may be one class itself, and a class may stand twice nested (`can/can`), as some
archives unpack. Images and masks pair by stem, never by sorted position.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from core.data.base import Dataset, DatasetCard, Reader, reader
from core.data.layout import (
    NORMAL_NAMES,
    Findings,
    Tree,
    assemble,
    below,
    is_image,
    stem,
)
from core.types import GOOD, Sample, Split

_NAMED_CLASSES = 6


@reader("mvtec_folder")
class MvtecFolder(Reader):
    """Any folder of classes with train/good and test/<type>."""

    card: ClassVar[DatasetCard] = DatasetCard(
        title="Folder in MVTec AD layout",
        summary="One folder a class: normal training images, test images by kind of defect.",
        layout="<class>/train/good, <class>/test/<type>, <class>/ground_truth/<type>/<stem>_mask",
    )

    def recognise(self, root: Path) -> str | None:
        """By a train/good (or train/ok) folder in at least one class, or in the root itself."""
        tree = Tree(root)
        names = [name for name, home in _classes(tree) if _normal_folders(tree, home)]
        if not names:
            return None
        if any(home == "" for _, home in _classes(tree)):
            return f"MVTec-style folder of one class, {names[0]}: train/good stands directly in it."
        listed = ", ".join(names[:_NAMED_CLASSES]) + (" …" if len(names) > _NAMED_CLASSES else "")
        count = "1 class" if len(names) == 1 else f"{len(names)} classes"
        return f"MVTec-style folder: {count} with train/good ({listed})."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All classes; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        samples: list[Sample] = []
        classes = dict(_classes(tree))
        for class_name, home in classes.items():
            samples += _train(tree, class_name, home)
            samples += _test(tree, class_name, home)
        recognised = self.recognise(root) or "MVTec-style folder."
        return assemble(self, root, name, recognised, samples, findings, classes)


def _classes(tree: Tree) -> list[tuple[str, str]]:
    """Pairs of class name and key of the class's folder."""
    if _has_splits(tree, ""):
        return [(tree.root.name, "")]
    found = []
    for name in tree.listing().folders:
        nested = below(name, name)
        if _has_splits(tree, name):
            found.append((name, name))
        elif name in tree.listing(name).folders and _has_splits(tree, nested):
            found.append((name, nested))
    return found


def _has_splits(tree: Tree, home: str) -> bool:
    return tree.listing(home).folder(("train", "test")) is not None


def _part(tree: Tree, home: str, name: str) -> str | None:
    """Key of a class's train, test or ground_truth folder, in any case."""
    found = tree.listing(home).folder((name,))
    return below(home, found) if found else None


def _normal_folders(tree: Tree, home: str) -> list[str]:
    train = _part(tree, home, "train")
    if train is None:
        return []
    return [name for name in tree.listing(train).folders if name.lower() in NORMAL_NAMES]


def _images(tree: Tree, folder: str) -> Iterator[str]:
    """Keys of the images in a folder; what else lies there is noted once."""
    listing = tree.listing(folder)
    strays = [name for name in listing.files if not is_image(name)] + list(listing.folders)
    if strays:
        tree.findings.add(
            "note",
            below(folder, strays[0]),
            f"{below(folder, strays[0])} is no image and was ignored"
            + (f", like {len(strays) - 1} more beside it." if len(strays) > 1 else "."),
        )
    yield from (below(folder, name) for name in listing.files if is_image(name))


def _train(tree: Tree, class_name: str, home: str) -> Iterator[Sample]:
    train = _part(tree, home, "train")
    if train is None:
        return
    normal = _normal_folders(tree, home)
    for name in normal:
        for key in _images(tree, below(train, name)):
            yield _sample(key, class_name, "train", 0)
    for name in tree.listing(train).folders:
        count = sum(map(is_image, tree.listing(below(train, name)).files))
        if name not in normal and count:
            tree.findings.add(
                "warning",
                below(train, name),
                f"{count} images in {below(train, name)} are anomalous by their folder's name "
                "and were left out of training; move them to test, or, if normal, to train/good.",
            )
    _note_loose(tree, train, "good")
    validation = _part(tree, home, "validation")
    if validation is not None:
        tree.findings.add(
            "note",
            validation,
            f"{validation} was not read: training normals are held out by the deployment protocol.",
        )


def _test(tree: Tree, class_name: str, home: str) -> Iterator[Sample]:
    test = _part(tree, home, "test")
    if test is None:
        return
    _note_loose(tree, test, "<type>")
    truth = _part(tree, home, "ground_truth")
    for name in tree.listing(test).folders:
        keys = list(_images(tree, below(test, name)))
        if name.lower() in NORMAL_NAMES:
            yield from (_sample(key, class_name, "test", 0) for key in keys)
            continue
        masks = _Masks(tree, below(truth, name) if truth else None)
        paired = {key: masks.of(key) for key in keys}
        _note_missing(tree.findings, below(test, name), paired)
        masks.note_unpaired({stem(key) for key in keys})
        for key, files in paired.items():
            yield _sample(key, class_name, "test", 1, name, files)


def _note_loose(tree: Tree, folder: str, wanted: str) -> None:
    """Say which images stand directly in train or test, where no folder gives their kind."""
    loose = [name for name in tree.listing(folder).files if is_image(name)]
    if loose:
        tree.findings.add(
            "warning",
            below(folder, loose[0]),
            f"{len(loose)} images stand directly in {folder}, such as {loose[0]}, and were left "
            f"out; move them to {folder}/{wanted}.",
        )


def _sample(
    key: str,
    class_name: str,
    split: Split,
    label: int,
    anomaly_type: str = GOOD,
    masks: tuple[str, ...] = (),
) -> Sample:
    return Sample(
        key=key,
        class_name=class_name,
        split=split,
        label=label,
        anomaly_type=anomaly_type,
        masks=masks,
    )


class _Masks:
    """The masks of one anomaly type, by stem."""

    def __init__(self, tree: Tree, folder: str | None) -> None:
        self._tree = tree
        self._folder = folder
        self._by_stem: dict[str, tuple[str, ...]] = {}
        if folder is None:
            return
        listing = tree.listing(folder)
        for name in listing.folders:
            inner = below(folder, name)
            files = tuple(
                below(inner, file) for file in tree.listing(inner).files if is_image(file)
            )
            if files:
                self._by_stem[name] = files
        for name in listing.files:
            if is_image(name):
                self._by_stem[stem(name)] = (below(folder, name),)

    def of(self, image: str) -> tuple[str, ...]:
        """Mask files of an image: <stem>_mask, else <stem> (a file, else a folder), else none."""
        name = stem(image)
        return self._by_stem.get(f"{name}_mask") or self._by_stem.get(name) or ()

    def note_unpaired(self, stems: set[str]) -> None:
        """Say which masks belong to no image."""
        unpaired = [
            files[0]
            for name, files in self._by_stem.items()
            if name not in stems and name.removesuffix("_mask") not in stems
        ]
        if unpaired:
            self._tree.findings.add(
                "note",
                unpaired[0],
                f"{len(unpaired)} masks in {self._folder} have no image of their name, such as "
                f"{unpaired[0]}; they were ignored.",
            )


def _note_missing(findings: Findings, folder: str, paired: dict[str, tuple[str, ...]]) -> None:
    """One sentence for a type without any mask, else one an image."""
    missing = [key for key, files in paired.items() if not files]
    if missing and len(missing) == len(paired):
        findings.add(
            "warning",
            folder,
            f"None of the {len(missing)} images in {folder} has a mask under ground_truth; they "
            "count for image metrics only.",
        )
        return
    for key in missing:
        findings.add(
            "warning",
            key,
            f"{key} has no mask under ground_truth; it counts for image metrics only.",
            kind=f"mask of {folder}",
        )
