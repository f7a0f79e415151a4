"""VisA in its official tree (Zou et al., ECCV 2022): one list of samples, masks of small ids.

split_csv/1cls.csv                       object,split,label,image,mask; CRLF line ends
<class>/image_anno.csv                   image,label,mask; label "normal" or kinds of defect
<class>/Data/Images/Normal/0000.JPG      <class>/Data/Images/Anomaly/000.JPG
<class>/Data/Masks/Anomaly/000.png       ids 1 to 9, 0 background

Which images train and which test stands in the list alone; normal and anomalous images may have the
same name, so that a mask is the one its row names. The two lists for two-class training (2cls_*)
put anomalies into training and are refused. Trees converted to MVTec's layout are read as such.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.images import fsname
from core.data.layout import Findings, Tree, assemble, below
from core.data.reading import (
    UNNAMED_TYPE,
    Files,
    can_name_class,
    head,
    read_table,
    tidy_key,
)
from core.errors import DataError
from core.types import GOOD, Sample, Split

LIST = "split_csv/1cls.csv"
COMBINED = "combined"
"""Anomaly type of an image that shows several kinds of defect."""

_COLUMNS = ("object", "split", "label", "image", "mask")
_HEADER = ",".join(_COLUMNS).encode()
_TWO_CLASS = ("split_csv/2cls_fewshot.csv", "split_csv/2cls_highshot.csv")
_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}


def _count(train: int, good: int) -> Count:
    return Count(train, good, 100)


@reader("visa")
class Visa(Reader):
    """The official tree of VisA."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="VisA",
        summary="Circuit boards, food and small parts in 12 classes; many defects are tiny.",
        licence="CC-BY-4.0",
        licence_note="Free to use and pass on, in products too, if you credit it and say what you "
        "changed.",
        year=2022,
        citation="Y. Zou, J. Jeong, L. Pemula, D. Zhang, O. Dabeer: SPot-the-Difference "
        "Self-Supervised Pre-training for Anomaly Detection and Segmentation, ECCV 2022",
        home="https://github.com/amazon-science/spot-diff",
        layout="split_csv/1cls.csv (object, split, label, image, mask) beside "
        "<class>/Data/Images/{Normal,Anomaly} and <class>/Data/Masks/Anomaly",
        domain="industrial",
        download="1.9 GB",
        image_size="about 1000 to 1600 a side",
        counts={
            "candle": _count(900, 100),
            "capsules": _count(542, 60),
            "cashew": _count(450, 50),
            "chewinggum": _count(453, 50),
            "fryum": _count(450, 50),
            "macaroni1": _count(900, 100),
            "macaroni2": _count(900, 100),
            "pcb1": _count(904, 100),
            "pcb2": _count(901, 100),
            "pcb3": _count(905, 101),
            "pcb4": _count(904, 101),
            "pipe_fryum": _count(450, 50),
        },
        total=Count(8659, 962, 1200),
        commercial=True,
    )

    def recognise(self, root: Path) -> str | None:
        """By the header of a list in split_csv."""
        if head(root / LIST).startswith(_HEADER):
            return f"VisA: its list {LIST} says which images train and which test."
        if any(head(root / name).startswith(_HEADER) for name in _TWO_CLASS):
            return f"VisA, without {LIST}: only lists for two-class training are there."
        return None

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All rows of the one-class list; see `Reader.read`."""
        if not (root / LIST).is_file():
            raise DataError(
                f"{fsname(root)} has no {LIST}; VisA's other lists put anomalies into training "
                "and cannot be used here, so add that file from the official archive."
            )
        findings = Findings()
        rows = _Rows(Tree(root, findings))
        samples: dict[str, Sample] = {}
        for number, row in enumerate(read_table(root, LIST, _COLUMNS), start=2):
            sample = rows.sample(row, f"{LIST} line {number}")
            if sample is None:
                continue
            if sample.key in samples:
                findings.add(
                    "error",
                    sample.key,
                    f"{sample.key} stands in {LIST} more than once; only the first row counts.",
                    kind="twice",
                )
                continue
            samples[sample.key] = sample
        rows.note_absent()
        recognised = self.recognise(root) or "VisA."
        return assemble(self, root, name, recognised, list(samples.values()), findings)


class _Rows:
    """Turns rows of the list into samples."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files = Files(tree)
        self._kinds: dict[str, dict[str, str]] = {}
        self._absent: Counter[str] = Counter()

    def sample(self, row: dict[str, str], place: str) -> Sample | None:
        """The sample of a row; None and a finding where it cannot be used."""
        add = self._tree.findings.add
        class_name, split, label = row["object"], row["split"], row["label"]
        key = tidy_key(row["image"])
        if (
            split not in _SPLITS
            or label not in ("normal", "anomaly")
            or key is None
            or not can_name_class(class_name)
        ):
            add("error", place, f"{place} is no row of VisA's; it was left out.", kind="row")
            return None
        if not self._tree.has_folder(class_name):
            self._absent[class_name] += 1
            return None
        if key not in self._files:
            add("error", place, f"{place}: {key} is not there; it was left out.", kind="image")
            return None
        if label == "normal":
            return Sample(key=key, class_name=class_name, split=_SPLITS[split], label=0)
        if split == "train":
            add(
                "warning",
                key,
                f"{key} is an anomalous training image and was left out; get the official list.",
                kind="anomalous training",
            )
            return None
        return Sample(
            key=key,
            class_name=class_name,
            split="test",
            label=1,
            anomaly_type=self._kind(class_name, key),
            masks=self._masks(key, row["mask"]),
        )

    def note_absent(self) -> None:
        """Say which classes of the list are not there at all."""
        for class_name, count in sorted(self._absent.items()):
            self._tree.findings.add(
                "note",
                class_name,
                f"Class {class_name} has {count} rows in {LIST} but no folder; it was left out.",
            )

    def _masks(self, key: str, path: str) -> tuple[str, ...]:
        mask = tidy_key(path)
        if mask is not None and mask in self._files:
            return (mask,)
        why = f"has no mask {path!r}" if path else "has no mask in the list"
        self._tree.findings.add(
            "warning", key, f"{key} {why}; it counts for image metrics only.", kind="mask"
        )
        return ()

    def _kind(self, class_name: str, key: str) -> str:
        """Kind of defect by the class's image_anno.csv."""
        if class_name not in self._kinds:
            self._kinds[class_name] = self._read_kinds(class_name)
        found = self._kinds[class_name].get(key, "")
        kinds = {kind.strip() for kind in found.split(",") if kind.isprintable()}
        kinds -= {"", "normal", GOOD}
        if not kinds:
            return UNNAMED_TYPE
        return kinds.pop() if len(kinds) == 1 else COMBINED

    def _read_kinds(self, class_name: str) -> dict[str, str]:
        listed = below(class_name, "image_anno.csv")
        kinds = {}
        try:
            for row in read_table(self._tree.root, listed, ("image", "label")):
                image = tidy_key(row["image"])
                if image is not None:
                    kinds[image] = row["label"]
        except DataError:
            self._tree.findings.add(
                "note",
                listed,
                f"{listed} is not there or cannot be read, so the kinds of defect of {class_name} "
                f"are not known; all are called {UNNAMED_TYPE!r}.",
            )
        return kinds
