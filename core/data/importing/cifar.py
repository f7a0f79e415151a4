"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from their binary version, in ADer's settings.

data_batch_1.bin to data_batch_5.bin, test_batch.bin     records of 1 label + 3072 bytes
train.bin, test.bin                                      coarse label, fine label + 3072 bytes
batches.meta.txt, fine_label_names.txt                   names of the classes, one a line

The 3072 bytes are red, green and blue planes of 32 x 32 pixels. The Python version holds pickles,
which could run any code when opened, and is refused. There is nothing to localise, so no masks.

Settings (arXiv 2406.03262): "unified" calls half of the classes normal, by first half, second half,
even or odd numbers; "one_class_train" trains on one class and tests on it and on 1,000 of the
others (the first 111 of each, 112 of the class that follows); "one_class_test" trains on all
classes but one, and that one's test and training images are the anomalies.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from core.data.images import fsname
from core.data.importing.base import Importer, Item, Options, importer
from core.data.layout import Findings
from core.errors import DataError, UsageError
from core.types import GOOD, Split

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_FOLDERS = ("cifar-10-batches-bin", "cifar-100-binary")
_PICKLES = ("cifar-10-batches-py", "cifar-100-python")
_OTHERS = 111
"""Test images of each other class in "one_class_train"; one more of the class that follows."""

Setting = Literal["unified", "one_class_train", "one_class_test"]
Kept = tuple[Split, int] | None
"""Split and label of an image; None: it takes no part."""

Keep = Callable[[str, int, int], Kept]
"""Of part, class and how many of that class came before in the part."""


class CifarOptions(Options):
    """Which of ADer's settings."""

    setting: Setting = Field(
        default="unified",
        description="unified: half of the classes is normal; one_class_train: one class is normal; "
        "one_class_test: one class is the anomaly",
    )
    number: int = Field(
        default=0, ge=0, le=9,
        description="unified: 0 first half, 1 second half, 2 even, 3 odd classes are normal; "
        "otherwise the number of the class",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the two sets.

    Attributes:
        name: what its class is called.
        title: what people call it.
        labels: bytes before the pixels; the last of them is the class.
        classes: how many there are.
        parts: files of "train" and of "test".
        names: file of the classes' names.
    """

    name: str
    title: str
    labels: int
    classes: int
    parts: dict[str, tuple[str, ...]]
    names: str


_KINDS = (
    _Kind(
        "cifar10", "CIFAR-10", 1, 10,
        {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
        "batches.meta.txt",
    ),
    _Kind(
        "cifar100", "CIFAR-100", 2, 100, {"train": ("train.bin",), "test": ("test.bin",)},
        "fine_label_names.txt",
    ),
)  # fmt: skip


@importer("cifar")
class Cifar(Importer[CifarOptions]):
    """A folder of the binary version, or the folder above it."""

    title = "CIFAR-10 or CIFAR-100"
    summary = "Small photographs of 10 or 100 kinds of things; some kinds are called normal."
    takes: ClassVar[tuple[str, ...]] = ("folder",)
    specificity = 20
    options = CifarOptions

    def recognise(self, source: Path) -> str | None:
        """By the names of the batches; the Python version is named, too, so that it is refused
        with a reason."""
        found = _find(source)
        if found is not None:
            kind = found[1]
            return (
                f"{kind.title}, binary version: {kind.parts['train'][0]} is there. No licence is "
                "stated; its author asks to be cited (A. Krizhevsky, 2009)."
            )
        if _pickled(source):
            return "CIFAR's Python version, which is refused; the binary version is needed."
        return None

    def items(self, source: Path, options: CifarOptions, findings: Findings) -> Iterator[Item]:
        """Every image of the setting."""
        found = _find(source)
        if found is None:
            raise DataError(_refusal(source))
        home, kind = found
        keep = _rule(kind, options)
        names = _names(home, kind, findings)
        for part, files in kind.parts.items():
            seen: Counter[int] = Counter()
            for file in files:
                if not (home / file).is_file():
                    findings.add(
                        "warning", file,
                        f"{file} of {kind.title} is not there; its images are missing.",
                    )  # fmt: skip
                    continue
                yield from _file(home / file, kind, part, keep, names, seen, findings)


def _file(
    path: Path, kind: _Kind, part: str, keep: Keep, names: list[str], seen: Counter[int],
    findings: Findings,
) -> Iterator[Item]:  # fmt: skip
    """Items of one batch."""
    length = kind.labels + _PIXELS
    for number, record in _records(path, length, findings):
        label = record[kind.labels - 1]
        if label >= kind.classes:
            findings.add(
                "error", path.name,
                f"{path.name} record {number} has class {label} of {kind.classes}; it was left "
                "out, get an intact copy.",
                kind="label",
            )  # fmt: skip
            continue
        kept = keep(part, label, seen[label])
        seen[label] += 1
        if kept is None:
            continue
        split, bad = kept
        yield Item(
            name=f"{path.stem}/{number:05d}",
            class_name=kind.name,
            label=bad,
            anomaly_type=names[label] if bad else GOOD,
            split=split,
            draw=partial(_draw, path, number * length + kind.labels),
            origin=f"{path.name} record {number}, {names[label]}",
            stamp=hashlib.blake2b(record, digest_size=8).hexdigest(),
        )


def _records(path: Path, length: int, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each record.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while len(record := file.read(length)) == length:
                yield number, record
                number += 1
    except OSError:
        raise DataError(f"{fsname(path)} may not be read; change its permissions.") from None
    if record:
        findings.add(
            "warning", path.name,
            f"{path.name} breaks off within record {number}; get an intact copy.",
        )  # fmt: skip


def _draw(path: Path, offset: int) -> Image.Image:
    with path.open("rb") as file:
        file.seek(offset)
        planes = np.frombuffer(file.read(_PIXELS), dtype=np.uint8)
    return Image.fromarray(np.ascontiguousarray(planes.reshape(3, _SIDE, _SIDE).transpose(1, 2, 0)))


def _rule(kind: _Kind, options: CifarOptions) -> Keep:
    """What becomes of an image.

    Raises:
        UsageError: a setting this set does not have.
    """
    number, count = options.number, kind.classes
    if options.setting == "unified":
        if number > 3:
            raise UsageError(f"There are unified splits 0 to 3, not {number}; choose one of them.")
        return partial(_unified, number, count)
    if kind.classes != 10:
        raise UsageError(
            f"{kind.title} is used in the unified setting only; choose 'unified' and a split 0 to "
            "3."
        )
    return partial(_one_trains if options.setting == "one_class_train" else _one_tests, number)


def _unified(number: int, count: int, part: str, label: int, before: int) -> Kept:
    halves = (label < count // 2, label >= count // 2, label % 2 == 0, label % 2 == 1)
    if part == "train":
        return ("train", 0) if halves[number] else None
    return "test", int(not halves[number])


def _one_trains(number: int, part: str, label: int, before: int) -> Kept:
    if part == "train":
        return ("train", 0) if label == number else None
    if label == number:
        return "test", 0
    wanted = _OTHERS + (label == (number + 1) % 10)
    return ("test", 1) if before < wanted else None


def _one_tests(number: int, part: str, label: int, before: int) -> Kept:
    if label == number:
        return "test", 1
    return ("train", 0) if part == "train" else ("test", 0)


def _find(source: Path) -> tuple[Path, _Kind] | None:
    """The folder of the batches and which set they are of."""
    for home in (source, *(source / name for name in _FOLDERS)):
        for kind in _KINDS:
            if (home / kind.parts["train"][0]).is_file():
                return home, kind
    return None


def _pickled(source: Path) -> bool:
    homes = (source, *(source / name for name in _PICKLES))
    return any(
        ((home / "batches.meta").is_file() and (home / "data_batch_1").is_file())
        or all((home / name).is_file() for name in ("meta", "train", "test"))
        for home in homes
    )


def _refusal(source: Path) -> str:
    if _pickled(source):
        return (
            f"{fsname(source)} holds CIFAR's Python version, whose files could run any code when "
            "opened; get the binary version (cifar-10-binary.tar.gz or cifar-100-binary.tar.gz) "
            "from https://www.cs.toronto.edu/~kriz/cifar.html."
        )
    return (
        f"{fsname(source)} has neither data_batch_1.bin nor train.bin; unpack the binary version "
        "of CIFAR-10 or CIFAR-100 there."
    )


def _names(home: Path, kind: _Kind, findings: Findings) -> list[str]:
    """Name of each class; numbers where there is no list of them."""
    try:
        lines = (home / kind.names).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        lines = []
    names = [line.strip() for line in lines if line.strip()]
    if len(names) == kind.classes and len({*names, GOOD}) == kind.classes + 1:
        return names
    findings.add(
        "note", kind.names, f"{kind.names} does not name {kind.classes} classes; they go by number."
    )
    return [f"class {number}" for number in range(kind.classes)]
