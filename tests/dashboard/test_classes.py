"""The By class page: its sentences, grids, kinds of flaw, sizes, contrast and seeds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from stores import BAD, SIZE, Store, add_run, auroc, filled, make_data, scores
from visiting import text, visit

from core import thresholds
from core.data import catalogue, prepared
from core.engine.tables import REGIONS
from core.metrics.cases import recall
from core.metrics.seeds import Sources
from core.metrics.size_curve import size_curve
from core.runs import RunDirectory
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import by_class, class_marks, class_words, flaw_sizes, queries, results
from dashboard.flaw_sizes import Asked
from dashboard.ranking import Interval
from dashboard.words import CLINIC, GENERAL, PLANT

METHODS: list[Any] = []


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods are read once, not once a workspace."""
    if not METHODS:
        METHODS.extend(queries.methods())
    monkeypatch.setattr(queries, "methods", lambda: METHODS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("classes"))


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


def test_the_page_opens_with_where_it_is_good_and_where_it_is_not(store: Store) -> None:
    said = text(visit("classes", run=store.runs["patchcore"]))
    values = {n: auroc(*scores("patchcore", 0, n)) for n in ("board", "scan", "tile")}
    assert "is best on" in said and f"{max(values.values()):.3f}" in said
    assert "board" in said and "does not tell anomalous from good images surely better" in said


def test_two_runs_stand_side_by_side_and_their_difference_is_told(store: Store) -> None:
    a, b = store.runs["patchcore"], store.runs["rd"]
    test = visit("classes", run=a, **{"with": [b], "class": "tile"})
    said = text(test)
    assert "The chosen runs surely differ on" in said or "lie apart" in said
    assert test.query_params["with"] in (b, [b])
    assert "At its thresholds" in said and "oracle threshold" in said


def test_held_out_thresholds_are_named(store: Store) -> None:
    said = text(visit("classes", run=store.runs["deployed"], **{"class": "tile"}))
    assert "held-out threshold" in said and "oracle threshold" in said


def test_a_threshold_people_chose_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = results.Workspace(tmp_path / "workspace")
    run = add_run(workspace, make_data(tmp_path), "rd", classes=("board", "tile")).run_id
    thresholds.choose(workspace, "", run, "tile", 11.0, name="night shift")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    said = text(visit("classes", run=run, **{"class": "tile"}))
    assert "chosen threshold “night shift” 11" in said and "oracle threshold" in said
    source = results.source()
    assert class_marks.used(source, run, "tile") == "chosen"
    assert class_marks.used(source, run, "board") == "oracle"
    assert class_marks.used(source, run, None) == "chosen, oracle"


def test_a_class_without_masks_says_so_and_goes_on(store: Store) -> None:
    said = text(visit("classes", run=store.runs["rd"], **{"class": "scan"}))
    assert "has no masks" in said
    assert "No single flaws are stored here" in said


def test_words_are_those_people_chose(store: Store) -> None:
    said = text(visit("classes", run=store.runs["rd"], words="plant"))
    assert "defective from good parts" in said and "Kinds of defect" in said


def test_a_link_to_a_failed_run_says_so(store: Store) -> None:
    assert "did not end well" in text(visit("classes", run=store.runs["failed"]))


def test_the_run_page_leads_here(store: Store) -> None:
    test = visit("run", run=store.runs["rd"])
    assert any("classes" in str(link.proto) for link in test.get("page_link"))


# -- sentences ----------------------------------------------------------------------------------


def test_overlapping_ends_are_not_called_an_order() -> None:
    near = {"a": Interval(0.9, 0.85, 0.95), "b": Interval(0.88, 0.8, 0.93)}
    said = class_words.finding(["X"], {"X": near}, near, "Image AUROC", GENERAL)
    assert "the order of the two is open" in said
    assert "On every class it tells anomalous from good images surely better than chance." in said
    far = near | {"b": Interval(0.5, 0.4, 0.6)}
    said = class_words.finding(["X"], {"X": far}, far, "Image AUROC", CLINIC)
    assert "open" not in said
    assert "On b it does not tell diseased from healthy patients surely better than chance" in said


def test_runs_differ_only_where_intervals_lie_apart() -> None:
    first = {"a": Interval(0.9, 0.85, 0.95), "b": Interval(0.7, 0.6, 0.8)}
    second = {"a": Interval(0.8, 0.7, 0.84), "b": Interval(0.65, 0.5, 0.75)}
    said = class_words.finding(["X", "Y"], {"X": first, "Y": second}, first, "AP", GENERAL)
    assert "surely differ on a: X 0.900 against Y 0.800" in said
    said = class_words.finding(["X", "Y"], {"X": first, "Y": first}, first, "AP", GENERAL)
    assert "On no class do their intervals of AP lie apart." in said
    bare = {"a": Interval(0.9), "b": Interval(0.5)}
    said = class_words.finding(["X", "Y"], {"X": bare, "Y": bare}, {}, "AP", GENERAL)
    assert "left open" in said


def test_one_class_and_no_value_are_told() -> None:
    one = {"a": Interval(0.9, 0.8, 0.95)}
    assert "one class with a value, a" in class_words.finding(["X"], {"X": one}, one, "AP", GENERAL)
    assert "cannot be computed" in class_words.finding(["X"], {"X": {}}, {}, "AP", GENERAL)


def test_the_ninety_percent_point_in_words() -> None:
    size = np.arange(1.0, 101.0)
    curve = size_curve(size, size >= 50, np.arange(100))
    said = class_words.reached(curve, "px", 100, PLANT)
    assert "Nine in ten defects are found from 52 px = 0.52 % of the image on" in said
    assert "counted, 48 of 48 from there on." in said
    open_end = replace(curve, reach_high=None)
    assert "to beyond the largest" in class_words.reached(open_end, "px", None, PLANT)
    doubtful = replace(curve, beyond=recall(10, 48))
    assert "does not fit here" in class_words.reached(doubtful, "px", None, PLANT)
    falling = size_curve(size, size < 50, np.arange(100))
    assert "Size does not help" in class_words.reached(falling, "px", None, GENERAL)
    assert "Every one of 100 flaws is found" in class_words.reached(
        size_curve(size, size > 0, np.arange(100)), "px", None, GENERAL
    )
    rare = size_curve(np.tile(size, 2), np.repeat([False, True], 100) & (np.tile(size, 2) > 70),
                      np.arange(200))  # fmt: skip
    assert "Never reaches nine in ten" in class_words.reached(rare, "contrast", None, GENERAL)


def test_seeds_against_classes() -> None:
    assert "one seed only" in class_words.seeds("X", 1, None, "AP")
    assert "classes matter more" in class_words.seeds("X", 2, Sources(0.01, 0.2), "AP")
    assert "seeds matter more" in class_words.seeds("X", 2, Sources(0.2, 0.01), "AP")
    assert "about alike" in class_words.seeds("X", 3, Sources(0.1, 0.11), "AP")


# -- grids and marks ----------------------------------------------------------------------------


def test_the_grid_holds_values_intervals_reasons_and_links(store: Store) -> None:
    source, run = results.source(), store.runs["rd"]
    metrics = results.metrics(source, (run,))
    rows = by_class.metric_rows(
        metrics, run, ["scan", "tile"], ["image_auroc", "pixel_auroc"], {}, query={"run": run}
    )
    scan, tile, mean = rows
    assert tile.entries[1].sort == pytest.approx(auroc(*scores("rd", 0, "tile")))
    assert " to " in tile.entries[1].below and tile.entries[1].ground
    assert scan.entries[2].text == "–" and "no masks" in scan.entries[2].help
    assert mean.fixed and tile.href == f"classes?run={run}&class=tile"
    (line, *_rest) = by_class.metric_rows(metrics, run, ["tile"], ["image_fpr95"], {})
    assert line.entries[1].sort == 0.5 and not line.entries[1].ground, "lower is better"
    assert by_class.at_oracle(metrics) >= {"pixel_dice", "region_min_size"}
    assert "aupimo" not in by_class.at_oracle(metrics)
    other = store.runs["patchcore"]
    looks = by_class.looks([run, other], {run: "RD", other: "P"}, results.runs(source))
    both = results.metrics(source, (run, other))
    (line, *_rest) = by_class.run_rows(both, looks, ["tile"], "image_auroc")
    assert [one.sort for one in line.entries[1:]] == pytest.approx(
        [auroc(*scores(method, 0, "tile")) for method in ("rd", "patchcore")]
    )


def test_runs_of_one_method_differ_by_their_dash() -> None:
    runs = pd.DataFrame({"run_id": ["a", "b", "c"], "method": ["rd", "patchcore", "rd"]})
    found = by_class.looks(["a", "b", "c"], {"a": "A", "b": "B", "c": "C"}, runs)
    assert [one.dash for one in found] == ["solid", "solid", "dash"]
    assert found[0].colour == found[2].colour != found[1].colour


def test_a_threshold_lies_on_its_curve() -> None:
    judged = pd.DataFrame({"score": [1.0, 2, 3, 4, 5], "label": [0, 0, 1, 0, 1]})
    mark = class_marks.image_mark(judged, "roc", "r", 3.0, "oracle threshold")
    assert (mark.x, mark.y) == (pytest.approx(1 / 3), 1.0)
    mark = class_marks.image_mark(judged, "pr", "r", 3.0, "oracle threshold")
    assert (mark.x, mark.y) == (1.0, pytest.approx(2 / 3))
    found, flagged = class_marks.at_threshold(judged, 4.5)
    assert (found.found, found.cases, flagged.found, flagged.cases) == (1, 2, 0, 3)
    curve = pd.DataFrame({"x": [0, 0.1, 0.4], "y": [0, 0.5, 0.9], "position": [0, 1, 2],
                          "threshold": [np.nan, 7.0, 3.0]})  # fmt: skip
    assert class_marks.mark_on(curve, "r", 5.0, "oracle threshold")[1:3] == (0.1, 0.5)
    assert class_marks.mark_on(curve, "r", 8.0, "oracle threshold") is None


def test_kinds_are_counted_and_sized(store: Store) -> None:
    source, run = results.source(), store.runs["rd"]
    judged = results.judged(source, run)
    table = by_class.kinds(judged, by_class.regions(source, run)).set_index(
        ["class_name", "anomaly_type"]
    )
    assert table.loc[("tile", "crack"), "images"] == BAD / 2
    assert table.loc[("tile", "crack"), "median_px"] > 0
    assert pd.isna(table.loc[("scan", "lesion"), "median_px"])
    found = by_class.found_of_kind(judged)[("tile", "crack")]
    assert found.cases == BAD // 2 and 0 <= found.low <= found.share <= found.high <= 1
    entry = by_class.found_entry(found)
    assert entry.bar[0][0] + entry.bar[1][0] == pytest.approx(1)
    assert f"{found.found} of {found.cases}" in entry.below
    assert by_class.found_entry(None).text == "–"


def test_seeds_of_one_configuration_are_found(store: Store) -> None:
    source = results.source()
    runs = results.runs(source)
    group = by_class.siblings(runs, store.runs["patchcore-seed1"])
    assert list(group["seed"]) == [0, 1]
    metrics = results.metrics(source, tuple(group["run_id"]))
    table = by_class.seed_values(metrics, group, ["board", "tile"], "image_auroc")
    assert table.loc["tile", 1] == pytest.approx(auroc(*scores("patchcore", 1, "tile")))
    assert list(by_class.siblings(runs, store.runs["rd"])["seed"]) == [0]
    assert by_class.without_seed("RD, unified, seed 12") == "RD, unified"


def test_seeds_are_weighed_on_the_page_and_more_are_offered(store: Store) -> None:
    said = text(visit("classes", run=store.runs["patchcore"]))
    assert "Over two seeds of PatchCore" in said
    test = visit("classes", run=store.runs["rd"])
    assert "one seed only" in text(test)
    assert any("new_run" in str(link.proto) for link in test.get("page_link"))


# -- size and contrast --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run whose regions are those its data set has at the run's size."""
    root = tmp_path_factory.mktemp("sized")
    store = filled(root)
    dataset = catalogue.open_dataset(str(store.data_root), store.workspace)
    ready = prepared.prepare(dataset, SIZE, store.workspace)
    rows = []
    for row in ready.rows(split="test"):
        sample, areas = ready.samples[row], np.bincount(ready.regions([row])[0].ravel())[1:]
        rows += [
            {"class_name": sample.class_name, "key": sample.key, "region": i, "area_px": int(area),
             "peak": 12.0, "rating": None, "found": 0.3, "hit": int(sample.key[-5]) % 2 == 0,
             "recall": [0.0, 0.0, 0.05, 0.1, 0.2, 0.5, 0.7, 1.0]}
            for i, area in enumerate(areas)
        ]  # fmt: skip
    run = RunDirectory.open(store.workspace, store.runs["rd"])
    run.write_table(RunDirectory.REGIONS, pa.Table.from_pylist(rows, schema=REGIONS))
    (store.workspace.root / "flawscope.duckdb").unlink(missing_ok=True)
    return store


@pytest.fixture
def flawed(sized: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(sized.workspace.root))
    return sized


def test_a_flaw_is_found_by_the_rule_asked_for(flawed: Store) -> None:
    source, run = results.source(), flawed.runs["rd"]

    def hits(level: str, amount: str) -> int:
        return int(flaw_sizes.flaws(source, run, Asked("tile", "px", level, amount))["hit"].sum())

    assert hits("f1", "any") == BAD / 2  # every second one is hit
    assert hits("f1", "half") == 0 and hits("f1", "tenth") == BAD  # 0.3 of each is found
    assert hits("0.0001", "any") == 0
    assert hits("0.001", "any") == BAD and hits("0.001", "tenth") == 0  # 0.05 of each
    assert hits("0.01", "tenth") == BAD and hits("0.01", "half") == 0  # 0.2 of each


def test_sizes_in_three_units_agree(flawed: Store) -> None:
    source, run = results.source(), flawed.runs["rd"]
    px, share, original = (
        flaw_sizes.flaws(source, run, Asked("tile", unit, "f1", "any"))["size"].to_numpy()
        for unit in ("px", "share", "original")
    )
    assert share == pytest.approx(100 * px / SIZE**2)
    assert original == pytest.approx(px * 64 * 48 / SIZE**2)
    assert flaw_sizes.units_of({256, 320}, known=False) == ["share", "contrast"]
    assert flaw_sizes.units_of({256}, known=True)[0] == "px"


def test_contrast_is_measured_when_it_is_asked_for_and_kept(flawed: Store) -> None:
    source, run = results.source(), flawed.runs["rd"]
    said = text(visit("classes", run=run, against="contrast", **{"class": "tile"}))
    assert "flaws" in said and "left out" not in said
    made = flaw_sizes.made_on(source, run)
    assert flaw_sizes.contrasts(source, made.fingerprint, SIZE) is not None
    found = flaw_sizes.flaws(source, run, Asked("tile", "contrast", "f1", "any"))
    assert len(found) == BAD, "areas agree, so no region is left out"
    assert found["size"].between(1, 100).all()


def test_a_deleted_data_set_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(tmp_path)
    store = Store(results.Workspace(tmp_path / "workspace"), data, {})
    run = add_run(store.workspace, data, "rd").run_id
    shutil.rmtree(data)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(store.workspace.root))
    said = text(visit("classes", run=run, against="contrast", **{"class": "tile"}))
    assert "are gone" in said and "put the folder back" in said
    assert "At its thresholds" in said and "one seed only" in said


def test_a_run_stored_before_regions_were_kept_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path)
    workspace = results.Workspace(tmp_path / "workspace")
    run = add_run(workspace, data, "rd", classes=("tile",), old=True).run_id
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    said = text(visit("classes", run=run))
    assert "stored before they were kept" in said and "one class" in said
