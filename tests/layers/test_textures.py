"""Textures of a folder and generated ones, and DRAEM's operations on them."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from core.errors import UsageError
from core.layers import texture_operations as operations
from core.layers import textures
from core.layers.drawn_textures import COLOURS, PATTERNS, coloured, drawn_textures
from core.layers.textures import Textures, altered, describe

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four flat images of different kinds and depths, a broken one, and things that are none."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.new("RGB", (20, 10), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (9, 9), 51).save(tmp_path / "a" / "grey.TIFF")
    Image.new("P", (9, 9), 0).save(tmp_path / "a" / "black.gif")
    Image.new("RGB", (16, 16), (0, 0, 255)).save(tmp_path / "a" / "b" / "blue.webp", lossless=True)
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (tmp_path / "notes.txt").write_text("textures")
    (tmp_path / ".hidden.png").write_bytes((tmp_path / "red.png").read_bytes())
    return tmp_path


COLOURS_THERE = {(255, 0, 0), (51, 51, 51), (0, 0, 0), (0, 0, 255)}


def drawn_colours(drawn: torch.Tensor) -> set[tuple[int, ...]]:
    flat = (drawn * 255).round().int()
    assert bool((flat == flat[:, :, :1, :1]).all()), "each is of one colour"
    return {tuple(colour) for colour in flat[:, :, 0, 0].tolist()}


def test_a_folders_images_are_found_below_it_and_broken_ones_passed_over(folder: Path) -> None:
    torch.manual_seed(0)
    source = Textures(str(folder), 12)
    drawn = source.draw(60, CPU)
    assert drawn.shape == (60, 3, 12, 12) and drawn.dtype == torch.float32
    assert drawn_colours(drawn) == COLOURS_THERE
    assert describe(str(folder)) == f"Texture images: 5 images from {folder}."


def test_what_is_kept_is_bounded_and_makes_no_difference(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    expected = Textures(str(folder), 12).draw(40, CPU)
    monkeypatch.setattr(textures, "KEPT_BYTES", 2 * 3 * 12 * 12)
    source = Textures(str(folder), 12)
    torch.manual_seed(0)
    assert torch.equal(source.draw(40, CPU), expected)
    assert source._kept is not None and source._kept.shape == (2, 3, 12, 12)


def test_images_are_decoded_once_and_not_before_they_are_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    small = textures._small
    monkeypatch.setattr(
        textures, "_small", lambda path, size: (reads.append(path), small(path, size))[1]
    )
    source = Textures(str(folder), 12)
    assert reads == []
    torch.manual_seed(0)
    source.draw(100, CPU)
    assert len(reads) == len(set(reads)) == 5


def test_folders_without_textures_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for function in (describe, lambda name: Textures(name, 12).draw(1, CPU)):
        with pytest.raises(UsageError, match="is no folder"):
            function(str(tmp_path / "missing"))
        with pytest.raises(UsageError, match="no readable image"):
            function(str(empty))
    (empty / "broken.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no readable image"):
        describe(str(empty))
    with pytest.raises(UsageError, match="no readable image"):
        Textures(str(empty), 12).draw(1, CPU)
    assert "generated" in describe("")


def test_generated_textures_differ_and_follow_the_seed() -> None:
    torch.manual_seed(4)
    drawn = Textures("", 48).draw(90, CPU)
    torch.manual_seed(4)
    assert torch.equal(drawn_textures(90, 48, CPU), drawn)
    assert drawn.shape == (90, 3, 48, 48)
    assert float(drawn.min()) >= 0.0 and float(drawn.max()) <= 1.0
    apart = torch.pdist(drawn.flatten(1)) / math.sqrt(drawn[0].numel())
    assert float(apart.min()) > 0.03, "no two alike"
    means = drawn.mean(dim=(2, 3))
    assert bool((means.std(dim=0) > 0.15).all()), "of many colours"
    contrast = drawn.std(dim=(2, 3)).mean(dim=1)
    assert float(contrast.min()) > 0.003 and float(contrast.max()) > 0.25
    across = (drawn[..., 1:] - drawn[..., :-1]).abs().mean(dim=(1, 2, 3)) / contrast
    assert float(across.min()) < 0.3 and float(across.max()) > 0.8, "from smooth to fine"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_varies_within_and_between_textures(pattern) -> None:
    torch.manual_seed(0)
    fields = pattern(12, 40, CPU)
    assert fields.shape == (12, 40, 40) and bool(fields.isfinite().all())
    assert float(fields.min()) >= 0.0 and float(fields.max()) <= 1.0
    assert float(fields.std(dim=(1, 2)).median()) > 0.05
    assert float(torch.pdist(fields.flatten(1)).min()) > 0.1


def test_colours_are_the_palettes_at_its_places_and_blends_between() -> None:
    torch.manual_seed(1)
    ramp = torch.linspace(0, 1, COLOURS).view(1, 1, COLOURS).expand(20, 2, COLOURS)
    halves = torch.full((20, 2, 1), 0.5 / (COLOURS - 1))
    shown = coloured(torch.cat([ramp, halves], dim=2))
    assert shown.shape == (20, 3, 2, COLOURS + 1)
    first, second, between = shown[..., 0], shown[..., 1], shown[..., -1]
    lows, highs = torch.minimum(first, second) - 1e-5, torch.maximum(first, second) + 1e-5
    assert bool(((between >= lows) & (between <= highs)).all())


def test_three_different_operations_meet_each_texture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operation k adds 2^-k-1: the sum tells which ones an image met, and that none came twice."""
    seen = tuple(
        (lambda x_BCHW, k=k: x_BCHW + 2.0 ** -(k + 1)) for k in range(len(operations.OPERATIONS))
    )
    monkeypatch.setattr(operations, "OPERATIONS", seen)
    torch.manual_seed(0)
    start = torch.zeros(300, 3, 2, 2)
    result = altered(start)
    assert float(start.max()) == 0.0, "the argument is left alone"
    code = (result[:, 0, 0, 0] * 2 ** len(seen)).int()
    bits = torch.stack([(code >> k) & 1 for k in range(len(seen))], dim=1)
    assert bits.sum(dim=1).tolist() == [3] * 300
    assert bool((bits.sum(dim=0) > 50).all()), "each is drawn, 90 times on average"


@pytest.mark.parametrize("operation", operations.OPERATIONS)
def test_operations_keep_the_range_and_serve_each_image_alone(operation) -> None:
    torch.manual_seed(2)
    images = drawn_textures(16, 24, CPU)
    before = images.clone()
    torch.manual_seed(5)
    result = operation(images).clamp(0, 1)
    assert result.shape == images.shape and bool(result.isfinite().all())
    assert torch.equal(images, before)
    changed = (result - images).abs().flatten(1).amax(dim=1) > 1e-3
    assert int(changed.sum()) >= 4
    torch.manual_seed(5)
    others = images.clone()
    others[1:] = 1 - others[1:]
    assert torch.equal(operation(others).clamp(0, 1)[0], result[0])


def fixed(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Every number drawn by an operation is this one."""
    monkeypatch.setattr(
        operations,
        "_uniform",
        lambda x, low, high, channels=1: torch.full((len(x), channels, 1, 1), value),
    )


def image_and_tensor() -> tuple[Image.Image, torch.Tensor]:
    values = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return Image.fromarray(values), torch.from_numpy(values).permute(2, 0, 1)[None].float() / 255


def as_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)[None] / 255


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.7])
def test_sharpness_is_pillows(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    image, x = image_and_tensor()
    fixed(monkeypatch, factor)
    expected = as_array(ImageEnhance.Sharpness(image).enhance(factor))
    np.testing.assert_allclose(operations.sharpness(x).clamp(0, 1), expected, atol=1.6 / 255)


def test_autocontrast_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    image, x = image_and_tensor()
    fixed(monkeypatch, 0.1)
    found = operations.autocontrast(x).clamp(0, 1).numpy()
    expected = as_array(ImageOps.autocontrast(image, cutoff=10))
    assert np.abs(found - expected).max() < 6 / 255  # Pillow cuts at whole grey values
    assert found.min() == 0.0 and found.max() == 1.0


def test_the_plain_operations_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 1.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert operations.invert(x)[0, 0].flatten().tolist() == [1.0, 0.75, 0.5, 0.0]
    fixed(monkeypatch, 2.0)
    assert operations.gamma(x)[0, 0].flatten().tolist() == pytest.approx([0, 0.0625, 0.25, 1])
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: torch.ones(1, 1, 1, 1).long())
    assert operations.posterise(x)[0, 0].flatten().tolist() == [0.25, 0.25, 0.75, 0.75]
    fixed(monkeypatch, 100.0)
    monkeypatch.setattr(torch, "rand", lambda *args, **kwargs: torch.zeros(1, 1, 1, 1))
    assert operations.solarise(x)[0, 0].flatten().tolist() == [0.0, 0.25, 0.5, 0.0]


def test_hue_saturation_value_and_back() -> None:
    values = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    values[..., 0, 0], values[..., 0, 1] = 0.0, 0.4  # black and grey have no hue
    found = operations.hsv(values)
    for row in range(8):
        for column in range(8):
            expected = colorsys.rgb_to_hsv(*values[0, :, row, column].tolist())
            assert found[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(operations.rgb(found), values)
