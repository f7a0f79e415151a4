"""Intervals: deterministic, centred on exact values, and as wide as a plain bootstrap's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from core.metrics import evidence, stats
from core.metrics.accumulate import Accumulator, Grade
from core.metrics.base import METRICS, NINE, ordered
from core.metrics.evidence import bin_edges, summarise, weighted_pixels, weighted_scores
from core.metrics.group import Group
from core.metrics.population import WholePixels
from core.metrics.ranking import aupro, auroc, average_precision
from core.metrics.records import ImageRecord
from core.metrics.resampling import draw
from core.types import MEAN
from tests.metrics.metric_cases import Batch, direct_aupro, make


def uneven(seed: int, images: int = 24, levels: int | None = None) -> Batch:
    """Images that differ in how well their anomalies show, so that resampling matters."""
    batch = make(seed, images=images, side=12, shift=0.0)
    rng = np.random.default_rng(seed)
    strength = rng.uniform(-0.5, 3, images).astype(np.float32)
    maps = batch.maps_BHW + strength[:, None, None] * (batch.regions_BHW > 0)
    maps = maps if levels is None else np.round(maps * levels / 6)
    return Batch(maps, batch.regions_BHW, maps.max((1, 2)) * 1.0, batch.labels_B, batch.has_mask_B)


def images_of(batch: Batch, grade: Grade = "exact") -> list[ImageRecord]:
    """Records in the order of the batch."""
    return batch.add_to(Accumulator(grade, capacity=4096))._images["tile"]


def group_of(batch: Batch, grade: Grade = "exact") -> Group:
    """A class whose exact values are computed; its images stand in an order of their own."""
    keys = [f"{i:03}" for i in range(len(batch.labels_B))]
    accumulator = batch.add_to(Accumulator(grade, capacity=4096), keys_B=keys)
    threshold = accumulator.thresholds()["tile"]
    accumulator.update_objects("tile", threshold, batch.maps_BHW, batch.regions_BHW, keys)
    return accumulator.compute(intervals=0).groups[0]


def again(batch: Batch, group: Group, weights_N: np.ndarray) -> Batch:
    """Every image as often as its weight says."""
    return batch.take(np.repeat([int(i.key) for i in group.images], weights_N.astype(int)))


def test_the_same_seed_gives_the_same_intervals_and_another_does_not() -> None:
    batch = uneven(0)
    first, again, other = (batch.evaluate(100, seed) for seed in (1, 1, 2))
    assert first.rows == again.rows
    assert [row.ci_low for row in first.rows] != [row.ci_low for row in other.rows]


def test_draws_keep_the_number_of_images_of_each_label() -> None:
    labels = np.array([0, 1, 1, 0, 0, 1, 1])
    weights = draw(labels, 200, seed=0)
    assert weights.shape == (200, 7)
    assert (weights[:, labels == 0].sum(axis=1) == 3).all()
    assert (weights[:, labels == 1].sum(axis=1) == 4).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.3)
    assert weights.std() > 0.5


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_resampled_values_equal_those_of_repeated_images(grade: Grade) -> None:
    """Image metrics to the bit; pixel metrics within the binning, on images really repeated."""
    batch = uneven(1)
    images = images_of(batch, grade)
    weights = draw(batch.labels_B, 6, seed=4)
    population = WholePixels(images_of(batch))
    threshold = float(np.quantile(batch.maps_BHW, 0.9).astype(np.float32))
    summaries = summarise(images, bin_edges(images, population, threshold))
    by_image = weighted_scores(batch.scores_B, batch.labels_B, weights)
    by_pixel = weighted_pixels(summaries, weights)
    for row, weight in enumerate(weights.astype(int)):
        repeated = batch.take(np.repeat(np.arange(len(weight)), weight))
        truth, score = repeated.labels_B, repeated.scores_B
        assert auroc(by_image)[row] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
        expected = average_precision_score(truth, score)
        assert average_precision(by_image)[row] == pytest.approx(expected, abs=1e-12)
        truth, score = repeated.regions_BHW.ravel() > 0, repeated.maps_BHW.ravel()
        assert auroc(by_pixel)[row] == pytest.approx(roc_auc_score(truth, score), abs=2e-3)
        expected, near = average_precision_score(truth, score), 1e-2 if grade == "exact" else 2e-2
        assert average_precision(by_pixel)[row] == pytest.approx(expected, abs=near)
        assert aupro(by_pixel)[row] == pytest.approx(direct_aupro(repeated), abs=near / 2)


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_every_metric_is_resampled_as_if_images_were_repeated(grade: Grade) -> None:
    """With few distinct values every value is a bin of its own, and grade "exact" estimates nothing
    but AUPIMO, for which values of a bin have no order; "stream" reads profiles of the images.

    Metrics at the oracle threshold keep the threshold of all images, and quartiles of sizes keep
    their edges: those are compared with counts at that threshold.
    """
    batch = uneven(2, images=14, levels=8)
    smooth = np.round(ndimage.gaussian_filter(batch.maps_BHW, (0, 0.8, 0.8)) * 4)
    batch = batch.with_maps(smooth)
    group = group_of(batch, grade)
    weights = draw(np.array([image.label for image in group.images]), 5, seed=1)
    found = stats.weighted(group.summaries, weights)
    expected = {m.id for m in ordered() if m.level != "threshold" and m.id in group.values}
    assert set(found) == expected
    assert len(expected) > 20
    near = 1e-9 if grade == "exact" else 1e-2
    at = np.float32(group.evidence.threshold)
    for row, weight in enumerate(weights):
        repeated = again(batch, group, weight)
        alone = repeated.evaluate().by_class()["tile"]
        truth, called = repeated.regions_BHW > 0, repeated.maps_BHW >= at
        both = (truth & called).sum()
        dice = 2 * both / (truth.sum() + called.sum())
        for id in (*NINE, "aupimo", "image_fpr95", "image_sensitivity_at_spec95",
                   "froc_llf_025", "froc_llf_05", "froc_llf_1", "froc_llf_2"):  # fmt: skip
            rough = 5e-2 if id == "aupimo" else near
            image = METRICS.get(id).level == "image" or id.startswith("froc")
            assert found[id][row] == pytest.approx(alone[id], abs=1e-12 if image else rough), id
        assert found["pixel_dice"][row] == pytest.approx(dice, abs=near)
        assert found["pixel_recall"][row] == pytest.approx(both / truth.sum(), abs=near)
        assert found["pixel_precision"][row] == pytest.approx(both / called.sum(), abs=near)
        outside = (~truth & ~called).sum() / (~truth).sum()
        assert found["pixel_specificity"][row] == pytest.approx(outside, abs=near)
        sizes = [
            (int((ids == id).sum()), bool(called_HW[ids == id].any()))
            for ids, called_HW in zip(repeated.regions_BHW, called, strict=True)
            for id in range(1, int(ids.max()) + 1)
        ]
        least = [
            size
            for size in sorted({size for size, _ in sizes})
            if np.mean([hit for area, hit in sizes if area >= size]) >= 0.9
        ]
        if "region_min_size" in found:
            np.testing.assert_equal(found["region_min_size"][row], least[0] if least else np.nan)


def test_histograms_hold_every_pixel_once() -> None:
    batch = make(2, levels=5)
    images = images_of(batch)
    edges = bin_edges(images, WholePixels(images), float(batch.maps_BHW.max()))
    assert len(edges) == len(np.unique(batch.maps_BHW))  # few values: every value its own bin
    summaries = summarise(images, edges)
    for i in range(len(images)):
        inside = batch.regions_BHW[i] > 0
        for bin, value in enumerate(edges):
            at = batch.maps_BHW[i] == value
            assert summaries.normal_NB[i, bin] == (at & ~inside).sum()
            assert summaries.anomalous_NB[i, bin] == (at & inside).sum()
    assert summaries.gain_NB.sum(axis=1) == pytest.approx(summaries.regions_N)


@pytest.mark.parametrize("levels", [None, 3])
def test_profiles_of_images_hold_every_pixel_too(levels: int | None) -> None:
    """Grade "stream": sums are exact, and no more than a hundredth of an image is misplaced."""
    batch = make(3, images=6, side=64, levels=levels)
    whole, thin = images_of(batch), images_of(batch, "stream")
    edges = np.unique(np.quantile(batch.maps_BHW, np.linspace(0, 1, 40)).astype(np.float32))
    exact, near = summarise(whole, edges), summarise(thin, edges)
    np.testing.assert_array_equal(near.normal_NB.sum(axis=1), exact.normal_NB.sum(axis=1))
    assert near.anomalous_NB.sum(axis=1) == pytest.approx(exact.anomalous_NB.sum(axis=1))
    assert near.gain_NB.sum(axis=1) == pytest.approx(exact.gain_NB.sum(axis=1))
    assert np.abs(np.cumsum(near.normal_NB - exact.normal_NB, axis=1)).max() < 0.01 * 64**2
    assert np.abs(np.cumsum(near.gain_NB - exact.gain_NB, axis=1)).max() < 0.02 * 30
    for one, other in zip(whole, thin, strict=True):
        assert other.nbytes < one.nbytes / (3 if one.label == 0 else 1)
        np.testing.assert_array_equal(one.areas_L, other.areas_L)
        np.testing.assert_array_equal(one.peaks_L, other.peaks_L)
        np.testing.assert_array_equal(one.ratings_L, other.ratings_L)


def test_intervals_agree_with_a_plain_bootstrap() -> None:
    """400 resamples of really repeated images, pixel AUROC recomputed each time."""
    batch = uneven(3, images=16)
    rows = {row.metric: row for row in batch.evaluate(400).of() if row.class_name == "tile"}
    weights = draw(batch.labels_B, 400, seed=99).astype(int)
    plain = []
    for weight in weights:
        repeated = batch.take(np.repeat(np.arange(16), weight))
        plain.append(roc_auc_score(repeated.regions_BHW.ravel() > 0, repeated.maps_BHW.ravel()))
    low, high = np.percentile(plain, [2.5, 97.5])
    row = rows["pixel_auroc"]
    assert row.ci_low == pytest.approx(low, abs=0.15 * (high - low))
    assert row.ci_high == pytest.approx(high, abs=0.15 * (high - low))
    for id in NINE:
        value, lowest, highest = rows[id].value, rows[id].ci_low, rows[id].ci_high
        assert value is not None
        assert lowest is not None
        assert highest is not None
        assert lowest <= value <= highest
        assert lowest < highest or id.startswith("image")


def test_both_grades_give_nearly_the_same_intervals() -> None:
    batch = uneven(4, images=20)
    exact, stream = (
        {row.metric: row for row in batch.evaluate(200, grade=grade).of()[:9]}
        for grade in ("exact", "stream")
    )
    for id in NINE:
        one, other = exact[id], stream[id]
        assert one.ci_low is not None
        assert one.ci_high is not None
        width = one.ci_high - one.ci_low
        assert other.ci_low == pytest.approx(one.ci_low, abs=0.1 * width + 1e-6), id
        assert other.ci_high == pytest.approx(one.ci_high, abs=0.1 * width + 1e-6), id


def test_corrected_intervals_are_other_percentiles_of_the_same_draws() -> None:
    batch = uneven(5)
    accumulator = batch.add_to(Accumulator())
    plain = accumulator.compute(intervals=200, seed=1)
    bca = accumulator.compute(intervals=200, seed=1, interval="bca")
    moved = 0
    for one, other in zip(plain.of(), bca.of(), strict=True):
        assert (one.class_name, one.metric, one.value) == (
            other.class_name, other.metric, other.value,
        )  # fmt: skip
        if one.class_name == MEAN or one.ci_low is None:
            assert (one.ci_low, one.ci_high) == (other.ci_low, other.ci_high)
            continue
        assert other.ci_low is not None
        assert other.ci_high is not None
        draws = plain.groups[0].resampled[one.metric]
        assert np.nanmin(draws) - 1e-12 <= other.ci_low <= other.ci_high
        assert other.ci_high <= np.nanmax(draws) + 1e-12
        moved += (one.ci_low, one.ci_high) != (other.ci_low, other.ci_high)
    assert moved > 10


def test_the_mean_is_surer_than_its_classes() -> None:
    accumulator = Accumulator()
    for seed in range(4):
        uneven(seed).add_to(accumulator, f"c{seed}")
    rows = accumulator.compute(intervals=300).of()
    width = {
        (row.class_name, row.metric): row.ci_high - row.ci_low
        for row in rows
        if row.ci_low is not None and row.ci_high is not None
    }
    alone = np.mean([width[f"c{seed}", "pixel_auroc"] for seed in range(4)])
    assert 0.3 * alone < width[MEAN, "pixel_auroc"] < 0.8 * alone


def test_no_interval_where_one_image_stands_alone_or_none_was_asked_for() -> None:
    batch = make(0, images=6)
    few = batch.take([0, 1, 2, 4])  # three normal, one anomalous
    row = few.evaluate(50).rows[0]
    assert row.value is not None
    assert row.ci_low is None
    assert row.note == "no interval: one anomalous image"
    row = batch.evaluate(0).rows[0]
    assert (row.ci_low, row.ci_high, row.note) == (None, None, "")


def test_no_interval_where_one_specimen_is_all_there_is() -> None:
    """Every draw would hold all of its images: an interval without width says nothing."""
    batch = make(0, images=8)
    specimens = ["a" if label else f"n{i}" for i, label in enumerate(batch.labels_B)]
    row = batch.add_to(Accumulator(), specimens_B=specimens).compute(intervals=50).rows[0]
    assert (row.ci_low, row.ci_high) == (None, None)
    assert row.note == "no interval: all anomalous images show one specimen"


def test_images_of_one_specimen_count_as_one() -> None:
    """Three copies of every image, each a specimen: values and intervals stay as they were."""
    batch = uneven(6, images=14, levels=8)
    expected = batch.add_to(
        Accumulator(), keys_B=[f"{i:02}" for i in range(14)]
    ).compute(intervals=60)  # fmt: skip
    thrice = batch.take(np.repeat(np.arange(14), 3))
    found = thrice.add_to(
        Accumulator(),
        keys_B=[f"{i // 3:02}-{i % 3}" for i in range(42)],
        specimens_B=[f"s{i // 3}" for i in range(42)],
    ).compute(intervals=60)
    for id in (*NINE, "aupimo", "image_fpr95", "froc_llf_1"):
        one, other = expected.row("tile", id), found.row("tile", id)
        for name in ("value", "ci_low", "ci_high"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-9), id


def test_resamples_without_a_mask_are_left_out() -> None:
    """Two of many anomalous images have masks: some resamples draw neither.

    No metric of pixels or regions has a value in those, F1 and IoU included, whose formulas would
    give 0; image metrics have one in all.
    """
    batch = uneven(5, images=12)
    flags = np.zeros(12, dtype=bool)
    flags[[1, 3]] = True
    some = Batch(batch.maps_BHW, batch.regions_BHW, batch.scores_B, batch.labels_B, flags)
    evaluation = some.evaluate(100)
    row = evaluation.row("tile", "pixel_aupro")
    assert row.ci_low is not None
    assert np.isfinite(row.ci_low)
    group = evaluation.groups[0]
    marked = np.array([i for i, image in enumerate(group.images) if image.regions])
    labels = np.array([image.label for image in group.images])
    weights = draw(labels, 100, stats.derive(0, "bootstrap", "tile"))
    neither = ~weights[:, marked].any(axis=1)
    assert 3 < neither.sum() < 50
    for id, draws in group.resampled.items():
        image = METRICS.get(id).level == "image" or id == "pixel_specificity"
        assert np.isnan(draws[neither]).all() == (not image), id
        if not id.startswith("region_"):  # a quarter of sizes may be empty
            assert np.isfinite(draws[~neither]).all(), id
    assert stats.interval("pixel_ap", np.array([np.nan])) == (None, None)


def test_draws_of_one_label_have_no_value() -> None:
    scores, labels = np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])
    ranking = weighted_scores(
        scores, labels, np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 2, 0]])
    )
    for formula in (auroc, average_precision):
        first, second, both = formula(ranking)
        assert math.isnan(first)
        assert math.isnan(second)
        assert both == 1


def test_resampling_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = uneven(6).evaluate(50)
    monkeypatch.setattr(stats, "_BLOCK", 512 * 7)
    for mine, other in zip(whole.rows, uneven(6).evaluate(50).rows, strict=True):
        assert mine.ci_low == pytest.approx(other.ci_low, abs=1e-12)
        assert mine.ci_high == pytest.approx(other.ci_high, abs=1e-12)


def test_coarse_bins_do_not_move_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three bins the binned AUROC is far off; the interval stays around the exact value."""
    batch = uneven(7)
    fine = {row.metric: row for row in batch.evaluate(200).of() if row.class_name == "tile"}
    lowest, highest = float(batch.maps_BHW.min()), float(batch.maps_BHW.max())
    edges = np.linspace(lowest, highest, 4)[:3].astype(np.float32)
    monkeypatch.setattr(evidence, "bin_edges", lambda images, population, threshold: edges)
    coarse = {row.metric: row for row in batch.evaluate(200).of() if row.class_name == "tile"}
    for id in ("pixel_auroc", "pixel_ap"):
        mine, other = coarse[id], fine[id]
        assert mine.ci_low is not None
        assert mine.ci_high is not None
        assert mine.ci_low != other.ci_low
        assert mine.ci_low < other.value < mine.ci_high
        middle = (other.ci_low + other.ci_high) / 2
        assert (mine.ci_low + mine.ci_high) / 2 == pytest.approx(middle, abs=0.03)
