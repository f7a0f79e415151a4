"""The images of a class, or of one anomaly type of it with the normal ones, and their values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

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
from core.metrics.evidence import PixelSummaries, Summaries, evidence_of
from core.metrics.objects import Detections
from core.metrics.population import Population
from core.metrics.ranking import FloatArray
from core.metrics.records import ImageRecord
from core.metrics.results import Grade, MetricRow, Value

NONE = np.empty(0, np.intp)


@dataclass(slots=True, kw_only=True)
class Group:
    """A class, or one anomaly type of it with the class's normal images.

    Attributes:
        images: in an order that does not depend on their arrival.
        population: their pixels.
        detections: objects of each image, where there was a second pass.
        held_out_N: scores of held-out normal images, if any were held out.
        values, resampled: by metric id, once computed.
    """

    name: str
    anomaly_type: str
    images: Sequence[ImageRecord]
    population: Population
    detections: Sequence[Detections] | None
    held_out_N: FloatArray | None
    values: dict[str, FloatArray] = field(default_factory=dict)
    resampled: dict[str, FloatArray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    ends: dict[str, stats.Ends] = field(default_factory=dict)
    _evidence: Evidence | None = None
    _summaries: Summaries | None = None

    @property
    def evidence(self) -> Evidence:
        if self._evidence is None:
            self._evidence = evidence_of(
                self.images, self.population, self.values, self.held_out_N, self.detections
            )
        return self._evidence

    @property
    def summaries(self) -> Summaries:
        if self._summaries is None:
            self._summaries = Summaries.of(self.images, self.population, self.evidence)
        return self._summaries

    @property
    def pixel_summaries(self) -> PixelSummaries | None:
        return self.summaries.pixels

    def some(self, metrics: Sequence[Metric], grade: Grade) -> dict[str, Value]:
        """Values of a few metrics; what summaries are made of must be among them."""
        for metric in sorted(metrics, key=lambda one: one.level == "summary"):
            with contextlib.suppress(NotComputable):
                self.values[metric.id] = metric.compute(self.evidence)
        return {
            metric.id: self.bounded(metric, grade) for metric in metrics if metric.id in self.values
        }

    def bounded(self, metric: Metric, grade: Grade) -> Value:
        """A computed value with its bounds; an estimate is kept inside what is sure."""
        value = float(self.values[metric.id][0])
        bounds = metric.bounds(self.evidence) if grade == "stream" else None
        if bounds is None:
            return Value(value)
        return Value(min(max(value, bounds[0]), bounds[1]), *bounds)

    def compute(self, resamples: int, seed: int, kind: stats.Kind) -> None:
        """Fill in values, reasons, resamples and the ends of intervals."""
        for metric in computing_order():
            try:
                self.values[metric.id] = metric.compute(self.evidence)
            except NotApplicable:
                continue
            except NotComputable as reason:
                self.reasons[metric.id] = str(reason)
        name = f"{self.name}/{self.anomaly_type}" if self.anomaly_type else self.name
        self.resampled = stats.resampled(name, self.summaries, resamples, seed)
        if not self.resampled:
            return
        left_out, strata = stats.jackknife(self.summaries) if kind == "bca" else ({}, NONE)
        for id, values_R in self.resampled.items():
            if kind == "bca":
                exact = float(self.values[id][0])
                self.ends[id] = stats.bca_interval(id, values_R, exact, left_out[id], strata)
            else:
                self.ends[id] = stats.interval(id, values_R)

    def rows(self, grade: Grade, resamples: int) -> Iterable[MetricRow]:
        """Rows of this group, in the order tables show them."""
        remarks = _Remarks(self, resamples)
        for metric in ordered():
            if metric.id in self.reasons:
                row = MetricRow(
                    class_name=self.name,
                    metric=metric.id,
                    value=None,
                    note=self.reasons[metric.id],
                    anomaly_type=self.anomaly_type,
                )
                yield row
            elif metric.id in self.values:
                yield self._row(metric, remarks.of(metric), grade)

    def _row(self, metric: Metric, note: str, grade: Grade) -> MetricRow:
        value, bound_low, bound_high = self.bounded(metric, grade)
        low, high = self.ends.get(metric.id, (None, None))
        return MetricRow(
            class_name=self.name,
            metric=metric.id,
            value=value,
            ci_low=low,
            ci_high=high,
            note=note,
            anomaly_type=self.anomaly_type,
            bound_low=bound_low,
            bound_high=bound_high,
        )

    def curves(self) -> list[Curve]:
        """Curves for the plots of this group."""
        evidence, found = self.evidence, []
        for ranking, prefix in ((evidence.image_ranking, ""), (evidence.pixel_ranking, "pixel_")):
            if not isinstance(ranking, str):
                found += lines.ranking_curves(self.name, ranking, prefix)
        if not isinstance(evidence.froc, str):
            found += lines.froc_curve(self.name, evidence.froc)
        found += lines.score_histograms(self.name, self.images)
        return found + lines.normal_tail(self.name, [self.population])


class _Remarks:
    """Notes on the values of one group."""

    def __init__(self, group: Group, resamples: int) -> None:
        anomalous = sum(image.label for image in group.images)
        unknown = sum(image.label == 1 and not image.known for image in group.images)
        self._evidence = group.evidence
        self._left_out = ""
        if unknown:
            self._left_out = f"{unknown} of {anomalous} anomalous images have no usable mask"
        self._no_interval = stats.drawable(group.images) if resamples > 0 else ""

    def of(self, metric: Metric) -> str:
        parts = [metric.note(self._evidence)]
        if metric.level not in ("image", "threshold") or metric.id.startswith("pixel_"):
            parts.append(self._left_out)
        if metric.level != "threshold":
            parts.append(self._no_interval)
        return "; ".join(part for part in parts if part)
