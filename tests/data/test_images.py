"""Decoding: every file mode, EXIF rotation, broken and oversized files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import images
from core.data.images import Unreadable, read_image, read_mask
from core.errors import DataError
from tests.data import trees

EXIF_ORIENTATION = 0x0112


def test_sixteen_bit_grey_is_scaled_by_the_type_not_the_image(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 257], [32768, 1000, 65407, 65535]], dtype=np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(levels).save(path)
    expected = np.rint(levels / 65535 * 255).astype(np.uint8)
    assert np.array_equal(np.asarray(read_image(path))[..., 0], expected)
    assert images.decode(path, "deep").kind == "16-bit grey"


def test_a_dark_sixteen_bit_tiff_stays_dark(tmp_path: Path) -> None:
    path = tmp_path / "dark.tif"
    Image.fromarray(np.full((4, 4), 4095, dtype=np.uint16)).save(path)
    assert np.unique(np.asarray(read_image(path))).tolist() == [16]  # 4095 / 257 = 15.9


def test_palette_images_give_colours_and_palette_masks_indices(tmp_path: Path) -> None:
    indexed = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), mode="P")
    indexed.putpalette([9, 8, 7, 0, 0, 0, 0, 200, 0])  # index 0 is not black, index 1 is
    path = tmp_path / "indexed.png"
    indexed.save(path)
    assert np.asarray(read_image(path))[0, 0].tolist() == [9, 8, 7]
    assert read_mask(path).tolist() == [[False, True], [True, True]]


def test_cmyk_becomes_rgb_and_a_black_cmyk_mask_marks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "print.tif"
    ink = np.zeros((4, 4, 4), dtype=np.uint8)
    ink[..., 3] = 255
    ink[0, 0] = 0  # no ink: white
    Image.fromarray(ink, mode="CMYK").save(path)
    assert np.asarray(read_image(path))[0, 0].tolist() == [255, 255, 255]
    assert read_mask(path).sum() == 1 and read_mask(path)[0, 0]


def test_alpha_is_dropped_from_images_and_ignored_in_masks(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[0, 0] = [10, 20, 30, 0]  # transparent, yet it keeps its colour
    pixels[1, 1] = [0, 0, 0, 255]
    path = tmp_path / "alpha.png"
    Image.fromarray(pixels).save(path)
    assert np.asarray(read_image(path))[0, 0].tolist() == [10, 20, 30]
    assert read_mask(path).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_masks_of_every_mode_mark_the_same_pixels(tmp_path: Path, mode: str) -> None:
    wanted = trees.block() > 0
    path = tmp_path / "mask.png"
    if mode == "I;16":
        Image.fromarray(wanted.astype(np.uint16)).save(path)
    elif mode == "P":
        Image.fromarray(wanted.astype(np.uint8), mode="P").save(path)
    else:
        Image.fromarray(trees.block()).convert(mode).save(path)
    assert np.array_equal(read_mask(path), wanted)


@pytest.mark.parametrize("value", [1, 9, 128, 253, 255])
def test_any_value_but_zero_is_anomalous(tmp_path: Path, value: int) -> None:
    path = trees.save(tmp_path / "mask.png", trees.block(value=value))
    assert read_mask(path).sum() == 64


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_makes_the_image_upright(tmp_path: Path, orientation: int) -> None:
    """Each orientation by its definition: where row 0 and column 0 of the file belong."""
    upright = trees.noise(1, width=6, height=4)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path = trees.save(tmp_path / "turned.png", np.ascontiguousarray(stored), exif=exif)
    assert np.array_equal(np.asarray(read_image(path)), upright)


def test_a_mask_is_turned_only_when_it_fits_the_stored_image() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[0, 5] = True
    assert images.fit_mask(mask, (6, 4), (4, 6), 6) is mask  # drawn on the upright image
    turned = images.fit_mask(mask, (4, 6), (6, 4), 6)  # drawn on the file's own pixels
    assert turned is not None and np.argwhere(turned).tolist() == [[5, 3]]
    assert images.fit_mask(mask, (5, 5), (5, 5), 1) is None


def test_broken_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    whole = trees.save(tmp_path / "whole.jpg", trees.noise(1, 64, 64)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "none.png").touch()
    trees.huge_png(tmp_path / "huge.png")
    for name, words in {
        "cut.jpg": "cannot be decoded",
        "text.png": "not an image",
        "none.png": "not an image",
        "huge.png": "million pixels",
        "gone.png": "not there",
    }.items():
        for read in (read_image, read_mask):
            with pytest.raises(DataError, match=words) as caught:
                read(tmp_path / name)
            assert name in str(caught.value) and "; " in str(caught.value)


def test_values_of_unknown_range_are_refused_as_images_not_as_masks(tmp_path: Path) -> None:
    path = trees.save(tmp_path / "float.tif", trees.block().astype(np.float32))
    with pytest.raises(Unreadable, match="unknown range"):
        read_image(path)
    assert read_mask(path).sum() == 64


def test_squash_matches_pillow_on_rgb_and_grey_repeats_its_channel() -> None:
    colour = Image.fromarray(trees.noise(3, 50, 31))
    expected = np.asarray(colour.resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(images.squash(colour, 16), expected.transpose(2, 0, 1))
    grey = colour.convert("L")
    assert np.array_equal(images.squash(grey, 16), images.squash(grey.convert("RGB"), 16))


def test_a_mask_pixel_counts_from_half_coverage() -> None:
    """2 -> 1 with bilinear antialiasing weighs both pixels alike: one of two is one half."""
    assert images.squash_mask(np.array([[True, False]]), (1, 1)).all()
    quarter = np.array([[True, False], [False, False]])
    assert not images.squash_mask(quarter, (1, 1)).any()


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    path = trees.save(tmp_path / "dot.png", np.array([[[3, 4, 5]]], dtype=np.uint8))
    assert images.squash(read_image(path), 8)[:, 7, 7].tolist() == [3, 4, 5]
