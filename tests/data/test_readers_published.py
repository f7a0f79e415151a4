"""Pitfalls of VisA, Real-IAD and UniAD's lists: labels, masks and splits stand in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.data.base import READERS, Dataset
from core.data.reading import drawn, tidy_key
from core.errors import DataError
from core.types import Sample
from tests.data import trees as shared  # first: it collects the makers of all modules
from tests.data import trees_published as trees

block, noise, save = shared.block, shared.noise, shared.save


def read(id: str, root: Path, variant: str = "") -> Dataset:
    return READERS.get(id)().read(root, "mini", variant)


def said(dataset: Dataset) -> str:
    return "\n".join(problem.message for problem in dataset.problems)


def by_key(dataset: Dataset) -> dict[str, Sample]:
    return {sample.key: sample for sample in dataset.samples}


def counts(dataset: Dataset) -> tuple[int, int, int]:
    """Training images, good and anomalous test images."""
    pairs = [(sample.split, sample.label) for sample in dataset.samples]
    return pairs.count(("train", 0)), pairs.count(("test", 0)), pairs.count(("test", 1))


# -- what they share -------------------------------------------------------------------------------


def test_a_draw_depends_on_the_names_alone_and_is_near_its_share() -> None:
    groups = {f"g{i}": 1 + i % 4 for i in range(200)}
    chosen = drawn(groups, 0.2, "x")
    assert chosen == drawn(dict(reversed(groups.items())), 0.2, "x")
    assert chosen != drawn(groups, 0.2, "y")
    total = sum(groups.values())
    held = sum(groups[name] for name in chosen)
    assert 0.2 * total <= held < 0.2 * total + 4  # stops within the group that reaches it
    assert len(drawn({"a": 9, "b": 1}, 0.01)) == 1 and len(drawn({"a": 9, "b": 1}, 0.99)) == 1
    assert drawn({"a": 9}, 0.5) == set()


@pytest.mark.parametrize(
    ("path", "key"),
    [("a//b.png", "a/b.png"), ("./a/../b", "b"), ("a\\b", "a/b"), ("../b", None), ("/b", None),
     ("a/../../b", None), ("C:/b", None), ("a\0b", None), ("", None), ("a/..", None),
     ("\ud800", None)],
)  # fmt: skip
def test_paths_from_files_stay_below_the_root(path: str, key: str | None) -> None:
    assert tidy_key(path) == key


# -- VisA ------------------------------------------------------------------------------------------


def test_visa_reads_its_list_and_names_kinds(tmp_path: Path) -> None:
    dataset = read("visa", trees.visa(tmp_path / "VisA"))
    assert dataset.classes == ("candle", "cashew") and counts(dataset) == (6, 4, 4)
    assert not dataset.problems
    samples = by_key(dataset)
    assert samples["cashew/Data/Images/Anomaly/000.JPG"] == Sample(
        key="cashew/Data/Images/Anomaly/000.JPG", class_name="cashew", split="test", label=1,
        anomaly_type="melt", masks=("cashew/Data/Masks/Anomaly/000.png",),
    )  # fmt: skip
    # the same stem among the normals has neither a mask nor the carriage return of its line
    assert samples["cashew/Data/Images/Normal/000.JPG"] == Sample(
        key="cashew/Data/Images/Normal/000.JPG", class_name="cashew", split="train", label=0
    )
    assert samples["candle/Data/Images/Anomaly/001.JPG"].anomaly_type == "combined"
    assert samples["candle/Data/Images/Normal/0003.JPG"].split == "test"


def test_visa_without_annotations_or_with_a_class_missing_goes_on(tmp_path: Path) -> None:
    root = trees.visa(tmp_path / "VisA")
    (root / "candle/image_anno.csv").unlink()
    (root / "cashew").rename(tmp_path / "elsewhere")
    dataset = read("visa", root)
    assert dataset.classes == ("candle",)
    assert {s.anomaly_type for s in dataset.samples if s.label} == {"anomaly"}
    assert all(problem.severity == "note" for problem in dataset.problems)
    assert "cashew has 7 rows" in said(dataset) and "kinds of defect of candle" in said(dataset)


def test_visa_says_which_rows_cannot_be_used(tmp_path: Path) -> None:
    root = trees.visa(tmp_path / "VisA")
    save(tmp_path / "out.png", noise(1))
    (root / "candle/Data/Masks/Anomaly/001.png").unlink()
    image = "candle/Data/Images/Normal/0000.JPG"
    with (root / "split_csv/1cls.csv").open("a", newline="") as file:
        for row in (
            "candle,train,normal,../out.png,",
            "candle,train,normal,candle/gone.JPG,",
            "candle,later,normal,candle/Data/Images/Normal/0001.JPG,",
            "candle,train,anomaly,candle/Data/Images/Anomaly/000.JPG,",
            f"candle,test,normal,{image},",
            "../evil,train,normal,x.JPG,",
            "candle",
        ):
            file.write(row + "\r\n")
    dataset = read("visa", root)
    assert counts(dataset) == (6, 4, 4) and by_key(dataset)[image].split == "train"
    assert by_key(dataset)["candle/Data/Images/Anomaly/001.JPG"].masks == ()
    text = said(dataset)
    for words in (
        "line 16 is no row", "line 17: candle/gone.JPG is not there", "line 18 is no row",
        "candle/Data/Images/Anomaly/000.JPG is an anomalous training image",
        f"{image} stands in", "line 21 is no row", "line 22 is no row",
        "has no mask 'candle/Data/Masks/Anomaly/001.png'",
    ):  # fmt: skip
        assert words in text, (words, text)


def test_visa_refuses_its_lists_for_two_classes(tmp_path: Path) -> None:
    root = trees.visa(tmp_path / "VisA")
    (root / "split_csv/1cls.csv").rename(root / "split_csv/2cls_highshot.csv")
    assert "only lists for two-class" in (READERS.get("visa")().recognise(root) or "")
    with pytest.raises(DataError, match="put anomalies into training"):
        read("visa", root)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"object,split,label,image\r\n", b'"', b"\0,\r"])
def test_visa_with_a_broken_list_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    root = trees.visa(tmp_path / "VisA")
    (root / "split_csv/1cls.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read("visa", root)
    assert "1cls.csv" in str(caught.value) and "\n" not in str(caught.value)


# -- Real-IAD --------------------------------------------------------------------------------------


def test_real_iad_labels_by_its_lists_never_by_folder(tmp_path: Path) -> None:
    dataset = read("real_iad", trees.real_iad(tmp_path / "Real-IAD"))
    assert counts(dataset) == (5, 8, 2) and dataset.variant == "five_views"
    home = "realiad_256/audiojack"
    samples = by_key(dataset)
    flawed = f"{home}/{trees.iad_image(1, 'HS', 2)}"
    assert samples[flawed] == Sample(
        key=flawed, class_name="audiojack", split="test", label=1, anomaly_type="scratch",
        masks=(flawed.replace(".jpg", ".png"),), specimen="audiojack_0001_NG_HS", view="C2",
    )  # fmt: skip
    hidden = samples[f"{home}/{trees.iad_image(1, 'HS', 5)}"]
    assert (hidden.label, hidden.masks, hidden.anomaly_type) == (0, (), "good")
    assert hidden.specimen == "audiojack_0001_NG_HS" and hidden.view == "C5"
    # part 1 of the sound ones is another part than number 1 of the scratched ones
    sound = samples[f"{home}/{trees.iad_image(1, 'OK', 1)}"]
    assert sound.specimen == "audiojack_0001_OK" and sound.split == "train"
    assert not dataset.problems and not dataset.contaminated
    assert dataset.card.total is not None and dataset.card.total.train == 36_465


@pytest.mark.parametrize("nested", [True, False])
def test_real_iad_offers_its_sets_wherever_they_are(tmp_path: Path, nested: bool) -> None:
    root = trees.real_iad(tmp_path / "Real-IAD", nested=nested)
    reader = READERS.get("real_iad")()
    variants = reader.variants(root)
    assert list(variants) == ["five_views", "single_view", "fuiad_0.1"]
    assert "10%" in variants["fuiad_0.1"]
    assert counts(read("real_iad", root, "single_view")) == (1, 1, 1)
    noisy = read("real_iad", root, "fuiad_0.1")
    assert "1 training images show a defect on purpose" in noisy.contaminated
    trained = [(s.label, s.anomaly_type) for s in noisy.samples if s.split == "train"]
    assert sorted(trained) == [(0, "good")] * 6 + [(1, "scratch")]
    assert noisy.card.total is not None and noisy.card.total.train == 57_840 - 3_774


def test_real_iad_beside_its_classes_as_ader_has_it(tmp_path: Path) -> None:
    made = trees.real_iad(tmp_path / "made")
    root = made / "realiad_256"
    lists = made / "realiad_jsons/realiad_jsons/audiojack.json"
    (root / "audiojack.json").write_text(lists.read_text())
    reader = READERS.get("real_iad")()
    assert reader.recognise(root) and reader.variants(root) == {}
    dataset = reader.read(root, "mini")
    assert counts(dataset) == (5, 8, 2) and dataset.variant == ""
    assert dataset.samples[0].key.startswith("audiojack/")
    # the same two things under names of something else are not Real-IAD
    (root / "audiojack.json").write_text('{"train": {"pipe": []}}')
    assert reader.recognise(root) is None


def test_real_iad_with_images_of_two_sizes(tmp_path: Path) -> None:
    root = trees.real_iad(tmp_path / "Real-IAD")
    for path in sorted((root / "realiad_256").rglob("*.*")):
        save(root / "realiad_1024" / path.relative_to(root / "realiad_256"), block())
    variants = READERS.get("real_iad")().variants(root)
    assert list(variants)[:2] == ["five_views 1024", "five_views 256"] and len(variants) == 6
    first = read("real_iad", root)
    assert first.variant == "five_views 1024"
    assert {s.key.split("/")[0] for s in first.samples} == {"realiad_1024"}


def test_real_iad_takes_mask_names_from_the_list(tmp_path: Path) -> None:
    root = trees.real_iad(tmp_path / "Real-IAD")
    file = root / "realiad_jsons/realiad_jsons/audiojack.json"
    content = json.loads(file.read_text())
    record = next(r for r in content["test"] if r["mask_path"])
    home = root / "realiad_256/audiojack"
    renamed = record["mask_path"].replace(".png", "_mask.png")
    (home / record["mask_path"]).rename(home / renamed)
    record["mask_path"] = renamed
    save(home / "odd name.jpg", noise(3))
    content["test"] += [
        trees.iad_record("../../out.jpg"), trees.iad_record("gone.jpg"), "nonsense",
        trees.iad_record("odd name.jpg", "XX", "gone.png"), content["train"][0],
    ]  # fmt: skip
    content["train"].append(trees.iad_record(record["image_path"], "HS", renamed))
    file.write_text(json.dumps(content))
    dataset = read("real_iad", root)
    sample = by_key(dataset)[f"realiad_256/audiojack/{record['image_path']}"]
    assert sample.masks == (f"realiad_256/audiojack/{renamed}",) and sample.split == "test"
    odd = by_key(dataset)["realiad_256/audiojack/odd name.jpg"]
    assert (odd.anomaly_type, odd.specimen, odd.masks) == ("XX", None, ())
    text = said(dataset)
    for words in ("record 10 is none", "gone.jpg is not there", "record 12 is none",
                  "anomalous training image", "more than once", "no mask 'gone.png'"):  # fmt: skip
        assert words in text, (words, text)


@pytest.mark.parametrize(
    "content", ['{"meta": {"normal_class": "OK"}, "train": 3}', '{"normal_class"', '"normal_class"']
)
def test_real_iad_with_a_broken_list_is_one_sentence(tmp_path: Path, content: str) -> None:
    root = trees.real_iad(tmp_path / "Real-IAD")
    (root / "realiad_jsons/realiad_jsons/audiojack.json").write_text(content)
    with pytest.raises(DataError, match="audiojack") as caught:
        read("real_iad", root)
    assert "\n" not in str(caught.value)


# -- UniAD's lists ---------------------------------------------------------------------------------


def test_uniad_lists_find_their_images_and_masks(tmp_path: Path) -> None:
    dataset = read("uniad_json", trees.uniad_json(tmp_path / "MVTec-AD"))
    assert counts(dataset) == (3, 1, 1) and not dataset.problems
    (bad,) = [sample for sample in dataset.samples if sample.label]
    assert bad.key == "mvtec_anomaly_detection/bottle/test/broken/000.png"
    assert bad.masks == ("mvtec_anomaly_detection/bottle/ground_truth/broken/000_mask.png",)
    assert bad.anomaly_type == "anomaly"


def test_uniad_lists_say_which_lines_cannot_be_used(tmp_path: Path) -> None:
    root = trees.uniad_json(tmp_path / "MVTec-AD")
    bad = "bottle/test/broken/000.png"
    with (root / "train.json").open("a") as file:
        for line in (
            "{", "[1]", '{"filename": "../x.png", "label": 0, "clsname": "bottle"}',
            json.dumps({"filename": bad, "label": 1, "clsname": "bottle"}),
            json.dumps({"filename": bad, "label": 2, "clsname": "bottle"}),
            json.dumps({"filename": "bottle/train/good/000.png", "label": 0, "clsname": "bottle"}),
        ):  # fmt: skip
            file.write(line + "\n")
    dataset = read("uniad_json", root)
    assert counts(dataset) == (3, 1, 1)
    for words in (
        "line 4 is no JSON", "line 5 is no JSON", "'../x.png' is not there",
        "anomalous training image", "line 8 has no usable", "(train.json line 9)",
    ):  # fmt: skip
        assert words in said(dataset), (words, said(dataset))
