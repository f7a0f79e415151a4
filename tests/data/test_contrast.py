"""Contrast of flaws: drawn pictures with a contrast derived by hand, and what is kept of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.data import catalogue, contrast, prepared
from core.data.contrast import QUIETEST, contrasts
from core.errors import DataError
from core.types import Sample
from core.workspace import Workspace


def picture(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[None], 3, axis=0).astype(np.uint8)


def test_a_flaw_on_a_flat_ground_is_measured_in_roundings() -> None:
    grey, regions = np.full((24, 24), 100), np.zeros((24, 24), int)
    regions[8:12, 8:12] = 1
    grey[8:12, 8:12] = 160
    (one,) = contrasts(picture(grey), regions)
    assert one.area_px == 16
    assert one.contrast == pytest.approx(60 * 12**0.5)


def test_noise_is_pooled_by_pixels() -> None:
    """Flat inside (16 pixels), plus or minus 10 around (12 x 12 less 16 pixels)."""
    grey = 100 + 10 * np.where(np.indices((24, 24)).sum(0) % 2, 1, -1)
    regions = np.zeros((24, 24), int)
    regions[8:12, 8:12] = 1
    grey[8:12, 8:12] = 150
    (one,) = contrasts(picture(grey), regions)
    assert one.contrast == pytest.approx(50 / (128 / 144 * 100) ** 0.5)


def test_darker_counts_like_brighter_and_colour_counts_by_luminance() -> None:
    regions = np.zeros((24, 24), int)
    regions[8:12, 8:12] = 1
    dark = np.full((24, 24), 100)
    dark[8:12, 8:12] = 40
    assert contrasts(picture(dark), regions)[0].contrast == pytest.approx(60 / QUIETEST)
    red = picture(np.full((24, 24), 100))
    red[:, 8:12, 8:12] = np.array([220, 60, 50])[:, None, None]
    luminance = 0.299 * 220 + 0.587 * 60 + 0.114 * 50
    assert contrasts(red, regions)[0].contrast == pytest.approx((luminance - 100) / QUIETEST)


def test_other_flaws_are_no_surroundings() -> None:
    grey, regions = np.full((24, 24), 100), np.zeros((24, 24), int)
    regions[8:12, 8:12] = 1
    grey[8:12, 8:12] = 160
    alone = contrasts(picture(grey), regions)[0].contrast
    regions[8:12, 14:18] = 2
    grey[8:12, 14:18] = 255
    assert contrasts(picture(grey), regions)[0].contrast == pytest.approx(alone)


def test_what_fills_the_picture_has_no_contrast() -> None:
    (one,) = contrasts(picture(np.full((8, 8), 9)), np.ones((8, 8), int))
    assert one.area_px == 64 and one.contrast is None


@pytest.fixture
def made(tmp_path: Path) -> tuple[Workspace, Path, list[Sample]]:
    """Six flawed pictures of two spots each, one of them joined over a corner, at 48 px."""
    root = tmp_path / "parts"
    for folder, count in (("train/good", 2), ("test/good", 2), ("test/dent", 6)):
        for i in range(count):
            path = root / "plate" / folder / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.new("L", (96, 96), 120)
            if "dent" in folder:
                mask = Image.new("L", (96, 96))
                for box in ((8, 8 + 4 * i, 23, 23 + 4 * i), (60, 10, 71, 21), (72, 22, 83, 33)):
                    ImageDraw.Draw(image).rectangle(box, fill=180)
                    ImageDraw.Draw(mask).rectangle(box, fill=255)
                place = root / "plate/ground_truth/dent"
                place.mkdir(parents=True, exist_ok=True)
                mask.save(place / f"{i:03d}_mask.png")
            image.save(path)
    workspace = Workspace(tmp_path / "workspace")
    dataset = catalogue.open_dataset(str(root), workspace)
    prepared.prepare(dataset, 48, workspace)
    samples = [one for one in dataset.samples if one.label == 1]
    return workspace, root, samples


def test_numbers_and_areas_are_those_of_the_prepared_regions(
    made: tuple[Workspace, Path, list[Sample]],
) -> None:
    workspace, root, samples = made
    table = contrast.measure(workspace, root, samples, "abc", 48).to_pandas()
    dataset = catalogue.open_dataset(str(root), workspace)
    ready = prepared.prepare(dataset, 48, workspace)
    for row in ready.rows(split="test"):
        sample = ready.samples[row]
        if sample.label == 0:
            continue
        areas = np.bincount(ready.regions([row])[0].ravel())[1:]
        mine = table[table["key"] == sample.key]
        assert list(mine["region"]) == list(range(len(areas)))
        assert list(mine["area_px"]) == list(areas)
    assert len(table) == 12  # corners join: two regions a picture
    assert table["contrast"].min() > 10


def test_it_is_kept_and_read_again(made: tuple[Workspace, Path, list[Sample]]) -> None:
    workspace, root, samples = made
    assert contrast.kept(workspace, "abc", 48) is None
    table = contrast.measure(workspace, root, samples, "abc", 48)
    kept = contrast.kept(workspace, "abc", 48)
    assert kept is not None and kept.to_pydict() == table.to_pydict()
    path = contrast.file_of(workspace, "abc", 48)
    assert [one.name for one in path.parent.iterdir()] == ["abc-48.parquet"]
    path.write_bytes(path.read_bytes()[:40])
    assert contrast.kept(workspace, "abc", 48) is None


def test_a_data_set_that_is_gone_is_measured_from_what_was_prepared(
    made: tuple[Workspace, Path, list[Sample]],
) -> None:
    workspace, root, samples = made
    before = contrast.measure(workspace, root, samples, "abc", 48)
    shutil.rmtree(root)
    assert contrast.measure(workspace, root, samples, "abd", 48).to_pydict() == before.to_pydict()
    with pytest.raises(DataError, match="are gone"):
        contrast.measure(workspace, root, samples, "abe", 32)


def test_what_was_not_prepared_is_prepared(made: tuple[Workspace, Path, list[Sample]]) -> None:
    workspace, root, samples = made
    said: list[str] = []
    table = contrast.measure(workspace, root, samples, "abc", 32, lambda _, what: said.append(what))
    assert len(table) == 12 and said


def test_a_fingerprint_never_leaves_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="letters and digits"):
        contrast.file_of(Workspace(tmp_path), "../../etc", 48)
