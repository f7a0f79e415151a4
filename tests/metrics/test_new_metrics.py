"""Operating points, AUPIMO, FROC, sizes, objects, anomaly types and ADer's rows, end to end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

from core.errors import UsageError
from core.metrics import ader
from core.metrics.accumulate import Accumulator, Evaluation, Grade
from core.metrics.base import NINE, ordered
from core.metrics.conventions import ADER, ESTIMATED
from core.metrics.marks import find_marks
from core.metrics.pimo import HIGH, LOW
from core.types import MEAN
from tests.metrics.metric_cases import Batch, facts, make
from tests.metrics.sorted_counts import SortedCounts

CAPACITY = 64
KEYS = [f"{i}.png" for i in range(30)]
GRADES: tuple[Grade, ...] = ("exact", "stream")


def batch_of(maps: npt.NDArray[Any], ids: npt.NDArray[Any], scores: Any = None) -> Batch:
    """Images whose label is whether they have a region."""
    labels = (ids > 0).any(axis=(1, 2)).astype(np.int64)
    scores = maps.max(axis=(1, 2)) if scores is None else np.asarray(scores)
    return Batch(
        maps.astype(np.float32), ids, scores.astype(np.float64), labels, np.ones(len(maps), bool)
    )


def values(evaluation: Evaluation) -> dict[str, float | None]:
    return evaluation.by_class()["tile"]


def scored(scores: Any, labels: Any) -> dict[str, float | None]:
    """Image metrics of these scores; maps are of no account."""
    labels = np.asarray(labels)
    count = len(labels)
    batch = Batch(
        np.zeros((count, 4, 4), np.float32), np.zeros((count, 4, 4), int), np.asarray(scores),
        labels, np.ones(count, bool),
    )  # fmt: skip
    return values(batch.evaluate())


# -- images at a fixed sensitivity or specificity -------------------------------------------------


def operating(scores: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[float, float]:
    """(FPR at 95 % found, found at 5 % FPR), every distinct score tried; whole numbers decide."""
    bad, good = scores[labels == 1], scores[labels == 0]
    rates, shares = [], [0.0]
    for threshold in np.unique(scores):
        found, false = int((bad >= threshold).sum()), int((good >= threshold).sum())
        if 20 * found >= 19 * len(bad):
            rates.append(false / len(good))
        if 20 * false <= len(good):
            shares.append(found / len(bad))
    return min(rates), max(shares)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60), st.integers(2, 40))
def test_fixed_sensitivity_and_specificity(seed: int, bad: int, good: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [bad, good])
    scores = rng.integers(0, levels, bad + good) + labels * levels / 2
    rate, share = operating(scores, labels)
    found = scored(scores, labels)
    assert found["image_fpr95"] == rate
    assert found["image_sensitivity_at_spec95"] == share
    assert found["image_specificity_at_sens95"] == 1 - rate


def test_95_percent_of_20_is_19_and_5_percent_of_20_is_1() -> None:
    """Anomalous 1 to 20, normal 0.5 to 19.5: at threshold 2, 19 are found and 18 normals alarm;
    at threshold 19, which only the normal 19.5 reaches too, 2 are found."""
    scores = np.concatenate((np.arange(1, 21), np.arange(20) + 0.5))
    found = scored(scores, np.repeat([1, 0], 20))
    assert found["image_fpr95"] == 18 / 20
    assert found["image_specificity_at_sens95"] == 1 - 18 / 20
    assert found["image_sensitivity_at_spec95"] == 2 / 20


def test_no_threshold_keeps_the_specificity() -> None:
    found = scored([1.0, 1.0, 1.0, 0.0], [1, 1, 0, 0])
    assert found["image_sensitivity_at_spec95"] == 0.0
    assert found["image_fpr95"] == 0.5


# -- pixels at the oracle threshold ---------------------------------------------------------------


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize(("seed", "levels"), [(0, None), (1, 6), (2, 2), (3, 1)])
def test_pixel_metrics_at_the_threshold_equal_scikit_learn(
    seed: int, levels: int | None, grade: Grade
) -> None:
    """In 64 bins, too: what a bin's edge calls is counted exactly."""
    batch = make(seed, levels=levels, shift=1.5)
    found = values(batch.add_to(Accumulator(grade, capacity=CAPACITY)).compute(intervals=0))
    threshold = found["pixel_f1max_threshold"]
    assert threshold is not None
    called = batch.maps_BHW.ravel().astype(np.float64) >= threshold
    truth = batch.regions_BHW.ravel() > 0
    expected = {
        "pixel_dice": f1_score(truth, called),
        "pixel_precision": precision_score(truth, called),
        "pixel_recall": recall_score(truth, called),
        "pixel_specificity": recall_score(~truth, ~called),
        "pixel_mcc": matthews_corrcoef(truth, called),
    }
    for id, value in expected.items():
        assert found[id] == pytest.approx(value, abs=1e-12), id
    highest = found["pixel_f1max"]  # of a histogram: between what its edges reach and could reach
    assert highest is not None
    assert highest == found["pixel_dice"] if grade == "exact" else highest >= found["pixel_dice"]


def test_pixel_metrics_by_hand() -> None:
    """Anomalous 9 9 8 5, 12 normals of at most 7: at 8, TP 3, FN 1, FP 0, TN 12."""
    maps = np.array([[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 3, 9, 1], [2, 0, 9, 5]]])
    ids = np.array([[[0] * 4] * 2, [[1, 0, 2, 0], [0, 0, 2, 2]]])
    found = values(batch_of(maps, ids).evaluate())
    assert found["pixel_f1max_threshold"] == 8
    assert found["pixel_dice"] == pytest.approx(6 / 7)
    assert found["pixel_precision"] == 1
    assert found["pixel_recall"] == pytest.approx(3 / 4)
    assert found["pixel_specificity"] == 1
    assert found["pixel_mcc"] == pytest.approx(3 * 12 / np.sqrt(3 * 4 * 12 * 13))


def test_mcc_is_zero_where_every_pixel_is_called() -> None:
    batch = make(7)
    found = values(batch.with_maps(np.zeros(batch.maps_BHW.shape)).evaluate())
    assert found["pixel_mcc"] == 0
    assert found["pixel_recall"] == 1
    assert found["pixel_specificity"] == 0


# -- AUPIMO ---------------------------------------------------------------------------------------


def pimo_batch(seed: int, levels: int | None = None) -> Batch:
    """Normal images of 98,304 pixels, so that rates between 1e-5 and 1e-4 exist; an anomalous
    image without a known mask, whose pixels must not count."""
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((12, 128, 128))
    ids = np.zeros(maps.shape, int)
    for image in range(6, 12):
        corner = 10 * image
        ids[image, corner - 50 : corner - 30, 5:25], ids[image, 3:8, 60:64] = 1, 2
        maps[image][ids[image] > 0] += image / 2
    if levels is not None:
        maps = np.round(maps * levels) / levels
    batch = batch_of(maps, ids)
    batch.has_mask_B[11] = False
    return batch


@pytest.mark.parametrize("levels", [None, 4])
def test_aupimo_equals_the_integral_of_recall_over_log_rates(levels: int | None) -> None:
    batch = pimo_batch(0, levels)
    normal = np.sort(batch.maps_BHW[:6].ravel())
    areas, pieces = [], []
    rates = np.logspace(np.log10(LOW), np.log10(HIGH), 4001)
    for image in range(6, 11):
        values_M = batch.maps_BHW[image][batch.regions_BHW[image] > 0]
        rate_M = np.array([(normal >= value).mean() for value in values_M])
        recall = [(rate_M <= rate).mean() for rate in rates]
        areas.append(np.trapezoid(recall, np.log(rates)) / np.log(HIGH / LOW))
        with np.errstate(divide="ignore"):
            score_M = np.clip(np.log(HIGH / rate_M) / np.log(HIGH / LOW), 0, 1)
        pieces.append(score_M.mean())
    found = values(batch.evaluate())["aupimo"]
    assert found == pytest.approx(np.mean(pieces), abs=1e-12)
    assert found == pytest.approx(np.mean(areas), abs=1e-3)
    assert 0.1 < np.mean(pieces) < 0.95


def test_aupimo_says_when_normal_pixels_are_few_or_missing() -> None:
    batch = make(0)
    row = batch.evaluate().row("tile", "aupimo")
    assert row.value is not None
    assert "1536 normal pixels" in row.note
    missing = batch.take(batch.labels_B == 1).evaluate().row("tile", "aupimo")
    assert (missing.value, missing.note) == (None, "no normal image")
    assert "normal pixels" not in pimo_batch(0).evaluate().row("tile", "aupimo").note or (
        6 * 128 * 128 * LOW < 1
    )


# -- FROC -----------------------------------------------------------------------------------------


def peaks(shape: tuple[int, int], at: dict[tuple[int, int], float]) -> npt.NDArray[np.float64]:
    """A flat map with single pixels raised."""
    made = np.zeros(shape)
    for place, height in at.items():
        made[place] = height
    return made


def test_froc_by_hand() -> None:
    """Two normal images with marks 5, 3 and 4; lesions rated 6 and 3.5, and one without a mark.

    At most 1/4 mark an image: none of the two images' marks may count, so only 6 is found. At most
    1/2: one mark (5), and above 4 still only 6. At most 1: two marks, and above 3 both are found.
    Flat parts are marks of height 0, one an image here: at most 2 an image allows 5, 4, 3.
    """
    size = (32, 32)
    maps = np.stack([
        peaks(size, {(5, 5): 5, (20, 20): 3}),
        peaks(size, {(9, 25): 4}),
        peaks(size, {(6, 6): 6, (25, 25): 3.5}),
    ])  # fmt: skip
    ids = np.zeros((3, *size), int)
    ids[2, 5:8, 5:8], ids[2, 25, 25], ids[2, 15, 1:3] = 4, 9, 2
    found = values(batch_of(maps, ids).evaluate())
    assert [found[f"froc_llf_{x}"] for x in ("025", "05", "1", "2")] == [
        pytest.approx(share) for share in (1 / 3, 1 / 3, 2 / 3, 2 / 3)
    ]


@pytest.mark.parametrize(("seed", "levels"), [(0, None), (1, 12)])
def test_froc_equals_trying_every_threshold(seed: int, levels: int | None) -> None:
    batch = make(seed, images=10, side=40, levels=levels, shift=0.5)
    marks = find_marks(batch.maps_BHW, batch.regions_BHW)
    false = np.concatenate([m.scores_K for m, bad in zip(marks, batch.labels_B, strict=True)
                            if not bad])  # fmt: skip
    ratings = [
        max([s for s, on in zip(one.scores_K, one.regions_K, strict=True) if on == id],
            default=-np.inf)
        for one, ids in zip(marks, batch.regions_BHW, strict=True)
        for id in range(1, int(ids.max()) + 1)
    ]  # fmt: skip
    found = batch.evaluate()
    for name, most in (("025", 0.25), ("05", 0.5), ("1", 1), ("2", 2)):
        shares = [0.0]
        for threshold in {*false.tolist(), *(r for r in ratings if r > -np.inf)}:
            if (false >= threshold).sum() / 5 <= most:
                shares.append(float(np.mean([rating >= threshold for rating in ratings])))
        assert found.value("tile", f"froc_llf_{name}") == pytest.approx(max(shares), abs=1e-12)


# -- sizes ----------------------------------------------------------------------------------------


def squares(heights: dict[int, float]) -> Batch:
    """A normal image and an anomalous one with a square of each side and height."""
    maps, ids = np.zeros((2, 24, 64)), np.zeros((2, 24, 64), int)
    left = 1
    for number, (side, height) in enumerate(heights.items(), start=1):
        maps[1, 2 : 2 + side, left : left + side] = height
        ids[1, 2 : 2 + side, left : left + side] = number
        left += side + 2
    maps[0, 0, 0], maps[0, 5, 5] = 0.5, 0.5
    return batch_of(maps, ids)


def test_recall_by_size_and_minimum_size_by_hand() -> None:
    """Areas 1, 4, 9, 16, one a quarter; the squares of 1 and 9 pixels are no higher than normals.

    Of the regions of at least 16 pixels all are hit, of at least 9 half, of at least 4 two thirds.
    """
    found = values(squares({1: 0, 2: 3, 3: 0, 4: 3}).evaluate())
    assert found["pixel_f1max_threshold"] == 3
    quarters = ("smallest", "small", "large", "largest")
    assert [found[f"region_recall_{name}"] for name in quarters] == [0, 1, 0, 1]
    assert found["region_min_size"] == 16
    assert values(squares({1: 3, 2: 3, 3: 3, 4: 3}).evaluate())["region_min_size"] == 1
    assert values(squares({1: 0, 2: 3, 3: 3, 4: 3}).evaluate())["region_min_size"] == 4


def test_sizes_without_an_answer_say_why() -> None:
    evaluation = squares({1: 3, 2: 0, 3: 3, 4: 0}).evaluate()
    # 10 of 30 anomalous pixels are found at 3; at 0 all pixels are called
    assert evaluation.value("tile", "pixel_f1max_threshold") == 3
    row = evaluation.row("tile", "region_min_size")
    assert row.value is None
    assert "less than 90 %" in row.note
    same = batch_of(
        np.stack((np.zeros((6, 6)), np.eye(6))),
        np.stack((np.zeros((6, 6), int), np.diag(range(1, 7)))),
    )
    rows = {row.metric: row for row in same.evaluate().of() if row.class_name == "tile"}
    assert rows["region_recall_smallest"].value == 1
    assert rows["region_recall_smallest"].note.startswith("6 regions of 1 to 1 px")
    for name in ("small", "large", "largest"):
        assert rows[f"region_recall_{name}"].value is None
        assert "same area" in rows[f"region_recall_{name}"].note


@pytest.mark.parametrize("grade", GRADES)
def test_recall_by_size_counts_regions_of_all_images(grade: Grade) -> None:
    batch = make(4, images=20, side=24, levels=30, shift=1.0)
    found = values(batch.add_to(Accumulator(grade, capacity=CAPACITY)).compute(intervals=0))
    regions = [
        (int((ids == id).sum()), float(one[ids == id].max()) >= found["pixel_f1max_threshold"])
        for one, ids in zip(batch.maps_BHW, batch.regions_BHW, strict=True)
        for id in range(1, int(ids.max()) + 1)
    ]
    edges = np.quantile([area for area, _ in regions], [0, 0.25, 0.5, 0.75, 1])
    for place, name in enumerate(("smallest", "small", "large", "largest")):
        low = -1 if place == 0 else edges[place]
        hits = [hit for area, hit in regions if low < area <= edges[place + 1]]
        assert found[f"region_recall_{name}"] == pytest.approx(np.mean(hits), abs=1e-12)
    for smallest in sorted({area for area, _ in regions}):
        if np.mean([hit for area, hit in regions if area >= smallest]) >= 0.9:
            assert found["region_min_size"] == smallest
            break
    else:
        assert found["region_min_size"] is None


# -- objects: the second pass ---------------------------------------------------------------------


def objects_by_hand() -> Batch:
    """Objects of score 9 (IoU 1), 8 (on the normal image) and 7 (IoU 0.4), and two true regions."""
    maps, ids = np.zeros((2, 20, 20)), np.zeros((2, 20, 20), int)
    ids[1, 2:8, 2:8], maps[1, 2:8, 2:8] = 1, 8.5
    maps[1, 3, 3] = 9
    ids[1, 12:13, 5:15], maps[1, 12:13, 5:9] = 2, 7
    maps[0, 4, 4] = 8
    return batch_of(maps, ids)


def second_look(accumulator: Accumulator, batch: Batch, class_name: str = "tile") -> Accumulator:
    """Give every image with a known mask again."""
    known = np.flatnonzero((batch.labels_B == 0) | batch.has_mask_B)
    names = [KEYS[i] for i in known]
    threshold = accumulator.thresholds()[class_name]
    accumulator.update_objects(
        class_name, threshold, batch.maps_BHW[known], batch.regions_BHW[known], names
    )
    return accumulator


def with_keys(batch: Batch, grade: Grade = "exact", **more: Any) -> Accumulator:
    keys = KEYS[: len(batch.labels_B)]
    return batch.add_to(Accumulator(grade, capacity=CAPACITY), keys_B=keys, **more)


@pytest.mark.parametrize("grade", GRADES)
def test_object_ap_by_hand(grade: Grade) -> None:
    """Hit, miss, hit: (1/1 + 2/3) / 2; at IoU 0.5 the third is a miss: 1/2."""
    batch = objects_by_hand()
    accumulator = with_keys(batch, grade)
    assert accumulator.thresholds() == {"tile": 7}
    found = values(second_look(accumulator, batch).compute(intervals=0))
    assert found["object_ap_10"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["object_ap_30"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["object_ap_50"] == pytest.approx(1 / 2)


def direct_object_ap(batch: Batch, threshold: float, least: float) -> float:
    """Objects image by image, greedily matched; precision at every distinct score."""
    eight, listed, regions = np.ones((3, 3)), [], 0
    for one, ids in zip(batch.maps_BHW, batch.regions_BHW, strict=True):
        labels, count = ndimage.label(one >= threshold, eight)
        free = set(range(1, int(ids.max()) + 1))
        regions += len(free)
        areas = [labels == number for number in range(1, count + 1)]
        for area in sorted(areas, key=lambda a: -one[a].max()):
            overlaps = {
                id: (area & (ids == id)).sum() / (area | (ids == id)).sum() for id in sorted(free)
            }
            best = max(overlaps, key=lambda id: overlaps[id], default=None)
            hit = best is not None and overlaps[best] >= least
            free -= {best} if hit else set()
            listed.append((float(one[area].max()), hit))
    total, before = 0.0, 0
    for score in sorted({score for score, _ in listed}, reverse=True):
        above = [hit for s, hit in listed if s >= score]
        total += (sum(above) - before) / regions * sum(above) / len(above)
        before = sum(above)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_object_ap_equals_a_direct_evaluation(seed: int) -> None:
    """Smooth maps, so that objects are few and overlap regions more or less."""
    batch = make(seed, images=8, side=32, shift=2.0)
    smooth = ndimage.gaussian_filter(batch.maps_BHW, (0, 1.5, 1.5))
    batch = batch.with_maps(smooth)
    accumulator = second_look(with_keys(batch), batch)
    threshold = accumulator.thresholds()["tile"]
    found = accumulator.compute(intervals=20)
    for percent in (10, 30, 50):
        row = found.row("tile", f"object_ap_{percent}")
        assert row.value == pytest.approx(
            direct_object_ap(batch, threshold, percent / 100), abs=1e-12
        )
        assert row.ci_low is not None
        assert row.value is not None
        assert 0 <= row.ci_low <= row.value <= row.ci_high <= 1
        assert "oracle" in row.note


def test_objects_have_rows_only_after_a_second_look() -> None:
    batch = make(0)
    ids = {row.metric for row in batch.evaluate().rows}
    assert not any(id.startswith("object") for id in ids)
    accumulator = second_look(with_keys(batch), batch)
    make(1).add_to(accumulator, "other", keys_B=[str(i) for i in range(12)])
    evaluation = accumulator.compute(intervals=0)
    with pytest.raises(KeyError):
        evaluation.row("other", "object_ap_10")
    mean = evaluation.row(MEAN, "object_ap_10")
    assert mean.value == evaluation.value("tile", "object_ap_10")
    assert mean.note == "mean of 1 of 2 classes"


def test_a_second_look_that_misses_an_image_is_refused_by_name() -> None:
    batch = make(0)
    accumulator = with_keys(batch)
    accumulator.update_objects(
        "tile", 1.0, batch.maps_BHW[1:], batch.regions_BHW[1:], [f"{i}.png" for i in range(1, 12)]
    )
    with pytest.raises(UsageError, match=r"'tile': 1 images such as '0\.png'"):
        accumulator.compute(intervals=0)


def test_a_refused_second_look_leaves_nothing_behind() -> None:
    batch = make(0)
    accumulator = with_keys(batch)
    before = accumulator.compute(intervals=0).rows
    for maps, keys in ((batch.maps_BHW[:3], ["a", "b"]), (batch.maps_BHW[:2, :5], ["a", "b", "c"])):
        with pytest.raises(UsageError):
            accumulator.update_objects("tile", 1.0, maps, batch.regions_BHW[:3], keys)
    assert accumulator.compute(intervals=0).rows == before


def test_second_looks_take_masks_and_tensors_and_survive_merging() -> None:
    batch = make(2, images=8, shift=2.0)
    batch.has_mask_B[5] = False
    expected = second_look(with_keys(batch), batch).compute(intervals=10)
    parts = []
    threshold = with_keys(batch).thresholds()["tile"]
    for rows in ([0, 1, 2], [3, 4, 5, 6, 7]):
        part = batch.take(rows).add_to(
            Accumulator(capacity=CAPACITY), keys_B=[f"{i}.png" for i in rows]
        )
        rows = [i for i in rows if i != 5]
        part.update_objects(
            "tile",
            threshold,
            torch.from_numpy(batch.maps_BHW[rows]),
            torch.from_numpy(batch.regions_BHW[rows] > 0),
            [f"{i}.png" for i in rows],
        )
        parts.append(part)
    assert parts[1].merge(parts[0]).compute(intervals=10).rows == expected.rows


# -- anomaly types --------------------------------------------------------------------------------


@pytest.mark.parametrize("grade", GRADES)
def test_a_type_s_rows_are_those_of_its_images_beside_the_normal_ones(grade: Grade) -> None:
    batch = make(5, images=16, levels=20)
    batch.has_mask_B[7] = False
    known = facts(batch)
    evaluation = batch.add_to(Accumulator(grade, capacity=4096), **known).compute(intervals=20)
    kinds = np.array(known["anomaly_types_B"])
    for kind in ("hole", "scratch", "stain"):
        rows = np.flatnonzero((batch.labels_B == 0) | (kinds == kind))
        some = {name: [listed[row] for row in rows] for name, listed in known.items()}
        alone = batch.take(rows).add_to(Accumulator(grade, capacity=4096), **some)
        expected = {row.metric: row.value for row in alone.compute(intervals=0).of()
                    if row.class_name == "tile"}  # fmt: skip
        got = {row.metric: row for row in evaluation.of(anomaly_type=kind)}
        assert {id: row.value for id, row in got.items()} == expected
        assert {row.class_name for row in got.values()} == {"tile"}
        low = got["image_auroc"].ci_low
        assert low is not None
        assert low <= expected["image_auroc"] <= got["image_auroc"].ci_high
    assert {row.anomaly_type for row in evaluation.rows} == {"", "hole", "scratch", "stain"}


def test_every_type_with_a_name_has_rows_of_its_own() -> None:
    batch = make(0)

    def types(*kinds: str, by_type: bool = True) -> set[str]:
        listed = list(itertools.islice(itertools.cycle(kinds), 12))
        # every second image is anomalous
        named = [listed[i // 2] for i in range(12)]
        accumulator = batch.add_to(Accumulator(), anomaly_types_B=named)
        evaluation = accumulator.compute(intervals=0, by_type=by_type)
        places = [(r.class_name, r.metric, r.convention, r.anomaly_type) for r in evaluation.rows]
        assert len(places) == len(set(places))
        return {row.anomaly_type for row in evaluation.rows}

    assert types("hole") == {"", "hole"}
    assert types("hole", by_type=False) == {""}
    assert types("") == {""}
    assert types("hole", "") == {"", "hole"}
    assert types("hole", "stain") == {"", "hole", "stain"}
    assert types("hole", "stain", by_type=False) == {""}


def test_the_only_type_of_a_class_has_the_rows_of_the_class() -> None:
    accumulator = make(0).add_to(Accumulator(), anomaly_types_B=["hole"] * 12)
    evaluation = accumulator.compute(intervals=20)
    mine = evaluation.of(anomaly_type="hole")
    assert mine == [
        replace(row, anomaly_type="hole") for row in evaluation.of() if row.class_name == "tile"
    ]


# -- ADer's convention ----------------------------------------------------------------------------

Counted = Callable[[SortedCounts], float]
PIXEL: dict[str, Counted] = {
    "pixel_auroc": lambda counts: ader.ader_pixel_auroc(counts, cuda=True),
    "pixel_ap": lambda counts: ader.ader_pixel_ap(counts, cuda=True),
    "pixel_f1max": ader.ader_pixel_f1max,
    "pixel_ioumax": ader.ader_pixel_ioumax,
    "pixel_aupro": lambda counts: ader.ader_pixel_aupro(counts, cuda=True),
}


@pytest.mark.parametrize("grade", GRADES)
def test_ader_rows_count_pixels_by_strips_and_images_by_their_pooled_score(grade: Grade) -> None:
    """An anomalous image without a pixel left counts as normal there."""
    batch = make(6, images=14, levels=40)
    batch.has_mask_B[5] = False
    pooled = np.random.default_rng(0).random(14).round(1)
    accumulator = Accumulator(grade, capacity=4096)
    batch.add_to(accumulator, ader_scores_B=pooled)
    make(7, levels=40).take([0, 2, 4]).add_to(accumulator, "normal")
    evaluation = accumulator.compute(intervals=10)
    rows = {row.metric: row for row in evaluation.of(ADER) if row.class_name == "tile"}
    assert list(rows) == list(NINE)

    labels = (batch.labels_B == 1) & batch.has_mask_B
    plain = scored(pooled, labels.astype(int))
    for id in NINE[:3]:
        assert rows[id].value == plain[id]
        assert rows[id].value != evaluation.value("tile", id)
    known = (batch.labels_B == 0) | batch.has_mask_B
    maps, ids = batch.maps_BHW[known], batch.regions_BHW[known]
    inside = ids > 0
    areas = np.stack([np.bincount(one.ravel())[one] for one in ids])
    order = np.argsort(maps[inside], kind="stable")
    counts = SortedCounts(np.sort(maps[~inside]), maps[inside][order], 1 / areas[inside][order])
    for id, formula in PIXEL.items():
        assert rows[id].value == pytest.approx(formula(counts), abs=1e-9)
        assert rows[id].note == (ESTIMATED if grade == "stream" else "")
    seven = [rows[id].value for id in NINE[:8] if id != "pixel_ioumax"]
    assert rows["mad"].value == pytest.approx(np.mean(seven))
    for row in evaluation.of(ADER):
        assert (row.ci_low, row.ci_high, row.bound_low, row.bound_high) == (None,) * 4
        if row.class_name == "normal":
            assert row.value is None
            assert row.note
        if row.class_name == MEAN:
            assert row.value == rows[row.metric].value
            assert row.note == "mean of 1 of 2 classes"


# -- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("grade", GRADES)
def test_rescaling_a_map_changes_no_metric_but_thresholds(grade: Grade) -> None:
    """Powers of two move floats by whole bins; marks, objects and sizes move along with the map."""
    batch = make(8, images=10, side=24, shift=1.5)
    evaluations = []
    for scale in (1.0, 0.25):
        moved = batch.with_maps(batch.maps_BHW * np.float32(scale))
        accumulator = moved.add_to(Accumulator(grade, capacity=4096), keys_B=KEYS[:10])
        evaluations.append(second_look(accumulator, moved).compute(intervals=0))
    for metric in ordered():
        one, two = (e.by_class()["tile"].get(metric.id) for e in evaluations)
        if metric.id == "pixel_f1max_threshold":
            assert two == one / 4
        elif metric.level != "threshold":
            assert one == two, metric.id
