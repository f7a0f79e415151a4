"""Inspect: what a method misses, where it raises false alarms, and what the picture shows."""

from __future__ import annotations

import streamlit as st

from dashboard import casefile, casework, findings, queries, results, state
from dashboard.components import cards
from dashboard.components.case_view import case_view
from dashboard.components.empty import empty

TITLE = "Inspect"
GROUP = "Understand"
ORDER = 30
ICON = ":material/image_search:"
URL = "inspect"

MOST = 2
"""How many runs may stand beside the first."""


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No cases to look at yet",
            "Every test picture of a finished run appears here with its heat map, the worst "
            "mistakes first.",
            "overview",
            "Run the demo",
        )
        return
    titles = queries.method_titles()
    labels = casefile.run_labels(runs, titles)
    asked = st.query_params.get("run")
    with state.filters(TITLE):
        best = queries.leading(runs)
        first = state.pick(
            "run", list(labels), label="Run", words=labels, default=best, always=True
        )
        data = runs.loc[runs["run_id"] == first, "fingerprint"].iloc[0]
        beside = [run for run in runs.loc[runs["fingerprint"] == data, "run_id"] if run != first]
        others = state.pick_many("with", beside, label="Beside", words=labels, most=MOST)
        chosen = (first, *others)
        table = results.joined(source, chosen)
        classes = sorted(table["class_name"].unique())
        name = state.pick("class", [casework.ALL, *classes], label="Class")
        mine = table if name == casework.ALL else table[table["class_name"] == name]
        kinds = sorted(mine["anomaly_type"].unique())
        kind = state.pick("type", [casework.ALL, *kinds], label="Type")
        show = state.pick("show", list(casework.SHOWS), label="Show", help=casework.SHOW_HELP)
    if asked and asked not in labels:
        cards.note(
            "That run has no cases",
            "It did not end well, or is not in this workspace; the leading one is shown instead.",
        )
    judged = results.judged(source, first)
    judged = judged if name == casework.ALL else judged[judged["class_name"] == name]
    thresholds = results.thresholds(source, first)
    threshold = next(
        (thresholds[c] for c in judged["class_name"].unique() if c in thresholds), None
    )
    where = "" if name == casework.ALL else name
    cards.finding(findings.inspect(labels[first], casework.counts(judged), where, threshold))
    case_view(source, {run: labels[run] for run in chosen}, show, name, kind)
