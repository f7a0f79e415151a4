"""Threshold: what a threshold misses and rejects, what that costs, and one's own choice of it."""

from __future__ import annotations

import streamlit as st

from dashboard import (
    casefile,
    casework,
    chosen,
    operating,
    operating_url,
    operating_words,
    queries,
    results,
    state,
    words,
)
from dashboard.components import cards, operating_keep, operating_parts
from dashboard.components.empty import empty

TITLE = "Threshold"
GROUP = "Understand"
ORDER = 35
ICON = ":material/vertical_align_center:"
URL = "operating"


def render() -> None:
    source = results.source()
    runs = results.runs(source)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No scores to split yet",
            "The scores of a finished run appear here, with a threshold to move and what it "
            "misses, rejects and costs.",
            "overview",
            "Run the demo",
        )
        return
    labels = casefile.run_labels(runs, queries.method_titles())
    asked, say = st.query_params.get("run"), words.current()
    operating_url.followed()
    with state.filters(TITLE):
        best = queries.leading(runs)
        run_id = state.pick(
            "run", list(labels), label="Run", words=labels, default=best, always=True
        )
        cases, held = operating.scored(source, run_id), operating.heldout(source, run_id)
        names = sorted(map(str, cases["class_name"].unique()))
        names += [casework.ALL] if len(names) > 1 else []
        name = casework.ALL
        if names:
            together = {casework.ALL: "all, one threshold"}
            name = state.pick("class", names, label="Class", words=together)
        unit = operating.IMAGE
        if operating.has_specimens(cases):
            unit = state.pick("unit", [unit, operating.SPECIMEN], label="Counted by")
        seen = operating.scene(run_id, cases, held, name, unit)
        alpha = float(operating.ALPHA)
        if len(held):
            alpha = float(state.pick(
                "alpha", list(operating.ALPHAS), label="Promise",
                words=operating.ALPHAS, default=operating.ALPHA,
                help=f"Rate of {say.alarms} that held-out {say.good} images are asked to promise.",
            ))  # fmt: skip
        prices = operating_url.prices()
        marks = operating.marks(seen, chosen.of_run(source, run_id), alpha, prices)
        rule = state.pick(
            "from", [*marks, operating.HAND], label="Rule", words=operating.RULES, always=True,
            help="Where the threshold comes from; dragging the line sets it by hand.",
        )  # fmt: skip
    if asked and asked not in labels:
        cards.note(
            "That run has no scores",
            "It did not end well, or is not in this workspace; the leading one is shown instead.",
        )
    if not len(seen.scores_N):
        cards.note("No scores", "No test image here has a score, so there is nothing to split.")
        return
    now = operating_url.now(seen, marks, rule)
    operating_parts.point(source, labels[run_id], seen, marks, now, say)
    protocol = runs.set_index("run_id")["protocol"].get(run_id)
    nothing = operating_words.no_promise(len(held) > 0, protocol == "deployment")
    operating_parts.promise(seen, marks, say, nothing)
    operating_parts.classes(operating.one_for_all(seen, cases, held, now, alpha, prices), say)
    operating_keep.keep_box(source, seen, now)
