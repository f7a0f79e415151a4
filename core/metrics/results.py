"""What is said of one metric: a value with its interval, bounds and note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from core.metrics.conventions import EXACT, Convention

Grade: TypeAlias = Literal["exact", "stream"]


class Value(NamedTuple):
    """A value and what the exact one surely lies between; None: it is exact (in a streamed
    evaluation, exact at the threshold that the evaluation names)."""

    value: float
    bound_low: float | None = None
    bound_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One value: `value` is None when it cannot be computed, and `note` says why.

    Attributes:
        anomaly_type: "" = all of the class.
        convention: "exact" (every threshold) or "ader" (see `ader`).
        ci_low, ci_high: 95 % interval over test images.
        bound_low, bound_high: what the exact value surely lies between; None: the value is exact.
    """

    class_name: str
    metric: str
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    note: str = ""
    anomaly_type: str = ""
    convention: Convention = EXACT
    bound_low: float | None = None
    bound_high: float | None = None
