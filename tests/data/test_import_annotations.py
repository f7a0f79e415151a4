"""COCO, YOLO and LabelMe: what is anomalous, and the masks that are drawn, on 24 x 20 px."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data import manifest
from core.data.images import read_mask
from core.data.importing.base import IMPORTERS, Item, fitting
from core.data.importing.bring import bring_again, bring_in
from core.data.importing.outlines import Region, draw, stamp
from core.data.importing.sound import checked
from core.data.importing.yolo import _yaml_names
from core.data.layout import Findings
from core.errors import DataError, UsageError
from core.workspace import Workspace
from tests.data.trees import noise, save


def read(id: str, source: Path, **changed: object) -> tuple[dict[str, Item], str]:
    findings = Findings()
    one = IMPORTERS.get(id)()
    options = one.suggest(source).model_copy(update=changed)
    items = checked(one.items(source, options, findings), findings, lambda *_: None)
    return {i.name: i for i in items}, "\n".join(p.message for p in findings.problems())


def filled(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Pixels x0 to x1 - 1 and y0 to y1 - 1 of an image."""
    mask = np.zeros((20, 24), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def mask_of(item: Item) -> np.ndarray:
    assert item.draw_mask is not None
    return item.draw_mask()


def same(item: Item, *box: int) -> bool:
    return np.array_equal(mask_of(item), filled(*box))


# -- COCO ------------------------------------------------------------------------------------------


def coco(root: Path, annotations: list[Any], count: int = 6, **more: Any) -> Path:
    """A JSON file beside a folder of images 0.png, 1.png, ... with ids 10, 11, ..."""
    for number in range(count):
        save(root / "images" / f"{number}.png", noise(number))
    images = [
        {"id": 10 + n, "file_name": f"{n}.png", "width": 24, "height": 20} for n in range(count)
    ]
    told = {
        "images": images, "annotations": annotations,
        "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}],
    }  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    (root / "list.json").write_text(json.dumps(told | more))
    return root / "list.json"


def note(image: int, category: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": image, "category_id": category, **fields}


def test_coco_boxes_outlines_and_run_lengths(tmp_path: Path) -> None:
    runs = [20 * 4 + 2, 5, 20 * 20 - 7]  # column 4, rows 2 to 6
    path = coco(
        tmp_path / "c",
        [
            note(10, bbox=[2, 3, 4, 5]),
            note(11, 2, segmentation=[[2, 3, 6, 3, 6, 8, 2, 8]], bbox=[0, 0, 24, 20]),
            note(12, segmentation={"size": [20, 24], "counts": runs}),
            note(13, bbox=[0, 0, 2, 2]), note(13, 2, bbox=[20.5, 18.5, 50, 50]),
        ],
    )  # fmt: skip
    items, said = read("coco", path)
    assert said == "" and set(items) == {f"{n}.png" for n in range(6)}
    assert {n: i.anomaly_type for n, i in items.items()} == {
        "0.png": "scratch", "1.png": "dent", "2.png": "scratch", "3.png": "dent + scratch",
        "4.png": "good", "5.png": "good",
    }  # fmt: skip
    assert same(items["0.png"], 2, 3, 6, 8)
    assert same(items["1.png"], 2, 3, 7, 9)  # an outline's edge belongs to it
    assert same(items["2.png"], 4, 2, 5, 7)
    assert np.array_equal(mask_of(items["3.png"]), filled(0, 0, 2, 2) | filled(20, 18, 24, 20))
    assert {i.class_name for i in items.values()} == {"images"}
    assert fitting(path)[0][0].id == "coco"


def test_coco_only_chosen_categories_are_anomalies(tmp_path: Path) -> None:
    path = coco(tmp_path / "c", [note(10, bbox=[2, 3, 4, 5]), note(11, 2, bbox=[1, 1, 2, 2])])
    items, _ = read("coco", path, anomalies=("dent",))
    assert [name for name, item in items.items() if item.label] == ["1.png"]
    with pytest.raises(UsageError, match=r"no category 'rust'; it has dent, scratch"):
        read("coco", path, anomalies=("rust",))


def test_coco_what_cannot_be_drawn_is_told_and_damaged_parts_are_passed_over(
    tmp_path: Path,
) -> None:
    path = coco(
        tmp_path / "c",
        [
            note(10, segmentation=[[1, 2, 3, 4]], bbox=[2, 3, 4, 5]),  # no outline: its box
            note(11, segmentation=[]), note(12, bbox=[1, 2, float("inf"), 3]),
            note(13, segmentation={"size": [9, 9], "counts": [81]}),
            note(99, bbox=[1, 1, 2, 2]), "nonsense", {"image_id": [1]},
        ],
        count=5,
    )  # fmt: skip
    told = json.loads(path.read_text())
    told["images"] += [{"id": 1}, 3, {"id": 50, "file_name": "../../secret.png"},
                       {"id": 51, "file_name": "gone.png"}]  # fmt: skip
    path.write_text(json.dumps(told))
    items, said = read("coco", path)
    assert same(items["0.png"], 2, 3, 6, 8)
    assert items["1.png"].label == items["2.png"].label == 1
    assert items["1.png"].draw_mask is None and items["2.png"].draw_mask is None
    with pytest.raises(DataError, match="Run lengths are of 9x9 px"):
        mask_of(items["3.png"])
    for words in (
        "1.png has an annotation without", "3 annotations", "'../../secret.png' is not in",
        "'gone.png' is not in", "has no id or file_name",
    ):  # fmt: skip
        assert words in said, words
    for text in ("[1]", "{", '{"images": 3}', '{"images": [], "annotations": 1}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(DataError, match=r"list\.json"):
            read("coco", path)


def test_coco_masks_are_kept_and_drawn_again_only_when_they_change(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "workspace")
    path = coco(tmp_path / "c", [note(10, bbox=[2, 3, 4, 5]), note(11, 2, bbox=[1, 1, 2, 2])])
    dataset = bring_in(place, path, "mine", "coco")
    home = place.data / "mine"
    assert (home / "source").resolve() == path.parent / "images"
    bad = next(s for s in dataset.samples if s.key == "source/0.png")
    assert bad.masks == ("masks/0.png.png",)
    assert np.array_equal(read_mask(home / bad.masks[0]), filled(2, 3, 6, 8))
    times = {p.name: p.stat().st_mtime_ns for p in (home / "masks").iterdir()}
    told = json.loads(path.read_text())
    told["annotations"][0]["bbox"] = [2, 3, 4, 6]
    path.write_text(json.dumps(told))
    bring_again(place, "mine")
    assert np.array_equal(read_mask(home / bad.masks[0]), filled(2, 3, 6, 9))
    after = {p.name: p.stat().st_mtime_ns for p in (home / "masks").iterdir()}
    assert [name for name in times if times[name] != after[name]] == ["0.png.png"]
    told["annotations"] = told["annotations"][1:]
    path.write_text(json.dumps(told))
    bring_again(place, "mine")
    assert {p.name for p in (home / "masks").iterdir()} == {"1.png.png"}
    assert sum(row.sample.label for row in manifest.load(home)) == 1


# -- YOLO ------------------------------------------------------------------------------------------


def yolo(root: Path, labels: dict[str, str], images: str = "images", to: str = "labels") -> Path:
    """Images 0.png to 5.png in one folder and label files by stem in another."""
    for number in range(6):
        save(root / images / f"{number}.png", noise(number))
    (root / to).mkdir(parents=True, exist_ok=True)
    for name, text in labels.items():
        (root / to / f"{name}.txt").write_text(text)
    return root


def test_yolo_boxes_and_outlines(tmp_path: Path) -> None:
    # 24 x 20 px: a box from x 6 to 12, y 5 to 15; an outline from x 6 to 12, y 5 to 10
    labels = {
        "0": "0 0.375 0.5 0.25 0.5\n", "1": "1 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5",
        "2": "", "3": "0 0.375 0.5 0.25 0.5 0.9\n\n", "4": "0 0.5 0.5",
    }  # fmt: skip
    root = yolo(tmp_path / "y", labels)
    (root / "data.yaml").write_text("nc: 2\nnames:\n  0: scratch\n  1: dent # deep\ntrain: x\n")
    items, said = read("yolo", root)
    assert {n: i.anomaly_type for n, i in items.items()} == {
        "images/0.png": "scratch", "images/1.png": "dent", "images/2.png": "good",
        "images/3.png": "scratch", "images/5.png": "good",
    }  # fmt: skip
    assert same(items["images/0.png"], 6, 5, 12, 15) and same(items["images/3.png"], 6, 5, 12, 15)
    assert same(items["images/1.png"], 6, 5, 13, 11)  # an outline's edge belongs to it
    assert "labels/4.txt is no YOLO label in line 1" in said
    assert fitting(root)[0][0].id == "yolo"
    chosen, _ = read("yolo", root, anomalies=("1",))
    assert [n for n, i in chosen.items() if i.label] == ["images/1.png"]
    with pytest.raises(UsageError, match="no class 'rust'"):
        read("yolo", root, anomalies=("rust",))


@pytest.mark.parametrize(
    ("images", "labels"), [("images/train", "labels/train"), ("train/images", "train/labels")]
)
def test_yolo_layouts_and_splits(tmp_path: Path, images: str, labels: str) -> None:
    root = yolo(tmp_path / "y", {"0": "0 0.5 0.5 1 1"}, images, labels)
    items, _ = read("yolo", root)
    assert items[f"{images}/0.png"].label == 1 and items[f"{images}/0.png"].split is None
    assert same(items[f"{images}/0.png"], 0, 0, 24, 20)
    items, said = read("yolo", root, splits=True)
    assert {n[-5:-4]: i.split for n, i in items.items()} == {"0": "test"} | dict.fromkeys(
        "12345", "train"
    )
    assert "anomalous but given for training" in said


def test_yolo_an_image_that_lies_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    root = yolo(tmp_path / "y", {"0": "0 0.25 0.5 0.5 1"})
    turned = Image.fromarray(noise(1))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(root / "images/0.png", exif=exif)
    mask = mask_of(read("yolo", root)[0]["images/0.png"])
    assert mask.shape == (24, 20) and mask[:, :10].all() and not mask[:, 10:].any()


@pytest.mark.parametrize(
    "text",
    ["names: [a, 'b c']", "names:\n- a\n- b c\nnc: 2", "x: 1\nnames:\n  0: a\n  1: \"b c\"\n",
     "names: {0: a, 1: b c}"],
)  # fmt: skip
def test_yolo_names_in_every_spelling(text: str) -> None:
    assert _yaml_names(text) == ("a", "b c")
    assert _yaml_names("nc: 3") == ()


# -- LabelMe ---------------------------------------------------------------------------------------


def bitmap(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ones((height, width), np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def labelme(root: Path, shapes: dict[str, Any], **more: Any) -> Path:
    """Images 0.png to 7.png, with JSON files beside those that have shapes."""
    for number in range(8):
        save(root / f"{number}.png", noise(number))
    for name, some in shapes.items():
        told = {
            "version": "5.5.0", "flags": {}, "shapes": some, "imagePath": f"{name}.png",
            "imageData": None, "imageHeight": 20, "imageWidth": 24,
        }  # fmt: skip
        (root / f"{name}.json").write_text(json.dumps(told | more))
    return root


def shape(kind: Any, points: Any, label: str = "scratch", **more: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": points, **more}


def test_labelme_shapes_become_masks(tmp_path: Path) -> None:
    root = labelme(
        tmp_path / "l",
        {
            "0": [shape("polygon", [[2, 3], [6, 3], [6, 8], [2, 8]])],
            "1": [shape("rectangle", [[6, 8], [2, 3]], "dent")],
            "2": [shape("circle", [[10, 10], [13, 10]])],
            "3": [shape("mask", [[5, 4], [8, 5]], mask=bitmap(4, 2))],
            "4": [shape("point", [[1, 1]])],
            "5": [],
            "6": [shape("mask", [[22, 19], [25, 20]], mask=bitmap(4, 2))],
        },
    )
    items, said = read("labelme", root)
    assert same(items["0.png"], 2, 3, 7, 9) and same(items["1.png"], 2, 3, 6, 8)
    assert same(items["3.png"], 5, 4, 9, 6)
    assert same(items["6.png"], 22, 19, 24, 20)  # what leaves the image is cut off
    rows, columns = np.mgrid[:20, :24] + 0.5
    assert np.array_equal(mask_of(items["2.png"]), np.hypot(rows - 10, columns - 10) <= 3)
    assert {n: i.anomaly_type for n, i in items.items()} == {
        "0.png": "scratch", "1.png": "dent", "2.png": "scratch", "3.png": "scratch",
        "4.png": "scratch", "5.png": "good", "6.png": "scratch", "7.png": "good",
    }  # fmt: skip
    assert items["4.png"].draw_mask is None and "4.png has a shape that has no area" in said
    assert fitting(root)[0][0].id == "labelme"
    chosen, _ = read("labelme", root, anomalies=("dent",))
    assert [n for n, i in chosen.items() if i.label] == ["1.png"]


def test_labelme_damaged_files_leave_their_image_out(tmp_path: Path) -> None:
    root = labelme(
        tmp_path / "l",
        {
            "0": "nonsense",
            "1": [shape("mask", [[5, 4], [8, 5]], mask="*" * 20)],
            "2": [shape("mask", [[5, 4]], mask=base64.b64encode(b"no image").decode())],
            "3": [shape("polygon", [[1, "x"]]), shape([], [[1, 2]])],
            "7": [shape("\ud800", [[1, 1]], "\ud800")],
        },
    )
    (root / "4.json").write_text("{")
    (root / "other.json").write_text('{"some": "thing"}')
    (root / "lone.json").write_text('{"shapes": [], "imagePath": "../../secret.png"}')
    items, said = read("labelme", root)
    assert set(items) == {f"{n}.png" for n in (1, 2, 3, 5, 6, 7)}
    for number, words in ((1, "not in base64"), (2, "not an image")):
        with pytest.raises(DataError, match=words):
            mask_of(items[f"{number}.png"])
    assert items["3.png"].label == 1 and items["3.png"].draw_mask is None
    said.encode()  # no halves of characters
    assert items["7.png"].anomaly_type == "?"
    assert "0.json holds no list of shapes" in said and "4.json is not JSON" in said
    assert "lone.json belongs to no image" in said and "other.json" not in said


def test_labelme_files_may_lie_apart_from_their_images(tmp_path: Path) -> None:
    root = labelme(tmp_path / "l", {"0": [shape("rectangle", [[2, 3], [6, 8]])]})
    (root / "json").mkdir()
    told = json.loads((root / "0.json").read_text()) | {"imagePath": "..\\3.png"}
    (root / "0.json").unlink()
    (root / "json/a.json").write_text(json.dumps(told))
    items, _ = read("labelme", root)
    assert [n for n, i in items.items() if i.label] == ["3.png"]


def test_labelme_a_bomb_is_refused_and_the_rest_imported(tmp_path: Path) -> None:
    from tests.data.trees import huge_png

    bomb = base64.b64encode(huge_png(tmp_path / "bomb.png").read_bytes()).decode()
    root = labelme(tmp_path / "l", {"0": [shape("mask", [[0, 0], [5, 5]], mask=bomb)]})
    dataset = bring_in(Workspace(tmp_path / "workspace"), root, "mine", "labelme")
    assert len(dataset.samples) == 8
    bad = next(s for s in dataset.samples if s.label)
    assert bad.key == "source/0.png" and bad.masks == ()
    assert any("million pixels" in problem.message for problem in dataset.problems)


# -- drawing ---------------------------------------------------------------------------------------


def test_regions_are_joined_cut_off_and_stamped() -> None:
    size = (24, 20)
    boxes = [Region("box", (-5.0, -5.0, 2.0, 2.0)), Region("box", (30.0, 30.0, 40.0, 40.0)),
             Region("box", (7.2, 3.7, 7.2, 3.7))]  # fmt: skip
    assert np.array_equal(draw(boxes, size), filled(0, 0, 2, 2) | filled(7, 3, 8, 4))
    assert not draw([], size).any()
    with pytest.raises(DataError, match="cannot be made"):
        draw(boxes, (100_000, 100_000))
    marks = {stamp(boxes, size), stamp(boxes[:1], size), stamp(boxes, (20, 24))}
    assert len(marks) == 3 and stamp(list(boxes), size) in marks


def test_yolo_good_images_first_do_not_hide_what_the_labels_are(tmp_path: Path) -> None:
    for number in range(60):
        save(tmp_path / f"images/{number:02d}.png", noise(number))
        label = tmp_path / f"labels/{number:02d}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 0.5 0.5 0.2 0.2\n" if number == 59 else "")
    assert IMPORTERS.get("yolo")().recognise(tmp_path)
