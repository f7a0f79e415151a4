"""The parts of the Compare page that tell differences: metric by metric, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.metrics.base import Metric
from core.metrics.verdicts import HELP, p_text
from core.types import MEAN
from dashboard import boards, compare_charts, compare_words, comparing, ranking, results, theme
from dashboard.boards import Cell
from dashboard.components import cards, compare_view, grids
from dashboard.components.compare_view import Scene
from dashboard.results import Source

FEW = 8
"""Classes a chart beside the table shows; the view by class has all."""
NOT_PAIRED = "one of the runs was stored before what this needs was kept, or has no value"
VERDICTS = {
    "a": "A is better", "b": "B is better", "open": "cannot be told apart",
    "untested": "not tested",
}  # fmt: skip
TESTS = {"delong": "test of DeLong", "bootstrap": "paired bootstrap"}


def side_by_side(source: Source, paired: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """The nine metrics down; A, B, their difference and what it tells across.

    Args:
        paired: of `results.paired`.
        labels: of A and of B.
    """
    classes = sorted(set(paired["class_name"]) - {MEAN})
    names = [MEAN, *classes] if len(classes) > 1 else classes or [MEAN]
    st.subheader("Metric by metric, exact", help=HELP)
    name = grids.pick_class(names, key="paired-class")
    of_metric = boards.by_place(paired[paired["class_name"] == name], "metric")
    rows = [_row(quality, of_metric.get((id,))) for id, quality in results.qualities().items()]
    _fill_in(source, rows, labels, name)
    rows += _costs(source, labels) if name == names[0] else []
    methods = results.runs(source).set_index("run_id")["method"]
    legend = "".join(
        f"<span>{theme.dot(str(methods[run]))}{letter}: {escape(label)}</span>"
        for letter, (run, label) in zip("AB", labels.items(), strict=True)
    )
    helps = {"p": "Corrected for the number of classes."}
    table = grids.plain_html(["Metric", "A", "B", "A minus B", "p"], rows, helps)
    grids.show(
        f'<div class="us-legend">{legend}</div>',
        f'<div class="us-pairs">{grids.bare(table)}</div>',
    )


def _row(quality: Metric, row: pd.Series | None) -> list[Cell | str]:
    """One metric: what it tells stands below its name, so that it is read first."""
    verdict = "untested" if row is None else str(row["verdict"])
    mark = ' class="us-told"' if verdict in ("a", "b") else ""
    first = (
        f'<span title="{escape(quality.summary, quote=True)}">{escape(quality.title)}</span>'
        f'<span class="fs-below"><span{mark}>{VERDICTS[verdict]}</span></span>'
    )
    return [first, *_compared(row)]


def _compared(row: pd.Series | None) -> list[Cell]:
    """A, B, difference with its interval, p."""
    if row is None:
        return [Cell("–"), Cell("–"), Cell("–", "", NOT_PAIRED), Cell("–", "", NOT_PAIRED)]
    low, high = ranking.number(row["low"]), ranking.number(row["high"])
    below = "" if low is None or high is None else f"{low:+z.3f} to {high:+z.3f}"
    told = f"{row['images']} images; {TESTS[str(row['test'])]}"
    alone = f"{told}; p of this comparison alone {p_text(ranking.number(row['p']))}"
    return [
        Cell(f"{row['a']:.3f}"),
        Cell(f"{row['b']:.3f}"),
        Cell(f"{row['difference']:+z.3f}", below, told),
        Cell(p_text(ranking.number(row["p_corrected"])), "", alone),
    ]


def _fill_in(
    source: Source, rows: Sequence[list[Cell | str]], labels: Mapping[str, str], name: str
) -> None:
    """Stored values, or the reason why there is none, where nothing could be paired."""
    stored = results.metrics(source, tuple(labels))
    known = boards.by_place(stored[stored["class_name"] == name], "run_id", "metric")
    for row, metric in zip(rows, results.qualities(), strict=True):
        for column, run in enumerate(labels, start=1):
            if row[column] == Cell("–"):
                cell = boards.metric_cell(known.get((run, metric)))
                row[column] = Cell(cell.text, "", cell.help)


def _costs(source: Source, labels: Mapping[str, str]) -> list[list[Cell | str]]:
    """Speed, memory and training time of both runs."""
    runs = results.runs(source).set_index("run_id")
    rows: list[list[Cell | str]] = []
    for title, column, words in (
        ("Images/s", "images_per_second", boards.speed),
        ("Memory", "peak_memory_bytes", boards.memory),
        ("Trained in", "train_seconds", boards.seconds),
    ):
        both = [Cell(words(ranking.number(runs.loc[run, column]))) for run in labels]
        rows.append([Cell(title), *both, Cell(""), Cell("")])
    return rows


def pair_tables(scene: Scene) -> None:
    """Metric by metric, and the classes that differ most."""
    paired = scene.paired()
    left, right = st.columns([4, 3])
    with left.container(border=True, key="card-left"):
        if paired is None:
            st.subheader("Metric by metric, exact", help=HELP)
            compare_view.waiting("nine metrics on 1,000 draws of the same images")
        else:
            side_by_side(scene.source, paired, scene.labels)
    with right.container(border=True, key="card-right"):
        quick = scene.paired(scene.metric) if paired is None else paired
        difference_chart(quick, scene, FEW)


def difference_chart(paired: pd.DataFrame | None, scene: Scene, most: int | None = None) -> None:
    """Bars of A minus B by class, with paired intervals; the `most` largest."""
    st.subheader(f"{scene.title} by class, A minus B", help=HELP)
    if paired is None:
        compare_view.waiting(f"{scene.title} on 1,000 draws of the same images")
        return
    table, _ = comparing.of_metric(paired, scene.metric)
    if table.empty:
        st.caption("No class can be compared by this metric.")
        return
    shown = table.head(most) if most else table
    st.plotly_chart(
        compare_charts.difference_bars(shown, *scene.labels.values()), key="difference",
        config=grids.PLOT,
        alt=f"{scene.title} of A minus B by class, with 95 % intervals",
    )  # fmt: skip
    if not shown["verdict"].isin(["a", "b"]).any():
        st.caption("Faint bars: on no class can the two be told apart.")
    elif not shown["verdict"].isin(["a", "b"]).all():
        st.caption("Faint bars: cannot be told apart.")
    if len(shown) < len(table):
        href = escape(scene.href(view="classes"), quote=True)
        compare_view.show(
            f'<div class="cmp-links"><a href="{href}" target="_self">The {len(shown)} largest; '
            f"all {len(table)} classes</a></div>"
        )


def by_class(scene: Scene) -> None:
    """Class by class: the sentence, one metric with tests, all metrics at a glance."""
    quick, nine = scene.paired(scene.metric), scene.paired()
    if quick is None:
        compare_view.waiting(f"{scene.title} on 1,000 draws of the same images")
        return
    table, mean = comparing.of_metric(quick, scene.metric)
    labels = scene.label_a, scene.label_b
    cards.finding(compare_words.by_class(*labels, table, scene.title, mean))
    left, right = st.columns([4, 3])
    with left.container(border=True, key="card-classes"):
        st.subheader(f"{scene.title}, A minus B, largest first", help=HELP)
        if table.empty:
            st.caption("No class can be compared by this metric.")
        else:
            _class_table(scene, table)
    with right.container(border=True, key="card-bars"):
        difference_chart(quick, scene)
    with st.container(border=True, key="card-verdicts"):
        st.subheader("Who is better, class by class and metric by metric", help=HELP)
        if nine is None:
            compare_view.waiting("all nine metrics")
        else:
            verdict_grid(scene, nine)


def _class_table(scene: Scene, table: pd.DataFrame) -> None:
    rows: list[list[Cell | str]] = []
    for _, row in table.iterrows():
        verdict = str(row["verdict"])
        a, b, difference, p = _compared(row)
        name = str(row["class_name"])
        mark = f"{compare_view.verdict_mark(verdict)} {VERDICTS[verdict]}"
        rows.append([_class_link(scene, name), a, b, difference, p, mark])
    head = ["Class", "A", "B", "A minus B", "p", "so"]
    helps = {"p": "Corrected for the number of classes (Holm)."}
    compare_view.show(
        grids.STYLE, '<div class="us-small cmp-named">',
        grids.bare(grids.plain_html(head, rows, helps)), "</div>",
    )  # fmt: skip
    query = urlencode({"run": scene.a, "with": scene.b, "by": scene.metric})
    compare_view.show(
        f'<div class="cmp-links"><a href="classes?{escape(query, quote=True)}" target="_self">'
        "Both runs class by class, with pictures</a></div>"
    )


def _class_link(scene: Scene, name: str) -> str:
    """The class's name, leading to the cases of it that change sides."""
    href = escape(scene.href(view="changes", **{"class": name}), quote=True)
    return f'<a href="{href}" target="_self">{escape(name.replace("_", " "))}</a>'


def verdict_grid(scene: Scene, paired: pd.DataFrame) -> None:
    """Classes down, metrics across: A, B, or = where they cannot be told apart."""
    verdicts = {(str(r["class_name"]), str(r["metric"])): r for _, r in paired.iterrows()}
    classes = sorted({name for name, _ in verdicts} - {MEAN})
    names = [MEAN, *classes] if len(classes) > 1 else classes
    metrics = results.qualities()
    head = "".join(
        f'<th title="{escape(one.summary, quote=True)}">{escape(one.title)}</th>'
        for one in metrics.values()
    )
    body = []
    for name in names:
        cells = "".join(f"<td>{_verdict_cell(verdicts.get((name, id)))}</td>" for id in metrics)
        link = "<b>mean over classes</b>" if name == MEAN else _class_link(scene, name)
        body.append(f'<tr><td class="fs-left">{link}</td>{cells}</tr>')
    compare_view.show(
        grids.STYLE,
        '<div class="us-small us-bare cmp-grid"><div class="fs-table-wrap"><table class="fs-table">'
        f'<thead><tr><th class="fs-left">Class</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div></div>",
    )
    compare_view.show(
        f'<div class="us-line">{compare_view.verdict_mark("a")} {escape(scene.label_a)} is better '
        f"&nbsp; {compare_view.verdict_mark('b')} {escape(scene.label_b)} is better &nbsp; "
        f"{compare_view.verdict_mark('open')} cannot be told apart &nbsp; "
        f"{compare_view.verdict_mark('untested')} not tested</div>"
    )


def _verdict_cell(row: pd.Series | None) -> str:
    if row is None:
        return compare_view.verdict_mark("untested", NOT_PAIRED)
    told = f"{compare_words.signed(row)}; p {p_text(ranking.number(row['p_corrected']))}"
    return compare_view.verdict_mark(str(row["verdict"]), told)
