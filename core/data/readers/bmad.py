"""BMAD (Bao et al., 2023): six medical sets, in every layout they were seen in.

Brain/train/good/img/00003_60.png             or without img
Brain/test/{good,Ungood}/img/00124_60.png     masks in anomaly_mask or label beside img
Liver/test/{img,label}/{good,Ungood}/...      levels swapped
RESC/Test/test/{good,Ungood}/...              masks in RESC/Test/test_label/Ungood
camelyon16/test/{good,Ungood}/100.png         no masks

valid stands like test. The root holds one or several of the sets, or is one. Chest, OCT2017 and
Histopathology have no masks. Masks carry the image's name; those of the brain may be coloured, so
any value but 0 marks. Specimens: brain and liver <patient or volume>_<slice>; OCT2017 where names
are <kind>-<patient>-<number>; RESC by the rule of slices where a name fits, which is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.layout import NORMAL_NAMES, Findings, Tree, assemble, below, is_image, stem
from core.data.masks_by_stem import MasksByStem
from core.data.readers.uni_medical import slice_of
from core.data.reading import UNNAMED_TYPE
from core.types import GOOD, Sample, Split

_BAD = "ungood"
_MASKS = ("label", "anomaly_mask")
_NAMES = {
    "brain": ("brain", "brats"),
    "liver": ("liver",),
    "retina_oct2017": ("oct2017", "oct_2017", "kermany"),
    "retina_resc": ("resc",),
    "chest": ("chest", "rsna"),
    "histopathology": ("histo", "camelyon"),
}
_MASKLESS = frozenset(("retina_oct2017", "chest", "histopathology"))
_CHEST = re.compile(r"(Lung_Opacity|No-Not-Normal)_")
_OCT = re.compile(r"([A-Za-z]+)-(\d+)-(\d+)")
_VALIDATION = {
    "brain": Count(7500, 39, 44),
    "liver": Count(1542, 93, 73),
    "retina_resc": Count(4297, 45, 70),
    "retina_oct2017": Count(26_315, 8, 24),
    "chest": Count(8000, 70, 1420, verified=False),
    "histopathology": Count(5088),
}
"""Published numbers with the validation images in the test's place."""

_VARIANTS = {
    "test": "test images; the validation images are left out.",
    "valid": "validation images instead of test images, for trying settings.",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """Folders of one split and label.

    Attributes:
        images: key of the folder of images.
        masks: keys of folders that may hold their masks.
    """

    images: str
    masks: tuple[str, ...] = ()


@reader("bmad")
class Bmad(Reader):
    """Any of BMAD's six sets, each one class."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="BMAD",
        summary="Six medical sets: brain MRI, liver CT, two of the retina, chest X-ray, tissue.",
        licence="CC-BY-NC-SA-4.0",
        licence_note="No commercial use, and the sources (BraTS, BTCV, LiTS, RESC, Kermany OCT, "
        "RSNA, Camelyon16) keep their own terms; pass nothing on.",
        year=2023,
        citation="J. Bao, H. Sun, H. Deng, Y. He, Z. Zhang, X. Li: BMAD: Benchmarks for Medical "
        "Anomaly Detection, arXiv 2306.11876",
        home="https://github.com/DorisBao/BMAD",
        layout="<set>/train/good, <set>/{valid,test}/{good,Ungood}, images in img, masks in label "
        "or anomaly_mask",
        domain="medical",
        image_size="240x240 to 1024x1024, by set",
        counts={
            "brain": Count(7500, 640, 3075),
            "liver": Count(1542, 833, 660),
            "retina_resc": Count(4297, 1041, 764),
            "retina_oct2017": Count(26_315, 242, 726),
            "chest": Count(8000, 781, 16_413, verified=False),
            "histopathology": Count(5088),
        },
        commercial=False,
    )

    def recognise(self, root: Path) -> str | None:
        """By train/good and test/Ungood in one of the layouts, without a ground_truth folder."""
        names = sorted(_sets(Tree(root)))
        if not names:
            return None
        return f"BMAD: test images in 'Ungood' beside train/good ({', '.join(names)})."

    def variants(self, root: Path) -> Mapping[str, str]:
        """Test images, or validation images where there are any."""
        tree = Tree(root)
        homes = _sets(tree).values()
        if any(_part(tree, home, "valid", bad) for home in homes for bad in (False, True)):
            return _VARIANTS
        return {}

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All sets; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        sets = _sets(tree)
        chosen = variant or next(iter(self.variants(root)), "")
        samples: list[Sample] = []
        for class_name, home in sets.items():
            samples += _images(tree, class_name, home, "train", False)
            tested = chosen or "test"
            for bad in (False, True):
                samples += _images(tree, class_name, home, tested, bad)
            _note_valid(tree, class_name, home, tested)
        recognised = self.recognise(root) or "BMAD."
        found = assemble(self, root, name, recognised, samples, findings, sets, chosen)
        if chosen != "valid":
            return found
        return replace(found, card=replace(self.card, counts=_VALIDATION))


def _sets(tree: Tree) -> dict[str, str]:
    """Key of each set's folder by class name."""
    if _is_set(tree, ""):
        return {_class_name(tree.root.name): ""}
    found: dict[str, str] = {}
    for name in tree.listing().folders:
        if _is_set(tree, name):
            class_name = _class_name(name)
            found[name if class_name in found else class_name] = name
    return found


def _is_set(tree: Tree, home: str) -> bool:
    if tree.listing(home).folder(("ground_truth",)):
        return False
    return bool(_part(tree, home, "train", False) and _part(tree, home, "test", True))


def _class_name(folder: str) -> str:
    """The set's name by the name of its folder, or that itself."""
    text = folder.lower()
    return next((name for name, signs in _NAMES.items() if any(s in text for s in signs)), folder)


def _part(tree: Tree, home: str, split: str, bad: bool) -> _Part | None:
    """Where the images of a split and label are, in whichever layout; None: nowhere."""
    spellings = ("valid", "val") if split == "valid" else (split,)
    found = tree.listing(home).folder(spellings)
    if found is None:
        return None
    outer = below(home, found)
    inner = tree.listing(outer).folder(spellings)
    if inner is not None:  # RESC's scripts: Test/test beside Test/test_label
        beside = below(outer, f"{inner}_label")
        return _labelled(tree, below(outer, inner), bad, (beside,))
    images = tree.listing(outer).folder(("img",))
    if images is not None:  # levels swapped
        return _labelled(tree, below(outer, images), bad, _mask_folders(tree, outer))
    return _labelled(tree, outer, bad, ())


def _labelled(tree: Tree, folder: str, bad: bool, truths: tuple[str, ...]) -> _Part | None:
    """The folder of one label in a folder of several, and its masks there or in `truths`."""
    wanted = (_BAD,) if bad else NORMAL_NAMES
    name = tree.listing(folder).folder(wanted)
    if name is None:
        return None
    home = below(folder, name)
    masks = _mask_folders(tree, home)
    for truth in truths:
        mine = tree.listing(truth).folder(wanted)
        masks += (below(truth, mine),) if mine else ()
    images = tree.listing(home).folder(("img",))
    return _Part(below(home, images) if images else home, masks)


def _mask_folders(tree: Tree, home: str) -> tuple[str, ...]:
    return tuple(below(home, name) for name in tree.listing(home).folders if name.lower() in _MASKS)


def _images(
    tree: Tree, class_name: str, home: str, split: str, bad: bool
) -> Iterator[Sample]:  # fmt: skip
    part = _part(tree, home, split, bad)
    if part is None:
        return
    keys = [below(part.images, name) for name in tree.listing(part.images).files if is_image(name)]
    masks = [MasksByStem(tree, folder) for folder in part.masks] if bad else []
    paired = {key: next((m for m in (one.of(key) for one in masks) if m), ()) for key in keys}
    if bad:
        _note_masks(tree, class_name, part.images, paired)
    kept: Split = "train" if split == "train" else "test"
    for key, files in paired.items():
        specimen, view, kind = _told(class_name, key)
        yield Sample(
            key=key,
            class_name=class_name,
            split=kept,
            label=int(bad),
            anomaly_type=kind if bad else GOOD,
            masks=files,
            specimen=specimen,
            view=view,
        )


def _told(class_name: str, key: str) -> tuple[str | None, str | None, str]:
    """Specimen, view and kind of anomaly by a file's name."""
    if class_name in ("brain", "liver", "retina_resc"):
        return *slice_of(key), UNNAMED_TYPE
    if class_name == "chest":
        found = _CHEST.match(stem(key))
        return None, None, found[1] if found else UNNAMED_TYPE
    oct_name = _OCT.fullmatch(stem(key)) if class_name == "retina_oct2017" else None
    if oct_name is not None:
        kind = UNNAMED_TYPE if oct_name[1].lower() in ("normal", GOOD) else oct_name[1]
        return oct_name[2], oct_name[3], kind
    return None, None, UNNAMED_TYPE


def _note_masks(
    tree: Tree, class_name: str, folder: str, paired: Mapping[str, tuple[str, ...]]
) -> None:
    """One sentence for a set that has no masks; one an image that lacks its own."""
    missing = [key for key, files in paired.items() if not files]
    if not missing:
        return
    if len(missing) == len(paired):
        meant = class_name in _MASKLESS
        tree.findings.add(
            "note" if meant else "warning",
            folder,
            f"Class {class_name} has no masks"
            + (", as published; its" if meant else f" beside {folder}; its")
            + " images count for image metrics only.",
        )
        return
    for key in missing:
        tree.findings.add(
            "warning", key, f"{key} has no mask of its name; it counts for image metrics only.",
            kind=f"mask of {class_name}",
        )  # fmt: skip


def _note_valid(tree: Tree, class_name: str, home: str, tested: str) -> None:
    other = "valid" if tested == "test" else "test"
    parts = [part for bad in (False, True) if (part := _part(tree, home, other, bad))]
    count = sum(sum(map(is_image, tree.listing(part.images).files)) for part in parts)
    if count:
        tree.findings.add(
            "note",
            parts[0].images,
            f"{count} {other} images of {class_name} were not read; choose variant {other!r} for "
            "them.",
        )
