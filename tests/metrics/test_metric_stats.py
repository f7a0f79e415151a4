"""Intervals: deterministic, centred on exact values, and as wide as a plain bootstrap's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from core.metrics import stats
from core.metrics.accumulate import Accumulator
from core.metrics.base import NINE
from core.metrics.ranking import aupro, auroc, average_precision
from core.metrics.records import pool, records
from core.metrics.stats import bin_edges, draw, summarise, weighted_images, weighted_pixels
from core.types import MEAN
from tests.metrics.metric_cases import Batch, direct_aupro, make


def uneven(seed: int, images: int = 24) -> Batch:
    """Images that differ in how well their anomalies show, so that resampling matters."""
    batch = make(seed, images=images, side=12, shift=0.0)
    rng = np.random.default_rng(seed)
    strength = rng.uniform(-0.5, 3, images).astype(np.float32)
    maps = batch.maps_BHW + strength[:, None, None] * (batch.regions_BHW > 0)
    return Batch(maps, batch.regions_BHW, maps.max((1, 2)) * 1.0, batch.labels_B, batch.has_mask_B)


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


def test_resampled_values_equal_those_of_repeated_images() -> None:
    """Image metrics to the bit; pixel metrics within the binning, on images really repeated."""
    batch = uneven(1)
    images = records("t", *(getattr(batch, name) for name in batch.__dataclass_fields__))
    weights = draw(batch.labels_B, 6, seed=4)
    summaries = summarise(images, bin_edges(pool(images)))
    by_image = weighted_images(images, weights)
    by_pixel = weighted_pixels(summaries, weights)
    for row, weight in enumerate(weights.astype(int)):
        repeated = batch.take(np.repeat(np.arange(len(weight)), weight))
        truth, score = repeated.labels_B, repeated.scores_B
        assert auroc(by_image)[row] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
        expected = average_precision_score(truth, score)
        assert average_precision(by_image)[row] == pytest.approx(expected, abs=1e-12)
        truth, score = repeated.regions_BHW.ravel() > 0, repeated.maps_BHW.ravel()
        assert auroc(by_pixel)[row] == pytest.approx(roc_auc_score(truth, score), abs=2e-3)
        expected = average_precision_score(truth, score)
        assert average_precision(by_pixel)[row] == pytest.approx(expected, abs=1e-2)
        assert aupro(by_pixel)[row] == pytest.approx(direct_aupro(repeated), abs=5e-3)


def test_histograms_hold_every_pixel_once() -> None:
    batch = make(2, levels=5)
    images = records("t", *(getattr(batch, name) for name in batch.__dataclass_fields__))
    edges = bin_edges(pool(images))
    assert len(edges) == len(np.unique(batch.maps_BHW))  # few values: every value its own bin
    summaries = summarise(images, edges)
    for i in range(len(images)):
        inside = batch.regions_BHW[i] > 0
        for bin, value in enumerate(edges):
            at = batch.maps_BHW[i] == value
            assert summaries.normal_NB[i, bin] == (at & ~inside).sum()
            assert summaries.anomalous_NB[i, bin] == (at & inside).sum()
    assert summaries.gain_NB.sum(axis=1) == pytest.approx(summaries.regions_N)


def test_intervals_agree_with_a_plain_bootstrap() -> None:
    """400 resamples of really repeated images, pixel AUROC recomputed each time."""
    batch = uneven(3, images=16)
    rows = {row.metric: row for row in batch.evaluate(400).rows if row.class_name == "tile"}
    weights = draw(batch.labels_B, 400, seed=99).astype(int)
    plain = []
    for weight in weights:
        again = batch.take(np.repeat(np.arange(16), weight))
        plain.append(roc_auc_score(again.regions_BHW.ravel() > 0, again.maps_BHW.ravel()))
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


def test_the_mean_is_surer_than_its_classes() -> None:
    accumulator = Accumulator()
    for seed in range(4):
        uneven(seed).add_to(accumulator, f"c{seed}")
    rows = accumulator.compute(intervals=300).rows
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


def test_resamples_without_a_mask_are_left_out() -> None:
    """Two of many anomalous images have masks: some resamples draw neither."""
    batch = uneven(5, images=12)
    flags = np.zeros(12, dtype=bool)
    flags[[1, 3]] = True
    some = Batch(batch.maps_BHW, batch.regions_BHW, batch.scores_B, batch.labels_B, flags)
    row = next(row for row in some.evaluate(100).rows if row.metric == "pixel_aupro")
    assert row.ci_low is not None
    assert np.isfinite(row.ci_low)
    assert stats.interval(np.array([np.nan])) == (None, None)


def test_resampling_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = uneven(6).evaluate(50)
    monkeypatch.setattr(stats, "_BLOCK", 512 * 7)
    for mine, other in zip(whole.rows, uneven(6).evaluate(50).rows, strict=True):
        assert mine.ci_low == pytest.approx(other.ci_low, abs=1e-12)
        assert mine.ci_high == pytest.approx(other.ci_high, abs=1e-12)


def test_coarse_bins_do_not_move_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three bins the binned AUROC is far off; the interval stays around the exact value."""
    batch = uneven(7)
    fine = {row.metric: row for row in batch.evaluate(200).rows if row.class_name == "tile"}
    lowest, highest = float(batch.maps_BHW.min()), float(batch.maps_BHW.max())
    edges = np.linspace(lowest, highest, 4)[:3].astype(np.float32)
    monkeypatch.setattr(stats, "bin_edges", lambda pooled: edges)
    coarse = {row.metric: row for row in batch.evaluate(200).rows if row.class_name == "tile"}
    for id in ("pixel_auroc", "pixel_ap"):
        mine, other = coarse[id], fine[id]
        assert mine.ci_low is not None
        assert mine.ci_high is not None
        assert mine.ci_low != other.ci_low
        assert mine.ci_low < other.value < mine.ci_high
        middle = (other.ci_low + other.ci_high) / 2
        assert (mine.ci_low + mine.ci_high) / 2 == pytest.approx(middle, abs=0.03)
