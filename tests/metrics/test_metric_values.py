"""Values against scikit-learn, against direct evaluations, and by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from core.metrics.accumulate import Accumulator
from core.metrics.base import NINE
from core.types import MEAN
from tests.metrics.metric_cases import Batch, direct_aupro, direct_iou, make

CASES = [(0, None, 1.0), (1, 7, 1.0), (2, 2, 0.5), (3, None, -1.0), (4, 40, 0.0), (5, 1, 0.0)]


def sklearn_f1_max(truth: npt.NDArray[Any], values: npt.NDArray[Any]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, _ = precision_recall_curve(truth, values)
        return float(np.nanmax(2 * precision * recall / (precision + recall)))


@pytest.mark.parametrize(("seed", "levels", "shift"), CASES)
def test_image_and_pixel_metrics_equal_scikit_learn(
    seed: int, levels: int | None, shift: float
) -> None:
    batch = make(seed, levels=levels, shift=shift)
    values = batch.evaluate().by_class()["tile"]
    truths = {
        "image": (batch.labels_B, batch.scores_B),
        "pixel": (batch.regions_BHW.ravel() > 0, batch.maps_BHW.ravel()),
    }
    for level, (truth, score) in truths.items():
        assert values[f"{level}_auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
        expected = average_precision_score(truth, score)
        assert values[f"{level}_ap"] == pytest.approx(expected, abs=1e-12)
        expected = sklearn_f1_max(truth, score)
        assert values[f"{level}_f1max"] == pytest.approx(expected, abs=1e-12)
        reached = values[f"{level}_f1max_threshold"]
        called = score >= np.float32(reached)
        hits = (called & (truth > 0)).sum()
        assert 2 * hits / (called.sum() + (truth > 0).sum()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("seed", "levels", "shift"), CASES)
def test_region_metrics_equal_a_direct_evaluation(
    seed: int, levels: int | None, shift: float
) -> None:
    batch = make(seed, images=6, levels=levels, shift=shift)
    values = batch.evaluate().by_class()["tile"]
    assert values["pixel_aupro"] == pytest.approx(direct_aupro(batch), abs=1e-12)
    assert values["pixel_ioumax"] == pytest.approx(direct_iou(batch), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 12), st.floats(-1, 2))
def test_random_small_cases_with_heavy_ties(
    seed: int, half: int, levels: int, shift: float
) -> None:
    batch = make(seed, images=2 * half, side=5, levels=levels, shift=shift)
    values = batch.evaluate().by_class()["tile"]
    truth, score = batch.regions_BHW.ravel() > 0, batch.maps_BHW.ravel()
    if truth.all() or not truth.any():
        return
    assert values["pixel_auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert values["pixel_ap"] == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert values["pixel_f1max"] == pytest.approx(sklearn_f1_max(truth, score), abs=1e-12)
    assert values["pixel_aupro"] == pytest.approx(direct_aupro(batch), abs=1e-12)
    assert values["pixel_ioumax"] == pytest.approx(direct_iou(batch), abs=1e-12)


def by_hand() -> Batch:
    """A normal image and an anomalous one with regions of 1 and 3 pixels, 10 normal pixels."""
    maps = np.array([[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 3, 9, 1], [2, 0, 9, 5]]], dtype=np.float32)
    ids = np.array([[[0] * 4] * 2, [[1, 0, 2, 0], [0, 0, 2, 2]]], dtype=np.int32)
    return Batch(maps, ids, np.array([7.0, 9.0]), np.array([0, 1]), np.ones(2, dtype=bool))


def test_values_by_hand() -> None:
    """Anomalous 9 9 8 5, normal 7 6 5 4 3 3 2 2 1 1 0 0 (12 pixels).

    AUROC: 9, 9, 8 beat all 12; 5 beats nine and ties one: (36 + 9.5) / 48.
    AP: (2 x 2/2 + 1 x 3/3 + 1 x 4/7) / 4.  F1-max at 8: 2 x 3 / (3 + 4).  IoU-max at 8: 3/4.
    AU-PRO: region 1 whole from the start (8 beats all normals), region 2 at 2/3 until rate 2/12,
    then linear to 3/3 at rate 3/12 (the tie at 5): overlap 5/6 up to 1/6, rising to 1 at 1/4.
    """
    values = by_hand().evaluate().by_class()["tile"]
    assert values["pixel_auroc"] == pytest.approx(45.5 / 48)
    assert values["pixel_ap"] == pytest.approx((2 + 1 + 4 / 7) / 4)
    assert values["pixel_f1max"] == pytest.approx(6 / 7)
    assert values["pixel_f1max_threshold"] == 8.0
    assert values["pixel_ioumax"] == pytest.approx(3 / 4)
    area = (1 / 6) * (5 / 6) + (1 / 12) * (5 / 6 + 1) / 2 + (0.3 - 1 / 4)
    assert values["pixel_aupro"] == pytest.approx(area / 0.3)
    assert (values["image_auroc"], values["image_ap"], values["image_f1max"]) == (1, 1, 1)
    assert values["image_f1max_threshold"] == 9.0
    seven = (3, 45.5 / 48, (3 + 4 / 7) / 4, 6 / 7, area / 0.3)
    assert values["mad"] == pytest.approx(sum(seven) / 7)


def test_perfect_and_inverted_scorers() -> None:
    batch = make(6)
    truth = (batch.regions_BHW > 0).astype(np.float32)
    perfect = batch.with_maps(truth + 5).evaluate().by_class()["tile"]
    for id in NINE[3:8]:
        assert perfect[id] == pytest.approx(1.0, abs=1e-12)
    inverted = batch.with_maps(-truth).evaluate().by_class()["tile"]
    assert inverted["pixel_auroc"] == 0.0
    assert inverted["pixel_aupro"] == 0.0
    share = truth.mean()
    assert inverted["pixel_ap"] == pytest.approx(share)
    assert inverted["pixel_ioumax"] == pytest.approx(share)


def test_constant_maps_know_nothing() -> None:
    """One threshold that calls everything: PRO is the diagonal, so AU-PRO is 0.3 / 2."""
    batch = make(7)
    values = batch.with_maps(np.full(batch.maps_BHW.shape, 3.5)).evaluate().by_class()["tile"]
    share = (batch.regions_BHW > 0).mean()
    assert values["pixel_auroc"] == pytest.approx(0.5)
    assert values["pixel_aupro"] == pytest.approx(0.15)
    assert values["pixel_ap"] == pytest.approx(share)
    assert values["pixel_f1max"] == pytest.approx(2 * share / (1 + share))


def test_every_region_weighs_the_same() -> None:
    """A found region of one pixel and a missed one of 99 give a PRO of one half."""
    ids = np.ones((1, 10, 20), dtype=np.int32)
    ids[:, :, 10:] = 0
    maps = np.zeros((1, 10, 20), dtype=np.float32)
    ids[0, 0, 0], maps[0, 0, 0] = 2, 9
    maps[:, :, 10:] = 1
    batch = Batch(maps, ids, np.array([9.0]), np.array([1]), np.ones(1, dtype=bool))
    assert batch.evaluate().value("tile", "pixel_aupro") == pytest.approx(0.5)


def test_negative_zero_denormals_and_negatives_order_as_numbers() -> None:
    values = np.array([-np.float32(3e38), -1, -1e-45, -0.0, 0.0, 1e-45, 1e-39, 2, 3e38])
    rng = np.random.default_rng(0)
    maps = rng.choice(values, size=(2, 20, 20)).astype(np.float32)
    ids = np.zeros((2, 20, 20), dtype=np.int32)
    ids[1, :9] = 1
    batch = Batch(maps, ids, np.array([0.0, 1.0]), np.array([0, 1]), np.ones(2, dtype=bool))
    truth, score = ids.ravel() > 0, maps.ravel().astype(np.float64)
    got = batch.evaluate().by_class()["tile"]
    assert got["pixel_auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert got["pixel_aupro"] == pytest.approx(direct_aupro(batch), abs=1e-12)


def test_mean_over_classes_and_what_it_says_when_one_lacks_a_value() -> None:
    accumulator = Accumulator()
    first, second, third = make(1), make(2), make(3)
    first.add_to(accumulator, "a")
    second.add_to(accumulator, "b")
    third.take(third.labels_B == 0).add_to(accumulator, "c")
    evaluation = accumulator.compute(intervals=20)
    table = evaluation.by_class()
    for id in NINE:
        a, b = table["a"][id], table["b"][id]
        assert a is not None
        assert b is not None
        assert table["c"][id] is None
        assert table[MEAN][id] == pytest.approx((a + b) / 2)
    notes = {(row.class_name, row.metric): row.note for row in evaluation.of()}
    assert notes[MEAN, "mad"] == "mean of 2 of 3 classes"
    assert "no anomalous test image" in notes["c", "pixel_aupro"]
    assert "cannot be computed" in notes["c", "mad"]


def test_images_without_a_usable_mask_count_for_image_metrics_only() -> None:
    batch = make(8)
    unknown = np.array([5])
    flags = batch.has_mask_B.copy()
    flags[unknown] = False
    partly = Batch(batch.maps_BHW, batch.regions_BHW, batch.scores_B, batch.labels_B, flags)
    without = batch.take(np.setdiff1d(np.arange(12), unknown)).evaluate().by_class()["tile"]
    evaluation = partly.evaluate()
    got, whole = evaluation.by_class()["tile"], batch.evaluate().by_class()["tile"]
    for id in NINE[:8]:
        assert got[id] == (whole if id.startswith("image") else without)[id]
    note = next(row.note for row in evaluation.rows if row.metric == "pixel_ap")
    assert note == "1 of 6 anomalous images have no usable mask"


def test_without_any_mask_pixel_metrics_are_none_with_a_reason() -> None:
    batch = make(9)
    none = Batch(
        batch.maps_BHW,
        batch.regions_BHW,
        batch.scores_B,
        batch.labels_B,
        np.zeros(len(batch.labels_B), dtype=bool),
    )
    rows = {r.metric: r for r in none.evaluate(intervals=20).of() if r.class_name == "tile"}
    assert rows["image_auroc"].value == batch.evaluate().value("tile", "image_auroc")
    for id in (*NINE[3:8], "pixel_f1max_threshold"):
        assert rows[id].value is None
        assert rows[id].note
