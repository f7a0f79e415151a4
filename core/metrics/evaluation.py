"""From groups of images to the rows and curves of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.metrics import curves as lines
from core.metrics import stats
from core.metrics.base import NINE, Metric, ordered
from core.metrics.conventions import ADER, ESTIMATED, EXACT, Convention, ader_values
from core.metrics.curves import Curve
from core.metrics.group import Group
from core.metrics.results import Grade, MetricRow
from core.metrics.threads import Told, in_threads
from core.types import MEAN


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All metrics and curves of a run; rows by class (sorted), then the mean over classes."""

    grade: Grade
    rows: list[MetricRow]
    curves: list[Curve]
    groups: Sequence[Group] = field(default_factory=tuple, compare=False, repr=False)

    def of(self, convention: Convention = EXACT, anomaly_type: str = "") -> list[MetricRow]:
        """Rows of one convention and type."""
        return [
            row
            for row in self.rows
            if (row.convention, row.anomaly_type) == (convention, anomaly_type)
        ]

    def row(
        self, class_name: str, metric: str, convention: Convention = EXACT, anomaly_type: str = ""
    ) -> MetricRow:
        """One row; raises KeyError when there is none."""
        for row in self.of(convention, anomaly_type):
            if (row.class_name, row.metric) == (class_name, metric):
                return row
        raise KeyError((class_name, metric, convention, anomaly_type))

    def value(self, class_name: str, metric: str) -> float | None:
        """One exact value of a whole class; raises KeyError when there is no such row."""
        return self.row(class_name, metric).value

    def by_class(self, convention: Convention = EXACT) -> dict[str, dict[str, float | None]]:
        """{class or "mean": {metric id: value}}, as `run --json` prints it."""
        table: dict[str, dict[str, float | None]] = {}
        for row in self.of(convention):
            table.setdefault(row.class_name, {})[row.metric] = row.value
        return table

    def metric_columns(self) -> dict[str, list[Any]]:
        """Columns of metrics.parquet."""
        return {
            name: [getattr(row, name) for row in self.rows]
            for name in MetricRow.__dataclass_fields__
        }

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


def evaluate(
    classes: Sequence[Group],
    kinds: Sequence[Group],
    alone: Mapping[str, str],
    grade: Grade,
    resamples: int,
    seed: int,
    kind: stats.Kind,
    told: Told | None = None,
) -> Evaluation:
    """Metrics with intervals, and curves, of every class, type, and of the mean over classes.

    `alone` names the one anomaly type of a class that has no other: its rows are the class's.
    `told` hears the share of groups done, in this thread, and may end it by raising.
    """
    in_threads(lambda group: group.compute(resamples, seed, kind), [*classes, *kinds], told)
    rows = [row for group in classes for row in group.rows(grade, resamples)]
    shown = {row.metric for row in rows}  # others are not part of this evaluation
    averaged = [m for m in ordered() if m.level != "threshold" and m.id in shown]
    rows += [_mean_row(metric, classes, rows) for metric in averaged]
    rows += [row for group in kinds for row in group.rows(grade, resamples)]
    rows += [
        replace(row, anomaly_type=alone[row.class_name])
        for row in rows
        if alone.get(row.class_name) and not row.anomaly_type
    ]
    rows += _ader_rows(classes, grade)
    curves = [curve for group in classes for curve in group.curves()]
    curves += lines.normal_tail(MEAN, [group.population for group in classes])
    return Evaluation(grade, rows, curves, list(classes))


def _mean_row(metric: Metric, classes: Sequence[Group], rows: Sequence[MetricRow]) -> MetricRow:
    """Mean over the classes that have a value; says how many when some lack it."""
    having = [group for group in classes if metric.id in group.values]
    if not having:
        return MetricRow(class_name=MEAN, metric=metric.id, value=None, note="no class has a value")
    low, high = None, None
    notes = []
    if len(having) < len(classes):
        notes.append(f"mean of {len(having)} of {len(classes)} classes")
    if all(metric.id in group.resampled for group in having):
        # draw by draw: the mean of the classes' resampled values
        draws = np.mean([group.resampled[metric.id] for group in having], axis=0)
        low, high = stats.interval(metric.id, draws)
    elif any(group.resampled for group in having):
        notes.append("no interval: a class has too few images for one")
    mine = [row for row in rows if row.metric == metric.id and row.value is not None]
    values = np.array([row.value for row in mine], np.float64)
    bounds = None
    if any(row.bound_low is not None for row in mine):
        lows = [
            v if row.bound_low is None else row.bound_low
            for row, v in zip(mine, values, strict=True)
        ]
        highs = [
            v if row.bound_high is None else row.bound_high
            for row, v in zip(mine, values, strict=True)
        ]
        bounds = float(np.mean(lows)), float(np.mean(highs))
    return MetricRow(
        class_name=MEAN,
        metric=metric.id,
        value=float(values.mean()),
        ci_low=low,
        ci_high=high,
        note="; ".join(notes),
        bound_low=None if bounds is None else bounds[0],
        bound_high=None if bounds is None else bounds[1],
    )


def _ader_rows(classes: Sequence[Group], grade: Grade) -> list[MetricRow]:
    """The nine as ADer counts, by class and their mean; without intervals, as it has none."""
    note = ESTIMATED if grade == "stream" else ""
    found = in_threads(lambda group: ader_values(group.images, group.population), classes)
    rows = []
    for group, (values, reasons) in zip(classes, found, strict=True):
        for id in NINE:
            rows.append(
                MetricRow(
                    class_name=group.name,
                    metric=id,
                    value=values.get(id),
                    note=reasons.get(id, "" if id.startswith("image_") else note),
                    convention=ADER,
                )
            )
    for id in NINE:
        having = [values[id] for values, _ in found if id in values]
        missing = len(found) - len(having)
        remark = f"mean of {len(having)} of {len(found)} classes" if missing else ""
        rows.append(
            MetricRow(
                class_name=MEAN,
                metric=id,
                value=float(np.mean(having)) if having else None,
                note=remark if having else "no class has a value",
                convention=ADER,
            )
        )
    return rows
