"""A run beside the published row it repeats, and the command that makes one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import listing
from core.cli import main
from core.config import RunConfig
from core.reference import ader
from core.reproduction import reproduction
from core.runs import Record
from core.workspace import Workspace

CLASSES = sorted(next(one for one in ader.BENCHMARKS if one.title == "MVTec AD").classes)


@pytest.fixture(scope="module")
def entries() -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in listing.describe_methods()}


def record(entry: dict[str, Any], **changes: Any) -> Record:
    """A run made exactly as ADer's."""
    config = RunConfig(data="mvtec_ad", method=entry["id"], epochs=entry["epochs"])
    resolved = {
        "dataset": {"name": "mvtec_ad", "root": "/data/mvtec_ad", "classes": CLASSES},
        "backbone": entry["backbone"], "weights": {"pretrained": True}, "epochs": entry["epochs"],
        "batch_size": entry["batch_size"],
        "method_config": {name: field.get("default") for name, field in
                          entry["settings"]["properties"].items()},
    }  # fmt: skip
    return Record("run", "2026-11-25T00:00:00+00:00", config, resolved | changes)


def test_like_for_like_gives_the_difference(entries: dict[str, dict[str, Any]]) -> None:
    values = {"image_auroc": 0.940, "mad": 0.8}
    found = reproduction(record(entries["rd"]), entries["rd"], values)
    assert found.differs == () and found.row is not None
    assert (found.row.dataset, found.row.epochs) == ("MVTec AD", 100)
    by = {line.metric: line for line in found.lines}
    assert len(by) == 9
    difference = by["image_auroc"].difference
    assert difference == pytest.approx(0.940 - 0.936)  # RD's printed 93.6
    assert by["pixel_auroc"].ours is None and by["pixel_auroc"].difference is None


def test_whatever_is_not_as_published_is_said(entries: dict[str, dict[str, Any]]) -> None:
    rd = entries["rd"]
    made = record(
        rd, epochs=20, batch_size=4, backbone="tf_efficientnet_lite0",
        weights={"pretrained": False}, method_config={"learning_rate": 0.1},
    )  # fmt: skip
    config = made.config.model_copy(
        update={"setting": "separate", "protocol": "deployment", "size": 128}
    )
    said = " ".join(reproduction(replace(made, config=config), rd, {}).differs)
    for words in (
        "One model a class", "held out", "128 px", "20 epochs", "4 images", "tf_efficientnet_lite0",
        "not pretrained", "learning_rate 0.1",
    ):  # fmt: skip
        assert words in said, words


def test_no_row_no_comparison(entries: dict[str, dict[str, Any]]) -> None:
    data = {"name": "ours", "root": "/data/ours", "classes": ["nut"]}
    found = reproduction(record(entries["rd"], dataset=data), entries["rd"], {"mad": 0.5})
    assert found.row is None and "published no results" in found.differs[0]
    assert all(line.published is None for line in found.lines)


def test_a_bank_is_compared_whatever_its_epochs(entries: dict[str, dict[str, Any]]) -> None:
    found = reproduction(record(entries["patchcore"]), entries["patchcore"], {})
    assert found.row is not None and found.row.epochs == 100 and found.differs == ()


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All fifteen classes of MVTec AD in its layout, two images each way."""
    root = tmp_path_factory.mktemp("reproduce") / "mvtec_ad"
    generator = np.random.default_rng(0)

    def save(path: Path, image: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)

    for name in CLASSES:
        for place in ("train/good/000", "train/good/001", "test/good/000", "test/cut/000"):
            image = generator.integers(90, 120, (48, 48, 3), dtype=np.uint8)
            if "cut" in place:
                image[10:30, 10:30] = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            save(root / name / f"{place}.png", image)
        mask = np.zeros((48, 48), np.uint8)
        mask[10:30, 10:30] = 255
        save(root / name / "ground_truth/cut/000_mask.png", mask)
    return root


def test_the_command_on_a_miniature_tree(
    miniature: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reproduce", str(miniature), "patchcore", "--backbone", "tf_efficientnet_lite0"]
    place = ["--workspace", str(miniature.parent / "ws")]
    assert main([*arguments, "--size", "64", "--device", "cpu", "--json", *place]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["published"] == {"dataset": "MVTec AD", "mark": "published, ADer, 100 epochs"}
    assert not answer["like_for_like"]
    assert any("64 px" in sentence for sentence in answer["differs"])
    assert any("tf_efficientnet_lite0" in sentence for sentence in answer["differs"])
    mad = answer["metrics"]["mad"]
    assert mad["published"] == 0.872
    assert mad["points"] == pytest.approx(100 * (mad["ours"] - mad["published"]))


def test_without_the_published_backbones_weights_it_says_which_file_to_put_where(
    miniature: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = Workspace(miniature.parent / "other")
    arguments = ["reproduce", str(miniature), "patchcore", "--device", "cpu"]
    assert main([*arguments, "--workspace", str(place.root)]) == 1
    said = capsys.readouterr()
    assert "wide_resnet50_2.tv_in1k.safetensors" in (said.out + said.err).replace("\n", "")
