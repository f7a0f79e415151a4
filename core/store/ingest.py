"""From run directories to rows of the store; every row can be made again from the directories.

Queued and running runs are not in the store: pages read those from disk. A run that ended is,
with whatever it has; a failed one may have no more than its row in `runs`. The samples of a
fingerprint come from the oldest run that has it, so that the order of ingesting plays no role.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core import people
from core.errors import RunError
from core.runs import RunDirectory, all_runs
from core.store.connection import fetch, schema_sql, write
from core.store.rows import (
    OF_A_RUN,
    Rows,
    load,
    people_mark,
    people_rows,
    read_file,
    stamp_of,
)
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)


def ingest(workspace: Workspace, run: RunDirectory) -> None:
    """Bring one run up to date in the store; doing it again changes nothing.

    A run that has not ended is taken out.

    Raises:
        RunError: the directory is damaged.
        StoreError: the store cannot be written.
    """
    rows = load(run)
    _replace(workspace, [run.run_id], [rows] if rows else [])


def refresh(workspace: Workspace) -> int:
    """Bring the store up to date with run directories and people's files; returns how many runs
    changed.

    Cheap when nothing is new. Damaged directories are left out with a warning, once.
    """
    refresh_people(workspace)
    return _refresh_runs(workspace)[0]


def edition(workspace: Workspace) -> int:
    """Bring the store up to date; a number that differs whenever runs or the thresholds that people
    chose do.

    What else people add (marks, saved comparisons) changes no result, so it does not count.
    """
    # The stamp comes first: what is written meanwhile may be in the store already, but an edition
    # never promises what the store does not hold yet, which caches would keep.
    counting = [mark for mark in people.stamp(workspace) if mark[0] == "thresholds"]
    refresh_people(workspace)
    _, stamps = _refresh_runs(workspace)
    digest = hashlib.sha256(repr((sorted(stamps.items()), counting)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _refresh_runs(workspace: Workspace) -> tuple[int, dict[str, str]]:
    """How many runs changed, and {run id: stamp} of all there are."""
    found = fetch(workspace, "SELECT run_id, stamp FROM ingested")
    held = dict(zip(found["run_id"], found["stamp"], strict=True))
    present = {run.run_id: run for run in all_runs(workspace)}
    stamps = {id: stamp_of(run) for id, run in present.items()}
    changed = [run for id, run in present.items() if held.get(id) != stamps[id]]
    loaded = _load_all(changed)
    stale = [id for id in held if id not in present]
    stale += [run.run_id for run in changed if run.run_id in held]
    if not stale and not loaded:
        return 0, stamps
    _replace(workspace, stale, loaded)
    return len({*stale, *(rows.run_id for rows in loaded)}), stamps


def index(workspace: Workspace) -> int:
    """Rebuild the whole store from the run directories; returns how many runs it holds."""
    loaded = _load_all(all_runs(workspace))

    def rebuild(connection: duckdb.DuckDBPyConnection) -> None:
        for table in (*OF_A_RUN, "ingested", "datasets", "samples", "people"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DELETE FROM store WHERE key = 'people'")
        connection.execute(schema_sql())
        _insert(connection, loaded)
        _settle_samples(connection, workspace)

    write(workspace, rebuild)
    refresh_people(workspace)
    return sum(bool(rows.tables) for rows in loaded)


def refresh_people(workspace: Workspace) -> bool:
    """Bring what people added up to date; returns whether anything changed."""
    mark = people_mark(workspace)
    held = fetch(workspace, "SELECT value FROM store WHERE key = 'people'")["value"].tolist()
    if held == [mark] or (not held and not people.stamp(workspace)):
        return False

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        mark, rows = people_mark(workspace), people_rows(workspace)  # in turn: never older ones
        connection.execute("DELETE FROM people")
        _append(connection, "people", rows)
        connection.execute("INSERT OR REPLACE INTO store VALUES ('people', ?)", [mark])

    write(workspace, change)
    return True


def _load_all(runs: Iterable[RunDirectory]) -> list[Rows]:
    loaded = []
    for run in runs:
        stamp = stamp_of(run)
        try:
            rows = load(run)
        except RunError as error:
            log.warning("%s It is left out of the store.", error)
            rows = Rows(run.run_id, stamp, {}, False)
        if rows:
            loaded.append(rows)
    return loaded


def _replace(workspace: Workspace, stale: list[str], loaded: list[Rows]) -> None:
    """Take out what the store holds of these runs, and put in what was loaded."""
    ids = sorted({*stale, *(rows.run_id for rows in loaded)})

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        theirs = "IN (SELECT unnest(?::VARCHAR[]))"
        for table in (*OF_A_RUN, "ingested"):
            connection.execute(f"DELETE FROM {table} WHERE run_id {theirs}", [ids])
        _forget_samples(connection, f"source {theirs}", [ids])
        _insert(connection, loaded)
        _settle_samples(connection, workspace)

    write(workspace, change)


def _insert(connection: duckdb.DuckDBPyConnection, loaded: list[Rows]) -> None:
    for table in OF_A_RUN:
        parts = [rows.tables[table] for rows in loaded if table in rows.tables]
        if parts:
            _append(connection, table, pa.concat_tables(parts))
    marks = pa.table(
        {
            "run_id": pa.array([rows.run_id for rows in loaded], pa.string()),
            "stamp": pa.array([rows.stamp for rows in loaded], pa.string()),
            "has_samples": pa.array([rows.has_samples for rows in loaded], pa.bool_()),
        }
    )
    _append(connection, "ingested", marks)


def _append(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    connection.register("arriving", rows)
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving")
    connection.unregister("arriving")


def _forget_samples(connection: duckdb.DuckDBPyConnection, where: str, values: list[Any]) -> None:
    connection.execute(
        "DELETE FROM samples WHERE fingerprint IN "
        f"(SELECT fingerprint FROM datasets WHERE {where})",
        values,
    )
    connection.execute(f"DELETE FROM datasets WHERE {where}", values)


def _settle_samples(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Let the samples of every fingerprint come from the oldest run that has them."""
    wanted = connection.execute(
        "SELECT r.fingerprint, first(r.run_id ORDER BY r.created_at, r.run_id) "
        "FROM runs r JOIN ingested i USING (run_id) "
        "WHERE i.has_samples AND r.fingerprint IS NOT NULL GROUP BY r.fingerprint"
    ).fetchall()
    held = connection.execute("SELECT fingerprint, source FROM datasets").fetchall()
    for pair in sorted(set(held) - set(wanted)):
        _forget_samples(connection, "fingerprint = ?", [pair[0]])
    for fingerprint, source in sorted(set(wanted) - set(held)):
        run = RunDirectory(workspace.runs / source)
        try:
            samples = read_file(run, RunDirectory.SAMPLES, "samples", "fingerprint", fingerprint)
        except RunError as error:
            log.warning("%s The store goes without its samples.", error)
            continue
        _append(connection, "samples", samples)
        connection.execute(
            "INSERT INTO datasets SELECT fingerprint, dataset, data_root, reader, ?, "
            "list_sort(?::VARCHAR[]), run_id FROM runs WHERE run_id = ?",
            [len(samples), samples["class_name"].unique().to_pylist(), source],
        )
