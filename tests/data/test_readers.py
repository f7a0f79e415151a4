"""The contract of every reader, and the pitfalls of the two generic layouts."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from core.data.base import READERS, Count, Dataset
from core.data.catalogue import open_dataset
from core.data.layout import LISTED_ALIKE, inside
from core.errors import DataError
from core.workspace import Workspace
from tests.data import trees
from tests.data.trees import block, noise, record, save


def read(id: str, root: Path) -> Dataset:
    return READERS.get(id)().read(root, "mini")


def said(dataset: Dataset) -> str:
    return "\n".join(problem.message for problem in dataset.problems)


def masks(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {sample.key: sample.masks for sample in dataset.samples if sample.label}


@pytest.mark.parametrize("id", READERS.ids())
def test_every_reader_keeps_the_contract(id: str, tmp_path: Path) -> None:
    assert id in trees.TREES, f"write a miniature tree for reader {id!r} into tests/data/trees.py"
    kind = READERS.get(id)
    assert kind.id == id
    card = kind.card
    for one in fields(card):
        value = getattr(card, one.name)
        assert isinstance(value, str | int | dict | Count | None), one.name
    assert all(isinstance(count, Count) for count in card.counts.values())
    assert card.title and card.summary and card.layout and card.licence and card.licence_note
    for nothing in (tmp_path / "not there", tmp_path / "empty"):
        assert kind().recognise(nothing) is None and not kind().variants(nothing)
    root = trees.TREES[id](tmp_path / id)
    assert kind().recognise(root)
    first, second = read(id, root), read(id, root)
    assert first.samples == second.samples and first.problems == second.problems
    assert all(problem.severity == "note" for problem in first.problems), said(first)
    assert first.reader == id and first.root == root and first.recognised
    for variant in (first.variant, *kind().variants(root)):
        keeps(kind().read(root, "mini", variant))


def keeps(dataset: Dataset) -> None:
    """What holds for every data set."""
    keys = [sample.key for sample in dataset.samples]
    assert len(set(keys)) == len(keys)
    for sample in dataset.samples:
        assert all((dataset.root / key).is_file() for key in (sample.key, *sample.masks))
        assert (sample.label == 1) == (sample.anomaly_type != "good") >= bool(sample.masks)
        assert "//" not in sample.key and not sample.key.startswith("/")
        assert dataset.contaminated or sample.split == "test" or sample.label == 0
    assert {sample.split for sample in dataset.samples} == {"train", "test"}


@pytest.mark.parametrize("id", READERS.ids())
def test_every_tree_is_read_by_its_own_reader(id: str, tmp_path: Path) -> None:
    root = trees.TREES[id](tmp_path / "some data")
    place = Workspace(tmp_path / "workspace")
    assert open_dataset(str(root), place).reader == id


def test_mvtec_counts_splits_and_types(tmp_path: Path) -> None:
    dataset = read("mvtec_folder", trees.mvtec(tmp_path / "m"))
    assert dataset.classes == ("bolt", "cloth")
    bolt = [s for s in dataset.samples if s.class_name == "bolt"]
    assert [(s.split, s.label) for s in bolt] == [("test", 1)] * 2 + [("test", 0)] * 2 + [
        ("train", 0)
    ] * 4
    assert bolt[0].key == "bolt/test/crack/000.png" and bolt[0].anomaly_type == "crack"
    assert bolt[0].masks == ("bolt/ground_truth/crack/000_mask.png",)


def test_mvtec_pairs_masks_by_stem_in_every_spelling(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    for name in ("0.JPG", "1 b.jpeg", "10.bmp", "2.png"):
        save(root / "a/test/dent" / name, noise(7))
    truth = root / "a/ground_truth/dent"
    save(truth / "0.png", block())  # the image's own stem, another format
    save(truth / "1 b_mask.PNG", block())
    save(truth / "10/000.png", block())  # a folder of masks (LOCO)
    save(truth / "10/001.png", block())
    dataset = read("mvtec_folder", root)
    found = masks(dataset)
    assert found["a/test/dent/0.JPG"] == ("a/ground_truth/dent/0.png",)
    assert found["a/test/dent/1 b.jpeg"] == ("a/ground_truth/dent/1 b_mask.PNG",)
    assert found["a/test/dent/10.bmp"] == tuple(
        f"a/ground_truth/dent/10/00{i}.png" for i in range(2)
    )
    assert found["a/test/dent/2.png"] == ()
    (problem,) = dataset.problems
    assert problem.severity == "warning" and problem.key == "a/test/dent/2.png"
    assert "image metrics only" in problem.message


def test_mvtec_same_stem_in_two_types_keeps_its_own_mask(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    save(root / "a/test/dent/000.png", noise(9))
    save(root / "a/ground_truth/dent/000_mask.png", block())
    found = masks(read("mvtec_folder", root))
    assert found["a/test/dent/000.png"] == ("a/ground_truth/dent/000_mask.png",)
    assert found["a/test/crack/000.png"] == ("a/ground_truth/crack/000_mask.png",)


def test_mvtec_ok_means_good_and_strays_are_ignored(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    (root / "a/train/good").rename(root / "a/train/OK")
    (root / "a/test/good").rename(root / "a/test/ok")
    for stray in (".DS_Store", "._000.png", "Thumbs.db"):
        (root / "a/test/ok" / stray).write_bytes(b"x")
    save(root / "a/ground_truth/ok/000_mask.png", np.zeros((20, 24), np.uint8))
    dataset = read("mvtec_folder", root)
    assert sum(s.split == "train" for s in dataset.samples) == 4
    assert sum(s.label == 0 and s.split == "test" for s in dataset.samples) == 2
    assert all(s.anomaly_type == "good" for s in dataset.samples if s.label == 0)
    (problem,) = dataset.problems
    assert "Thumbs.db" in problem.message and problem.severity == "note"


def test_mvtec_a_class_without_training_images_is_left_out_and_named(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a", "b", "c"))
    for path in (root / "b/train/good").iterdir():
        path.unlink()
    for folder in ("train/good", "test/good", "test/crack"):  # nothing at all in c
        for path in (root / "c" / folder).iterdir():
            path.unlink()
    dataset = read("mvtec_folder", root)
    assert dataset.classes == ("a",)
    assert [p.key for p in dataset.problems if p.severity == "error"] == ["b", "c"]
    assert "no normal training images" in said(dataset)


def test_mvtec_anomalies_in_train_and_loose_images_are_left_out(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    save(root / "a/train/crack/000.png", noise(1))
    save(root / "a/train/loose.png", noise(2))
    save(root / "a/validation/good/000.png", noise(3))
    dataset = read("mvtec_folder", root)
    assert sum(s.split == "train" for s in dataset.samples) == 4
    text = said(dataset)
    assert "a/train/crack are anomalous" in text and "loose.png" in text
    assert "a/validation was not read" in text


def test_mvtec_types_without_any_mask_are_named_once(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    for i in range(5):
        save(root / "a/test/smear" / f"{i}.png", noise(i))
    (problem,) = read("mvtec_folder", root).problems
    assert problem.key == "a/test/smear" and "None of the 5" in problem.message


def test_many_alike_problems_are_counted_not_listed(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    for i in range(LISTED_ALIKE + 5):
        save(root / "a/test/crack" / f"more{i}.png", noise(1, 4, 4))
    problems = read("mvtec_folder", root).problems
    assert len(problems) == LISTED_ALIKE + 1
    assert problems[-1].message.startswith("And 5 more: ")


def test_mvtec_root_as_one_class_and_nested_class_folders(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    one = read("mvtec_folder", root / "a")
    assert one.classes == ("a",) and one.samples[0].key == "test/crack/000.png"
    assert "one class" in one.recognised
    trees.mvtec(root / "can", ("can",))
    both = read("mvtec_folder", root)
    assert both.classes == ("a", "can")
    assert any(s.key == "can/can/train/good/000.png" for s in both.samples)


def test_names_that_are_no_utf8_are_left_out_and_named(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    source = root / "a/train/good/000.png"
    try:
        source.rename(source.parent / os.fsdecode(b"\xff\xe4.png"))
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names only: {error}")
    dataset = read("mvtec_folder", root)
    assert sum(s.split == "train" for s in dataset.samples) == 3
    (problem,) = dataset.problems
    assert r"\xff\xe4.png" in problem.message and "rename" in problem.message
    problem.key.encode()


def test_links_out_of_the_root_are_refused_and_links_inside_followed(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "m", ("a",))
    secret = save(tmp_path / "secret.png", noise(1))
    good = root / "a/train/good"
    (good / "out.png").symlink_to(secret)
    (good / "in.png").symlink_to(good / "000.png")
    (good / "dead.png").symlink_to(root / "gone.png")
    (root / "b").symlink_to(tmp_path)
    dataset = read("mvtec_folder", root)
    keys = {sample.key for sample in dataset.samples}
    assert "a/train/good/in.png" in keys
    assert not {"a/train/good/out.png", "a/train/good/dead.png"} & keys
    assert {p.key for p in dataset.problems} == {
        "a/train/good/out.png", "a/train/good/dead.png", "b",
    }  # fmt: skip
    for key in ("../secret.png", "/etc/hostname", "a/../../secret.png", "a/train/good/out.png"):
        with pytest.raises(DataError, match="leads out"):
            inside(root, key)
    assert inside(root, "a/../a/train/good/000.png") == good / "000.png"


def test_ader_normalises_paths_and_appends_validation(tmp_path: Path) -> None:
    dataset = read("ader_meta", trees.ader(tmp_path / "r"))
    train = [s.key for s in dataset.samples if s.split == "train"]
    assert train == [f"pictures/{i}.png" for i in range(4)]
    bad = next(s for s in dataset.samples if s.label)
    assert (bad.key, bad.masks, bad.anomaly_type) == ("pictures/5.png", ("masks/5.png",), "rust")


def test_ader_refuses_what_it_must_and_says_so(tmp_path: Path) -> None:
    root = trees.ader(tmp_path / "r")
    save(tmp_path / "outside.png", noise(1))
    meta = json.loads((root / "meta.json").read_text())
    meta["train"]["pipe"] += [
        record("../outside.png"),
        record("/etc/hostname"),
        record("pictures/gone.png"),
        record("pictures/4.png", kind="rust", bad=1),  # an anomaly in train
        record("pictures/0.png"),  # twice
        record("pictures/1.png", cls="../../evil"),
        {"img_path": 3},
        "nonsense",
        record("pictures/2.png", bad=7),
    ]
    meta["test"]["pipe"] += [
        record("pictures/2.png"),  # a training image
        record("pictures/../pictures/3.png", "../outside.png", kind="", bad=1),
    ]
    (root / "meta.json").write_text(json.dumps(meta))
    dataset = read("ader_meta", root)
    assert dataset.classes == ("pipe",)
    keys = [s.key for s in dataset.samples]
    assert sorted(keys) == [f"pictures/{i}.png" for i in range(6)]
    assert [s.split for s in dataset.samples if s.key == "pictures/2.png"] == ["train"]
    text = said(dataset)
    for words in (
        "'../outside.png' leads out", "'/etc/hostname' leads out",
        "'pictures/gone.png' is not there",
        "pictures/4.png is an anomalous training image", "pictures/0.png stands in meta.json more",
        "evil", "img_path = 3", "not an object", "anomaly = 7", "pictures/2.png stands",
    ):  # fmt: skip
        assert words in text, words


def test_ader_labels_types_and_masks_of_every_kind(tmp_path: Path) -> None:
    root = trees.ader(tmp_path / "r")
    for i in range(10, 15):
        save(root / "pictures" / f"{i}.png", noise(i))
    for i in range(2):
        save(root / "masks/12" / f"{i}.png", block())
    meta = json.loads((root / "meta.json").read_text())
    meta["test"]["pipe"] += [
        record("pictures/10.png", "masks/none.png", kind="good", bad=1),  # the label counts
        record("pictures/11.png", "../../etc/passwd", kind="", bad=1),
        record("pictures/12.png", "masks//12", kind="dent", bad=1),  # a folder of masks
        record("pictures/13.png", "masks/5.png", kind="dent", bad=0),
    ]
    (root / "meta.json").write_text("\ufeff" + json.dumps(meta))
    dataset = read("ader_meta", root)
    by_key = {s.key: s for s in dataset.samples}
    assert by_key["pictures/10.png"].anomaly_type == by_key["pictures/11.png"].anomaly_type
    assert by_key["pictures/10.png"].anomaly_type == "anomaly"
    assert by_key["pictures/11.png"].masks == ()
    assert by_key["pictures/12.png"].masks == ("masks/12/0.png", "masks/12/1.png")
    assert by_key["pictures/13.png"].masks == () and by_key["pictures/13.png"].label == 0
    assert "outside the data set's folder" in said(dataset) and "the label counts" in said(dataset)


@pytest.mark.parametrize(
    "text",
    ["", '{"train": {"a": [', "[]", '{"other": {}}', '{"train": []}', '{"train": {"a": 1}}',
     "[" * 100_000],
)  # fmt: skip
def test_ader_malformed_meta_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"meta\.json") as caught:
        read("ader_meta", tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "meta.json").write_bytes(b'{"train": {"\xff')
    with pytest.raises(DataError, match="UTF-8"):
        read("ader_meta", tmp_path)


def test_several_lists_of_ader_are_variants(tmp_path: Path) -> None:
    root = trees.ader(tmp_path / "coco")
    whole = (root / "meta.json").read_text()
    assert READERS.get("ader_meta")().variants(root) == {}
    (root / "meta.json").rename(root / "meta_20_0.json")
    alone = read("ader_meta", root)
    assert alone.variant == "" and len(alone.samples) > 3
    fewer = json.loads(whole)
    fewer["test"]["pipe"] = [one for one in fewer["test"]["pipe"] if not one["anomaly"]]
    (root / "meta_20_1.json").write_text(json.dumps(fewer))
    (root / "meta of mine.json").write_text(whole)
    reader = READERS.get("ader_meta")()
    assert list(reader.variants(root)) == ["meta_20_0", "meta_20_1"]
    assert "1 more such list" in str(reader.recognise(root))
    first, second = (reader.read(root, "mini", id) for id in ("", "meta_20_1"))
    assert (first.variant, second.variant) == ("meta_20_0", "meta_20_1")
    assert first.samples == alone.samples and not any(s.label for s in second.samples)
