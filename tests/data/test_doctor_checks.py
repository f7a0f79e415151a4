"""Every check on a generated set with its fault, exact numbers and keys; and on a clean one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.base import READERS
from core.data.doctor.base import CHECKS
from core.data.doctor.small_defects import size_that_keeps
from tests.data.doctor_sets import changed, clean, findings, made, only, picture
from tests.data.trees import block, save

TRAIN = [f"bolt/train/good/{i:03d}.png" for i in range(20)]
GOOD = [f"bolt/test/good/{i:03d}.png" for i in range(12)]
DENT = [f"bolt/test/dent/{i:03d}.png" for i in range(12)]
MASK = [f"bolt/ground_truth/dent/{i:03d}.png" for i in range(12)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_a_clean_set_has_no_finding(root: Path) -> None:
    assert findings(clean(root, ("bolt", "nut"))) == []
    assert set(CHECKS.ids()) == {
        "unreadable", "size", "mode", "mask_missing", "mask_empty", "mask_full", "mask_size",
        "mask_unreadable", "mask_values", "label_folder", "duplicates", "near_duplicates",
        "specimen", "contaminated", "imbalance", "too_few", "brightness", "sharpness",
        "small_defects",
    }  # fmt: skip


def test_unreadable(root: Path) -> None:
    dataset = clean(root)
    whole = (root / TRAIN[3]).read_bytes()
    (root / TRAIN[3]).write_bytes(whole[: len(whole) // 2])
    (root / DENT[2]).unlink()
    found = only(dataset, "unreadable")
    assert (found.severity, found.title) == ("error", "2 images cannot be read")
    assert found.keys == found.fix_keys == (TRAIN[3], DENT[2]) and found.action == "exclude"


def test_size_where_all_are_alike(root: Path) -> None:
    dataset = clean(root)
    save(root / TRAIN[5], picture(5, 65, 48))
    found = only(dataset, "size")
    assert (found.severity, found.keys, found.action) == ("note", (TRAIN[5],), None)
    assert found.title == "1 image has another size than its class"
    assert "65x48 px; bolt usually has 64x48 px" in found.detail
    save(root / TRAIN[6], picture(6, 200, 48))  # aspect three times as wide
    found = only(dataset, "size")
    assert (found.severity, found.keys) == ("warning", (TRAIN[6], TRAIN[5]))
    assert found.fix_keys == found.keys


def test_size_where_all_differ(root: Path) -> None:
    dataset = clean(root)
    for number, key in enumerate((*TRAIN, *GOOD)):
        save(root / key, picture(number, 64 + 7 * number % 32, 48 + 7 * number % 32))
    assert findings(dataset) == []
    save(root / TRAIN[0], picture(0, 640, 480))  # ten times the side
    assert only(dataset, "size").keys == (TRAIN[0],)


def test_mode(root: Path) -> None:
    dataset = clean(root)
    grey = Image.open(root / GOOD[1]).convert("RGB")
    grey.save(root / GOOD[1])
    found = only(dataset, "mode")
    assert (found.severity, found.keys, found.action) == ("note", (GOOD[1],), None)
    coloured = np.asarray(grey).copy()
    coloured[..., 0] //= 2
    save(root / GOOD[1], coloured)
    found = only(dataset, "mode")
    assert (found.severity, found.keys, found.fix_keys) == ("warning", (GOOD[1],), (GOOD[1],))
    assert "(colour)" in found.title and "bolt is grey" in found.detail


def test_mask_missing(root: Path) -> None:
    dataset = changed(clean(root), DENT[0], masks=())
    (root / MASK[1]).unlink()
    found = only(dataset, "mask_missing")
    assert (found.severity, found.keys) == ("warning", (DENT[0], DENT[1]))
    none = replace(dataset, samples=tuple(replace(s, masks=()) for s in dataset.samples))
    found = only(none, "mask_missing")
    assert (found.severity, found.count) == ("note", 12)


def test_mask_empty_full_and_of_another_size(root: Path) -> None:
    dataset = clean(root)
    save(root / MASK[0], block(64, 48) * 0)
    save(root / MASK[1], block(64, 48) * 0 + 255)
    save(root / MASK[2], block(32, 24))
    (root / MASK[3]).write_text("no image")
    found = {one.check: one for one in findings(dataset)}
    assert {check: one.keys for check, one in found.items()} == {
        "mask_empty": (DENT[0],), "mask_full": (DENT[1],), "mask_size": (DENT[2],),
        "mask_unreadable": (DENT[3],),
    }  # fmt: skip
    assert {one.severity for one in found.values()} == {"warning"}
    assert "32x24 px, the image 64x48 px" in found["mask_size"].detail
    assert found["mask_empty"].fix_keys == (DENT[0],) and found["mask_size"].action is None


def test_mask_values(root: Path) -> None:
    dataset = clean(root)
    save(root / MASK[4], block(64, 48, 1))
    save(root / MASK[5], block(64, 48, 128))
    found = only(dataset, "mask_values")
    assert (found.severity, found.keys) == ("note", (DENT[4], DENT[5]))
    assert "values from 1 to 128, at most 1 in one mask" in found.detail
    for mask in (MASK[4], MASK[5]):
        save(root / mask, block(64, 48))
    smooth = Image.fromarray(block(16, 12)).resize((64, 48), Image.Resampling.BICUBIC)
    save(root / MASK[6], np.asarray(smooth))
    found = only(dataset, "mask_values")
    assert (found.severity, found.keys) == ("warning", (DENT[6],))


def test_label_and_folder(root: Path) -> None:
    dataset = clean(root)
    (root / "bolt/OK").mkdir()
    (root / "bolt/ng").mkdir()
    (root / DENT[0]).rename(root / "bolt/OK/dent.png")
    (root / TRAIN[0]).rename(root / "bolt/ng/good.png")
    dataset = changed(dataset, DENT[0], key="bolt/OK/dent.png")
    dataset = changed(dataset, TRAIN[0], key="bolt/ng/good.png")
    found = only(dataset, "label_folder")
    assert set(found.keys) == {"bolt/OK/dent.png", "bolt/ng/good.png"}
    assert (found.severity, found.action) == ("warning", "exclude")
    found = only(replace(dataset, card=READERS.get("real_iad").card), "label_folder")
    assert (found.severity, found.action, found.count) == ("note", None, 2)


def test_a_class_may_be_called_ok(root: Path) -> None:
    assert findings(clean(root, ("ok",))) == []


def test_duplicates_across(root: Path) -> None:
    dataset = clean(root)
    for test, train in ((GOOD[0], TRAIN[1]), (GOOD[1], TRAIN[2]), (DENT[0], DENT[1])):
        (root / test).write_bytes((root / train).read_bytes())
    across, within = findings(dataset)
    assert across.title == "2 test images stand in training, too"
    assert (across.check, across.severity) == ("duplicates", "warning")
    assert set(across.groups) == {(GOOD[0], TRAIN[1]), (GOOD[1], TRAIN[2])}
    assert across.fix_keys == (TRAIN[1], TRAIN[2]) and across.action == "exclude"
    assert (within.severity, within.title) == ("note", "1 test image repeats another one")
    assert within.groups == ((DENT[0], DENT[1]),) and within.fix_keys == (DENT[1],)


def test_duplicates_that_would_cost_half_of_training(root: Path) -> None:
    dataset = clean(root)
    for test, train in zip(GOOD, TRAIN[:12], strict=True):
        (root / test).write_bytes((root / train).read_bytes())
    found = findings(dataset)[0]
    assert found.check == "duplicates" and found.fix_keys == tuple(GOOD)


def test_duplicates_of_both_labels(root: Path) -> None:
    dataset = clean(root)
    (root / DENT[0]).write_bytes((root / TRAIN[1]).read_bytes())
    found = only(dataset, "duplicates")
    assert found.severity == "error" and set(found.keys) == {DENT[0], TRAIN[1]}
    assert found.action is None


def test_near_duplicates(root: Path) -> None:
    dataset = clean(root)
    image = Image.open(root / TRAIN[7])
    image.save(root / "copy.jpg", quality=60)
    image.point(lambda value: round(value * 0.9)).resize((96, 72)).save(root / "dark.png")
    samples = [*dataset.samples]
    samples += [replace(samples[-1], key="copy.jpg", label=0, masks=(), anomaly_type="good")]
    across = only(made(root, samples), "near_duplicates")
    assert across.title == "1 test image is nearly the same picture as a training image"
    assert across.keys == ("copy.jpg", TRAIN[7]) and across.fix_keys == (TRAIN[7],)
    samples[-1] = replace(samples[0], key="dark.png")
    found = findings(made(root, samples))
    assert [one.check for one in found] == ["near_duplicates", "size"]
    assert found[0].severity == "note" and set(found[0].keys) == {TRAIN[7], "dark.png"}
    assert found[0].title == "1 training image nearly repeats another one"


def test_parts_under_a_fixed_camera_are_no_duplicates(root: Path) -> None:
    """Drawings of one and the same part, each with faint marks of its own."""
    dataset = clean(root)
    part = picture(1).astype(float)
    for number, key in enumerate((*TRAIN, *GOOD, *DENT)):
        save(
            root / key,
            (part + 0.06 * (picture(5000 + number) - 120.0)).clip(0, 255).astype(np.uint8),
        )
    assert findings(dataset) == []


def test_specimen(root: Path) -> None:
    dataset = clean(root)
    for key in (TRAIN[0], TRAIN[1], GOOD[0]):
        dataset = changed(dataset, key, specimen="7")
    for key in (TRAIN[2], TRAIN[3]):
        dataset = changed(dataset, key, specimen="8")
    found = only(dataset, "specimen")
    assert found.title == "1 part or patient has images both in training and in test"
    assert found.groups == ((GOOD[0], TRAIN[0], TRAIN[1]),)
    assert found.fix_keys == (TRAIN[0], TRAIN[1])
    for key in TRAIN:
        dataset = changed(dataset, key, specimen="7")
    assert only(dataset, "specimen").action is None


def test_contaminated(root: Path) -> None:
    dataset = clean(root)
    (root / TRAIN[4]).rename(root / "bolt/train/new.png")
    dataset = changed(
        dataset, TRAIN[4], key="bolt/train/new.png", label=1, anomaly_type="dent", masks=(MASK[0],)
    )
    found = only(dataset, "contaminated")
    assert (found.severity, found.keys) == ("error", ("bolt/train/new.png",))
    assert (found.action, found.split, found.fix_keys) == ("move", "test", found.keys)
    found = only(replace(dataset, contaminated="A tenth is meant to be there."), "contaminated")
    assert (found.severity, found.detail) == ("note", "A tenth is meant to be there.")


def test_imbalance(root: Path) -> None:
    dataset = clean(root, ("bolt", "nut"), train=10)
    extra = []
    for i in range(90):
        key = f"bolt/train/good/more-{i}.png"
        save(root / key, picture(9000 + i))
        extra.append(replace(dataset.samples[0], key=key))
    assert findings(made(root, [*dataset.samples, *extra[:89]])) == []
    found = only(made(root, [*dataset.samples, *extra]), "imbalance")
    assert found.severity == "note" and found.keys == ()
    assert found.title == "1 class has ten times fewer training images than bolt"


def test_too_few(root: Path) -> None:
    dataset = clean(root)
    gone = {*TRAIN[9:], *GOOD[9:], *DENT[9:]}
    found = findings(made(root, [s for s in dataset.samples if s.key not in gone]))
    assert [one.title for one in found] == [
        f"1 class has fewer than 10 {what}"
        for what in ("training images", "normal test images", "anomalous test images")
    ]
    assert found[0].detail.startswith("bolt 9.")


def test_brightness(root: Path) -> None:
    dataset = clean(root)
    for number, key in enumerate(GOOD):
        save(root / key, picture(300 + number, level=190))
    found = only(dataset, "brightness")
    assert found.title == "12 normal test images of bolt are brighter than the training images"
    assert set(found.keys) == set(GOOD) and found.severity == "warning"


def test_sharpness(root: Path) -> None:
    dataset = clean(root)
    random = np.random.default_rng(0)
    for number, key in enumerate(GOOD):
        rough = picture(300 + number) + random.normal(0, 12, (48, 64))
        save(root / key, rough.clip(0, 255).astype(np.uint8))
    found = only(dataset, "sharpness")
    assert found.title == "12 normal test images of bolt are sharper than the training images"


def test_small_defects(root: Path) -> None:
    """Blocks of 64 of 64 x 48 px keep 64 / 3072 s^2 pixels: 4 at s = 13.9; dots of 6 at 45.3."""
    dataset = clean(root)
    for mask in MASK[:2]:
        dots = np.zeros((48, 64), np.uint8)
        dots[10:12, 10:13] = 255
        dots[40, 40] = 255  # one pixel: nothing a size could keep
        save(root / mask, dots)
    found = only(dataset, "small_defects", size=32)
    assert found.title == "2 defect regions vanish at 32 px" and found.severity == "warning"
    assert set(found.keys) == {DENT[0], DENT[1]}
    assert "2 of 12 regions (16.7%)" in found.detail and "2 regions of fewer than 4" in found.detail
    assert found.remedy == "Choose a size of 64 px: it keeps 95% of the regions."
    assert findings(dataset, size=64) == []


def test_the_size_that_keeps_most() -> None:
    shares = [4 / 100**2] + [4 / 50**2] * 19  # one in twenty may go
    assert size_that_keeps(shares) == 64
    assert size_that_keeps(shares[:10]) == 128
    assert size_that_keeps([4 / 64**2] * 5) == 64
