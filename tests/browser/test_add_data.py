"""A stranger's photographs become a data set in a real browser: by path, and as a ZIP."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.data import catalogue
from core.workspace import Workspace

pytestmark = pytest.mark.browser
WAIT = 60_000
GOOD, SCRATCH, SIDE = 20, 6, 320


def photographs(root: Path) -> Path:
    """Photographs as a camera names them: good parts, and parts with a scratch."""
    rng = np.random.default_rng(7)
    for number in range(GOOD + SCRATCH):
        folder = root / ("good" if number < GOOD else "scratch")
        folder.mkdir(parents=True, exist_ok=True)
        grain = rng.normal(128, 10, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(grain)
        if number >= GOOD:
            ends = [tuple(map(int, point)) for point in rng.integers(20, SIDE - 20, (2, 2))]
            ImageDraw.Draw(image).line(ends, fill=(20, 20, 20), width=5)
        image.save(folder / f"IMG_{number:04d}.JPG", "JPEG")
    return root


def test_a_folder_and_a_zip_become_data_sets_that_can_be_opened(
    server: Callable[..., str], page: Any, tmp_path: Path
) -> None:
    root = photographs(tmp_path / "my parts")
    packed = tmp_path / "More parts.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(root.rglob("*.JPG")):
            archive.write(path, f"batch 7/{path.relative_to(root).as_posix()}")
    place = Workspace(tmp_path / "workspace")
    page.goto(f"{server(place.root)}/data_sets")
    page.get_by_role("button", name="Add a data set").wait_for(timeout=WAIT)

    began = time.monotonic()
    page.get_by_role("button", name="Add a data set").click()
    page.get_by_role("textbox", name="Folder or file").fill(str(root))
    page.get_by_role("button", name="Look inside").click()
    make(page, "26 images of my parts")
    page.get_by_text("my parts is ready: 26 images.").wait_for(timeout=WAIT)
    by_path = time.monotonic() - began

    began = time.monotonic()
    page.get_by_role("button", name="Add a data set").click()
    page.get_by_text("Upload images or a ZIP").click()
    page.locator('input[type="file"]').first.set_input_files(str(packed))
    page.get_by_role("button", name="Use this file").click(timeout=WAIT)
    make(page, "26 images of batch 7")
    page.get_by_text("batch 7 is ready: 26 images.").wait_for(timeout=WAIT)
    by_zip = time.monotonic() - began
    print(f"a folder by its path: {by_path:.1f} s; a ZIP by upload: {by_zip:.1f} s")

    for name in ("my parts", "batch 7"):
        samples = catalogue.open_dataset(name, place).samples
        assert len(samples) == GOOD + SCRATCH
        kinds = [sample.anomaly_type for sample in samples if sample.label]
        assert kinds == ["scratch"] * SCRATCH
        assert all(sample.split == "test" for sample in samples if sample.label)
        assert sum(sample.split == "train" for sample in samples) == 14, "30 % kept for testing"
    page.locator(".fp-strip img").first.wait_for(timeout=WAIT)
    page.get_by_role("link", name="Run on this").first.click()
    page.wait_for_url("**/new_run?data=batch*", timeout=WAIT)


def make(page: Any, said: str) -> None:
    """The second step: what it would become is said, with pictures, before it is made."""
    page.get_by_text(said).wait_for(timeout=WAIT)
    assert page.locator(".st-key-ad-pictures img").count() == 10
    page.get_by_role("button", name="Make the data set").click(timeout=WAIT)
