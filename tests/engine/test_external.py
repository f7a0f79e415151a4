"""Maps made elsewhere become a run like any other, with the numbers the metrics give them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from sklearn.metrics import roc_auc_score

from core.config import EXTERNAL, RunConfig, external_name
from core.data.catalogue import add_dataset, fingerprint, open_dataset
from core.data.prepared import prepare
from core.engine import external
from core.engine.external import evaluate
from core.engine.external_request import Request, common_size
from core.engine.scoring import HALF_MAX, Scoring
from core.errors import DataError, DeviceMemory, FlawscopeError, RunError, UsageError
from core.jobs import queue
from core.listing import require_method
from core.methods.base import METHODS
from core.metrics.accumulate import Accumulator
from core.runs import RunDirectory, all_runs
from core.store import read
from core.store.connection import version
from core.store.ingest import refresh
from core.workspace import Workspace
from tests.data import trees
from tests.data.trees import noise, save

SIZE = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.mvtec(tmp_path_factory.mktemp("data") / "mini")


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def keys_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.glob("*/test/*/*.png"))


def made_maps(root: Path, side: int = SIZE) -> dict[str, np.ndarray]:
    """Noise of eight levels, so that there are ties, lifted where the flaw lies; exact in 16 bits.

    The block of `trees.block` covers x 6..13 of 24 and y 4..11 of 20.
    """
    rng = np.random.default_rng(0)
    maps = {}
    for key in keys_of(root):
        values = rng.integers(0, 8, (side, side)).astype(np.float32)
        if "/crack/" in key:
            rows, columns = slice(side // 5, side // 2), slice(side // 4, side // 2)
            values[rows, columns] += rng.integers(0, 6)
        maps[key] = values
    return maps


Writer = Callable[[Path, np.ndarray], object]
WRITERS: dict[str, tuple[str, Writer]] = {
    "float32 TIFF": (".tiff", lambda path, values: save(path, values)),
    "float16 TIFF": (".tif", lambda path, values: tifffile.imwrite(path, values.astype("f2"))),
    "NPY": (".npy", np.save),
    "16-bit PNG": (".png", lambda path, values: save(path, values.astype(np.uint16))),
    "8-bit PNG": (".png", lambda path, values: save(path, values.astype(np.uint8))),
}


def write(folder: Path, maps: dict[str, np.ndarray], kind: str = "NPY") -> Path:
    suffix, writer = WRITERS[kind]
    for key, values in maps.items():
        path = folder / (key.removesuffix(".png") + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(path, values)
    return folder


def metrics_of(run: RunDirectory) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Exact metrics of whole classes: (value, ci_low, ci_high) by class and metric."""
    return _whole_classes(run.read_table(RunDirectory.METRICS).to_pylist())


def _whole_classes(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (row["class_name"], row["metric"]): (row["value"], row["ci_low"], row["ci_high"])
        for row in rows
        if row["convention"] == "exact" and row["anomaly_type"] == ""
    }


def without_objects(metrics: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Metrics that need no second look at the maps."""
    return {key: value for key, value in metrics.items() if not key[1].startswith("object_")}


def by_hand(root: Path, place: Workspace, maps: dict[str, np.ndarray], seed: int = 0) -> dict:
    """The accumulator over the same maps and the prepared truth, one image at a time."""
    prepared = prepare(open_dataset(str(root), place), SIZE, place)
    accumulator = Accumulator()
    for row in prepared.rows(split="test"):
        sample = prepared.samples[row]
        accumulator.update(
            class_name=sample.class_name,
            maps_BHW=maps[sample.key][None],
            regions_BHW=prepared.regions([row]),
            scores_B=[maps[sample.key].max()],
            labels_B=[sample.label],
            has_mask_B=[bool(prepared.has_mask[row])],
            anomaly_types_B=[sample.anomaly_type],
            specimens_B=[sample.specimen],
            keys_B=[sample.key],
        )
    columns = accumulator.compute(seed=seed).metric_columns()
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return without_objects(_whole_classes(list(rows)))


def test_the_numbers_are_those_of_the_accumulator(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    maps = made_maps(root)
    run = evaluate(place, Request(truth=str(root), maps=write(tmp_path / "maps", maps), seed=3))
    found = metrics_of(run)
    assert without_objects(found) == by_hand(root, place, maps, seed=3)
    value = found["mean", "pixel_auroc"][0]
    assert value is not None and 0.5 < value < 1, "the maps are neither useless nor perfect"


def test_every_format_gives_the_same_metrics(root: Path, place: Workspace, tmp_path: Path) -> None:
    maps = made_maps(root)
    found = {}
    for kind in WRITERS:
        folder = write(tmp_path / kind, maps, kind)
        found[kind] = metrics_of(evaluate(place, Request(truth=str(root), maps=folder)))
    stack = tmp_path / "stack" / "maps.npy"
    stack.parent.mkdir()
    np.save(stack, np.stack([maps[key] for key in sorted(maps)]).astype(np.float16))
    told: list[str] = []
    run = evaluate(place, Request(truth=str(root), maps=stack), tell=told.append)
    found["stack"] = metrics_of(run)
    assert any("sorted by key" in sentence for sentence in told)
    assert any("sorted by key" in event.get("message", "") for event in run.events())
    for kind, values in found.items():
        assert values == found["NPY"], kind


def test_the_directory_is_that_of_a_run(root: Path, place: Workspace, tmp_path: Path) -> None:
    maps = made_maps(root)
    request = Request(truth=str(root), maps=write(tmp_path / "maps", maps), name="Other tool")
    run = evaluate(place, request)
    assert [one.run_id for one in all_runs(place)] == [run.run_id]
    assert [path.name for path in place.runs.iterdir()] == [run.run_id], "nothing lies beside it"
    config, resolved = run.record().config, run.record().resolved
    assert config.method == EXTERNAL and config.method_key == "external:Other tool"
    assert config.method_config == {"name": "Other tool", "maps": str(tmp_path / "maps")}
    assert (config.size, config.data, config.device) == (SIZE, str(root), "cpu")
    assert resolved["dataset"]["fingerprint"] == fingerprint(open_dataset(str(root), place), place)
    assert resolved["dataset"]["counts"] == {"train": 8, "calibration": 0, "test": 8}
    assert resolved["dataset"]["classes"] == ["bolt", "cloth"] and "numpy" in resolved["versions"]
    assert resolved["backbone"] is None and "weights" not in resolved
    status = run.status()
    assert status.state == "succeeded" and status.progress == 1.0 and status.finished_at
    assert status.facts["images"] == 8 and status.facts["seconds"] >= 0
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    assert [case["row"] for case in cases] == list(range(8))
    stored_NHW = run.maps()
    assert stored_NHW.dtype == np.float16
    for case, map_HW in zip(cases, stored_NHW, strict=True):
        np.testing.assert_array_equal(map_HW, maps[case["key"]])
        assert case["score"] == case["peak"] == maps[case["key"]].max()
        assert (case["area_px"] > 0) == (case["label"] == 1)
    assert len(run.read_table(RunDirectory.SAMPLES)) == 16
    curves = set(run.read_table(RunDirectory.CURVES).column("curve").to_pylist())
    assert {"roc", "pixel_roc", "pro", "score_hist_normal"} <= curves
    assert all(event["kind"] for event in run.events())


def test_it_joins_the_store_and_cannot_be_resumed(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    add_dataset(place, root, "parts")
    folder = write(tmp_path / "maps", made_maps(root))
    run = evaluate(place, Request(truth="parts", maps=folder))
    assert run.record().config.data == "parts" and "-external-parts-" in run.run_id
    assert refresh(place) == 1
    (row,) = read.leaderboard(place, "parts").to_dict("records")
    assert row["method"] == "external:maps" and external_name(row["method"]) == "maps"
    assert row["run_id"] == run.run_id and row["image_auroc"] == pytest.approx(
        metrics_of(run)["mean", "image_auroc"][0]
    )
    assert np.isnan(row["images_per_second"]) and pd.isna(row["backbone"])
    assert np.isnan(read.cases(place, run.run_id)["latency_ms"]).all()
    with pytest.raises(RunError, match="nothing to resume"):
        queue.resume(place, run.run_id)
    with pytest.raises(UsageError, match=r"no method to train; `evaluate` scores maps"):
        require_method(place, EXTERNAL)
    assert EXTERNAL not in METHODS


def test_one_name_and_folder_are_one_entry_over_seeds(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    folder = write(tmp_path / "maps", made_maps(root))
    requests = [Request(truth=str(root), maps=folder, seed=seed) for seed in (0, 1)]
    requests.append(Request(truth=str(root), maps=folder, name="another"))
    groups = [evaluate(place, request).record().group_id for request in requests]
    assert groups[0] == groups[1] != groups[2]


def test_maps_of_another_size_are_resized_bilinearly(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    ramp = np.tile(np.arange(16, dtype=np.float32), (16, 1))
    folder = write(tmp_path / "maps", dict.fromkeys(keys_of(root), ramp))
    run = evaluate(place, Request(truth=str(root), maps=folder, size=SIZE))
    # output pixel i has its centre at (i + 1/2) / 2 input pixels; the border repeats
    centres = (np.arange(SIZE) + 0.5) / 2 - 0.5
    row = np.interp(centres, np.arange(16), np.arange(16))
    np.testing.assert_allclose(run.maps(), np.broadcast_to(row, (8, SIZE, SIZE)), atol=1e-2)
    scores = run.read_table(RunDirectory.CASES).column("score").to_pylist()
    assert scores == [15.0] * 8


def test_maps_may_have_the_shape_of_their_image(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    flat = np.full((20, 24), 2.5, dtype=np.float32)  # pictures have 24 x 20 px
    folder = write(tmp_path / "maps", dict.fromkeys(keys_of(root), flat))
    run = evaluate(place, Request(truth=str(root), maps=folder))
    assert run.record().config.size == 256, "neither square nor of one size"
    assert run.maps().shape == (8, 256, 256) and (run.maps() == 2.5).all()


@pytest.mark.parametrize(
    ("shapes", "size"),
    [
        ([(64, 64)] * 3, 64),
        ([(64, 64), (32, 32)], 256),
        ([(64, 48)] * 2, 256),
        ([(16, 16)], 256),
        ([(4096, 4096)], 256),
        ([(2048, 2048)], 2048),
    ],
)
def test_the_size_is_that_of_the_maps_where_they_agree(
    shapes: list[tuple[int, int]], size: int
) -> None:
    assert common_size(shapes) == size
    RunConfig(data="d", method=EXTERNAL, size=common_size(shapes))


def test_given_scores_are_used_as_they_are(root: Path, place: Workspace, tmp_path: Path) -> None:
    keys = keys_of(root)
    labels = np.array(["/crack/" in key for key in keys])
    # closer than 32-bit floats can tell apart: rounded, half of the pairs would tie
    scores = 1 + np.arange(len(keys)) % 3 * 1e-9 + labels * 1e-9
    csv = tmp_path / "scores.csv"
    rows = (f"{k},{v!r}" for k, v in zip(keys, map(float, scores), strict=True))
    csv.write_text("key,score\n" + "\n".join(rows))
    folder = write(tmp_path / "maps", made_maps(root))
    run = evaluate(place, Request(truth=str(root), maps=folder, scores=csv))
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    assert {case["key"]: case["score"] for case in cases} == dict(zip(keys, scores, strict=True))
    for name in ("bolt", "cloth"):
        mine = np.array([key.startswith(name) for key in keys])
        expected = roc_auc_score(labels[mine], scores[mine])
        assert metrics_of(run)[name, "image_auroc"][0] == pytest.approx(expected)
    assert run.record().config.method_config["scores"] == str(csv)


def test_some_classes_of_a_folder_with_all(root: Path, place: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "maps", made_maps(root))
    run = evaluate(place, Request(truth=str(root), maps=folder, classes=("cloth",)))
    assert {name for name, _ in metrics_of(run)} == {"cloth", "mean"}
    whole = evaluate(place, Request(truth=str(root), maps=folder))
    key = ("cloth", "pixel_auroc")
    assert metrics_of(run)[key][0] == metrics_of(whole)[key][0]


def test_an_image_that_cannot_be_read_is_left_out(place: Workspace, tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "mini")
    (root / "bolt/test/good/001.png").write_bytes(b"broken")
    maps = made_maps(root)
    del maps["bolt/test/good/001.png"]
    run = evaluate(place, Request(truth=str(root), maps=write(tmp_path / "maps", maps)))
    assert len(run.read_table(RunDirectory.CASES)) == 7
    assert any(event.get("key") == "bolt/test/good/001.png" for event in run.events())


def test_values_beyond_float16_are_stored_cut_and_measured_whole(
    root: Path, place: Workspace, tmp_path: Path
) -> None:
    maps = made_maps(root)
    large = {key: values * 9000 for key, values in maps.items()}  # up to 108,000
    run = evaluate(place, Request(truth=str(root), maps=write(tmp_path / "large", large)))
    plain = evaluate(place, Request(truth=str(root), maps=write(tmp_path / "plain", maps)))
    assert np.isfinite(run.maps()).all() and run.maps().max() == HALF_MAX
    key = ("mean", "pixel_ap")  # a factor changes no ranking
    assert metrics_of(run)[key][0] == pytest.approx(metrics_of(plain)[key][0], abs=1e-12)
    assert any("stored as 65504" in event.get("message", "") for event in run.events())


# -- nothing is half-stored -----------------------------------------------------------------------


def nan(folder: Path) -> None:
    for name in ("bolt/test/crack/000.npy", "cloth/test/good/001.npy"):
        values = np.load(folder / name)
        values[5, 5] = np.nan
        np.save(folder / name, values)


def nan_and_broken(folder: Path) -> None:
    nan(folder)
    (folder / "cloth/test/crack/000.npy").unlink()
    path = save(folder / "cloth/test/crack/000.png", noise(1, SIZE, SIZE, channels=1))
    path.write_bytes(path.read_bytes()[:400])  # its header is intact


def sized(folder: Path) -> None:
    np.save(folder / "cloth/test/good/000.npy", np.zeros((20, 30), np.float32))


def lacking(folder: Path) -> None:
    (folder / "bolt/test/good/001.npy").unlink()


def spare(folder: Path) -> None:
    np.save(folder / "spare.npy", np.zeros((4, 4)))


def text(folder: Path) -> None:
    (folder / "bolt/test/good/001.npy").write_text("no array")


REFUSALS: dict[str, tuple[Callable[[Path], None], dict[str, Any], str]] = {
    "NaN": (nan, {}, r"bolt/test/crack/000.npy \(and 1 more\) holds a value that is NaN"),
    "NaN and cut": (nan_and_broken, {}, r"bolt/test/crack/000.npy \(and 2 more\) holds a value"),
    "mis-sized": (sized, {}, r"cloth/test/good/000.npy is mis-sized: 30x20 px .*24x20 px"),
    "missing": (lacking, {}, "holds no map for bolt/test/good/001.png; every test image"),
    "extra": (spare, {}, "spare.npy belongs to no test image of mini"),
    "no map": (text, {}, "bolt/test/good/001.npy is no intact NPY file"),
    "no folder": (nan, {"maps": Path("/nowhere")}, "--maps came as /nowhere"),
    "no truth": (nan, {"truth": "/nowhere"}, "/nowhere"),
    "no class": (nan, {"classes": ("nail",)}, "no class 'nail'"),
    "no scores": (nan, {"scores": Path("/nowhere.csv")}, "--scores came as /nowhere.csv"),
    "size": (nan, {"size": 8}, "size came as 8"),
    "seed": (nan, {"seed": -1}, "seed came as -1"),
    "empty name": (nan, {"name": " "}, "--name came as ''"),
    "two lines": (nan, {"name": "a\nb"}, "--name came as"),
    "long name": (nan, {"name": "x" * 81}, "up to 80 printable"),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_a_refusal_is_one_sentence_and_stores_nothing(
    case: str, root: Path, place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "BATCH", 3)  # what is wrong is counted over all batches
    spoil, changes, words = REFUSALS[case]
    folder = write(tmp_path / "maps", made_maps(root))
    spoil(folder)
    refresh(place)
    before = version(place)
    values: dict[str, Any] = {"truth": str(root), "maps": folder} | changes
    with pytest.raises(FlawscopeError, match=words) as caught:
        evaluate(place, Request(**values))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert caught.value.exit_status == (2 if changes else 1)
    assert list(place.runs.iterdir()) == []
    refresh(place)
    assert version(place) == before


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (DataError("x"), DataError, "x"),
        (OSError(28, "No space left"), RunError, r"cannot be stored below .*\(No space left\)"),
        (MemoryError(), DeviceMemory, r"lower --size \(now 32\)"),
    ],
)
def test_an_end_in_the_middle_leaves_no_trace(
    error: BaseException,
    raised: type[BaseException],
    words: str | None,
    root: Path,
    place: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(scoring: Scoring) -> None:
        (run,) = place.runs.glob(".*/runs/*")
        assert (run / RunDirectory.MAPS).exists(), "it fails late"
        assert all_runs(place) == []
        raise error

    monkeypatch.setattr(Scoring, "finish", fail)
    folder = write(tmp_path / "maps", made_maps(root))
    with pytest.raises(raised, match=words):
        evaluate(place, Request(truth=str(root), maps=folder))
    assert list(place.runs.iterdir()) == []


def test_maps_are_read_batch_by_batch(
    root: Path, place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "BATCH", 3)
    seen: list[float] = []
    maps = made_maps(root)
    folder = write(tmp_path / "maps", maps)
    run = evaluate(place, Request(truth=str(root), maps=folder), lambda f, m: seen.append(f))
    assert without_objects(metrics_of(run)) == by_hand(root, place, maps)
    assert seen == sorted(seen) and seen[-1] <= 1 and len(seen) >= 4


def test_the_config_is_plain_json(root: Path, place: Workspace, tmp_path: Path) -> None:
    folder = write(tmp_path / "maps", made_maps(root))
    run = evaluate(place, Request(truth=str(root), maps=folder, name="a <b> [c] \u00e9"))
    raw = json.loads((run.path / RunDirectory.CONFIG).read_text())
    assert raw["config"]["method_config"]["name"] == "a <b> [c] \u00e9"
    assert RunDirectory.open(place, run.run_id).record() == run.record()
