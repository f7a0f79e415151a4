"""The manifest: what is written is read, and what is damaged is one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import manifest
from core.data.base import READERS
from core.data.manifest import Row, Told
from core.errors import DataError
from core.types import Sample


def rows() -> list[Row]:
    good = Sample(key="source/a.png", class_name="pin", split="calibration", label=0)
    bad = Sample(
        key="images/ä b.png", class_name="pin", split="test", label=1, anomaly_type="dent / deep",
        masks=("masks/1.png", "source/2.png"), specimen="7", view="axial 3",
    )  # fmt: skip
    train = Sample(key="source/c.png", class_name="pin", split="train", label=0)
    return [
        Row(train, "c", "s", "12", (), True), Row(good), Row(bad, "o", "t", "ab", ("1", "2")),
    ]  # fmt: skip


def told(**changed: Any) -> Told:
    values: dict[str, Any] = {
        "source": "/x", "importer": "folder", "options": {"a": [1]}, "splits": {"seed": 0},
        "recognised": "A folder.", "problems": (("warning", "k", "Said."),), "at": "t", "by": "ann",
    }  # fmt: skip
    return Told(**values | changed)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest.write(tmp_path, rows())
    found = manifest.load(tmp_path)
    order = ["source/a.png", "images/ä b.png", "source/c.png"]  # class, split, key
    assert [row.sample.key for row in found] == order
    assert {row.sample.key: row for row in found} == {row.sample.key: row for row in rows()}
    assert manifest.is_manifest(tmp_path)
    first = (tmp_path / manifest.FILE).read_bytes()
    manifest.write(tmp_path, list(reversed(rows())))
    assert (tmp_path / manifest.FILE).read_bytes() == first


def test_any_reader_of_parquet_sees_the_documented_columns(tmp_path: Path) -> None:
    manifest.write(tmp_path, rows())
    names = pq.read_schema(tmp_path / manifest.FILE).names
    documented = [line.split()[0] for line in (manifest.__doc__ or "").split("\n\n")[1].split("\n")
                  if line and not line.startswith(" ")][1:]  # fmt: skip
    assert names == documented


def changed(tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], loose: bool) -> None:
    """Write the rows once more, changed; `loose` drops the schema's checks."""
    values = pq.read_table(tmp_path / manifest.FILE).to_pylist()
    change(values)
    schema = manifest.SCHEMA
    if loose:
        schema = pa.schema([field.with_nullable(True) for field in schema], schema.metadata)
    pq.write_table(pa.Table.from_pylist(values, schema), tmp_path / manifest.FILE)


def put(name: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda values: values[0].update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("split", "validation"), "validation"),
        (put("label", 2), "label 2"),
        (put("label", None), "damaged"),
        (put("label", 1), "type 'good'"),
        (put("anomaly_type", "dent"), "type 'dent'"),
        (put("key", None), "damaged"),
        (put("masks", None), "damaged"),
        (put("masks", [None]), "damaged"),
        (put("sha256", None), "damaged"),
        (lambda values: values.append(values[0]), "names an image twice"),
    ],
)
def test_rows_that_are_not_as_documented_are_one_sentence(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], words: str
) -> None:
    manifest.write(tmp_path, rows())
    changed(tmp_path, change, loose=True)
    with pytest.raises(DataError, match=r"manifest\.parquet") as caught:
        manifest.load(tmp_path)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "import the data set again" in str(caught.value)


def test_a_file_that_is_none_of_ours_is_not_recognised(tmp_path: Path) -> None:
    assert not manifest.is_manifest(tmp_path)
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / manifest.FILE)
    assert not manifest.is_manifest(tmp_path)
    with pytest.raises(DataError, match="damaged"):
        manifest.load(tmp_path)
    manifest.write(tmp_path, rows())
    whole = (tmp_path / manifest.FILE).read_bytes()
    for data in (b"", whole[:50], whole[:-5], b"PAR1" + bytes(50) + b"PAR1"):
        (tmp_path / manifest.FILE).write_bytes(data)
        assert not manifest.is_manifest(tmp_path)
        assert READERS.get("manifest")().recognise(tmp_path) is None
        with pytest.raises(DataError, match="damaged"):
            manifest.load(tmp_path)


def test_damage_within_is_found_when_it_is_read(tmp_path: Path) -> None:
    manifest.write(tmp_path, rows())
    whole = (tmp_path / manifest.FILE).read_bytes()
    (tmp_path / manifest.FILE).write_bytes(bytes(60) + whole[60:])
    with pytest.raises(DataError, match="damaged"):
        manifest.load(tmp_path)


def test_what_was_imported_is_read_back(tmp_path: Path) -> None:
    manifest.tell(tmp_path, told())
    assert manifest.told(tmp_path) == told()


@pytest.mark.parametrize(
    "change",
    [
        {"source": None}, {"options": []}, {"splits": "x"}, {"problems": [["fatal", "k", "Said."]]},
        {"problems": [1]}, {"more": 1}, {"recognised": 3},
    ],
)  # fmt: skip
def test_a_damaged_import_json_is_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    manifest.tell(tmp_path, told())
    file = tmp_path / "import.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=r"import\.json is damaged; import the data set again"):
        manifest.told(tmp_path)
    for text in ("", "[]", "[" * 100_000, '{"source": "x"}'):
        file.write_text(text)
        with pytest.raises(DataError, match="damaged"):
            manifest.told(tmp_path)
