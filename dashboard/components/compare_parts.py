"""The parts of the Compare page: paired differences, by class and by metric, cases that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.metrics.base import Metric
from core.metrics.verdicts import HELP, p_text
from core.types import MEAN
from dashboard import boards, compare_charts, evidence, ranking, results, theme
from dashboard.boards import Cell
from dashboard.components import grids
from dashboard.results import Source

MOST = 12
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
    below = "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    told = f"{row['images']} images; {TESTS[str(row['test'])]}"
    alone = f"{told}; p of this comparison alone {p_text(ranking.number(row['p']))}"
    return [
        Cell(f"{row['a']:.3f}"),
        Cell(f"{row['b']:.3f}"),
        Cell(f"{row['difference']:+.3f}", below, told),
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


def difference_chart(
    paired: pd.DataFrame, labels: Mapping[str, str], metric: str, title: str
) -> None:
    """Bars of A minus B by class, with paired intervals."""
    st.subheader(f"{title} by class, A minus B", help=HELP)
    table = paired[(paired["metric"] == metric) & (paired["class_name"] != MEAN)]
    if table.empty:
        st.caption("No class can be compared by this metric.")
        return
    st.plotly_chart(
        compare_charts.difference_bars(table, *labels.values()), key="difference", config=grids.PLOT
    )
    if not table["verdict"].isin(["a", "b"]).any():
        st.caption("Faint bars: on no class can the two be told apart.")
    elif not table["verdict"].isin(["a", "b"]).all():
        st.caption("Faint bars: cannot be told apart.")


def scatter(source: Source, a: str, b: str, labels: Mapping[str, str]) -> None:
    """Scores of A against scores of B for one class, with both thresholds."""
    table = results.joined(source, (a, b))
    classes = sorted(table["class_name"].unique())
    st.subheader("Scores, picture by picture", help="One dot a test picture; lines: thresholds.")
    name = grids.pick_class(classes, key="scatter-class")
    mine = table[table["class_name"] == name]
    at = [results.thresholds(source, run).get(name) for run in (a, b)]
    frame = mine.rename(columns={f"score:{a}": "score_a", f"score:{b}": "score_b"})
    figure = compare_charts.scatter_cases(
        frame[["key", "label", "anomaly_type", "score_a", "score_b"]],
        labels[a], labels[b],
        *[None if one is None else one.value for one in at],
    )  # fmt: skip
    st.plotly_chart(figure, key="scatter", config=grids.PLOT)


def gallery(source: Source, cases: pd.DataFrame, a: str, b: str, title: str, nothing: str) -> None:
    """Cases that only one of the two finds, as links to Inspect."""
    st.subheader(f"{title}: {len(cases)}")
    if cases.empty:
        st.caption(nothing)
        return
    root = str(results.runs(source).set_index("run_id").loc[a, "data_root"])
    links = []
    for _, case in cases.head(MOST).iterrows():
        query = {"run": a, "with": b, "class": case["class_name"], "case": case["key"]}
        name = "/".join(str(case["key"]).rsplit(".", 1)[0].split("/")[-2:])
        links.append(
            grids.CaseLink(
                href=f"inspect?{urlencode(query)}",
                title=name,
                lines=(
                    str(case["class_name"]).replace("_", " "),
                    str(case["anomaly_type"]).replace("_", " "),
                ),
                image=evidence.thumbnail(source, root, str(case["key"])),
            )
        )
    grids.show(grids.strip_html(links))
    if len(cases) > MOST:
        st.caption(f"The {MOST} clearest of {len(cases)}.")
