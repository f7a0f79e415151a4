"""The Understand pages, empty, filled and in their failure states, through AppTest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stores import Store, add_run, filled, make_data
from tables import shown, table
from visiting import text, visit

from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import results

PAGES = ("leaderboard", "run", "inspect_cases", "compare")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("understand"))


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_workspace_says_what_will_be_here(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert "yet" in text(visit(page))


@pytest.mark.parametrize("page", PAGES)
def test_a_filled_workspace_opens(page: str, store: Store) -> None:
    visit(page)


def test_the_board_collapses_seeds_and_shows_intervals(store: Store) -> None:
    board = table(visit("leaderboard"), "Leaderboard")
    said = shown(board)
    assert "2 seeds" in said
    assert "0." in said and " to " in said
    # patchcore, simplenet and rd: one row each, whatever the number of runs
    assert len(board["rows"]) == 3
    assert all(line["href"].startswith("run?run=") for line in board["rows"])


def test_a_metric_without_masks_is_a_reason_not_a_zero(store: Store) -> None:
    said = text(visit("run", run=store.runs["patchcore"]))
    assert "no masks: scan has no pixel truth" in said
    assert "0.000" not in said


def test_one_run_links_its_classes_to_their_cases(store: Store) -> None:
    run = store.runs["rd"]
    assert f"inspect?run={run}&amp;class=tile" in text(visit("run", run=run))


def test_a_failed_run_says_what_happened_and_what_was_kept(store: Store) -> None:
    said = text(visit("run", run=store.runs["failed"]))
    assert "The loss became infinite in epoch 2" in said
    assert "kept" in said


def test_a_waiting_run_says_so(store: Store) -> None:
    assert "waits for its turn" in text(visit("run", run=store.runs["queued"]))


def test_oracle_and_held_out_thresholds_are_named(store: Store) -> None:
    assert "oracle" in text(visit("run", run=store.runs["rd"]))
    said = text(visit("inspect_cases", run=store.runs["deployed"]))
    assert "held-out" in said


def test_a_link_reopens_the_same_case(store: Store) -> None:
    query = {"run": store.runs["rd"], "class": "tile", "case": "tile/test/stain/005.png"}
    said = text(visit("inspect_cases", **query))
    assert "tile/test/stain/005" in said
    assert "64 × 48 px" in said


def test_an_unknown_case_or_run_is_no_error(store: Store) -> None:
    said = text(visit("inspect_cases", run="../../etc", case="../../etc/passwd", show="nonsense"))
    assert "case 1 of" in said


def test_next_goes_on_and_keeps_the_filters(store: Store) -> None:
    test = visit("inspect_cases", run=store.runs["rd"], show="all")
    next_case = next(button for button in test.button if button.key == "go-Next")
    next_case.click().run()
    assert not test.exception
    assert "case 2 of 42" in text(test)


def test_two_runs_give_one_verdict(store: Store) -> None:
    a, b = store.runs["rd"], store.runs["patchcore"]
    table = results.joined(results.source(), (a, b))
    differing = table[(table[f"outcome:{a}"] == "missed") & (table[f"outcome:{b}"] == "found")]
    key = differing.iloc[0]["key"]
    said = text(visit("inspect_cases", run=a, **{"with": b, "case": key}))
    assert "Missed by" in said and ", found by" in said


def test_compare_lists_what_only_one_finds(store: Store) -> None:
    a, b = store.runs["patchcore"], store.runs["rd"]
    said = text(visit("compare", a=a, b=b))
    assert "missed by" in said
    assert "Of 24 anomalous images both find" in said


def test_a_data_set_that_is_gone_leaves_scores_and_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, data = Workspace(tmp_path / "w"), make_data(tmp_path)
    run = add_run(workspace, data, "rd")
    shutil.rmtree(data)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    assert "is gone" in text(visit("inspect_cases", run=run.run_id))
    visit("run", run=run.run_id)


def test_one_class_without_masks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, data = Workspace(tmp_path / "w"), make_data(tmp_path)
    run = add_run(workspace, data, "rd", classes=("scan",))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    assert "no masks" in text(visit("run", run=run.run_id))
    assert "no mask" in text(visit("inspect_cases", run=run.run_id, show="missed first"))
    visit("leaderboard", by="pixel_auroc")


def test_inspect_opens_on_the_leading_run(store: Store) -> None:
    from dashboard import queries

    test = visit("inspect_cases")
    runs = results.runs(results.source())
    chosen = str(test.session_state["run"])
    data = runs.loc[runs["run_id"] == runs["run_id"].iloc[0], "fingerprint"].iloc[0]
    rivals = tuple(runs.loc[runs["fingerprint"] == data, "run_id"])
    scores = queries.means(rivals, "image_auroc")
    assert chosen in scores and scores[chosen][0] == max(value for value, _ in scores.values())
    assert chosen != runs["run_id"].iloc[0], "the leader of these runs is not the newest"
