"""The two views of the Leaderboard: one data set with all its entries, or methods over all data.

Both begin with the finding; the board follows, then what proves and explains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.metrics.conventions import ADER, EXACT, HELP, TITLES, Convention
from dashboard import (
    boards,
    counting,
    findings,
    over_sets,
    over_words,
    paired_ranks,
    published,
    queries,
    ranking,
    results,
)
from dashboard.components import board_parts, cards, grids, over_parts
from dashboard.components.measure_help import measure_help
from dashboard.ranking import Paired


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ranked by: a metric, its name, and how it is counted."""

    metric: str
    name: str
    way: Convention

    @property
    def title(self) -> str:
        """ "Image AUROC", or "Image AUROC as ADer counts"."""
        return counting.titled(self.name, self.way)


@st.cache_data(show_spinner=False, max_entries=32)
def tables(
    source: results.Source, run_ids: tuple[str, ...], way: Convention,
    titles: tuple[tuple[str, str], ...],
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Entries and values of a board, of the nine metrics; see `ranking`.

    Args:
        titles: of methods, as pairs.
    """
    runs = results.runs(source)
    rows = results.metrics(source, run_ids, way)
    rows = rows[rows["metric"].isin(list(results.qualities()))]
    known = queries.Titles(dict(titles))
    entries = ranking.entries(runs[runs["run_id"].isin(run_ids)], known)
    return entries, ranking.values(entries, rows)


def one_data_set(
    source: results.Source, runs: pd.DataFrame, wanted: Wanted, epochs: int | None
) -> None:
    """The board of one data set.

    Args:
        epochs: of the published rows to show beside; None: hidden.
    """
    titles = tuple(queries.method_titles().items())
    entries, values = tables(source, tuple(runs["run_id"]), wanted.way, titles)
    paired = ranking.UNPAIRED
    waits = None
    if wanted.way == EXACT:
        look = paired_ranks.look(source, entries, wanted.metric)
        waits, paired = (look, paired) if look.paired is None else (None, look.paired)
    entries = ranking.ordered(entries, values, wanted.metric, paired)
    cards.finding(
        counting.NOTHING
        if values.empty
        else findings.leaderboard(entries, values, wanted.metric, wanted.title, paired)
    )
    if waits is not None:
        paired_ranks.wait_for(waits, source.root, paired_ranks.groups(entries), wanted.metric)
    match = published.same_data(runs)
    _board(entries, values, wanted, paired, None if epochs is None else (match.dataset, epochs))
    lacking = counting.without(boards.lacking(entries, values)) if len(values) else ""
    labels = dict(zip(entries["entry"], entries["label"], strict=True))
    for said in filter(None, (lacking, paired_ranks.note(paired, labels))):
        st.caption(said)
    if wanted.way == ADER:
        board_parts.beside_note(match, epochs is not None)
    _evidence(entries, values, wanted)


def _board(
    entries: pd.DataFrame, values: pd.DataFrame, wanted: Wanted, paired: Paired,
    beside: tuple[str, int] | None,
) -> None:  # fmt: skip
    metrics = {id: metric.title for id, metric in results.qualities().items()}
    with st.container(horizontal=True, vertical_alignment="center", key="above-board"):
        said = f"{counting.caption(wanted.way)} {boards.alike(entries)}".strip()
        st.caption(said, help=HELP, width="content")
        more = st.toggle("All nine metrics", key="nine", bind="query-params")
        measure_help(list(results.qualities()), "board")
    few = [id for id in metrics if id in boards.FEW_COLUMNS or id == wanted.metric]
    columns = list(metrics) if more else few
    labels = dict(zip(entries["entry"], entries["label"], strict=True))
    facts = ranking.mixed(entries)
    behind = {
        str(row["entry"]): paired_ranks.rank_help(str(row["entry"]), row, paired, labels)
        for _, row in entries.iterrows()
    }
    missing = counting.MISSING[wanted.way]
    lines = boards.lines(entries, values, columns, wanted.metric, missing, facts, behind)
    if beside is not None:
        sizes = sorted({int(size) for size in entries["size"]})
        others = published.beside(*beside, columns, wanted.metric, sizes, facts)
        lines = published.merged(lines, others)
    helps = counting.helps(results.qualities().values(), wanted.way)
    helps["Rank"] = paired_ranks.PAIRED_HELP if paired.any else counting.RANK_HELP[wanted.way]
    helps["Worst class"] = f"Lowest {wanted.title} of any class."
    board_parts.board(
        lines, boards.headings(metrics, columns), facts, helps,
        grouped=wanted.way == EXACT and len(entries) > 1, title=wanted.title,
    )  # fmt: skip


def _evidence(entries: pd.DataFrame, values: pd.DataFrame, wanted: Wanted) -> None:
    """Below the board: class by class, accuracy against its cost, mean ranks over classes."""
    left, right = st.columns(2)
    with left.container(border=True, key="by-class"):
        st.subheader(f"By class, {wanted.name}, {TITLES[wanted.way]}", help=ranking.INTERVAL_HELP)
        table = boards.grid(entries, values, wanted.metric)
        squares = list(entries["method"])
        grids.show(grids.bare(grids.grid_html(table, "Method", wanted.metric, squares)))
    with right.container(border=True, key="speed"):
        board_parts.cost_card(entries, values, wanted.metric, wanted.title)
    if len(ranking.classes_of(values)) > 1 and len(entries) > 1:
        over_parts.class_card(
            lambda: over_sets.over_classes(entries, values, wanted.metric), wanted.title
        )


def over_data_sets(source: results.Source, runs: pd.DataFrame, wanted: Wanted) -> None:
    """Methods down, data sets across, mean ranks and what they let one say."""
    board = over_sets.means(source, wanted.way)
    board = board[board["run_id"].isin(runs["run_id"])]
    found = over_sets.over_data_sets(board, wanted.metric, queries.method_titles())
    cards.finding(over_words.finding(found, wanted.title))
    st.caption(f"{counting.caption(wanted.way)} {boards.alike(runs)}".strip(), help=HELP)
    if not found.labels:
        return
    over_parts.table(found, wanted.metric, wanted.title)
    with st.container(border=True, key="card-critical"):
        st.subheader("Mean ranks", help=over_words.DIAGRAM_HELP)
        over_parts.diagram(found)
