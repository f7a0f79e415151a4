"""Capsules of real runs verify, and whatever was changed is found: scores, labels, files, model."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from core import cli
from core.capsule.archive import open_capsule
from core.capsule.claims import MANIFEST, Row, digest_of
from core.capsule.making import make
from core.config import RunConfig
from core.data import demo
from core.engine import capsule_checks, reload, runner
from core.engine.verify import Verified, verify
from core.errors import DataError, UsageError
from core.metrics.base import METRICS
from core.runs import RunDirectory
from core.workspace import Workspace

SIZE = 64
CLASSES = ("circuit_board", "woven_fabric")
NAMES = ("contents", "metrics", "thresholds", "labels", "images", "model", "scores again")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("capsule")
    demo.generate(root / "tiny", size=SIZE, train=5, test=4)
    return Workspace(root / "workspace")


def data(place: Workspace) -> Path:
    return place.root.parent / "tiny"


def finished(place: Workspace, **changes: Any) -> RunDirectory:
    values = {
        "data": str(data(place)), "method": "patchcore", "size": SIZE, "device": "cpu",
        "backbone": "tf_efficientnet_lite0", "batch_size": 4, "classes": CLASSES,
        "method_config": {"coreset_ratio": 0.1},
    }  # fmt: skip
    run = RunDirectory.create(place, RunConfig.model_validate(values | changes))
    assert runner.execute(place, run) == "succeeded", run.status().error
    return run


@pytest.fixture(scope="module")
def run(place: Workspace) -> RunDirectory:
    return finished(place)


@pytest.fixture(scope="module")
def made(place: Workspace, run: RunDirectory) -> Path:
    out = place.root.parent / "with-model.zip"
    make(place, run, out, with_model=True)
    return out


@pytest.fixture(scope="module")
def light(place: Workspace, run: RunDirectory) -> Path:
    out = place.root.parent / "light.zip"
    make(place, run, out)
    return out


def states(found: Verified) -> dict[str, str]:
    return {check.what: check.state for check in found.checks}


def said(found: Verified, what: str) -> str:
    return next(check.said for check in found.checks if check.what == what)


def failed(found: Verified) -> set[str]:
    assert not found.good and "NOT verified" in found.verdict
    return {name for name, state in states(found).items() if state == "failed"}


def forged(capsule: Path, out: Path, **changes: Callable[[bytes], bytes]) -> Path:
    """A capsule with members changed and the manifest made to fit; "__" stands for a dot."""
    with zipfile.ZipFile(capsule) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members[MANIFEST])
    for word, change in changes.items():
        name = word.replace("__", ".")
        members[name] = change(members[name])
        manifest["members"][name] = digest_of(members[name])
    members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out


def table(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[bytes], bytes]:
    """A change of a parquet member's rows."""

    def changed(content: bytes) -> bytes:
        held = pq.read_table(pa.BufferReader(content))
        rows = held.to_pylist()
        rows = change(rows) or rows
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, held.schema), sink)
        return bytes(sink.getvalue().to_pybytes())

    return changed


def document(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A change of a JSON member."""

    def changed(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return changed


def test_it_verifies_beside_its_run(place: Workspace, light: Path) -> None:
    found = verify(light, place, sample=6, seed=1)
    assert found.good, found.checks
    assert states(found) == dict.fromkeys(NAMES, "ok")
    assert found.images == 6 and found.largest_difference is not None
    assert found.largest_difference <= 1e-5
    assert found.verdict.endswith("is verified (sample of 6, seed 1).")
    levels = sum(metric.level == "image" for _, metric in METRICS.items())
    assert said(found, "metrics").startswith(f"{levels * 3} image metrics"), "classes and mean"
    left = list(place.prepared.glob(".capsule-*"))
    assert not left, "nothing stays in the workspace"


def test_it_verifies_alone_in_an_empty_workspace(
    place: Workspace, made: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(data(place), moved)
    found = verify(made, Workspace(tmp_path / "empty"), data=moved, sample=5)
    assert found.good, found.checks
    assert said(found, "model").endswith("in the capsule have the recorded hashes.")
    assert found.seed != verify(made, Workspace(tmp_path / "empty"), data=moved, sample=1).seed


def test_every_image_is_scored_when_asked_for(place: Workspace, light: Path) -> None:
    total = len(open_capsule(light).cases())
    found = verify(light, place, sample=10_000)
    assert found.good and found.images == total


def test_without_a_model_or_data_it_says_what_to_give(
    place: Workspace, light: Path, tmp_path: Path
) -> None:
    found = verify(light, Workspace(tmp_path / "empty"), sample=3)
    assert failed(found) == set() and "no image was scored again" in found.verdict
    assert states(found)["model"] == states(found)["scores again"] == "not checked"
    assert "--with-model" in said(found, "model") and "--workspace" in said(found, "model")
    for root in (tmp_path, tmp_path / "nowhere"):
        away = verify(light, place, data=root, sample=3)
        assert failed(away) == set() and states(away)["images"] == "not checked"
        assert "--data" in said(away, "images") and states(away)["labels"] == "not checked"


def test_a_separate_run_with_held_out_normals_verifies(place: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "separate.zip"
    run = finished(place, setting="separate", protocol="deployment")
    make(place, run, out, with_model=True)
    found = verify(out, Workspace(tmp_path / "empty"), sample=6)
    assert found.good, found.checks
    assert "2 oracle and 2 held-out thresholds" in said(found, "thresholds")

    def raised(held: Any) -> None:
        held[CLASSES[0]]["held_out"] *= 1.01

    other = forged(out, tmp_path / "f.zip", thresholds__json=document(raised))
    again = verify(other, Workspace(tmp_path / "empty"), sample=1)
    assert failed(again) == {"thresholds"} and "held-out of circuit" in said(again, "thresholds")


def test_maps_made_elsewhere_have_no_model(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    from core.engine.external import evaluate
    from core.engine.external_request import Request

    keys = [str(row["key"]) for row in run.read_table(RunDirectory.CASES).to_pylist()]
    for key, map_HW in zip(keys, run.maps(), strict=True):
        target = (tmp_path / "maps" / key).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, map_HW)
    request = Request(truth=str(data(place)), maps=tmp_path / "maps", name="x", classes=CLASSES)
    other = evaluate(place, request)
    make(place, other, tmp_path / "c.zip")
    found = verify(tmp_path / "c.zip", place, sample=4)
    assert failed(found) == set()
    wanted = ["ok"] * 5 + ["not checked"] * 2
    assert list(states(found).values()) == wanted, found.checks
    assert "only hashes, numbers and labels" in said(found, "model")


def test_one_changed_byte_is_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "changed.zip"
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(out, "w") as copy:
        for info in archive.infolist():
            content = archive.read(info)
            more = b" " if info.filename == "config.json" else b""
            copy.writestr(info.filename, content + more)
    found = verify(out, place)
    assert failed(found) == {"contents"} and "config.json" in found.checks[0].said
    assert len(found.checks) == 1, "nothing in it is trusted"


def test_one_score_is_found_by_scoring_again(made: Path, place: Workspace, tmp_path: Path) -> None:
    """Raised so little that every ranking, and so every metric, stays as it is."""

    def raised(rows: list[dict[str, Any]]) -> None:
        top = max((row for row in rows if row["label"]), key=lambda row: float(row["score"]))
        top["score"] *= 1.0001

    out = forged(made, tmp_path / "f.zip", cases__parquet=table(raised))
    found = verify(out, place, sample=1000)
    assert failed(found) == {"scores again"}, found.checks
    assert found.largest_difference == pytest.approx(1e-4, rel=0.01)
    assert "1 differ by more than 1e-05" in said(found, "scores again")


def test_scores_that_rank_otherwise_are_found_by_the_metrics(
    made: Path, place: Workspace, tmp_path: Path
) -> None:
    def ranked(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["score"] = float(row["label"]) + row["score"] / 1e3

    def alike(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["metric"] == "image_auroc" and row["class_name"] == "mean":
                row["value"] += 1e-6

    one = forged(made, tmp_path / "f.zip", cases__parquet=table(ranked))
    assert {"thresholds", "scores again"} <= failed(verify(one, place, sample=4))
    two = forged(made, tmp_path / "f.zip", metrics__parquet=table(alike))
    found = verify(two, place, sample=1)
    assert failed(found) == {"metrics"} and "Image AUROC of mean" in said(found, "metrics")


def test_labels_and_images_left_out_are_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    def turned(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["label"])
        row["label"], row["anomaly_type"] = 0, "good"

    found = verify(forged(made, tmp_path / "f.zip", cases__parquet=table(turned)), place, sample=1)
    assert "labels" in failed(found) and "calls them otherwise" in said(found, "labels")
    less = forged(made, tmp_path / "f.zip", cases__parquet=table(lambda rows: rows[:-1]))
    found = verify(less, place, sample=1)
    assert "labels" in failed(found) and "without a score" in said(found, "labels")


def test_an_oracle_threshold_that_does_not_follow_is_found(
    made: Path, place: Workspace, tmp_path: Path
) -> None:
    def lowered(held: Any) -> None:
        held[CLASSES[1]]["oracle"] *= 0.999

    out = forged(made, tmp_path / "f.zip", thresholds__json=document(lowered))
    found = verify(out, place, sample=1)
    assert failed(found) == {"thresholds"} and "oracle of woven" in said(found, "thresholds")


def test_one_other_image_is_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(data(place), moved)
    victim = open_capsule(made).cases()[0].key
    Image.new("RGB", (SIZE, SIZE), "red").save(moved / victim)
    found = verify(made, place, data=moved, sample=1000)
    assert failed(found) == {"images"} and victim in said(found, "images")
    (moved / victim).unlink()
    found = verify(made, place, data=moved, sample=1000)
    assert failed(found) == {"images", "labels"} and "Not in" in said(found, "images")


def test_other_data_is_found(made: Path, place: Workspace, tmp_path: Path) -> None:
    demo.generate(tmp_path / "other", size=SIZE, train=5, test=4, seed=77)
    found = verify(made, place, data=tmp_path / "other", sample=4)
    assert "images" in failed(found) and states(found)["scores again"] == "not checked"


def test_an_image_that_was_gone_has_no_hash(
    place: Workspace, run: RunDirectory, tmp_path: Path
) -> None:
    key = str(run.read_table(RunDirectory.CASES).to_pylist()[0]["key"])
    (data(place) / key).rename(tmp_path / "kept.png")
    try:
        make(place, run, tmp_path / "c.zip")
    finally:
        (tmp_path / "kept.png").rename(data(place) / key)
    found = verify(tmp_path / "c.zip", place, sample=1000)
    assert found.good and f"1 were gone when the capsule was made: {key}" in said(found, "images")
    assert found.images == len(open_capsule(tmp_path / "c.zip").cases()) - 1


def _moved_by(weights: Path) -> None:
    tensors = load_file(weights)
    name = max(tensors, key=lambda one: tensors[one].size)
    tensors[name] = tensors[name] * np.asarray(1.01, tensors[name].dtype)
    save_file(tensors, weights)


def test_another_model_is_found(
    place: Workspace, run: RunDirectory, light: Path, made: Path, tmp_path: Path
) -> None:
    other = Workspace(tmp_path / "other")
    copy = other.runs / run.run_id
    shutil.copytree(run.path, copy)
    (weights,) = list((copy / "checkpoint").rglob("model.safetensors"))
    _moved_by(weights)
    found = verify(light, other, sample=3)
    assert failed(found) == {"model"} and "model.safetensors" in said(found, "model")
    assert states(found)["scores again"] == "not checked"
    member = "checkpoint/" + weights.relative_to(copy / "checkpoint").as_posix()
    name = member.removeprefix("checkpoint/")
    swapped = {member: lambda _: weights.read_bytes()}
    half = forged(made, tmp_path / "half.zip", **swapped)
    assert failed(verify(half, other, sample=3)) == {"model"}, "not the recorded one"

    def renamed(held: Any) -> None:
        held[name] = digest_of(weights)

    whole = forged(made, tmp_path / "whole.zip", **swapped, checkpoint__json=document(renamed))
    found = verify(whole, other, sample=3)
    assert failed(found) == {"scores again"}, "all hashes fit, the scores do not"


def test_a_config_of_another_run_is_found(
    place: Workspace, light: Path, made: Path, tmp_path: Path
) -> None:
    def grown(held: Any) -> None:
        held["config"]["size"] = 96

    found = verify(forged(light, tmp_path / "f.zip", config__json=document(grown)), place, sample=3)
    assert failed(found) == {"model"} and "another config" in said(found, "model")
    found = verify(forged(made, tmp_path / "f.zip", config__json=document(grown)), place, sample=3)
    assert failed(found) == {"scores again"}, "what the capsule claims is what is tried"


def test_backbone_weights_that_are_not_here_are_no_failure(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import WeightsMissing

    def missing(*_: object, **__: object) -> None:
        raise WeightsMissing("The weights of x are not on this machine.")

    monkeypatch.setattr(reload.backbone_weights, "resolve", missing)
    found = verify(made, Workspace(tmp_path / "empty"), sample=1)
    assert failed(found) == set() and "not on this machine" in said(found, "scores again")


def test_the_sample_spreads_over_classes_and_labels() -> None:
    cases = [
        Row(key=f"{c}{y}{i}", class_name=c, label=y, anomaly_type="x", score=0.0)
        for c in "abcdef" for y in (0, 1) for i in range(9)
    ]  # fmt: skip
    for seed in range(5):
        chosen = capsule_checks.spread(cases, 24, seed)
        assert len({row.key for row in chosen}) == 24
        for c in "abcdef":
            for y in (0, 1):
                assert sum((r.class_name, r.label) == (c, y) for r in chosen) == 2
    few = [frozenset(row.class_name for row in capsule_checks.spread(cases, 2, seed))
           for seed in range(40)]  # fmt: skip
    assert frozenset().union(*few) == set("abcdef"), "small samples do not favour the first names"
    draw = capsule_checks.spread
    assert draw(cases, 8, 1) == draw(cases, 8, 1) != draw(cases, 8, 2)
    assert len(draw(cases[:3], 10, 0)) == 3


def test_wrong_arguments_are_one_sentence(made: Path, place: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--sample"):
        verify(made, place, sample=0)
    with pytest.raises(UsageError, match="--seed"):
        verify(made, place, seed=-1)
    (tmp_path / "cut.zip").write_bytes(made.read_bytes()[:2000])
    with pytest.raises(DataError, match="cut short"):
        verify(tmp_path / "cut.zip", place)


def test_the_commands(
    place: Workspace, run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = str(tmp_path / "c.zip"), str(place.root)
    assert cli.main(["capsule", run.run_id, "--out", out, "--workspace", root, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["members"], told["gone"], told["with_model"]) == (6, 0, False)
    call = ["verify", out, "--sample", "3", "--seed", "5", "--workspace", root]
    assert cli.main([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["verified"] and told["seed"] == 5 and told["largest_difference"] <= 1e-5
    assert [(check["what"], check["state"]) for check in told["checks"]] == [
        (name, "ok") for name in NAMES
    ]
    assert cli.main([*call[:-1], str(tmp_path / "empty")]) == 1
    assert "NOT verified: no image was scored again" in capsys.readouterr().out
    (tmp_path / "words.zip").write_text("hello")
    assert cli.main(["verify", str(tmp_path / "words.zip"), "--workspace", root]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
