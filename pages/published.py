"""Published results: what the ADer benchmark printed, checked row by row."""

from __future__ import annotations

import streamlit as st

from core.reference import ader
from dashboard import published, queries, results, state
from dashboard.components import board_parts, cards
from dashboard.published import EVERY

TITLE = "Published results"
GROUP = "Understand"
ORDER = 60
ICON = ":material/menu_book:"


def render() -> None:
    metrics = {id: metric.title for id, metric in results.qualities().items()}
    with state.filters(TITLE):
        sets = [EVERY, *ader.datasets()]
        data = state.pick("data", sets, label="Data", words={EVERY: "all data sets"})
        words = {EVERY: "all", "100": "100", "300": "300"}
        epochs = state.pick("epochs", list(words), label="Epochs", words=words)
    rows = published.rows(data, epochs)
    if not rows:
        cards.finding("**ADer published nothing at these epochs**; choose another number.")
        return
    cards.finding(published.finding(rows, queries.method_titles()))
    st.caption(
        "Percent, means over classes, counted as ADer counts: they can be held only against values "
        "counted likewise, never against exact ones. One model for all classes of a data set, "
        f"images of {ader.SIZE} px, the last epoch. [{ader.CITATION}]({ader.HOME})"
    )
    board_parts.published_table(rows, metrics)
    st.subheader("What to know of the rows")
    board_parts.remarks(rows)
