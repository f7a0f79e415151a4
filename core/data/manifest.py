"""The manifest of a data set that was brought into the workspace: one Parquet row an image.

column         type           meaning
key            string         path below the data set's folder; unique
class_name     string         object or organ
split          string         train, test or calibration; as given or as made once, never changed
label          int8           0 normal, 1 anomalous
anomaly_type   string         "good" for normal images
masks          list<string>   mask files below the folder, joined by "or"
specimen       string, null   part or patient
view           string, null   what tells images of one specimen apart
origin         string         what it was made from, as the source calls it; empty where that names
                              a person
stamp          string         changes when what it was made from does
sha256         string         of the image file
mask_sha256    list<string>   of the mask files, in their order
split_made     bool           the split was drawn by share and seed, not given

The folder: `manifest.parquet`, `import.json` (what was imported, with which settings),
`images/` and `masks/` (what was made), `source` (a link to images left where they are).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.images import fsname
from core.data.layout import SOURCE_FILE, Severity
from core.errors import DataError
from core.types import GOOD, Sample, Split
from core.workspace import write_atomically, write_json

FILE = "manifest.parquet"
_VERSION = b"1"
_SIGN = b"flawscope.manifest"
_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("anomaly_type", pa.string(), nullable=False),
        pa.field("masks", _TEXTS, nullable=False),
        pa.field("specimen", pa.string()),
        pa.field("view", pa.string()),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("stamp", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("mask_sha256", _TEXTS, nullable=False),
        pa.field("split_made", pa.bool_(), nullable=False),
    ],
    metadata={_SIGN: _VERSION},
)


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the manifest; see the module."""

    sample: Sample
    origin: str = ""
    stamp: str = ""
    sha256: str = ""
    mask_sha256: tuple[str, ...] = ()
    split_made: bool = False


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Put the manifest in place in one step, rows by class, split and key."""
    write_to(folder / FILE, rows)


def write_to(path: Path, rows: Sequence[Row]) -> None:
    """Like `write`, under a name of its own."""
    ordered = sorted(rows, key=lambda r: (r.sample.class_name, r.sample.split, r.sample.key))
    table = pa.Table.from_pylist([_plain(row) for row in ordered], schema=SCHEMA)
    write_atomically(path, lambda file: pq.write_table(table, file, compression="zstd"))


def is_manifest(folder: Path) -> bool:
    """Whether the folder has a manifest of ours; reads the file's footer."""
    try:
        found = pq.read_schema(folder / FILE)
    except (OSError, pa.ArrowException, ValueError):
        return False
    return (found.metadata or {}).get(_SIGN) == _VERSION


def load(folder: Path) -> list[Row]:
    """All rows.

    Raises:
        DataError: it is not there, damaged, or not as documented.
    """
    path = folder / FILE
    try:
        table = pq.read_table(path).select(SCHEMA.names).cast(SCHEMA)
        rows = [_row(values) for values in table.to_pylist()]
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        said = (str(error).splitlines() or [""])[0][:120]
        raise DataError(f"{fsname(path)} is damaged ({said}); import the data set again.") from None
    if len({row.sample.key for row in rows}) != len(rows):
        raise DataError(f"{fsname(path)} names an image twice; import the data set again.")
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was imported, and how; `import.json`.

    Attributes:
        source: the folder or file it was made from; the link `source` leads to it (or to the
            folder of the file).
        importer: id of the importer.
        options, splits: its settings, and how splits were drawn, as JSON.
        recognised: one sentence for people.
        problems: what could not be used: severity, key, sentence.
        at, by: when and by whom.
    """

    source: str
    importer: str
    options: dict[str, Any]
    splits: dict[str, Any]
    recognised: str
    problems: tuple[tuple[Severity, str, str], ...] = ()
    at: str = ""
    by: str = ""


def tell(folder: Path, told: Told) -> None:
    """Write `import.json`."""
    write_json(folder / SOURCE_FILE, asdict(told))


def told(folder: Path) -> Told:
    """Read `import.json`.

    Raises:
        DataError: it is not there or damaged.
    """
    path = folder / SOURCE_FILE
    try:
        values = json.loads(path.read_bytes())
        problems = tuple((sev, str(key), str(said)) for sev, key, said in values.pop("problems"))
        found = Told(**values, problems=problems)
        texts = (found.source, found.importer, found.recognised, found.at, found.by)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a text is none")
        if not (isinstance(found.options, dict) and isinstance(found.splits, dict)):
            raise ValueError("the settings are none")
        if any(severity not in get_args(Severity) for severity, _, _ in problems):
            raise ValueError("a severity is unknown")
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{fsname(path)} is damaged; import the data set again.") from None


def _plain(row: Row) -> dict[str, object]:
    sample = row.sample
    return {
        "key": sample.key, "class_name": sample.class_name, "split": sample.split,
        "label": sample.label, "anomaly_type": sample.anomaly_type, "masks": list(sample.masks),
        "specimen": sample.specimen, "view": sample.view, "origin": row.origin,
        "stamp": row.stamp, "sha256": row.sha256, "mask_sha256": list(row.mask_sha256),
        "split_made": row.split_made,
    }  # fmt: skip


def _row(values: dict[str, object]) -> Row:
    """The row of a table's values; ValueError when they are not as documented."""
    texts = {
        name: _text(values[name])
        for name in ("key", "class_name", "split", "anomaly_type", "origin", "stamp", "sha256")
    }
    key, label, split = texts["key"], values["label"], texts["split"]
    if split not in get_args(Split) or label not in (0, 1):
        raise ValueError(f"{key} has split {split!r} and label {label!r}")
    if (label == 0) != (texts["anomaly_type"] == GOOD):
        raise ValueError(f"{key} has label {label} and type {texts['anomaly_type']!r}")
    specimen, view = (None if values[n] is None else _text(values[n]) for n in ("specimen", "view"))
    sample = Sample(
        key=key, class_name=texts["class_name"], split=split,  # type: ignore[arg-type]
        label=int(label == 1), anomaly_type=texts["anomaly_type"], masks=_texts(values["masks"]),
        specimen=specimen, view=view,
    )  # fmt: skip
    return Row(
        sample, texts["origin"], texts["stamp"], texts["sha256"], _texts(values["mask_sha256"]),
        bool(values["split_made"]),
    )  # fmt: skip


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is missing")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list is missing")
    return tuple(_text(one) for one in value)
