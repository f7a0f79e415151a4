"""Curves: right ends, right points, thinned without losing the shape."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from core.metrics.accumulate import Accumulator, Curve, Evaluation, Grade
from core.metrics.curves import POINTS, thin
from core.types import MEAN
from tests.metrics.metric_cases import Batch, direct_aupro, make

FOUR = ("roc", "pr", "pixel_roc", "pixel_pr")
GRADES: tuple[Grade, ...] = ("exact", "stream")


def curves(evaluation: Evaluation, class_name: str = "tile") -> dict[str, Curve]:
    return {c.curve: c for c in evaluation.curves if c.class_name == class_name}


@pytest.mark.parametrize("levels", [None, 1, 6])
@pytest.mark.parametrize("grade", GRADES)
def test_every_point_holds_at_its_threshold(levels: int | None, grade: Grade) -> None:
    """Grade "stream" keeps these values apart, given the bins."""
    batch = make(0, images=20, side=24, levels=levels)
    found = curves(batch.add_to(Accumulator(grade, capacity=2**20)).compute(intervals=0))
    for name in FOUR:
        curve = found[name]
        if name.startswith("pixel"):
            truth, values = batch.regions_BHW.ravel() > 0, batch.maps_BHW.ravel().astype(float)
        else:
            truth, values = batch.labels_B == 1, batch.scores_B
        for x, y, threshold in zip(curve.x, curve.y, curve.threshold, strict=True):
            called = values >= threshold
            recall = called[truth].mean()
            if name.endswith("roc"):
                assert (x, y) == pytest.approx((called[~truth].mean(), recall), abs=1e-12)
            else:
                precision = truth[called].mean() if called.any() else 1.0
                assert (x, y) == pytest.approx((recall, precision), abs=1e-12)


@pytest.mark.parametrize("levels", [None, 6])
def test_thinned_curves_keep_their_area_and_their_ends(levels: int | None) -> None:
    batch = make(1, images=40, side=48, levels=levels)
    evaluation = batch.evaluate()
    values, found = evaluation.by_class()["tile"], curves(evaluation)
    for name, id in (("roc", "image_auroc"), ("pixel_roc", "pixel_auroc")):
        assert auc(found[name].x, found[name].y) == pytest.approx(values[id], abs=2e-4)
    pro = found["pro"]
    assert np.interp(0.3, pro.x, pro.y) > 0
    x = np.linspace(0, 0.3, 20001)
    area = np.trapezoid(np.interp(x, pro.x, pro.y), x) / 0.3
    assert area == pytest.approx(values["pixel_aupro"], abs=2e-3)
    if levels is not None:
        assert values["pixel_aupro"] == pytest.approx(direct_aupro(batch), abs=1e-12)
    for name in ("roc", "pixel_roc", "pro"):
        curve = found[name]
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert (np.diff(curve.x) >= 0).all()
        assert (np.diff(curve.y) >= -1e-12).all()
        assert (np.diff(curve.threshold) <= 0).all()
    for name in (*FOUR, "pro"):
        curve = found[name]
        assert 2 <= len(curve.x) == len(curve.y) == len(curve.threshold) <= POINTS
        assert np.isfinite(curve.threshold).all()


def test_thinning_stays_close_to_a_long_line() -> None:
    x = np.linspace(0, 1, 50_000)
    for y in (np.sqrt(x), 1 - x**8, np.where(x < 0.5, 0.1, 0.9), 0.5 + 0.3 * np.sin(12 * x)):
        kept = thin(x, y)
        assert len(kept) <= POINTS
        assert (kept[0], kept[-1]) == (0, len(x) - 1)
        assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() < 2e-3


def test_score_histograms_share_bins_and_count_images() -> None:
    batch = make(2)
    found = curves(batch.evaluate())
    normal, anomalous = found["score_hist_normal"], found["score_hist_anomalous"]
    np.testing.assert_array_equal(normal.x, anomalous.x)
    assert len(normal.x) == 40
    assert (normal.y.sum(), anomalous.y.sum()) == (6, 6)
    constant = Batch(
        batch.maps_BHW, batch.regions_BHW, np.full(12, 2.0), batch.labels_B, batch.has_mask_B
    )
    assert curves(constant.evaluate())["score_hist_normal"].y.sum() == 6


def test_normal_tail_is_the_share_of_normal_pixels_at_or_above() -> None:
    accumulator = Accumulator()
    batches = {"a": make(3, side=40), "b": make(4, side=30, levels=9, shift=4)}
    for name, batch in batches.items():
        batch.add_to(accumulator, name)
    evaluation = accumulator.compute(intervals=0)
    normals = {name: b.maps_BHW[b.regions_BHW == 0] for name, b in batches.items()}
    normals[MEAN] = np.concatenate([normals["a"], normals["b"]])
    for name, values in normals.items():
        tail = curves(evaluation, name)["normal_tail"]
        assert len(tail.x) <= 63
        expected = [(values >= np.float32(x)).mean() for x in tail.x]
        np.testing.assert_allclose(tail.y, expected, rtol=1e-12)
        assert tail.y[0] == 1.0
        assert tail.x[-1] == values.max()
        assert (np.diff(tail.x) > 0).all()
    distinct = curves(evaluation, "a")["normal_tail"]
    assert len(distinct.x) > 30
    assert np.diff(np.log10(distinct.y)).min() > -0.5  # no decade is skipped


def test_bins_give_points_of_the_exact_curves() -> None:
    """64 bins: every vertex at a bin's edge is a vertex of the exact curve."""
    batch = make(0, images=20, side=24)
    found = curves(batch.add_to(Accumulator("stream", capacity=64)).compute(intervals=0))
    truth, values = batch.regions_BHW.ravel() > 0, batch.maps_BHW.ravel().astype(float)
    for name in ("pixel_roc", "pixel_pr"):
        curve = found[name]
        assert len(curve.x) > 20
        exact = 0
        for x, y, threshold in zip(curve.x, curve.y, curve.threshold, strict=True):
            called = values >= threshold
            recall = called[truth].mean()
            if name == "pixel_roc":
                exact += (x, y) == pytest.approx((called[~truth].mean(), recall), abs=1e-12)
            else:
                precision = truth[called].mean() if called.any() else 1.0
                exact += (x, y) == pytest.approx((recall, precision), abs=1e-12)
        assert exact >= len(curve.x) / 2  # the other half lies just above an edge, inside a bin


@pytest.mark.parametrize("grade", GRADES)
def test_the_froc_curve_passes_through_the_metrics(grade: Grade) -> None:
    batch = make(6, images=12, side=60, shift=3.0)
    evaluation = batch.add_to(Accumulator(grade, capacity=64)).compute(intervals=0)
    curve = curves(evaluation)["froc"]
    assert (curve.x[0], curve.y[0], curve.x[-1]) == (0, 0, 8)
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.y) >= 0).all()
    assert (np.diff(curve.threshold) <= 0).all()
    for name, most in (("025", 0.25), ("05", 0.5), ("1", 1), ("2", 2)):
        reached = float(curve.y[curve.x <= most].max())
        assert reached == pytest.approx(evaluation.value("tile", f"froc_llf_{name}"), abs=1e-12)
    none = batch.add_to(Accumulator(grade, capacity=64, details=False)).compute(intervals=0)
    assert "froc" not in curves(none)
    assert none.row("tile", "froc_llf_1").note == "pixels of single images were not kept"


def test_curves_that_cannot_be_drawn_are_absent() -> None:
    batch = make(5)
    found = curves(batch.take(batch.labels_B == 0).evaluate())
    assert set(found) == {"score_hist_normal", "score_hist_anomalous", "normal_tail"}


def test_corners_of_a_long_step_survive_thinning() -> None:
    """Half of many anomalous pixels above all normals, half below: corners at (0 and 1, 1/2)."""
    rng = np.random.default_rng(0)
    maps = rng.random((2, 100, 100)).astype(np.float32)
    ids = np.zeros((2, 100, 100), dtype=np.int32)
    ids[1], maps[1, :50], maps[1, 50:] = 1, maps[1, :50] + 2, maps[1, 50:] - 2
    batch = Batch(maps, ids, np.array([0.0, 1.0]), np.array([0, 1]), np.ones(2, dtype=bool))
    curve = curves(batch.evaluate())["pixel_roc"]
    points = set(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
    assert {(0.0, 0.5), (1.0, 0.5)} <= points
