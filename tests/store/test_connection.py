"""One writer, many readers, in one process and in several; damaged and foreign files."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import numpy as np
import pytest

from core.errors import StoreError
from core.store.connection import fetch, version, write
from core.workspace import Workspace

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from core.runs import RunDirectory
from core.store import ingest
from core.workspace import Workspace
place = Workspace.locate(sys.argv[1])
for run_id in sys.argv[2:]:
    ingest.ingest(place, RunDirectory.open(place, run_id))
"""


def note(workspace: Workspace, run_id: str) -> None:
    write(
        workspace,
        lambda c: c.execute("INSERT INTO configs VALUES (?, 'k', '1')", [run_id]).fetchall(),
    )


def noted(workspace: Workspace) -> list[str]:
    return list(fetch(workspace, "SELECT run_id FROM configs ORDER BY run_id")["run_id"])


def test_a_missing_store_answers_like_an_empty_one(workspace: Workspace) -> None:
    assert noted(workspace) == []
    assert workspace.store.exists()


def test_a_failed_action_leaves_no_trace(workspace: Workspace) -> None:
    note(workspace, "one")
    before = version(workspace)

    def half(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("DELETE FROM configs")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(workspace, half)
    assert noted(workspace) == ["one"]
    counter = fetch(workspace, "SELECT value FROM store WHERE key = 'version'")["value"][0]
    assert counter == 1
    with pytest.raises(StoreError, match="refused a change"):
        write(workspace, lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
    note(workspace, "two")
    assert version(workspace) != before


def test_version_changes_with_every_write_and_with_nothing_else(workspace: Workspace) -> None:
    seen = {version(workspace)}
    for name in "abc":
        note(workspace, name)
        now = version(workspace)
        assert now not in seen
        noted(workspace)
        assert version(workspace) == now
        seen.add(now)
    workspace.store.unlink()
    assert version(workspace) not in seen


def test_numpy_values_and_lists_are_bound(workspace: Workspace) -> None:
    found = fetch(
        workspace,
        "SELECT ?::BIGINT AS a, ?::DOUBLE AS b, ?::VARCHAR[] AS c, ?::VARCHAR AS d",
        [np.int64(7), np.float32(0.5), np.array(["x", "y"]), "'; DROP TABLE runs; --"],
    )
    row = found.iloc[0]
    assert (row["a"], row["b"], row["c"]) == (7, 0.5, ["x", "y"])
    assert row["d"] == "'; DROP TABLE runs; --"
    assert fetch(workspace, "SELECT count(*) AS n FROM runs")["n"][0] == 0


def test_a_wrong_query_is_one_sentence(workspace: Workspace) -> None:
    with pytest.raises(StoreError, match="could not answer"):
        fetch(workspace, "SELECT nothing FROM nowhere")


@pytest.mark.parametrize("content", [b"", b"not a database " * 500, None])
def test_a_damaged_file_is_kept_aside_and_begun_anew(
    workspace: Workspace, content: bytes | None
) -> None:
    note(workspace, "lost")
    data = workspace.store.read_bytes()
    workspace.store.write_bytes(data[:6000] if content is None else content)
    damaged = workspace.store.read_bytes()
    assert noted(workspace) == []
    kept = list(workspace.root.glob("flawscope.duckdb.old-*"))
    assert [path.read_bytes() for path in kept] == [damaged]
    note(workspace, "new")
    assert noted(workspace) == ["new"]


def test_another_schema_or_a_foreign_file_is_moved_aside(workspace: Workspace) -> None:
    note(workspace, "old")
    write(workspace, lambda c: c.execute("UPDATE store SET value = 99 WHERE key = 'schema'"))
    assert noted(workspace) == []
    assert len(list(workspace.root.glob("*.old-*"))) == 1
    workspace.store.unlink()
    with duckdb.connect(str(workspace.store)) as foreign:
        foreign.execute("CREATE TABLE diary (day DATE)")
    note(workspace, "mine")
    assert noted(workspace) == ["mine"]
    assert len(list(workspace.root.glob("*.old-*"))) == 2


def test_an_unwritable_workspace_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "flawscope.duckdb.lock").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        note(Workspace(tmp_path / "ws"), "x")


def test_a_store_that_stays_in_use_is_one_sentence(workspace: Workspace) -> None:
    note(workspace, "x")
    script = (
        f"import duckdb, sys; c = duckdb.connect({str(workspace.store)!r});"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match="was in use"):
            fetch(workspace, "SELECT 1", timeout=0.3)
        with pytest.raises(StoreError, match="Could not set lock"):
            write(workspace, lambda c: None, timeout=0.3)
        other.communicate()
    assert noted(workspace) == ["x"]


def test_threads_of_one_process_write_and_read_at_once(workspace: Workspace) -> None:
    note(workspace, "first")
    errors: list[BaseException] = []
    counts: list[int] = []
    stop = threading.Event()

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        while not stop.is_set():
            counts.append(len(noted(workspace)))

    def add() -> None:
        for number in range(8):
            note(workspace, f"{threading.get_ident()}-{number}")

    readers = [threading.Thread(target=guarded, args=(read,)) for _ in range(3)]
    writers = [threading.Thread(target=guarded, args=(add,)) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert errors == []
    assert len(noted(workspace)) == 17
    assert counts, "the readers were starved"


def test_three_processes_ingest_while_this_one_reads(workspace: Workspace, make_run) -> None:
    ids = [make_run(seed=seed).run_id for seed in range(6)]
    groups = [ids[:2], ids[2:4], ids[4:]]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(workspace.root), *group * 3],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for group in groups
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        found = fetch(
            workspace,
            "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM cases) AS cases",
        ).iloc[0]
        assert found["cases"] == 3 * found["runs"], "a reader saw half an ingest"
        seen += 1
    assert [(w.returncode, w.communicate()[1]) for w in writers] == [(0, b"")] * 3
    assert sorted(fetch(workspace, "SELECT run_id FROM runs")["run_id"]) == sorted(ids)
    assert seen > 0


def test_a_writer_killed_after_its_commit_loses_nothing(workspace: Workspace) -> None:
    note(workspace, "before")
    before = version(workspace)
    script = f"""
import os, duckdb
c = duckdb.connect({str(workspace.store)!r})
c.execute("INSERT INTO configs VALUES ('killed', 'k', '1')")
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert version(workspace) != before
    assert noted(workspace) == ["before", "killed"]
    note(workspace, "after")
    assert noted(workspace) == ["after", "before", "killed"]
