"""Names of images, and why metrics are missing."""

from __future__ import annotations

import pandas as pd

from dashboard import counting
from dashboard.phrases import image_name


def test_an_image_is_called_by_its_folder_and_file() -> None:
    assert image_name("tile/test/crack/000.jpg") == "crack/000"
    assert image_name("tile/test/crack/000.jpg", 0) == "tile/test/crack/000"
    assert (
        image_name("source/crack/0.1.jpg") == "crack/0.1" == image_name("source/crack/0.1.jpg", 0)
    )
    assert image_name("alone.png") == "alone"


def test_metrics_that_need_masks_say_so() -> None:
    none = "no anomalous test image has a usable mask"
    rows = pd.DataFrame(
        {
            "class_name": ["a", "b", "mean"], "metric": "pixel_auroc",
            "value": [None, 0.9, 0.9], "note": [none, None, None],
        }
    )  # fmt: skip
    assert counting.missing_masks(rows, ["a", "b"]).startswith("No anomalous image of a has a mask")
    assert counting.missing_masks(rows, ["a"]).startswith("No anomalous image has a mask")
    assert counting.missing_masks(rows, ["b"]) == ""
    assert counting.missing_masks(rows.iloc[:0], ["a"]) == ""
