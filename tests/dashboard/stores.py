"""Small workspaces for page tests: real run directories, made by hand, without torch.

Everything a page reads is there: pictures and masks on disk, samples, cases, maps, metrics by both
conventions and by anomaly type, curves, regions and summaries. Scores come from a seeded generator
and are shifted by `LIFT`, so that which method finds what is known; class `scan` has no masks, so
its pixel metrics are null with a reason. Values as ADer counts are `ADER_OFF` above the exact ones;
pixel AUROC of class `tile` is a streamed one, with bounds. An `old` run has what runs had before
conventions: exact rows of the nine alone, without the newer columns, and no summaries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from core.config import RunConfig
from core.engine.tables import REGIONS, SUMMARIES
from core.runs import Record, RunDirectory
from core.types import State
from core.workspace import Workspace, now

SIZE = 32
WIDTH, HEIGHT = 64, 48
CLASSES = ("board", "scan", "tile")
TYPES = {"board": ("bridge",), "scan": ("lesion",), "tile": ("crack", "stain")}
GOOD, BAD = 6, 8
LIFT = {"patchcore": {"board": 0.2, "scan": 3.0, "tile": 4.0}}
LIFT["rd"] = {"board": 0.0, "scan": 1.5, "tile": 2.0}
LIFT["simplenet"] = {"board": 0.3, "scan": 2.8, "tile": 3.8}
NINE = (
    "image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap", "pixel_f1max",
    "pixel_ioumax", "pixel_aupro", "mad",
)  # fmt: skip
NO_MASKS = "no masks: scan has no pixel truth"
ORACLE = "at the oracle threshold of pixel F1-max"
ADER_OFF = 0.01
STREAMED = 1e-5
"""Half the distance between the bounds of a streamed value."""


@dataclass(frozen=True, slots=True)
class Store:
    """A workspace, the data set its runs were made on, and the runs by label."""

    workspace: Workspace
    data_root: Path
    runs: dict[str, str]


def make_data(root: Path, name: str = "parts") -> Path:
    """A miniature data set in the MVTec layout: 64x48 pictures, masks but for class `scan`."""
    rng = np.random.default_rng(3)
    base = root / name
    for class_name in CLASSES:
        names = [("train/good", i) for i in range(4)] + [("test/good", i) for i in range(GOOD)]
        names += [(f"test/{_type(class_name, i)}", i) for i in range(BAD)]
        for folder, i in names:
            grey = rng.normal(120, 12, (HEIGHT, WIDTH)).clip(0, 255).astype(np.uint8)
            picture = Image.fromarray(grey).convert("RGB")
            path = base / class_name / folder / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not folder.endswith("good"):
                ImageDraw.Draw(picture).rectangle(_defect(i), fill=(220, 60, 50))
                if class_name != "scan":
                    mask = Image.new("L", (WIDTH, HEIGHT))
                    ImageDraw.Draw(mask).rectangle(_defect(i), fill=255)
                    place = base / class_name / "ground_truth" / folder.split("/")[1]
                    place.mkdir(parents=True, exist_ok=True)
                    mask.save(place / f"{i:03d}_mask.png")
            picture.save(path)
    return base


def _defect(i: int) -> tuple[int, int, int, int]:
    x, y = 6 + 5 * i, 8 + 3 * i
    return (x, y, x + 9, y + 7)


def _type(class_name: str, i: int) -> str:
    types = TYPES[class_name]
    return types[i % len(types)]


def samples(classes: tuple[str, ...] = CLASSES) -> list[dict[str, Any]]:
    """Rows of samples.parquet."""
    rows: list[dict[str, Any]] = []
    for name in classes:
        for i in range(4):
            rows.append(_sample(name, f"{name}/train/good/{i:03d}.png", "train", "good"))
        for i in range(GOOD):
            rows.append(_sample(name, f"{name}/test/good/{i:03d}.png", "test", "good"))
        for i in range(BAD):
            kind = _type(name, i)
            rows.append(_sample(name, f"{name}/test/{kind}/{i:03d}.png", "test", kind))
    return rows


def _sample(name: str, key: str, split: str, kind: str) -> dict[str, Any]:
    bad = kind != "good"
    stem = Path(key).stem
    mask = [f"{name}/ground_truth/{kind}/{stem}_mask.png"] if bad and name != "scan" else []
    return {
        "key": key, "class_name": name, "split": split, "label": int(bad), "anomaly_type": kind,
        "specimen": None, "masks": mask, "has_mask": bool(mask) or not bad,
        "width": WIDTH, "height": HEIGHT,
    }  # fmt: skip


def add_run(
    workspace: Workspace,
    data_root: Path,
    method: str = "patchcore",
    *,
    seed: int = 0,
    setting: str = "unified",
    protocol: str = "benchmark",
    state: State = "succeeded",
    classes: tuple[str, ...] = CLASSES,
    error: str | None = None,
    fingerprint: str = "f1f2f3f4",
    old: bool = False,
) -> RunDirectory:
    """A run directory in `state`; ended well, it has every table and the maps.

    Args:
        old: without what was added with the conventions; see the top of this file.
    """
    config = RunConfig(
        data=str(data_root), method=method, seed=seed, size=SIZE, classes=classes,
        setting=setting, protocol=protocol, device="cpu",
    )  # type: ignore[arg-type]  # fmt: skip
    run = RunDirectory.create(workspace, config)
    if state == "queued":
        return run
    run.write_record(
        replace(run.record(), resolved=_resolved(run.record(), data_root, classes, fingerprint))
    )
    for epoch in range(3):
        losses = {"loss": 1.0 / (epoch + 1)}
        run.event(
            "epoch", model="all", epoch=epoch + 1, epochs=3, losses=losses, learning_rate=1e-3,
            seconds=2.0,
        )  # fmt: skip
    bank = method == "patchcore"
    facts = {
        "seconds": 41.5, "train_seconds": 30.0 + seed, "images_per_second": 38.0 if bank else 21.0,
        "peak_memory_bytes": 420_000_000, "parameters": 0 if bank else 1_200_000,
    }  # fmt: skip
    if state == "succeeded":
        _write_results(run, method, seed, classes, protocol, old)
    run.update_status(
        state=state, phase="done" if state == "succeeded" else "train",
        progress=1.0 if state == "succeeded" else 0.4, started_at=now(),
        finished_at=None if state == "running" else now(), error=error,
        facts=facts if state == "succeeded" else {},
    )  # fmt: skip
    return run


def _resolved(
    record: Record, data_root: Path, classes: tuple[str, ...], fingerprint: str
) -> dict[str, Any]:
    return {
        "dataset": {
            "name": data_root.name, "root": str(data_root), "reader": "mvtec_folder",
            "fingerprint": fingerprint, "classes": list(classes),
            "counts": {"train": 4 * len(classes), "calibration": 0, "test": 14 * len(classes)},
        },
        "backbone": "tf_efficientnet_lite0",
        "weights": {"source": "package", "sha256": "ab" * 32, "pretrained": True},
        "method_config": {"neighbours": 9, "coreset": 0.1},
        "epochs": None if record.config.method == "patchcore" else 3, "batch_size": 8,
        "device": "cpu", "feature_dtype": "float32", "machine": {"cpu": "test", "cores": 2},
        "versions": {"flawscope": "0.0"},
    }  # fmt: skip


def scores(method: str, seed: int, class_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal and anomalous image scores of a class; anomalous ones are lifted by `LIFT`."""
    rng = np.random.default_rng([sorted(LIFT).index(method), seed, CLASSES.index(class_name)])
    normal = 10 + rng.normal(0, 1, GOOD)
    return normal, 10 + LIFT[method][class_name] + rng.normal(0, 1, BAD)


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Share of pairs ranked rightly; ties count half."""
    difference = anomalous[:, None] - normal[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _write_results(
    run: RunDirectory, method: str, seed: int, classes: tuple[str, ...], protocol: str, old: bool
) -> None:
    rows = samples(classes)
    run.write_table(RunDirectory.SAMPLES, pa.Table.from_pylist(rows, schema=_SAMPLES))
    cases, maps = _cases(method, seed, classes, rows)
    with run.writing_maps(maps.shape) as stored:
        stored[:] = maps
    run.write_table(RunDirectory.CASES, pa.Table.from_pylist(cases, schema=_CASES))
    metrics, curves = _measures(method, seed, classes, protocol)
    if old:
        table = pa.Table.from_pylist(metrics, schema=_METRICS).select(range(6))
        run.write_table(RunDirectory.METRICS, table)
    else:
        metrics += _further(metrics, classes)
        run.write_table(RunDirectory.METRICS, pa.Table.from_pylist(metrics, schema=_METRICS))
        curves += [row for name in classes if name != "scan" for row in _froc(name)]
        summaries = _summaries(cases, maps)
        run.write_table(RunDirectory.SUMMARIES, pa.Table.from_pylist(summaries, schema=SUMMARIES))
        regions = _regions(cases, maps)
        run.write_table(RunDirectory.REGIONS, pa.Table.from_pylist(regions, schema=REGIONS))
    run.write_table(RunDirectory.CURVES, pa.Table.from_pylist(curves, schema=_CURVES))


def _cases(
    method: str, seed: int, classes: tuple[str, ...], rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], np.ndarray]:
    cases: list[dict[str, Any]] = []
    tests = [row for row in rows if row["split"] == "test"]
    maps = np.zeros((len(tests), SIZE, SIZE), np.float32)
    y, x = np.mgrid[:SIZE, :SIZE]
    for name in classes:
        normal, bad = scores(method, seed, name)
        mine = [row for row in tests if row["class_name"] == name]
        for i, (row, score) in enumerate(zip(mine, [*normal, *bad], strict=True)):
            n = len(cases)
            x0, y0, x1, y1 = _defect(max(i - GOOD, 0))
            cx, cy = (x0 + x1) / 2 * SIZE / WIDTH, (y0 + y1) / 2 * SIZE / HEIGHT
            bump = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 30.0)
            maps[n] = float(score) * bump / bump.max()
            truth = row["label"] == 1 and row["has_mask"]
            cases.append({
                "row": n, "key": row["key"], "class_name": name, "label": row["label"],
                "anomaly_type": row["anomaly_type"], "specimen": None, "score": float(score),
                "latency_ms": 26.0, "has_mask": row["has_mask"], "area_px": 27 if truth else 0,
                "regions": 1 if truth else 0, "peak": float(score),
                "peak_in_truth": True if truth else None,
            })  # fmt: skip
    return cases, maps


def _measures(
    method: str, seed: int, classes: tuple[str, ...], protocol: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    metrics: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    per_class: dict[str, dict[str, float | None]] = {}
    for name in classes:
        normal, bad = scores(method, seed, name)
        value = auroc(normal, bad)
        pixel = None if name == "scan" else round(0.5 + 0.48 * value, 4)
        per_class[name] = {
            m: pixel if m.startswith("pixel") else value
            for m in NINE
            if pixel is not None or m != "mad"
        } | ({"mad": None} if pixel is None else {})
        threshold = float((np.median(normal) + np.median(bad)) / 2)
        metrics.append(
            _metric(name, "image_f1max_threshold", threshold, note="oracle: chosen on the test set")
        )
        if name != "scan":
            metrics.append(
                _metric(
                    name,
                    "pixel_f1max_threshold",
                    threshold * 0.8,
                    note="oracle: chosen on the test set",
                )
            )
        if protocol == "deployment":
            metrics.append(
                _metric(
                    name, "image_threshold_heldout", float(normal.max()), note="40 held-out normals"
                )
            )
        curves += _curves(name, normal, bad)
    for name, values in [*per_class.items(), ("mean", _means(per_class))]:
        for metric, value in values.items():
            if value is None:
                metrics.append(_metric(name, metric, None, note=NO_MASKS))
                continue
            note = "mean of 2 of 3 classes" if name == "mean" and metric.startswith("pixel") else ""
            low, high = max(0.0, value - 0.03), min(1.0, value + 0.03)
            metrics.append(_metric(name, metric, value, low, high, note))
    tail_x, tail_y = np.linspace(0, 14, 30), 10 ** -np.linspace(0, 5, 30)
    curves += _curve("mean", "normal_tail", tail_x, tail_y)
    return metrics, curves


def _means(per_class: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    found = {}
    for metric in NINE:
        values = [v[metric] for v in per_class.values() if v[metric] is not None]
        found[metric] = float(np.mean(values)) if values else None
    return found


def _curves(name: str, normal: np.ndarray, bad: np.ndarray) -> list[dict[str, Any]]:
    at = np.sort(np.concatenate([normal, bad]))[::-1]
    fpr = np.array([(normal >= t).mean() for t in at])
    tpr = np.array([(bad >= t).mean() for t in at])
    hits, alarms = (
        np.array([(bad >= t).sum() for t in at]),
        np.array([(normal >= t).sum() for t in at]),
    )
    rows = _curve(name, "roc", np.r_[0, fpr], np.r_[0, tpr], np.r_[np.nan, at])
    rows += _curve(name, "pr", tpr, hits / (hits + alarms), at)
    if name != "scan":
        for curve in ("pixel_roc", "pro"):
            rows += _curve(name, curve, np.linspace(0, 1, 20), np.linspace(0, 1, 20) ** 0.2)
        rows += _curve(name, "pixel_pr", np.linspace(0, 1, 20), 1 - np.linspace(0, 1, 20) ** 2)
    edges = np.linspace(at.min(), at.max(), 21)
    centres = (edges[1:] + edges[:-1]) / 2
    rows += _curve(name, "score_hist_normal", centres, np.histogram(normal, edges)[0])
    rows += _curve(name, "score_hist_anomalous", centres, np.histogram(bad, edges)[0])
    return rows + _curve(name, "normal_tail", np.linspace(0, 14, 30), 10 ** -np.linspace(0, 5, 30))


def _curve(name: str, curve: str, x: Any, y: Any, at: Any = None) -> list[dict[str, Any]]:
    at = [None] * len(x) if at is None else [None if np.isnan(t) else float(t) for t in at]
    same = {"class_name": name, "curve": curve}
    return [
        same | {"position": i, "x": float(a), "y": float(b), "threshold": t}
        for i, (a, b, t) in enumerate(zip(x, y, at, strict=True))
    ]


def _metric(
    name: str, metric: str, value: float | None, low: float | None = None,
    high: float | None = None, note: str = "", kind: str = "", convention: str = "exact",
) -> dict[str, Any]:  # fmt: skip
    streamed = value is not None and (name, metric, kind) == ("tile", "pixel_auroc", "")
    bound = STREAMED if streamed and convention == "exact" else None
    return {
        "class_name": name, "metric": metric, "value": value, "ci_low": low, "ci_high": high,
        "note": note, "anomaly_type": kind, "convention": convention,
        "bound_low": None if bound is None or value is None else value - bound,
        "bound_high": None if bound is None or value is None else value + bound,
    }  # fmt: skip


def _further(nine: list[dict[str, Any]], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Measures beyond the nine, values as ADer counts, and values of single anomaly types."""
    rows: list[dict[str, Any]] = []
    for name in (*classes, "mean"):
        masks = name not in ("scan",)
        rows.append(_metric(name, "image_fpr95", 0.5, 0.4, 0.6))
        for metric, note in (("pixel_dice", ORACLE), ("aupimo", ""), ("object_ap_30", ORACLE)):
            its = "" if name == "mean" else note
            ends = (0.42, 0.36, 0.48) if masks else (None, None, None)
            rows.append(_metric(name, metric, *ends, its if masks else NO_MASKS))
        size = (90.0, 40.0, 150.0) if masks else (None, None, None)
        rows.append(_metric(name, "region_min_size", *size, "" if name == "mean" else ORACLE))
    for row in nine:
        if row["metric"] in NINE:
            value = None if row["value"] is None else min(1.0, row["value"] + ADER_OFF)
            rows.append(
                _metric(row["class_name"], row["metric"], value, convention="ader",
                        note=row["note"] if value is None else "")
            )  # fmt: skip
    for name in classes:
        for kind in TYPES[name]:
            rows.append(_metric(name, "image_auroc", 0.75, 0.5, 0.9, kind=kind))
            if name != "scan":
                rows.append(_metric(name, "pixel_aupro", 0.65, 0.4, 0.8, kind=kind))
    return rows


def _froc(name: str) -> list[dict[str, Any]]:
    return _curve(name, "froc", np.linspace(0, 8, 17), 1 - np.exp(-np.linspace(0, 8, 17)))


def _truth(case: dict[str, Any]) -> np.ndarray:
    """The mask of a case at the run's size."""
    x0, y0, x1, y1 = _defect(int(Path(case["key"]).stem))
    truth = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(truth).rectangle((x0, y0, x1, y1), fill=255)
    return np.asarray(truth.resize((SIZE, SIZE), Image.Resampling.NEAREST)) > 0


def _summaries(cases: list[dict[str, Any]], maps: np.ndarray) -> list[dict[str, Any]]:
    """Per-image histograms over 24 bins a class, one region an anomalous image."""
    rows: list[dict[str, Any]] = []
    for name in sorted({case["class_name"] for case in cases} - {"scan"}):
        mine = [case for case in cases if case["class_name"] == name]
        edges = np.linspace(0, maps[[case["row"] for case in mine]].max(), 24, endpoint=False)
        for case in mine:
            truth = _truth(case) if case["label"] else np.zeros((SIZE, SIZE), bool)
            bins = np.searchsorted(edges, maps[case["row"]], side="right") - 1
            normal, bad = (np.bincount(bins[at], minlength=24) for at in (~truth, truth))
            for i in np.flatnonzero(normal + bad):
                rows.append({
                    "class_name": name, "key": case["key"], "edge": float(edges[i]),
                    "normal": float(normal[i]), "anomalous": float(bad[i]),
                    "gain": float(bad[i] / max(1, bad.sum())),
                })  # fmt: skip
    return rows


def _regions(cases: list[dict[str, Any]], maps: np.ndarray) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for case in cases:
        if case["label"] and case["has_mask"]:
            inside = maps[case["row"]][_truth(case)]
            rows.append({
                "class_name": case["class_name"], "key": case["key"], "region": 0,
                "area_px": len(inside), "peak": float(inside.max()), "rating": float(inside.max()),
                "found": 0.5, "hit": True, "recall": [0.1] * 8,
            })  # fmt: skip
    return rows


_SAMPLES = pa.schema([
    ("key", pa.string()), ("class_name", pa.string()), ("split", pa.string()), ("label", pa.int8()),
    ("anomaly_type", pa.string()), ("specimen", pa.string()), ("masks", pa.list_(pa.string())),
    ("has_mask", pa.bool_()), ("width", pa.int32()), ("height", pa.int32()),
])  # fmt: skip
_CASES = pa.schema([
    ("row", pa.int32()), ("key", pa.string()), ("class_name", pa.string()), ("label", pa.int8()),
    ("anomaly_type", pa.string()), ("specimen", pa.string()), ("score", pa.float64()),
    ("latency_ms", pa.float64()), ("has_mask", pa.bool_()), ("area_px", pa.int32()),
    ("regions", pa.int32()), ("peak", pa.float64()), ("peak_in_truth", pa.bool_()),
])  # fmt: skip
_METRICS = pa.schema([
    ("class_name", pa.string()), ("metric", pa.string()), ("value", pa.float64()),
    ("ci_low", pa.float64()), ("ci_high", pa.float64()), ("note", pa.string()),
    ("anomaly_type", pa.string()), ("convention", pa.string()), ("bound_low", pa.float64()),
    ("bound_high", pa.float64()),
])  # fmt: skip
_CURVES = pa.schema([
    ("class_name", pa.string()), ("curve", pa.string()), ("position", pa.int32()),
    ("x", pa.float64()), ("y", pa.float64()), ("threshold", pa.float64()),
])  # fmt: skip


def filled(root: Path) -> Store:
    """Two methods, one of them with two seeds, a deployment run, a failed one and a queued one."""
    workspace = Workspace(root / "workspace")
    data = make_data(root)
    runs = {
        "patchcore": add_run(workspace, data, "patchcore"),
        "patchcore-seed1": add_run(workspace, data, "patchcore", seed=1),
        "rd": add_run(workspace, data, "rd"),
        "deployed": add_run(workspace, data, "simplenet", protocol="deployment"),
        "failed": add_run(
            workspace, data, "rd", seed=7, state="failed",
            error="The loss became infinite in epoch 2; lower the learning rate and start again.",
        ),
        "queued": add_run(workspace, data, "rd", seed=8, state="queued"),
    }  # fmt: skip
    return Store(workspace, data, {label: run.run_id for label, run in runs.items()})
