"""What the By class page shows: grids, kinds of flaw, seeds.

Thresholds on curves are in `dashboard.class_marks`, flaws by size and contrast in
`dashboard.flaw_sizes`, sentences in `dashboard.class_words`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.metrics.base import AT_ORACLE, METRICS
from core.metrics.cases import Recall
from core.metrics.conventions import EXACT, Convention
from core.metrics.size_curve import middle
from core.store import read
from core.types import MEAN
from dashboard import (
    boards,
    casefile,
    casework,
    counting,
    navigation,
    queries,
    ranking,
    results,
    theme,
)
from dashboard.chart_parts import DASHES
from dashboard.components.sortable import Entry, Row, value_entry
from dashboard.ranking import Interval
from dashboard.results import Source

FEW = 10
"""A kind of flaw with fewer images than this says so."""
OF_KIND = ("pixel_auroc", "pixel_aupro")
"""Measured of each kind of flaw beside how much of it is found."""


class Look(NamedTuple):
    """One chosen run as the page shows it: its name, method, and how its lines are drawn."""

    run_id: str
    label: str
    method: str
    dash: str

    @property
    def colour(self) -> str:
        return theme.method_colour(self.method)


def looks(chosen: Sequence[str], labels: Mapping[str, str], runs: pd.DataFrame) -> list[Look]:
    """The chosen runs; those of one method are told apart by their dash."""
    methods = dict(zip(runs["run_id"], runs["method"], strict=True))
    seen: dict[str, int] = {}
    found = []
    for run in chosen:
        method = str(methods[run])
        place = seen[method] = seen.get(method, -1) + 1
        found.append(Look(run, labels[run], method, DASHES[place % len(DASHES)]))
    return found


@st.cache_data(show_spinner=False, max_entries=32)
def regions(source: Source, run_id: str) -> pd.DataFrame:
    """True regions of a run with what their image is: the columns of table regions, anomaly_type,
    specimen; empty in a run stored before regions were kept, or without masks."""
    found = read.regions(source.workspace, run_id)
    facts = results.judged(source, run_id)[["key", "anomaly_type", "specimen"]]
    return found.merge(facts, on="key", how="inner")


def labels(source: Source) -> dict[str, str]:
    """{run id: what it is called} of every run that ended well, newest first."""
    return _labels(source, queries.method_titles())


@st.cache_data(show_spinner=False, max_entries=4)
def _labels(source: Source, _titles: Mapping[str, str]) -> dict[str, str]:
    return casefile.run_labels(results.runs(source), _titles)


@st.cache_data(show_spinner=False, max_entries=32)
def kinds_of(source: Source, run_id: str) -> pd.DataFrame:
    """Kinds of flaw of a run: see `kinds`."""
    return kinds(results.judged(source, run_id), regions(source, run_id))


@st.cache_data(show_spinner=False, max_entries=32)
def found_of(source: Source, run_id: str) -> dict[tuple[str, str], Recall]:
    """{(class, kind): found at the threshold of the class} of a run."""
    return found_of_kind(results.judged(source, run_id))


@st.cache_data(show_spinner=False, max_entries=32)
def measured_of(source: Source, run_id: str) -> pd.DataFrame:
    """Metric rows of single kinds of flaw, `OF_KIND` alone."""
    rows = results.type_metrics(source, run_id)
    return rows[rows["metric"].isin(OF_KIND)].reset_index(drop=True)


def intervals(metrics: pd.DataFrame, run_id: str, metric: str) -> dict[str, Interval]:
    """{class: value with its interval} of one run, the mean left out; classes without are missing.

    Args:
        metrics: rows of the store's table metrics.
    """
    mine = metrics[(metrics["run_id"] == run_id) & (metrics["metric"] == metric)]
    found = {}
    for (name,), row in boards.by_place(mine, "class_name").items():
        one = ranking.interval(row)
        if one is not None and name != MEAN:
            found[name] = one
    return found


def weakest(values: Mapping[str, Interval], classes: Sequence[str]) -> str | None:
    """The class of the lowest value; the first one when none has a value."""
    if not classes:
        return None
    return min(values, key=lambda name: values[name].value) if values else classes[0]


def at_oracle(metrics: pd.DataFrame) -> set[str]:
    """Metrics that look at a threshold chosen on these same test images."""
    noted = metrics["note"].fillna("").astype(str).str.contains(AT_ORACLE, regex=False)
    return set(metrics.loc[noted, "metric"])


# -- grids --------------------------------------------------------------------------------------


def metric_rows(
    metrics: pd.DataFrame, run_id: str, classes: Sequence[str], ids: Sequence[str],
    digits: Mapping[str, int], way: Convention = EXACT, query: Mapping[str, Any] | None = None,
) -> list[Row]:  # fmt: skip
    """Classes down, metrics across, of one run; the mean over classes stays below.

    Args:
        digits: decimals of metrics that are not shown with three.
        query: what the page's address says beside the class.
    """
    mine = metrics[(metrics["run_id"] == run_id) & metrics["metric"].isin(list(ids))]
    places = boards.by_place(mine, "class_name", "metric")
    rows = []
    for name in [*classes, *([MEAN] if len(classes) > 1 else [])]:
        entries = [_entry(places.get((name, id)), id, digits.get(id, 3), way) for id in ids]
        rows.append(_row(name, entries, query))
    return rows


def run_rows(
    metrics: pd.DataFrame, runs: Sequence[Look], classes: Sequence[str], metric: str,
    way: Convention = EXACT, query: Mapping[str, Any] | None = None,
) -> list[Row]:  # fmt: skip
    """Classes down, runs across, one metric; the mean over classes stays below."""
    mine = metrics[metrics["metric"] == metric]
    places = boards.by_place(mine, "class_name", "run_id")
    rows = []
    for name in [*classes, *([MEAN] if len(classes) > 1 else [])]:
        entries = [_entry(places.get((name, one.run_id)), metric, 3, way) for one in runs]
        rows.append(_row(name, entries, query))
    return rows


def _entry(row: pd.Series | None, metric: str, digits: int, way: Convention) -> Entry:
    cell = boards.metric_cell(row, counting.MISSING[way], digits)
    if row is None:
        return value_entry(cell, metric)
    value, low = ranking.number(row["value"]), ranking.number(row["low"])
    if digits == 0 or METRICS.get(metric).higher_is_better is False:  # no ground would say so
        return Entry(cell.text, value, cell.below, cell.help)
    return value_entry(cell, metric, value, low)


def _row(name: str, entries: Sequence[Entry], query: Mapping[str, Any] | None) -> Row:
    if name == MEAN:
        return Row(MEAN, (Entry("mean over classes"), *entries), fixed=True)
    href = page_href("classes", {**(query or {}), "class": name})
    return Row(name, (Entry(name.replace("_", " "), name), *entries), href)


def page_href(page: str, query: Mapping[str, Any]) -> str:
    """A relative address; values may be lists."""
    return f"{navigation.href(page)}?{urlencode(query, doseq=True)}"


def cases_href(query: Mapping[str, Any]) -> str:
    """Where mistakes are looked at side by side; the Inspect page as long as there is no other."""
    urls = {info.url for info in navigation.discover()}
    return page_href("failures" if "failures" in urls else "inspect", query)


# -- kinds of flaw ------------------------------------------------------------------------------


def kinds(judged: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """class_name, anomaly_type, images, median_px (of its regions; NaN without), by name.

    Args:
        judged: cases of one run.
        found: its regions, as `regions` gives them.
    """
    keys = ["class_name", "anomaly_type"]
    bad = judged[judged["label"] == 1]
    listed = bad.groupby(keys, sort=True).size().rename("images").reset_index()
    sizes = {key: middle(mine["area_px"]) for key, mine in found.groupby(keys)}
    medians = [
        sizes.get(key) for key in zip(listed["class_name"], listed["anomaly_type"], strict=True)
    ]
    return listed.assign(median_px=pd.array(medians, dtype="Float64"))


def found_of_kind(judged: pd.DataFrame) -> dict[tuple[str, str], Recall]:
    """{(class, kind): found at the threshold of the class}."""
    table = casework.by_type(judged)
    return {
        (str(row["class_name"]), str(row["anomaly_type"])): Recall(
            int(row["found"]), int(row["cases"]), row["share"], row["low"], row["high"]
        )
        for _, row in table.iterrows()
    }


def found_entry(hits: Recall | None, href: str = "") -> Entry:
    """The share found with its counts and interval; a bar shows the found and the missed part."""
    if hits is None:
        return Entry("–", None, "", "no threshold to judge by")
    bar = ((hits.share, "var(--fs-found)"), (1 - hits.share, "var(--fs-missed)"))
    return Entry(
        f"{hits.share:.0%}", hits.share,
        f"{hits.found} of {hits.cases}, {hits.low:.0%} to {hits.high:.0%}",
        f"{hits.cases - hits.found} of {hits.cases} missed", href=href, bar=bar,
    )  # fmt: skip


# -- seeds --------------------------------------------------------------------------------------


def siblings(runs: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Runs that differ from this one in their seed alone, itself among them; by seed, the newest of
    each seed on the same content."""
    mine = runs[runs["run_id"] == run_id].iloc[0]
    same = runs[
        (runs["group_id"] == mine["group_id"]) & (runs["fingerprint"] == mine["fingerprint"])
    ]
    newest = same.sort_values("created_at").drop_duplicates("seed", keep="last")
    found: pd.DataFrame = newest.sort_values("seed").reset_index(drop=True)
    return found


def without_seed(label: str) -> str:
    """A run's label without its seed: what all its siblings are called."""
    return re.sub(r", seed \d+\b", "", label)


def seed_values(
    metrics: pd.DataFrame, group: pd.DataFrame, classes: Sequence[str], metric: str
) -> pd.DataFrame:
    """Classes down, seeds across; NaN where there is no value."""
    mine = metrics[metrics["metric"] == metric]
    wide = mine.pivot_table(index="class_name", columns="run_id", values="value", dropna=False)
    wide = wide.reindex(index=list(classes), columns=list(group["run_id"])).astype(float)
    found: pd.DataFrame = wide.set_axis([int(seed) for seed in group["seed"]], axis=1)
    return found
