"""What others may call the test images of a data set: in file names, key lists and score tables.

A name that means no test image, or one that comes twice, is refused in one sentence that says
which and how many more there are.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.data.base import Dataset
from core.data.images import Unreadable, decode, fsname
from core.data.layout import below, stem
from core.data.map_files import and_more
from core.errors import DataError, UsageError
from core.types import Sample


def bare(key: str) -> str:
    """A key without its suffix."""
    return below(key.rpartition("/")[0], stem(key))


LAYOUTS: tuple[Callable[[Sample], str], ...] = (
    lambda sample: bare(sample.key),
    lambda sample: f"{sample.class_name}/test/{sample.anomaly_type}/{stem(sample.key)}",
    lambda sample: f"{sample.class_name}/{sample.anomaly_type}/{stem(sample.key)}",
    lambda sample: stem(sample.key),
)
"""What a file about an image is called, without suffix: as in the data set itself, as in MVTec
AD's official evaluation, by class and type, flat."""


class ImageNames:
    """The test images of a data set and their names.

    Args:
        dataset: with all its classes.
        classes: those chosen; empty: all.

    Attributes:
        dataset: name of the data set.
        keys: of the test images of the chosen classes, sorted; never empty.
        layouts: {name: key} over all classes, for each of LAYOUTS that tells all images apart.

    Raises:
        DataError: the chosen classes have no test image.
    """

    def __init__(self, dataset: Dataset, classes: Sequence[str] = ()) -> None:
        tests = [sample for sample in dataset.samples if sample.split == "test"]
        self.dataset = dataset.name
        self.keys = sorted(s.key for s in tests if not classes or s.class_name in classes)
        if not self.keys:
            raise DataError(f"{dataset.name} has no test images in the chosen classes.")
        self.layouts = [names for name in LAYOUTS if (names := _unique(tests, name))]
        self._root = dataset.root
        self._all = {sample.key for sample in tests}

    def key(self, text: str) -> str | None:
        """The key that a key, a key without suffix or a unique stem means; None: none."""
        if text in self._all:
            return text
        return next((names[text] for names in self.layouts if text in names), None)

    def places(self, texts: Sequence[str], where: str) -> dict[str, int]:
        """{key: place} of names that must each mean another test image.

        Args:
            where: what errors call the list.

        Raises:
            DataError: one means none, or two mean the same.
        """
        found: dict[str, int] = {}
        strange, twice = [], []
        for place, text in enumerate(texts):
            key = self.key(text)
            if key is None:
                strange.append(text)
            elif key in found:
                twice.append(text)
            else:
                found[key] = place
        if strange:
            hint = f"keys are written like {self.keys[0]}"
            raise self.unknown(f"{strange[0]!r} in {where}", len(strange), hint)
        if twice:
            more = and_more(len(twice))
            raise DataError(f"{where} names {twice[0]}{more} twice; keep one line for each image.")
        return found

    def unknown(self, first: str, count: int, hint: str) -> DataError:
        """The sentence for things that belong to no test image."""
        return DataError(
            f"{first}{and_more(count)} belongs to no test image of {self.dataset}; {hint}."
        )

    def require(self, have: Mapping[str, object], where: str, what: str) -> None:
        """Raises DataError when an image of the chosen classes has no entry; names the first.

        An image that cannot be read needs none: it is not evaluated.
        """
        missing = [key for key in self.keys if key not in have]
        first = next((key for key in missing if self._readable(key)), None)
        if first is not None:
            raise DataError(
                f"{where} holds no {what} for {first}{and_more(len(missing))}; every test image "
                f"of {self.dataset} needs one."
            )

    def _readable(self, key: str) -> bool:
        try:
            decode(self._root / key, key)
        except Unreadable:
            return False
        return True


def _unique(tests: Sequence[Sample], name: Callable[[Sample], str]) -> dict[str, str]:
    """{name: key}; empty when two images would share a name."""
    names = {name(sample): sample.key for sample in tests}
    return names if len(names) == len(tests) else {}


def read_scores(path: Path, images: ImageNames) -> dict[str, float]:
    """Image scores from a CSV with the columns key and score; others are passed over.

    Raises:
        UsageError: there is no such file.
        DataError: no such columns, a score that is missing or no finite number, a key that is
            unknown or stands twice; names the first and counts the rest.
    """
    name = fsname(path.name)
    if not path.is_file():
        raise UsageError(f"--scores came as {fsname(path)}, which is no file; check the path.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file, skipinitialspace=True)
            header = [field.strip() for field in lines.fieldnames or ()]
            lines.fieldnames = header
            if not {"key", "score"} <= set(header):
                found = ", ".join(header) or "nothing"
                raise DataError(f"{name} begins with {found}; its first line must name key,score.")
            pairs = [((line["key"] or "").strip(), line["score"] or "") for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise DataError(f"{name} cannot be read as CSV; write it as UTF-8 text.") from None
    rows = images.places([text for text, _ in pairs], name)
    values = {key: _number(pairs[row][1]) for key, row in rows.items()}
    wrong = [key for key, value in values.items() if value is None]
    if wrong:
        came = pairs[rows[wrong[0]]][1]
        raise DataError(
            f"{name} gives {came!r} as the score of {wrong[0]}{and_more(len(wrong))}; give finite "
            "numbers."
        )
    scores = {key: value for key, value in values.items() if value is not None}
    images.require(scores, name, "score")
    return scores


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
