"""One run on the Jobs page: at work, waiting or ended, with what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.config import external_name
from core.console import duration
from core.errors import FlawscopeError
from core.runs import RunDirectory
from dashboard import actions, navigation, progress
from dashboard.components import cards, pieces
from dashboard.findings import listed, many, plain
from dashboard.queries import RunLook, workspace

ARROW = ":material/chevron_right:"
PLOT = {"displayModeBar": False}
seconds = duration


def sentence(
    running: Sequence[RunLook], queued: Sequence[RunLook], ended: Sequence[RunLook],
    titles: Mapping[str, str],
) -> str:  # fmt: skip
    """What goes on, in one sentence."""
    if running:
        names = listed([f"{plain(_title(look, titles))} on {plain(look.data)}" for look in running])
        left = [look.status.eta_seconds for look in running if look.status.eta_seconds is not None]
        time = f", about {duration(max(left))} left" if left else ""
        more = f" {many(len(queued), 'more run')} in line." if queued else ""
        return f"**{names} at work{time}.**{more}"
    if queued:
        return f"**{many(len(queued), 'run')} in line.** The first starts in a moment."
    last = ended[0]
    word = {"succeeded": "ended well", "failed": "failed", "cancelled": "was cancelled"}
    when = progress.ago(last.status.finished_at)
    return (
        f"**Nothing runs.** The last one, {plain(_title(last, titles))} on {plain(last.data)}, "
        f"{word[last.status.state]}{f' {when}' if when else ''}."
    )


def active(look: RunLook, titles: Mapping[str, str], place: int | None) -> None:
    """A running or waiting run."""
    with st.container(border=True, key=f"card-{look.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            _head(look, titles, place)
            stopping = RunDirectory(workspace().runs / look.run_id).cancel_requested()
            if st.button(
                "Stopping …" if stopping else "Cancel", key=f"cancel-{look.run_id}",
                disabled=stopping, help="What was saved is kept; the run can be resumed.",
            ):  # fmt: skip
                _do(actions.cancel, look.run_id)
        if look.status.state == "running":
            st.progress(progress.share(look.status), text=progress.line(look.status))


def ended(look: RunLook, titles: Mapping[str, str]) -> None:
    """An ended run: a row, or a card that says what failed."""
    state = look.status.state
    with st.container(key=f"row-{look.run_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            _head(look, titles)
            if state == "succeeded":
                st.page_link(
                    navigation.page("run"), label="Results", icon=ARROW, icon_position="right",
                    query_params={"run": look.run_id},
                )  # fmt: skip
            elif st.button("Resume", key=f"resume-{look.run_id}", help=_resume_help(look)):
                _do(actions.resume, look.run_id)
            if st.button("Details", key=f"details-{look.run_id}", type="tertiary"):
                st.query_params["run"] = look.run_id
                st.rerun(scope="app")
        if state == "failed":
            cards.failure(
                look.status.error or "The run failed.",
                kept(look),
                "Details shows the log; Resume goes on from what was kept.",
            )


def newest(
    look: RunLook, titles: Mapping[str, str], score: tuple[float, str] | None, metric: str
) -> None:
    """A row of the Overview: the run, its state, its score when it has one."""
    with st.container(key=f"row-{look.run_id}", horizontal=True, vertical_alignment="center"):
        _head(look, titles)
        if score:
            pieces.score(score[0], score[1], metric)
        page = "run" if look.status.ended else "jobs"
        st.page_link(
            navigation.page(page),
            label="Open",
            query_params={"run": look.run_id},
            icon=ARROW,
            icon_position="right",
        )


def kept(look: RunLook) -> str:
    """What a run that did not end well has left."""
    checkpoint = workspace().runs / look.run_id / RunDirectory.CHECKPOINT
    if checkpoint.is_dir() and any(checkpoint.iterdir()):
        return "Its settings, log and last checkpoint are kept."
    return "Its settings and log are kept; no checkpoint had been saved yet."


def no_losses(look: RunLook) -> str:
    """Why there is no loss curve."""
    if look.status.state == "queued":
        return "Losses appear here once the run has trained for one epoch."
    if external_name(look.method):
        return "These maps were made elsewhere and only measured here; nothing was trained."
    if look.status.state == "succeeded":
        return "This method fills a memory bank in one pass, so there is no loss to draw."
    return "No epoch was finished yet; losses appear after the first."


def _resume_help(look: RunLook) -> str:
    return "Queues the run again; it goes on from its last checkpoint, if it saved one."


def _head(look: RunLook, titles: Mapping[str, str], place: int | None = None) -> None:
    detail = progress.facts(look.record.config)
    when = progress.ago(look.status.finished_at or look.record.created_at)
    words = progress.STATES[look.status.state]
    if look.status.ended:
        detail = f"{progress.line(look.status)} · {when} · {detail}"
    elif look.status.state == "queued" and place:
        detail = f"{progress.line(look.status, place)} · {detail}"
    pieces.run_head(look.method, _title(look, titles), look.data, detail, look.status.state, words)


def _title(look: RunLook, titles: Mapping[str, str]) -> str:
    return titles.get(look.method, look.method)


def _do(action: Any, run_id: str) -> None:
    try:
        action(run_id)
    except FlawscopeError as error:
        st.warning(str(error))
        return
    st.rerun(scope="app")
