"""From the records of all classes to the tables a run keeps: metrics and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import RunError
from core.metrics import curves as lines
from core.metrics import stats
from core.metrics.base import (
    Evidence,
    Metric,
    NotApplicable,
    NotComputable,
    computing_order,
    ordered,
)
from core.metrics.curves import Curve
from core.metrics.ranking import FloatArray
from core.metrics.records import ImageRecord, image_ranking, pixel_ranking, pool
from core.types import MEAN


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One value: `value` is None when it cannot be computed, and `note` says why."""

    class_name: str
    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All metrics and curves of a run; rows by class (sorted), then the mean over classes."""

    rows: list[MetricRow]
    curves: list[Curve]

    def value(self, class_name: str, metric: str) -> float | None:
        """One value; raises KeyError when there is no such row."""
        for row in self.rows:
            if (row.class_name, row.metric) == (class_name, metric):
                return row.value
        raise KeyError((class_name, metric))

    def by_class(self) -> dict[str, dict[str, float | None]]:
        """{class or "mean": {metric id: value}}, as `run --json` prints it."""
        table: dict[str, dict[str, float | None]] = {}
        for row in self.rows:
            table.setdefault(row.class_name, {})[row.metric] = row.value
        return table

    def metric_columns(self) -> dict[str, list[Any]]:
        """Columns of metrics.parquet."""
        names = ("class_name", "metric", "value", "ci_low", "ci_high", "note")
        return {name: [getattr(row, name) for row in self.rows] for name in names}

    def curve_columns(self) -> dict[str, Any]:
        """Columns of curves.parquet, one entry a point; `position` counts within a curve."""
        sizes = [len(curve.x) for curve in self.curves]
        columns: dict[str, Any] = {
            name: np.repeat([getattr(curve, name) for curve in self.curves], sizes).tolist()
            for name in ("class_name", "curve")
        }
        columns["position"] = [place for size in sizes for place in range(size)]
        for name in ("x", "y", "threshold"):
            parts = [getattr(curve, name) for curve in self.curves]
            columns[name] = np.concatenate(parts) if parts else np.empty(0)
        return columns


@dataclass(slots=True)
class _ClassResult:
    """One class: values and resamples by metric id, reasons for missing values, curves."""

    rows: list[MetricRow] = field(default_factory=list)
    values: dict[str, FloatArray] = field(default_factory=dict)
    resampled: dict[str, FloatArray] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)


def evaluate(
    images_by_class: Mapping[str, Sequence[ImageRecord]],
    resamples: int,
    seed: int,
    held_out: Mapping[str, npt.ArrayLike],
) -> Evaluation:
    """Metrics with intervals, and curves, of every class and of their mean.

    Raises:
        RunError: there is no image at all.
    """
    if not images_by_class:
        raise RunError("There is no test image to evaluate; choose classes that have a test split.")
    classes: dict[str, _ClassResult] = {}
    for name in sorted(images_by_class):
        images = sorted(images_by_class[name], key=lambda image: image.place)
        scores = np.asarray(held_out[name], dtype=np.float64).ravel() if name in held_out else None
        classes[name] = _evaluate_class(name, images, resamples, seed, scores)
    results = list(classes.values())
    all_curves = [curve for result in results for curve in result.curves]
    tails = [curve for curve in all_curves if curve.curve == "normal_tail"]
    everything = [image for images in images_by_class.values() for image in images]
    return Evaluation(
        [row for result in results for row in result.rows]
        + [_mean_row(metric, results) for metric in ordered() if metric.level != "threshold"],
        all_curves + lines.pooled_tail(MEAN, tails, everything),
    )


def _evaluate_class(
    name: str,
    images: Sequence[ImageRecord],
    resamples: int,
    seed: int,
    held_out_N: FloatArray | None,
) -> _ClassResult:
    pooled = pool(images)
    result = _ClassResult()
    evidence = Evidence(
        image_ranking(images), pixel_ranking(images, pooled), result.values, held_out_N
    )
    reasons: dict[str, str] = {}
    for metric in computing_order():
        try:
            result.values[metric.id] = metric.compute(evidence)
        except NotApplicable:
            continue
        except NotComputable as reason:
            reasons[metric.id] = str(reason)
    result.resampled = stats.resampled(name, images, pooled, evidence, resamples, seed)
    remarks = _Remarks(images, evidence, resamples)
    for metric in ordered():
        if metric.id in reasons:
            result.rows.append(MetricRow(name, metric.id, None, None, None, reasons[metric.id]))
        elif metric.id in result.values:
            value = float(result.values[metric.id][0])
            low, high = stats.interval(result.resampled.get(metric.id, np.empty(0)))
            result.rows.append(MetricRow(name, metric.id, value, low, high, remarks.of(metric)))
    for ranking, prefix in ((evidence.image_ranking, ""), (evidence.pixel_ranking, "pixel_")):
        if not isinstance(ranking, str):
            result.curves += lines.ranking_curves(name, ranking, prefix)
    result.curves += lines.score_histograms(name, images)
    result.curves += lines.normal_tail(name, pooled.normals_N)
    return result


class _Remarks:
    """Notes on the values of one class."""

    def __init__(self, images: Sequence[ImageRecord], evidence: Evidence, resamples: int) -> None:
        anomalous = sum(image.label for image in images)
        unknown = sum(image.label == 1 and image.regions == 0 for image in images)
        self._evidence = evidence
        self._left_out = ""
        if unknown:
            self._left_out = f"{unknown} of {anomalous} anomalous images have no usable mask"
        self._no_interval = stats.drawable(images) if resamples > 0 else ""

    def of(self, metric: Metric) -> str:
        parts = [metric.note(self._evidence)]
        if metric.level in ("pixel", "region", "summary") or metric.id.startswith("pixel_"):
            parts.append(self._left_out)
        if metric.level != "threshold":
            parts.append(self._no_interval)
        return "; ".join(part for part in parts if part)


def _mean_row(metric: Metric, results: Sequence[_ClassResult]) -> MetricRow:
    """Mean over the classes that have a value; says how many when some lack it."""
    having = [result for result in results if metric.id in result.values]
    if not having:
        return MetricRow(MEAN, metric.id, None, None, None, "no class has a value")
    value = float(np.mean([result.values[metric.id][0] for result in having]))
    low, high = None, None
    notes = []
    if len(having) < len(results):
        notes.append(f"mean of {len(having)} of {len(results)} classes")
    if all(metric.id in result.resampled for result in having):
        # draw by draw: the mean of the classes' resampled values
        draws = np.mean([result.resampled[metric.id] for result in having], axis=0)
        low, high = stats.interval(draws)
    elif any(result.resampled for result in having):
        notes.append("no interval: a class has too few images for one")
    return MetricRow(MEAN, metric.id, value, low, high, "; ".join(notes))
