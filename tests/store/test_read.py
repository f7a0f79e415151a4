"""Each question the pages ask, against rows known by hand."""

from __future__ import annotations

import math

import pytest

from core.store import ingest, read
from core.workspace import Workspace


@pytest.fixture
def stored(workspace: Workspace, make_run) -> dict[str, str]:
    """Run ids by what they are for."""
    ids = {
        "a": make_run(seed=0).run_id,
        "b": make_run("rd", seed=1, scores=(0.5, 0.6, 0.7), auroc=0.25).run_id,
        "other": make_run("rd", fingerprint="f2").run_id,
        "failed": make_run("simplenet", state="failed", tables=False).run_id,
    }
    ingest.refresh(workspace)
    return ids


def test_an_empty_store_gives_empty_frames_with_columns(workspace: Workspace) -> None:
    frames = {
        "run_id": [
            read.runs(workspace),
            read.run(workspace, "x"),
            read.metrics(workspace, []),
            read.class_metrics(workspace, ["x"]),
            read.leaderboard(workspace),
            read.leaderboard(workspace, "tiles"),
            read.curves(workspace, ["x"], "roc"),
            read.cases(workspace, "x"),
            read.case_pairs(workspace, ["x"]),
            read.configs(workspace, ["x"]),
        ],
        "fingerprint": [read.samples(workspace, "x"), read.datasets(workspace)],
    }
    for column, found in frames.items():
        for frame in found:
            assert frame.empty
            assert column in frame.columns


def test_runs_are_newest_first(workspace: Workspace, stored: dict[str, str]) -> None:
    times = list(read.runs(workspace)["created_at"])
    assert len(times) == 4
    assert times == sorted(times, reverse=True)
    assert list(read.run(workspace, stored["failed"])["error"]) == ["It broke."]


def test_leaderboard_is_wide_and_holds_succeeded_runs(
    workspace: Workspace, stored: dict[str, str]
) -> None:
    board = read.leaderboard(workspace)
    assert set(board["run_id"]) == {stored["a"], stored["b"], stored["other"]}
    row = board.set_index("run_id").loc[stored["b"]]
    assert row[["image_auroc", "image_auroc_low", "image_auroc_high"]].tolist() == [
        0.25,
        0.65,
        0.85,
    ]
    assert row["pixel_auroc"] == 0.5
    assert math.isnan(row["pixel_auroc_low"])
    assert row["classes"] == ["a", "b"]
    assert len(read.leaderboard(workspace, "tiles")) == 3
    assert read.leaderboard(workspace, "elsewhere").empty
    assert read.leaderboard(workspace, "tiles' OR '1'='1").empty


def test_a_run_without_metrics_keeps_its_row(workspace: Workspace, make_run) -> None:
    make_run(tables=False)
    full = make_run()
    ingest.refresh(workspace)
    board = read.leaderboard(workspace).set_index("run_id")
    assert board.loc[full.run_id, "image_auroc"] == 0.75
    assert board["image_auroc"].isna().sum() == 1


def test_metrics_of_classes_leave_the_mean_out(
    workspace: Workspace, stored: dict[str, str]
) -> None:
    both = [stored["a"], stored["b"]]
    assert len(read.metrics(workspace, both)) == 8
    classes = read.class_metrics(workspace, both)
    assert sorted(classes["class_name"]) == ["a", "a", "b", "b"]
    missing = classes[classes["value"].isna()]
    assert set(missing["note"]) == {"one class of label only"}
    assert set(classes["method"]) == {"patchcore", "rd"}


def test_curves_come_in_drawing_order(workspace: Workspace, stored: dict[str, str]) -> None:
    curve = read.curves(workspace, [stored["a"]], "roc", "a")
    assert list(curve["x"]) == [0.0, 0.5, 1.0]
    assert list(curve["y"]) == [0.0, 0.75, 1.0]
    assert read.curves(workspace, [stored["a"]], "pr").empty
    assert read.curves(workspace, [stored["a"]], "roc", "b").empty
    assert len(read.curves(workspace, [stored["a"], stored["b"]], "roc")) == 6


def test_cases_are_in_map_order(workspace: Workspace, stored: dict[str, str]) -> None:
    cases = read.cases(workspace, stored["b"])
    assert list(cases["row"]) == [0, 1, 2]
    assert list(cases["score"]) == [0.5, 0.6, 0.7]


def test_case_pairs_join_runs_on_the_same_data_only(
    workspace: Workspace, stored: dict[str, str]
) -> None:
    ids = [stored["a"], stored["b"], stored["other"]]
    pairs = read.case_pairs(workspace, ids)
    assert set(pairs["run_id"]) == {stored["a"], stored["b"]}
    wide = pairs.pivot(index="key", columns="run_id", values="score")
    assert wide[stored["a"]].tolist() == [0.1, 0.2, 0.9]
    assert wide[stored["b"]].tolist() == [0.5, 0.6, 0.7]
    assert read.case_pairs(workspace, [stored["a"]]).empty
    assert read.case_pairs(workspace, [stored["a"], stored["other"]]).empty


def test_samples_and_datasets(workspace: Workspace, stored: dict[str, str]) -> None:
    found = read.datasets(workspace).set_index("fingerprint")
    assert found["runs"].to_dict() == {"f1": 3, "f2": 1}  # the failed run knew its data, too
    samples = read.samples(workspace, "f2")
    assert list(samples["class_name"]) == ["a", "a", "a", "b"]
    assert set(samples["split"]) == {"train", "test"}


def test_configs_show_what_was_asked_for(workspace: Workspace, stored: dict[str, str]) -> None:
    found = read.configs(workspace, [stored["a"], stored["b"]])
    wide = found.pivot(index="key", columns="run_id", values="value")
    assert wide.loc["seed"].to_dict() == {stored["a"]: "0", stored["b"]: "1"}
    assert wide.loc["method_config.coreset_ratio", stored["a"]] == "0.1"
