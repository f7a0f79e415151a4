"""A guided first visit in five steps on the demo data; a card above the page says what to look at.

Where it stands is kept in the address (`tour`) and, because links between pages carry other words,
in the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from dashboard import navigation, queries, results

NAME = "tour"


@dataclass(frozen=True, slots=True)
class Step:
    """One stop: which page, what to look at, what to try."""

    page: str
    title: str
    text: str


STEPS = (
    Step(
        "",
        "Start the demo",
        "It draws its own pictures of fabric, circuit boards and brain scans and trains three "
        "methods on them: about two minutes, no network. Then this card offers the next step.",
    ),
    Step(
        "leaderboard",
        "Which method to trust",
        "Each row is a method. Below every value stands its interval; the rank is an interval, "
        "too: methods that share places cannot be told apart on so few images.",
    ),
    Step(
        "failures",
        "What it misses",
        "The worst mistakes come first. Filter by class or kind of flaw, and open one that puzzles "
        "you.",
    ),
    Step(
        "inspect",
        "Look at one case",
        "Space blinks between picture and heat map, T shows the true outline, the slider moves the "
        "threshold. The same colour means the same false-alarm rate for every method.",
    ),
    Step(
        "operating",
        "Choose a threshold",
        "Drag the line: how many flaws get through, how many good ones are flagged? Say how common "
        "flaws are and what each mistake costs, and save the threshold under your name.",
    ),
)
"""The first page is the default one, whose address is empty."""


def start() -> None:
    """Begin at the first step; the callback of a button."""
    _go(1)


def offer() -> None:
    """The button that begins the tour; for the Overview."""
    if current() is None:
        st.button("Take the tour, five steps", key="tour-start", icon=":material/explore:",
                  on_click=start)  # fmt: skip


def current() -> int | None:
    """The step under way, from 1; None outside the tour."""
    held = st.session_state.get(NAME)
    asked = st.query_params.get(NAME)
    found = str(held if held is not None else asked)
    return int(found) if found.isdigit() and 1 <= int(found) <= len(STEPS) else None


def render(url: str) -> None:
    """The card of the step under way, above the page at `url`; nothing outside the tour."""
    number = current()
    if number is None:
        return
    st.session_state[NAME] = number
    st.query_params[NAME] = str(number)
    step = STEPS[number - 1]
    with st.container(border=True, key="fs-tour"):
        dots = "".join(f'<i class="{"on" if n <= number else ""}"></i>' for n in range(1, 6))
        st.html(
            f'<div class="fs-tour"><span class="fs-dim">Step {number} of {len(STEPS)}</span>'
            f'<span class="fs-tour-dots" aria-hidden="true">{dots}</span>'
            f"<b>{escape(step.title)}</b><p>{escape(step.text)}</p></div>"
        )
        with st.container(horizontal=True, vertical_alignment="center", key="fs-tour-keys"):
            _buttons(number, url)


def _buttons(number: int, url: str) -> None:
    """Back, next (once there is something to see), end."""
    here = STEPS[number - 1].page == url
    if not here and st.button("Go to this step", key="tour-here", type="primary"):
        _switch(number)
    if number > 1 and st.button("Back", key="tour-back"):
        _switch(number - 1)
    if number == 1 and not _demo_has_run():
        st.caption("The next step opens once the demo has run.")
    elif number < len(STEPS):
        label = f"Next: {STEPS[number].title.lower()}"
        if st.button(label, key="tour-next", type="primary" if here else "secondary"):
            _switch(number + 1)
    elif st.button("Finish with a report", key="tour-report", type="primary"):
        run = _leading()
        _end()
        st.switch_page(navigation.page("report"), query_params={"run": run} if run else {})
    st.button("End the tour", key="tour-end", on_click=_end)


def _switch(number: int) -> None:
    _go(number)
    url = STEPS[number - 1].page
    query: dict[str, Any] = {NAME: str(number)}
    run = _leading()
    if run and url == "leaderboard":
        runs = results.runs(results.source())
        query["data"] = str(runs.loc[runs["run_id"] == run, "fingerprint"].iloc[0])
    elif run and url:
        query["run"] = run
    st.switch_page(navigation.page(url or navigation.discover()[0].url), query_params=query)


def _go(number: int) -> None:
    st.session_state[NAME] = number


def _end() -> None:
    st.session_state.pop(NAME, None)
    st.query_params.pop(NAME, None)


def _demo_has_run() -> bool:
    runs = results.runs(results.source())
    return bool((runs["dataset"] == queries.DEMO).any())


def _leading() -> str | None:
    """The best run on the demo; on any data when the demo has not run."""
    runs = results.runs(results.source())
    if runs.empty:
        return None
    demo = runs[runs["dataset"] == queries.DEMO]
    return queries.leading(demo if len(demo) else runs)
