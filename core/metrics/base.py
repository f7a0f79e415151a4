"""What a metric is, and the registry of all. A metric is one decorated function.

It takes the `Evidence` of one class and returns one value for each of R rankings (R = 1 for the
exact value, R resamples for its interval), so a new metric gets its interval for nothing:

    @metric("pixel_dice", title=..., level="pixel", ...)
    def pixel_dice(evidence: Evidence) -> FloatArray:
        return some_formula(evidence.pixels)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.ranking import FloatArray, Ranking, Rates
from core.registry import Registry

if TYPE_CHECKING:
    from core.metrics.froc import Froc
    from core.metrics.objects import Detections

Level: TypeAlias = Literal["image", "pixel", "region", "object", "summary", "threshold"]
Unit: TypeAlias = Literal["share", "score", "pixels", "correlation"]

NINE = (
    "image_auroc",
    "image_ap",
    "image_f1max",
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1max",
    "pixel_ioumax",
    "pixel_aupro",
    "mad",
)
"""The headline metrics, in the order tables show them."""


AT_ORACLE = "at the oracle threshold of pixel F1-max"
"""Note of everything that looks at a threshold chosen on the test set."""


class NotComputable(Exception):
    """A metric has no value for a class; the text says why and becomes the row's note."""


class NotApplicable(NotComputable):
    """What the metric needs is not part of this evaluation at all: it gets no row."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """True regions (L) of a class: pixels, highest map value, place of their image among all."""

    areas_L: npt.NDArray[np.int64]
    peaks_L: npt.NDArray[np.float32]
    image_L: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one class (or one anomaly type of it), or the reason why it is not.

    Attributes:
        image_ranking: test images by score.
        pixel_ranking: test pixels by map value, with the regions' gains.
        rates: shares of normal images' pixels at the thresholds of `pixel_ranking`; a function
            where few ask for them.
        sizes: the true regions.
        froc: lesions and marks.
        detections: objects found in each image; the reason is empty where they are not part of
            the evaluation at all.
        values: metrics computed so far, each [R]; summaries read them.
        held_out_N: scores of held-out normal images, if the protocol holds any out.
        operating: place among the thresholds of `pixel_ranking` at which pixel F1 is highest.
        threshold: the map value there.
        weights_RN: how often each image counts; None = once (R = 1).
        slack: how far fixed point may have moved a region's share.
    """

    image_ranking: Ranking | str
    pixel_ranking: Ranking | str
    rates: Rates | Callable[[], Rates] | str = "no pixels"
    sizes: Sizes | str = "no regions"
    froc: Froc | str = "no marks"
    detections: Sequence[Detections] | str = ""
    values: Mapping[str, FloatArray] = field(default_factory=dict)
    held_out_N: FloatArray | None = None
    operating: int | None = None
    threshold: float = math.nan
    weights_RN: FloatArray | None = None
    slack: float = 0.0

    @property
    def images(self) -> Ranking:
        """Raises NotComputable with the reason."""
        if isinstance(self.image_ranking, str):
            raise NotComputable(self.image_ranking)
        return self.image_ranking

    @property
    def pixels(self) -> Ranking:
        """Raises NotComputable with the reason."""
        if isinstance(self.pixel_ranking, str):
            raise NotComputable(self.pixel_ranking)
        return self.pixel_ranking

    def need(self, name: Literal["rates", "sizes", "froc", "detections"]) -> Any:
        """The field of that name; raises NotComputable with the reason."""
        found = getattr(self, name)
        if isinstance(found, str):
            raise NotComputable(found) if found else NotApplicable(name)
        return found() if callable(found) else found


Formula: TypeAlias = Callable[[Evidence], FloatArray]
Guard: TypeAlias = Callable[[Evidence], tuple[FloatArray, FloatArray]]
Note: TypeAlias = Callable[[Evidence], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric as people and pages see it: plain data, its formula is kept beside it.

    Attributes:
        level: what is counted: images, pixels, regions, detected objects; "summary" of other
            metrics; a "threshold" (a score or map value, not a quality; no mean, no interval).
        unit: "share" (0 to 1), "score" (the method's own scale), "pixels" (of the run's size)
            or "correlation" (-1 to 1).
        low, high: bounds of the value; None = unbounded.
        higher_is_better: None for thresholds.
        summary: one plain sentence.
        definition: how it is computed.
        formula: the same in LaTeX; the symbols are those of `formulas`.
        source: where the definition stands.
    """

    id: str
    title: str
    level: Level
    unit: Unit
    low: float | None
    high: float | None
    higher_is_better: bool | None
    summary: str
    definition: str
    formula: str
    source: str

    def compute(self, evidence: Evidence) -> FloatArray:
        """Values [R]; raises NotComputable with a reason.

        Rounding of sums may carry a value beyond its range, by a last bit: it is cut off there.
        """
        values_R = _FORMULAS[self.id][0](evidence)
        if self.low is None and self.high is None:
            return values_R
        return np.asarray(np.clip(values_R, self.low, self.high))

    def note(self, evidence: Evidence) -> str:
        """Remark on a computed value; "" = none."""
        return _FORMULAS[self.id][1](evidence)

    def bounds(self, evidence: Evidence) -> tuple[float, float] | None:
        """What the exact value surely lies between, when `evidence` comes from histograms.

        None: the value is exact as it is.
        """
        guard = _FORMULAS[self.id][2]
        if guard is None:
            return None
        low_R, high_R = guard(evidence)
        ends = (-math.inf if self.low is None else self.low, self.high or math.inf)
        return float(max(low_R[0], ends[0])), float(min(high_R[0], ends[1]))


METRICS: Registry[Metric] = Registry("metric", "core.metrics")
_FORMULAS: dict[str, tuple[Formula, Note, Guard | None]] = {}


def metric(
    id: str,
    *,
    title: str,
    level: Level,
    summary: str,
    definition: str,
    formula: str,
    source: str,
    unit: Unit = "share",
    higher_is_better: bool = True,
    note: Note = lambda evidence: "",
    bounds: Guard | None = None,
) -> Callable[[Formula], Formula]:
    """Function decorator: file a metric under `id`; raises ValueError when the id is taken.

    Thresholds are on the method's own scale and unbounded. A metric of pixels, regions or their
    summary gives `bounds`, unless the histogram's own thresholds are all it looks at.
    """
    unit = "score" if level == "threshold" else unit
    low, high = {"share": (0.0, 1.0), "correlation": (-1.0, 1.0), "pixels": (0.0, None)}.get(
        unit, (None, None)
    )

    def keep(compute: Formula) -> Formula:
        METRICS.register(id)(
            Metric(
                id=id,
                title=title,
                level=level,
                unit=unit,
                low=low,
                high=high,
                higher_is_better=None if level == "threshold" else higher_is_better,
                summary=summary,
                definition=definition,
                formula=formula,
                source=source,
            )
        )
        _FORMULAS[id] = (compute, note, bounds)
        return compute

    return keep


def ordered() -> list[Metric]:
    """All metrics: the nine in their order, then other qualities, then thresholds, by id."""

    def place(metric: Metric) -> tuple[bool, int, str]:
        place_in_nine = NINE.index(metric.id) if metric.id in NINE else len(NINE)
        return metric.level == "threshold", place_in_nine, metric.id

    return sorted((metric for _, metric in METRICS.items()), key=place)


def computing_order() -> list[Metric]:
    """`ordered`, with summaries after everything they may read."""
    return sorted(ordered(), key=lambda metric: metric.level == "summary")
