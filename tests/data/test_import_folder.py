"""Folders of images as people keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.images import decode
from core.data.importing.base import Item, fitting
from core.data.importing.folder import Folder, FolderOptions
from core.data.importing.folder_masks import image_stem
from core.data.importing.sound import checked
from core.data.layout import IMAGE_SUFFIXES, Findings
from tests.data.trees import block, mvtec, noise, save


def files(root: Path, *names: str) -> Path:
    """A folder with those images; masks where the name says so."""
    for number, name in enumerate(names):
        is_mask = any(word in name.lower() for word in ("mask", "truth", "_gt"))
        save(root / name, block() if is_mask else noise(number))
    return root


def read(root: Path, **changed: object) -> tuple[dict[str, Item], str]:
    """Items by name as suggested, but for what is changed, and what was said."""
    findings = Findings()
    options = Folder().suggest(root).model_copy(update=changed)
    items = checked(Folder().items(root, options, findings), findings, lambda *_: None)
    return {i.name: i for i in items}, "\n".join(p.message for p in findings.problems())


def kinds(items: dict[str, Item]) -> dict[str, str]:
    return {name: item.anomaly_type for name, item in items.items()}


def masks(items: dict[str, Item]) -> dict[str, tuple[str, ...]]:
    return {name: item.masks for name, item in items.items() if item.label}


def test_good_images_and_anything_else(tmp_path: Path) -> None:
    root = files(tmp_path / "parts", "OK/1.png", "scratch/1.png", "dent/deep/1.png")
    items, said = read(root)
    assert kinds(items) == {
        "OK/1.png": "good", "scratch/1.png": "scratch", "dent/deep/1.png": "dent / deep",
    }  # fmt: skip
    assert {(i.class_name, i.split) for i in items.values()} == {("parts", None)}
    assert "None of the 2 anomalous images has a mask" in said
    assert Folder().suggest(root).normal == ("ok",)


def test_a_flat_folder_of_photographs_is_all_good_and_said_so(tmp_path: Path) -> None:
    root = files(tmp_path / "photos", "a.png", "b.png")
    items, said = read(root)
    assert kinds(items) == {"a.png": "good", "b.png": "good"}
    assert said.count("count as good") == 1 and "nothing here tests" in said
    by_day = files(tmp_path / "days", "monday/a.png", "tuesday/a.png")
    assert set(kinds(read(by_day)[0]).values()) == {"good"}
    assert Folder().suggest(by_day).others == "good"
    faulty = files(tmp_path / "faulty", "monday/a.png", "defect/a.png")
    assert Folder().suggest(faulty).others == "anomalous"


def test_photographs_beside_a_folder_of_defects_are_good(tmp_path: Path) -> None:
    items, _ = read(files(tmp_path / "photos", "a.png", "b.png", "broken/c.png"))
    assert kinds(items) == {"a.png": "good", "b.png": "good", "broken/c.png": "broken"}
    items, said = read(files(tmp_path / "more", "a.png", "good/b.png", "broken/c.png"))
    assert set(items) == {"good/b.png", "broken/c.png"}
    assert "a.png" in said and "no folder says" in said


def test_masks_pair_by_folder_and_stem_in_every_place(tmp_path: Path) -> None:
    root = files(
        tmp_path / "p", "good/1.png", "scratch/1.png", "scratch/2.png", "scratch/3.png",
        "dent/1.png", "hole/9.png", "hole/10.png",
        "scratch/masks/1.png", "scratch/2_mask.png", "ground_truth/scratch/3_GT.bmp",
        "ground_truth/dent/1/a.png", "ground_truth/dent/1/b.png",  # several, in a folder
        "masks/9.png",  # beside, for all kinds
    )  # fmt: skip
    items, said = read(root)
    assert set(items) == {
        "good/1.png", "scratch/1.png", "scratch/2.png", "scratch/3.png", "dent/1.png",
        "hole/9.png", "hole/10.png",
    }  # fmt: skip
    assert masks(items) == {
        "scratch/1.png": ("scratch/masks/1.png",), "scratch/2.png": ("scratch/2_mask.png",),
        "scratch/3.png": ("ground_truth/scratch/3_GT.bmp",),
        "dent/1.png": ("ground_truth/dent/1/a.png", "ground_truth/dent/1/b.png"),
        "hole/9.png": ("masks/9.png",), "hole/10.png": (),
    }  # fmt: skip
    assert "hole/10.png has no mask" in said and "no image" not in said
    assert masks(read(root, masks=False)[0]) == dict.fromkeys(masks(items), ())


def test_a_mask_is_never_an_image_nor_anothers(tmp_path: Path) -> None:
    root = files(
        tmp_path / "p", "good/1.png", "scratch/1.png", "dent/1.png", "masks/1.png",
        "scratch/77_mask.png", "masks/88.png",
    )  # fmt: skip
    items, said = read(root)
    assert set(items) == {"good/1.png", "scratch/1.png", "dent/1.png"}
    assert masks(items) == {"scratch/1.png": (), "dent/1.png": ()}  # it could be either's
    assert "masks/1.png could be the mask of dent/1.png and of scratch/1.png" in said
    assert "2 files are masks by their name or folder" in said


@pytest.mark.parametrize(
    ("name", "stem"),
    [("7.png", "7"), ("7_mask.png", "7"), ("a/7_GT.BMP", "7"), ("7.jpg.png", "7"),
     ("7-mask.tif", "7"), ("_mask.png", "_mask"), ("7_mask_2.png", "7_mask_2"), ("7.5.png", "7.5")],
)  # fmt: skip
def test_the_stem_a_mask_belongs_to(name: str, stem: str) -> None:
    assert image_stem(name) == stem


def test_only_masks_tell_what_is_anomalous(tmp_path: Path) -> None:
    root = files(tmp_path / "p", "images/1.png", "images/2.png", "images/3.png", "masks/1.png")
    save(root / "masks/2.png", np.zeros((20, 24), np.uint8))
    (root / "masks/3.png").write_bytes(b"no image")
    items, _ = read(root)
    assert kinds(items) == {
        "images/1.png": "anomaly", "images/2.png": "good", "images/3.png": "anomaly",
    }  # fmt: skip


def test_top_folders_are_classes_where_good_lies_below_them(tmp_path: Path) -> None:
    root = files(
        tmp_path / "p", "bolt/good/1.png", "bolt/crack/1.png", "nut/normal/1.png", "nut/loose.png",
        "bolt/crack/masks/1.png",
    )  # fmt: skip
    items, said = read(root)
    assert {n: (i.class_name, i.anomaly_type) for n, i in items.items()} == {
        "bolt/good/1.png": ("bolt", "good"), "bolt/crack/1.png": ("bolt", "crack"),
        "nut/normal/1.png": ("nut", "good"),
    }  # fmt: skip
    assert masks(items) == {"bolt/crack/1.png": ("bolt/crack/masks/1.png",)}
    assert "nut/loose.png" in said
    one, _ = read(root, classes="one", class_name="metal")
    assert one["bolt/crack/1.png"].anomaly_type == "bolt / crack"
    assert {i.class_name for i in one.values()} == {"metal"}


def test_train_test_and_val_are_splits_where_there_are_both(tmp_path: Path) -> None:
    root = files(
        tmp_path / "p", "train/1.png", "test/ok/1.png", "test/crack/1.png", "val/ok/1.png",
        "test/loose.png", "train/masks/no.png",
    )  # fmt: skip
    items, said = read(root)
    assert {n: (i.split, i.anomaly_type) for n, i in items.items()} == {
        "train/1.png": ("train", "good"), "test/ok/1.png": ("test", "good"),
        "test/crack/1.png": ("test", "crack"), "val/ok/1.png": ("calibration", "good"),
    }  # fmt: skip
    assert "test/loose.png" in said
    assert {i.split for i in read(root, splits=False)[0].values()} == {None}
    trains = files(tmp_path / "t", "train/good/1.png", "car/good/1.png")  # of the railway
    assert {i.class_name for i in read(trains)[0].values()} == {"train", "car"}


def test_an_mvtec_tree_is_read_as_it_is_meant(tmp_path: Path) -> None:
    items, _ = read(mvtec(tmp_path / "m"))
    assert len(items) == 16
    crack = items["bolt/test/crack/001.png"]
    assert (crack.class_name, crack.split, crack.anomaly_type) == ("bolt", "test", "crack")
    assert crack.masks == ("bolt/ground_truth/crack/001_mask.png",)


def test_what_the_source_is_recognised_by(tmp_path: Path) -> None:
    root = files(tmp_path / "p", "good/1.png", "bad/1.png")
    assert [one.id for one, _ in fitting(root)] == ["folder"]
    assert fitting(root)[0][1] == "A folder of images, with folders bad, good."
    (tmp_path / "empty").mkdir()
    assert fitting(tmp_path / "empty") == []


def test_other_files_are_named_once_and_options_are_as_documented(tmp_path: Path) -> None:
    root = files(tmp_path / "p", "good/1.png", "Praxis/1.png")
    (root / "read me.txt").write_text("x")
    _, said = read(root)
    assert "1 files are no images by their name, such as read me.txt" in said
    items, _ = read(root, normal=("PRAXIS", "good"))
    assert kinds(items) == {"good/1.png": "good", "Praxis/1.png": "good"}
    assert all(field.description for field in FolderOptions.model_fields.values())


def test_every_suffix_that_counts_as_an_image_is_decoded(tmp_path: Path) -> None:
    Image.init()
    plain = Image.fromarray(noise(1))
    for suffix in sorted(IMAGE_SUFFIXES):
        path = tmp_path / f"a{suffix}"
        kind = Image.EXTENSION.get(suffix, "PNG")
        image = plain.convert("1") if suffix == ".pbm" else plain
        more = {"lossless": True} if kind == "WEBP" else {}
        image.save(path, kind, **more)
        found = decode(path, path.name).image
        assert found.size == (24, 20) and found.mode in ("L", "RGB"), suffix
    many = [Image.fromarray(noise(n)).quantize(8) for n in range(3)]
    many[0].save(tmp_path / "many.gif", save_all=True, append_images=many[1:])
    first = decode(tmp_path / "many.gif", "many.gif").image
    assert np.array_equal(np.asarray(first), np.asarray(many[0].convert("RGB")))
