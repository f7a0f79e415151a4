"""Comparisons are computed once: the kept file, both directions, changed runs, all pairs."""

from __future__ import annotations

import os
import statistics
from dataclasses import asdict
from statistics import NormalDist

import numpy as np
import pytest
from stores import Store, add_run, filled

from core import comparison
from core.comparison import (
    IMAGE_METRICS,
    compare_runs,
    kept_comparison,
    kept_matrix,
    mirrored,
    stored_comparison,
    stored_matrix,
)
from core.errors import UsageError
from core.metrics.base import NINE
from core.metrics.multiplicity import holm
from core.metrics.pairs import rarer
from core.metrics.resampling import two_sided_p
from core.runs import RunDirectory
from core.types import MEAN


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("kept"))


def run(store: Store, name: str) -> RunDirectory:
    return RunDirectory.open(store.workspace, store.runs[name])


def test_what_is_kept_equals_what_was_computed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = run(store, "patchcore"), run(store, "rd")
    assert stored_comparison(store.workspace, a, b) is None
    rows = kept_comparison(store.workspace, a, b)
    assert rows == compare_runs(a, b)
    monkeypatch.setattr(comparison, "compare", lambda *_: pytest.fail("computed again"))
    assert kept_comparison(store.workspace, a, b) == rows
    assert stored_comparison(store.workspace, b, a) == [mirrored(row) for row in rows]
    images = stored_comparison(store.workspace, a, b, "images")
    assert images == rows, "all nine serve those who ask for images alone"


def test_both_directions_tell_the_same(store: Store) -> None:
    a, b = run(store, "patchcore"), run(store, "deployed")
    there, back = compare_runs(a, b), compare_runs(b, a)
    for one, two in zip(there, back, strict=True):
        seen = asdict(mirrored(one))
        assert seen == pytest.approx(asdict(two), nan_ok=True) or _close(seen, asdict(two))


def _close(one: dict[str, object], two: dict[str, object]) -> bool:
    return all(
        value == pytest.approx(two[name]) if isinstance(value, float) else value == two[name]
        for name, value in one.items()
    )


def test_images_alone_are_the_same_numbers(store: Store) -> None:
    a, b = run(store, "patchcore-seed1"), run(store, "rd")
    images = kept_comparison(store.workspace, a, b, "images")
    assert {row.metric for row in images} == set(IMAGE_METRICS)
    full = {(row.class_name, row.metric): row for row in compare_runs(a, b)}
    assert all(full[row.class_name, row.metric] == row for row in images)
    assert stored_comparison(store.workspace, a, b) is None, "the nine are another matter"


def test_a_run_that_changes_is_compared_anew(store: Store) -> None:
    a, b = run(store, "deployed"), run(store, "rd")
    kept_comparison(store.workspace, a, b)
    folder = store.workspace.root / "cache" / "paired"
    mine = f"*{a.run_id}*-all-*" if a.run_id > b.run_id else f"{a.run_id}-*-all-*"
    assert len([p for p in folder.glob(mine) if b.run_id in p.name]) == 1
    os.utime(b.path / RunDirectory.CASES, (1, 1))
    assert stored_comparison(store.workspace, a, b) is None
    kept_comparison(store.workspace, a, b)
    assert len([p for p in folder.glob(mine) if b.run_id in p.name]) == 1, "the old one is gone"


def test_a_damaged_file_is_computed_again(store: Store) -> None:
    a, b = run(store, "patchcore"), run(store, "patchcore-seed1")
    rows = kept_comparison(store.workspace, a, b)
    (path,) = (store.workspace.root / "cache" / "paired").glob(f"{a.run_id}-{b.run_id}-*")
    path.write_bytes(b"half a file")
    assert stored_comparison(store.workspace, a, b) is None
    assert kept_comparison(store.workspace, a, b) == rows


@pytest.mark.parametrize("metric", ["image_auroc", "image_ap", "pixel_aupro", "mad"])
def test_all_pairs_equal_the_comparison_of_two(store: Store, metric: str) -> None:
    names = ("patchcore", "patchcore-seed1", "rd", "deployed")
    runs = {run(store, name).run_id: run(store, name) for name in names}
    assert stored_matrix(store.workspace, list(runs.values()), metric) is None
    found = kept_matrix(store.workspace, list(runs.values()), metric)
    assert len(found) == 6
    raw = []
    for (a, b), row in found.items():
        assert a < b
        (mean,) = [
            one
            for one in compare_runs(runs[a], runs[b], NINE)
            if one.class_name == MEAN and one.metric == metric
        ]
        for name in ("a", "b", "difference", "low", "high"):
            assert getattr(row, name) == pytest.approx(getattr(mean, name), abs=1e-12), name
        assert row.p is not None and mean.p is not None
        exhausted = mean.p == pytest.approx(2 / 1001)
        assert row.p == mean.p or (exhausted and row.p < mean.p)
        raw.append(row.p)
    assert [row.p_corrected for row in found.values()] == pytest.approx(holm(raw))
    assert stored_matrix(store.workspace, list(runs.values())[::-1], metric) == found


def test_runs_on_other_images_are_refused(store: Store) -> None:
    other = add_run(store.workspace, store.data_root, "rd", fingerprint="0000")
    with pytest.raises(UsageError, match="different images"):
        kept_comparison(store.workspace, run(store, "rd"), other)
    with pytest.raises(UsageError, match="different images"):
        kept_matrix(store.workspace, [run(store, "rd"), run(store, "patchcore"), other], "mad")


def test_a_run_stored_before_summaries_has_image_metrics(store: Store) -> None:
    old = add_run(store.workspace, store.data_root, "rd", seed=5, old=True)
    rows = kept_comparison(store.workspace, run(store, "rd"), old)
    assert {row.metric for row in rows} == set(IMAGE_METRICS)
    found = kept_matrix(store.workspace, [run(store, "rd"), old], "pixel_auroc")
    assert found == {}
    assert stored_matrix(store.workspace, [run(store, "rd"), old], "pixel_auroc") == {}


def test_where_no_draw_disagrees_the_normal_distribution_says_how_rare() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.1, 999)
    assert (draws > 0).all()
    counted = two_sided_p(draws)
    assert counted == pytest.approx(2 / 1000)
    sharper = rarer(counted, 0.5, draws)
    assert sharper is not None and sharper == pytest.approx(
        2 * NormalDist().cdf(-0.5 / statistics.stdev(draws)), rel=1e-6
    )
    assert 66 * sharper < 0.05 < 66 * counted, "a dozen runs have 66 pairs"
    mixed = np.concatenate([draws, [-0.1]])
    assert rarer(two_sided_p(mixed), 0.5, mixed) == two_sided_p(mixed), "a count that says enough"
    assert rarer(None, 0.5, draws) is None
    assert rarer(2 / 1000, 0.5, np.full(999, 0.5)) == 2 / 1000, "no spread, nothing to go by"
