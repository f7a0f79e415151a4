"""Folders with one folder a class, and in it a folder a split: what MVTec AD began and others kept.

`ClassFolders` reads them; what differs between data sets (which folders are splits, where images
and masks stand, what file names tell) are its class variables and the methods below "what
differs". How a published data set is recognised: `core.data.published`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from core.data.base import Dataset, Reader
from core.data.layout import (
    NORMAL_NAMES,
    Findings,
    Tree,
    assemble,
    below,
    is_image,
    stem,
)
from core.data.masks_by_stem import MasksByStem, note_missing
from core.types import GOOD, Sample, Split

HELD_OUT = "training normals are held out by the deployment protocol"


class ClassFolders(Reader):
    """Reads <class>/<split>/<type>; a class may stand twice nested (`can/can`), as some archives
    unpack, and the root may be one class itself.

    Attributes:
        splits: folder of a class, in lower case, and the split its images belong to; training
            folders first.
        unread: folders that may stand beside them and are not read, and why.
        normal: folder names, in lower case, that mean normal.
        truth: folder of the masks, beside the splits.
    """

    splits: ClassVar[Mapping[str, Split]] = {"train": "train", "test": "test"}
    unread: ClassVar[Mapping[str, str]] = {"validation": HELD_OUT}
    normal: ClassVar[frozenset[str]] = NORMAL_NAMES
    truth: ClassVar[str] = "ground_truth"

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All classes; see `Reader.read`."""
        tree = Tree(root, Findings())
        samples: list[Sample] = []
        classes = dict(self.classes(tree))
        for class_name, home in classes.items():
            for folder, split in self.splits.items():
                part = part_of(tree, home, folder)
                if part is None:
                    continue
                read = self._train if split == "train" else self._test
                samples += read(tree, class_name, home, part)
            self._note_unread(tree, home)
        self.finish(tree, classes)
        recognised = self.recognise(root) or f"{self.card.title}."
        return assemble(self, root, name, recognised, samples, tree.findings, classes)

    def classes(self, tree: Tree) -> list[tuple[str, str]]:
        """Pairs of class name and key of the class's folder."""
        if self._has_splits(tree, ""):
            return [(tree.root.name, "")]
        found = []
        for name in tree.listing().folders:
            nested = below(name, name)
            if self._has_splits(tree, name):
                found.append((name, name))
            elif name in tree.listing(name).folders and self._has_splits(tree, nested):
                found.append((name, nested))
        return found

    def normal_folders(self, tree: Tree, home: str) -> list[str]:
        """Names of the folders of normal training images of a class."""
        first = next(folder for folder, split in self.splits.items() if split == "train")
        train = part_of(tree, home, first)
        return [] if train is None else self._normal_in(tree, train)

    # what differs

    def kinds(self, tree: Tree, part: str) -> list[str]:
        """Folders of a split that hold images, good ones and anomalous ones."""
        return list(tree.listing(part).folders)

    def pictures(self, folder: str) -> str:
        """Key of the folder the images of one type stand in."""
        return folder

    def masks_of(self, tree: Tree, home: str, part: str, kind: str) -> str | None:
        """Key of the folder the masks of one anomaly type stand in; None: there is none."""
        truth = part_of(tree, home, self.truth)
        return below(truth, kind) if truth else None

    def naming(self, tree: Tree, folder: str, key: str) -> tuple[str | None, str | None]:
        """Specimen and view, where an image's name tells them; `folder` is that of its type."""
        return None, None

    def finish(self, tree: Tree, classes: Mapping[str, str]) -> None:
        """Last findings, once all classes (name -> folder) are read."""

    # how it is read

    def _has_splits(self, tree: Tree, home: str) -> bool:
        return tree.listing(home).folder(self.splits) is not None

    def _normal_in(self, tree: Tree, part: str) -> list[str]:
        return [name for name in self.kinds(tree, part) if name.lower() in self.normal]

    def _train(self, tree: Tree, class_name: str, home: str, part: str) -> Iterator[Sample]:
        normal = self._normal_in(tree, part)
        for name in normal:
            folder = below(part, name)
            for key in _images(tree, self.pictures(folder)):
                yield self._sample(tree, class_name, "train", folder, key)
        for name in self.kinds(tree, part):
            folder = self.pictures(below(part, name))
            count = sum(map(is_image, tree.listing(folder).files))
            if name not in normal and count:
                tree.findings.add(
                    "warning",
                    below(part, name),
                    f"{count} images in {below(part, name)} are anomalous by their folder's name "
                    "and were left out of training; move them to test, or, if normal, to "
                    "train/good.",
                )
        _note_loose(tree, part, "good")

    def _test(self, tree: Tree, class_name: str, home: str, part: str) -> Iterator[Sample]:
        _note_loose(tree, part, "<type>")
        for name in self.kinds(tree, part):
            folder = below(part, name)
            keys = list(_images(tree, self.pictures(folder)))
            if name.lower() in self.normal:
                for key in keys:
                    yield self._sample(tree, class_name, "test", folder, key)
                continue
            masks = MasksByStem(tree, self.masks_of(tree, home, part, name))
            paired = {key: masks.of(key) for key in keys}
            note_missing(tree.findings, folder, paired, self.truth)
            masks.note_unpaired({stem(key) for key in keys})
            for key, files in paired.items():
                yield self._sample(tree, class_name, "test", folder, key, name, files)

    def _sample(
        self, tree: Tree, class_name: str, split: Split, folder: str, key: str,
        anomaly_type: str = GOOD, masks: tuple[str, ...] = (),
    ) -> Sample:  # fmt: skip
        specimen, view = self.naming(tree, folder, key)
        return Sample(
            key=key,
            class_name=class_name,
            split=split,
            label=int(anomaly_type != GOOD),
            anomaly_type=anomaly_type,
            masks=masks,
            specimen=specimen,
            view=view,
        )

    def _note_unread(self, tree: Tree, home: str) -> None:
        for folder, why in self.unread.items():
            part = part_of(tree, home, folder)
            if part is not None:
                tree.findings.add("note", part, f"{part} was not read: {why}.")


def part_of(tree: Tree, home: str, name: str) -> str | None:
    """Key of a class's folder of that name (lower case), in any case; None: not there."""
    found = tree.listing(home).folder((name,))
    return below(home, found) if found else None


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
