"""Rows follow the run directories: idempotent, rebuilt the same, damage kept to its own run."""

from __future__ import annotations

import json
import logging
import shutil
from typing import Any

import pyarrow.parquet as pq
import pytest

from core import thresholds
from core.errors import RunError
from core.runs import GONE, RunDirectory, all_runs
from core.store import ingest
from core.store.connection import fetch, version
from core.workspace import Workspace

TABLES = ("runs", "configs", "metrics", "curves", "cases", "datasets", "samples", "ingested")


def everything(workspace: Workspace) -> dict[str, list[str]]:
    """All rows of all tables, as text, order aside."""
    rows = fetch(
        workspace,
        " UNION ALL ".join(f"SELECT '{t}' AS name, r::VARCHAR AS row FROM {t} r" for t in TABLES)
        + " ORDER BY ALL",
    )
    return {name: list(rows["row"][rows["name"] == name]) for name in TABLES}


def count(workspace: Workspace, table: str) -> int:
    return int(fetch(workspace, f"SELECT count(*) AS n FROM {table}")["n"][0])


def one(workspace: Workspace, sql: str) -> Any:
    return fetch(workspace, sql).iloc[0, 0]


def test_a_succeeded_run_arrives_whole(workspace: Workspace, make_run) -> None:
    run = make_run(seed=3)
    ingest.ingest(workspace, run)
    row = fetch(workspace, "SELECT * FROM runs").iloc[0]
    assert (row["run_id"], row["state"], row["dataset"]) == (run.run_id, "succeeded", "tiles")
    assert (row["seed"], row["batch_size"], row["backbone"]) == (3, 8, "resnet18")
    assert (row["weights_sha256"], row["pretrained"]) == ("ab", True)
    assert row["classes"] == ["a", "b"]
    assert row["seconds"] == 12.5
    assert row["group_id"] == run.record().group_id
    assert row["finished_at"].isoformat() == "2026-03-01T10:01:00+00:00"
    assert count(workspace, "cases") == 3
    assert count(workspace, "curves") == 3
    assert one(workspace, "SELECT value FROM metrics WHERE metric = 'pixel_auroc'") == 0.5
    assert one(workspace, "SELECT count(*) FROM metrics WHERE value IS NULL") == 1
    keyed = fetch(workspace, "SELECT key, value FROM configs").set_index("key")["value"]
    assert json.loads(keyed["method_config.neighbours"]) == 9
    assert json.loads(keyed["versions.torch"]) == "2.15"
    assert json.loads(keyed["classes"]) == []
    dataset = fetch(workspace, "SELECT * FROM datasets").iloc[0]
    assert (dataset["samples"], dataset["source"]) == (4, run.run_id)
    assert dataset["classes"] == ["a", "b"]
    masks = fetch(workspace, "SELECT masks FROM samples WHERE label = 1")["masks"]
    assert list(masks) == [["a/gt/m.png"]]


def test_ingesting_twice_changes_nothing(workspace: Workspace, make_run) -> None:
    runs = [make_run(seed=seed) for seed in range(2)]
    for run in runs:
        ingest.ingest(workspace, run)
    once = everything(workspace)
    for run in reversed(runs):
        ingest.ingest(workspace, run)
    assert everything(workspace) == once


def test_index_gives_the_same_rows_as_refresh(workspace: Workspace, make_run) -> None:
    make_run()
    make_run("rd", state="failed", tables=False)
    assert ingest.refresh(workspace) == 2
    make_run("simplenet", state="cancelled", fingerprint="f2")
    # The same data seen by a later run in another way: the oldest run's samples stand.
    later = make_run(scores=(0.3, 0.4))
    make_run("rd", state="queued")
    assert ingest.refresh(workspace) == 2
    followed = everything(workspace)
    assert len(followed["runs"]) == 4
    assert any("simplenet" in row and "cancelled" in row for row in followed["runs"])
    assert len(followed["samples"]) == 8
    assert ingest.index(workspace) == 4
    assert everything(workspace) == followed
    workspace.store.unlink()
    assert ingest.refresh(workspace) == 4
    assert everything(workspace) == followed
    workspace.store.unlink()
    ingest.ingest(workspace, later)
    ingest.refresh(workspace)
    assert everything(workspace) == followed


def test_refresh_with_nothing_new_writes_nothing(workspace: Workspace, make_run) -> None:
    make_run()
    make_run("rd", state="running")  # its process is gone: reported as failed
    assert ingest.refresh(workspace) == 2
    before = version(workspace)
    assert ingest.refresh(workspace) == 0
    assert version(workspace) == before


def test_queued_and_running_runs_stay_out(workspace: Workspace, make_run) -> None:
    make_run(state="queued")
    running = make_run(state="running")
    running.claim("cpu")
    assert ingest.refresh(workspace) == 0
    assert ingest.index(workspace) == 0
    running.update_status(state="succeeded")
    assert ingest.refresh(workspace) == 1


def test_a_resumed_run_leaves_until_it_ends_again(workspace: Workspace, make_run) -> None:
    run = make_run(state="failed")
    ingest.refresh(workspace)
    run.update_status(state="queued", error=None)
    assert ingest.refresh(workspace) == 1
    assert count(workspace, "runs") == count(workspace, "cases") == 0
    assert count(workspace, "samples") == 0
    run.update_status(state="succeeded")
    ingest.refresh(workspace)
    assert one(workspace, "SELECT state FROM runs") == "succeeded"
    assert count(workspace, "samples") == 4


def test_a_dead_run_is_failed_with_the_reason(workspace: Workspace, make_run) -> None:
    make_run(state="running", tables=False)
    ingest.refresh(workspace)
    row = fetch(workspace, "SELECT state, error FROM runs").iloc[0]
    assert tuple(row) == ("failed", GONE)


def test_a_deleted_directory_vanishes_and_hands_its_samples_on(
    workspace: Workspace, make_run
) -> None:
    first, second = make_run(), make_run(scores=(0.3, 0.4))
    ingest.refresh(workspace)
    assert one(workspace, "SELECT source FROM datasets") == first.run_id
    shutil.rmtree(first.path)
    assert ingest.refresh(workspace) == 1
    assert list(fetch(workspace, "SELECT run_id FROM runs")["run_id"]) == [second.run_id]
    expected = len(second.read_table(RunDirectory.SAMPLES))
    assert one(workspace, "SELECT source FROM datasets") == second.run_id
    assert count(workspace, "samples") == expected
    followed = everything(workspace)
    ingest.index(workspace)
    assert everything(workspace) == followed
    shutil.rmtree(second.path)
    ingest.refresh(workspace)
    assert sum(map(len, everything(workspace).values())) == 0


DAMAGE = {
    "config.json": b"{",
    "status.json": b"null",
    "cases.parquet": b"PAR1 and no more",
    "metrics.parquet": b"",
    "samples.parquet": b"PAR1PAR1",
}


@pytest.mark.parametrize("file", DAMAGE)
def test_a_damaged_directory_never_blocks_the_others(
    workspace: Workspace, make_run, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, sound = make_run(), make_run()
    (damaged.path / file).write_bytes(DAMAGE[file])
    with caplog.at_level(logging.WARNING):
        ingest.refresh(workspace)
    assert damaged.run_id in caplog.text
    assert file in caplog.text
    assert list(fetch(workspace, "SELECT run_id FROM runs")["run_id"]) == [sound.run_id]
    caplog.clear()
    assert ingest.refresh(workspace) == 0
    assert caplog.text == "", "a damaged run is complained about once"
    followed = everything(workspace)
    assert ingest.index(workspace) == 1
    assert everything(workspace) == followed
    with pytest.raises(RunError, match=file):
        ingest.ingest(workspace, damaged)


def test_a_table_without_a_needed_column_is_damaged(workspace: Workspace, make_run) -> None:
    run = make_run()
    path = run.path / RunDirectory.CASES
    pq.write_table(pq.read_table(path).drop_columns(["label"]), path)
    with pytest.raises(RunError, match=r"cases\.parquet has no column label"):
        ingest.ingest(workspace, run)


def test_a_table_without_an_optional_column_has_nulls(workspace: Workspace, make_run) -> None:
    run = make_run()
    path = run.path / RunDirectory.CASES
    pq.write_table(pq.read_table(path).drop_columns(["latency_ms"]), path)
    ingest.ingest(workspace, run)
    assert one(workspace, "SELECT count(*) FROM cases WHERE latency_ms IS NULL") == 3


def test_facts_that_are_no_numbers_become_null(workspace: Workspace, make_run) -> None:
    run = make_run()
    run.update_status(facts={"seconds": "long", "parameters": 5.0, "images_per_second": True})
    ingest.ingest(workspace, run)
    row = fetch(workspace, "SELECT seconds, parameters, images_per_second FROM runs")
    assert row["parameters"][0] == 5
    assert row[["seconds", "images_per_second"]].isna().all(axis=None)


def test_every_column_of_the_tables_is_filled(workspace: Workspace, make_run) -> None:
    """A column that no run ever fills is a spelling mistake somewhere."""
    run = make_run()
    run.update_status(
        facts={
            "seconds": 1.0,
            "train_seconds": 1.0,
            "images_per_second": 1.0,
            "peak_memory_bytes": 1,
            "parameters": 1,
        }
    )
    ingest.refresh(workspace)
    row = fetch(workspace, "SELECT * FROM runs").iloc[0]
    missing = {
        name for name, value in row.items() if not isinstance(value, list) and value != value
    }
    assert {n for n in missing if n not in {"epochs", "error"}} == set()
    assert len(all_runs(workspace)) == 1


def test_an_edition_never_promises_what_the_store_does_not_hold(
    workspace: Workspace, make_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written between two steps of a look: the look may know it, its number may not."""
    run = make_run()
    ingest.edition(workspace)
    plain = ingest._refresh_runs

    def meanwhile(place: Workspace) -> Any:
        thresholds.choose(place, "Ann", run.run_id, "a", 3.0, name="day shift")
        return plain(place)

    monkeypatch.setattr(ingest, "_refresh_runs", meanwhile)
    during = ingest.edition(workspace)
    monkeypatch.setattr(ingest, "_refresh_runs", plain)
    held = count(workspace, "people")
    assert (held, ingest.edition(workspace) == during) == (0, False)
    assert count(workspace, "people") == 1
