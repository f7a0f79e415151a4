"""Bounds hold the exact value, always; and they are close with the default capacity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from core.metrics import bounds
from core.metrics.accumulate import Accumulator
from core.metrics.ascending import Ascending
from core.metrics.base import METRICS, Evidence
from core.metrics.histogram import ANOMALOUS, GAIN, SHARE, TOTAL, UNIT, Histogram
from core.metrics.keys import key_of
from core.metrics.population import BinnedPixels, WholePixels
from core.metrics.ranking import Ranking
from core.metrics.records import NOTHING, ImageRecord, Normals
from core.types import GOOD
from tests.metrics.metric_cases import Batch, make

SIX = ("pixel_auroc", "pixel_ap", "pixel_f1max", "pixel_ioumax", "pixel_aupro", "aupimo")
CASES = 10_000
Values = npt.NDArray[np.float32]


def values_of(rng: np.random.Generator, count: int) -> Values:
    """Ties, wide ranges, both signs, denormals, constants: whatever floats can be."""
    kind = rng.integers(7)
    normal = rng.standard_normal(count)
    if kind == 0:
        made = normal
    elif kind == 1:
        made = np.round(2 * normal)
    elif kind == 2:
        made = 10.0 ** rng.uniform(-44, 38, count) * rng.choice((-1, 1), count)
    elif kind == 3:
        made = rng.choice((-0.0, 0.0, 1e-45, -1e-45, 1e-40, 3e38, -3e38), count)
    elif kind == 4:
        made = np.full(count, rng.choice((0.0, 0.3, -7.0)))
    elif kind == 5:
        made = np.exp(4 * normal)
    else:  # neighbours in the last bits
        made = 1.0 + rng.integers(-3, 40, count) * 2.0**-23
    with np.errstate(under="ignore"):
        return made.astype(np.float32)


class Case:
    """Pixels of a normal and of some anomalous images, in both grades."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        bad, area = int(rng.integers(1, 4)), int(rng.integers(2, 22))
        clean = int(rng.integers(0, 40))
        values = values_of(rng, clean + bad * area)
        self.clean, self.values = values[:clean], values[clean:]
        self.image = np.repeat(np.arange(bad), area)
        ids = rng.integers(1, 4, bad * area) * (rng.random(bad * area) < rng.uniform(0.1, 0.9))
        ids[::area] = 1  # an anomalous pixel in every image
        ids[-1] = 0 if clean == 0 else ids[-1]  # and a normal one somewhere
        self.ids = ids
        self.region = 4 * self.image + ids
        lift = rng.choice((0.0, 0.0, 1.0, 3.0))
        with np.errstate(over="ignore"):
            lifted = self.values + np.float32(lift) * (ids > 0)
        self.values = np.where(np.isfinite(lifted), lifted, self.values).astype(np.float32)
        self.rng = rng

    @property
    def all_values(self) -> Values:
        return np.concatenate((self.clean, self.values))

    def whole(self) -> WholePixels:
        images = [self._record(image) for image in range(int(self.image.max()) + 1)]
        return WholePixels(images, Ascending(np.sort(self.clean)))

    def _record(self, image: int) -> ImageRecord:
        mine = self.image == image
        values, ids = self.values[mine], self.ids[mine]
        inside = ids > 0
        order = np.argsort(values[inside], kind="stable")
        _, region = np.unique(ids[inside], return_inverse=True)
        return ImageRecord(
            label=1, score=0.0, ader_score=0.0, anomaly_type="x", specimen=None, key="", digest=0,
            known=True, normals=Normals(int((~inside).sum()), Ascending(np.sort(values[~inside]))),
            values_M=values[inside][order] + np.float32(0), region_M=region[order].astype(np.int32),
            weights_M=None, areas_L=np.bincount(region), peaks_L=NOTHING.values.on_host,
            marks_K=None, ratings_L=np.empty(0),
        )  # fmt: skip

    def binned(self, shift: int | None, capacity: int = 16) -> BinnedPixels:
        """At a shift, or at the one that a capacity gives."""
        bins, at = np.unique(key_of(self.all_values), return_inverse=True)
        inside = self.ids > 0
        area = np.bincount(self.region)[self.region[inside]]
        pixels = np.bincount(self.image[inside])[self.image[inside]]
        of_clean, of_bad = at[: len(self.clean)], at[len(self.clean) :]

        def column(places: Any, weights: Any) -> Any:
            counts = np.zeros(len(bins), np.int64)
            np.add.at(counts, places, weights)
            return counts

        fine = Histogram(
            0,
            bins.astype(np.int32),
            {
                (GOOD, TOTAL): column(of_clean, 1),
                ("x", TOTAL): column(of_bad, 1),
                ("x", ANOMALOUS): column(of_bad[inside], 1),
                ("x", GAIN): column(of_bad[inside], np.rint(UNIT / area).astype(np.int64)),
                ("x", SHARE): column(of_bad[inside], np.rint(UNIT / pixels).astype(np.int64)),
            },
            int(bins[0]),
            int(bins[-1]),
        )
        coarse = fine.within(capacity) if shift is None else fine.coarsened(shift)
        regions = len(np.unique(self.region[inside]))
        return BinnedPixels(coarse, ["x"], regions, max(int(area.max()), int(pixels.max())))


def evidence(pixels: WholePixels | BinnedPixels) -> Evidence:
    ranking = pixels.ranking
    assert not isinstance(ranking, str)
    return Evidence(image_ranking="", pixel_ranking=ranking, rates=pixels.rates, slack=pixels.slack)


def wanted(case: Case) -> list[str]:
    return [id for id in SIX if id != "aupimo" or len(case.clean)]


@pytest.mark.parametrize("part", range(4))
def test_bounds_hold_the_exact_value_of_ten_thousand_random_cases(part: int) -> None:
    for seed in range(part, CASES, 4):
        case = Case(seed)
        shift = (None, None, int(case.rng.integers(0, 32)))[seed // 4 % 3]
        capacity = int(case.rng.choice((2, 3, 8, 16, 64)))
        binned, exact = evidence(case.binned(shift, capacity)), evidence(case.whole())
        for id in wanted(case):
            metric = METRICS.get(id)
            value = float(metric.compute(exact)[0])
            found = metric.bounds(binned)
            assert found is not None
            assert 0.0 <= found[0] <= value <= found[1] <= 1.0, (seed, id, found, value)


def test_the_exact_values_of_those_cases_are_scikit_learn_s() -> None:
    for seed in range(0, CASES, 100):
        case = Case(seed)
        truth = np.concatenate((np.zeros(len(case.clean), bool), case.ids > 0))
        values = case.all_values.astype(np.float64)
        exact = evidence(case.whole())
        for id, formula in (("pixel_auroc", roc_auc_score), ("pixel_ap", average_precision_score)):
            value = METRICS.get(id).compute(exact)[0]
            assert value == pytest.approx(formula(truth, values), abs=1e-12), seed


def test_bins_of_one_value_give_the_exact_value_and_ties_alone_the_width() -> None:
    tight = 0
    for seed in range(300):
        case = Case(seed)
        binned, exact = evidence(case.binned(0)), evidence(case.whole())
        normal = np.concatenate((case.clean, case.values[case.ids == 0]))
        anomalous = case.values[case.ids > 0]
        distinct = len(np.unique(anomalous)) == len(anomalous)
        untied = distinct and not np.isin(anomalous, normal).any()
        tight += untied
        for id in wanted(case):
            metric = METRICS.get(id)
            value = metric.compute(exact)[0]
            if id != "aupimo":  # whose values know no order inside a bin
                assert metric.compute(binned)[0] == pytest.approx(value, abs=1e-9), (seed, id)
            low, high = metric.bounds(binned) or (0.0, 1.0)
            # AP is bounded by an integral, which lies below its sum
            if untied and id != "pixel_ap":
                assert high - low < 1e-9, (seed, id)
    assert tight > 50


def test_bounds_by_hand() -> None:
    """One bin of 2 anomalous and 3 normal values above a bin of 1 and 5: P = 3, N = 8.

    AUROC: all lost pairs at worst 2 x 3 + 1 x 8 = 14 of 24, at best 0 + 3. AP at worst: precisions
    above the integral of t / (t + 3), then of t / (t + 8); at best 2/2, 2/2 and 3/6. F1 at the
    edges 4/8 and 6/14, at the corners 4/5 and 6/9; IoU 2/6 and 3/11, 2/3 and 3/6. AU-PRO: gains
    0.75 and 0.25, rates 0, 3/8, 1.
    """
    r = Ranking(
        count_RM=np.array([[2.0, 1.0]]),
        above_RM=np.array([[0.0, 3.0]]),
        ties_RM=np.array([[3.0, 5.0]]),
        positives_R=np.array([3.0]),
        negatives_R=np.array([8.0]),
        gain_RM=np.array([[0.75, 0.25]]),
    )
    worst = (2 - 3 * np.log(5 / 3)) + (1 - 8 * np.log(11 / 10))
    expected = {
        "auroc": (1 - 14 / 24, 1 - 3 / 24),
        "average_precision": (worst / 3, (2 + 3 / 6) / 3),
        "f1_max": (4 / 8, 4 / 5),
        "iou_max": (2 / 6, 2 / 3),
    }
    for name, ends in expected.items():
        found = getattr(bounds, f"{name}_bounds")(r)
        assert [float(end[0]) for end in found] == pytest.approx(ends, abs=1e-11), name
    low, high = bounds.aupro_bounds(r, limit=0.5)
    assert float(low[0]) == pytest.approx(0.75 * (0.5 - 3 / 8) / 0.5, abs=1e-11)
    assert float(high[0]) == pytest.approx((0.75 * 0.5 + 0.25 * (0.5 - 3 / 8)) / 0.5, abs=1e-11)
    wide_low, wide_high = bounds.aupro_bounds(r, limit=0.5, slack=0.01)
    assert float(low[0] - wide_low[0]) == pytest.approx(0.01)
    assert float(wide_high[0] - high[0]) == pytest.approx(0.01)


@pytest.mark.parametrize("shift", [None, 0, 12, 23, 31])
def test_counts_at_a_threshold_are_exact_at_edges_and_between_them_elsewhere(
    shift: int | None,
) -> None:
    for seed in range(60):
        case = Case(seed)
        binned, whole = case.binned(shift), case.whole()
        edges = binned.edges_B.astype(np.float64)
        values = case.all_values.astype(np.float64)
        assert edges[0] == values.min()
        beyond = np.array([-np.inf, -1e39, values.min(), values.max(), 1e39, np.inf])
        for strict in (False, True):
            at = np.concatenate((edges, beyond))
            got, expected = (pixels.at_or_above(at, strict) for pixels in (binned, whole))
            exact = np.r_[
                np.full(len(edges), not strict), True, True, not strict, strict, True, True
            ]
            for mine, theirs in zip(got, expected, strict=True):
                np.testing.assert_allclose(mine[exact], theirs[exact], atol=1e-9)
            between = np.sort(np.concatenate((at, values)))
            for column, last in zip(binned.at_or_above(between, strict), expected, strict=True):
                assert (np.diff(column) <= 1e-9).all()
                assert column.max() <= last.max() + 1e-9
        normals = np.concatenate((case.clean, case.values[case.ids == 0]))
        below = binned.normals_below(binned.edges_B)
        np.testing.assert_allclose(below, [(normals < edge).sum() for edge in edges], atol=1e-9)
        assert (binned.lowest, binned.highest) == (whole.lowest, whole.highest)
        assert (binned.positives, binned.negatives, binned.regions) == (
            whole.positives, whole.negatives, whole.regions,
        )  # fmt: skip


def random_batch(seed: int) -> Batch:
    """A few images with maps of any kind; sometimes a mask is unknown."""
    rng = np.random.default_rng(seed)
    batch = make(seed, images=int(rng.integers(2, 7)), side=int(rng.integers(3, 13)))
    maps = values_of(rng, batch.maps_BHW.size).reshape(batch.maps_BHW.shape)
    lifted = maps + np.float32(rng.choice((0, 0.5, 2))) * (batch.regions_BHW > 0)
    batch = batch.with_maps(np.where(np.isfinite(lifted), lifted, maps))
    batch.has_mask_B[int(rng.integers(len(maps)))] = rng.random() < 0.7
    return batch


def test_bounds_of_the_accumulator_hold_the_exact_values() -> None:
    """300 random classes, in parts and merged, with capacities from the smallest on."""
    checked = 0
    for seed in range(300):
        batch, capacity = random_batch(seed), (2, 16, 512)[seed % 3]
        half = len(batch.labels_B) // 2
        parts = [Accumulator("stream", capacity=capacity, details=False) for _ in range(2)]
        batch.take(slice(0, half)).add_to(parts[0])
        batch.take(slice(half, None)).add_to(parts[1])
        exact = batch.add_to(Accumulator(details=False)).values(*SIX)["tile"]
        found = parts[0].merge(parts[1]).values(*SIX)["tile"]
        assert exact.keys() == found.keys()
        for id, (value, low, high) in found.items():
            assert low is not None
            assert high is not None
            assert exact[id][1:] == (None, None)
            assert low <= exact[id].value <= high, (seed, id)
            assert low <= value <= high, (seed, id)
            checked += 1
    assert checked > 1200


def test_bounds_cover_the_rounding_of_large_regions() -> None:
    """Fixed point gives a region of 419,986 pixels a share that is off by 1.2e-8, and the found
    one of two regions half of the whole only nearly."""
    ids = np.zeros((1, 700, 700), np.int32)
    ids.reshape(-1)[:419_986] = 1
    ids[0, 690:692, 5:9] = 2
    maps = np.where(ids == 1, 2.0, np.where(ids == 2, 0.0, 1.0)).astype(np.float32)
    batch = Batch(maps, ids, np.array([1.0]), np.array([1]), np.ones(1, bool))
    value, low, high = batch.add_to(Accumulator("stream", details=False)).values("pixel_aupro")[
        "tile"
    ]["pixel_aupro"]
    assert low is not None
    assert high is not None
    assert abs(value - 0.5) > 1e-9
    assert low <= 0.5 <= high
    assert high - low < 1e-7


def realistic(seed: int, images: int = 16, side: int = 256) -> Batch:
    """Smooth maps with a heavy tail, as feature distances have; blobs that are partly found."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((images, side, side)), (0, 6, 6))
    smooth /= smooth.std()
    labels = np.arange(images) % 2
    masks = ndimage.gaussian_filter(rng.standard_normal((images, side, side)), (0, 9, 9))
    masks = (masks > 2 * masks.std()) & (labels[:, None, None] == 1)
    strength = rng.uniform(0, 8, images)[:, None, None] * ndimage.gaussian_filter(
        masks.astype(float), (0, 4, 4)
    )
    maps = np.exp(0.8 * (smooth + strength))
    eight = np.ones((3, 3))
    ids = np.stack([ndimage.label(mask, eight)[0] for mask in masks])
    scores = maps.max(axis=(1, 2))
    known = np.ones(images, bool)
    return Batch(maps.astype(np.float32), ids.astype(np.uint16), scores, labels, known)


def test_the_default_capacity_bounds_a_realistic_class_to_a_ten_thousandth() -> None:
    """A million pixels."""
    batch = realistic(0)
    names = (*SIX, "mad", "image_auroc", "image_ap", "image_f1max")
    found = batch.add_to(Accumulator("stream", details=False)).values(*names)["tile"]
    exact = batch.add_to(Accumulator(details=False)).values(*names)["tile"]
    for id in (*SIX, "mad"):
        value, low, high = found[id]
        assert low is not None
        assert high is not None
        assert low <= exact[id].value <= high
        assert high - low < 1e-4, id
        # F1-max and IoU-max are read at edges, their lower bounds
        near = 1e-4 if id in ("pixel_f1max", "pixel_ioumax") else 1e-5
        assert value == pytest.approx(exact[id].value, abs=near), id
        assert 0.01 < exact[id].value < 0.99
    for id in names[-3:]:
        assert found[id] == exact[id]
