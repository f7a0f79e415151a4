"""Lists of samples as UniAD (You et al., NeurIPS 2022) keeps them: JSON lines.

train.json and test.json, one object a line: filename, label (0 or 1), label_name ("good" or
"defective"), clsname, and maskname on anomalous lines. Paths are relative to the root or to the one
folder in it that holds the images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from core.data.base import Dataset, DatasetCard, Reader, reader
from core.data.layout import NORMAL_NAMES, Findings, Tree, assemble, below
from core.data.reading import (
    UNNAMED_TYPE,
    Files,
    can_name_class,
    head,
    read_text,
    tidy_key,
)
from core.types import GOOD, Sample, Split

_FILES: dict[str, Split] = {"train.json": "train", "test.json": "test"}
_FIELDS = (b'"filename"', b'"label"', b'"clsname"')
_UNNAMED = frozenset((*NORMAL_NAMES, GOOD, "", "defective"))
_LINE = re.compile(rb"\s*\{[^\n]*\}\s*(\n|$)")


@reader("uniad_json")
class UniadJson(Reader):
    """Any folder with such a train.json."""

    specificity: ClassVar[int] = 10
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Folder with lists in UniAD's form",
        summary="Lists of samples, one JSON object a line, in train.json and test.json.",
        layout="train.json, test.json: filename, label, label_name, clsname, maskname a line",
        home="https://github.com/zhiyuanyou/UniAD",
    )

    def recognise(self, root: Path) -> str | None:
        """By the first line of train.json: an object with filename, label and clsname."""
        start = head(root / "train.json")
        line = _LINE.match(start)
        if line is None or not all(field in line[0] for field in _FIELDS):
            return None
        return "Lists in UniAD's form: train.json holds one object a line with filename and label."

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All lines; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        lines = [
            (split, f"{file} line {number}", line)
            for file, split in _FILES.items()
            if (root / file).is_file() or split == "train"
            for number, line in _lines(tree, file)
        ]
        files = Files(tree)
        base = _base(tree, files, [line for _, _, line in lines])
        samples: dict[str, Sample] = {}
        for split, place, line in lines:
            sample = _sample(tree, files, base, split, place, line)
            if sample is not None and samples.setdefault(sample.key, sample) is not sample:
                findings.add(
                    "error",
                    sample.key,
                    f"{sample.key} stands in the lists more than once ({place}); only the first "
                    "line counts, remove the others.",
                    kind="twice",
                )
        recognised = self.recognise(root) or "Lists in UniAD's form."
        return assemble(self, root, name, recognised, list(samples.values()), findings)


def _lines(tree: Tree, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line; others become findings.

    Raises:
        DataError: the file cannot be read.
    """
    for number, text in enumerate(read_text(tree.root, file).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict):
            yield number, line
        else:
            place = f"{file} line {number}"
            tree.findings.add(
                "error", place, f"{place} is no JSON object; it was left out.", kind=file
            )


def _base(tree: Tree, files: Files, lines: list[dict[str, Any]]) -> str:
    """Key of the folder the paths are relative to: the root, or the folder that has the first."""
    for line in lines[:20]:
        path = tidy_key(str(line.get("filename", "")))
        if path is None:
            continue
        for folder in ("", *tree.listing().folders):
            if below(folder, path) in files:
                return folder
    return ""


def _sample(
    tree: Tree, files: Files, base: str, split: Split, place: str, line: dict[str, Any]
) -> Sample | None:
    """The sample of a line, or None and a finding."""
    add = tree.findings.add
    image, class_name, label = (line.get(field) for field in ("filename", "clsname", "label"))
    path = tidy_key(image) if isinstance(image, str) else None
    if not isinstance(class_name, str) or not can_name_class(class_name) or label not in (0, 1):
        add(
            "error", place,
            f"{place} has no usable clsname and label; it was left out, mend it.", kind="line",
        )  # fmt: skip
        return None
    if path is None or below(base, path) not in files:
        add("error", place, f"{place}: image {image!r} is not there; it was left out.", kind="i")
        return None
    key = below(base, path)
    if not label:
        return Sample(key=key, class_name=class_name, split=split, label=0)
    if split == "train":
        add(
            "warning", key,
            f"{key} is an anomalous training image and was left out; list it in test.json.",
            kind="anomalous training",
        )  # fmt: skip
        return None
    kind = line.get("label_name")
    known = isinstance(kind, str) and kind.isprintable() and kind.lower() not in _UNNAMED
    return Sample(
        key=key,
        class_name=class_name,
        split=split,
        label=1,
        anomaly_type=str(kind) if known else UNNAMED_TYPE,
        masks=_masks(tree, files, base, key, line.get("maskname")),
    )


def _masks(tree: Tree, files: Files, base: str, key: str, path: Any) -> tuple[str, ...]:
    mask = tidy_key(path) if isinstance(path, str) else None
    if mask is not None and below(base, mask) in files:
        return (below(base, mask),)
    why = f"has a mask {path!r} that is not there" if path else "has no mask"
    tree.findings.add(
        "warning", key, f"{key} {why}; it counts for image metrics only.", kind="mask"
    )
    return ()
