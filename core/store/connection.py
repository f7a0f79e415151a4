"""The one writer and the one reader of `<workspace>/flawscope.duckdb`.

DuckDB lets one process write or several read, and a held connection locks the others out. So
every use opens, works and closes: writers one at a time behind a file lock; readers first pass
through that same lock, so that a waiting writer is never starved, and try again when they meet
one at work. Inside a process, where DuckDB refuses a read-only connection beside a writing one, a
gate keeps the two apart.

The file is derived: one that is damaged or was made for another schema is moved aside and begun
anew, empty; `core.store.ingest.refresh` or `index` fills it again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout

from core.errors import StoreError
from core.store.gate import gate_of
from core.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

SCHEMA = 3
WRITE_SECONDS = 30.0
READ_SECONDS = 10.0
POLL_SECONDS = 0.005
DAMAGE = re.compile(
    "not a valid DuckDB database|Corrupt database|Could not read enough bytes|checksum"
    "|database file with version number|Serialization Error|database has been invalidated",
    re.IGNORECASE,
)
BUSY = re.compile("Could not set lock on file|different configuration|database does not exist")

log = logging.getLogger(__name__)
Result = TypeVar("Result")
Action = Callable[["duckdb.DuckDBPyConnection"], Result]


class _Damaged(Exception):
    """The file is no store of this schema."""


def write(workspace: Workspace, action: Action[Result], timeout: float = WRITE_SECONDS) -> Result:
    """Let `action` change the store: one writer at a time, one transaction, all or nothing.

    Every successful write raises the store's version. `action` must not call `write` or `fetch`.

    Raises:
        StoreError: the store stayed busy for `timeout` seconds, cannot be written, or refused
            what `action` asked of it. Other errors of `action` pass through.
    """
    import duckdb

    deadline = time.monotonic() + timeout
    with _locked(workspace, timeout), gate_of(workspace.store).writing(deadline):
        try:
            connection = _open_for_writing(workspace, deadline)
            try:
                result, version_now = _transact(connection, action)
            finally:
                connection.close()
        except duckdb.Error as error:
            raise StoreError(f"The store {workspace.store} refused a change: {error}") from error
        data = str(version_now).encode()
        write_atomically(_version_file(workspace), lambda file: file.write(data))
    return result


def fetch(
    workspace: Workspace,
    sql: str,
    parameters: Sequence[Any] = (),
    timeout: float = READ_SECONDS,
) -> pd.DataFrame:
    """The rows a query gives; values are bound to its `?`, never written into it.

    Lists come as Python lists, times in UTC. A store that is missing or damaged answers like an
    empty one.

    Raises:
        StoreError: the store stayed busy for `timeout` seconds, or the query is wrong.
    """
    import duckdb

    values = [plain(value) for value in parameters]
    deadline = time.monotonic() + timeout
    while True:
        if not workspace.store.exists():
            write(workspace, lambda connection: None)
        try:
            with _locked(workspace, timeout):  # passing through lets a waiting writer go first
                pass
            with gate_of(workspace.store).reading(deadline):
                return _query(workspace, sql, values)
        except _Damaged as damage:
            log.warning("%s; it is rebuilt", damage)
            write(workspace, lambda connection: None)
        except duckdb.Error as error:
            if DAMAGE.search(str(error)):
                _discard(workspace, timeout)
            elif not BUSY.search(str(error)):
                raise StoreError(f"The store could not answer: {error}") from error
        if time.monotonic() > deadline:
            raise StoreError(
                f"The store {workspace.store} was in use for over {timeout:.0f} s; try again."
            )
        time.sleep(random.uniform(0.005, 0.05))


def version(workspace: Workspace) -> int:
    """A number that differs after every change of the store; costs three file look-ups.

    Made of the version that the last writer noted and of the files' times and sizes, so that it
    also changes when a writer was killed after its commit, or the file was deleted.
    """
    marks: list[object] = []
    for path in (workspace.store, Path(f"{workspace.store}.wal")):
        try:
            found = path.stat()
            marks.append((found.st_mtime_ns, found.st_size, found.st_ino))
        except FileNotFoundError:
            marks.append(None)
    try:
        marks.append(_version_file(workspace).read_text())
    except FileNotFoundError:
        marks.append(None)
    return int.from_bytes(hashlib.sha256(repr(marks).encode()).digest()[:7], "big")


def plain(value: Any) -> Any:
    """`value` without numpy: DuckDB takes no numpy scalars as parameters."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def schema_sql() -> str:
    """The text of schema.sql."""
    return (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")


# -- opening ----------------------------------------------------------------------------------


def _version_file(workspace: Workspace) -> Path:
    return workspace.store.with_suffix(".version")


@contextmanager
def _locked(workspace: Workspace, timeout: float) -> Iterator[None]:
    lock = FileLock(f"{workspace.store}.lock", timeout=timeout, poll_interval=POLL_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"Another process has been writing the store {workspace.store} for over "
            f"{timeout:.0f} s; try again, or end that process."
        ) from None
    except OSError as error:
        raise StoreError(
            f"The workspace {workspace.root} cannot be written ({error}); choose another one."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _connect(workspace: Workspace, read_only: bool) -> duckdb.DuckDBPyConnection:
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }
    return duckdb.connect(str(workspace.store), read_only=read_only, config=settings)


def _query(workspace: Workspace, sql: str, values: list[Any]) -> pd.DataFrame:
    connection = _connect(workspace, read_only=True)
    try:
        _check_schema(connection, workspace)
        table = connection.sql(sql, params=values).to_arrow_table()
    finally:
        connection.close()
    import pyarrow as pa

    frame: pd.DataFrame = table.to_pandas()
    for column in table.schema:
        if pa.types.is_list(column.type):
            lists = [None if cell is None else list(cell) for cell in frame[column.name]]
            frame[column.name] = frame[column.name].__class__(lists, dtype=object)
    return frame


def _check_schema(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Raises _Damaged unless the file holds a store of the present schema."""
    import duckdb

    try:
        rows = connection.execute("SELECT value FROM store WHERE key = 'schema'").fetchall()
    except duckdb.CatalogException:
        rows = []
    if rows != [(SCHEMA,)]:
        found = rows[0][0] if rows else "none"
        raise _Damaged(f"{workspace.store} has schema {found}, expected {SCHEMA}")


def _open_for_writing(workspace: Workspace, deadline: float) -> duckdb.DuckDBPyConnection:
    """A connection to a store of the present schema; the file lock is held."""
    import duckdb

    while True:
        try:
            connection = _connect(workspace, read_only=False)
            try:
                _make_schema(connection, workspace)
            except BaseException:
                connection.close()
                raise
            return connection
        except _Damaged as damage:
            log.warning("%s", damage)
            _move_aside(workspace)
        except duckdb.Error as error:
            if DAMAGE.search(str(error)):
                log.warning("%s", error)
                _move_aside(workspace)
            elif not BUSY.search(str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.002, 0.02))


def _make_schema(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    if not connection.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall():
        connection.execute("BEGIN")
        connection.execute(schema_sql())
        connection.execute(
            "INSERT INTO store VALUES ('schema', ?), ('version', ?)",
            [SCHEMA, _noted_version(workspace)],
        )
        connection.execute("COMMIT")
    _check_schema(connection, workspace)


def _noted_version(workspace: Workspace) -> int:
    """The version the last writer noted, so that a rebuilt store counts on from there."""
    try:
        return int(_version_file(workspace).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _transact(connection: duckdb.DuckDBPyConnection, action: Action[Result]) -> tuple[Result, int]:
    import duckdb

    connection.execute("BEGIN")
    try:
        result = action(connection)
        rows = connection.execute(
            "UPDATE store SET value = value + 1 WHERE key = 'version' RETURNING value"
        ).fetchall()
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a broken connection has rolled back by itself
            connection.execute("ROLLBACK")
        raise
    return result, int(rows[0][0])


def _discard(workspace: Workspace, timeout: float) -> None:
    """Move a file aside that turned out damaged while it was read."""
    before = workspace.store.stat().st_ino if workspace.store.exists() else None
    with _locked(workspace, timeout), gate_of(workspace.store).writing(time.monotonic() + timeout):
        if workspace.store.exists() and workspace.store.stat().st_ino == before:
            log.warning("%s is damaged; it is rebuilt", workspace.store)
            _move_aside(workspace)


def _move_aside(workspace: Workspace) -> None:
    """Keep the present file under another name; nothing in it is needed."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for path in (workspace.store, Path(f"{workspace.store}.wal")):
        aside = Path(f"{path}.old-{stamp}")
        number = 0
        while aside.exists():
            number += 1
            aside = Path(f"{path}.old-{stamp}-{number}")
        if path.exists():
            os.replace(path, aside)
