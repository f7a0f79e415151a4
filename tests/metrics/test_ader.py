"""ADer's procedure: by hand and against a slow direct evaluation. See also test_ader_adeval.py."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from core.metrics.ader import (
    ADER_NOTE,
    ADER_NOTES,
    PixelCounts,
    ader_mad,
    ader_pixel_ap,
    ader_pixel_aupro,
    ader_pixel_auroc,
    ader_pixel_f1max,
    ader_pixel_ioumax,
)
from core.metrics.base import NINE, NotComputable
from tests.metrics.metric_cases import Batch, make
from tests.metrics.sorted_counts import SortedCounts

Floats = npt.NDArray[np.float64]
PIXEL = {
    "pixel_auroc": ader_pixel_auroc,
    "pixel_ap": ader_pixel_ap,
    "pixel_f1max": ader_pixel_f1max,
    "pixel_ioumax": ader_pixel_ioumax,
    "pixel_aupro": ader_pixel_aupro,
}


def gains(regions_BHW: npt.NDArray[np.int32]) -> Floats:
    """1 / area of its region at each anomalous pixel, 0 elsewhere. [B, H, W]"""
    found = np.zeros(regions_BHW.shape)
    for image, ids in enumerate(regions_BHW):
        for region in range(1, ids.max() + 1):
            found[image][ids == region] = 1 / (ids == region).sum()
    return found


def sort(batch: Batch) -> SortedCounts:
    marked = batch.regions_BHW > 0
    values, gain = batch.maps_BHW[marked], gains(batch.regions_BHW)[marked]
    order = np.argsort(values)
    return SortedCounts(np.sort(batch.maps_BHW[~marked]), values[order], gain[order])


def direct(batch: Batch, strips: int = 50) -> dict[str, float]:
    """ADer's five pixel values as they are worded, pixel by pixel."""
    maps, truth, gain = batch.maps_BHW, batch.regions_BHW > 0, gains(batch.regions_BHW)
    low, high = maps.min(), maps.max()
    points = []
    for step in reversed(range(strips + 1)):
        called = maps >= np.float32(step / strips) * (high - low) + low
        precision = truth[called].mean() if called.any() else 1.0
        overlap = gain[called].sum() / gain.sum()
        points.append((called[~truth].mean(), called[truth].mean(), precision, overlap))
    values = {"pixel_auroc": 0.0, "pixel_ap": 0.0, "pixel_aupro": 0.0}
    for (x0, r0, p0, o0), (x1, r1, p1, o1) in itertools.pairwise(points):
        values["pixel_auroc"] += (x1 - x0) * (r0 + r1) / 2
        values["pixel_ap"] += (r1 - r0) * (p0 + p1) / 2
        if x0 <= 0.3 and x1 > x0:
            end = min(x1, 0.3)
            o_end = o0 + (o1 - o0) * (end - x0) / (x1 - x0)
            values["pixel_aupro"] += (end - x0) * (o0 + o_end) / 2 / 0.3
    rescaled, f1s, ious = (maps - low) / (high - low), [], []
    for step in range(21):
        called = rescaled > np.float32(step * 0.05)
        hits = (called & truth).sum()
        precision, recall = hits / (called.sum() + 1e-8), hits / (truth.sum() + 1e-8)
        f1s.append(2 * precision * recall / (precision + recall + 1e-8))
        ious.append(hits / ((called | truth).sum() + 1e-8))
    return values | {"pixel_f1max": max(f1s), "pixel_ioumax": max(ious)}


SCALES = ("plain", "heavy tail", "saturated", "narrow and far off zero")


def rescaled(batch: Batch, scale: str) -> Batch:
    """The same ranking (but for new ties) on another scale."""
    maps = batch.maps_BHW.astype(np.float64)
    top = np.quantile(maps[batch.regions_BHW == 0], 0.9)
    return batch.with_maps(
        {
            "plain": maps,
            "heavy tail": np.exp(2 * maps / maps.std()),
            "saturated": np.minimum(maps, max(top, np.unique(maps)[1])),
            "narrow and far off zero": 1000 + maps / 1000,
        }[scale]
    )


CASES = [(0, None, 1.0), (1, 7, 1.0), (2, 51, 0.5), (3, None, -1.0), (4, 21, 0.0), (5, 3, 2.0)]


@pytest.mark.parametrize(("seed", "levels", "shift"), CASES)
@pytest.mark.parametrize("scale", SCALES)
def test_values_equal_a_direct_evaluation(
    seed: int, levels: int | None, shift: float, scale: str
) -> None:
    batch = rescaled(make(seed, images=6, levels=levels, shift=shift), scale)
    expected, counts = direct(batch), sort(batch)
    for id, function in PIXEL.items():
        if (
            id == "pixel_aupro"
            and (batch.maps_BHW == counts.highest)[batch.regions_BHW == 0].mean() > 0.3
        ):
            continue  # has its own test
        assert function(counts) == pytest.approx(expected[id], abs=1e-12), id


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-(2.0**100), 2.0**100, width=32), st.booleans()),
        min_size=2,
        max_size=40,
    ).filter(lambda rows: len({mark for _, mark in rows}) == 2 and len({v for v, _ in rows}) > 1)
)
def test_levels_are_compared_as_the_rescaled_map_is(rows: list[tuple[float, bool]]) -> None:
    values, marks = np.array([v for v, _ in rows], np.float32), np.array([m for _, m in rows])
    with np.errstate(under="ignore"):
        rescaled = (values - values.min()) / (values.max() - values.min())
    hits = [((rescaled > np.float32(0.05 * k)) & marks).sum() for k in range(21)]
    false = [((rescaled > np.float32(0.05 * k)) & ~marks).sum() for k in range(21)]
    expected = max(h / (f + marks.sum() + 1e-8) for h, f in zip(hits, false, strict=True))
    ones = np.full(marks.sum(), 1 / marks.sum())
    counts = SortedCounts(np.sort(values[~marks]), np.sort(values[marks]), ones)
    with np.errstate(under="ignore"):
        assert ader_pixel_ioumax(counts) == pytest.approx(expected, abs=1e-12)


def line(normals: list[float], anomalous: list[float], areas: list[int]) -> SortedCounts:
    return SortedCounts(
        np.array(normals, np.float32), np.array(anomalous, np.float32), 1 / np.array(areas)
    )


def test_a_case_by_hand() -> None:
    """Normal values 0 x 4 and 10 x 1, anomalous 5, 5 (a region of two) and 10 (one of one).

    Thresholds are 0, 0.2, ..., 10. From the top: at 10 one normal (rate 0.2), recall 1/3, overlap
    1/2, precision 1/2; from 5 down to 0.2 rate 0.2, recall 1, overlap 1, precision 3/4; at 0 all.
    """
    counts = line([0, 0, 0, 0, 10], [5, 5, 10], [2, 2, 1])
    assert counts.regions == 2
    # ROC (0.2, 1/3), (0.2, 1), (1, 1): nothing is added left of 0.2
    assert ader_pixel_auroc(counts) == pytest.approx(0.8)
    # recall 1/3 -> 1 while precision goes 1/2 -> 3/4
    assert ader_pixel_ap(counts) == pytest.approx(2 / 3 * (1 / 2 + 3 / 4) / 2)
    # from rate 0.2 to 0.3 the overlap is 1
    assert ader_pixel_aupro(counts) == pytest.approx(0.1 / 0.3)
    # level 0 leaves 5, 5, 10 against one normal: F1 = 6 / 7, IoU = 3 / 4
    assert ader_pixel_f1max(counts) == pytest.approx(6 / 7)
    assert ader_pixel_ioumax(counts) == pytest.approx(3 / 4)


def test_the_case_by_hand_with_the_highest_value_counted_twice() -> None:
    """As ADEval's CUDA class counts: the 10s (one normal, one anomalous) twice, totals included.

    Then 6 normal and 4 anomalous pixels. From the top: at 10 one normal and one anomalous pixel,
    as before; from 9.8 on two of each; from 5 on two normal and four anomalous; at 0 all.
    """
    counts = line([0, 0, 0, 0, 10], [5, 5, 10], [2, 2, 1])
    # ROC (1/6, 1/4), (2/6, 2/4), (2/6, 1), (1, 1)
    expected = 1 / 6 * (1 / 4 + 2 / 4) / 2 + 4 / 6
    assert ader_pixel_auroc(counts, cuda=True) == pytest.approx(expected)
    # precision 1/2 up to recall 2/4, then to 4/6
    expected = 1 / 4 * 1 / 2 + 1 / 2 * (1 / 2 + 4 / 6) / 2
    assert ader_pixel_ap(counts, cuda=True) == pytest.approx(expected)
    # the region of the 10 counts twice: overlaps 1/3, 2/3, 1; at rate 0.3 between the first two
    at_limit = 1 / 3 + 1 / 3 * (0.3 - 1 / 6) / (1 / 6)
    expected = (0.3 - 1 / 6) * (1 / 3 + at_limit) / 2 / 0.3
    assert ader_pixel_aupro(counts, cuda=True) == pytest.approx(expected)


def test_a_perfect_and_a_blind_map() -> None:
    perfect = line([0, 1, 2], [8, 9, 10], [3, 3, 3])
    found = {id: function(perfect) for id, function in PIXEL.items()}
    # a third of the anomalous pixels has the highest value: the curve's part left of it is lost
    expected = dict.fromkeys(PIXEL, 1.0) | {"pixel_ap": 2 / 3}
    assert found == pytest.approx(expected, abs=1e-7)
    blind = line([6, 7, 8, 9, 10], [0, 1, 2], [3, 3, 3])
    assert ader_pixel_auroc(blind) == 0
    assert ader_pixel_aupro(blind) == 0  # ADEval divides 0 by 0 here


@pytest.mark.parametrize(("scores", "reach"), [("gaussian", 0.961), ("log-normal", 0.70)])
def test_fifty_bins_lose_a_heavy_tail(scores: str, reach: float) -> None:
    """Without chance: 2,000,000 normal scores at the quantiles of N(0, 1), 50,000
    anomalous ones at those of N(2.5, 1); exactly ranked they have AUROC Phi(2.5 / sqrt 2). The
    points on the curve are known: the share above t is Phi(mean - t)."""
    normals = norm.ppf((np.arange(2_000_000) + 0.5) / 2_000_000)
    anomalous = 2.5 + norm.ppf((np.arange(50_000) + 0.5) / 50_000)
    assert norm.cdf(2.5 / math.sqrt(2)) == pytest.approx(0.961, abs=5e-4)
    rescale, undo = (np.exp, np.log) if scores == "log-normal" else (np.array, np.array)
    low, high = rescale(normals[0]), rescale(anomalous[-1])
    edges = undo(low + (high - low) * np.arange(1, 51)[::-1] / 50)
    rates, recalls = norm.cdf(-edges), norm.cdf(2.5 - edges)
    expected = np.trapezoid(np.append(recalls, 1), np.append(rates, 1))
    counts = SortedCounts(
        rescale(normals).astype(np.float32),
        rescale(anomalous).astype(np.float32),
        np.full(50_000, 1 / 50_000),
    )
    found = ader_pixel_auroc(counts)
    assert found == pytest.approx(expected, abs=1e-4)
    # the highest score alone sets the bins: random draws gave 0.65 to 0.72
    assert found == pytest.approx(reach, abs=0.03)


def test_more_strips_come_close_to_the_exact_value() -> None:
    batch = make(7, images=12, side=32)
    exact = roc_auc_score(batch.regions_BHW.ravel() > 0, batch.maps_BHW.ravel())
    assert ader_pixel_auroc(sort(batch), strips=20_000) == pytest.approx(exact, abs=1e-4)


class Halved:
    """Any object with these members is `PixelCounts`: every second pixel, counted in a loop."""

    def __init__(self, whole: SortedCounts) -> None:
        self.lowest, self.highest = whole.lowest, whole.highest
        self.positives, self.negatives = 2 * whole.positives, 2 * whole.negatives
        self.regions = 2 * whole.regions
        self._whole = whole

    def at_or_above(self, thresholds_T: Floats, strict: bool) -> tuple[Floats, Floats, Floats]:
        false, found, overlap = self._whole.at_or_above(thresholds_T, strict)
        return 2 * false, 2 * found, overlap


def test_values_do_not_change_when_every_pixel_is_there_twice() -> None:
    whole = sort(make(8))
    double: PixelCounts = Halved(whole)
    for function in PIXEL.values():
        assert function(double) == pytest.approx(function(whole), abs=1e-9)


@pytest.mark.parametrize("strict", [False, True])
def test_thresholds_between_float32_values_are_kept_apart(strict: bool) -> None:
    """0.1 is not a float32: the nearest one lies above it, that of 0.7 below."""
    values = np.array([0.1, 0.7], np.float32)
    counts = SortedCounts(values, values, np.full(2, 0.5))
    thresholds = np.array([0.1, float(values[0]), 0.7, float(values[1]), 0.75, -np.inf])
    compared = (np.greater if strict else np.greater_equal)(values[:, None], thresholds)
    false, found, overlap = counts.at_or_above(thresholds, strict)
    np.testing.assert_array_equal(false, compared.sum(axis=0))
    np.testing.assert_array_equal(found, compared.sum(axis=0))
    np.testing.assert_allclose(overlap, compared.mean(axis=0))


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (line([3, 3], [3, 3], [2, 2]), "no range"),
        (line([1], [], []), "both needed"),
        (line([], [1], [1]), "both needed"),
    ],
)
def test_what_has_no_value_says_why(counts: SortedCounts, reason: str) -> None:
    for function in PIXEL.values():
        with pytest.raises(NotComputable, match=reason):
            function(counts)


def test_aupro_needs_a_threshold_within_its_limit() -> None:
    counts = line([0, 1, 2, 2], [2], [1])  # half of the normal pixels at the top
    with pytest.raises(NotComputable, match="more than 30 % of the normal pixels"):
        ader_pixel_aupro(counts)
    assert ader_pixel_aupro(counts, limit=0.6) == pytest.approx(0.1 / 0.6)


def test_mad_is_the_mean_of_seven() -> None:
    values: dict[str, float | None] = {id: 0.1 * (k + 1) for k, id in enumerate(NINE)}
    # 0.1 ... 0.9 without IoU-max (0.7) and mAD itself (0.9)
    assert ader_mad(values) == pytest.approx((4.5 - 0.7 - 0.9) / 7)
    with pytest.raises(NotComputable, match="pixel_ap"):
        ader_mad(values | {"pixel_ap": None})


def test_notes_are_there_for_every_pixel_metric() -> None:
    assert set(ADER_NOTES) == set(PIXEL)
    assert all(text.endswith(".") and len(text) < 400 for text in (ADER_NOTE, *ADER_NOTES.values()))
