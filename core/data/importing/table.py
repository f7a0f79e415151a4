"""A table with one row an image: CSV, TSV or Parquet, columns by any name.

Paths of images and masks are relative to the table, or to a folder that is set; an absolute one
counts when it lies below it. Text tables are UTF-8 (or UTF-16 with its mark); what separates their
columns is found by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from core.data.images import fsname
from core.data.importing import columns, splits
from core.data.importing.base import Importer, Item, Options, importer
from core.data.importing.paths import Paths, folder_of
from core.data.importing.tables import Table, read_table
from core.data.layout import Findings, is_image
from core.errors import DataError, UsageError
from core.types import GOOD, Split

NORMAL_VALUES = (
    "0", "0.0", "good", "ok", "normal", "healthy", "negative", "neg", "no", "false", "none", "pass",
    "passed", "intact", "io", "benign",
)  # fmt: skip
"""Label values, in lower case, that mean good, wherever none is chosen."""

_SEPARATORS = (";", "|")
"""Between several mask files of one image."""


class TableOptions(Options):
    """Which column is which."""

    image: str = Field(default="", description="column with the image's path")
    label: str = Field(
        default="", description="column that says whether the image is good; empty: all are good"
    )
    normal: tuple[str, ...] = Field(
        default=NORMAL_VALUES, description="values of the label that mean good; others: anomalous"
    )
    class_column: str = Field(
        default="", description="column with the kind of object; empty: all are of one class"
    )
    class_name: str = Field(
        default="", description="name of the one class; empty: the table's name"
    )
    split: str = Field(
        default="", description="column that says train, test or val; empty: splits are drawn"
    )
    mask: str = Field(
        default="", description="column with the path of the mask; several are separated by ;"
    )
    anomaly_type: str = Field(default="", description="column with the kind of defect")
    specimen: str = Field(
        default="", description="column with the part or patient that several images belong to"
    )
    time: str = Field(
        default="", description="column with the time the image was taken; tells views apart"
    )
    folder: str = Field(
        default="", description="folder that paths are relative to; empty: the table's own"
    )


@importer("table")
class TableImporter(Importer[TableOptions]):
    """Any table with a column of image paths."""

    title: ClassVar[str] = "Table of images"
    summary: ClassVar[str] = "A CSV, TSV or Parquet file with one row an image: its path and label."
    takes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".parquet")
    options = TableOptions

    def recognise(self, source: Path) -> str | None:
        """By a column that names images."""
        try:
            table = read_table(source, 50)
        except DataError:
            return None
        found = columns.find(table)
        if "image" not in found:
            return None
        listed = ", ".join(f"{column} ({what})" for what, column in found.items())
        return f"A table of images; columns {listed}."

    def suggest(self, source: Path) -> TableOptions:
        """Columns by their names, and of the label by its values."""
        table = read_table(source, 2000)
        found = columns.find(table)
        values = {_plain(value) for value in table.column(found.get("label", ""))}
        normal = tuple(v for v in NORMAL_VALUES if v in {value.lower() for value in values})
        fields = {"class_column" if what == "class" else what: name for what, name in found.items()}
        return TableOptions(**fields, normal=normal or NORMAL_VALUES)

    def link_for(self, source: Path, options: TableOptions) -> Path:
        """The folder that paths are relative to."""
        return folder_of(source.parent, options.folder, "folder")

    def items(self, source: Path, options: TableOptions, findings: Findings) -> Iterator[Item]:
        """Every row whose image is there; see `Importer.items`."""
        table = read_table(source)
        _require(table, options, source)
        rows = _Rows(source, self.link_for(source, options), options, findings)
        for line, row in zip(table.lines, table.rows(), strict=True):
            item = rows.item(line, row)
            if item is not None:
                yield item
        rows.conclude()


@dataclass(frozen=True, slots=True)
class Line:
    """One row as it would be read, for a form; `fault` says why it would be left out."""

    image: str
    class_name: str
    label: int
    anomaly_type: str
    split: str
    specimen: str
    masks: int
    fault: str


def preview(
    source: Path, options: TableOptions, rows: int = 8
) -> tuple[list[dict[str, str]], list[Line]]:
    """The first rows of a table as they stand, and as they would be read (none until a column is
    chosen for the images).

    Raises:
        DataError: the table cannot be read.
        UsageError: a column that is not there.
    """
    table = read_table(source, rows)
    raw = [{name: _plain(value) for name, value in row.items()} for row in table.rows()]
    if not options.image:
        return raw, []
    _require(table, options, source)
    lines = []
    for line, row in zip(table.lines, table.rows(), strict=True):
        findings = Findings()
        reader = _Rows(source, TableImporter().link_for(source, options), options, findings)
        item = reader.item(line, row)
        fault = next((p.message for p in findings.problems()), "")
        if item is None:
            lines.append(Line(_plain(row.get(options.image)), "", 0, "", "", "", 0, fault))
            continue
        lines.append(
            Line(
                item.name, item.class_name, item.label, item.anomaly_type if item.label else GOOD,
                item.split or "drawn", item.specimen or "", len(item.masks), fault,
            )
        )  # fmt: skip
    return raw, lines


def _require(table: Table, options: TableOptions, source: Path) -> None:
    if not options.image:
        raise UsageError(
            f"No column of {fsname(source.name)} was chosen for the images; it has "
            f"{', '.join(table.names)}."
        )
    for field in columns.WHAT:
        name = getattr(options, "class_column" if field == "class" else field)
        if name and name not in table.names:
            raise UsageError(
                f"{fsname(source.name)} has no column {name!r} for {field}; it has "
                f"{', '.join(table.names)}."
            )


class _Rows:
    """Makes items of rows and tells what is wrong with them."""

    def __init__(self, source: Path, home: Path, options: TableOptions, findings: Findings) -> None:
        self._table = fsname(source.name)
        self._class = options.class_name or source.stem
        self._paths = Paths(home)
        self._options = options
        self._normal = {_plain(value).lower() for value in options.normal}
        self._findings = findings
        self._anomalous = self._masked = 0

    def item(self, line: int, row: dict[str, object]) -> Item | None:
        """The item of a row; None, and a finding, when it cannot be used."""
        opts, where = self._options, f"{self._table} line {line}"
        text = _plain(row.get(opts.image))
        name = self._paths.found(text)
        if name is None:
            why = "names no image" if not text else f"names the image {text!r}, which "
            if text:
                outside = self._paths.key(text) is None
                why += "lies outside the folder of the images" if outside else "is not there"
            self._refuse(where, f"{where} {why}; it was left out.", "image")
            return None
        if not is_image(name):
            said = f"{where} names {text!r}, which is no image by its suffix; it was left out."
            self._refuse(where, said, "image")
            return None
        label = self._label(row, where)
        if label is None:
            return None
        kind = _plain(row.get(opts.anomaly_type)) if opts.anomaly_type else ""
        if label and not kind and opts.label:
            said = _plain(row.get(opts.label))
            kind = "" if _is_number(said) or said.lower() in ("true", "yes") else said
        masks = self._masks(row, name) if label else ()
        self._anomalous += label
        self._masked += bool(masks)
        class_name = _plain(row.get(opts.class_column)) if opts.class_column else self._class
        return Item(
            name=name, class_name=class_name, label=label, anomaly_type=kind,
            split=self._split(row, name), masks=masks, origin=where,
            specimen=(_plain(row.get(opts.specimen)) or None) if opts.specimen else None,
            view=(_plain(row.get(opts.time)) or None) if opts.time else None,
        )  # fmt: skip

    def conclude(self) -> None:
        """Say what concerns the whole table."""
        if self._anomalous and not self._masked:
            self._findings.add(
                "note", "",
                f"None of the {self._anomalous} anomalous images has a mask; they count for image "
                "metrics only.",
            )  # fmt: skip

    def _label(self, row: dict[str, object], where: str) -> int | None:
        if not self._options.label:
            return 0
        text = _plain(row.get(self._options.label))
        if not text:
            self._refuse(where, f"{where} has no label; it was left out.", "label")
            return None
        return int(text.lower() not in self._normal)

    def _split(self, row: dict[str, object], name: str) -> Split | None:
        if not self._options.split:
            return None
        text = _plain(row.get(self._options.split))
        if text and text.lower() not in splits.NAMES:
            self._findings.add(
                "warning", name,
                f"{name} has the split {text!r}, which is none of train, test and val; its split "
                "is drawn.",
                kind="split",
            )  # fmt: skip
        return splits.NAMES.get(text.lower())

    def _masks(self, row: dict[str, object], name: str) -> tuple[str, ...]:
        if not self._options.mask:
            return ()
        text = _plain(row.get(self._options.mask))
        parts = [text]
        for separator in _SEPARATORS:
            if self._paths.found(text) is None:
                parts = [piece.strip() for part in parts for piece in part.split(separator)]
        keys = []
        for part in filter(None, parts):
            key = self._paths.found(part)
            if key is None:
                self._findings.add(
                    "warning", name,
                    f"The mask {part!r} of {name} is not there or lies outside the folder of the "
                    "images; the image counts for image metrics only.",
                    kind="mask",
                )  # fmt: skip
                return ()
            keys.append(key)
        return tuple(keys)

    def _refuse(self, where: str, sentence: str, kind: str) -> None:
        self._findings.add("error", where, sentence, kind=kind)


def _plain(value: object) -> str:
    """A cell as text: 1.0 is 1, True is true, nothing is ""."""
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
