"""Run directories as the engine leaves them, small and made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.config import RunConfig
from core.runs import RunDirectory
from core.workspace import Workspace

MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


@pytest.fixture
def make_run(workspace: Workspace) -> MakeRun:
    """A succeeded run with three cases unless told otherwise."""

    def make(
        method: str = "patchcore",
        *,
        state: str = "succeeded",
        fingerprint: str = "f1",
        scores: tuple[float, ...] = (0.1, 0.2, 0.9),
        auroc: float | None = 0.75,
        tables: bool = True,
        **config: Any,
    ) -> RunDirectory:
        asked = RunConfig(data="tiles", method=method, **config)
        run = RunDirectory.create(workspace, asked)
        fill(run, state, fingerprint, scores, auroc, tables)
        return run

    return make


def fill(
    run: RunDirectory,
    state: str,
    fingerprint: str,
    scores: tuple[float, ...],
    auroc: float | None,
    tables: bool,
) -> None:
    dataset = {
        "name": "tiles",
        "root": "/data/tiles",
        "reader": "mvtec_folder",
        "fingerprint": fingerprint,
        "classes": ["a", "b"],
        "counts": {"train": 1, "test": len(scores)},
    }
    resolved = {
        "dataset": dataset,
        "backbone": "resnet18",
        "weights": {"source": "package", "sha256": "ab", "pretrained": True},
        "method_config": {"coreset_ratio": 0.1, "neighbours": 9},
        "device": "cpu",
        "epochs": None,
        "batch_size": 8,
        "versions": {"torch": "2.15"},
    }
    run.write_record(replace(run.record(), resolved=resolved))
    if tables:
        write_tables(run, scores, auroc)
    facts = {"seconds": 12.5, "peak_memory_bytes": 1000, "feature_dtype": "float32"}
    run.update_status(
        state=state,
        facts=facts,
        started_at="2026-03-01T10:00:00.000+00:00",
        finished_at="2026-03-01T10:01:00.000+00:00",
        error=None if state == "succeeded" else "It broke.",
    )


def write_tables(run: RunDirectory, scores: tuple[float, ...], auroc: float | None) -> None:
    count = len(scores)
    keys = [f"a/test/{i}.png" for i in range(count)]
    labels = pa.array([0] * (count - 1) + [1], pa.int8())
    run.write_table(
        RunDirectory.SAMPLES,
        pa.table(
            {
                "key": ["a/train/0.png", *keys],
                "class_name": ["a"] * count + ["b"],
                "split": ["train"] + ["test"] * count,
                "label": pa.array([0, *labels.to_pylist()], pa.int8()),
                "anomaly_type": ["good"] * count + ["crack"],
                "specimen": pa.array([None] * (count + 1), pa.string()),
                "masks": pa.array([[]] * count + [["a/gt/m.png"]], pa.list_(pa.string())),
                "has_mask": [True] * (count + 1),
                "width": pa.array([64] * (count + 1), pa.int32()),
                "height": pa.array([48] * (count + 1), pa.int32()),
            }
        ),
    )
    run.write_table(
        RunDirectory.CASES,
        pa.table(
            {
                "row": list(range(count)),
                "key": keys,
                "class_name": ["a"] * count,
                "label": labels,
                "anomaly_type": ["good"] * (count - 1) + ["crack"],
                "specimen": pa.array([None] * count, pa.string()),
                "score": list(scores),
                "latency_ms": [3.0] * count,
                "has_mask": [True] * count,
                "area_px": [0] * (count - 1) + [20],
                "regions": [0] * (count - 1) + [1],
                "peak": list(scores),
                "peak_in_truth": pa.array([None] * (count - 1) + [True], pa.bool_()),
            }
        ),
    )
    run.write_table(
        RunDirectory.METRICS,
        pa.table(
            {
                "class_name": ["a", "b", "mean", "mean"],
                "metric": ["image_auroc", "image_auroc", "image_auroc", "pixel_auroc"],
                "value": pa.array([auroc, None, auroc, 0.5], pa.float64()),
                "ci_low": pa.array([0.6, None, 0.65, None], pa.float64()),
                "ci_high": pa.array([0.8, None, 0.85, None], pa.float64()),
                "note": pa.array([None, "one class of label only", None, None], pa.string()),
            }
        ),
    )
    run.write_table(
        RunDirectory.CURVES,
        pa.table(
            {
                "class_name": ["a", "a", "a"],
                "curve": ["roc", "roc", "roc"],
                "position": pa.array([2, 0, 1], pa.int32()),
                "x": [1.0, 0.0, 0.5],
                "y": [1.0, 0.0, 0.75],
                "threshold": [0.1, 0.9, 0.2],
            }
        ),
    )
