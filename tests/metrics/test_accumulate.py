"""Order, grouping and rescaling change nothing; wrong input is refused by name."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RunError, UsageError
from core.metrics.accumulate import Accumulator, Evaluation, Grade
from core.metrics.base import NINE
from tests.metrics.metric_cases import Batch, add_rows, facts, make


def same(a: Evaluation, b: Evaluation) -> None:
    """Equal to the bit: rows, intervals and curves."""
    assert a.rows == b.rows
    assert [(c.class_name, c.curve) for c in a.curves] == [
        (c.class_name, c.curve) for c in b.curves
    ]
    for mine, other in zip(a.curves, b.curves, strict=True):
        for name in ("x", "y", "threshold"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


@settings(max_examples=12, deadline=None)
@given(
    st.permutations(range(10)), st.integers(1, 9), st.sampled_from([3, None]), st.booleans(),
    st.sampled_from(["exact", "stream"]),
)  # fmt: skip
def test_order_of_updates_and_merges_changes_nothing(
    order: list[int], cut: int, levels: int | None, keys: bool, grade: Grade
) -> None:
    """With intervals, types, specimens and an unknown mask; keys or none to order the images by."""

    def fresh() -> Accumulator:
        return Accumulator(grade, capacity=64)

    one, two = make(1, images=10, side=8, levels=levels), make(2, images=6, side=8, levels=levels)
    one.has_mask_B[5] = False
    of_one, of_two = facts(one, "a", keys), facts(two, "b", keys)
    at_once = fresh()
    add_rows(at_once, "a", one, of_one, list(range(10)))
    add_rows(at_once, "b", two, of_two, list(range(6)))
    parts = [fresh(), fresh(), fresh()]
    add_rows(parts[0], "a", one, of_one, order[:cut])
    add_rows(parts[1], "b", two, of_two, list(range(6)))
    for row in order[cut:]:
        add_rows(parts[2], "a", one, of_one, [row])
    left = parts[0].merge(parts[1]).merge(parts[2]).merge(fresh())
    right = fresh().merge(parts[2].merge(parts[1].merge(parts[0])))
    expected = at_once.compute(intervals=25, seed=3)
    same(expected, left.compute(intervals=25, seed=3))
    same(expected, right.compute(intervals=25, seed=3))
    assert any(row.anomaly_type == "scratch" and row.ci_low is not None for row in expected.rows)
    assert len(left) == 16
    assert [len(part) for part in parts] == [cut, 6, 10 - cut]


SHOWN: dict[str, list[Any]] = {
    # three of one specimen and one of another: which is numbered first decides who is drawn
    "specimens_B": [None] * 12 + ["u", "u", "v", "u"],
    "anomaly_types_B": ["x"] * 12 + ["x", "y", "y", "x"],
    "ader_scores_B": [0.0] * 13 + [1.0, 0.0, 2.0],
}


@pytest.mark.parametrize("grade", ["exact", "stream"])
@pytest.mark.parametrize("told_by", [None, *SHOWN])
def test_images_alike_in_every_pixel_are_told_apart_by_the_rest(
    grade: Grade, told_by: str | None
) -> None:
    """Without keys: the same values in other places, which differ in local maxima alone; and
    unknown masks, whose pixels are not kept, which differ in a fact of the image."""
    rng = np.random.default_rng(0)
    maps = np.zeros((16, 8, 8), np.float32)
    for place in maps[:12].reshape(12, -1):
        place[rng.choice(64, 5, replace=False)] = 1
    ids = np.zeros((16, 8, 8), int)
    ids[6:12, :4] = 1
    batch = Batch(maps, ids, np.zeros(16), np.arange(16) // 6 > 0, np.arange(16) < 12)
    known = {} if told_by is None else {"specimens_B": SHOWN["specimens_B"]}
    known |= {} if told_by is None else {told_by: SHOWN[told_by]}
    results = []
    for seed in range(4):
        accumulator = Accumulator(grade, capacity=64)
        for row in np.random.default_rng(seed).permutation(16):
            add_rows(accumulator, "a", batch, known, [int(row)])
        results.append(accumulator.compute(intervals=40, seed=1))
    for other in results[1:]:
        same(results[0], other)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["cube", "scale", "exp"]))
def test_a_strictly_increasing_transform_changes_no_quality(seed: int, how: str) -> None:
    """Integers keep the transforms exact in float32, so that no tie appears or breaks.

    Regions' shares are added up in another order where images tie in score: AU-PRO may differ in
    its last bit.
    """
    batch = make(seed, images=6, side=8, levels=20)
    maps = batch.maps_BHW
    changed = {"cube": maps**3 - 100, "scale": maps / 1024, "exp": np.exp2(maps)}[how]
    before = batch.evaluate().by_class()["tile"]
    after = batch.with_maps(changed).evaluate().by_class()["tile"]
    for id in NINE:
        rounding = 1e-14 if id in ("pixel_aupro", "mad") else 0.0
        assert after[id] == pytest.approx(before[id], rel=0, abs=rounding)


@pytest.mark.parametrize("grade", ["exact", "stream"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_tensors_of_any_float_are_taken(grade: Grade, dtype: torch.dtype) -> None:
    """Nine levels are whole numbers, which all of these hold."""
    batch = make(0, levels=9)
    expected = batch.add_to(Accumulator(grade, capacity=64)).compute(intervals=0)
    accumulator = Accumulator(grade, capacity=64)
    accumulator.update(
        class_name="tile",
        maps_BHW=torch.from_numpy(batch.maps_BHW).to(dtype).requires_grad_(),
        regions_BHW=torch.from_numpy(batch.regions_BHW),
        scores_B=torch.from_numpy(batch.scores_B).to(dtype).requires_grad_(),
        labels_B=torch.from_numpy(batch.labels_B),
        has_mask_B=torch.from_numpy(batch.has_mask_B),
    )
    same(expected, accumulator.compute(intervals=0))


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_boolean_masks_are_labelled_first(grade: Grade) -> None:
    batch = make(0)
    expected = batch.add_to(Accumulator(grade, capacity=64)).compute(intervals=0)
    masks = Batch(
        batch.maps_BHW, batch.regions_BHW > 0, batch.scores_B, batch.labels_B, batch.has_mask_B
    )  # type: ignore[arg-type]
    same(expected, masks.add_to(Accumulator(grade, capacity=64)).compute(intervals=0))


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_names_and_width_of_region_ids_do_not_matter(grade: Grade) -> None:
    batch = make(0, levels=6)
    expected = batch.add_to(Accumulator(grade, capacity=64)).compute(intervals=10)
    most = int(batch.regions_BHW.max())
    far = np.concatenate(([0], np.geomspace(3, 2**31 - 1, most).astype(np.int64)))
    for ids in (
        batch.regions_BHW.astype(np.uint16),
        batch.regions_BHW.astype(np.uint8),
        far[batch.regions_BHW],
        np.asfortranarray(batch.regions_BHW),
    ):
        other = Batch(batch.maps_BHW, ids, batch.scores_B, batch.labels_B, batch.has_mask_B)
        same(expected, other.add_to(Accumulator(grade, capacity=64)).compute(intervals=10))


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_the_callers_arrays_may_be_reused(grade: Grade) -> None:
    batch = make(0)
    expected = batch.add_to(Accumulator(grade, capacity=64)).compute(intervals=0)
    copy = Batch(*(getattr(batch, name).copy() for name in batch.__dataclass_fields__))
    accumulator = copy.add_to(Accumulator(grade, capacity=64))
    for name in batch.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(copy, name), getattr(batch, name))
    copy.maps_BHW[:] = 7
    copy.regions_BHW[:] = 0
    copy.scores_B[:] = 3
    same(expected, accumulator.compute(intervals=0))


def at(value: float, image: int, known: bool = True) -> dict[str, Any]:
    """One bad map value; the image's mask is known or not."""
    maps = np.zeros((4, 6, 6), np.float32)
    maps[image, 3, 2] = value
    return {"maps_BHW": maps, "has_mask_B": np.full(4, known)}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"maps_BHW": np.full((4, 6, 6), np.nan, np.float32)}, "map holds NaN"),
    ({"maps_BHW": np.full((4, 6, 6), 1e300)}, "map holds NaN or infinity"),
    (at(np.nan, 0), "map holds NaN or infinity"),
    (at(-np.inf, 1), "map holds NaN or infinity"),
    (at(np.nan, 3, known=False), "map holds NaN or infinity"),
    (at(np.inf, 2, known=False), "map holds NaN or infinity"),
    ({"scores_B": np.array([0, 1, np.inf, 2])}, "score holds NaN"),
    ({"scores_B": np.array([0, np.nan, 1, 2])}, "score holds NaN"),
    ({"maps_BHW": np.zeros((4, 5, 6), np.float32)}, "shape"),
    ({"maps_BHW": np.zeros((4, 36), np.float32)}, "shape"),
    ({"regions_BHW": np.zeros((4, 6, 6), np.float32)}, "integer region ids"),
    ({"regions_BHW": np.full((4, 6, 6), -1)}, "negative"),
    ({"regions_BHW": np.full((4, 6, 6), 2**31)}, "above 2,147,483,647"),
    ({"regions_BHW": np.full((4, 6, 6), 2**64 - 1, np.uint64)}, "above 2,147,483,647"),
    ({"regions_BHW": np.ones((4, 6, 6), int)}, "normal image has anomalous pixels"),
    ({"regions_BHW": np.ones((4, 6, 6), bool)}, "normal image has anomalous pixels"),
    ({"scores_B": np.zeros(3)}, "4 maps came with scores"),
    ({"has_mask_B": np.ones(5, bool)}, "4 maps came with scores"),
    ({"labels_B": np.array([0, 1, 2, 1])}, "neither 0"),
    ({"labels_B": np.array([0, 1, np.nan, 1])}, "neither 0"),
    ({"ader_scores_B": [0.0, np.nan, 1, 2]}, "score holds NaN"),
    ({"ader_scores_B": [0.0]}, "ADer scores"),
    ({"keys_B": ["a"]}, "key an image"),
    ({"specimens_B": ["a"] * 5}, "specimen"),
    ({"anomaly_types_B": ["good"] * 4}, "anomaly type 'good'"),
]


@pytest.mark.parametrize("grade", ["exact", "stream"])
@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_wrong_input_is_refused_in_one_sentence_and_leaves_nothing_behind(
    changes: dict[str, Any], said: str, grade: Grade
) -> None:
    batch = make(0, images=4, side=6)
    accumulator = batch.add_to(Accumulator(grade, capacity=64), "screw")
    before = accumulator.compute(intervals=0)
    known = {name: getattr(batch, name).copy() for name in batch.__dataclass_fields__}
    with pytest.raises(UsageError, match="screw") as caught:
        accumulator.update(class_name="screw", **(known | changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(accumulator) == 4
    same(before, accumulator.compute(intervals=0))


def test_accumulators_that_differ_are_not_merged() -> None:
    plain = Accumulator("stream", capacity=64)
    for other in (
        Accumulator("exact", capacity=64),
        Accumulator("stream", capacity=128),
        Accumulator("stream", capacity=64, details=False),
    ):
        with pytest.raises(UsageError, match="make both alike"):
            plain.merge(other)
    with pytest.raises(UsageError, match="'exact' or 'stream'"):
        Accumulator("precise")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="capacity came as 1"):
        Accumulator("stream", capacity=1)


def test_no_images_and_a_class_called_mean_are_refused() -> None:
    with pytest.raises(RunError, match="no test image"):
        Accumulator().compute()
    with pytest.raises(UsageError, match="mean"):
        make(0).add_to(Accumulator(), "mean")


def test_what_is_kept_of_a_pixel_is_four_bytes_or_eight() -> None:
    """Beside a few arrays of one entry a region or mark."""
    batch = make(0, images=4, side=32)
    accumulator = batch.add_to(Accumulator(details=False))
    anomalous = int((batch.regions_BHW > 0).sum())
    regions = sum(int(ids.max()) for ids in batch.regions_BHW)
    pixels = 4 * (batch.maps_BHW.size - anomalous) + 8 * anomalous
    assert accumulator.nbytes() == pixels + regions * (8 + 4 + 8)  # area, peak, rating
    for image in accumulator._images["tile"]:
        assert image.normals is not None
        for array in (image.normals.values.on_host, image.values_M, image.region_M):
            assert not np.shares_memory(array, batch.maps_BHW)
            assert array.base is None or array.base.nbytes < 3 * array.nbytes


def test_columns_for_the_run_s_tables() -> None:
    evaluation = make(0).evaluate(intervals=10)
    rows, points = evaluation.metric_columns(), evaluation.curve_columns()
    assert list(rows) == [
        "class_name", "metric", "value", "ci_low", "ci_high", "note", "anomaly_type",
        "convention", "bound_low", "bound_high",
    ]  # fmt: skip
    assert list(points) == ["class_name", "curve", "position", "x", "y", "threshold"]
    assert {len(column) for column in rows.values()} == {len(evaluation.rows)}
    assert {len(column) for column in points.values()} == {sum(len(c.x) for c in evaluation.curves)}
    assert points["position"][:2] == [0, 1]
    assert points["position"].count(0) == len(evaluation.curves)


def test_a_confusion_at_a_threshold_of_one_s_own() -> None:
    batch = make(3, levels=7)
    truth, maps = batch.regions_BHW > 0, batch.maps_BHW
    for grade in ("exact", "stream"):
        accumulator = batch.add_to(Accumulator(grade, capacity=64))
        for threshold in (-1.0, 0.0, 2.0, 2.5, 6.0, 7.0, np.inf):
            called = maps >= threshold
            found = accumulator.confusion("tile", threshold)
            assert (found.found[0], found.missed[0], found.false[0], found.passed[0]) == (
                (called & truth).sum(), (~called & truth).sum(),
                (called & ~truth).sum(), (~called & ~truth).sum(),
            )  # fmt: skip
        none = Batch(maps[1::2], batch.regions_BHW[1::2], *(
            getattr(batch, name)[1::2] for name in ("scores_B", "labels_B")
        ), np.zeros(6, bool))  # fmt: skip
        nothing = none.add_to(Accumulator(grade, capacity=64)).confusion("tile", 1.0)
        assert (nothing.found[0], nothing.false[0], nothing.passed[0]) == (0, 0, 0)


def test_an_image_that_comes_twice_is_refused() -> None:
    batch = make(0, images=4)
    fields = {name: getattr(batch, name) for name in batch.__dataclass_fields__}
    accumulator = Accumulator()
    accumulator.update(class_name="tile", **fields, keys_B=["a", "b", "c", "d"])
    with pytest.raises(UsageError, match="'b' came twice"):
        accumulator.update(class_name="tile", **fields, keys_B=["e", "b", "f", "g"])
    with pytest.raises(UsageError, match="one key"):
        accumulator.update(class_name="tile", **fields, keys_B=["e", "e", "f", "g"])
    other = Accumulator()
    other.update(class_name="tile", **fields, keys_B=["h", "i", "j", "a"])
    with pytest.raises(UsageError, match="'a' came twice"):
        accumulator.merge(other)
    other = Accumulator()
    other.update(class_name="plate", **fields, keys_B=["a", "b", "c", "d"])
    assert len(accumulator.merge(other)) == 8


def test_thresholds_change_nothing_and_follow_updates() -> None:
    one, two = make(1, images=6), make(2, images=6)
    accumulator = one.add_to(Accumulator())
    first = accumulator.thresholds()
    two.add_to(accumulator)
    both = two.add_to(one.add_to(Accumulator()))
    assert accumulator.thresholds() == both.thresholds() != first
    same(accumulator.compute(intervals=20), both.compute(intervals=20))


@pytest.mark.parametrize("grade", ["exact", "stream"])
def test_accumulators_travel_between_processes(grade: Grade) -> None:
    """Workers send theirs to be merged."""
    one, two = make(1, images=6), make(2, images=6)
    sent = pickle.loads(pickle.dumps(two.add_to(Accumulator(grade))))
    merged = one.add_to(Accumulator(grade)).merge(sent)
    here = two.add_to(one.add_to(Accumulator(grade)))
    same(merged.compute(intervals=20), here.compute(intervals=20))


def test_a_summary_alone_finds_its_parts() -> None:
    accumulator = make(0).add_to(Accumulator())
    alone = accumulator.values("mad")["tile"]
    assert set(alone) == {"mad"}
    assert alone["mad"].value == make(0).evaluate().value("tile", "mad")
