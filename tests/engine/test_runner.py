"""The engine over real methods on a small generated data set: one loop, resume, cancel, seeds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.comparison import compare_runs
from core.config import RunConfig
from core.data import demo
from core.data.catalogue import open_dataset
from core.data.prepared import prepare
from core.engine import runner, scoring, training
from core.errors import RunError
from core.metrics.accumulate import Accumulator
from core.metrics.base import NINE
from core.runs import RunDirectory
from core.workspace import Workspace

ROOT = Path(__file__).parents[2]
BACKBONE = "tf_efficientnet_lite0"
SETTINGS: dict[str, dict[str, object]] = {
    "patchcore": {"method_config": {"coreset_ratio": 0.1}},
    "rd": {"epochs": 4, "batch_size": 4},
    "simplenet": {"epochs": 4, "batch_size": 4},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("engine")
    demo.generate(root / "tiny", size=96, train=10, test=12)
    return Workspace(root / "workspace")


def config(place: Workspace, method: str, **changes: object) -> RunConfig:
    values: dict[str, object] = {
        "data": str(place.root.parent / "tiny"),
        "method": method,
        "size": 96,
        "backbone": BACKBONE,
        "device": "cpu",
    }
    return RunConfig.model_validate(values | SETTINGS[method] | changes)


def finished(place: Workspace, settings: RunConfig) -> RunDirectory:
    run = RunDirectory.create(place, settings)
    state = runner.execute(place, run)
    assert state == "succeeded", run.status().error or run.log_tail()
    return run


def results(run: RunDirectory) -> tuple[list[float], np.ndarray, dict[tuple[str, str], float]]:
    rows = run.read_table(RunDirectory.METRICS).to_pylist()
    values = {
        (row["class_name"], row["metric"]): row["value"]
        for row in rows
        if (row["convention"], row["anomaly_type"]) == ("exact", "")
    }
    scores = run.read_table(RunDirectory.CASES).column("score").to_pylist()
    return scores, np.array(run.maps()), values


@pytest.fixture(scope="module")
def undisturbed(place: Workspace) -> Callable[[str], RunDirectory]:
    made: dict[str, RunDirectory] = {}

    def get(method: str) -> RunDirectory:
        if method not in made:
            made[method] = finished(place, config(place, method))
        return made[method]

    return get


@pytest.mark.parametrize("method", list(SETTINGS))
def test_a_run_fills_its_directory(undisturbed: Callable[[str], RunDirectory], method: str) -> None:
    run = undisturbed(method)
    scores, maps_NHW, metrics = results(run)
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    assert maps_NHW.shape == (len(cases), 96, 96) and maps_NHW.dtype == np.float16
    assert np.isfinite(maps_NHW).all() and np.isfinite(scores).all()
    assert [case["row"] for case in cases] == list(range(len(cases)))
    assert {"mean", *(case["class_name"] for case in cases)} == {name for name, _ in metrics}
    for case, map_HW in zip(cases, maps_NHW, strict=True):
        assert case["peak"] == pytest.approx(float(map_HW.max()), rel=2e-3)
        assert (case["area_px"] > 0) == (case["has_mask"] and case["label"] == 1)
        assert (case["peak_in_truth"] is None) == (case["label"] == 0 or not case["has_mask"])
    resolved = run.record().resolved
    assert resolved["weights"]["pretrained"] and len(resolved["weights"]["sha256"]) == 64
    assert resolved["backbone"] == BACKBONE and resolved["dataset"]["fingerprint"]
    status = run.stored_status()
    assert status.progress == 1.0 and status.facts["seconds"] > 0
    assert not list(run.path.glob(".*")), "nothing half-written is left behind"


def test_regions_summaries_and_both_conventions_are_kept(
    undisturbed: Callable[[str], RunDirectory],
) -> None:
    run = undisturbed("patchcore")
    cases = {case["key"]: case for case in run.read_table(RunDirectory.CASES).to_pylist()}
    regions = run.read_table(RunDirectory.REGIONS).to_pylist()
    by_image: dict[str, list[dict[str, Any]]] = {}
    for region in regions:
        by_image.setdefault(region["key"], []).append(region)
    for key, mine in by_image.items():
        assert sum(region["area_px"] for region in mine) == cases[key]["area_px"]
        assert len(mine) == cases[key]["regions"]
        for region in mine:
            assert 0.0 <= region["found"] <= 1.0 and region["hit"] == (region["found"] > 0)
            assert region["recall"] == sorted(region["recall"]), "found at a rate, found beyond"
    assert set(by_image) == {key for key, case in cases.items() if case["regions"]}
    own = {case["key"]: case["aupimo"] for case in cases.values()}
    assert {key for key, value in own.items() if value is not None} == set(by_image)
    values = results(run)[2]
    for name in {case["class_name"] for case in cases.values()}:
        mine = [own[key] for key in by_image if cases[key]["class_name"] == name]
        assert np.mean(mine) == pytest.approx(values[name, "aupimo"], abs=1e-12)
    summaries = run.read_table(RunDirectory.SUMMARIES).to_pylist()
    pixels = dict.fromkeys(cases, 0.0)
    for row in summaries:
        pixels[row["key"]] += row["normal"] + row["anomalous"]
    whole = 96 * 96
    assert all(pixels[key] == whole for key, case in cases.items() if case["has_mask"])
    rows = run.read_table(RunDirectory.METRICS).to_pylist()
    assert {row["convention"] for row in rows} == {"exact", "ader"}
    kinds = {row["anomaly_type"] for row in rows if row["anomaly_type"]}
    assert kinds <= {case["anomaly_type"] for case in cases.values()} and kinds
    assert all(row["bound_low"] is None for row in rows), "small runs are exact"
    objects = [row for row in rows if row["metric"] == "object_ap_30" and row["value"] is not None]
    assert objects


def test_the_stored_maps_tell_the_same_story(
    place: Workspace, undisturbed: Callable[[str], RunDirectory]
) -> None:
    """Metrics computed again from the float16 maps, with the truth of the prepared data."""
    run = undisturbed("patchcore")
    _, maps_NHW, metrics = results(run)
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    prepared = prepare(open_dataset(run.record().config.data, place), 96, place)
    rows = {sample.key: row for row, sample in enumerate(prepared.samples)}
    again = Accumulator()
    for name in sorted({case["class_name"] for case in cases}):
        mine = [case for case in cases if case["class_name"] == name]
        at = [rows[case["key"]] for case in mine]
        again.update(
            class_name=name,
            maps_BHW=maps_NHW[[case["row"] for case in mine]],
            regions_BHW=prepared.regions(at),
            scores_B=[case["score"] for case in mine],
            labels_B=[case["label"] for case in mine],
            has_mask_B=prepared.has_mask[at],
        )
    found = again.compute(intervals=0, by_type=False)
    for id in NINE:
        assert found.value("mean", id) == pytest.approx(metrics["mean", id], abs=1e-3), id
    assert found.value("mean", "image_auroc") == metrics["mean", "image_auroc"]


def test_a_run_beside_itself_is_no_different(undisturbed: Callable[[str], RunDirectory]) -> None:
    run = undisturbed("patchcore")
    metrics, rows = results(run)[2], compare_runs(run, run)
    assert {row.metric for row in rows} == set(NINE)
    for row in rows:
        assert row.a == row.b == pytest.approx(metrics[row.class_name, row.metric])
        assert (row.difference, row.p) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_scores(
    place: Workspace, undisturbed: Callable[[str], RunDirectory]
) -> None:
    again = finished(place, config(place, "rd"))
    assert results(again)[0] == results(undisturbed("rd"))[0]
    other = finished(place, config(place, "rd", seed=1))
    assert results(other)[0] != results(again)[0]


@pytest.mark.parametrize("method", ["rd", "patchcore"])
def test_separate_models_see_their_class_alone(place: Workspace, method: str) -> None:
    run = finished(place, config(place, method, setting="separate"))
    classes = run.record().resolved["dataset"]["classes"]
    folders = sorted(path.name for path in (run.path / RunDirectory.CHECKPOINT).iterdir())
    assert folders == sorted(classes) and len(classes) >= 3
    one = finished(place, config(place, method, setting="separate", classes=(classes[0],)))
    both = results(run)[0][: len(results(one)[0])]
    assert both == results(one)[0], "a class alone gives what it gives among others"


def test_deployment_holds_normals_out_and_takes_its_threshold_from_them(place: Workspace) -> None:
    run = finished(place, config(place, "patchcore", protocol="deployment"))
    samples = run.read_table(RunDirectory.SAMPLES).to_pylist()
    held = [sample for sample in samples if sample["split"] == "calibration"]
    assert held and all(sample["label"] == 0 for sample in held)
    rows = run.read_table(RunDirectory.METRICS).to_pylist()
    names = {row["class_name"] for row in rows if row["metric"] == "image_threshold_heldout"}
    assert names == {sample["class_name"] for sample in held}
    keys = set(run.read_table(RunDirectory.CASES).column("key").to_pylist())
    assert not keys & {sample["key"] for sample in held}


@pytest.fixture
def worker(place: Workspace) -> Iterator[Callable[[RunDirectory], subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FLAWSCOPE_CHECKPOINT_SECONDS": "0"}

    def start(run: RunDirectory) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "core", "work", run.run_id, "--workspace", str(place.root)]
        with (run.path / RunDirectory.LOG).open("ab") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, "the moment never came"
        time.sleep(0.005)


def kinds(run: RunDirectory) -> list[str]:
    return [f"{e['kind']}:{e.get('phase', e.get('epoch', ''))}" for e in run.events()]


MOMENTS = {
    "while preparing": lambda run: "phase:prepare" in kinds(run),
    "after the first epoch": lambda run: "epoch:1" in kinds(run),
    "in the third epoch": lambda run: "epoch:2" in kinds(run),
    "while predicting": lambda run: "phase:predict" in kinds(run),
    "while evaluating": lambda run: "phase:evaluate" in kinds(run),
}


def test_kill_at_several_moments_then_resume_gives_the_undisturbed_numbers(
    place: Workspace,
    undisturbed: Callable[[str], RunDirectory],
    worker: Callable[[RunDirectory], subprocess.Popen[bytes]],
) -> None:
    run = RunDirectory.create(place, config(place, "rd"))
    for moment in MOMENTS.values():
        before = len(kinds(run))
        process = worker(run)
        wait_for(lambda: len(kinds(run)) > before and moment(run), process)  # noqa: B023
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        status = run.status()
        assert status.state == "failed" and "resume" in (status.error or "")
    assert worker(run).wait(timeout=120) == 0, run.log_tail()
    scores, maps_NHW, metrics = results(run)
    expected_scores, expected_maps, expected_metrics = results(undisturbed("rd"))
    assert scores == expected_scores
    np.testing.assert_array_equal(maps_NHW, expected_maps)
    assert metrics == expected_metrics


def test_cancel_leaves_a_clean_state_and_resume_finishes(
    place: Workspace,
    undisturbed: Callable[[str], RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = RunDirectory.create(place, config(place, "simplenet"))
    real = training._epoch

    def cancelling(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        if arguments[3] == 1:
            run.request_cancel()

    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(training, "_epoch", cancelling)
    monkeypatch.setattr("core.engine.progress.WRITE_EVERY_SECONDS", 0.0)
    assert runner.execute(place, run) == "cancelled"
    assert not run.has(RunDirectory.MAPS) and not run.has(RunDirectory.METRICS)
    monkeypatch.setattr(training, "_epoch", real)
    run.clear_cancel()
    assert runner.execute(place, run) == "succeeded"
    assert results(run)[0] == results(undisturbed("simplenet"))[0]


def test_a_diverging_run_fails_and_says_at_which_step(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.methods.base import METHODS

    kind = METHODS.get("rd")
    real = kind.training_step
    monkeypatch.setattr(
        kind,
        "training_step",
        lambda self, batch: {k: v * float("nan") for k, v in real(self, batch).items()},
    )
    run = RunDirectory.create(place, config(place, "rd"))
    assert runner.execute(place, run) == "failed"
    error = run.status().error or ""
    assert "diverged" in error and "epoch 1" in error and "\n" not in error


def test_maps_beyond_float16_are_stored_cut_and_said(
    place: Workspace, undisturbed: Callable[[str], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.methods.base import METHODS
    from core.types import RawPrediction

    kind = METHODS.get("patchcore")
    real = kind.score
    monkeypatch.setattr(
        kind,
        "score",
        lambda self, f: RawPrediction(tuple(1e6 * m for m in real(self, f).levels_BHW)),
    )
    run = finished(place, config(place, "patchcore"))
    scores, maps_NHW, metrics = results(run)
    assert np.isfinite(maps_NHW).all() and maps_NHW.max() == scoring.HALF_MAX
    assert max(scores) > scoring.HALF_MAX
    assert any("stored as 65504" in event.get("message", "") for event in run.events())
    # a factor changes no ranking: the metrics are those of the plain run
    key = ("mean", "image_auroc")
    assert metrics[key] == pytest.approx(results(undisturbed("patchcore"))[2][key])


def test_out_of_memory_names_the_setting_to_lower(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.methods.base import METHODS

    def full(self: object, batch: object) -> None:
        raise MemoryError

    monkeypatch.setattr(METHODS.get("rd"), "training_step", full)
    run = RunDirectory.create(place, config(place, "rd"))
    assert runner.execute(place, run) == "failed"
    assert "--batch-size (now 4)" in (run.status().error or "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("unheard_of",)}, "no class 'unheard_of'"),
        ({"data": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"method_config": {"speed": 9}}, "no setting 'speed'"),
        ({"device": "tpu"}, "expected auto, cpu, cuda"),
        ({"weights": "/nowhere/weights.safetensors"}, "/nowhere/weights.safetensors"),
    ],
)
def test_what_cannot_run_fails_with_one_sentence(
    place: Workspace, changes: dict[str, object], words: str
) -> None:
    run = RunDirectory.create(place, config(place, "rd", **changes))
    assert runner.execute(place, run) == "failed"
    error = run.status().error or ""
    assert words in error and "Traceback" not in error


def test_resuming_on_changed_data_is_refused(place: Workspace, tmp_path: Path) -> None:
    run = RunDirectory.create(place, config(place, "rd"))
    record = json.loads((run.path / RunDirectory.CONFIG).read_text())
    record["resolved"] = {"dataset": {"fingerprint": "of other data"}, "backbone": BACKBONE}
    (run.path / RunDirectory.CONFIG).write_text(json.dumps(record))
    assert runner.execute(place, run) == "failed"
    assert "data set has changed since" in (run.status().error or "")
    record["resolved"] = {"weights": {"sha256": "of another file"}, "backbone": BACKBONE}
    (run.path / RunDirectory.CONFIG).write_text(json.dumps(record))
    assert runner.execute(place, run) == "failed"
    assert "weight file has changed since" in (run.status().error or "")
    with pytest.raises(RunError, match="no maps"):
        run.maps()
