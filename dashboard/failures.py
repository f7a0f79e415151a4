"""The Failures page: cases of one run, beside others, ranked, filtered and grouped.

Pure functions of pandas frames, quick for 50,000 cases and four runs. The pool of cases is cached
by the edition of the store, so that a new mark does not read it again.

A ranking speaks of the first run; "found by none" and "found only by" speak of all chosen ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import streamlit as st

from core.marks import Disputes
from core.metrics.enrichment import third_edges
from core.store import case_query, read
from core.types import GOOD
from dashboard import casework, results
from dashboard.casework import ALL
from dashboard.results import Source

PAGE = 48
SHOWS = ("missed", "false alarms", "near", "localised", "regions", "none", "only", "marked",
         "disputed", "all")  # fmt: skip
ONLY = "only:"
"""Begins the ranking of what one run alone finds; its id follows."""
IN_INSPECT = {
    "missed": "missed first", "none": "missed first", "false alarms": "false alarms",
    "near": "near the threshold", "localised": "worst localised",
}  # fmt: skip
"""The list that Inspect opens for a ranking; all cases for the others."""
SIZES = ("small", "medium", "large")
GROUPS = ("nothing", "type", "class", "outcome")
OUTCOMES = ("missed", "false alarm", "found", "passed", "not judged")
"""From worst to best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the page was asked for.

    Attributes:
        runs: ids, the first one is what rankings speak of.
        show: one of SHOWS, or ONLY + a run's id.
        size: one of SIZES, or ALL.
        scores: lowest and highest image score of the first run; None: any.
        group: one of GROUPS.
    """

    runs: tuple[str, ...]
    show: str = "missed"
    class_name: str = ALL
    type: str = ALL
    size: str = ALL
    scores: tuple[float, float] | None = None
    group: str = "nothing"


# -- the pool ---------------------------------------------------------------------------------


@st.cache_data(show_spinner=False, max_entries=8)
def pool(source: Source, runs: tuple[str, ...]) -> pd.DataFrame:
    """One row a case that all runs scored; see `casework.join`.

    Further columns: share (true area as a share of the image, NaN without a mask), aupimo (of the
    first run), "threshold:<run>", "oracle:<run>".
    """
    judged = {run: results.judged(source, run) for run in runs}
    sizes = read.run(source.workspace, runs[0])["size"]
    return assemble(judged, 0 if sizes.empty else int(sizes.iloc[0]) ** 2)


def assemble(judged: Mapping[str, pd.DataFrame], pixels: int) -> pd.DataFrame:
    """`casework.join` by key, with what the page needs beside; pixels of an image at the runs'
    size."""
    first = next(iter(judged))
    table = casework.join(judged).sort_values("key", ignore_index=True)  # settles ties for good
    codes, classes = pd.factorize(table["class_name"])
    for run, cases in judged.items():
        of_class = cases.groupby("class_name", sort=False)[["threshold", "oracle"]].first()
        for name in of_class.columns:  # one value a class
            table[f"{name}:{run}"] = of_class[name].reindex(classes).to_numpy()[codes]
    aupimo = judged[first].set_index("key")["aupimo"] if "aupimo" in judged[first] else None
    table["aupimo"] = np.nan if aupimo is None else table["key"].map(aupimo).astype(float)
    masked = (table["label"] == 1) & table["has_mask"].fillna(False).astype(bool)
    table["share"] = np.where(masked, table["area_px"] / max(pixels, 1), np.nan)
    return table


def size_edges(table: pd.DataFrame) -> tuple[float, float] | None:
    """Shares of the image that part the flaws of these cases into thirds."""
    return third_edges(table["share"].to_numpy())


def size_of(table: pd.DataFrame, edges: tuple[float, float]) -> pd.Series:
    """SIZES of each case; "" for those without a mask."""
    share = table["share"]
    names = np.select(
        [share.isna(), share < edges[0], share < edges[1]], ["", "small", "medium"], "large"
    )
    return pd.Series(names, index=table.index)


@st.cache_data(show_spinner=False, max_entries=8)
def missed_regions(source: Source, run: str) -> pd.DataFrame | None:
    """See `case_query.missed_regions`; None for a run that was stored without regions."""
    if not case_query.has_regions(source.workspace, run):
        return None
    return case_query.missed_regions(source.workspace, run)


# -- filters and rankings -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extra:
    """What a few rankings need beside the pool: missed regions, marked keys (newest first),
    disputes, the edges between sizes."""

    regions: pd.DataFrame | None = None
    marked: Sequence[str] = ()
    disputes: Disputes = field(default_factory=Disputes)
    edges: tuple[float, float] | None = None


def population(table: pd.DataFrame, choice: Choice, extra: Extra) -> pd.DataFrame:
    """The cases that the filters leave, before any ranking."""
    keep = pd.Series(True, index=table.index)
    if choice.class_name != ALL:
        keep &= table["class_name"] == choice.class_name
    if choice.type != ALL:
        keep &= table["anomaly_type"] == choice.type
    if choice.size != ALL and extra.edges is not None:
        keep &= size_of(table, extra.edges) == choice.size
    if choice.scores is not None:
        keep &= table[f"score:{choice.runs[0]}"].between(*choice.scores)
    return table[keep]


def eligible(table: pd.DataFrame, show: str) -> pd.DataFrame:
    """Those of a population that a ranking could list at all: what its counts are out of."""
    if show == "false alarms":
        return table[table["label"] == 0]
    if show in ("missed", "localised", "regions", "none") or show.startswith(ONLY):
        return table[table["label"] == 1]
    return table


def ranked(table: pd.DataFrame, choice: Choice, extra: Extra) -> pd.DataFrame:
    """The population's cases of a ranking, the worst first."""
    first = choice.runs[0]
    outcome, error, margin = (table[f"{name}:{first}"] for name in ("outcome", "error", "margin"))
    outcomes = table[[f"outcome:{run}" for run in choice.runs]]
    if choice.show == "missed":
        return _sorted(table, outcome == "missed", (-error, margin))
    if choice.show == "false alarms":
        return _sorted(table, outcome == "false alarm", (-error, -margin))
    if choice.show == "near":
        return _sorted(table, margin.notna(), (margin.abs(),))
    if choice.show == "localised":
        masked = table["share"].notna()
        on_flaw = table[f"peak_in_truth:{first}"].eq(True)
        return _sorted(table, masked, (on_flaw, table["aupimo"].fillna(0.0), -margin))
    if choice.show == "regions":
        return _listed(table, () if extra.regions is None else extra.regions["key"])
    if choice.show == "none":
        by_none = (outcomes == "missed").all(axis=1)
        return _sorted(table, by_none, (-table["error"], table["margin"]))
    if choice.show.startswith(ONLY):
        finder = choice.show.removeprefix(ONLY)
        others = [run for run in choice.runs if run != finder]
        missed = (table[[f"outcome:{run}" for run in others]] == "missed").all(axis=1)
        gap = table[f"margin:{finder}"] - table[[f"margin:{run}" for run in others]].max(axis=1)
        return _sorted(table, missed & (table[f"outcome:{finder}"] == "found"), (-gap,))
    if choice.show == "marked":
        return _listed(table, extra.marked)
    if choice.show == "disputed":
        return _listed(table, [key for key in extra.marked if key in extra.disputes.keys])
    return _sorted(table, pd.Series(True, index=table.index), ())


def _sorted(table: pd.DataFrame, keep: pd.Series, by: Sequence[pd.Series]) -> pd.DataFrame:
    """Kept rows, rising by each of `by` in turn, then by key, the pool's own order."""
    some = table[keep]
    order = np.arange(len(some))
    for values in reversed(by):  # from the least to the most important; every pass is stable
        order = order[np.argsort(values[keep].to_numpy()[order], kind="stable")]
    return some.iloc[order].reset_index(drop=True)


def _listed(table: pd.DataFrame, keys: Sequence[str] | pd.Series) -> pd.DataFrame:
    """The rows of these keys, in their order."""
    place = {str(key): n for n, key in enumerate(keys)}
    some = table[table["key"].isin(place)]
    order = np.argsort([place[str(key)] for key in some["key"]], kind="stable")
    return some.iloc[order].reset_index(drop=True)


# -- groups -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """A section of the gallery: `count` of the ranking's cases out of `of` that the filters leave.

    `start` is the place of its first case in the grouped table.
    """

    name: str
    count: int
    of: int
    start: int


def group_names(table: pd.DataFrame, choice: Choice) -> pd.Series:
    """The section each case belongs to."""
    classes = table["class_name"].astype(str)
    if choice.group == "class":
        return classes
    if choice.group == "outcome":
        return table[f"outcome:{choice.runs[0]}"].astype(str)
    types = table["anomaly_type"].astype(str).where(table["label"] == 1, GOOD)
    return types if choice.class_name != ALL else classes + " · " + types


def grouped(
    found: pd.DataFrame, population: pd.DataFrame, choice: Choice
) -> tuple[pd.DataFrame, list[Group]]:
    """Ranked cases in sections, the worst section first; ([one section without a name] when
    nothing is grouped).

    The worst is the one of whose cases the largest share is in the ranking; by outcome, what is
    missed comes first.
    """
    if choice.group == "nothing" or found.empty:
        return found, [Group("", len(found), len(eligible(population, choice.show)), 0)]
    names = group_names(found, choice)
    counts = names.value_counts()
    totals = group_names(eligible(population, choice.show), choice).value_counts()
    share = (counts / totals.reindex(counts.index)).fillna(0.0)
    if choice.group == "outcome":
        order = [name for name in OUTCOMES if name in counts.index]
    else:
        order = sorted(counts.index, key=lambda name: (-share[name], -counts[name], name))
    place = names.map({name: n for n, name in enumerate(order)}).to_numpy()
    table = found.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    starts = np.concatenate(([0], np.add.accumulate([int(counts[name]) for name in order])))
    groups = [
        Group(str(name), int(counts[name]), int(totals.get(name, 0)), int(start))
        for name, start in zip(order, starts, strict=False)
    ]
    return table, groups


def on_page(groups: Sequence[Group], page: int) -> list[tuple[Group, range]]:
    """The sections that a page (from 1) shows, with the places of their cases on it."""
    first, last = (page - 1) * PAGE, page * PAGE
    shown = []
    for group in groups:
        places = range(max(first, group.start), min(last, group.start + group.count))
        if places:
            shown.append((group, places))
    return shown
