"""Capsules: made twice they are equal, they verify, and everything that was changed is found."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core import cli
from core.capsule import MANIFEST, digest_of, make, open_capsule
from core.config import RunConfig
from core.data import demo
from core.engine import runner
from core.engine.verify import Verified, spread, verify
from core.errors import DataError, RunError, UsageError
from core.runs import RunDirectory
from core.workspace import Workspace

SIZE = 64


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("capsule")
    demo.generate(root / "tiny", size=SIZE, train=5, test=4)
    return Workspace(root / "workspace")


def finished(place: Workspace, setting: str) -> RunDirectory:
    values = {
        "data": str(place.root.parent / "tiny"), "method": "patchcore", "size": SIZE,
        "device": "cpu", "backbone": "tf_efficientnet_lite0", "setting": setting, "batch_size": 4,
        "classes": ("circuit_board", "woven_fabric"), "method_config": {"coreset_ratio": 0.1},
    }  # fmt: skip
    run = RunDirectory.create(place, RunConfig.model_validate(values))
    assert runner.execute(place, run) == "succeeded", run.status().error
    return run


@pytest.fixture(scope="module")
def run(place: Workspace) -> RunDirectory:
    return finished(place, "unified")


@pytest.fixture(scope="module")
def made(place: Workspace, run: RunDirectory) -> Path:
    out = place.root.parent / "with-model.zip"
    make(place, run, out, with_model=True)
    return out


def states(found: Verified) -> dict[str, str]:
    return {check.what: check.state for check in found.checks}


def changed(capsule: Path, out: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A forged capsule: one member changed and the manifest made to fit."""
    with zipfile.ZipFile(capsule) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = change(members[name])
    manifest = json.loads(members[MANIFEST])
    if name != MANIFEST:
        manifest["members"][name] = digest_of(members[name])
        members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(out, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return out


def with_score(data: bytes) -> bytes:
    """cases.parquet with its highest normal score raised a hundredth."""
    table = pq.read_table(pa.BufferReader(data))
    scores = table["score"].to_pylist()
    top = max(range(len(scores)), key=lambda i: (table["label"][i].as_py() == 0, scores[i]))
    scores[top] *= 1.01
    place = table.column_names.index("score")
    table = table.set_column(place, "score", pa.array(scores, pa.float64()))
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    return bytes(out.getvalue().to_pybytes())


def test_made_twice_it_is_the_same(place: Workspace, run: RunDirectory, tmp_path: Path) -> None:
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    make(place, run, one)
    make(place, run, two)
    assert one.read_bytes() == two.read_bytes()
    held = open_capsule(one)
    assert held.damaged() == [] and not held.with_model and held.run_id == run.run_id


def test_it_verifies_in_the_workspace_and_alone(
    place: Workspace, run: RunDirectory, made: Path, tmp_path: Path
) -> None:
    light = tmp_path / "light.zip"
    make(place, run, light)
    found = verify(light, place, sample=6)
    assert found.good, found.checks
    assert set(states(found).values()) == {"ok"}
    moved = tmp_path / "moved"
    shutil.copytree(place.root.parent / "tiny", moved)
    alone = verify(made, Workspace(tmp_path / "empty"), data=moved, sample=5, seed=3)
    assert alone.good, alone.checks


def test_without_a_model_or_data_it_says_what_to_give(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    light = tmp_path / "light.zip"
    make(place, run, light)
    found = verify(light, Workspace(tmp_path / "empty"), sample=3)
    assert not found.good and states(found)["scores again"] == "not checked"
    assert "--with-model" in found.checks[-1].said
    gone = verify(light, place, data=tmp_path, sample=3)
    assert not gone.good and states(gone)["images"] == "not checked"
    assert any("--data" in check.said for check in gone.checks)


def test_a_separate_run_verifies_with_a_model_a_class(place: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "separate.zip"
    make(place, finished(place, "separate"), out, with_model=True)
    found = verify(out, Workspace(tmp_path / "empty"), sample=4)
    assert found.good, found.checks


def test_a_changed_member_is_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "changed.zip"
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(out, "w") as copy:
        for info in archive.infolist():
            data = archive.read(info)
            copy.writestr(info.filename, data + b" " if info.filename == "config.json" else data)
    found = verify(out, place)
    assert states(found) == {"contents": "failed"} and "config.json" in found.checks[0].said


def test_a_forged_score_is_found_by_its_metrics_and_by_scoring_again(
    made: Path, place: Workspace, tmp_path: Path
) -> None:
    forged = changed(made, tmp_path / "forged.zip", RunDirectory.CASES, with_score)
    found = verify(forged, place, sample=1000)
    assert states(found)["contents"] == "ok", "the forger mended the manifest"
    assert states(found)["scores again"] == "failed" and not found.good
    assert "largest difference" in found.checks[-1].said


def test_another_image_is_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(place.root.parent / "tiny", moved)
    cases = open_capsule(made).table(RunDirectory.CASES).to_pylist()
    victim = spread(cases, 4, 0)[0]["key"]
    Image.new("RGB", (SIZE, SIZE), "red").save(moved / victim)
    found = verify(made, place, data=moved, sample=4)
    assert states(found)["images"] == "failed" and victim in str(found.checks)


def test_another_model_is_found(
    place: Workspace, run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = tmp_path / "light.zip"
    make(place, run, light)
    other = Workspace(tmp_path / "other")
    shutil.copytree(run.path, other.runs / run.run_id)
    (weights,) = list((other.runs / run.run_id / "checkpoint").rglob("model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    found = verify(light, other, sample=3)
    assert states(found)["scores again"] == "failed" and "differs" in found.checks[-1].said


def test_the_sample_spreads_over_classes_and_labels() -> None:
    cases = [
        {"key": f"{c}{y}{i}", "class_name": c, "label": y}
        for c in "ab" for y in (0, 1) for i in range(9)
    ]  # fmt: skip
    for seed in range(5):
        chosen = spread(cases, 8, seed)
        assert len({row["key"] for row in chosen}) == 8
        for c in "ab":
            for y in (0, 1):
                assert sum((r["class_name"], r["label"]) == (c, y) for r in chosen) == 2
    assert spread(cases, 8, 1) == spread(cases, 8, 1) != spread(cases, 8, 2)


def test_hostile_and_broken_files_are_one_sentence(
    made: Path, place: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no file"):
        verify(tmp_path / "none.zip", place)
    words = tmp_path / "words.zip"
    words.write_text("hello")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(made.read_bytes()[:2000])
    for path in (words, cut):
        with pytest.raises(DataError, match=r"no ZIP|cut short"):
            verify(path, place)
    for bad in ({"format": 9}, {"format": 1, "run_id": "x", "members": {"../../etc": "0"}},
                {"format": 1, "run_id": "../x", "members": {}}):  # fmt: skip
        forged = changed(
            made, tmp_path / "f.zip", MANIFEST, lambda _, b=bad: json.dumps(b).encode()
        )
        with pytest.raises(DataError):
            verify(forged, place)
    with pytest.raises(UsageError, match="--sample"):
        verify(made, place, sample=0)


def test_a_run_that_has_not_ended_has_no_capsule(place: Workspace, tmp_path: Path) -> None:
    config = RunConfig(data="demo", method="patchcore")
    with pytest.raises(RunError, match="not ended well"):
        make(place, RunDirectory.create(place, config), tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_the_commands(
    place: Workspace, run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = str(tmp_path / "c.zip"), str(place.root)
    assert cli.main(["capsule", run.run_id, "--out", out, "--workspace", root, "--json"]) == 0
    assert cli.main(["verify", out, "--sample", "3", "--workspace", root, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["verified"] and [check["state"] for check in told["checks"]] == ["ok"] * 5
    empty = str(tmp_path / "empty")
    assert cli.main(["verify", out, "--sample", "3", "--workspace", empty]) == 1
    assert "NOT verified" in capsys.readouterr().out
