"""Two runs on the same images: paired differences, their intervals and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from core.comparison import cases_of, compare_runs
from core.config import RunConfig
from core.engine import tables
from core.errors import RunError, UnknownId, UsageError
from core.metrics.accumulate import Accumulator, Evaluation
from core.metrics.base import NINE
from core.metrics.compare import ClassCases, DifferenceRow, compare
from core.metrics.delong import delong_paired
from core.metrics.multiplicity import holm
from core.metrics.resampling import draw
from core.runs import RunDirectory
from core.seeding import derive
from core.types import MEAN
from core.workspace import Workspace
from tests.metrics.metric_cases import Batch, make

PIXEL = NINE[3:8]


def scored(seed: int, images: int = 30, lift: float = 0.0, spread: float = 1.0) -> Batch:
    """Images whose anomalies show more or less, in map and score; `lift` shows them better."""
    batch = make(seed, images=images, side=12, shift=0.0)
    rng = np.random.default_rng(seed)
    strength = rng.uniform(-0.5, 2, images).astype(np.float32) + np.float32(lift)
    maps = batch.maps_BHW + strength[:, None, None] * (batch.regions_BHW > 0)
    scores = rng.standard_normal(images) * spread + batch.labels_B * (strength + 0.2)
    return Batch(maps, batch.regions_BHW, scores, batch.labels_B, batch.has_mask_B)


def keys_of(batch: Batch) -> list[str]:
    return [f"{i:03}.png" for i in range(len(batch.labels_B))]


def evaluated(
    batches: dict[str, Batch], specimens: Sequence[str | None] | None = None, intervals: int = 0
) -> Evaluation:
    accumulator = Accumulator()
    for name, batch in batches.items():
        batch.add_to(accumulator, name, keys_B=keys_of(batch), specimens_B=specimens)
    return accumulator.compute(intervals=intervals)


def cases(
    batches: dict[str, Batch], specimens: Sequence[str | None] | None = None
) -> dict[str, ClassCases]:
    """What a run keeps, straight from its evaluation."""
    groups = evaluated(batches, specimens).groups
    return {group.name: ClassCases.of_group(group) for group in groups}


def table_of(rows: list[DifferenceRow]) -> dict[tuple[str, str], DifferenceRow]:
    found = {(row.class_name, row.metric): row for row in rows}
    assert len(found) == len(rows)
    return found


def shuffled(run: ClassCases, seed: int = 0) -> ClassCases:
    return run.take(np.random.default_rng(seed).permutation(len(run.keys_N)))


# -- what the comparison says ---------------------------------------------------------------------


@pytest.mark.parametrize("specimens", [False, True])
def test_a_run_against_itself_differs_in_nothing(specimens: bool) -> None:
    """In whatever order its images stand."""
    shown = [f"s{i // 4}{i % 2}" for i in range(30)] if specimens else None
    run = cases({"a": scored(0), "b": scored(1)}, shown)
    other = {name: shuffled(one) for name, one in run.items()}
    rows = compare(run, other, resamples=100)
    assert [(row.class_name, row.metric) for row in rows] == [
        *((name, id) for id in NINE for name in ("a", "b")),
        *((MEAN, id) for id in NINE),
    ]
    for row in rows:
        assert row.a == row.b
        assert (row.difference, row.low, row.high) == (0, 0, 0)
        assert (row.p, row.p_corrected) == (1, 1)
        assert row.images == (60 if row.class_name == MEAN else 30)


def test_a_clearly_better_run_is_found_by_every_metric() -> None:
    names = ("a", "b", "c")
    worse = cases({n: scored(seed, lift=-0.3, spread=2) for seed, n in enumerate(names)})
    better = cases({n: scored(seed, lift=2.0, spread=0.3) for seed, n in enumerate(names)})
    forth = compare(better, worse)
    for row in forth:
        assert row.p is not None
        assert row.low is not None
        assert row.p < 0.01, row
        assert row.p_corrected is not None
        assert row.p <= row.p_corrected <= 3 * row.p
        assert 0 < row.low <= row.difference <= row.high
        assert row.difference == row.a - row.b
    back = compare(worse, better)
    for one, other in zip(forth, back, strict=True):
        assert (one.difference, one.low, one.high) == pytest.approx(
            (-other.difference, -other.high, -other.low)
        )
        assert (one.p, one.test) == (other.p, other.test)


def test_runs_that_differ_by_chance_are_not_told_apart() -> None:
    """40 pairs of scorers of one quality: at 5 % about 2 are called different, hardly 8."""
    called = {"image_auroc": 0, "image_ap": 0}
    for seed in range(40):
        batch = scored(seed, images=40)
        rng = np.random.default_rng(seed + 1000)
        runs = []
        for _ in range(2):
            scores = rng.standard_normal(40) + batch.labels_B
            runs.append({"a": Batch(batch.maps_BHW, batch.regions_BHW, scores, batch.labels_B,
                                    np.zeros(40, bool))})  # fmt: skip
        for row in compare(cases(runs[0]), cases(runs[1]), tuple(called), resamples=200):
            if row.class_name == "a":
                called[row.metric] += row.p < 0.05
    assert all(number < 8 for number in called.values())


def test_what_an_image_is_worth_to_both_runs_cancels_out() -> None:
    """A small step of all anomalous pixels: the difference is far surer than the values are."""
    first, second = scored(3), scored(3, lift=0.05)
    widths = [
        {row.metric: row.ci_high - row.ci_low for row in evaluated({"a": one}, None, 300).of()
         if row.ci_low is not None}
        for one in (first, second)
    ]  # fmt: skip
    rows = table_of(compare(cases({"a": second}), cases({"a": first})))
    for id in PIXEL:
        row = rows["a", id]
        unpaired = float(np.hypot(widths[0][id], widths[1][id]))
        assert row.high - row.low < unpaired / 5, id
        assert 0 < row.low <= row.difference <= row.high
        assert row.p < 0.01


def test_both_runs_are_resampled_by_the_same_draws() -> None:
    """Image AP in each draw, from images really repeated; p counts draws beyond zero."""
    one, two = scored(4), scored(4, lift=0.3, spread=1.2)
    row = table_of(compare(cases({"a": one}), cases({"a": two}), resamples=150, seed=7))[
        "a", "image_ap"
    ]
    # images stand by label, then key
    order = np.lexsort((np.arange(30), one.labels_B))
    weights = draw(one.labels_B[order], 150, derive(7, "paired", "a")).astype(int)
    differences = []
    for weight in weights:
        rows = np.repeat(order, weight)
        a, b = (average_precision_score(r.labels_B[rows], r.scores_B[rows]) for r in (one, two))
        differences.append(a - b)
    low, high = np.percentile(differences, [2.5, 97.5])
    assert (row.low, row.high) == pytest.approx((low, high), abs=1e-12)
    rarer = min(np.sum(np.array(differences) <= 0), np.sum(np.array(differences) >= 0))
    assert row.p == pytest.approx(min(1, 2 * (rarer + 1) / 151))
    assert row.test == "bootstrap"
    again = compare(cases({"a": one}), cases({"a": two}), resamples=150, seed=7)
    other = compare(cases({"a": one}), cases({"a": two}), resamples=150, seed=8)
    assert table_of(again)["a", "image_ap"] == row
    assert table_of(other)["a", "image_ap"].low != row.low


def test_image_auroc_is_tested_as_delong_does_where_images_are_independent() -> None:
    one, two = scored(5), scored(5, lift=0.4)
    rows = table_of(compare(cases({"a": one}), cases({"a": two}), resamples=50))
    expected = delong_paired(one.scores_B, two.scores_B, one.labels_B)
    assert expected is not None
    row = rows["a", "image_auroc"]
    assert (row.a, row.b) == pytest.approx((expected.a, expected.b))
    assert (row.low, row.high, row.p, row.test) == (
        pytest.approx(expected.low), pytest.approx(expected.high), pytest.approx(expected.p),
        "delong",
    )  # fmt: skip
    assert rows[MEAN, "image_auroc"].test == "bootstrap"
    assert {row.test for row in rows.values() if row.metric != "image_auroc"} == {"bootstrap"}
    shown = [f"s{i // 4}{i % 2}" for i in range(30)]
    rows = table_of(compare(cases({"a": one}, shown), cases({"a": two}, shown), resamples=50))
    assert rows["a", "image_auroc"].test == "bootstrap"


def test_copies_of_images_do_not_make_a_difference_surer() -> None:
    """Every image four times, as one specimen each: intervals and p stay what they were."""
    runs = [scored(6), scored(6, lift=0.3)]
    alone = [f"{i:03}" for i in range(30)]
    expected = table_of(compare(*(cases({"a": run}, alone) for run in runs), resamples=80))
    copied = [run.take(np.repeat(np.arange(30), 4)) for run in runs]
    shown = [f"{i // 4:03}" for i in range(120)]
    found = table_of(compare(*(cases({"a": run}, shown) for run in copied), resamples=80))
    for id in ("image_ap", "image_f1max"):
        one, other = expected["a", id], found["a", id]
        assert (other.difference, other.low, other.high, other.p) == pytest.approx(
            (one.difference, one.low, one.high, one.p), abs=1e-12
        )
    row = found["a", "image_auroc"]
    delong = delong_paired(runs[0].scores_B, runs[1].scores_B, runs[0].labels_B)
    assert delong is not None
    assert row.high - row.low > 0.7 * (delong.high - delong.low)


def test_p_values_of_a_metric_are_corrected_over_its_classes() -> None:
    names = [f"c{i}" for i in range(5)]
    a = cases({name: scored(i, lift=0.1 * i) for i, name in enumerate(names)})
    b = cases({name: scored(i) for i, name in enumerate(names)})
    rows = compare(a, b, resamples=200)
    for id in NINE:
        mine = [row for row in rows if row.metric == id and row.class_name != MEAN]
        assert [row.class_name for row in mine] == names
        assert [row.p_corrected for row in mine] == holm([row.p for row in mine])
        mean = table_of(rows)[MEAN, id]
        assert mean.p_corrected == mean.p
        assert mean.a == pytest.approx(np.mean([row.a for row in mine]))
        assert mean.difference == pytest.approx(np.mean([row.difference for row in mine]))


def test_the_mean_s_difference_is_surer_than_its_classes() -> None:
    names = [f"c{i}" for i in range(4)]
    a = cases({name: scored(i, lift=0.3) for i, name in enumerate(names)})
    b = cases({name: scored(i + 50) for i, name in enumerate(names)})
    b = {name: replace(one, labels_N=a[name].labels_N) for name, one in b.items()}
    rows = table_of(compare(a, b, ("pixel_auroc",), resamples=300))
    alone = np.mean([rows[name, "pixel_auroc"].high - rows[name, "pixel_auroc"].low
                     for name in names])  # fmt: skip
    mean = rows[MEAN, "pixel_auroc"]
    assert 0.3 * alone < mean.high - mean.low < 0.8 * alone


def test_stored_values_stand_and_draws_are_shifted_onto_them() -> None:
    """Pixel metrics come from bins; the difference is that of the stored, exact values."""
    one, two = scored(7), scored(7, lift=0.5)
    a, b = cases({"a": one}), cases({"a": two})
    rows = table_of(compare(a, b, resamples=60))
    for id in NINE:
        assert (rows["a", id].a, rows["a", id].b) == (a["a"].values[id], b["a"].values[id])
    truth = one.regions_BHW.ravel() > 0
    assert rows["a", "pixel_auroc"].difference == pytest.approx(
        roc_auc_score(truth, one.maps_BHW.ravel()) - roc_auc_score(truth, two.maps_BHW.ravel())
    )
    moved = {"a": replace(a["a"], values={**a["a"].values, "pixel_ap": 0.9})}
    row, before = table_of(compare(moved, b, resamples=60))["a", "pixel_ap"], rows["a", "pixel_ap"]
    step = 0.9 - before.a
    assert (row.low, row.high) == pytest.approx((before.low + step, before.high + step))
    without = {"a": replace(a["a"], values={})}
    row = table_of(compare(without, b, resamples=60))["a", "pixel_auroc"]
    assert row.a == pytest.approx(a["a"].values["pixel_auroc"], abs=2e-3)


# -- what does not match --------------------------------------------------------------------------


def test_only_shared_classes_and_images_are_compared() -> None:
    """Values then come from the shared images alone."""
    one, two = scored(8), scored(8, lift=0.5)
    a, b = cases({"a": one, "x": scored(1)}), cases({"a": two, "y": scored(2)})
    shared = np.r_[0:10, 14:28]
    b["a"] = shuffled(b["a"].take(np.array([b["a"].keys_N.index(f"{i:03}.png") for i in shared])))
    rows = table_of(compare(a, b, resamples=40))
    assert {name for name, _ in rows} == {"a", MEAN}
    row = rows["a", "image_auroc"]
    assert row.images == 24
    assert row.a == pytest.approx(roc_auc_score(one.labels_B[shared], one.scores_B[shared]))
    assert row.b == pytest.approx(roc_auc_score(two.labels_B[shared], two.scores_B[shared]))
    truth = one.regions_BHW[shared].ravel() > 0
    row = rows["a", "pixel_auroc"]
    assert row.a == pytest.approx(roc_auc_score(truth, one.maps_BHW[shared].ravel()), abs=2e-3)
    assert row.b == pytest.approx(roc_auc_score(truth, two.maps_BHW[shared].ravel()), abs=2e-3)


def test_runs_without_anything_in_common_give_no_rows() -> None:
    a, b = cases({"a": scored(0)}), cases({"b": scored(0)})
    assert compare(a, b) == []
    assert compare(a, {}) == []
    renamed = {"a": replace(a["a"], keys_N=tuple(f"other {key}" for key in a["a"].keys_N))}
    assert compare(a, renamed) == []


def test_an_image_with_two_labels_is_refused_by_name() -> None:
    a = cases({"screw": scored(0)})
    labels = a["screw"].labels_N.copy()
    place = a["screw"].keys_N.index("004.png")
    labels[place] = 1 - labels[place]
    with pytest.raises(UsageError, match=r"'screw': image '004\.png' is normal in one run"):
        compare(a, {"screw": replace(a["screw"], labels_N=labels)})


def test_without_pixels_or_normal_images_the_rest_is_compared() -> None:
    a, b = cases({"a": scored(0)}), cases({"a": scored(0, lift=1.0)})
    bare = {"a": replace(a["a"], pixels=None)}
    assert {row.metric for row in compare(bare, b, resamples=20)} == set(NINE[:3])
    bad = [
        {"a": one["a"].take(np.flatnonzero(one["a"].labels_N == 1))} for one in (a, b)
    ]  # fmt: skip
    assert {row.metric for row in compare(*bad, resamples=20)} == set(PIXEL)
    good = [{"a": one["a"].take(np.flatnonzero(one["a"].labels_N == 0))} for one in (a, b)]
    assert compare(*good, resamples=20) == []


def test_shared_images_without_a_normal_pixel_give_no_rows() -> None:
    """What is left of both runs is one kind of pixel, which no metric can rank."""
    ids = np.repeat(np.arange(8) % 2, 16).reshape(8, 4, 4)
    runs = []
    for seed in range(2):
        maps = np.random.default_rng(seed).random((8, 4, 4)).astype(np.float32)
        batch = Batch(maps, ids, maps.max((1, 2)) * 1.0, np.arange(8) % 2, np.ones(8, bool))
        runs.append(cases({"a": batch})["a"])
    bad = np.flatnonzero(runs[0].labels_N == 1)
    assert len(compare({"a": runs[0]}, {"a": runs[1]}, resamples=20)) == 18
    assert compare({"a": runs[0]}, {"a": runs[1].take(bad)}, resamples=20) == []


@pytest.mark.parametrize("specimens", [None, "all anomalous"])
def test_where_no_draw_differs_there_is_no_interval_and_no_p(specimens: str | None) -> None:
    """One anomalous image (or specimen): all draws hold it, and would call any difference real."""
    keep = [0, 1, 2, 4, 6, 8] if specimens is None else list(range(12))
    shown = [f"n{i}" if i % 2 == 0 or specimens is None else "one" for i in keep]
    one, two = scored(9).take(keep), scored(9, lift=2.0).take(keep)
    sure = scored(1)
    a = cases({"few": one}, shown) | cases({"sure": sure})
    b = cases({"few": two}, shown) | cases({"sure": scored(1, lift=1.0)})
    rows = table_of(compare(a, b, resamples=40))
    for id in NINE:
        few = rows["few", id]
        assert few.difference == few.a - few.b
        assert (few.low, few.high, few.p, few.p_corrected) == (None,) * 4
        mean = rows[MEAN, id]
        assert (mean.low, mean.high, mean.p, mean.p_corrected) == (None,) * 4
        assert mean.difference == pytest.approx((few.difference + rows["sure", id].difference) / 2)
        assert rows["sure", id].p_corrected == rows["sure", id].p is not None


def test_one_known_mask_leaves_image_metrics_their_p() -> None:
    one, two = scored(2), scored(2, lift=1.0)
    for run in (one, two):
        run.has_mask_B[:] = False
        run.has_mask_B[1] = True
    rows = table_of(compare(cases({"a": one}), cases({"a": two}), resamples=40))
    for id in NINE:
        assert (rows["a", id].p is not None) == id.startswith("image")


def test_masks_that_some_draws_miss_leave_the_rest_of_the_draws() -> None:
    one, two = scored(2, lift=2.0), scored(2)
    for run in (one, two):
        run.has_mask_B[:] = False
        run.has_mask_B[[1, 3]] = True
    rows = table_of(compare(cases({"a": one}), cases({"a": two}), resamples=200))
    for id in (*PIXEL, "mad"):
        row = rows["a", id]
        # a draw without a mask would have F1 and IoU 0 in both runs, hence a difference of 0
        assert row.low is not None
        assert row.low > 0
        assert row.p < 0.02


def test_single_metrics_and_wrong_arguments() -> None:
    a, b = cases({"a": scored(0)}), cases({"a": scored(0, lift=0.5)})
    everything = table_of(compare(a, b, resamples=30))
    alone = compare(a, b, ("mad",), resamples=30)
    assert [(row.class_name, row.metric) for row in alone] == [("a", "mad"), (MEAN, "mad")]
    assert alone == [everything["a", "mad"], everything[MEAN, "mad"]]
    assert compare(a, b, ("froc_llf_1",), resamples=30) == []  # nothing of it is stored
    with pytest.raises(UnknownId, match="pixel_ap"):
        compare(a, b, ("pixel_app",))
    with pytest.raises(UsageError, match="resamples came as 0"):
        compare(a, b, resamples=0)


# -- stored runs ----------------------------------------------------------------------------------


def stored(
    place: Workspace, batches: dict[str, Batch], fingerprint: str | None = "f1",
    specimens: Sequence[str | None] | None = None,
) -> RunDirectory:  # fmt: skip
    """A run directory with the tables the engine writes."""
    run = RunDirectory.create(place, RunConfig(data="tiles", method="patchcore"))
    run.write_record(replace(run.record(), resolved={"dataset": {"fingerprint": fingerprint}}))
    evaluation = evaluated(batches, specimens, intervals=10)
    columns: dict[str, list[Any]] = {"class_name": [], "key": [], "label": [], "score": []}
    shown: list[str | None] = []
    for name, batch in batches.items():
        columns["class_name"] += [name] * len(batch.labels_B)
        columns["key"] += keys_of(batch)
        columns["label"] += batch.labels_B.tolist()
        columns["score"] += batch.scores_B.tolist()
        shown += specimens or [None] * len(batch.labels_B)
    run.write_table(
        RunDirectory.CASES, pa.table({**columns, "specimen": pa.array(shown, pa.string())})
    )
    run.write_table(RunDirectory.METRICS, tables.metric_table(evaluation))
    run.write_table(RunDirectory.SUMMARIES, tables.summary_table(evaluation))
    return run


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_stored_runs_are_compared_as_what_they_were_stored_from(place: Workspace) -> None:
    shown = [f"s{i // 4}{i % 2}" for i in range(30)]
    first = {"a": scored(0), "b": scored(1)}
    second = {"a": scored(0, lift=0.5), "b": scored(1, lift=0.1)}
    first["b"].has_mask_B[3] = second["b"].has_mask_B[3] = False
    runs = [stored(place, batches, specimens=shown) for batches in (first, second)]
    straight = [cases(batches, shown) for batches in (first, second)]
    for run, expected in zip(runs, straight, strict=True):
        found = cases_of(run)
        assert found.keys() == expected.keys()
        for name, one in found.items():
            order = [one.keys_N.index(key) for key in expected[name].keys_N]
            mine, theirs = one.take(np.array(order)), expected[name]
            assert (mine.specimens_N, mine.values) == (theirs.specimens_N, theirs.values)
            np.testing.assert_array_equal(mine.scores_N, theirs.scores_N)
            np.testing.assert_array_equal(mine.labels_N, theirs.labels_N)
            assert mine.pixels is not None
            assert theirs.pixels is not None
            np.testing.assert_array_equal(mine.pixels.regions_N, theirs.pixels.regions_N)
            held = np.isin(theirs.pixels.edges_B, mine.pixels.edges_B)
            np.testing.assert_array_equal(theirs.pixels.edges_B[held], mine.pixels.edges_B)
            for table in ("normal_NB", "anomalous_NB", "gain_NB"):
                full = getattr(theirs.pixels, table)
                np.testing.assert_allclose(
                    getattr(mine.pixels, table), full[:, held], rtol=1e-6, atol=1e-9
                )
                assert np.abs(full[:, ~held]).sum() < 1e-9
    rows = compare_runs(*runs, resamples=60)
    for one, other in zip(rows, compare(*straight, resamples=60), strict=True):
        assert (one.class_name, one.metric, one.images, one.test) == (
            other.class_name, other.metric, other.images, other.test,
        )  # fmt: skip
        assert (one.a, one.b, one.difference) == pytest.approx((other.a, other.b, other.difference))
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-6)
        assert one.p == pytest.approx(other.p, abs=0.04)
    for row in compare_runs(runs[0], runs[0], resamples=60):
        assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)


def test_runs_on_other_images_are_refused(place: Workspace) -> None:
    one, other = stored(place, {"a": scored(0)}), stored(place, {"a": scored(0)}, "f2")
    with pytest.raises(UsageError, match="made on different images") as caught:
        compare_runs(one, other)
    assert one.run_id in str(caught.value)
    unknown = stored(place, {"a": scored(0)}, None)
    with pytest.raises(UsageError, match="made on different images"):
        compare_runs(unknown, unknown)


def test_a_run_without_results_is_refused(place: Workspace) -> None:
    one = stored(place, {"a": scored(0)})
    empty = RunDirectory.create(place, RunConfig(data="tiles", method="patchcore"))
    empty.write_record(one.record())
    with pytest.raises(RunError):
        compare_runs(one, empty)


def test_runs_stored_before_summaries_have_image_metrics(place: Workspace) -> None:
    """Their metrics table has no columns for conventions and types either."""
    one = stored(place, {"a": scored(0)})
    (one.path / RunDirectory.SUMMARIES).unlink()
    metrics = one.read_table(RunDirectory.METRICS)
    exact = pc.and_(
        pc.equal(metrics["convention"], "exact"),
        pc.equal(metrics["anomaly_type"], ""),
    )
    old = metrics.filter(exact).drop_columns(["convention", "anomaly_type", "bound_low"])
    one.write_table(RunDirectory.METRICS, old)
    new = stored(place, {"a": scored(0, lift=1.0)})
    rows = compare_runs(one, new, resamples=30)
    assert {row.metric for row in rows} == set(NINE[:3])
    assert compare_runs(new, new, resamples=30)[0].p == 1
