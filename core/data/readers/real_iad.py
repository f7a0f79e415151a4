"""Real-IAD (Wang et al., CVPR 2024): JSON lists of samples, five views of each specimen.

realiad_1024/<class>/OK/S0001/<class>_0001_OK_C1_<time>.jpg              or _256, _512, _raw
realiad_1024/<class>/NG/HS/S0064/<class>_0064_NG_HS_C1_<time>.jpg        the mask (.png) beside it
realiad_jsons/{realiad_jsons, realiad_jsons_sv, realiad_jsons_fuiad_0.1, ...}/<class>.json

The lists may also stand directly in the root (realiad_jsons/, realiad_jsons_sv/, ...), or as ADer
wants them: <class>.json beside the folder <class>. Each holds meta {prefix, normal_class}, train
and test: records of category, anomaly_class, image_path, mask_path, relative to the class's folder.

Labels come from the lists, never from folders: a flawed part may look sound from some views, and
such images lie under NG and are normal. FUIAD's lists have anomalies in training on purpose; they
keep their label, which no method sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from core.data.base import Count, Dataset, DatasetCard, Reader, reader
from core.data.images import fsname
from core.data.layout import Findings, Tree, assemble, below
from core.data.reading import (
    UNNAMED_TYPE,
    Files,
    read_json,
    tidy_key,
)
from core.data.real_iad_lists import BESIDE, FIVE_VIEWS, LISTS, Lists, listed, sets_of
from core.errors import DataError
from core.types import GOOD, Sample, Split

_VIEW = re.compile(r"([a-zA-Z][a-zA-Z0-9_]*_[0-9]{4}_[A-Z][A-Z_]*[A-Z])_(C[0-9])_")
_TYPES = {
    "AK": "pit",
    "BX": "deformation",
    "CH": "abrasion",
    "HS": "scratch",
    "PS": "damage",
    "QS": "missing parts",
    "YW": "foreign objects",
    "ZW": "contamination",
}
_CLASSES = (
    "audiojack", "bottle_cap", "button_battery", "end_cap", "eraser", "fire_hood", "mint",
    "mounts", "pcb", "phone_battery", "plastic_nut", "plastic_plug", "porcelain_doll",
    "regulator", "rolled_strip_base", "sim_card_set", "switch", "tape", "terminalblock",
    "toothbrush", "toy", "toy_brick", "transistor1", "u_block", "usb", "usb_adaptor", "vcpill",
    "wooden_beads", "woodstick", "zipper",
)  # fmt: skip
_TOTALS = {
    FIVE_VIEWS: Count(36_465, 63_256, 51_329),
    "single_view": Count(10_408, 10_387, 9_415),
    "fuiad_0.0": Count(57_840, 20_157, 9_843),
    "fuiad_0.1": Count(54_066, 20_157, 9_843),
    "fuiad_0.2": Count(50_235, 20_157, 9_843),
    "fuiad_0.4": Count(42_527, 20_157, 9_843),
}
"""Published numbers by set of lists; of FUIAD's training images, the normal ones."""


@reader("real_iad")
class RealIad(Reader):
    """Real-IAD with any of its lists."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Real-IAD",
        summary="Small industrial parts in 30 classes, each part seen by five cameras.",
        licence="CC-BY-NC-SA-4.0",
        licence_note="Research only, after you applied for access; no commercial use, credit and "
        "the same licence for what you make of it.",
        year=2024,
        citation="C. Wang, W. Zhu, B.-B. Gao, Z. Gan, J. Zhang, Z. Gu, S. Qian, M. Chen, L. Ma: "
        "Real-IAD: A Real-World Multi-View Dataset for Benchmarking Versatile Industrial Anomaly "
        "Detection, CVPR 2024",
        home="https://realiad4ad.github.io/Real-IAD/",
        layout="realiad_1024/<class>/{OK,NG/<kind>}/S0001/*.jpg, lists in "
        "realiad_jsons/<set>/<class>.json",
        labels_of_views=True,
        domain="industrial",
        download="53 GB at 1024 px, 622 GB in full",
        image_size="2000 to 5000 a side in full; also 1024, 512, 256",
        counts={name: Count() for name in _CLASSES},
        total=_TOTALS[FIVE_VIEWS],
        commercial=False,
    )

    def recognise(self, root: Path) -> str | None:
        """By how a list of a class begins."""
        for one in sets_of(Tree(root)).values():
            return f"Real-IAD: {one.about}"
        return None

    def variants(self, root: Path) -> Mapping[str, str]:
        """The sets of lists, with each size of images that is there."""
        sets = sets_of(Tree(root))
        return {id: one.about for id, one in sets.items()} if len(sets) > 1 else {}

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All classes of one set of lists; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        sets = sets_of(tree)
        if not sets or (variant and variant not in sets):
            raise DataError(f"{fsname(root)} has no lists {variant or LISTS!r} of Real-IAD's.")
        chosen = variant or next(iter(sets))
        one = sets[chosen]
        files = Files(tree)
        samples: dict[str, Sample] = {}
        for class_name in listed(tree, one.place):
            if not tree.has_folder(below(one.images, class_name)):
                findings.add(
                    "note",
                    class_name,
                    f"Class {class_name} has a list but no folder {below(one.images, class_name)}; "
                    "it was left out.",
                )
                continue
            try:
                for sample in _read_class(tree, files, one, class_name):
                    if samples.setdefault(sample.key, sample) is not sample:
                        findings.add(
                            "error",
                            sample.key,
                            f"{sample.key} stands in the lists more than once; only the first "
                            "record counts.",
                            kind="twice",
                        )
            except DataError as error:
                findings.add("error", class_name, str(error))
        found = assemble(
            self, root, name, f"Real-IAD: {one.about}", list(samples.values()), findings,
            variant=chosen if len(sets) > 1 else "",
        )  # fmt: skip
        total = _TOTALS.get(FIVE_VIEWS if chosen == BESIDE else chosen.partition(" ")[0])
        return replace(
            found, card=replace(self.card, total=total), contaminated=_contaminated(found)
        )


def _contaminated(found: Dataset) -> str:
    count = sum(sample.label for sample in found.samples if sample.split == "train")
    if not count:
        return ""
    return (
        f"{count} training images show a defect on purpose (FUIAD); methods train on them as if "
        "they were normal."
    )


def _read_class(tree: Tree, files: Files, one: Lists, class_name: str) -> Iterator[Sample]:
    """Samples of one class.

    Raises:
        DataError: its list is none.
    """
    key = below(one.place, f"{class_name}.json")
    listed = read_json(tree.root, key)
    meta = listed.get("meta") if isinstance(listed, dict) else None
    if not isinstance(meta, dict):
        raise DataError(f"{key} has no object 'meta', so {class_name} was left out; replace it.")
    prefix = tidy_key(str(meta.get("prefix", class_name))) or class_name
    home = below(one.images, prefix)
    normal = str(meta.get("normal_class", "OK"))
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        records = listed.get(split)
        if not isinstance(records, list):
            raise DataError(f"{key} has no list {split!r}, so {class_name} was left out.")
        for number, record in enumerate(records):
            place = f"{key}: {split} record {number}"
            sample = _sample(tree, files, class_name, home, split, normal, place, record)
            if sample is not None and sample.label and split == "train" and not one.noisy:
                tree.findings.add(
                    "warning",
                    sample.key,
                    f"{sample.key} is an anomalous training image and was left out.",
                    kind="anomalous training",
                )
                continue
            if sample is not None:
                yield sample


def _sample(
    tree: Tree, files: Files, class_name: str, home: str, split: Split, normal: str, place: str,
    record: Any,
) -> Sample | None:  # fmt: skip
    """The sample of a record, or None and a finding."""
    add = tree.findings.add
    fields = record if isinstance(record, dict) else {}
    image, kind, mask = (fields.get(name) for name in ("image_path", "anomaly_class", "mask_path"))
    path = tidy_key(image) if isinstance(image, str) else None
    texts = isinstance(kind, str) and kind.isprintable() and isinstance(mask, str | None)
    if path is None or not texts:
        add("error", place, f"{place} is none of Real-IAD's; it was left out.", kind="record")
        return None
    key = below(home, path)
    if key not in files:
        add("error", place, f"{place}: {key} is not there; it was left out.", kind="image")
        return None
    named = _VIEW.match(path.rpartition("/")[2])
    if named is None:
        add("note", key, f"{key} does not tell its part and view by its name.", kind="name")
    label = int(kind != normal and mask is not None)  # the official loader's rule
    masks: tuple[str, ...] = ()
    if label:
        mask_path = tidy_key(mask or "")
        masks = (below(home, mask_path),) if mask_path else ()
        if not masks or masks[0] not in files:
            masks = ()
            add(
                "warning", key,
                f"{key} has no mask {mask!r} beside it; it counts for image metrics only.",
                kind="mask",
            )  # fmt: skip
    return Sample(
        key=key,
        class_name=class_name,
        split=split,
        label=label,
        anomaly_type=_type(str(kind)) if label else GOOD,
        masks=masks,
        specimen=named[1] if named else None,
        view=named[2] if named else None,
    )


def _type(kind: str) -> str:
    return _TYPES.get(kind, UNNAMED_TYPE if kind in ("", GOOD) else kind)
