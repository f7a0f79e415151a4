"""Grade "stream": what it keeps, what it says, and the same from tensors of a device."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from core.errors import UnknownId, UsageError
from core.metrics import batch as batches
from core.metrics import streamed
from core.metrics.accumulate import Accumulator, Evaluation, Grade, MetricRow, grade_for
from core.metrics.base import NINE, ordered
from core.metrics.conventions import EXACT
from core.metrics.histogram import UNIT
from core.metrics.threads import in_threads
from core.types import MEAN
from tests.metrics.metric_cases import Batch, add_rows, direct_aupro, direct_iou, facts, make

GRADES: tuple[Grade, ...] = ("exact", "stream")
BOUNDED = ("pixel_auroc", "pixel_ap", "pixel_f1max", "pixel_ioumax", "pixel_aupro", "aupimo", "mad")


def stream(batch: Batch, capacity: int = 64, details: bool = True, **more: Any) -> Accumulator:
    return batch.add_to(Accumulator("stream", capacity=capacity, details=details), **more)


def same(a: Evaluation, b: Evaluation) -> None:
    """Equal to the bit: rows, intervals and curves."""
    assert a.rows == b.rows
    assert len(a.curves) == len(b.curves)
    for mine, other in zip(a.curves, b.curves, strict=True):
        assert (mine.class_name, mine.curve) == (other.class_name, other.curve)
        for name in ("x", "y", "threshold"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


# -- values and bounds ----------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 2, 9])
def test_where_every_value_has_its_bin_nothing_is_lost(levels: int) -> None:
    """Few distinct values: all rows, curves and thresholds are those of grade "exact"."""
    batch = make(0, levels=levels)
    known = facts(batch)
    exact, found = (
        batch.add_to(Accumulator(grade, capacity=4096), **known).compute(intervals=0)
        for grade in GRADES
    )
    for one, other in zip(exact.rows, found.rows, strict=True):
        assert (one.class_name, one.metric, one.anomaly_type, one.convention) == (
            other.class_name, other.metric, other.anomaly_type, other.convention,
        )  # fmt: skip
        if one.metric == "aupimo" and other.value is not None:
            assert other.bound_low <= one.value <= other.bound_high
        elif one.convention == EXACT:
            assert other.value == pytest.approx(one.value, abs=1e-9), one
            assert other.note == one.note
    for mine, theirs in zip(exact.curves, found.curves, strict=True):
        assert (mine.class_name, mine.curve) == (theirs.class_name, theirs.curve)
        np.testing.assert_allclose(theirs.y, mine.y, atol=1e-9)
        np.testing.assert_allclose(theirs.x, mine.x, atol=1e-9)
        np.testing.assert_array_equal(theirs.threshold, mine.threshold)


def test_bounds_stand_in_the_rows_of_classes_types_and_their_mean() -> None:
    exact, found = Accumulator(), Accumulator("stream", capacity=64)
    for seed, name in enumerate(("a", "b")):
        batch = make(seed)
        for accumulator in (exact, found):
            batch.add_to(accumulator, name, **facts(batch))
    evaluation, truth = found.compute(intervals=20), exact.compute(intervals=0)
    mean: dict[str, list[MetricRow]] = {}
    for row in evaluation.of():
        if row.metric in BOUNDED:
            assert row.bound_low <= truth.value(row.class_name, row.metric) <= row.bound_high
            assert row.bound_low <= row.value <= row.bound_high
            mean.setdefault(row.metric, []).append(row)
        else:
            assert (row.bound_low, row.bound_high) == (None, None)
    for a, b, both in mean.values():
        assert both.class_name == MEAN
        for name in ("value", "bound_low", "bound_high"):
            expected = (getattr(a, name) + getattr(b, name)) / 2
            assert getattr(both, name) == pytest.approx(expected, abs=1e-12)
    kinds = {row.anomaly_type for row in evaluation.rows} - {""}
    assert kinds == {"hole", "scratch", "stain"}
    for kind in kinds:
        for metric in BOUNDED:
            value = truth.row("a", metric, anomaly_type=kind).value
            row = evaluation.row("a", metric, anomaly_type=kind)
            assert row.bound_low <= value <= row.bound_high


@pytest.mark.parametrize("grade", GRADES)
def test_values_are_those_of_the_evaluation(grade: Grade) -> None:
    accumulator = Accumulator(grade, capacity=64)
    batch = make(0)
    batch.add_to(accumulator, "both")
    batch.take(batch.labels_B == 0).add_to(accumulator, "good")
    evaluation = accumulator.compute(intervals=0)
    names = [metric.id for metric in ordered()]
    found = accumulator.values(*names)
    assert list(found) == ["both", "good"]
    for name, values in found.items():
        rows = {r.metric: r for r in evaluation.of() if r.class_name == name}
        assert values.keys() == {id for id, row in rows.items() if row.value is not None}
        for id, value in values.items():
            assert value == (rows[id].value, rows[id].bound_low, rows[id].bound_high)
    assert found["good"] == {}
    some = accumulator.values("pixel_ap", "image_auroc")["both"]
    assert some == {id: found["both"][id] for id in ("pixel_ap", "image_auroc")}
    assert accumulator.values("mad") == {"both": {"mad": found["both"]["mad"]}, "good": {}}
    with pytest.raises(UnknownId, match="pixel_auroc"):
        accumulator.values("pixel_aurc")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([None, 2, 5]), st.sampled_from(GRADES))
def test_where_pixels_lie_does_not_matter_to_pixel_metrics(
    seed: int, levels: int | None, grade: Grade
) -> None:
    """Places within images are shuffled, maps and regions alike; and so are images."""
    batch = make(seed, images=6, side=7, levels=levels)
    rng = np.random.default_rng(seed)
    places = np.stack([rng.permutation(49) for _ in range(6)])

    def shuffled(values: Any) -> Any:
        return np.take_along_axis(values.reshape(6, 49), places, axis=1).reshape(6, 7, 7)

    moved = Batch(
        shuffled(batch.maps_BHW), shuffled(batch.regions_BHW), batch.scores_B, batch.labels_B,
        batch.has_mask_B,
    ).take(rng.permutation(6))  # fmt: skip
    names = [m.id for m in ordered() if m.level in ("pixel", "region", "image")
             and not m.id.startswith("froc")]  # fmt: skip
    before, after = (
        one.add_to(Accumulator(grade, capacity=64)).values(*names)["tile"] for one in (batch, moved)
    )
    assert before.keys() == after.keys()
    for id in before:
        rounding = 1e-14 if id in ("pixel_aupro", "aupimo") else 0.0
        assert after[id].value == pytest.approx(before[id].value, rel=0, abs=rounding), id


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["cube", "scale", "exp"]))
def test_bounds_of_a_rescaled_map_hold_the_same_value(seed: int, how: str) -> None:
    batch = make(seed, images=6, side=8, levels=200)
    maps = batch.maps_BHW
    changed = {"cube": maps**3, "scale": maps / 1024 - 3, "exp": np.exp2(maps / 4)}[how]
    exact = batch.add_to(Accumulator()).values(*BOUNDED[:-1])["tile"]
    if len(np.unique(changed.astype(np.float32))) < len(np.unique(maps)):
        return  # rounding tied what had been apart
    found = stream(batch.with_maps(changed), capacity=5).values(*BOUNDED[:-1])["tile"]
    for id, (_, low, high) in found.items():
        assert low <= exact[id].value <= high, id


def test_perfect_inverted_and_constant_scorers() -> None:
    batch = make(6)
    truth = (batch.regions_BHW > 0).astype(np.float32)
    for maps, value in ((truth + 5, 1.0), (-truth, 0.0)):
        found = stream(batch.with_maps(maps)).values("pixel_auroc", "pixel_aupro")["tile"]
        for one in found.values():
            assert one.value == pytest.approx(value, abs=1e-9)
            assert one.bound_low <= value <= one.bound_high
            assert one.bound_high - one.bound_low < 1e-9
    constant = stream(batch.with_maps(np.full(truth.shape, -0.0))).values(*NINE[3:8])["tile"]
    assert constant["pixel_auroc"].value == pytest.approx(0.5)
    assert constant["pixel_auroc"][1:] == (0.0, 1.0)  # one bin, no order
    assert constant["pixel_aupro"].value == pytest.approx(0.15)
    assert constant["pixel_ap"].value == pytest.approx(truth.mean())


@pytest.mark.parametrize("grade", GRADES)
def test_images_of_one_class_may_differ_in_size(grade: Grade) -> None:
    batches_ = [make(0, images=4, side=9, levels=30), make(1, images=4, side=16, levels=30)]
    accumulator = Accumulator(grade, capacity=4096)
    for number, batch in enumerate(batches_):
        batch.add_to(accumulator, keys_B=[f"{number}-{i}" for i in range(4)])
    threshold = accumulator.thresholds()["tile"]
    for number, batch in enumerate(batches_):
        keys = [f"{number}-{i}" for i in range(4)]
        accumulator.update_objects("tile", threshold, batch.maps_BHW, batch.regions_BHW, keys)
    evaluation = accumulator.compute(intervals=20)
    truth = np.concatenate([b.regions_BHW.ravel() > 0 for b in batches_])
    maps = np.concatenate([b.maps_BHW.ravel() for b in batches_])
    found = evaluation.by_class()["tile"]
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(truth, maps), abs=1e-12)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(truth, maps), abs=1e-12)
    together = SimpleNamespace(
        maps_BHW=[m for b in batches_ for m in b.maps_BHW],
        regions_BHW=[r for b in batches_ for r in b.regions_BHW],
    )
    assert found["pixel_aupro"] == pytest.approx(direct_aupro(together), abs=1e-9)
    assert evaluation.row("tile", "pixel_aupro").ci_low is not None
    assert found["object_ap_10"] is not None


def test_values_equal_direct_evaluations_when_bins_suffice() -> None:
    batch = make(3, images=6, levels=25)
    found = stream(batch, capacity=4096).values(*NINE[3:8])["tile"]
    assert found["pixel_aupro"].value == pytest.approx(direct_aupro(batch), abs=1e-9)
    assert found["pixel_ioumax"].value == pytest.approx(direct_iou(batch), abs=1e-12)


# -- what is kept ---------------------------------------------------------------------------------


def noise(seed: int, images: int, side: int) -> Batch:
    """Values that hardly ever repeat; in every second image one square region."""
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((images, side, side)).astype(np.float32)
    labels = np.arange(images) % 2
    ids = np.zeros(maps.shape, np.uint8)
    ids[1::2, 2 : side // 2, 2 : side // 2] = 1
    return Batch(maps, ids, maps.max((1, 2)) * 1.0, labels, np.ones(images, bool))


def test_without_details_memory_does_not_grow_with_images() -> None:
    """One histogram with five columns (two groups) of at most `capacity` bins."""
    capacity = 1024
    accumulator = Accumulator("stream", capacity=capacity, details=False)
    sizes = []
    for seed in range(32):
        noise(seed, 4, 48).add_to(accumulator)
        held = accumulator._pixels["tile"].histogram
        assert len(held.bins_B) <= capacity
        sizes.append(accumulator.nbytes())
    assert len(accumulator) == 128
    assert max(sizes) <= capacity * (4 + 5 * 8)
    assert max(sizes[4:]) < 2.1 * min(sizes[:4])
    exact = Accumulator(details=False)
    for seed in range(2):
        noise(seed, 4, 48).add_to(exact)
    assert exact.nbytes() > 2 * 4 * 48**2 * 4


def test_with_details_an_image_keeps_the_same_whatever_its_size() -> None:
    """Growth an image: a profile, its marks and its regions, of images 16 times as large."""
    grown = {}
    for side in (64, 256):
        accumulator = Accumulator("stream", capacity=256)
        noise(0, 4, side).add_to(accumulator)
        before = accumulator.nbytes()
        for seed in range(1, 5):
            noise(seed, 4, side).add_to(accumulator)
        grown[side] = (accumulator.nbytes() - before) / 16
    assert 500 < grown[64] < 12_000
    assert grown[256] < 1.5 * grown[64]


def test_without_details_what_needs_single_images_says_so() -> None:
    batch = make(0)
    evaluation = stream(batch, details=False).compute(intervals=30)
    whole = stream(batch).compute(intervals=30)
    for id in (*NINE, "pixel_dice", "aupimo", "image_fpr95"):
        row = evaluation.row("tile", id)
        assert row.value == whole.value("tile", id)
        assert (row.ci_low is not None) == id.startswith("image")
    for id in ("froc_llf_1", "region_min_size", "region_recall_small"):
        row = evaluation.row("tile", id)
        assert row.value is None
        assert row.note == "pixels of single images were not kept"


def test_a_run_streams_when_its_pixels_are_many() -> None:
    assert grade_for(1000 * 256**2) == "exact"
    assert grade_for(100_000 * 256**2) == "stream"


def test_more_regions_than_fixed_point_adds_up_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their sum would overflow, silently; nothing of the batch is kept."""
    assert streamed.MOST_REGIONS * UNIT < 2**63 <= (streamed.MOST_REGIONS + 1) * UNIT
    ids = np.zeros((1, 8, 8), int)
    ids[0, ::2, ::2] = np.arange(1, 17).reshape(4, 4)
    maps = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
    batch = Batch(maps, ids, np.ones(1), np.ones(1, int), np.ones(1, bool))
    monkeypatch.setattr(streamed, "MOST_REGIONS", 40)
    one, two = stream(batch.take([0, 0])), stream(batch)
    before = one.compute(intervals=0)
    for refused in (lambda: batch.add_to(one), lambda: one.merge(two)):
        with pytest.raises(UsageError, match="more than 40 anomalous regions"):
            refused()
        same(before, one.compute(intervals=0))
    batch.add_to(two)
    assert two.values("pixel_aupro") == one.values("pixel_aupro")


# -- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("grade", GRADES)
def test_accumulators_work_inside_and_beside_the_pool_of_threads(grade: Grade) -> None:
    """A pool whose threads waited for its own queue would never come back."""

    def work(seed: int) -> Evaluation:
        return (
            make(seed, side=140, images=2)
            .add_to(Accumulator(grade, capacity=64))
            .compute(intervals=0)
        )

    alone = [work(seed) for seed in range(6)]
    for one, other in zip(alone, in_threads(work, range(6)), strict=True):
        same(one, other)
    beside: dict[int, Evaluation] = {}
    workers = [
        threading.Thread(target=lambda seed=seed: beside.update({seed: work(seed)}), daemon=True)
        for seed in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert sorted(beside) == list(range(6))
    for seed, one in enumerate(alone):
        same(one, beside[seed])


# -- tensors of a device --------------------------------------------------------------------------


def evaluated(batch: Batch, maps: Any, grade: Grade, keys: bool) -> tuple[Evaluation, Any]:
    """An evaluation with types, intervals and a part of the images added later."""
    known = facts(batch, keys=keys)
    accumulator = Accumulator(grade, capacity=128)
    for rows in ([0, 1, 2, 3, 4, 5, 6, 7], [8, 11, 9, 10]):
        some = {name: [listed[row] for row in rows] for name, listed in known.items()}
        accumulator.update(
            class_name="tile",
            maps_BHW=maps[rows],
            regions_BHW=batch.regions_BHW[rows],
            scores_B=batch.scores_B[rows],
            labels_B=batch.labels_B[rows],
            has_mask_B=batch.has_mask_B[rows],
            **some,
        )
    return accumulator.compute(intervals=20), accumulator


def check_device(batch: Batch, there: Any, grade: Grade, keys: bool) -> None:
    on_host, one = evaluated(batch, batch.maps_BHW, grade, keys)
    on_device, other = evaluated(batch, there, grade, keys)
    same(on_host, on_device)
    assert one.nbytes() == other.nbytes()
    for mine, theirs in zip(one._images["tile"], other._images["tile"], strict=True):
        assert mine.place == theirs.place
        for name in ("values_M", "region_M", "areas_L", "peaks_L", "ratings_L", "marks_K"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))


def device_cases() -> list[Batch]:
    wide = make(3, side=20)
    maps = np.sign(wide.maps_BHW) * 10.0 ** (8 * np.abs(wide.maps_BHW))
    some = [make(0, side=20), make(1, side=20, levels=4), wide.with_maps(maps)]
    some.append(make(4, side=20).with_maps(np.round(make(4, side=20).maps_BHW) * 1e-45))
    for batch in some:
        batch.has_mask_B[5] = False
    return some


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("case", range(4))
def test_tensors_that_stay_where_they_are_give_the_same(
    case: int, grade: Grade, keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor of the CPU that is not turned into an array goes the way of a device."""
    original, kept = batches._maps, []

    def stay(maps: Any) -> Any:
        if isinstance(maps, torch.Tensor):
            kept.append(maps.detach().float().contiguous())
            return kept[-1]
        return original(maps)

    monkeypatch.setattr(batches, "_maps", stay)
    batch = device_cases()[case]
    check_device(batch, torch.from_numpy(batch.maps_BHW), grade, keys)
    assert kept
    held = evaluated(batch, torch.from_numpy(batch.maps_BHW), "exact", keys)[1]._images["tile"]
    assert all(isinstance(i.normals.values._values, torch.Tensor) for i in held if i.normals)
    bad = batch.maps_BHW.copy()
    for place in (0, 5):  # the mask of the other is unknown
        bad[:] = batch.maps_BHW
        bad[place, 1, 1] = np.nan
        with pytest.raises(Exception, match="map holds NaN or infinity"):
            evaluated(batch, torch.from_numpy(bad), grade, keys)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("case", range(4))
def test_maps_on_a_cuda_device_give_the_same(case: int, grade: Grade, keys: bool) -> None:
    batch = device_cases()[case]
    there = torch.from_numpy(batch.maps_BHW).cuda()
    check_device(batch, there, grade, keys)
    with pytest.raises(Exception, match="map holds NaN or infinity"):
        evaluated(batch, there / 0, grade, keys)


# -- order ----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=12, max_size=12),
    st.permutations(range(12)), st.permutations(range(4)), st.sampled_from([2, 30, 200]),
    st.booleans(),
)  # fmt: skip
def test_any_split_into_any_accumulators_gives_the_same_bits(
    seed: int, part: list[int], order: list[int], merging: list[int], capacity: int, details: bool
) -> None:
    """Bounds and intervals included, and the bytes that are kept."""
    batch = make(seed, side=8)
    batch = batch.with_maps(batch.maps_BHW * np.float32(2.0) ** np.arange(-6, 6)[:, None, None])
    known = facts(batch)

    def fresh() -> Accumulator:
        return Accumulator("stream", capacity=capacity, details=details)

    whole = add_rows(fresh(), "tile", batch, known, list(range(12)))
    parts = [fresh() for _ in range(4)]
    for row in order:
        add_rows(parts[part[row]], "tile", batch, known, [row])
    merged = parts[merging[0]]
    for number in merging[1:]:
        merged = merged.merge(parts[number])
    pairs = [parts[merging[i]].merge(parts[merging[i + 1]]) for i in (0, 2)]
    same(whole.compute(intervals=15), merged.compute(intervals=15))
    same(whole.compute(intervals=15), pairs[0].merge(pairs[1]).compute(intervals=15))
    assert merged.nbytes() == whole.nbytes()
