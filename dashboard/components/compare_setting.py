"""Compare: one model for all classes against one model a class, for every method that has both."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import pandas as pd
import streamlit as st

from core.metrics.verdicts import HELP, p_text
from core.types import MEAN
from dashboard import (
    boards,
    compare_charts,
    compare_words,
    comparing,
    queries,
    ranking,
    results,
    state,
    theme,
    words,
)
from dashboard.boards import Cell
from dashboard.comparing import Pending
from dashboard.components import cards, compare_view, grids
from dashboard.components.compare_view import Scene
from dashboard.components.empty import empty
from dashboard.findings import plain


def settings(source: results.Source, runs: pd.DataFrame, metric: str, title: str) -> Pending:
    """One model for all classes against one a class; the runs all lie on one data set."""
    pairs = comparing.setting_pairs(runs)
    if pairs.empty:
        empty(
            "No method has both settings on this data yet",
            "A method trained once with one model for all classes (unified) and once with one a "
            "class (separate) stands here with what each class loses.",
            "new_run",
            "Start the other setting",
        )
        return Pending()
    labels = comparing.pair_labels(pairs, queries.method_titles())
    chosen = next(iter(labels))
    if len(labels) > 1:
        chosen = state.pick("pair", list(labels), label="Method", words=labels, always=True)
    row = pairs[pairs["separate"] == chosen].iloc[0]
    both = {str(row["separate"]): "a model a class", str(row["unified"]): "one for all"}
    small = len(results.judged(source, chosen)) <= comparing.SMALL
    one, two = both
    scene = Scene(source, one, two, both, metric, title, small, words.current())
    paired = scene.paired(metric)
    if paired is None:
        compare_view.waiting(f"both settings of {plain(labels[chosen])}")
    else:
        table, mean = comparing.of_metric(paired, metric)
        cards.finding(compare_words.setting(labels[chosen], table, title, mean))
    left, right = st.columns([4, 3])
    with left.container(border=True, key="card-setting"):
        _loss_chart(scene, paired, metric)
    with right.container(border=True, key="card-cost"):
        _price(scene, len(set(results.judged(source, chosen)["class_name"])), int(row["seed"]))
    if len(pairs) > 1:
        with st.container(border=True, key="card-methods"):
            _loss_table(scene, pairs, labels)
    return scene.pending


def _loss_chart(scene: Scene, paired: pd.DataFrame | None, metric: str) -> None:
    st.subheader(f"{scene.title}: separate minus unified", help=HELP)
    if paired is None:
        compare_view.waiting(f"{scene.title} on 1,000 draws of the same images")
        return
    table, _ = comparing.of_metric(paired, metric)
    if table.empty:
        st.caption("No class can be compared by this metric.")
        return
    st.plotly_chart(
        compare_charts.difference_bars(table, "a model a class", "one for all"), key="setting",
        config=grids.PLOT, alt=f"{scene.title}, separate minus unified, by class",
    )  # fmt: skip
    st.caption(
        "Right of zero the class does better with a model of its own. Faint: cannot be told apart."
    )


def _price(scene: Scene, classes: int, seed: int) -> None:
    """What either setting costs: models, training, memory, speed."""
    st.subheader("What it takes")
    runs = results.runs(scene.source).set_index("run_id")
    rows: list[list[Cell | str]] = [
        [Cell("Models"), Cell(str(classes)), Cell("1")],
    ]
    for title, column, said in (
        ("Trained in", "train_seconds", boards.seconds),
        ("Whole run", "seconds", boards.seconds),
        ("Memory", "peak_memory_bytes", boards.memory),
        ("Images/s", "images_per_second", boards.speed),
        ("Trained parameters, each", "parameters", _count),
    ):
        cells = [Cell(said(ranking.number(runs.loc[run, column]))) for run in scene.labels]
        rows.append([Cell(title), *cells])
    compare_view.show(grids.STYLE, grids.bare(grids.plain_html(["", "separate", "unified"], rows)))
    if seed < 0:
        st.caption("The two runs have different seeds: part of a difference may be luck.")
    href = escape(scene.href(), quote=True)
    compare_view.show(
        f'<div class="cmp-links"><a href="{href}" target="_self">The two runs as A against B</a>'
        "</div>"
    )


def _count(number: float | None) -> str:
    return "–" if number is None else f"{int(number):,}"


def _loss_table(scene: Scene, pairs: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """Methods down, classes across: separate minus unified."""
    st.subheader(f"Every method: {scene.title}, separate minus unified", help=HELP)
    methods = dict(zip(pairs["separate"], pairs["method"], strict=True))
    rows: dict[str, dict[str, pd.Series]] = {}
    for _, pair in pairs.iterrows():
        one, two = str(pair["separate"]), str(pair["unified"])
        scope = comparing.scope_of(scene.metric)
        table = comparing.paired(scene.source, one, two, scope, scene.pending, scene.small)
        if table is not None:
            mine = table[table["metric"] == scene.metric]
            rows[one] = {str(row["class_name"]): row for _, row in mine.iterrows()}
    names = sorted({name for row in rows.values() for name in row} - {MEAN})
    body: list[list[Cell | str]] = []
    for one, label in labels.items():
        first = f"{theme.dot(str(methods[one]))}{escape(label)}"
        if one not in rows:
            body.append([first, Cell("being computed"), *(Cell("") for _ in names)])
            continue
        body.append([first, *(_loss_cell(rows[one].get(name)) for name in (MEAN, *names))])
    head = ["Method", "mean", *(name.replace("_", " ") for name in names)]
    compare_view.show(grids.STYLE, grids.bare(grids.plain_html(head, body)))
    st.caption(
        "Above zero the class does better with a model of its own. loses, gains: by sharing one "
        "model, for certain; =: cannot be told apart."
    )


def _loss_cell(row: pd.Series | None) -> str | Cell:
    if row is None:
        return Cell("–", "", "no value in one of the settings")
    told = f"{compare_words.signed(row)}; p {p_text(ranking.number(row['p_corrected']))}"
    mark = compare_view.verdict_mark(str(row["verdict"]), told, ("loses", "gains"))
    return f"{row['difference']:+z.3f} {mark}"
