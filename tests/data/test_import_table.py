"""Tables of images: which column is which, what a path may name, encodings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.data.importing.base import Item, fitting
from core.data.importing.sound import checked
from core.data.importing.table import TableImporter, TableOptions, preview
from core.data.importing.tables import read_table
from core.data.layout import Findings
from core.errors import DataError, UsageError
from tests.data.trees import block, noise, save


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with four images and a mask."""
    root = tmp_path / "table"
    for number in range(4):
        save(root / "pics" / f"{number}.png", noise(number))
    save(root / "masks/3.png", block())
    save(tmp_path / "outside.png", noise(9))
    return root


def table(home: Path, text: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    path = home / name
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, **changed: object) -> tuple[dict[str, Item], str]:
    findings = Findings()
    options = TableImporter().suggest(path).model_copy(update=changed)
    items = checked(TableImporter().items(path, options, findings), findings, lambda *_: None)
    return {i.name: i for i in items}, "\n".join(p.message for p in findings.problems())


FULL = (
    "File Name;Result;Product;Subset;Mask Path;Defect Type;Serial Number;Timestamp\r\n"
    "pics/0.png;OK;bolt;train;;;A1;2026-01-02\r\n"
    "pics\\1.png;ok;bolt;val;;;A1;\r\n"
    "\r\n"
    "./pics/2.png;NOK;nut;test;;dent;B2;\r\n"
    "pics/../pics/3.png;NOK;nut;test;masks/3.png;;;\r\n"
)


def test_columns_are_found_by_their_names(home: Path) -> None:
    path = table(home, FULL)
    options = TableImporter().suggest(path)
    assert options.model_dump() | {"normal": ()} == {
        "image": "File Name", "label": "Result", "class_column": "Product", "split": "Subset",
        "mask": "Mask Path", "anomaly_type": "Defect Type", "specimen": "Serial Number",
        "time": "Timestamp", "normal": (), "class_name": "", "folder": "",
    }  # fmt: skip
    assert options.normal == ("ok",)
    items, said = read(path)
    assert said == ""
    assert {
        n: (i.label, i.class_name, i.split, i.specimen, i.view, i.masks) for n, i in items.items()
    } == {
        "pics/0.png": (0, "bolt", "train", "A1", "2026-01-02", ()),
        "pics/1.png": (0, "bolt", "calibration", "A1", None, ()),
        "pics/2.png": (1, "nut", "test", "B2", None, ()),
        "pics/3.png": (1, "nut", "test", None, None, ("masks/3.png",)),
    }  # fmt: skip
    assert items["pics/2.png"].anomaly_type == "dent"
    assert items["pics/3.png"].anomaly_type == "NOK"
    assert items["pics/2.png"].origin == "list.csv line 5"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separators_and_encodings(home: Path, mark: str, encoding: str) -> None:
    text = f'image{mark}label\npics/0.png{mark}good\n"pics/1.png"{mark}"Öl, Fett; {mark}"\n'
    items, _ = read(table(home, text, encoding=encoding))
    assert {n: i.label for n, i in items.items()} == {"pics/0.png": 0, "pics/1.png": 1}
    assert items["pics/1.png"].anomaly_type.startswith("Öl, Fett;")


def test_parquet_and_numbers_as_labels(home: Path) -> None:
    frame = pd.DataFrame(
        {"path": [f"pics/{n}.png" for n in range(4)], "anomaly": [0, 1, 0, None],
         "patient": [7, 7, 8, 9]}
    )  # fmt: skip
    frame.to_parquet(home / "list.parquet")
    items, said = read(home / "list.parquet")
    assert {n: (i.label, i.anomaly_type, i.specimen) for n, i in items.items()} == {
        "pics/0.png": (0, "good", "7"), "pics/1.png": (1, "anomaly", "7"),
        "pics/2.png": (0, "good", "8"),
    }  # fmt: skip
    assert "list.parquet line 4 has no label" in said
    frame = pd.DataFrame({"img": ["pics/0.png", "pics/1.png"], "is_defect": [False, True]})
    frame.to_parquet(home / "flags.parquet")
    assert [i.label for i in read(home / "flags.parquet")[0].values()] == [0, 1]
    (home / "bad.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    with pytest.raises(DataError, match=r"bad\.parquet (cannot be read|is no intact)"):
        read_table(home / "bad.parquet")


def test_paths_never_lead_outside(home: Path) -> None:
    absolute, secret = home / "pics/1.png", home.parent / "outside.png"
    (home / "pics/link.png").symlink_to(secret)
    names = [str(absolute), "../outside.png", str(secret), "pics/link.png", "/etc/passwd",
             "pics/gone.png", "", "pics", "pics/0.png\x01"]  # fmt: skip
    path = table(home, "image,label\n" + "".join(f"{name},0\n" for name in names))
    items, said = read(path)
    assert set(items) == {"pics/1.png"}
    assert said.count("lies outside the folder") == 4
    assert said.count("is not there") == 3 and said.count("names no image;") == 1
    assert "\x01" not in said


def test_a_folder_can_be_set_and_masks_are_checked(home: Path) -> None:
    away = home.parent / "lists"
    away.mkdir()
    path = table(
        away,
        "image,label,mask\n0.png,good,\n1.png,bad,../masks/3.png\n2.png,bad,masks/3.png;2.png\n",
    )
    assert read(path)[0] == {}
    items, said = read(path, folder="../table/pics")
    assert set(items) == {"0.png", "1.png", "2.png"}
    assert items["1.png"].masks == items["2.png"].masks == ()
    assert "The mask '../masks/3.png' of 1.png is not there or lies outside" in said
    items, _ = read(table(home, "image,mask\npics/0.png,masks/3.png;pics/1.png\n"), label="mask")
    assert items["pics/0.png"].masks == ("masks/3.png", "pics/1.png")
    with pytest.raises(UsageError, match="no such folder"):
        read(path, folder="nowhere")


def test_what_cannot_be_read_is_one_sentence(home: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8 in line 2"):
        read_table(table(home, "image\nGerät.png\n", encoding="latin-1"))
    with pytest.raises(DataError, match="two columns named 'image'"):
        read_table(table(home, "image,image\na,b\n"))
    with pytest.raises(DataError, match="3 values in line 2 but 2 columns"):
        read_table(table(home, "image,label\na,b,c\n"))
    for text in ("", "a\0b\n"):
        with pytest.raises(DataError):
            read_table(table(home, text))
    with pytest.raises(UsageError, match="has no column 'x' for label"):
        read(table(home, "image\npics/0.png\n"), label="x")
    with pytest.raises(UsageError, match="No column of"):
        read(table(home, "a,b\n1,2\n"))


def test_a_split_that_is_none_and_a_row_that_comes_twice(home: Path) -> None:
    path = table(
        home, "image,label,split\npics/0.png,0,train\npics/1.png,0,dev\npics/0.png,1,test\n"
    )
    items, said = read(path)
    assert {n: i.split for n, i in items.items()} == {"pics/0.png": "train", "pics/1.png": None}
    assert "'dev'" in said and "pics/0.png comes twice" in said
    folds = table(home, "image,label,split\npics/0.png,0,1\npics/1.png,0,2\n")
    assert TableImporter().suggest(folds).split == ""


def test_images_are_found_by_what_the_column_holds_and_kinds_give_labels(home: Path) -> None:
    path = table(home, "x,defect_type\npics/0.png,good\npics/1.png,rust\n")
    assert fitting(path)[0][0].id == "table"
    items, _ = read(path)
    assert [(i.label, i.anomaly_type) for i in items.values()] == [(0, "good"), (1, "rust")]
    assert fitting(table(home, "a,b\n1,2\n")) == []


def test_preview_shows_rows_as_they_stand_and_as_they_are_read(home: Path) -> None:
    path = table(home, FULL)
    raw, lines = preview(path, TableImporter().suggest(path), rows=3)
    assert [row["Result"] for row in raw] == ["OK", "ok", "NOK"][: len(raw)] and len(raw) >= 2
    assert (lines[0].image, lines[0].label, lines[0].split) == ("pics/0.png", 0, "train")
    assert preview(path, TableOptions(), rows=2)[1] == []
    path = table(home, "image,label\npics/gone.png,0\n")
    _, (line,) = preview(path, TableImporter().suggest(path))
    assert line.image == "pics/gone.png" and "is not there" in line.fault


def test_a_preview_of_a_large_table_reads_its_beginning(home: Path) -> None:
    path = home / "long.csv"
    path.write_text("image,label\n" + "pics/0.png,0\n" * 200_000)
    assert len(read_table(path, 8).lines) == 8
