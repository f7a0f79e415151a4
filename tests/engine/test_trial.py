"""Trying stored runs: as they predicted themselves, on any file, beside the right normal patches
(found again by brute force)."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core import cli
from core.config import RunConfig
from core.cuts import Cut, cut_of
from core.data import demo
from core.engine import neighbour_patches, normal_patches, reload, runner, training_images, trial
from core.errors import RunError, UsageError
from core.runs import RunDirectory
from core.trials import Draft, Trial
from core.workspace import Workspace

SIZE = 96


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("tried")
    demo.generate(root / "tiny", size=SIZE, train=6, test=6)
    return Workspace(root / "workspace")


def data(place: Workspace) -> Path:
    return place.root.parent / "tiny"


@pytest.fixture(scope="module")
def unified(place: Workspace) -> RunDirectory:
    return finished(place, "patchcore", method_config={"coreset_ratio": 0.1}, batch_size=4)


@pytest.fixture(scope="module")
def separate(place: Workspace) -> RunDirectory:
    return finished(
        place, "patchcore", setting="separate", protocol="deployment", batch_size=4,
        classes=("circuit_board", "woven_fabric"),
    )  # fmt: skip


def finished(place: Workspace, method: str, **changes: Any) -> RunDirectory:
    values = {
        "data": str(data(place)), "method": method, "size": SIZE, "device": "cpu",
        "backbone": "tf_efficientnet_lite0",
    }  # fmt: skip
    run = RunDirectory.create(place, RunConfig.model_validate(values | changes))
    assert runner.execute(place, run) == "succeeded", run.status().error
    return run


def tried(
    place: Workspace, loaded: reload.Loaded, paths: list[Path], name: str | None,
    cut: Cut | None = None,
) -> Trial:  # fmt: skip
    draft = Draft(place, SIZE)
    for path in paths:
        draft.intake.path(path)
    made = draft.finish(loaded.run.run_id, name, "upload", cut=cut)
    trial.carry_out(loaded, made)
    return made


def cases(run: RunDirectory, name: str) -> list[dict[str, Any]]:
    rows = run.read_table(RunDirectory.CASES).to_pylist()
    return [row for row in rows if row["class_name"] == name]


@pytest.mark.parametrize("setting", ["unified", "separate"])
def test_stored_test_images_tried_again_are_the_same(
    place: Workspace, request: pytest.FixtureRequest, setting: str
) -> None:
    run: RunDirectory = request.getfixturevalue(setting)
    loaded = reload.load(place, run.run_id)
    assert loaded.note == "", "the same device"
    assert {"circuit_board", "woven_fabric"} <= set(loaded.classes)
    for name in loaded.classes:
        known = cases(run, name)
        paths = [data(place) / row["key"] for row in known]
        made = tried(place, loaded, paths, name, cut_of(place, run, name))
        rows = made.results().to_pylist()
        stored = np.array(run.maps())
        for row, case in zip(rows, known, strict=True):
            assert row["score"] == pytest.approx(case["score"], rel=1e-5)
            assert row["verdict"] == cut_of(place, run, name).verdict(case["score"])  # type: ignore[union-attr]
            np.testing.assert_allclose(
                made.maps()[row["row"]].astype(np.float32),
                stored[case["row"]].astype(np.float32), rtol=2e-3, atol=1e-3,
            )  # fmt: skip
        assert made.status().read == len(known)
        alone = tried(place, loaded, paths[:1], name).results().to_pylist()[0]
        assert alone["score"] == pytest.approx(known[0]["score"], rel=1e-5)
        assert alone["verdict"] == "not judged" and alone["threshold"] is None


def test_the_same_batches_give_the_same_bits(place: Workspace, unified: RunDirectory) -> None:
    loaded = reload.load(place, unified.run_id)
    known = unified.read_table(RunDirectory.CASES).to_pylist()
    made = tried(place, loaded, [data(place) / row["key"] for row in known], None)
    assert made.results()["score"].to_pylist() == [row["score"] for row in known]
    assert np.array_equal(made.maps(), unified.maps())
    assert made.results()["class_name"].to_pylist() == [None] * len(known)


def test_a_model_a_class_needs_the_class(place: Workspace, separate: RunDirectory) -> None:
    loaded = reload.load(place, separate.run_id)
    with pytest.raises(UsageError, match="has to be chosen: circuit_board, woven_fabric"):
        tried(place, loaded, [data(place) / cases(separate, "circuit_board")[0]["key"]], None)
    with pytest.raises(UsageError, match="knows no class 'tile'"):
        loaded.model("tile")


def test_bad_files_get_a_sentence_and_odd_ones_are_read(
    place: Workspace, unified: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    grey = np.linspace(0, 65_535, 64 * 64).reshape(64, 64)
    files: dict[str, Callable[[Path], Any]] = {
        "broken.png": lambda path: path.write_bytes(b"\x89PNG no"),
        "empty.jpg": lambda path: path.write_bytes(b""),
        "bomb.png": lambda path: Image.new("1", (600, 600)).save(path),
        "deep.png": lambda path: Image.fromarray(grey.astype(np.uint16)).save(path),
        "print.jpg": lambda path: Image.new("CMYK", (50, 30), (9, 99, 20, 0)).save(path),
        "turned.jpg": lambda path: Image.new("RGB", (50, 30)).save(path, exif=_turned()),
        "float.tiff": lambda path: Image.fromarray(grey.astype(np.float32)).save(path),
    }
    for name, make in files.items():
        make(tmp_path / name)
    loaded = reload.load(place, unified.run_id)
    made = tried(
        place, loaded, [tmp_path / name for name in files], "circuit_board", Cut(value=0, name="x")
    )
    rows = {row["name"]: row for row in made.results().to_pylist()}
    assert [rows[name]["verdict"] for name in files] == [
        "not read", "not read", "not read", "anomalous", "anomalous", "anomalous", "not read",
    ]  # fmt: skip
    for name in ("broken.png", "empty.jpg", "bomb.png", "float.tiff"):
        assert rows[name]["error"].startswith(name) and rows[name]["score"] is None
    assert "million pixels" in rows["bomb.png"]["error"]
    assert rows["deep.png"]["kind"] == "16-bit grey" and rows["print.jpg"]["kind"] == "CMYK"
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == (30, 50)
    assert not made.maps()[0].any() and made.maps()[3].any()
    assert (made.status().read, made.status().anomalous) == (3, 3)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_cancelling_keeps_what_is_done(place: Workspace, unified: RunDirectory) -> None:
    loaded = reload.load(place, unified.run_id)
    draft = Draft(place, SIZE)
    for row in cases(unified, "circuit_board"):
        draft.intake.path(data(place) / row["key"])
    made = draft.finish(unified.run_id, "circuit_board", "folder")
    trial.carry_out(loaded, made, lambda done, total: made.cancel())
    assert made.status().state == "cancelled"
    assert made.results().num_rows == loaded.batch_size < len(made.request().images)


def test_runs_that_cannot_be_tried_say_why(place: Workspace, unified: RunDirectory) -> None:
    config = RunConfig(data="x", method="external", method_config={"name": "elsewhere"})
    with pytest.raises(RunError, match="maps made elsewhere"):
        reload.load(place, RunDirectory.create(place, config).run_id)
    queued = RunDirectory.create(place, unified.record().config)
    with pytest.raises(RunError, match="has not started"):
        reload.load(place, queued.run_id)
    copy = place.runs / (unified.run_id + "x")
    shutil.copytree(unified.path, copy)
    shutil.rmtree(copy / RunDirectory.CHECKPOINT)
    with pytest.raises(RunError, match="no finished model"):
        reload.load(place, copy.name).model("circuit_board")
    record = json.loads((copy / "config.json").read_text())
    record["resolved"]["weights"]["sha256"] = "0" * 64
    (copy / "config.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is not the one"):
        reload.load(place, copy.name)


def test_the_nearest_patch_of_a_training_image_is_itself(
    place: Workspace, unified: RunDirectory
) -> None:
    loaded = reload.load(place, unified.run_id)
    samples = unified.read_table(RunDirectory.SAMPLES).to_pylist()
    key = next(
        s["key"] for s in samples if s["split"] == "train" and s["class_name"] == "woven_fabric"
    )
    map_HW = np.zeros((SIZE, SIZE), np.float16)
    map_HW[30, 62] = 1.0
    said: list[str] = []
    found = neighbour_patches.compare(
        loaded, place, data(place) / key, "x", map_HW, "woven_fabric", lambda f, m: said.append(m)
    )
    first, *others = found.neighbours
    assert first.key == key and first.distance < 1e-3
    assert (first.x, first.y) == (
        pytest.approx(60 / SIZE),
        pytest.approx(28 / SIZE),
    )
    assert len(others) == 4 and len({one.key for one in found.neighbours}) == 5
    assert [one.distance for one in others] == sorted(one.distance for one in others)
    assert first.own == pytest.approx(others[0].distance, rel=1e-4), "its nearest elsewhere"
    assert (found.images, found.of, found.strides) == (6, 6, (8, 16))
    assert any("normal image" in message for message in said)
    assert (found.whole.distance, found.whole.closer, found.whole.of) == (
        pytest.approx(0.0, abs=1e-3), 0, 6,
    )  # fmt: skip
    picture = Image.open(io.BytesIO(base64.b64decode(found.crop)))
    assert picture.size == (training_images.CROP_PIXELS,) * 2
    said.clear()
    neighbour_patches.compare(
        loaded, place, data(place) / key, "x", map_HW, "woven_fabric", lambda f, m: said.append(m)
    )
    assert not any("normal image" in message for message in said), "the second time from the cache"


def test_neighbours_by_brute_force(place: Workspace, unified: RunDirectory) -> None:
    loaded = reload.load(place, unified.run_id)
    bank = normal_patches.bank_of(loaded, place, "circuit_board", lambda f, m: None)
    case = next(row for row in cases(unified, "circuit_board") if row["label"] == 1)
    path, map_HW = data(place) / case["key"], np.array(unified.maps()[case["row"]])
    found = neighbour_patches.compare(
        loaded, place, path, "x", map_HW, "circuit_board", lambda f, m: None, k=3
    )
    y, x = np.unravel_index(map_HW.argmax(), map_HW.shape)
    query = normal_patches.describe(loaded, _small(path)[None])[0, y // 8, x // 8]
    gaps = np.asarray(bank.patches, np.float64) - query.astype(np.float64)
    distances = np.sqrt((gaps**2).sum(axis=-1)).reshape(len(bank.keys), -1).min(axis=1)
    order = np.argsort(distances)[:3]
    assert [one.key for one in found.neighbours] == [bank.keys[i] for i in order]
    assert [one.distance for one in found.neighbours] == pytest.approx(distances[order], rel=1e-4)


def test_another_kind_of_picture_is_unlike_all(
    place: Workspace, unified: RunDirectory, tmp_path: Path
) -> None:
    loaded = reload.load(place, unified.run_id)
    Image.new("RGB", (200, 100), (0, 140, 0)).save(tmp_path / "green.png")
    found = neighbour_patches.compare(
        loaded, place, tmp_path / "green.png", "x", np.ones((SIZE, SIZE)), "brain_phantom",
        lambda f, m: None,
    )  # fmt: skip
    bank = normal_patches.bank_of(loaded, place, "brain_phantom", lambda f, m: None)
    means = np.asarray(bank.patches, np.float64).mean(axis=(1, 2))
    apart = np.sqrt(((means[:, None] - means[None]) ** 2).sum(axis=2)) + np.diag([np.inf] * 6)
    assert found.whole.closer == found.whole.of == 6
    assert found.whole.distance > apart.min(axis=1).max()


def _small(path: Path) -> np.ndarray:
    from core.data.images import decode, squash

    return squash(decode(path, "x").image, SIZE)


def test_a_data_set_that_is_gone_is_not_needed(
    place: Workspace, unified: RunDirectory, tmp_path: Path
) -> None:
    key = cases(unified, "brain_phantom")[0]["key"]
    kept = tmp_path / "kept.png"
    shutil.copy(data(place) / key, kept)
    away = data(place).with_name("away")
    data(place).rename(away)
    try:
        loaded = reload.load(place, unified.run_id)
        made = tried(place, loaded, [kept], "brain_phantom")
        row = made.results().to_pylist()[0]
        assert row["score"] == pytest.approx(cases(unified, "brain_phantom")[0]["score"], rel=1e-5)
        found = neighbour_patches.compare(
            loaded, place, kept, "x", made.maps()[0], "brain_phantom", lambda f, m: None
        )
        assert all(one.crop for one in found.neighbours), "from the prepared copies"
        shutil.rmtree(place.root / "cache" / "patches")
        shutil.move(place.prepared, tmp_path / "prepared")
        try:
            with pytest.raises(RunError, match="can be had any more"):
                neighbour_patches.compare(
                    loaded, place, kept, "x", made.maps()[0], "brain_phantom", lambda f, m: None
                )
        finally:
            shutil.rmtree(place.root / "cache" / "prepared", ignore_errors=True)
            shutil.move(tmp_path / "prepared", place.root / "cache" / "prepared")
    finally:
        away.rename(data(place))


def test_the_command_line_tries_files_and_folders(
    place: Workspace, unified: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = cases(unified, "circuit_board")[0]
    arguments = ["try", unified.run_id, str(data(place) / case["key"]), "--workspace",
                 str(place.root), "--class", "circuit_board",
                 "--out", str(tmp_path / "out")]  # fmt: skip
    assert cli.main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["images"][0]["score"] == pytest.approx(case["score"], rel=1e-5)
    assert said["threshold"]["name"] == "oracle threshold" and said["state"] == "done"
    lines = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert lines[0] == '"name","score","threshold","verdict","class_name","seconds","error"'
    assert len(lines) == 2 and np.load(tmp_path / "out" / "maps.npy").shape == (1, SIZE, SIZE)
    assert cli.main([*arguments[:2], str(tmp_path / "no.png"), *arguments[3:]]) == 1
    assert "is not there" in capsys.readouterr().err


def test_a_training_at_work_keeps_the_processor(tmp_path: Path) -> None:
    place, threads = Workspace(tmp_path), torch.get_num_threads()
    try:
        run = RunDirectory.create(place, RunConfig(data="d", method="patchcore"))
        assert trial.be_modest(place) == min(8, len(os.sched_getaffinity(0)))
        run.claim("cpu")
        run.update_status(state="running")
        assert trial.be_modest(place) == 1 == torch.get_num_threads()
    finally:
        torch.set_num_threads(threads)
