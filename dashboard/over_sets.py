"""Methods over several data sets, or over the classes of one: who ranks best on the whole.

A contestant is a method with its setting, protocol and size; its seeds are averaged, and where a
data set has several configurations of it the newest counts. Every data set is one block, by the
content most contestants were run on. Pure functions of frames, but for the cached readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics import friedman
from core.metrics.conventions import Convention
from core.metrics.friedman import Ranked
from core.store import read
from dashboard import boards, ranking
from dashboard.rank_charts import Mark
from dashboard.results import Source

KEY = ("method", "setting", "protocol", "size")


@dataclass(frozen=True, slots=True)
class Contest:
    """Contestants on blocks.

    Attributes:
        methods, labels: of each contestant, by rising mean rank, those without one last.
        blocks: what they were compared on, all that have a value.
        values: contestants x blocks; NaN where there is none.
        low, high: ends of intervals, likewise; NaN without.
        ranked: of the contestants `inside` over the blocks `used`; None when none are left.
        inside, used: positions in `methods` and `blocks` that are ranked, without gaps.
        hrefs: where a cell leads, by block.
    """

    methods: tuple[str, ...]
    labels: tuple[str, ...]
    blocks: tuple[str, ...]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ranked: Ranked | None
    inside: tuple[int, ...]
    used: tuple[int, ...]
    hrefs: tuple[str, ...] = ()

    def place(self, contestant: int) -> int | None:
        """Its position in `ranked`; None when it is not ranked."""
        return self.inside.index(contestant) if contestant in self.inside else None


@st.cache_data(show_spinner=False, max_entries=8)
def means(source: Source, convention: Convention) -> pd.DataFrame:
    """Succeeded runs with the mean of every metric; see `core.store.read.leaderboard`."""
    return read.leaderboard(source.workspace, None, convention)


def blocks_of(runs: pd.DataFrame) -> dict[str, str]:
    """{data set: fingerprint}: of each name the content most contestants were run on, the newer
    of equal ones."""
    found: dict[str, str] = {}
    for name, mine in runs.groupby("dataset", sort=True):
        counts = mine.groupby("fingerprint", sort=False).agg(
            contestants=("method", lambda column: len(column)), newest=("created_at", "max")
        )
        counts["contestants"] = [
            len(mine.loc[mine["fingerprint"] == one, list(KEY)].drop_duplicates())
            for one in counts.index
        ]
        best = counts.sort_values(["contestants", "newest"], ascending=False, kind="stable")
        found[str(name)] = str(best.index[0])
    return found


def over_data_sets(board: pd.DataFrame, metric: str, titles: Mapping[str, str]) -> Contest:
    """Contestants on every data set by one metric.

    Args:
        board: of `means`, narrowed by the filters.
    """
    if metric not in board:
        board = board.assign(**dict.fromkeys((metric, f"{metric}_low", f"{metric}_high"), np.nan))
    chosen = blocks_of(board)
    rows = board[board["fingerprint"].isin(set(chosen.values()))]
    rows = rows.drop_duplicates(["group_id", "fingerprint", "seed"])  # newest first
    newest = rows.drop_duplicates(["fingerprint", *KEY])[["fingerprint", *KEY, "group_id"]]
    rows = rows.merge(newest, on=["fingerprint", *KEY, "group_id"])
    rows = rows.dropna(subset=[metric])
    grouped = rows.groupby([*KEY, "fingerprint"], sort=False).agg(
        value=(metric, "mean"), low=(f"{metric}_low", "min"), high=(f"{metric}_high", "max")
    )
    table = grouped.reset_index()
    contestants = table[list(KEY)].drop_duplicates().reset_index(drop=True)
    names = [name for name, print_ in chosen.items() if print_ in set(table["fingerprint"])]
    place = {chosen[name]: i for i, name in enumerate(names)}
    who = {tuple(row): i for i, row in enumerate(contestants.itertuples(index=False))}
    shape = (len(contestants), len(names))
    grids = {end: np.full(shape, np.nan) for end in ("value", "low", "high")}
    for row in table.to_dict("records"):
        at = who[tuple(row[name] for name in KEY)], place[row["fingerprint"]]
        for end, grid in grids.items():
            grid[at] = row[end]
    hrefs = tuple(f"leaderboard?data={chosen[name]}&by={metric}" for name in names)
    labels = _labels(contestants, titles)
    return contest(list(contestants["method"]), labels, names, grids["value"], grids["low"],
                   grids["high"], hrefs)  # fmt: skip


def over_classes(entries: pd.DataFrame, values: pd.DataFrame, metric: str) -> Contest:
    """Entries of one board on its classes by one metric."""
    mine = values[(values["metric"] == metric) & (values["class_name"] != "mean")]
    mine = mine[mine["entry"].isin(entries["entry"])]
    value, low, high = (
        mine.pivot(index="entry", columns="class_name", values=end)
        .astype(float)
        .reindex(entries["entry"])
        for end in ("value", "low", "high")
    )
    labels = [str(label) for label in entries["label"]]
    names = [str(name) for name in value.columns]
    return contest([str(m) for m in entries["method"]], labels, names, value.to_numpy(),
                   low.to_numpy(), high.to_numpy())  # fmt: skip


def contest(
    methods: list[str],
    labels: list[str],
    blocks: list[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    hrefs: tuple[str, ...] = (),
) -> Contest:
    """The contestants ranked and put in order; see `Contest`."""
    inside, used = friedman.without_gaps(np.isfinite(values)) if values.size else ([], [])
    ranked = friedman.compare_ranks(values[np.ix_(inside, used)]) if len(inside) else None
    mean = {i: float(ranked.mean_K[k]) for k, i in enumerate(inside)} if ranked else {}
    order = sorted(range(len(methods)), key=lambda i: (mean.get(i, np.inf), labels[i]))
    held = [order.index(i) for i in inside]
    return Contest(
        methods=tuple(methods[i] for i in order), labels=tuple(labels[i] for i in order),
        blocks=tuple(blocks), values=values[order], low=low[order], high=high[order],
        ranked=ranked, inside=tuple(held), used=tuple(used), hrefs=hrefs,
    )  # fmt: skip


def _labels(contestants: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    if contestants.empty:
        return []
    mixed = ranking.mixed(contestants)
    return [
        ranking.named(
            titles.get(str(row["method"]), str(row["method"])),
            *(boards.fact(name, row[name]) for name in mixed),
        )
        for row in contestants.to_dict("records")
    ]


def marks(found: Contest) -> list[Mark]:
    """The ranked contestants for the diagram, in the order of `ranked`."""
    if found.ranked is None:
        return []
    return [
        Mark(found.methods[i], found.labels[i], float(found.ranked.mean_K[k]), *ends)
        for k, (i, ends) in enumerate(zip(found.inside, found.ranked.intervals_K, strict=True))
    ]
