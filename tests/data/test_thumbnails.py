"""Pictures for the pages: sizes, aspect, the cache, what is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import thumbnails
from core.data.thumbnails import mask_picture, picture, thumbnail
from core.errors import DataError
from core.workspace import Workspace
from tests.data.trees import block, noise, save


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image.convert("RGB")


def test_a_thumbnail_keeps_the_aspect_and_is_made_once(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, 100:] = [200, 40, 40]
    save(tmp_path / "d/a.png", pixels)
    first = thumbnail(tmp_path / "d", "a.png", 40, place)
    assert opened(first).size == (40, 20)
    left, right = opened(first).getpixel((5, 10)), opened(first).getpixel((35, 10))
    assert max(left) < 20 and np.abs(np.subtract(right, (200, 40, 40))).max() < 20
    monkeypatch.setattr(thumbnails, "decode", None)  # must not be needed again
    assert thumbnail(tmp_path / "d", "a.png", 40, place) == first
    monkeypatch.undo()
    save(tmp_path / "d/a.png", pixels[:, ::-1])
    os.utime(tmp_path / "d/a.png", ns=(1, 1))
    assert max(opened(thumbnail(tmp_path / "d", "a.png", 40, place)).getpixel((35, 10))) < 20


def test_a_picture_is_never_enlarged(tmp_path: Path, place: Workspace) -> None:
    small = save(tmp_path / "small.png", noise(1, 30, 20))
    large = save(tmp_path / "large.png", noise(2, 90, 60))
    for kept in (None, place, place):
        data, width, height = picture(small, 45, kept)
        assert (width, height) == opened(data).size == (30, 20)
        assert picture(large, 45, kept)[1:] == (45, 30)


def test_masks_lie_where_the_picture_shows_them(tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.png", block()), save(tmp_path / "b.png", block()[::-1])]
    joined = (block() > 0) | (block()[::-1] > 0)
    assert np.array_equal(mask_picture(paths, (24, 20)), joined)
    doubled = mask_picture(paths, (48, 40))
    assert doubled is not None and doubled.shape == (40, 48)
    assert abs(doubled.mean() - joined.mean()) < 0.02
    image = save(tmp_path / "i.png", noise(1))
    assert mask_picture(paths, (24, 20), image) is not None
    assert mask_picture(paths, (24, 20), save(tmp_path / "j.png", noise(1, 50, 50))) is None


def test_what_is_no_image_or_not_inside_is_refused(tmp_path: Path, place: Workspace) -> None:
    save(tmp_path / "secret.png", noise(1))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/text.png").write_text("x")
    for key, words in {
        "../secret.png": "leads out", "text.png": "not an image", "gone.png": "not there",
    }.items():  # fmt: skip
        with pytest.raises(DataError, match=words) as caught:
            thumbnail(tmp_path / "d", key, 40, place)
        assert key in str(caught.value)
