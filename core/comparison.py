"""Paired comparison of two stored runs, from their tables alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import UsageError
from core.metrics.base import NINE
from core.metrics.compare import RESAMPLES, ClassCases, DifferenceRow, compare
from core.metrics.conventions import EXACT
from core.metrics.evidence import PixelSummaries
from core.metrics.ranking import FloatArray
from core.runs import RunDirectory


def cases_of(run: RunDirectory) -> dict[str, ClassCases]:
    """The run's cases by class.

    Runs stored before summaries were kept have image metrics only.

    Raises:
        RunError: the run has no cases or metrics yet.
    """
    cases = run.read_table(RunDirectory.CASES)
    values = _values(run.read_table(RunDirectory.METRICS))
    summaries = run.read_table(RunDirectory.SUMMARIES) if run.has(RunDirectory.SUMMARIES) else None
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
    prints = [(run.record().resolved.get("dataset") or {}).get("fingerprint") for run in (a, b)]
    if prints[0] != prints[1] or prints[0] is None:
        raise UsageError(
            f"Runs {a.run_id} and {b.run_id} were made on different images, so their cases cannot "
            "be paired; compare runs on the same data set and classes."
        )
    return compare(cases_of(a), cases_of(b), metrics, resamples, seed)
