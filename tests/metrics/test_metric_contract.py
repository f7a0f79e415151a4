"""Every registered metric keeps the contract."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from core.metrics.accumulate import Accumulator, Evaluation
from core.metrics.base import METRICS, NINE, Evidence, metric, ordered
from core.metrics.summary import SEVEN
from core.types import MEAN
from tests.metrics.metric_cases import make

OTHERS = (
    "aupimo",
    "froc_llf_025",
    "froc_llf_05",
    "froc_llf_1",
    "froc_llf_2",
    "image_fpr95",
    "image_sensitivity_at_spec95",
    "image_specificity_at_sens95",
    "object_ap_10",
    "object_ap_30",
    "object_ap_50",
    "pixel_dice",
    "pixel_mcc",
    "pixel_precision",
    "pixel_recall",
    "pixel_specificity",
    "region_min_size",
    "region_recall_large",
    "region_recall_largest",
    "region_recall_small",
    "region_recall_smallest",
)
THRESHOLDS = ("image_f1max_threshold", "image_threshold_heldout", "pixel_f1max_threshold")
LOWER_IS_BETTER = ("image_fpr95", "region_min_size")
BOUNDED = ("pixel_auroc", "pixel_ap", "pixel_f1max", "pixel_ioumax", "pixel_aupro", "aupimo", "mad")
ALL = METRICS.ids()
UNITS = {
    "share": (0.0, 1.0), "score": (None, None), "pixels": (0.0, None), "correlation": (-1.0, 1.0),
}  # fmt: skip


def test_the_ids_are_the_agreed_ones() -> None:
    assert [m.id for m in ordered()] == [*NINE, *OTHERS, *THRESHOLDS]
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
    assert card.formula.count("{") == card.formula.count("}") > 0
    assert card.formula.count("\\left") == card.formula.count("\\right")
    json.dumps(asdict(card))
    assert (card.low, card.high) == UNITS[card.unit]
    special = {"pixel_mcc": "correlation", "region_min_size": "pixels"}
    if card.level == "threshold":
        assert (card.unit, card.higher_is_better) == ("score", None)
    else:
        assert card.unit == special.get(id, "share")
        assert card.higher_is_better == (id not in LOWER_IS_BETTER)
    assert (card.level == "threshold") == (id in THRESHOLDS)


@pytest.fixture(scope="module", params=["exact", "stream"])
def evaluation(request: pytest.FixtureRequest) -> Evaluation:
    """Classes with both labels, and with one only; a second look where there is a threshold."""
    accumulator = Accumulator(request.param, capacity=64)
    batch = make(0, images=10, shift=2.0)
    for name, rows in (
        ("both", slice(None)),
        ("normal", slice(0, 10, 2)),
        ("bad", slice(1, 10, 2)),
    ):
        some = batch.take(rows)
        some.add_to(accumulator, name, keys_B=[str(i) for i in range(len(some.labels_B))])
    for name, threshold in accumulator.thresholds().items():
        some = batch if name == "both" else batch.take(slice(1, 10, 2))
        keys = [str(i) for i in range(len(some.labels_B))]
        accumulator.update_objects(name, threshold, some.maps_BHW, some.regions_BHW, keys)
    return accumulator.compute(intervals=30, held_out={"both": [0.1, 0.2], "normal": []})


@pytest.mark.parametrize("id", ALL)
def test_a_metric_has_a_value_an_interval_or_a_reason(id: str, evaluation: Evaluation) -> None:
    card = METRICS.get(id)
    rows = {row.class_name: row for row in evaluation.of() if row.metric == id}
    assert (MEAN in rows) == (card.level != "threshold")
    for name, row in rows.items():
        if row.value is None:
            assert row.note
            assert (row.ci_low, row.ci_high, row.bound_low, row.bound_high) == (None,) * 4
            continue
        assert np.isfinite(row.value)
        low = -np.inf if card.low is None else card.low
        high = np.inf if card.high is None else card.high
        assert low <= row.value <= high
        if card.level == "threshold":
            assert row.note
            assert row.ci_low is None
        else:
            assert row.ci_low is not None
            assert row.ci_high is not None
            assert low <= row.ci_low <= row.ci_high <= high, name
        if evaluation.grade == "stream" and id in BOUNDED:
            assert row.bound_low is not None
            assert row.bound_high is not None
            assert low <= row.bound_low <= row.value <= row.bound_high <= high, name
        else:
            assert (row.bound_low, row.bound_high) == (None, None)
    assert rows["both"].value is not None
    if id.startswith("object"):
        assert "normal" not in rows  # it has no threshold, hence had no second look
    else:
        assert rows["normal"].value is None
    image = card.level == "image" or id == "image_f1max_threshold"
    lacking = image or id in ("aupimo", "mad") or id.startswith("froc")
    if id != "image_threshold_heldout":
        assert (rows["bad"].value is None) == lacking


def test_classes_of_one_label_say_what_they_lack(evaluation: Evaluation) -> None:
    note = {(row.class_name, row.metric): row.note for row in evaluation.of()}
    for id in ("image_auroc", "pixel_auroc", "pixel_aupro", "aupimo", "froc_llf_1", "pixel_dice",
               "region_min_size", "region_recall_small", "image_fpr95"):  # fmt: skip
        assert note["normal", id] == "no anomalous test image"
    assert note["bad", "image_auroc"] == note["bad", "froc_llf_1"] == "no normal test image"
    assert note["bad", "aupimo"] == "no normal image"
    assert note["bad", "mad"] == "image_auroc, image_ap, image_f1max cannot be computed"
    assert note[MEAN, "pixel_auroc"] == "mean of 2 of 3 classes"
    assert note["normal", "image_threshold_heldout"] == "no held-out normal images"


def test_a_new_metric_is_one_decorated_function_and_gets_its_interval() -> None:
    try:

        @metric(
            "pixel_prevalence",
            title="Prevalence",
            level="pixel",
            summary="The share of anomalous pixels.",
            definition="Anomalous pixels over all pixels.",
            formula="n",
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
        metric("mad", title="", level="summary", summary="", definition="", formula="", source="")(
            lambda evidence: np.zeros(1)
        )
    value = make(0).evaluate().value("tile", "mad")
    assert value is not None
    assert value > 0
