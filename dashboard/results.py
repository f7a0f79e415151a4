"""What the Understand pages read: cached questions to the store, the run directories, the data set.

Every cache is keyed by `Source`, the workspace's path and the store's version, so a new run is
noticed at the next look and nothing is read twice. Arrays are never arguments of a cache.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.comparison import kept_comparison
from core.metrics.base import METRICS, NINE, Metric, ordered
from core.metrics.compare import DifferenceRow
from core.metrics.conventions import EXACT, Convention
from core.metrics.verdicts import verdict
from core.runs import Record, RunDirectory, Status, all_runs
from core.store import read
from core.store.ingest import edition
from core.thresholds import KIND, parsed
from core.workspace import Workspace
from dashboard import casework

BY_SIZE = (
    "region_recall_smallest", "region_recall_small", "region_recall_large",
    "region_recall_largest", "region_min_size",
)  # fmt: skip
"""Metrics that read better from small to large than by id."""


class Source(NamedTuple):
    """The workspace's folder and the edition of its store; the key of every cache."""

    root: str
    version: int

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root))


def source() -> Source:
    """The present workspace, its store brought up to date."""
    workspace = Workspace.locate()
    return Source(str(workspace.root), _version(str(workspace.root), _noticed[0]))


_noticed = [0]
"""How often something was written here: a look begun before that does not count afterwards."""


@st.cache_data(ttl=0.5, show_spinner=False, max_entries=16)
def _version(root: str, noticed: int) -> int:
    return edition(Workspace(Path(root)))


@st.cache_data(show_spinner=False, max_entries=8)
def runs(source: Source) -> pd.DataFrame:
    """Succeeded runs, newest first: the columns of table runs."""
    found = read.runs(source.workspace)
    return found[found["state"] == "succeeded"].reset_index(drop=True)


@st.cache_data(show_spinner=False, max_entries=32)
def metrics(
    source: Source, run_ids: tuple[str, ...], convention: Convention = EXACT
) -> pd.DataFrame:
    """Metric rows of these runs by one convention, whole classes and their mean."""
    return read.metrics(source.workspace, run_ids, convention)


@st.cache_data(show_spinner=False, max_entries=16)
def type_metrics(source: Source, run_id: str) -> pd.DataFrame:
    """Exact metric rows of single anomaly types against their class's normal images."""
    return read.type_metrics(source.workspace, (run_id,))


@st.cache_data(show_spinner="Comparing the two runs, picture by picture …", max_entries=32)
def paired(source: Source, a: str, b: str) -> pd.DataFrame:
    """A minus B by class and for the mean, of the nine metrics.

    Columns: those of `core.metrics.compare.DifferenceRow`, and verdict.

    Raises:
        UsageError, RunError: the runs cannot be compared; says why.
    """
    one, two = (RunDirectory.open(source.workspace, run) for run in (a, b))
    rows = kept_comparison(source.workspace, one, two)
    columns = [field.name for field in fields(DifferenceRow)]
    found = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    return found.assign(verdict=[verdict(row) for row in rows])


@st.cache_data(show_spinner=False, max_entries=64)
def curves(
    source: Source, run_ids: tuple[str, ...], curve: str, class_name: str | None = None
) -> pd.DataFrame:
    """Points of one kind of curve, in drawing order."""
    return read.curves(source.workspace, run_ids, curve, class_name)


@st.cache_data(show_spinner=False, max_entries=16)
def thresholds(source: Source, run_id: str, level: str = "image") -> dict[str, casework.Threshold]:
    """Threshold of each class of a run: the one people chose, else held-out, else the oracle."""
    chosen = parsed(entry_lines(source), run_id)
    return casework.thresholds(metrics(source, (run_id,)), level, chosen)


@st.cache_data(show_spinner=False, max_entries=4)
def entry_lines(source: Source) -> list[dict[str, Any]]:
    """Last versions of the thresholds people chose, as `core.thresholds.parsed` reads them."""
    held = read.entries(source.workspace, KIND)
    found: list[dict[str, Any]] = []
    for _, row in held.iterrows():
        at = row["written_at"]
        told = {"id": row["id"], "author": row["author"], "at": "" if pd.isna(at) else str(at)}
        found.append(row["fields"] | told)
    return found


def noticed() -> None:
    """Look at the workspace anew at the next question, because something was just written."""
    _noticed[0] += 1


@st.cache_data(show_spinner=False, max_entries=16)
def judged(source: Source, run_id: str) -> pd.DataFrame:
    """The run's cases against its thresholds; see `casework.judge`."""
    return casework.judge(read.cases(source.workspace, run_id), thresholds(source, run_id))


@st.cache_data(show_spinner=False, max_entries=8)
def joined(source: Source, run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Cases of several runs side by side; see `casework.join`."""
    return casework.join({run_id: judged(source, run_id) for run_id in run_ids})


@st.cache_data(show_spinner=False, max_entries=32)
def selected(
    source: Source, run_ids: tuple[str, ...], show: str, class_name: str, anomaly_type: str
) -> pd.DataFrame:
    """Joined cases filtered and sorted; see `casework.select`."""
    return casework.select(joined(source, run_ids), show, class_name, anomaly_type)


def qualities() -> dict[str, Metric]:
    """The nine metrics by id, in the order tables show them."""
    return {name: METRICS.get(name) for name in NINE}


def further() -> dict[str, list[Metric]]:
    """All other qualities, by level; sizes from small to large."""
    found: dict[str, list[Metric]] = {}
    sized = [METRICS.get(id) for id in BY_SIZE]
    for metric in [*(one for one in ordered() if one not in sized), *sized]:
        if metric.id not in NINE and metric.level != "threshold":
            found.setdefault(metric.level, []).append(metric)
    return found


class Live(NamedTuple):
    """A run as its directory has it, whatever its state."""

    directory: RunDirectory
    record: Record
    status: Status


def live(source: Source, run_id: str) -> Live:
    """One run from disk.

    Raises:
        UsageError, RunError: no such run, or it cannot be read.
    """
    directory = RunDirectory.open(source.workspace, run_id)
    return Live(directory, directory.record(), directory.status())


def unfinished(source: Source) -> list[str]:
    """Ids of runs that failed, were cancelled, wait or work; newest first."""
    done = set(runs(source)["run_id"])
    return [run.run_id for run in reversed(all_runs(source.workspace)) if run.run_id not in done]


def problems(source: Source, run_id: str) -> list[dict[str, Any]]:
    """What was found wrong with the data while the run prepared it; each once."""
    events = RunDirectory.open(source.workspace, run_id).events()
    found = {(e["key"], e["message"]): e for e in events if e.get("kind") == "problem"}
    return list(found.values())


def map_of(source: Source, run_id: str, row: int) -> npt.NDArray[np.float16]:
    """The stored map [h, w] of one case.

    Raises:
        RunError: the run has no maps.
    """
    return np.array(RunDirectory(source.workspace.runs / run_id).maps()[row])


@st.cache_resource(show_spinner=False, max_entries=4)
def sample_facts(source: Source, fingerprint: str) -> dict[str, dict[str, Any]]:
    """{key: masks, width, height, split, ...} of the test samples of a data set; not to be changed,
    as every caller gets the same one."""
    table = read.samples(source.workspace, fingerprint)
    table = table[table["split"] == "test"]
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return {str(row["key"]): row for row in rows}
