"""What a run on a data set would take on this machine: measured beside the page, before training.

Preparing (seconds, disk) from a few images; training of each chosen method (time, memory) from two
batches in a process of its own; see `core.forecast`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape

import streamlit as st

from core.console import duration
from core.data import catalogue
from core.errors import FlawscopeError
from core.forecast import Preparation, Training, preparation, training
from core.workspace import Workspace
from dashboard import later, queries, state
from dashboard.boards import Cell
from dashboard.components import cards, grids
from dashboard.queries import workspace

FIRST = ("patchcore", "rd")
"""Methods that are offered at first: one that fills a bank, one that trains by gradients."""
Found = tuple[Preparation, tuple[Training, ...]]


def box(name: str, size: int) -> None:
    """An expander with the question, the work and the answer; part of a data set's card."""
    key = _key(name, size)
    busy = later.progress(key) is not None
    with st.expander(
        "What a run would take here", icon=":material/timer:", key=f"forecast-{name}", expanded=busy
    ):
        titles = queries.method_titles()
        first = [id for id in FIRST if id in titles]
        chosen = state.kept(f"forecast-{name}-methods", first)
        methods = st.multiselect(
            "Methods", list(titles), key=chosen, format_func=titles.__getitem__
        )
        if busy:
            later.watch(key, f"forecast-watch-{name}")
            return
        st.caption(
            f"Two batches of each are run at {size} px, some seconds to a minute a method; nothing "
            "is kept of them."
        )
        if st.button("Measure", key=f"forecast-begin-{name}"):
            begin(name, size, tuple(methods))
            st.rerun()
        try:
            found: Found | None = later.found(key)
        except FlawscopeError as error:
            cards.failure(str(error), "Nothing was changed.", "")
            return
        if found is not None:
            answer(*found, titles)


def begin(name: str, size: int, methods: Sequence[str]) -> None:
    """Measure beside the page."""
    place: Workspace = workspace()

    def work(tell: later.Tell) -> Found:
        tell(0.0, "opening the data set")
        dataset = catalogue.open_dataset(name, place)
        cost = preparation(dataset, size, place)
        return cost, training(dataset, methods, place, size=size, tell=tell)

    later.begin(_key(name, size), work)


def answer(cost: Preparation, trainings: Sequence[Training], titles: queries.Titles) -> None:
    """Preparation in a sentence, methods in a table."""
    st.html(f"<p><b>Preparing the images:</b> {escape(cost.words())}</p>")
    if not trainings:
        return
    rows = [
        [
            Cell(titles[one.method], one.problem),
            Cell("not measured" if one.seconds is None else duration(one.seconds), help=one.basis),
            Cell("" if one.memory is None else f"{one.memory / 1e9:.1f} GB"),
        ]
        for one in trainings
    ]
    table = grids.plain_html(["method", "whole run", "memory at most"], rows)
    grids.show(grids.STYLE, grids.bare(table))
    where = "the GPU" if any(one.device == "cuda" for one in trainings) else "the processor"
    st.caption(f"On {where}, estimated from two batches; the whole run trains, tests and measures.")


def _key(name: str, size: int) -> Hashable:
    return ("forecast", str(workspace().root), name, size)
