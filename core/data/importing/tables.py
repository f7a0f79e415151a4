"""Reading tables that come from anywhere: one sentence for whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.data.images import fsname
from core.errors import DataError

_DELIMITERS = (",", ";", "\t", "|")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONGEST_FIELD = 1_000_000
_MOST_COLUMNS = 2_000


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name.

    Attributes:
        names: of the columns, in order.
        values: one list a column.
        lines: where each row ends in the file, counting from 1.
    """

    names: tuple[str, ...]
    values: tuple[Sequence[object], ...]
    lines: Sequence[int]

    def column(self, name: str) -> Sequence[object]:
        """Values of a column; empty when it is not there."""
        return self.values[self.names.index(name)] if name in self.names else ()

    def rows(self) -> Iterator[dict[str, object]]:
        """{column: value} of each row."""
        for row in zip(*self.values, strict=True):
            yield dict(zip(self.names, row, strict=True))


def read_table(path: Path, most: int | None = None) -> Table:
    """A CSV, TSV or Parquet file, or its first rows.

    Raises:
        DataError: it cannot be read, or two columns have one name.
    """
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet(path, most)
        return _text(path, most)
    except OSError as error:
        raise DataError(
            f"{fsname(path)} cannot be read ({error.strerror or 'damaged'}); check the file."
        ) from None


def _parquet(path: Path, most: int | None) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if most is None:
            table = file.read()
        else:
            batch = next(file.iter_batches(batch_size=most), None)
            table = pa.Table.from_batches([] if batch is None else [batch], file.schema_arrow)
        values = tuple(column.to_pylist() for column in table.columns)
    except (pa.ArrowException, ValueError, KeyError, TypeError, OverflowError):
        raise DataError(f"{fsname(path)} is no intact Parquet file; write it again.") from None
    count = len(values[0]) if values else 0
    return Table(_distinct(names, path), values, range(1, count + 1))


def _text(path: Path, most: int | None) -> Table:
    data = path.read_bytes() if most is None else _head(path, most)
    text = _decoded(data, path)
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, path))
        names = _distinct([name.strip() for name in next(lines, [])], path)
        rows, places = [], []
        for row in islice(lines, most):
            if not any(row):
                continue
            if len(row) > len(names) and any(row[len(names) :]):
                raise DataError(
                    f"{fsname(path)} has {len(row)} values in line {lines.line_num} but "
                    f"{len(names)} columns; quote values that hold the separator."
                )
            places.append(lines.line_num)
            rows.append([*row[: len(names)], *[""] * (len(names) - len(row))])
    except csv.Error as error:
        raise DataError(f"{fsname(path)} cannot be read as a table ({error}).") from None
    finally:
        csv.field_size_limit(limit)
    columns = tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in names)
    return Table(names, columns, places)


def _head(path: Path, lines: int) -> bytes:
    """The first lines, cut at a line's end."""
    with path.open("rb") as file:
        data = file.read(min(2_000 * (lines + 1), 8_000_000))
        rest = file.read(1)
        if rest and data.startswith(_WIDE):
            return data + rest + file.read()
    return data[: data.rfind(b"\n") + 1] or data if rest else data


def _decoded(data: bytes, path: Path) -> str:
    encoding = "utf-8-sig"
    if data.startswith(_WIDE):
        encoding, data = "utf-16", data[: len(data) // 2 * 2]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{fsname(path)} is not UTF-8 in line {line}; save it as UTF-8 (in Excel: CSV UTF-8)."
        ) from None
    if "\0" in text:
        raise DataError(f"{fsname(path)} is no text table; save it as CSV.")
    return text


def _delimiter(text: str, path: Path) -> str:
    """What separates the columns: that which gives the header the most of them."""
    head = text.split("\n", 1)[0]
    if path.suffix.lower() == ".tsv" and "\t" in head:
        return "\t"
    widths = {mark: len(next(csv.reader([head], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: widths[mark])


def _distinct(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """The names of the columns; "column 3" for one without."""
    if not names or len(names) > _MOST_COLUMNS:
        raise DataError(f"{fsname(path)} has {len(names)} columns; its first line must name them.")
    named = tuple(name or f"column {number + 1}" for number, name in enumerate(names))
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{fsname(path)} has two columns named {twice!r}; rename one.")
    return named
