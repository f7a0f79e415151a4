"""Parts of the Leaderboard and of the table of published rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from core.reference import ader
from core.reference.ader import Published
from dashboard import boards, published, rank_charts, state, theme
from dashboard.boards import Line
from dashboard.components import grids
from dashboard.components.sortable import Column, Entry, Row, sortable

NAMES = {"setting": "Setting", "protocol": "Protocol", "size": "Size"}
GROUP_HELP = (
    "Entries that share a letter cannot be told apart on these images; entries that share none "
    "differ. The group that holds the first entry is a."
)
PERCENT = "Percent, as ADer counts."
RISING = ("Rank", "Memory", "Trained in")
REMARKS = """<style>
.lb-remarks{display:grid;grid-template-columns:max-content 1fr;gap:6px 18px;margin:0;font-size:14px;
 line-height:1.5}
.lb-remarks dt{font-weight:600}.lb-remarks dd{margin:0;color:var(--fs-dim)}
@media (max-width:640px){.lb-remarks{grid-template-columns:1fr;gap:0}
 .lb-remarks dd{margin-bottom:8px}}
</style>"""


def board(
    lines: Sequence[Line],
    headings: Sequence[str],
    facts: Sequence[str],
    helps: Mapping[str, str],
    *,
    grouped: bool,
    title: str,
) -> None:
    """The board: method, what the entries differ in, place, group, then one column a heading.

    Args:
        headings: of the lines' cells.
        facts: names of the lines' facts.
        helps: {heading: hover text}.
        grouped: whether the lines carry letters.
        title: what the entries are ordered by, for people who hear the table.
    """
    names = [NAMES.get(fact, fact) for fact in facts]
    groups = ["Group"] if grouped else []
    columns = [Column("Method", left=True)]
    columns += [Column(name, helps.get(name, ""), left=True) for name in names]
    columns += [Column("Rank", helps.get("Rank", ""), rising=True)]
    columns += [Column(name, GROUP_HELP, left=True) for name in groups]
    columns += [
        Column(name, helps.get(name, ""), rising=name in RISING, below=_below(name))
        for name in headings
    ]
    rows = [_row(line, grouped) for line in lines]
    sortable(columns, rows, "board", caption=f"Leaderboard by {title}", csv="leaderboard.csv")


def _below(heading: str) -> str:
    return "class" if heading == "Worst class" else "95 % interval"


def _row(line: Line, grouped: bool) -> Row:
    colour = theme.PUBLISHED if line.published else theme.method_colour(line.method)
    entries = [Entry(line.name or line.label, line.label, colour=colour, chips=line.chips)]
    entries += [Entry(fact, fact if fact != "–" else None) for fact in line.facts]
    ranked = line.rank != "–"
    entries.append(Entry(line.rank, line.rank if ranked else None, help=line.rank_help))
    if grouped:
        entries.append(Entry(line.letters or "–", line.letters or None, help=line.rank_help))
    entries += [Entry(cell.text, cell.sort, cell.below, cell.help) for cell in line.cells]
    return Row(line.run_id, tuple(entries), href=line.href, quiet=line.published)


def cost_card(entries: pd.DataFrame, values: pd.DataFrame, metric: str, title: str) -> None:
    """Accuracy against speed, memory or training time; which one is kept in the URL."""
    words = {name: cost.choice for name, cost in rank_charts.COSTS.items()}
    with st.container(horizontal=True, vertical_alignment="center", key="cost-head"):
        st.subheader("Accuracy against its cost", width="content")
        name = state.pick("cost", list(words), label="Against", words=words)
    cost = rank_charts.COSTS[name]
    frame = boards.cost_frame(entries, values, metric, cost.column)
    if frame.empty:
        st.caption(f"No entry here has both a {title} and a {cost.choice} that was measured.")
        return
    st.plotly_chart(
        rank_charts.accuracy_cost(frame, title, cost), config=grids.PLOT, key=f"cost-{name}"
    )
    missing = len(entries) - len(frame)
    front = " The dashed line joins entries that none beats in both." if len(frame) > 1 else ""
    lack = f" {missing} without a measured figure not shown." if missing else ""
    if front or lack:
        st.caption((front + lack).strip())


def beside_note(match: ader.Match, shown: bool) -> None:
    """What published rows mean beside ours, or why none can stand here."""
    if match.dataset and shown:
        st.caption(
            f"Grey rows are published ({ader.CITATION}), one model for all classes at "
            f"{ader.SIZE} px, and are not ranked: nothing is known of their single images. "
            f"[All published rows](published?data={match.dataset.replace(' ', '+')})"
        )
    elif not match.dataset:
        st.caption(
            f"Published rows cannot stand beside these: {match.reason}. "
            "[See all published rows](published)"
        )


def published_table(rows: Sequence[Published], metrics: Mapping[str, str]) -> None:
    """All published rows that were chosen.

    Args:
        metrics: {id: title} of the columns.
    """
    columns = [Column("Method", left=True), Column("Data set", left=True), Column("Epochs")]
    first = Column("Mean of parts", "The seven metrics mAD averages, recomputed from the row.")
    columns += [Column(metrics["mad"], PERCENT), first]
    columns += [Column(title, PERCENT) for id, title in metrics.items() if id != "mad"]
    sortable(
        columns, [_published_row(row, list(metrics)) for row in rows], "published",
        caption="Published results of the ADer benchmark", csv="published.csv",
    )  # fmt: skip


def _published_row(row: Published, metrics: Sequence[str]) -> Row:
    percent = {id: 100 * row.values[id] for id in metrics}
    cells = {id: Entry(f"{value:.1f}", round(value, 1)) for id, value in percent.items()}
    mean = 100 * row.mean_of_parts
    entries = [
        Entry(row.title, row.title, row.source, published.remark(row), colour=theme.PUBLISHED,
              chips=published.marks(row)),
        Entry(row.dataset, row.dataset),
        Entry(str(row.epochs), row.epochs),
        cells.pop("mad"),
        Entry(f"{mean:.1f}", round(mean, 2), mark="" if row.consistent else "not the printed mAD"),
        *cells.values(),
    ]  # fmt: skip
    return Row(f"{row.dataset}-{row.epochs}-{row.method}", tuple(entries), quiet=True)


def remarks(rows: Sequence[Published]) -> None:
    """What to know of the shown rows, once a method."""
    said = published.remarks(rows)
    if said:
        items = "".join(
            f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in said.items()
        )
        st.html(f"{REMARKS}<dl class='lb-remarks'>{items}</dl>")
