"""The run's parquet tables, as the store and the pages expect their columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from core.data.prepared import Prepared
from core.metrics.accumulate import Evaluation
from core.metrics.tables import image_pimo, region_columns, summary_columns

METRICS = pa.schema(
    [
        ("class_name", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("note", pa.string()),
        ("anomaly_type", pa.string()),
        ("convention", pa.string()),
        ("bound_low", pa.float64()),
        ("bound_high", pa.float64()),
    ]
)
REGIONS = pa.schema(
    [
        ("class_name", pa.string()),
        ("key", pa.string()),
        ("region", pa.int32()),
        ("area_px", pa.int32()),
        ("peak", pa.float64()),
        ("rating", pa.float64()),
        ("found", pa.float64()),
        ("hit", pa.bool_()),
        ("recall", pa.list_(pa.float64())),
    ]
)
SUMMARIES = pa.schema(
    [
        ("class_name", pa.string()),
        ("key", pa.string()),
        ("edge", pa.float32()),
        ("normal", pa.float32()),
        ("anomalous", pa.float32()),
        ("gain", pa.float32()),
    ]
)
CURVES = pa.schema(
    [
        ("class_name", pa.string()),
        ("curve", pa.string()),
        ("position", pa.int32()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("threshold", pa.float64()),
    ]
)


def sample_table(prepared: Prepared) -> pa.Table:
    """samples.parquet: every sample the run could use, with its original size."""
    samples = prepared.samples
    return pa.table(
        {
            "key": [sample.key for sample in samples],
            "class_name": [sample.class_name for sample in samples],
            "split": [sample.split for sample in samples],
            "label": pa.array([sample.label for sample in samples], pa.int8()),
            "anomaly_type": [sample.anomaly_type for sample in samples],
            "specimen": pa.array([sample.specimen for sample in samples], pa.string()),
            "masks": pa.array([list(sample.masks) for sample in samples], pa.list_(pa.string())),
            "has_mask": [bool(known) for known in prepared.has_mask],
            "width": pa.array([int(w) for w, _ in prepared.original_sizes], pa.int32()),
            "height": pa.array([int(h) for _, h in prepared.original_sizes], pa.int32()),
        }
    )


def metric_table(evaluation: Evaluation) -> pa.Table:
    """metrics.parquet: values with their intervals and notes, class by class."""
    return pa.table(evaluation.metric_columns(), schema=METRICS)


def case_table(cases: dict[str, list[Any]], evaluation: Evaluation) -> pa.Table:
    """cases.parquet: every test image as the run scored it, with its AUPIMO where it has one."""
    pimo = image_pimo(evaluation.groups)
    column = pa.array([pimo.get(key) for key in cases["key"]], pa.float64())
    return pa.table(cases | {"aupimo": column})


def region_table(evaluation: Evaluation) -> pa.Table:
    """regions.parquet: every true region, whether it is found, and at which rates."""
    return _table(region_columns(evaluation.groups), REGIONS)


def summary_table(evaluation: Evaluation) -> pa.Table:
    """summaries.parquet: per-image histograms, for comparing runs without their maps."""
    return _table(summary_columns(evaluation.groups), SUMMARIES)


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    return pa.table({name: columns.get(name, []) for name in schema.names}, schema=schema)


def curve_table(evaluation: Evaluation, heldout: dict[str, list[float]]) -> pa.Table:
    """curves.parquet: what the plots need, already thinned, and the held-out scores."""
    parts = [pa.table(evaluation.curve_columns()).select(CURVES.names).cast(CURVES)]
    for name, scores in sorted(heldout.items()):
        count = len(scores)
        parts.append(
            pa.table(
                {
                    "class_name": [name] * count,
                    "curve": ["heldout_scores"] * count,
                    "position": list(range(count)),
                    "x": sorted(scores),
                    "y": [(i + 1) / count for i in range(count)],
                    "threshold": sorted(scores),
                }
            ).cast(CURVES)
        )
    return pa.concat_tables(parts)
