"""Try it: show a trained run new images; verdict, heat map, and the normal it was compared with."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import UsageError
from core.trials import Request, Trial
from dashboard import casefile, header, queries, results, state, trial_words, trials, words
from dashboard.components import cards, trial_intake, trial_parts
from dashboard.components.empty import empty
from dashboard.results import Source

TITLE = "Try it"
GROUP = "Use"
ORDER = 10
ICON = ":material/add_a_photo:"
URL = "try_it"


def render() -> None:
    source = results.source()
    ended = results.runs(source)
    runs = trials.tryable(ended)
    if runs.empty:
        cards.title(TITLE)
        empty(
            "No trained run to try yet",
            "Train a method; then drop a picture here and see what it says and why.",
            "overview",
            "Run the demo",
        )
        return
    trial, request = _opened(source, list(runs["run_id"]))
    asked = st.query_params.get("run")
    labels = trials.labelled(casefile.run_labels(runs, queries.method_titles()), runs)
    with state.filters(TITLE):
        first = state.pick(
            "run", list(labels), label="Run", words=labels, default=queries.leading(runs),
            always=True,
        )  # fmt: skip
        run = runs[runs["run_id"] == first].iloc[0]
        name = state.pick("class", [str(c) for c in run["classes"]], label="Class", always=True)
    if asked and asked not in labels:
        made = "made elsewhere" if asked in set(ended["run_id"]) else ""
        cards.note(
            "That run cannot be tried",
            "Its maps were made by another tool, so there is no model here; another is shown."
            if made
            else "It did not end well, or is not in this workspace; another is shown instead.",
        )
    if trial is None or request is None:
        at, known = trials.cut(source, first, name), trials.known(source, first, name)
        cards.finding(trial_words.invitation(labels[first], name, at, known, words.current()))
    elif request.run_id in labels:
        _trial(source, trial, request, labels, runs)
    else:
        cards.failure("The run of this trial is gone.", "Its images are kept; choose another run.")
    if trial and request and (request.run_id, request.class_name) != (first, name):
        _same_images(source, trial, run, name, labels[first])
    if header.presenting():
        return
    trial_intake.hand_in(source, run, name)
    trial_parts.earlier(source, labels, trial.id if trial else None)


def _opened(source: Source, runs: list[str]) -> tuple[Trial | None, Request | None]:
    """The trial in the address; opening it sets the pickers once."""
    asked = st.query_params.get(trial_intake.TRIAL)
    if asked is None:
        return None, None
    try:
        trial = Trial.open(source.workspace, asked)
        request = trial.request()
    except UsageError as error:
        cards.note("No such trial", str(error))
        return None, None
    if st.session_state.get("try-opened") != asked and request.run_id in runs:
        st.query_params["run"] = request.run_id
        if request.class_name:
            st.query_params["class"] = request.class_name
    st.session_state["try-opened"] = asked
    return trial, request


def _trial(
    source: Source, trial: Trial, request: Request, labels: dict[str, str], runs: pd.DataFrame
) -> None:
    """Progress while it is at work, then summary, table and the image looked at."""
    status, label = trial.status(), labels[request.run_id]
    method = str(runs.set_index("run_id").loc[request.run_id, "method"])
    if not status.ended:
        trial_parts.progress(source, trial.id, label, method)
        return
    table = trials.frame(trial)
    if table.empty:
        trial_parts.ended_badly(source, trial, status.error or "Stopped before the first image.")
        return
    title = queries.method_titles().get(method, label)
    trial_parts.results_of(source, trial, request, status, table, title, method)


def _same_images(source: Source, trial: Trial, run: pd.Series, name: str, label: str) -> None:
    if st.button(f"Try the same images with {label}, as {name.replace('_', ' ')}", key="try-same"):
        with st.spinner("Keeping the images …"):
            again = trials.again(source, trial, run, name, header.author())
        trial_intake.go_to(source, again)
