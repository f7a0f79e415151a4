"""Compare: two runs on the same data; which cases one catches and the other misses."""

from __future__ import annotations

import streamlit as st

from core.types import MEAN
from dashboard import casefile, casework, findings, queries, results, state
from dashboard.components import cards, compare_parts
from dashboard.components.empty import empty

TITLE = "Compare"
GROUP = "Understand"
ORDER = 40
ICON = ":material/compare_arrows:"


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    runs = runs[runs.groupby("fingerprint")["run_id"].transform("size") > 1]
    if runs.empty:
        cards.title(TITLE)
        empty(
            "Nothing to compare yet",
            "Two runs on the same data stand here side by side: difference by class, and the "
            "cases that one finds and the other misses.",
            "new_run",
            "Start another run",
        )
        return
    labels = casefile.run_labels(runs, queries.method_titles())
    with state.filters(TITLE):
        a = state.pick("a", list(labels), label="Run A", words=labels, always=True)
        data = runs.loc[runs["run_id"] == a, "fingerprint"].iloc[0]
        beside = [run for run in runs.loc[runs["fingerprint"] == data, "run_id"] if run != a]
        b = state.pick("b", beside, label="Run B", words=labels, always=True)
        metrics = {id: metric.title for id, metric in results.qualities().items()}
        metric = state.pick("by", list(metrics), label="Metric", words=metrics)
    cases = casework.split_by_two(results.joined(source, (a, b)), a, b)
    sizes = {name: len(part) for name, part in cases.items()}
    paired = results.paired(source, a, b)
    means = paired[(paired["class_name"] == MEAN) & (paired["metric"] == metric)]
    mean = None if means.empty else means.iloc[0]
    cards.finding(findings.compare(labels[a], labels[b], sizes, metrics[metric], mean))
    chosen = {run: labels[run] for run in (a, b)}
    left, right = st.columns([4, 3])
    with left.container(border=True, key="card-left"):
        compare_parts.side_by_side(source, paired, chosen)
    with right.container(border=True, key="card-right"):
        compare_parts.difference_chart(paired, chosen, metric, metrics[metric])
        compare_parts.scatter(source, a, b, chosen)
    for name, this, other in (("only_a", a, b), ("only_b", b, a)):
        compare_parts.gallery(
            source, cases[name], this, other,
            f"Found by {labels[this]}, missed by {labels[other]}",
            f"{labels[other]} misses nothing that {labels[this]} finds.",
        )  # fmt: skip
    compare_parts.gallery(
        source, cases["neither"], a, b, "Missed by both", "No anomalous picture is missed by both."
    )
