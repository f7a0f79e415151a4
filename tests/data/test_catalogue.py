"""Data sets by name and by folder: recognition, registration, what is said when it fails."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from core.data.catalogue import add_dataset, open_dataset, registered, remove_dataset, variants
from core.data.prepared import prepare
from core.errors import DataError, UnknownId, UsageError
from core.workspace import Workspace
from tests.data import trees

HERE = Path(__file__)
REAL = Path(os.environ.get("FLAWSCOPE_REAL_DATA") or HERE.parents[3] / "shared/data/real3")


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.mark.parametrize("id", trees.TREES)
def test_a_folder_is_recognised_by_its_layout(id: str, tmp_path: Path, place: Workspace) -> None:
    root = trees.TREES[id](tmp_path / "some data")
    dataset = open_dataset(str(root), place)
    assert (dataset.reader, dataset.name, dataset.root) == (id, "some data", root)
    assert dataset.recognised.endswith(".")


def test_two_layouts_at_once_take_the_more_specific_and_name_both(
    tmp_path: Path, place: Workspace
) -> None:
    root = trees.mvtec(trees.ader(tmp_path / "both"))
    dataset = open_dataset(str(root), place)
    assert dataset.reader == "ader_meta" and dataset.classes == ("pipe",)
    assert "mvtec_folder" in dataset.recognised and "ader_meta" in dataset.recognised
    other = open_dataset(str(root), place, reader="mvtec_folder")
    assert other.classes == ("bolt", "cloth")


def test_what_cannot_be_opened_is_said(tmp_path: Path, place: Workspace) -> None:
    (tmp_path / "odd/photos").mkdir(parents=True)
    (tmp_path / "odd/notes.txt").touch()
    with pytest.raises(DataError) as caught:
        open_dataset(str(tmp_path / "odd"), place)
    for words in ("ader_meta", "mvtec_folder", "photos/", "notes.txt", str(tmp_path / "odd")):
        assert words in str(caught.value)
    trees.mvtec(tmp_path / "wrap/inner")
    with pytest.raises(DataError, match="inner holds a data set"):
        open_dataset(str(tmp_path / "wrap"), place)
    with pytest.raises(DataError, match="/nowhere/at/all"):
        open_dataset("/nowhere/at/all", place)
    with pytest.raises(DataError, match="is a file"):
        open_dataset(str(tmp_path / "odd/notes.txt"), place)
    with pytest.raises(DataError, match=r"\\udc|\\x|no folder"):
        open_dataset("a\0b", place)
    with pytest.raises(DataError, match="Did you mean 'demo'"):
        open_dataset("dmeo", place)
    root = trees.mvtec(tmp_path / "m")
    with pytest.raises(UnknownId, match="mvtec_folder"):
        open_dataset(str(root), place, reader="mvtec_foldr")
    with pytest.raises(DataError, match="ader_meta"):
        open_dataset(str(root), place, reader="ader_meta")


def test_registering_opening_and_removing(tmp_path: Path, place: Workspace) -> None:
    assert [entry.name for entry in registered(place)] == ["demo"]
    root = trees.mvtec(tmp_path / "m")
    add_dataset(place, root, "tiles", by="ada")
    add_dataset(place, f"{root}/../m", "tiles", by="bob")  # the same folder: nothing changes
    _, entry = registered(place)
    assert (entry.name, entry.path, entry.reader) == ("tiles", root, "mvtec_folder")
    assert entry.by == "ada" and entry.at
    assert open_dataset("tiles", place).name == "tiles"
    assert open_dataset(str(root), place).name == "tiles"
    other = trees.ader(tmp_path / "n")
    with pytest.raises(UsageError, match="taken by"):
        add_dataset(place, other, "tiles")
    for name in ("demo", "", "a/b", ".x", "a\nb"):
        with pytest.raises(UsageError):
            add_dataset(place, other, name)
    assert add_dataset(place, other).name == "n"
    remove_dataset(place, "tiles")
    assert [entry.name for entry in registered(place)] == ["demo", "n"]
    add_dataset(place, other, "tiles")  # the name is free again
    with pytest.raises(UsageError, match="Did you mean 'tiles'"):
        remove_dataset(place, "tile")
    with pytest.raises(UsageError):
        remove_dataset(place, "demo")
    lines = (place.people / "datasets.jsonl").read_text().splitlines()
    assert [(one["name"], one.get("removed", False)) for one in map(json.loads, lines)] == [
        ("tiles", False), ("n", False), ("tiles", True), ("tiles", False),
    ]  # fmt: skip


def test_a_registered_folder_that_is_gone_is_said(tmp_path: Path, place: Workspace) -> None:
    root = trees.mvtec(tmp_path / "m")
    add_dataset(place, root, "tiles")
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="was registered at"):
        open_dataset("tiles", place)
    assert len(registered(place)) == 2


def test_the_demo_is_made_when_it_is_opened(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = pytest.importorskip("core.data.demo", reason="the demo's generator is not there")
    made: list[Path] = []

    def ensure(workspace: Workspace) -> Path:
        made.append(trees.mvtec(workspace.data / "demo"))
        return made[-1]

    monkeypatch.setattr(demo, "ensure", ensure)
    assert registered(place)[0].path == place.data / "demo" and not made
    dataset = open_dataset("demo", place)
    assert (dataset.name, dataset.root) == ("demo", made[0]) and dataset.card == demo.CARD
    assert open_dataset(str(made[0]), place).card == demo.CARD  # by its folder too
    assert "demo" in {entry.name for entry in registered(place)}


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path, place: Workspace) -> None:
    root = trees.mvtec(tmp_path / "m")
    (place.people / "datasets.jsonl").write_text('[1]\n{"name": 3}\n{"name": "x"}\n{"name": "y')
    add_dataset(place, root, "tiles")
    assert [entry.name for entry in registered(place)] == ["demo", "tiles"]


def test_real_images_open_and_prepare(place: Workspace) -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real sample data at {REAL}; set FLAWSCOPE_REAL_DATA")
    dataset = open_dataset(str(REAL), place)
    assert dataset.classes == ("breast_ultrasound", "magnetic_tile", "pcb")
    counts = {
        name: [
            sum(s.class_name == name and (s.split, s.label) == part for s in dataset.samples)
            for part in (("train", 0), ("test", 0), ("test", 1))
        ]
        for name in dataset.classes
    }
    assert counts == {
        "breast_ultrasound": [70, 20, 80], "magnetic_tile": [380, 96, 194], "pcb": [120, 40, 80],
    }  # fmt: skip
    began = time.perf_counter()
    ready = prepare(dataset, 64, place)
    print(f"first {time.perf_counter() - began:.2f} s")
    assert len(ready.samples) == 1080
    # three "uneven" tiles carry masks that mark nothing
    unmasked = [s.key for s, known in zip(ready.samples, ready.has_mask, strict=True) if not known]
    empty = [key for key in unmasked if "uneven" in key]
    assert len(empty) == 3 and len(ready.problems) == len(unmasked)


def test_a_folder_is_opened_by_the_variant_a_run_was_made_with(
    tmp_path: Path, place: Workspace
) -> None:
    root = trees.TREES["tiny_imagenet"](tmp_path / "tiny")
    first, second = list(variants(root))[:2]
    add_dataset(place, root, "one", variant=first)
    add_dataset(place, root, "two", variant=second)
    one, two = (open_dataset(str(root), place, variant=id) for id in (first, second))
    assert (one.name, one.variant, two.name, two.variant) == ("one", first, "two", second)
    assert {s.key for s in one.samples if s.label} != {s.key for s in two.samples if s.label}
    plain = open_dataset(str(root), Workspace(tmp_path / "other"), variant=second)
    assert plain.samples == two.samples
    with pytest.raises(UsageError, match="variant"):
        open_dataset(str(root), Workspace(tmp_path / "other"), variant="fifth")
