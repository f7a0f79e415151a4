"""Failures: what a run misses and where it raises false alarms, worst first, by kind and size."""

from __future__ import annotations

import streamlit as st

from dashboard import (
    casefile,
    failure_findings,
    failure_words,
    failures,
    marks,
    queries,
    results,
    state,
    words,
)
from dashboard.casework import ALL
from dashboard.components import cards, failure_parts
from dashboard.components.empty import empty
from dashboard.failures import Choice

TITLE = "Failures"
GROUP = "Understand"
ORDER = 25
ICON = ":material/report:"

MOST = 3
"""How many runs may stand beside the first."""


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No failures to look at yet",
            "What a finished run misses and where it raises false alarms appears here, the worst "
            "first, by kind and size of flaw.",
            "overview",
            "Run the demo",
        )
        return
    labels = casefile.run_labels(runs, queries.method_titles())
    spoken = words.current()
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
        table = failures.pool(source, chosen)
        name = state.pick("class", [ALL, *sorted(table["class_name"].unique())], label="Class")
        shows = failure_words.show_words(spoken, {run: labels[run] for run in chosen})
        show = state.pick(
            "show", list(shows), label="Show", words=shows, help=failure_words.help_text(spoken)
        )
    if asked and asked not in labels:
        cards.note(
            "That run has no cases",
            "It did not end well, or is not in this workspace; the leading one is shown instead.",
        )
    mine = table if name == ALL else table[table["class_name"] == name]
    cards.finding(failure_findings.sentence(mine, first, labels[first], name, spoken))
    choice = Choice(runs=chosen, show=show, class_name=name)
    fingerprint = marks.fingerprint_of(source, first)
    failure_parts.gallery(source, {run: labels[run] for run in chosen}, table, choice, fingerprint)
    failure_parts.reviewed(source, first, fingerprint)
