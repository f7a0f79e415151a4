"""Order, grouping and rescaling change nothing; wrong input is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RunError, UsageError
from core.metrics.accumulate import Accumulator, Evaluation
from core.metrics.base import NINE
from tests.metrics.metric_cases import Batch, make


def same(a: Evaluation, b: Evaluation) -> None:
    """Equal to the bit: rows, intervals and curves."""
    assert a.rows == b.rows
    assert [(c.class_name, c.curve) for c in a.curves] == [
        (c.class_name, c.curve) for c in b.curves
    ]
    for mine, other in zip(a.curves, b.curves, strict=True):
        for name in ("x", "y", "threshold"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(10)), st.integers(1, 9), st.sampled_from([3, None]))
def test_order_of_updates_and_merges_changes_nothing(
    order: list[int], cut: int, levels: int | None
) -> None:
    one, two = make(1, images=10, side=8, levels=levels), make(2, images=6, side=8, levels=levels)
    at_once = two.add_to(one.add_to(Accumulator(), "a"), "b").compute(intervals=25, seed=3)
    parts = [Accumulator(), Accumulator(), Accumulator()]
    one.take(order[:cut]).add_to(parts[0], "a")
    two.add_to(parts[1], "b")
    for row in order[cut:]:
        one.take([row]).add_to(parts[2], "a")
    left = parts[0].merge(parts[1]).merge(parts[2])
    right = parts[2].merge(parts[1].merge(parts[0]))
    same(at_once, left.compute(intervals=25, seed=3))
    same(at_once, right.compute(intervals=25, seed=3))
    assert len(left) == 16
    assert [len(part) for part in parts] == [cut, 6, 10 - cut]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["cube", "scale", "exp"]))
def test_a_strictly_increasing_transform_changes_no_quality(seed: int, how: str) -> None:
    """Integers keep the transforms exact in float32, so that no tie appears or breaks."""
    batch = make(seed, images=6, side=8, levels=20)
    maps = batch.maps_BHW
    changed = {"cube": maps**3 - 100, "scale": maps / 1024, "exp": np.exp2(maps)}[how]
    before = batch.evaluate().by_class()["tile"]
    after = batch.with_maps(changed).evaluate().by_class()["tile"]
    for id in NINE:
        assert after[id] == before[id]


def test_torch_tensors_and_float16_maps_are_taken() -> None:
    batch = make(0, levels=9)
    expected = batch.evaluate()
    accumulator = Accumulator()
    accumulator.update(
        class_name="tile",
        maps_BHW=torch.from_numpy(batch.maps_BHW).half(),
        regions_BHW=torch.from_numpy(batch.regions_BHW),
        scores_B=torch.from_numpy(batch.scores_B),
        labels_B=torch.from_numpy(batch.labels_B),
        has_mask_B=torch.from_numpy(batch.has_mask_B),
    )
    same(expected, accumulator.compute(intervals=0))


def test_the_callers_arrays_may_be_reused() -> None:
    batch = make(0)
    expected = batch.evaluate()
    copy = Batch(*(getattr(batch, name).copy() for name in batch.__dataclass_fields__))
    accumulator = copy.add_to(Accumulator())
    copy.maps_BHW[:] = 7
    copy.regions_BHW[:] = 0
    same(expected, accumulator.compute(intervals=0))


def broken(**changes: Any) -> Accumulator:
    batch = make(0, images=4, side=6)
    fields = {name: getattr(batch, name).copy() for name in batch.__dataclass_fields__}
    return Batch(**(fields | changes)).add_to(Accumulator(), "screw")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maps_BHW": np.full((4, 6, 6), np.nan, np.float32)}, "map holds NaN"),
        ({"maps_BHW": np.full((4, 6, 6), 1e300)}, "map holds NaN or infinity"),
        ({"scores_B": np.array([0, 1, np.inf, 2])}, "score holds NaN"),
        ({"maps_BHW": np.zeros((4, 5, 6), np.float32)}, "shape"),
        ({"maps_BHW": np.zeros((4, 36), np.float32)}, "shape"),
        ({"regions_BHW": np.zeros((4, 6, 6), np.float32)}, "integer region ids"),
        ({"regions_BHW": np.full((4, 6, 6), -1)}, "negative"),
        ({"regions_BHW": np.ones((4, 6, 6), int)}, "normal image has anomalous pixels"),
        ({"scores_B": np.zeros(3)}, "4 maps came with scores"),
        ({"labels_B": np.array([0, 1, 2, 1])}, "neither 0"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence_that_names_the_class(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match="screw") as caught:
        broken(**changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_batch_leaves_nothing_behind() -> None:
    accumulator = make(0).add_to(Accumulator())
    bad = make(1)
    bad.maps_BHW[-1, 0, 0] = np.nan
    with pytest.raises(UsageError):
        bad.add_to(accumulator)
    same(make(0).evaluate(), accumulator.compute(intervals=0))


def test_no_images_and_a_class_called_mean_are_refused() -> None:
    with pytest.raises(RunError, match="no test image"):
        Accumulator().compute()
    with pytest.raises(UsageError, match="mean"):
        make(0).add_to(Accumulator(), "mean")


def test_what_is_kept_of_a_pixel_is_four_bytes_or_eight() -> None:
    batch = make(0, images=4, side=32)
    accumulator = batch.add_to(Accumulator())
    kept = accumulator._images["tile"]
    anomalous = int((batch.regions_BHW > 0).sum())
    assert sum(i.normals_N.nbytes for i in kept) == 4 * (batch.maps_BHW.size - anomalous)
    assert sum(i.keys_M.nbytes for i in kept) == 8 * anomalous
    assert all(i.normals_N.base is None and i.keys_M.base is None for i in kept)


def test_columns_for_the_run_s_tables() -> None:
    evaluation = make(0).evaluate(intervals=10)
    rows, points = evaluation.metric_columns(), evaluation.curve_columns()
    assert list(rows) == ["class_name", "metric", "value", "ci_low", "ci_high", "note"]
    assert list(points) == ["class_name", "curve", "position", "x", "y", "threshold"]
    assert {len(column) for column in rows.values()} == {len(evaluation.rows)}
    assert {len(column) for column in points.values()} == {sum(len(c.x) for c in evaluation.curves)}
    assert points["position"][:2] == [0, 1]
    assert points["position"].count(0) == len(evaluation.curves)
