"""What a metric is, and the registry of all. A metric is one decorated function.

It takes the `Evidence` of one class and returns one value for each of R rankings (R = 1 for the
exact value, R resamples for its interval), so a new metric gets its interval for nothing:

    @metric("pixel_dice", title=..., level="pixel", ...)
    def pixel_dice(evidence: Evidence) -> FloatArray:
        return some_formula(evidence.pixels)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from core.metrics.ranking import FloatArray, Ranking
from core.registry import Registry

Level: TypeAlias = Literal["image", "pixel", "region", "summary", "threshold"]

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


class NotComputable(Exception):
    """A metric has no value for a class; the text says why and becomes the row's note."""


class NotApplicable(NotComputable):
    """What the metric needs is not part of this evaluation at all: it gets no row."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one class: rankings, or the reason why there is none.

    Attributes:
        image_ranking: test images by score.
        pixel_ranking: test pixels by map value, with the regions' gains.
        values: metrics computed so far, each [R]; summaries read them.
        held_out_N: scores of held-out normal images, if the protocol holds any out.
    """

    image_ranking: Ranking | str
    pixel_ranking: Ranking | str
    values: Mapping[str, FloatArray] = field(default_factory=dict)
    held_out_N: FloatArray | None = None

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


Formula: TypeAlias = Callable[[Evidence], FloatArray]
Note: TypeAlias = Callable[[Evidence], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric as people and pages see it: plain data, its formula is kept beside it.

    Attributes:
        level: what is counted: images, pixels, regions; "summary" of other metrics; a
            "threshold" (a score or map value, not a quality; no mean, no interval).
        unit: "share" (0 to 1) or "score" (the method's own scale).
        low, high: bounds of the value; None = unbounded.
        higher_is_better: None for thresholds.
        summary: one plain sentence.
        definition: how it is computed.
        source: where the definition stands.
    """

    id: str
    title: str
    level: Level
    unit: Literal["share", "score"]
    low: float | None
    high: float | None
    higher_is_better: bool | None
    summary: str
    definition: str
    source: str

    def compute(self, evidence: Evidence) -> FloatArray:
        """Values [R]; raises NotComputable with a reason."""
        return _FORMULAS[self.id][0](evidence)

    def note(self, evidence: Evidence) -> str:
        """Remark on a computed value; "" = none."""
        return _FORMULAS[self.id][1](evidence)


METRICS: Registry[Metric] = Registry("metric", "core.metrics")
_FORMULAS: dict[str, tuple[Formula, Note]] = {}


def metric(
    id: str,
    *,
    title: str,
    level: Level,
    summary: str,
    definition: str,
    source: str,
    note: Note = lambda evidence: "",
) -> Callable[[Formula], Formula]:
    """Function decorator: file a metric under `id`; raises ValueError when the id is taken.

    Thresholds are on the method's own scale and unbounded; all other metrics are shares, 0 to 1,
    higher = better.
    """
    scale = level == "threshold"

    def keep(compute: Formula) -> Formula:
        METRICS.register(id)(
            Metric(
                id=id,
                title=title,
                level=level,
                unit="score" if scale else "share",
                low=None if scale else 0.0,
                high=None if scale else 1.0,
                higher_is_better=None if scale else True,
                summary=summary,
                definition=definition,
                source=source,
            )
        )
        _FORMULAS[id] = (compute, note)
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
