"""What the Understand pages read: cached questions to the store, the run directories, the data set.

Every cache is keyed by `Source`, the workspace's path and the store's version, so a new run is
noticed at the next look and nothing is read twice. Arrays are never arguments of a cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.metrics.base import METRICS, NINE, Metric
from core.runs import Record, RunDirectory, Status, all_runs
from core.store import read
from core.store.connection import version
from core.store.ingest import refresh
from core.workspace import Workspace
from dashboard import casework


class Source(NamedTuple):
    """The workspace's folder and the version of its store; the key of every cache."""

    root: str
    version: int

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root))


def source() -> Source:
    """The present workspace, its store brought up to date."""
    workspace = Workspace.locate()
    return Source(str(workspace.root), _version(str(workspace.root)))


@st.cache_data(ttl=0.5, show_spinner=False)
def _version(root: str) -> int:
    workspace = Workspace(Path(root))
    refresh(workspace)
    return version(workspace)


@st.cache_data(show_spinner=False, max_entries=8)
def runs(source: Source) -> pd.DataFrame:
    """Succeeded runs, newest first: the columns of table runs."""
    found = read.runs(source.workspace)
    return found[found["state"] == "succeeded"].reset_index(drop=True)


@st.cache_data(show_spinner=False, max_entries=32)
def metrics(source: Source, run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Metric rows of these runs."""
    return read.metrics(source.workspace, run_ids)


@st.cache_data(show_spinner=False, max_entries=64)
def curves(
    source: Source, run_ids: tuple[str, ...], curve: str, class_name: str | None = None
) -> pd.DataFrame:
    """Points of one kind of curve, in drawing order."""
    return read.curves(source.workspace, run_ids, curve, class_name)


@st.cache_data(show_spinner=False, max_entries=16)
def thresholds(source: Source, run_id: str, level: str = "image") -> dict[str, casework.Threshold]:
    """Threshold of each class of a run: held-out where there is one, else the oracle."""
    return casework.thresholds(metrics(source, (run_id,)), level)


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


@st.cache_data(show_spinner=False, max_entries=16)
def sample_facts(source: Source, fingerprint: str) -> dict[str, dict[str, Any]]:
    """{key: masks, width, height, split, ...} of the test samples of a data set."""
    table = read.samples(source.workspace, fingerprint)
    table = table[table["split"] == "test"]
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return {str(row["key"]): row for row in rows}


def means(source: Source, run_id: str) -> Mapping[str, pd.Series]:
    """{metric: its row for the mean over classes} of a run."""
    table = metrics(source, (run_id,))
    table = table[table["class_name"] == "mean"]
    return {str(row["metric"]): row for _, row in table.iterrows()}
