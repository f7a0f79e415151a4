"""Every registered metric keeps the contract."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from core.metrics.accumulate import Accumulator
from core.metrics.base import METRICS, NINE, Evidence, metric, ordered
from core.metrics.summary import SEVEN
from core.types import MEAN
from tests.metrics.metric_cases import make

THRESHOLDS = ("image_f1max_threshold", "image_threshold_heldout", "pixel_f1max_threshold")
ALL = METRICS.ids()


def test_the_ids_are_the_agreed_ones() -> None:
    assert [m.id for m in ordered()] == [*NINE, *THRESHOLDS]
    assert set(NINE) - set(SEVEN) == {"pixel_ioumax", "mad"}


@pytest.mark.parametrize("id", ALL)
def test_a_metric_describes_itself(id: str) -> None:
    card = METRICS.get(id)
    assert card.id == id
    assert card.title
    assert card.source
    assert card.summary.endswith(".")
    assert card.summary.count(". ") == 0
    assert card.definition.endswith(".")
    json.dumps(asdict(card))
    if card.level == "threshold":
        assert (card.low, card.high, card.unit, card.higher_is_better) == (
            None, None, "score", None,
        )  # fmt: skip
    else:
        assert (card.low, card.high, card.unit, card.higher_is_better) == (0.0, 1.0, "share", True)


@pytest.mark.parametrize("id", ALL)
def test_a_metric_has_a_value_an_interval_or_a_reason(id: str) -> None:
    level = METRICS.get(id).level
    held_out = {"both": [0.1, 0.2], "normal": []}
    accumulator = Accumulator()
    batch = make(0, images=10)
    batch.add_to(accumulator, "both")
    batch.take(batch.labels_B == 0).add_to(accumulator, "normal")
    batch.take(batch.labels_B == 1).add_to(accumulator, "anomalous")
    evaluation = accumulator.compute(intervals=30, held_out=held_out)
    rows = {row.class_name: row for row in evaluation.rows if row.metric == id}
    assert (MEAN in rows) == (level != "threshold")
    for name, row in rows.items():
        if row.value is None:
            assert row.note
            assert row.ci_low is None
            assert row.ci_high is None
            continue
        assert np.isfinite(row.value)
        if level == "threshold":
            assert row.note
            assert row.ci_low is None
        else:
            assert 0.0 <= row.value <= 1.0
            assert row.ci_low is not None
            assert row.ci_high is not None
            assert 0.0 <= row.ci_low <= row.ci_high <= 1.0, name
    assert rows["both"].value is not None
    assert rows["normal"].value is None


def test_a_new_metric_is_one_decorated_function_and_gets_its_interval() -> None:
    try:

        @metric(
            "pixel_prevalence",
            title="Prevalence",
            level="pixel",
            summary="The share of anomalous pixels.",
            definition="Anomalous pixels over all pixels.",
            source="here",
        )
        def prevalence(evidence: Evidence) -> np.ndarray:  # type: ignore[type-arg]
            r = evidence.pixels
            return np.asarray(r.positives_R / (r.positives_R + r.negatives_R))

        batch = make(0)
        row = next(r for r in batch.evaluate(40).rows if r.metric == "pixel_prevalence")
        assert row.value == pytest.approx((batch.regions_BHW > 0).mean())
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low < row.value < row.ci_high
    finally:
        METRICS._members.pop("pixel_prevalence", None)


def test_a_taken_id_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        metric("mad", title="", level="summary", summary="", definition="", source="")(
            lambda evidence: np.zeros(1)
        )
    value = make(0).evaluate().value("tile", "mad")
    assert value is not None
    assert value > 0
