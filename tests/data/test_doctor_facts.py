"""Facts of images and masks: exact values, an independent DCT, what is remembered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from core.data.base import Dataset, DatasetCard
from core.data.doctor import facts as facts_module
from core.data.doctor.facts import collect, measure
from core.data.doctor.signatures import phash
from core.types import Sample
from core.workspace import Workspace
from tests.data.trees import block, huge_png, noise, save


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def dataset(root: Path, *samples: Sample, **more: Any) -> Dataset:
    return Dataset(
        "d", root, "mvtec_folder", "", DatasetCard(title="", summary=""), samples, **more
    )


def normal(key: str) -> Sample:
    return Sample(key=key, class_name="c", split="train", label=0)


def anomalous(key: str, *masks: str) -> Sample:
    return Sample(
        key=key, class_name="c", split="test", label=1, anomaly_type="dent", masks=masks
    )  # fmt: skip


def encoded(path: Path, values: Any, **options: Any) -> dict[str, Any]:
    return measure(save(path, values, **options).read_bytes())


def test_the_hash_is_the_sign_of_low_frequencies() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        grey = random.uniform(0, 255, (32, 32)).astype(np.float32)
        low = dctn(grey.astype(np.float64), type=2)[:8, :8].ravel()
        median = np.median(low[1:])
        expected = sum(1 << bit for bit in range(1, 64) if low[bit] > median)
        assert int(phash(grey)) == expected


def test_brightness_contrast_and_sharpness_by_hand(tmp_path: Path) -> None:
    even = encoded(tmp_path / "even.png", np.full((128, 128), 51, np.uint8))
    assert (even["brightness"], even["contrast"], even["sharpness"]) == (pytest.approx(0.2), 0, 0)
    # columns 0, 100, 0, 100: the Laplacian is +200 on the dark ones, -200 on the bright ones
    stripes = np.tile(np.array([0, 100], np.uint8), (128, 64))
    row = encoded(tmp_path / "stripes.png", stripes)
    assert row["brightness"] == pytest.approx(50 / 255)
    assert row["contrast"] == pytest.approx(50 / 255)
    assert row["sharpness"] == pytest.approx(200**2)
    soft = encoded(tmp_path / "soft.png", np.repeat(np.repeat(noise(1, 16, 16), 40, 0), 40, 1))
    hard = encoded(tmp_path / "hard.png", noise(1, 640, 640))
    assert 0 < soft["sharpness"] < 20_000 and hard["brightness"] == pytest.approx(0.5, abs=0.01)


def test_size_mode_format_and_kind(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(tmp_path / "a.jpg", noise(1, 300, 200), exif=exif)
    assert (turned["width"], turned["height"]) == (200, 300)
    assert (turned["stored_width"], turned["stored_height"], turned["format"]) == (300, 200, "JPEG")
    deep = encoded(tmp_path / "b.png", np.full((20, 30), 65_535, np.uint16))
    assert (deep["kind"], deep["mode"], deep["brightness"]) == ("16-bit grey", "I;16", 1)
    clear = encoded(tmp_path / "c.png", np.zeros((8, 9, 4), np.uint8))
    assert (clear["kind"], clear["width"], clear["height"]) == ("with alpha", 9, 8)
    Image.new("CMYK", (20, 20)).save(tmp_path / "d.jpg")
    cmyk = measure((tmp_path / "d.jpg").read_bytes())
    assert (cmyk["mode"], cmyk["kind"], cmyk["reason"]) == ("CMYK", "CMYK", "")


def test_a_turned_image_has_the_hash_of_what_it_shows(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(noise(3, 6, 5, 1)).resize((600, 500), 3))
    upright = encoded(tmp_path / "upright.png", smooth)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    turned = encoded(tmp_path / "turned.png", np.rot90(smooth).copy(), exif=exif)
    assert turned["phash"] == upright["phash"]


def test_what_cannot_be_used_has_a_sentence(tmp_path: Path, place: Workspace) -> None:
    whole = save(tmp_path / "d/whole.jpg", noise(1, 400, 400)).read_bytes()
    (tmp_path / "d/half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d/text.png").write_text("no image")
    huge_png(tmp_path / "d/huge.png")
    save(tmp_path / "d/float.tiff", np.zeros((9, 9), np.float32))
    names = ("whole.jpg", "half.jpg", "text.png", "huge.png", "float.tiff", "gone.png", "../x.png")
    found = collect(dataset(tmp_path / "d", *map(normal, names)), place)
    words = (
        "",
        "truncated",
        "not an image",
        "million pixels",
        "floating-point",
        "not",
        "leads out",
    )
    for name, word in zip(names, words, strict=True):
        said = found.loc[name, "error"]
        assert (said == "") == (word == "") and word in said, name
        assert word == "" or name in said
    assert list(found.index) == list(names)


def test_masks_at_their_own_size(tmp_path: Path, place: Workspace) -> None:
    home = tmp_path / "d"
    masks = np.zeros((40, 50), np.uint8)
    masks[2:4, 10:20] = 1  # 20 px, its corner touches the next: one region of 24
    masks[4:6, 20:22] = 7
    masks[30, 40] = 1
    save(home / "m/two.png", masks)
    cases = {
        "ok.png": masks, "empty.png": masks * 0, "full.png": masks * 0 + 255,
        "small.png": block(), "bilevel.png": masks > 0,
    }  # fmt: skip
    samples = []
    for number, (name, mask) in enumerate(cases.items()):
        save(home / name, noise(number, 50, 40))
        save(home / "m" / name, mask)
        samples.append(anomalous(name, f"m/{name}"))
    for number, masks_of in enumerate(((), ("m/none.png",), ("m/ok.png", "m/small.png"))):
        save(home / f"{number}.png", noise(50 + number, 50, 40))
        samples.append(anomalous(f"{number}.png", *masks_of))
    found = collect(dataset(home, *samples), place)
    assert found["mask_state"].tolist() == [
        "ok", "empty", "full", "size", "ok", "none", "missing", "unreadable",
    ]  # fmt: skip
    ok = found.loc["ok.png"]
    assert (ok["regions"], ok["area_px"], ok["smallest_px"], ok["largest_px"]) == (2, 25, 1, 24)
    assert list(ok["areas"]) == [24, 1] and ok["area_share"] == 25 / 2000
    assert (ok["mask_values"], ok["mask_min"], ok["mask_max"]) == (2, 1, 7)
    assert ok["mask_faint"] == 21 / 25
    assert (ok["mask_width"], ok["mask_height"]) == (50, 40)
    assert (ok["centre_x"], ok["centre_y"]) == ((10 + 41) / 2 / 50, (2 + 31) / 2 / 40)
    bilevel = found.loc["bilevel.png"]
    assert (bilevel["mask_values"], bilevel["mask_min"], bilevel["mask_max"]) == (1, 255, 255)
    assert math.isnan(found.loc["empty.png"]["centre_x"])
    assert "differs from another mask" in found.loc["2.png"]["mask_reason"]


def test_only_what_changed_is_looked_at_again(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "d"
    samples = [normal(f"{i}.png") for i in range(4)] + [anomalous("bad.png", "mask.png")]
    for number, sample in enumerate(samples):
        save(home / sample.key, noise(number))
    save(home / "mask.png", block())
    looked: list[int] = []

    def counting(data: bytes) -> dict[str, Any]:
        looked.append(len(data))
        return measure(data)

    monkeypatch.setattr(facts_module, "measure", counting)
    first = collect(dataset(home, *samples), place)
    again = collect(dataset(home, *samples), place)
    assert len(looked) == 5
    assert first.drop(columns="areas").equals(again.drop(columns="areas"))
    assert [list(a) for a in first["areas"]] == [list(a) for a in again["areas"]]
    save(home / "1.png", noise(99))
    save(home / "mask.png", block()[::-1])
    (home / "0.png").rename(home / "renamed.png")
    moved = [normal("renamed.png"), *samples[1:]]
    third = collect(dataset(home, *moved), place)
    assert len(looked) == 7  # the changed image, and the one whose mask changed
    assert third.loc["renamed.png", "phash"] == first.loc["0.png", "phash"]
    assert third.loc["1.png", "sha256"] != first.loc["1.png", "sha256"]
    assert third.loc["bad.png", "centre_y"] == pytest.approx(1 - first.loc["bad.png", "centre_y"])


def test_what_was_looked_at_is_kept_when_it_is_stopped(tmp_path: Path, place: Workspace) -> None:
    home = tmp_path / "d"
    samples = [normal(f"{i}.png") for i in range(3)]
    for number, sample in enumerate(samples):
        save(home / sample.key, noise(number))

    def stop(fraction: float, message: str) -> None:
        assert (fraction, message) == (1.0, "3 of 3 images looked at")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(dataset(home, *samples), place, stop)
    stored = list((place.root / "cache/doctor/facts").glob("*.parquet"))
    assert len(stored) == 1
    stored[0].write_bytes(b"torn")  # everything is looked at again
    assert collect(dataset(home, *samples), place)["error"].tolist() == [""] * 3


def test_a_manifest_reaches_its_source(tmp_path: Path, place: Workspace) -> None:
    from core.data.catalogue import open_dataset
    from tests.data.trees_manifest import brought

    opened = open_dataset(str(brought(tmp_path / "own")), place)
    found = collect(opened, place)
    assert (found["error"] == "").all() and opened.reader == "manifest"
    assert found["regions"].sum() == 2
