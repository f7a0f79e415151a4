"""The parts of the Compare page: metrics side by side, difference by class, cases that change."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.types import MEAN
from dashboard import boards, charts, evidence, ranking, results
from dashboard.boards import Cell
from dashboard.components import grids
from dashboard.results import Source

MOST = 12
DIFFERENCE_HELP = (
    "The bar is A minus B. Its whisker takes both runs' 95 % intervals as independent: "
    "half-widths are added in squares. The runs share their test images, so this is careful: "
    "a whisker that reaches zero leaves the order open."
)


def side_by_side(source: Source, labels: Mapping[str, str]) -> None:
    """Metrics down, runs across, means over classes."""
    runs = results.runs(source).set_index("run_id")
    rows: list[list[Cell | str]] = []
    means = {run: results.means(source, run) for run in labels}
    for metric, quality in results.qualities().items():
        cells: list[Cell | str] = [Cell(quality.title, "", quality.summary)]
        for run in labels:
            row = means[run].get(metric)
            renamed = None if row is None else row.rename({"ci_low": "low", "ci_high": "high"})
            cells.append(boards.metric_cell(renamed))
        rows.append(cells)
    for title, column, words in (
        ("Images/s", "images_per_second", boards.speed),
        ("Memory", "peak_memory_bytes", boards.memory),
        ("Trained in", "train_seconds", boards.seconds),
    ):
        rows.append(
            [Cell(title), *[Cell(words(ranking.number(runs.loc[run, column]))) for run in labels]]
        )
    grids.show(grids.bare(grids.plain_html(["Mean over classes", *labels.values()], rows)))


def differences(source: Source, a: str, b: str, metric: str) -> pd.DataFrame:
    """A minus B by class: class_name, a, b, difference, low, high (NaN without intervals)."""
    table = results.metrics(source, (a, b))
    table = table[(table["metric"] == metric) & (table["class_name"] != MEAN)]
    table = table.dropna(subset=["value"])
    mine = [table[table["run_id"] == run].set_index("class_name") for run in (a, b)]
    rows = []
    for name in sorted(set(mine[0].index) & set(mine[1].index)):
        one, two = mine[0].loc[name], mine[1].loc[name]
        gap = float(one["value"] - two["value"])
        down = ((one["value"] - one["ci_low"]) ** 2 + (two["ci_high"] - two["value"]) ** 2) ** 0.5
        up = ((one["ci_high"] - one["value"]) ** 2 + (two["value"] - two["ci_low"]) ** 2) ** 0.5
        rows.append((name, one["value"], two["value"], gap, gap - down, gap + up))
    return pd.DataFrame(rows, columns=["class_name", "a", "b", "difference", "low", "high"])


def difference_chart(
    source: Source, a: str, b: str, labels: Mapping[str, str], metric: str, title: str
) -> None:
    """Bars of A minus B by class."""
    table = differences(source, a, b, metric)
    st.subheader(f"{title} by class, A minus B", help=DIFFERENCE_HELP)
    if table.empty:
        st.caption("No class has this metric in both runs.")
        return
    figure = charts.difference_bars(table, labels[a], labels[b])
    st.plotly_chart(figure, key="difference", config=grids.PLOT)


def scatter(source: Source, a: str, b: str, labels: Mapping[str, str]) -> None:
    """Scores of A against scores of B for one class, with both thresholds."""
    table = results.joined(source, (a, b))
    classes = sorted(table["class_name"].unique())
    st.subheader("Scores, picture by picture", help="One dot a test picture; lines: thresholds.")
    name = st.segmented_control(
        "Class", classes, default=classes[0], required=True, label_visibility="collapsed",
        format_func=lambda one: one.replace("_", " "), key="scatter-class",
    )  # fmt: skip
    mine = table[table["class_name"] == name]
    at = [results.thresholds(source, run).get(str(name)) for run in (a, b)]
    frame = mine.rename(columns={f"score:{a}": "score_a", f"score:{b}": "score_b"})
    figure = charts.scatter_cases(
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
