"""Parts of the Leaderboard over several data sets, and over the classes of one."""

from __future__ import annotations

import math
from collections.abc import Callable

import streamlit as st

from core.metrics.verdicts import p_text
from dashboard import over_words, rank_charts, theme
from dashboard.components import grids
from dashboard.components.sortable import Column, Entry, Row, ground, sortable
from dashboard.over_sets import Contest, marks


def table(found: Contest, metric: str, title: str, what: str = "data set") -> None:
    """Contestants down, mean rank, then a column a block.

    Args:
        metric, title: what the values are of.
        what: what a block is.
    """
    columns = [
        Column("Method", left=True),
        Column(
            "Mean rank",
            f"1 is best; over every {what} that all ranked methods have. Below it 95 % when "
            f"{'classes' if what == 'class' else what + 's'} are drawn anew.",
            rising=True,
        ),
        *(Column(name.replace("_", " "), f"{title}, mean over classes") for name in found.blocks),
    ]
    if what == "class":
        columns[2:] = [Column(name.replace("_", " "), title) for name in found.blocks]
    rows = [
        Row(f"{i}", (_name(found, i), _rank(found, i), *_values(found, i, metric)))
        for i in range(len(found.labels))
    ]
    sortable(columns, rows, f"over-{what}", caption=f"{title} of every method on every {what}",
             csv=f"over-{what.replace(' ', '-')}s.csv")  # fmt: skip


def _name(found: Contest, i: int) -> Entry:
    colour = theme.method_colour(found.methods[i])
    return Entry(found.labels[i], found.labels[i], colour=colour)


def _rank(found: Contest, i: int) -> Entry:
    at = found.place(i)
    if at is None or found.ranked is None:
        return Entry("–", None, help="Not ranked: it lacks results that the others have.")
    low, high = found.ranked.intervals_K[at]
    below = "" if low is None or high is None else f"{low:.1f} to {high:.1f}"
    mean = float(found.ranked.mean_K[at])
    return Entry(f"{mean:.2f}", mean, below)


def _values(found: Contest, i: int, metric: str) -> list[Entry]:
    cells = []
    for j in range(len(found.blocks)):
        value = float(found.values[i, j])
        if not math.isfinite(value):
            cells.append(Entry("–", None, help="no result"))
            continue
        low, high = float(found.low[i, j]), float(found.high[i, j])
        known = math.isfinite(low) and math.isfinite(high)
        cells.append(
            Entry(
                f"{value:.3f}", value, f"{low:.3f} to {high:.3f}" if known else "",
                ground=ground(value, metric), href=found.hrefs[j] if found.hrefs else "",
            )
        )  # fmt: skip
    return cells


def diagram(found: Contest, what: str = "data set") -> None:
    """Mean ranks as a critical-difference diagram, with the tests below it."""
    ranked = found.ranked
    if ranked is None or len(found.inside) < 2:
        return
    tests = ranked.tests
    groups = [] if tests is None else tests.groups
    critical = None if tests is None else tests.critical
    figure = rank_charts.critical_difference(marks(found), critical, groups)
    st.plotly_chart(figure, config=grids.PLOT, key=f"critical-{what}")
    if tests is not None:
        st.caption(
            f"Friedman's test: p {_p(tests.p)} (Iman and Davenport), "
            f"chi-squared {tests.chi2:.2f}, p {_p(tests.p_chi2)}. {over_words.strict(found)}"
        )
    missing = over_words.left_out(found, what)
    if missing:
        st.caption(missing)


def _p(p: float) -> str:
    said = p_text(p)
    return said if said.startswith("<") else f"= {said}"


def class_card(of_classes: Callable[[], Contest], title: str) -> None:
    """Mean ranks over the classes of one data set, when asked for.

    Args:
        of_classes: makes the contest; not called while the card is closed.
        title: of the metric.
    """
    with st.container(border=True, key="card-over-classes"):
        with st.container(horizontal=True, vertical_alignment="center", key="over-head"):
            st.subheader("Mean rank over classes", help=over_words.DIAGRAM_HELP, width="content")
            shown = st.toggle("Show", key="over-classes", bind="query-params")
        if not shown:
            st.caption("Who is best class by class, on the whole: mean ranks and their tests.")
            return
        found = of_classes()
        st.markdown(over_words.finding(found, title, "class"))
        diagram(found, "class")
        st.caption(over_words.CLASS_BLOCKS)
