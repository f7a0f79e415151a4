"""What people exclude and move: in force by name, undone, on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import people
from core.data import catalogue, edits
from core.errors import DataError, UsageError
from core.workspace import Workspace
from tests.data.trees import mvtec


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """With a data set "m" of two classes."""
    workspace = Workspace(tmp_path / "workspace")
    catalogue.add_dataset(workspace, mvtec(tmp_path / "m"), "m")
    return workspace


def splits(place: Workspace) -> dict[str, str]:
    return {s.key: s.split for s in catalogue.open_dataset("m", place).samples}


FIRST, SECOND = "bolt/train/good/000.png", "bolt/train/good/001.png"
CRACK = "bolt/test/crack/000.png"


def test_exclude_and_undo(place: Workspace) -> None:
    before = splits(place)
    group = edits.make(place, "ann", "m", [FIRST, FIRST, CRACK], "exclude", reason="blurry")
    assert splits(place) == {k: v for k, v in before.items() if k not in (FIRST, CRACK)}
    (edit,) = edits.of_dataset(place, "m")
    assert (edit.group, edit.action, edit.keys) == (group, "exclude", (CRACK, FIRST))
    assert (edit.reason, edit.author, edit.split) == ("blurry", "ann", None)
    edits.undo(place, "bob", group)
    assert splits(place) == before and edits.of_dataset(place, "m") == []
    with pytest.raises(UsageError, match="taken back already"):
        edits.undo(place, "bob", group)
    record = people.versions(place, "edits")
    assert [line["author"] for line in record] == ["ann", "bob"]  # both stay on record


def test_moves_and_the_last_edit_of_an_image_wins(place: Workspace) -> None:
    edits.make(place, "ann", "m", [FIRST, SECOND], "exclude")
    group = edits.make(place, "ann", "m", [FIRST], "move", split="calibration")
    found = splits(place)
    assert found[FIRST] == "calibration" and SECOND not in found
    edits.undo(place, "ann", group)
    assert FIRST not in splits(place)
    note = catalogue.open_dataset("m", place).problems[-1]
    assert note.severity == "note" and note.message.startswith(
        "People's edits exclude 2 and move 0 of its images"
    )


def test_an_edit_holds_for_its_data_set_alone(place: Workspace, tmp_path: Path) -> None:
    catalogue.add_dataset(place, mvtec(tmp_path / "n"), "n")
    edits.make(place, "ann", "m", [FIRST], "exclude")
    assert FIRST in {s.key for s in catalogue.open_dataset("n", place).samples}
    by_path = catalogue.open_dataset(str(tmp_path / "m"), place)
    assert FIRST not in {s.key for s in by_path.samples}


def test_an_anomalous_image_is_never_moved_into_training(place: Workspace) -> None:
    for split in ("train", "calibration"):
        edits.make(place, "ann", "m", [CRACK], "move", split=split)
        assert splits(place)[CRACK] == "test"


def test_a_class_without_training_images_is_left_out_and_named(place: Workspace) -> None:
    train = [key for key, split in splits(place).items() if split == "train"]
    group = edits.make(
        place, "ann", "m", [key for key in train if key.startswith("bolt")], "exclude"
    )
    dataset = catalogue.open_dataset("m", place)
    assert dataset.classes == ("cloth",)
    assert dataset.problems[0].severity == "error" and "Class bolt" in dataset.problems[0].message
    edits.make(place, "ann", "m", train, "exclude")
    with pytest.raises(DataError, match="edits leave m no training images"):
        catalogue.open_dataset("m", place)
    edits.undo(place, "ann", group)
    assert len(edits.of_dataset(place, "m")) == 1


def test_many_keys_are_several_entries_of_one_edit(place: Workspace) -> None:
    keys = [f"bolt/train/good/{'x' * 50}{number:05d}.png" for number in range(2000)]
    group = edits.make(place, "ann", "m", [*keys, FIRST], "exclude")
    assert len(people.latest(place, "edits")) > 1
    (edit,) = edits.of_dataset(place, "m")
    assert set(edit.keys) == {*keys, FIRST} and FIRST not in splits(place)
    edits.undo(place, "ann", group)
    assert edits.of_dataset(place, "m") == [] and FIRST in splits(place)


def test_wrong_edits_are_refused_and_strange_lines_passed_over(place: Workspace) -> None:
    for arguments in (([], "exclude", None), ([FIRST], "move", None), ([FIRST], "move", "dev"),
                      ([FIRST], "exclude", "test")):  # fmt: skip
        keys, action, split = arguments
        with pytest.raises(UsageError):
            edits.make(place, "ann", "m", keys, action, split=split)  # type: ignore[arg-type]
    before = splits(place)
    for fields in (
        {"dataset": "m", "action": "move", "keys": [FIRST], "split": "dev"},
        {"dataset": "m", "action": "burn", "keys": [FIRST]},
        {"dataset": "m", "action": "exclude", "keys": "all"},
        {"action": "exclude", "keys": [FIRST]},
    ):
        people.add(place, "edits", "ann", fields)
    assert splits(place) == before
