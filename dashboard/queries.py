"""Where pages get what they show: data sets, methods, runs. Cached, light, never torch.

Caches are keyed by the workspace's root and by what would change the answer (the store's version,
a folder's times, a status file's time). Actions (add, queue, cancel) are in `dashboard.actions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core import listing
from core.config import external_name
from core.errors import FlawscopeError, RunError
from core.jobs import queue
from core.runs import Record, RunDirectory, Status, all_runs
from core.types import MEAN
from core.workspace import Workspace
from dashboard import ranking, results
from dashboard.data_looks import (
    DEMO,
    ClassLook,
    DataLook,
    data_names,
    data_set,
    data_sets,
    describe,
)
from dashboard.data_stamps import folder_stamp

__all__ = [
    "ACTIVE", "DEMO", "ClassLook", "DataLook", "RunLook", "Titles", "data_names", "data_set",
    "data_sets", "describe", "folder_stamp", "leading", "look_at", "means", "method_titles",
    "methods", "queue_order", "run", "runs", "workspace",
]  # fmt: skip
ACTIVE = ("running", "queued")


def workspace() -> Workspace:
    """The workspace this dashboard shows: $FLAWSCOPE_WORKSPACE, else ./workspace."""
    return Workspace.locate()


# -- methods ------------------------------------------------------------------------------------


def methods() -> list[dict[str, Any]]:
    """Cards and settings of every method, as `core.listing.describe_methods` gives them."""
    return _methods(str(workspace().root), listing.version())


@st.cache_data(show_spinner="Reading the methods; once, a few seconds …", max_entries=2)
def _methods(root: str, version: str) -> list[dict[str, Any]]:
    return listing.methods(Workspace(Path(root)))


class Titles(Mapping[str, str]):
    """Method -> what pages call it: the paper's name, or the one given to maps made elsewhere.

    The latter are answered for but not listed: they are no methods that can be trained.
    """

    def __init__(self, trained: Mapping[str, str]) -> None:
        self._trained = dict(trained)

    def __getitem__(self, method: str) -> str:
        return external_name(method) or self._trained[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self._trained)

    def __len__(self) -> int:
        return len(self._trained)


def method_titles() -> Titles:
    """Titles of the methods; only those of maps made elsewhere when methods cannot be listed."""
    try:
        return Titles({entry["id"]: entry["title"] for entry in methods()})
    except FlawscopeError:
        return Titles({})


# -- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunLook:
    """A run as its directory tells it now."""

    record: Record
    status: Status

    @property
    def run_id(self) -> str:
        return self.record.run_id

    @property
    def method(self) -> str:
        return self.record.config.method_key

    @property
    def data(self) -> str:
        named = self.record.resolved.get("dataset", {}).get("name")
        return str(named or Path(self.record.config.data).name)


def runs(newest: int | None = None) -> list[RunLook]:
    """Runs as they stand on disk, newest first; damaged directories are left out."""
    folders = [run.path for run in reversed(all_runs(workspace()))]
    found = (look_at(path) for path in folders[:newest])
    return [look for look in found if look]


def run(run_id: str) -> RunLook | None:
    """One run by its full id."""
    path = workspace().runs / Path(run_id).name
    return look_at(path) if (path / RunDirectory.CONFIG).exists() else None


def look_at(path: Path) -> RunLook | None:
    """A run directory; ended ones are read once."""
    try:
        stamp = (path / RunDirectory.STATUS).stat().st_mtime_ns
        look = _read_run(path, stamp, (path / RunDirectory.CONFIG).stat().st_mtime_ns)
        if look.status.state == "running":  # its process may be gone
            return RunLook(look.record, RunDirectory(path).status())
        return look
    except (RunError, OSError):
        return None


@lru_cache(maxsize=4096)
def _read_run(path: Path, status_stamp: int, config_stamp: int) -> RunLook:
    directory = RunDirectory(path)
    return RunLook(directory.record(), directory.stored_status())


def means(run_ids: tuple[str, ...], metric: str) -> dict[str, tuple[float, str]]:
    """{run id: (mean over classes, interval as text)} of one metric, for runs that have it."""
    rows = results.metrics(results.source(), run_ids)
    rows = rows[(rows["class_name"] == MEAN) & (rows["metric"] == metric) & rows["value"].notna()]
    found: dict[str, tuple[float, str]] = {}
    for _, row in rows.iterrows():
        low, high = ranking.number(row["ci_low"]), ranking.number(row["ci_high"])
        interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        found[str(row["run_id"])] = (float(row["value"]), interval)
    return found


def leading(runs: pd.DataFrame) -> str:
    """The run to look at first: the highest mean image AUROC on the newest run's data.

    Args:
        runs: run_id and fingerprint, newest first, at least one.
    """
    same = [
        str(id) for id in runs.loc[runs["fingerprint"] == runs["fingerprint"].iloc[0], "run_id"]
    ]
    scores = means(tuple(same), "image_auroc")
    return max(same, key=lambda id: scores[id][0] if id in scores else -1.0)


def queue_order(looks: list[RunLook]) -> dict[str, int]:
    """{run id: place in line, 1 = next} of those that wait."""
    place = workspace().runs
    pairs = ((RunDirectory(place / look.run_id), look.status) for look in looks)
    return {run.run_id: n for n, run in enumerate(queue.in_order(pairs), start=1)}
