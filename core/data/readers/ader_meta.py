"""ADer's `meta.json` (arXiv 2406.03262): phase -> class -> list of records.

Each record has img_path and mask_path (relative to the root; "" = no mask), cls_name,
specie_name (the anomaly type) and anomaly (0 or 1). The 2-D generators write a double slash
before the file name; it is normalised, so that a key names one file in one way. `validation`
(MVTec 3D-AD, MVTec LOCO) is appended to train, as ADer's loader does. COCO-AD has one list for
each of its splits, meta_20_0.json to meta_20_3.json: they are variants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from core.data.base import Dataset, DatasetCard, Reader, reader
from core.data.images import fsname
from core.data.layout import NORMAL_NAMES, Findings, Tree, assemble, below, is_image
from core.data.reading import UNNAMED_TYPE, can_name_class, head, json_of, tidy_key
from core.errors import DataError
from core.types import GOOD, Sample, Split

_LISTS = re.compile(r"meta(_\w+)?\.json")
_PHASES: dict[str, Split] = {"train": "train", "validation": "train", "test": "test"}
_SIGN = re.compile(rb'\s*\{\s*"(train|validation|test)"\s*:\s*\{')


@reader("ader_meta")
class AderMeta(Reader):
    """Any folder whose meta.json lists its samples."""

    specificity: ClassVar[int] = 10  # a list of samples says more than folder names

    card: ClassVar[DatasetCard] = DatasetCard(
        title="Folder with ADer's meta.json",
        summary="A list of samples in meta.json: image, mask, class, kind of anomaly, label.",
        layout="meta.json: phase -> class -> records of img_path, mask_path, cls_name, "
        "specie_name, anomaly",
        home="https://github.com/zhangzjn/ADer",
    )

    def recognise(self, root: Path) -> str | None:
        """By how meta.json begins: an object of phases."""
        found = _lists(root)
        if not found:
            return None
        others = len(found) - 1
        more = f", and {others} more such list{'s' * (others != 1)}" if others else ""
        file, phase = next(iter(found.items()))
        return f"ADer list of samples: {file} begins with {phase!r}{more}."

    def variants(self, root: Path) -> Mapping[str, str]:
        """The lists, where there are several."""
        found = _lists(root)
        if len(found) < 2:
            return {}
        return {file.removesuffix(".json"): f"The list {file}." for file in found}

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All records; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        samples: dict[str, Sample] = {}
        file = f"{variant}.json" if variant else next(iter(_lists(root)), "meta.json")
        for phase, place, record in _records(root / file):
            sample = _sample(tree, _PHASES[phase], place, record)
            if sample is None:
                continue
            if sample.key in samples:
                findings.add(
                    "error",
                    sample.key,
                    f"{sample.key} stands in {file} more than once; only the first record counts, "
                    "remove the others.",
                    kind="twice",
                )
                continue
            samples[sample.key] = sample
        recognised = self.recognise(root) or f"ADer list of samples: {file}."
        chosen = file.removesuffix(".json") if self.variants(root) else ""
        return assemble(
            self, root, name, recognised, list(samples.values()), findings, variant=chosen
        )


def _lists(root: Path) -> dict[str, str]:
    """{file: phase it begins with} of the lists in a folder, by name."""
    found = {}
    for name in Tree(root).listing().files:
        sign = _SIGN.match(head(root / name)) if _LISTS.fullmatch(name) else None
        if sign:
            found[name] = sign[1].decode()
    return found


def _load(path: Path) -> dict[str, Any]:
    value = json_of(path)
    if not isinstance(value, dict) or not any(phase in value for phase in _PHASES):
        shown = fsname(path)
        raise DataError(f"{shown} has none of the phases train, validation, test; mend it.")
    return value


def _records(file: Path) -> Iterator[tuple[str, str, Any]]:
    """(phase, place in the file, record), train first so that it wins over a double in test."""
    meta = _load(file)
    for phase in _PHASES:
        classes = meta.get(phase, {})
        if not isinstance(classes, dict):
            raise DataError(f"{fsname(file)}: {phase!r} is not an object of classes; mend it.")
        for class_name, records in classes.items():
            place = f"{phase}/{class_name}"
            if not isinstance(records, list):
                raise DataError(f"{fsname(file)}: {place} is not a list; mend it.")
            for number, record in enumerate(records):
                yield phase, f"{file.name}: {place} record {number}", record


def _sample(tree: Tree, split: Split, place: str, record: Any) -> Sample | None:
    """The sample of a record, or None and a problem."""
    add = tree.findings.add
    fault = _fault(record)
    if fault:
        add("error", place, f"{place} {fault}; it was left out, mend it.", kind="record")
        return None
    class_name, label, kind = record["cls_name"], int(record["anomaly"]), record["specie_name"]
    key = tidy_key(record["img_path"])
    if key is None or not tree.has_file(key):
        shown = record["img_path"]
        why = "leads out of the data set's folder" if key is None else "is not there"
        add("error", place, f"{place}: image {shown!r} {why}; it was left out.", kind=f"i {why}")
        return None
    if label == 1 and split == "train":
        add(
            "warning",
            key,
            f"{key} is an anomalous training image and was left out; list it under test.",
            kind="anomalous training",
        )
        return None
    if label == 0:
        return Sample(key=key, class_name=class_name, split=split, label=0)
    if kind.lower() in NORMAL_NAMES:
        add(
            "warning",
            key,
            f"{key} is labelled anomalous but its type is {kind!r}; the label counts.",
            kind="label",
        )
    named = bool(kind) and kind.lower() not in NORMAL_NAMES and kind != GOOD
    return Sample(
        key=key,
        class_name=class_name,
        split=split,
        label=1,
        anomaly_type=kind if named else UNNAMED_TYPE,
        masks=_masks(tree, key, record["mask_path"]),
    )


def _fault(record: Any) -> str | None:
    """What is wrong with a record, or None."""
    if not isinstance(record, dict):
        return "is not an object"
    for field in ("img_path", "mask_path", "cls_name", "specie_name"):
        if not isinstance(record.get(field), str):
            return f"has {field} = {record.get(field)!r} where a text is expected"
        if any("\ud800" <= letter <= "\udfff" for letter in record[field]):
            return f"has {field} = {record[field]!r}, which is not valid text"
    if record.get("anomaly") not in (0, 1):
        return f"has anomaly = {record.get('anomaly')!r} where 0 or 1 is expected"
    name = record["cls_name"]
    if not can_name_class(name):
        return f"has the class name {name!r}, which cannot name a folder"
    if not record["img_path"]:
        return "has no img_path"
    return None


def _masks(tree: Tree, key: str, path: str) -> tuple[str, ...]:
    """Mask files of an anomalous image; a folder means all images in it."""
    mask = tidy_key(path) if path else None
    if mask and tree.has_file(mask):
        return (mask,)
    if mask and tree.has_folder(mask):
        files = tuple(below(mask, name) for name in tree.listing(mask).files if is_image(name))
        if files:
            return files
    if not path:
        why = "has no mask"
    elif mask is None:
        why = f"has a mask {path!r} outside the data set's folder"
    else:
        why = f"has a mask {path!r} that is not there"
    tree.findings.add(
        "warning", key, f"{key} {why}; it counts for image metrics only.", kind=why.split("'")[0]
    )
    return ()
