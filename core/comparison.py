"""Paired comparison of stored runs, from their tables alone; kept once computed.

What was computed is kept under <workspace>/cache/paired/ and found again by the runs' ids and by
what their files are: a run whose tables change is compared anew. Deleting the folder loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import UsageError
from core.metrics.base import NINE
from core.metrics.compare import RESAMPLES, ClassCases, DifferenceRow, compare
from core.metrics.conventions import EXACT
from core.metrics.evidence import PixelSummaries
from core.metrics.pairs import pairs
from core.metrics.ranking import FloatArray
from core.runs import RunDirectory
from core.workspace import Workspace, write_atomically

Scope = Literal["images", "all"]
"""Metrics of images alone, which are quick, or all nine."""
IMAGE_METRICS = tuple(name for name in NINE if name.startswith("image_"))
_FORM = "3"
"""Changes when kept files would be read or computed differently."""


def cases_of(run: RunDirectory, scope: Scope = "all") -> dict[str, ClassCases]:
    """The run's cases by class; without their pixels where only images are asked for.

    Runs stored before summaries were kept have image metrics only.

    Raises:
        RunError: the run has no cases or metrics yet.
    """
    cases = run.read_table(RunDirectory.CASES)
    values = _values(run.read_table(RunDirectory.METRICS))
    pixels = scope == "all" and run.has(RunDirectory.SUMMARIES)
    summaries = run.read_table(RunDirectory.SUMMARIES) if pixels else None
    found = {}
    for name in cases["class_name"].unique().to_pylist():
        mine = cases.filter(pc.equal(cases["class_name"], name))
        keys = tuple(mine["key"].to_pylist())
        found[name] = ClassCases(
            keys_N=keys,
            labels_N=np.asarray(mine["label"].to_numpy(), np.int64),
            scores_N=np.asarray(mine["score"].to_numpy(), np.float64),
            specimens_N=tuple(mine["specimen"].to_pylist()),
            pixels=None if summaries is None else _pixels(summaries, name, keys),
            values=values.get(name, {}),
        )
    return found


def _values(table: pa.Table) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in table.to_pylist():
        exact = row.get("convention", EXACT) == EXACT and not row.get("anomaly_type")
        if exact and row["value"] is not None:
            found.setdefault(row["class_name"], {})[row["metric"]] = row["value"]
    return found


def _pixels(summaries: pa.Table, name: str, keys: Sequence[str]) -> PixelSummaries | None:
    """Per-image histograms of a class, in the order of `keys`."""
    mine = summaries.filter(pc.equal(summaries["class_name"], name))
    if len(mine) == 0:
        return None
    edges_B, bin_K = np.unique(mine["edge"].to_numpy(), return_inverse=True)
    place = {key: row for row, key in enumerate(keys)}
    row_K = np.array([place[key] for key in mine["key"].to_pylist()])

    def table(column: str) -> FloatArray:
        dense = np.zeros((len(keys), len(edges_B)))
        dense[row_K, bin_K] = mine[column].to_numpy()
        return dense

    gain_NB = table("gain")
    regions_N = np.rint(gain_NB.sum(axis=1))
    return PixelSummaries(edges_B, table("normal"), table("anomalous"), gain_NB, regions_N)


def compare_runs(
    a: RunDirectory,
    b: RunDirectory,
    metrics: Sequence[str] = NINE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[DifferenceRow]:
    """A minus B by class and for the mean, with intervals and p-values; see `metrics.compare`.

    Raises:
        UsageError: the runs were not made on the same images.
        RunError: a run has no results yet.
    """
    same_images((a, b))
    scope: Scope = "images" if set(metrics) <= set(IMAGE_METRICS) else "all"
    return compare(cases_of(a, scope), cases_of(b, scope), metrics, resamples, seed)


def same_images(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs that were not made on the same images.

    Raises:
        UsageError: names two of them.
    """
    prints = [(run.record().resolved.get("dataset") or {}).get("fingerprint") for run in runs]
    for run, mark in zip(runs, prints, strict=True):
        if mark is None or mark != prints[0]:
            raise UsageError(
                f"Runs {runs[0].run_id} and {run.run_id} were made on different images, so their "
                "cases cannot be paired; compare runs on the same data set and classes."
            )


def stored_comparison(
    workspace: Workspace, a: RunDirectory, b: RunDirectory, scope: Scope = "all"
) -> list[DifferenceRow] | None:
    """What `kept_comparison` would give, if it was computed before; else None.

    All nine serve those who ask for images alone.
    """
    wanted: tuple[Scope, ...] = ("all",) if scope == "all" else ("images", "all")
    first, second = sorted((a, b), key=lambda run: run.run_id)
    for one in wanted:
        rows = _kept(_place(workspace, (first, second), one))
        if rows is not None:
            found = list(rows.values())
            return found if first.run_id == a.run_id else [mirrored(row) for row in found]
    return None


def kept_comparison(
    workspace: Workspace, a: RunDirectory, b: RunDirectory, scope: Scope = "all"
) -> list[DifferenceRow]:
    """`compare_runs` of the nine metrics or of the image metrics, computed once.

    Raises:
        UsageError, RunError: as `compare_runs`.
    """
    held = stored_comparison(workspace, a, b, scope)
    if held is not None:
        return held
    first, second = sorted((a, b), key=lambda run: run.run_id)
    rows = compare_runs(first, second, NINE if scope == "all" else IMAGE_METRICS)
    labelled = {(str(i), ""): row for i, row in enumerate(rows)}
    _keep(_place(workspace, (first, second), scope), labelled)
    return rows if first.run_id == a.run_id else [mirrored(row) for row in rows]


def stored_matrix(
    workspace: Workspace, runs: Sequence[RunDirectory], metric: str
) -> dict[tuple[str, str], DifferenceRow] | None:
    """What `kept_matrix` would give, if it was computed before; else None."""
    return _kept(_place(workspace, _sorted(runs), metric))


def kept_matrix(
    workspace: Workspace, runs: Sequence[RunDirectory], metric: str
) -> dict[tuple[str, str], DifferenceRow]:
    """All pairs of runs by one metric, {(a, b): a minus b} with a before b by id; computed once.

    Raises:
        UsageError: the runs were not made on the same images.
        RunError: a run has no results yet.
    """
    held = stored_matrix(workspace, runs, metric)
    if held is not None:
        return held
    listed = _sorted(runs)
    same_images(listed)
    scope: Scope = "images" if metric in IMAGE_METRICS else "all"
    found = pairs({run.run_id: cases_of(run, scope) for run in listed}, metric)
    _keep(_place(workspace, listed, metric), found)
    return found


def mirrored(row: DifferenceRow) -> DifferenceRow:
    """The same comparison seen from the other run: b minus a."""
    low = None if row.high is None else 0.0 - row.high  # never -0.0
    high = None if row.low is None else 0.0 - row.low
    return replace(row, a=row.b, b=row.a, difference=0.0 - row.difference, low=low, high=high)


def _sorted(runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    return sorted(runs, key=lambda run: run.run_id)


def _place(workspace: Workspace, runs: Sequence[RunDirectory], what: str) -> Path:
    """The file that keeps this comparison, named by the runs and the state of their tables."""
    told = [_FORM, what]
    for run in runs:
        told.append(run.run_id)
        for name in (RunDirectory.CASES, RunDirectory.METRICS, RunDirectory.SUMMARIES):
            path = run.path / name
            at = path.stat() if path.exists() else None
            told.append("" if at is None else f"{at.st_size}:{at.st_mtime_ns}")
    mark = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    names = "-".join(run.run_id for run in runs) if len(runs) == 2 else f"{len(runs)}-runs"
    return workspace.root / "cache" / "paired" / f"{names}-{what}-{mark}.parquet"


def _keep(path: Path, rows: Mapping[tuple[str, str], DifferenceRow]) -> None:
    """Write the rows with their pair of names; older files of the same comparison go."""
    import pyarrow.parquet as pq

    columns = [field.name for field in fields(DifferenceRow)]
    listed = [{"one": a, "two": b} | asdict(row) for (a, b), row in rows.items()]
    table = pa.Table.from_pylist(
        listed,
        pa.schema(
            [("one", pa.string()), ("two", pa.string())]
            + [(name, _TYPES.get(name, pa.float64())) for name in columns]
        ),
    )
    write_atomically(path, lambda file: pq.write_table(table, file))
    if "-runs-" in path.name:  # another set of runs is no older state of these
        return
    for old in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-*.parquet"):
        if old != path:
            old.unlink(missing_ok=True)


_TYPES = {
    "class_name": pa.string(), "metric": pa.string(), "test": pa.string(), "images": pa.int64(),
}  # fmt: skip


def _kept(path: Path) -> dict[tuple[str, str], DifferenceRow] | None:
    """The rows of a kept file; None where there is none that can be read."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return None
    found = {}
    for row in table.to_pylist():
        pair = row.pop("one"), row.pop("two")
        found[pair] = DifferenceRow(**row)
    return found
