"""COCO-AD from COCO's annotations: splits by category, masks from polygons and run lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.images import read_mask
from core.data.importing.base import Item, fitting
from core.data.importing.bring import bring_in
from core.data.importing.coco_ad import CocoAd, CocoAdOptions
from core.data.importing.json_stream import stream_array
from core.data.layout import Findings
from core.errors import DataError
from core.workspace import Workspace
from tests.data.trees import noise, save

WIDTH, HEIGHT = 24, 20
IDS = [i + 1 + i // 10 for i in range(80)]
"""As in COCO, ids have gaps: number 20 has id 23."""

SQUARE = [[4.9, 5.2, 9.7, 5.0, 9.1, 10.9, 4.0, 10.0]]  # truncated: 4..9 by 5..10


def annotation(image: int, number: int, segmentation: Any, crowd: int = 0) -> dict[str, Any]:
    return {
        "id": image * 100 + number, "image_id": image, "category_id": IDS[number],
        "segmentation": segmentation, "iscrowd": crowd, "area": 1.0, "bbox": [0, 0, 1, 1],
    }  # fmt: skip


def listing(images: list[int], annotations: list[dict[str, Any]]) -> str:
    categories = [{"id": id, "name": f"thing {n}"} for n, id in reversed(list(enumerate(IDS)))]
    records = [
        {"id": id, "file_name": f"{id:012d}.jpg", "width": WIDTH, "height": HEIGHT} for id in images
    ]
    return json.dumps(
        {
            "info": {"description": 'a [ in a "text"'},
            "licenses": [],
            "images": records,
            "annotations": annotations,
            "categories": categories,
        }
    )


def coco(root: Path) -> Path:
    """Four training images, one not annotated; five validation images, one not annotated."""
    crowd = {"counts": [0, 40, WIDTH * HEIGHT - 40], "size": [HEIGHT, WIDTH]}  # two columns
    train = [annotation(1, 0, SQUARE), annotation(1, 25, SQUARE), annotation(2, 25, SQUARE),
             annotation(3, 45, SQUARE), annotation(3, 79, SQUARE)]  # fmt: skip
    val = [annotation(11, 0, SQUARE), annotation(12, 25, SQUARE), annotation(12, 3, crowd, 1),
           annotation(12, 4, SQUARE), annotation(13, 26, [[1, 1, 1, 1, 1, 1]]),
           annotation(14, 79, SQUARE)]  # fmt: skip
    (root / "annotations").mkdir(parents=True)
    for part, images, marks in (
        ("train2017", [1, 2, 3, 4], train), ("val2017", [11, 12, 13, 14, 15], val),
    ):  # fmt: skip
        for id in images:
            channels = 1 if id == 2 else 3  # some are grey
            save(root / part / f"{id:012d}.jpg", noise(id, WIDTH, HEIGHT, channels))
        (root / f"annotations/instances_{part}.json").write_text(listing(images, marks))
    return root


def items(root: Path, number: int) -> dict[str, Item]:
    found = CocoAd().items(root, CocoAdOptions(number=number), Findings())
    return {item.name: item for item in found}


def split_of(found: dict[str, Item]) -> dict[int, tuple[str | None, int, str]]:
    return {
        int(name[-16:-4]): (item.split, item.label, item.anomaly_type)
        for name, item in found.items()
    }


def test_splits_by_category(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    good, test_good = ("train", 0, "good"), ("test", 0, "good")
    assert split_of(items(root, 0)) == {
        2: good, 3: good,
        11: ("test", 1, "thing 0"), 12: ("test", 1, "several"), 13: test_good, 14: test_good,
    }  # fmt: skip
    assert split_of(items(root, 1)) == {
        3: good, 11: test_good, 12: ("test", 1, "thing 25"), 13: ("test", 1, "thing 26"),
        14: test_good,
    }  # fmt: skip
    assert split_of(items(root, 2)) == {
        1: good, 2: good, 11: test_good, 12: test_good, 13: test_good, 14: test_good,
    }  # fmt: skip
    assert split_of(items(root, 3))[14] == ("test", 1, "thing 79")


def test_masks_join_polygons_and_run_lengths(tmp_path: Path) -> None:
    found = items(coco(tmp_path / "coco"), 0)
    square = np.zeros((HEIGHT, WIDTH), bool)
    square[5:11, 4:10] = True
    one = found["val2017/000000000011.jpg"]
    assert one.draw_mask is not None
    drawn = one.draw_mask()
    assert drawn[5:10, 4:10].all() and not (drawn & ~square).any()
    # y of the corners: 5, 5, 10, 10 once truncated, so that the square is whole
    assert np.array_equal(drawn, square)
    both = found["val2017/000000000012.jpg"]
    columns = np.zeros((HEIGHT, WIDTH), bool)
    columns[:, :2] = True
    assert both.draw_mask is not None and np.array_equal(both.draw_mask(), square | columns)
    assert found["val2017/000000000013.jpg"].draw_mask is None
    assert both.stamp and both.stamp != one.stamp


def test_it_becomes_a_data_set_with_images_in_place(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    ((one, sign), *_) = fitting(root)
    assert one.id == "coco_ad" and "COCO 2017" in sign
    dataset = bring_in(Workspace(tmp_path / "w"), root, "scenes", "coco_ad", {"number": 1})
    assert dataset.classes == ("coco",) and len(dataset.samples) == 5
    bad = {s.key: s for s in dataset.samples if s.label}
    assert set(bad) == {"source/val2017/000000000012.jpg", "source/val2017/000000000013.jpg"}
    (mask,) = bad["source/val2017/000000000013.jpg"].masks
    assert read_mask(dataset.root / mask).sum() == 1  # a single pixel
    (mask,) = bad["source/val2017/000000000012.jpg"].masks
    assert read_mask(dataset.root / mask).sum() == 36


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"counts": [1, 2], "size": [HEIGHT, WIDTH]}, "Run lengths add up"),
        ({"counts": [0, 480], "size": [WIDTH, HEIGHT]}, "another size"),
        ({"counts": None, "size": [HEIGHT, WIDTH]}, "no run lengths"),
        ([[1, 2, 3]], "3 numbers"),
        ([[1, 2, 3, 4]], "2 points"),
        ("x", "no outline"),
        (None, "no outline"),
    ],
)
def test_an_outline_that_is_none_leaves_the_label(
    tmp_path: Path, segmentation: Any, words: str
) -> None:
    root = coco(tmp_path / "coco")
    text = listing([11, 12], [annotation(11, 0, segmentation), annotation(12, 50, SQUARE)])
    (root / "annotations/instances_val2017.json").write_text(text)
    dataset = bring_in(Workspace(tmp_path / "w"), root, "scenes", "coco_ad")
    (bad,) = [sample for sample in dataset.samples if sample.label]
    assert bad.key.endswith("011.jpg") and bad.masks == ()
    said = [p.message for p in dataset.problems if "image metrics only" in p.message]
    assert len(said) == 1 and words in said[0]


def test_compressed_run_lengths_are_read(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    # 0, 40, 440: "0"; 40 = 8 + 1 x 32 -> "X1"; 440 = 24 + 13 x 32 -> "h" (48 + 24 + 32), "="
    shape = {"counts": "0X1h=", "size": [HEIGHT, WIDTH]}
    text = listing([11], [annotation(11, 0, shape)])
    (root / "annotations/instances_val2017.json").write_text(text)
    item = items(root, 0)["val2017/000000000011.jpg"]
    assert item.draw_mask is not None
    drawn = item.draw_mask()
    assert drawn[:, :2].all() and drawn.sum() == 40


def test_images_that_are_not_there_are_named(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    (root / "train2017/000000000002.jpg").unlink()
    findings = Findings()
    found = list(CocoAd().items(root, CocoAdOptions(), findings))
    assert "train2017/000000000002.jpg" not in {item.name for item in found}
    (problem,) = findings.problems()
    assert problem.key == "train2017/000000000002.jpg" and "not there" in problem.message


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"categories": 3}', '{"categories": [{"id": 1'])
def test_annotations_that_are_none_are_one_sentence(tmp_path: Path, text: str) -> None:
    root = coco(tmp_path / "coco")
    (root / "annotations/instances_val2017.json").write_text(text)
    with pytest.raises(DataError, match="instances_val2017") as caught:
        items(root, 0)
    assert "\n" not in str(caught.value)


# -- the stream ------------------------------------------------------------------------------------


def test_the_stream_gives_what_json_gives_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {
        "a [": [1, "]", {"b": [2]}],
        "c": {"wanted": [9]},
        "wanted": [1234567, -1.5e3, "x]\u00e9\\", [], {"d": [1, {"e": None}]}, True],
        "after": 7,
    }
    path = tmp_path / "x.json"
    for indent in (None, 2):
        path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
        for block in (1, 2, 7, 1 << 20):
            monkeypatch.setattr("core.data.importing.json_stream._BLOCK", block)
            assert list(stream_array(path, "wanted")) == value["wanted"]
            assert list(stream_array(path, "a [")) == value["a ["]


@pytest.mark.parametrize(
    "text",
    ['{"wanted": [1, 2', '{"wanted": [1 2]}', '{"wanted": {}}', "{}", "[]", "", '{"a" 1}',
     '{"wanted": [' + "[" * 100_000, '{"wanted": [nope]}', '{"a": 1'],
)  # fmt: skip
def test_the_stream_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json") as caught:
        list(stream_array(path, "wanted"))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="cannot be read"):
        list(stream_array(tmp_path / "gone.json", "wanted"))
