"""Parts of the By class page: the grid, one class's curves, kinds of flaw.

Flaws by size, and seeds, are in `class_sizes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from core.metrics.base import METRICS
from core.metrics.cases import Recall
from core.metrics.conventions import Convention
from dashboard import (
    boards,
    by_class,
    class_charts,
    class_marks,
    counting,
    navigation,
    results,
    state,
)
from dashboard.by_class import Look
from dashboard.components import grids, sortable
from dashboard.components.measure_help import measure_help
from dashboard.components.sortable import Column, Entry, Row
from dashboard.results import Source
from dashboard.words import Vocabulary

CLASS = "class"
"""Query parameter of the class whose curves are shown."""
WHOLE = {"runs": "all runs, one metric", "metrics": "first run, all metrics"}

STYLE = """<style>
.bc-line{font-size:14px;line-height:1.5;margin:0 0 6px}
.bc-line .fs-dot{margin-right:6px}
.bc-marks{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 14px;font-size:14px;
 padding:8px 0;border-bottom:1px solid var(--fs-line);font-variant-numeric:tabular-nums}
.bc-marks:last-child{border-bottom:0}
.bc-marks b{font-weight:600}.bc-marks span:nth-child(even){text-align:right}
.bc-marks .bc-dim{color:var(--fs-dim);font-size:12.5px}
</style>"""


def grid(
    metrics: pd.DataFrame, runs: Sequence[Look], classes: Sequence[str], by: str, way: Convention,
    query: Mapping[str, Any], current: str | None,
) -> None:  # fmt: skip
    """Classes down; metrics of the first run across, or all chosen runs by one metric."""
    qualities = results.qualities()
    whole = "metrics"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bc-above"):
        st.subheader("By class", anchor=False, width="content")
        if len(runs) > 1:
            whole = state.pick("grid", list(WHOLE), label="Across", words=WHOLE)
        more = whole == "metrics" and st.toggle(
            "Further metrics", key=state.kept("bc-more", False),
            help="Also what is measured beyond the nine: at one threshold, by region, by object.",
        )  # fmt: skip
        measure_help(list(dict.fromkeys((by, *qualities))), key="bc")
    if whole == "runs":
        one = qualities[by]
        columns = [
            Column(one.title, one.summary, over=run.label, colour=run.colour) for run in runs
        ]
        rows = by_class.run_rows(metrics, runs, classes, by, way, query)
        caption, sort = f"Classes and {one.title} of {len(runs)} runs", 1
    else:
        further = [one for level in results.further().values() for one in level] if more else []
        stored = set(metrics["metric"])
        shown = [*qualities.values(), *(one for one in further if one.id in stored)]
        helps, oracle = counting.helps(shown, way), by_class.at_oracle(metrics)
        columns = [
            Column(one.title, helps[one.title], rising=one.higher_is_better is False,
                   over="oracle" if one.id in oracle else "")
            for one in shown
        ]  # fmt: skip
        digits = {one.id: 0 for one in shown if one.unit == "pixels"}
        ids = [one.id for one in shown]
        rows = by_class.metric_rows(metrics, runs[0].run_id, classes, ids, digits, way, query)
        caption, sort = f"Classes and {len(shown)} metrics of {runs[0].label}", 1 + ids.index(by)
    sortable.sortable(
        [Column("Class", left=True), *columns], rows, f"bc-grid-{whole}", caption=caption,
        sort=sort, current=current, on_pick=_choose, csv=f"by-class-{whole}.csv",
    )  # fmt: skip
    st.caption(
        f"{counting.caption(way)} A heading sorts; a class shows its curves below. Teal: above "
        "chance, or higher; vermilion: about chance or below. "
        f"{counting.missing_masks(metrics, classes)}"
    )


def _choose(name: str) -> None:
    st.query_params[CLASS] = name


# -- one class ----------------------------------------------------------------------------------


@st.fragment
@navigation.safely
def curves(source: Source, runs: Sequence[Look], name: str, say: Vocabulary) -> None:
    """Curves of all chosen runs in one plot, and what their thresholds mean."""
    exact = results.metrics(source, tuple(run.run_id for run in runs))
    known = class_marks.known(exact, name)
    if not known:
        st.caption("This class lacks good or bad images, so it has no curves.")
        return
    left, right = st.columns([8, 5])
    with left.container(border=True, key="card-bc-curves"):
        kind = st.segmented_control(
            "Curve", known, key=state.kept("bc-curve", known[0], known), required=True,
            format_func=class_marks.CURVES.__getitem__, label_visibility="collapsed",
        ) or known[0]  # fmt: skip
        points = results.curves(source, tuple(run.run_id for run in runs), kind, name)
        marks = _marks(exact, source, runs, name, kind, points)
        if len(points):
            figure = class_charts.curves(kind, points, runs, marks, say)
            st.plotly_chart(figure, key=f"bc-plot-{kind}", config=grids.PLOT)
        lacking = [run.label for run in runs if run.run_id not in set(points["run_id"])]
        if lacking:
            st.caption(f"Not stored for {', '.join(lacking)}.")
        if "pro" not in known:
            st.caption("This class has no masks, so nothing can be said of its pixels.")
    with right.container(border=True, key="card-bc-marks"):
        _operating(exact, source, runs, name, say)


def _marks(
    exact: pd.DataFrame, source: Source, runs: Sequence[Look], name: str, kind: str,
    points: pd.DataFrame,
) -> list[class_marks.Mark]:  # fmt: skip
    """The thresholds of every run on its line."""
    level, found = class_marks.LEVEL[kind], []
    for run in runs:
        at = class_marks.thresholds(exact, run.run_id, name, level)
        if level == "image":
            at |= class_marks.chosen_threshold(source, run.run_id, name)
            judged = results.judged(source, run.run_id)
            mine = judged[judged["class_name"] == name]
            if set(mine["label"]) == {0, 1}:
                found += [
                    class_marks.image_mark(mine, kind, run.run_id, value, word)
                    for word, value in at.items()
                ]
            continue
        mine = points[points["run_id"] == run.run_id]
        on_line = (class_marks.mark_on(mine, run.run_id, v, word) for word, v in at.items())
        found += [mark for mark in on_line if mark is not None]
    return found


def _operating(
    exact: pd.DataFrame, source: Source, runs: Sequence[Look], name: str, say: Vocabulary
) -> None:
    """Each run's image thresholds of the class: what is found there, what is flagged wrongly."""
    st.subheader("At its thresholds", anchor=False)
    parts = []
    for run in runs:
        judged = results.judged(source, run.run_id)
        mine = judged[judged["class_name"] == name]
        at = class_marks.thresholds(exact, run.run_id, name, "image")
        at |= class_marks.chosen_threshold(source, run.run_id, name)
        lines = (
            "".join(
                _threshold_lines(word, value, *class_marks.at_threshold(mine, value), say)
                for word, value in at.items()
            )
            or '<span class="bc-dim">no threshold is known</span><span></span>'
        )
        query = {"run": run.run_id, CLASS: name}
        parts.append(
            f'<div class="bc-marks"><b>{_dot(run)}{escape(run.label)}</b>'
            f"<span>{_links(query, say)}</span>{lines}</div>"
        )
    st.html(STYLE + f'<div class="fs-card" style="border:0;padding:0">{"".join(parts)}</div>')
    st.caption("Held-out: from good images kept apart. Oracle: chosen on these same test images.")


def _links(query: Mapping[str, Any], say: Vocabulary) -> str:
    """Ways on from a run's thresholds: its cases, and the page that moves them."""
    pages = {"inspect": f"its {say.items}", "operating": "move the threshold"}
    there = {info.url for info in navigation.discover()}
    return " · ".join(
        f'<a href="{_attribute(by_class.page_href(page, query))}" target="_self">{escape(word)}</a>'
        for page, word in pages.items()
        if page in there
    )


def _threshold_lines(
    word: str, value: float, found: Recall | None, flagged: Recall | None, say: Vocabulary
) -> str:
    rows = [(f"{word} {value:.4g}", "")]
    for what, one in (
        (f"{say.bad} {say.items} found", found),
        (f"{say.good} ones flagged", flagged),
    ):
        if one is not None:
            rows.append((what, f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%})"))
    head, *rest = rows
    told = f"<span>{escape(head[0])}</span><span></span>"
    return told + "".join(
        f'<span class="bc-dim">{escape(a)}</span><span class="bc-dim">{escape(b)}</span>'
        for a, b in rest
    )


def _dot(run: Look) -> str:
    return (
        f'<span class="fs-dot" style="background:{escape(run.colour)}" aria-hidden="true"></span>'
    )


def _attribute(text: str) -> str:
    return escape(text, quote=True)


# -- kinds of flaw ------------------------------------------------------------------------------


def kinds(source: Source, runs: Sequence[Look], name: str | None, say: Vocabulary) -> None:
    """Kinds of flaw down, and for every chosen run how much of each is found and how well marked.

    Args:
        name: the class whose kinds are shown; None: all classes.
    """
    first = runs[0].run_id
    table = by_class.kinds_of(source, first)
    table = table if name is None else table[table["class_name"] == name]
    if table.empty:
        st.caption(f"There are no {say.bad} {say.items} here, so there are no kinds of {say.flaw}.")
        return
    titles = {id: METRICS.get(id).title for id in by_class.OF_KIND}
    columns = [
        Column(f"Kind of {say.flaw}", left=True),
        Column(say.items.capitalize()),
        Column("Median size", help=f"Of its single {say.flaws}, at the run's size."),
    ]
    found, places = {}, {}
    for run in runs:
        found[run.run_id] = by_class.found_of(source, run.run_id)
        rows = by_class.measured_of(source, run.run_id)
        rows = rows if name is None else rows[rows["class_name"] == name]
        places[run.run_id] = boards.by_place(rows, "class_name", "anomaly_type", "metric")
        over, colour = (run.label, run.colour) if len(runs) > 1 else ("", "")
        used = class_marks.used(source, run.run_id, name)
        columns += [
            Column(f"Found ({used})", f"{say.items.capitalize()} at or above the {used} "
                   "threshold of their class, with Wilson's 95 % interval.", over=over,
                   colour=colour, apart=bool(over)),
            *(
                Column(titles[id], METRICS.get(id).summary, over=over, colour=colour)
                for id in by_class.OF_KIND
            ),
        ]  # fmt: skip
    lines = []
    for _, row in table.iterrows():
        where = str(row["class_name"]), str(row["anomaly_type"])
        lines.append(_kind_row(where, row, runs, found, places, several=name is None))
    sortable.sortable(
        columns, lines, "bc-kinds", caption=f"Kinds of {say.flaw} and how much of each is found",
        sort=3, down=False, csv="kinds.csv",
    )  # fmt: skip
    st.caption(
        f"Under the share found: a bar, found (green) and {say.missed} (blue). AUROC and AU-PRO "
        f"set one kind alone against the {say.good} {say.items} of its class. A kind leads to its "
        f"{say.misses}."
    )


def _kind_row(
    where: tuple[str, str], row: pd.Series, runs: Sequence[Look],
    found: Mapping[str, Mapping[tuple[str, str], Recall]],
    places: Mapping[str, Mapping[tuple[str, ...], pd.Series]], several: bool,
) -> Row:  # fmt: skip
    name, kind = where
    others = [run.run_id for run in runs[1:]]
    query = {CLASS: name, "type": kind}
    images, size = int(row["images"]), row["median_px"]
    few = "few images" if images < by_class.FEW else ""
    entries = [
        Entry(kind.replace("_", " "), kind, name.replace("_", " ") if several else "", mark=few),
        Entry(f"{images:,}", images),
        Entry("–") if pd.isna(size) else Entry(f"{size:,.0f} px", float(size)),
    ]
    for run in runs:
        href = by_class.page_href("inspect", {"run": run.run_id, **query, "show": "missed first"})
        entries.append(by_class.found_entry(found[run.run_id].get(where), href))
        for id in by_class.OF_KIND:
            one = places[run.run_id].get((name, kind, id))
            cell = boards.metric_cell(one, "no masks, or not computed")
            entries.append(sortable.value_entry(cell, id))
    href = by_class.cases_href({"run": runs[0].run_id, "with": others, **query})
    return Row(f"{name} {kind}", tuple(entries), href)
