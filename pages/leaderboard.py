"""Leaderboard: which method is best on a data set, and which cannot be told apart."""

from __future__ import annotations

import streamlit as st

from core.metrics.conventions import HELP, TITLES
from dashboard import boards, charts, counting, findings, queries, ranking, results, state
from dashboard.components import cards, grids
from dashboard.components.empty import empty

TITLE = "Leaderboard"
GROUP = "Understand"
ORDER = 10
ICON = ":material/leaderboard:"


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No results yet",
            "Every run that ends well appears here, side by side with the others on the same data: "
            "value, interval, rank, speed and memory.",
            "overview",
            "Run the demo",
        )
        return
    metrics = {id: metric.title for id, metric in results.qualities().items()}
    with state.filters(TITLE):
        options = boards.data_options(runs)
        data = state.pick("data", list(options), label="Data", words=options, always=True)
        runs = runs[runs["fingerprint"] == data]
        for name in ("setting", "protocol", "size"):
            chosen = state.pick(name, boards.choices(runs, name), label=name.capitalize())
            runs = boards.narrow(runs, **{name: chosen})
        rank_by = state.pick("by", list(metrics), label="Rank by", words=metrics)
        way = counting.choose()
    entries = ranking.entries(runs, queries.method_titles())
    values = ranking.values(entries, results.metrics(source, tuple(runs["run_id"]), way))
    entries = ranking.ordered(entries, values, rank_by)
    title = counting.titled(metrics[rank_by], way)
    cards.finding(
        counting.NOTHING if values.empty else findings.leaderboard(entries, values, rank_by, title)
    )
    columns = [metric for metric in metrics if metric in boards.FEW_COLUMNS or metric == rank_by]
    with st.container(horizontal=True, vertical_alignment="center", key="above-board"):
        st.caption(counting.caption(way), help=HELP, width="content")
        more = st.toggle("All nine metrics", key="nine", bind="query-params")
    columns = list(metrics) if more else columns
    lines = boards.lines(entries, values, columns, rank_by, counting.MISSING[way])
    helps = counting.helps(results.qualities().values(), way)
    helps |= {"Rank": counting.RANK_HELP[way], "Worst class": f"Lowest {title} of any class."}
    grids.show(grids.board_html(boards.headings(metrics, columns), lines, helps))
    lacking = counting.without(boards.lacking(entries, values))
    if lacking and len(values):
        st.caption(lacking)
    left, right = st.columns(2)
    with left.container(border=True, key="by-class"):
        st.subheader(f"By class, {metrics[rank_by]}, {TITLES[way]}", help=ranking.INTERVAL_HELP)
        table = boards.grid(entries, values, rank_by)
        squares = list(entries["method"])
        grids.show(grids.bare(grids.grid_html(table, "Method", rank_by, squares)))
    with right.container(border=True, key="speed"):
        st.subheader("Accuracy against speed")
        frame = boards.speed_frame(entries, values, rank_by)
        st.plotly_chart(charts.accuracy_speed(frame, title), config=grids.PLOT)
