"""A run directory as the store's rows: read, checked and cast before anything is written."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import people
from core.errors import RunError
from core.metrics.conventions import EXACT
from core.runs import Record, RunDirectory, Status
from core.store.connection import schema_sql
from core.workspace import Workspace

FILES = {
    "metrics": RunDirectory.METRICS,
    "curves": RunDirectory.CURVES,
    "regions": RunDirectory.REGIONS,
    "cases": RunDirectory.CASES,
}
"""Tables that hold a run's parquet files as they are, with the run's id added."""
OF_A_RUN = ("runs", "configs", *FILES)
REQUIRED = ("key", "class_name", "metric", "curve", "row", "position", "label")
"""Columns that must be there; others are null when a file lacks them."""


MISSING = {("metrics", "convention"): EXACT, ("metrics", "anomaly_type"): ""}
"""What older runs meant where their files lack a column."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What one run brings: tables by name; none when the directory is damaged."""

    run_id: str
    stamp: str
    tables: dict[str, pa.Table]
    has_samples: bool


def stamp_of(run: RunDirectory) -> str:
    """Changes whenever the run's config.json or status.json does; two file look-ups."""
    marks = []
    for name in (RunDirectory.CONFIG, RunDirectory.STATUS):
        try:
            found = (run.path / name).stat()
            marks.append(f"{found.st_mtime_ns}.{found.st_size}.{found.st_ino}")
        except OSError:
            marks.append("none")
    return " ".join(marks)


def load(run: RunDirectory) -> Rows | None:
    """A run's rows, or None while it has not ended.

    Raises:
        RunError: a file of the directory is damaged; names the file.
    """
    stamp = stamp_of(run)
    status = run.status()
    if not status.ended:
        return None
    record = run.record()
    tables = {
        "runs": pa.Table.from_pylist([_run_row(run, record, status)], schema=_schemas()["runs"]),
        "configs": _config_rows(run, record),
    }
    for name, file in FILES.items():
        if run.has(file):
            tables[name] = read_file(run, file, name, "run_id", run.run_id)
    has_samples = run.has(RunDirectory.SAMPLES)
    if has_samples:
        read_file(
            run, RunDirectory.SAMPLES, "samples", "fingerprint", ""
        )  # damaged ones raise here
    return Rows(run.run_id, stamp, tables, has_samples)


@cache
def _schemas() -> dict[str, pa.Schema]:
    """Arrow schemas of the tables, as schema.sql defines them."""
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        connection.execute(schema_sql())
        return {
            name: connection.sql(f"SELECT * FROM {name}").to_arrow_table().schema
            for name in (*OF_A_RUN, "samples", "people")
        }
    finally:
        connection.close()


def read_file(run: RunDirectory, file: str, name: str, added: str, value: str) -> pa.Table:
    """A parquet file of the run with the columns and types of table `name`; one is added."""
    schema = _schemas()[name]
    try:
        table = run.read_table(file)
        columns = {}
        for field in schema:
            if field.name == added:
                columns[added] = pa.array([value] * len(table), pa.string())
            elif field.name in table.column_names:
                columns[field.name] = table[field.name].cast(field.type)
            elif field.name in REQUIRED:
                raise RunError(f"Run {run.run_id}: {file} has no column {field.name}.")
            else:
                missing = MISSING.get((name, field.name))
                columns[field.name] = (
                    pa.nulls(len(table), field.type)
                    if missing is None
                    else pa.array([missing] * len(table), field.type)
                )
        return pa.table(columns, schema=schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"Run {run.run_id} has a damaged {file}: {reason}.") from error


def people_mark(workspace: Workspace) -> int:
    """A number that differs after every change of people's files."""
    digest = hashlib.sha256(repr(people.stamp(workspace)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def people_rows(workspace: Workspace) -> pa.Table:
    """Every version of every entry, as rows of table `people`; times that cannot be read are
    null."""
    rows = []
    for kind in people.KINDS:
        for position, line in enumerate(people.versions(workspace, kind)):
            own = {key: value for key, value in line.items() if key not in people.OWN}
            rows.append(
                {
                    "kind": kind, "position": position, "id": str(line["id"]),
                    "written_at": _time(str(line["at"])), "author": str(line["author"]),
                    "removed": bool(line.get("removed")),
                    "fields": json.dumps(own, ensure_ascii=False),
                }
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=_schemas()["people"])


def _run_row(run: RunDirectory, record: Record, status: Status) -> dict[str, Any]:
    config, resolved, facts = record.config, record.resolved, status.facts
    dataset: dict[str, Any] = resolved.get("dataset") or {}
    weights: dict[str, Any] = resolved.get("weights") or {}
    created = _time(record.created_at)
    if created is None:
        raise RunError(f"Run {run.run_id}: its config.json has no readable created_at.")
    parameters, memory = _number(facts.get("parameters")), _number(facts.get("peak_memory_bytes"))
    return {
        "run_id": run.run_id,
        "group_id": record.group_id,
        "state": status.state,
        "method": config.method_key,
        "dataset": dataset.get("name") or Path(config.data).name or config.data,
        "data_root": dataset.get("root"),
        "reader": dataset.get("reader"),
        "fingerprint": dataset.get("fingerprint"),
        "setting": config.setting,
        "protocol": config.protocol,
        "size": config.size,
        "epochs": resolved.get("epochs", config.epochs),
        "batch_size": resolved.get("batch_size", config.batch_size),
        "seed": config.seed,
        "device": resolved.get("device", config.device),
        "backbone": resolved.get("backbone", config.backbone),
        "weights_source": weights.get("source"),
        "weights_sha256": weights.get("sha256"),
        "pretrained": weights.get("pretrained"),
        "created_at": created,
        "started_at": _time(status.started_at),
        "finished_at": _time(status.finished_at),
        "seconds": _number(facts.get("seconds")),
        "train_seconds": _number(facts.get("train_seconds")),
        "images_per_second": _number(facts.get("images_per_second")),
        "peak_memory_bytes": None if memory is None else int(memory),
        "parameters": None if parameters is None else int(parameters),
        "classes": list(dataset.get("classes") or config.classes),
        "error": status.error,
    }


def _config_rows(run: RunDirectory, record: Record) -> pa.Table:
    """What was asked for and what it became, one row a key; parts of a part are `part.key`.

    Keys of the config stand alone, the method's own settings under `method_config`, measured
    or looked-up things (versions, machine, weights, dataset) under their own name.
    """
    config = record.config.model_dump(mode="json")
    flat: dict[str, Any] = {}
    for key, value in (config | record.resolved).items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    rows = [
        {"run_id": run.run_id, "key": key, "value": json.dumps(value, ensure_ascii=False)}
        for key, value in flat.items()
    ]
    return pa.Table.from_pylist(rows, schema=_schemas()["configs"])


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _number(value: Any) -> float | None:
    """A finite number, or None: facts may hold phrases, too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
