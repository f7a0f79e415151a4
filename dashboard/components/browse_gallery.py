"""One page of the Browse gallery; a fragment, so that turning pages runs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboard import browse, browse_pictures, browse_words, navigation
from dashboard.browse import PAGE, Choice, Places
from dashboard.browse_data import View
from dashboard.browse_pictures import Asked, Small
from dashboard.casework import ALL
from dashboard.components import browse_filters, cards
from dashboard.components.browse_grid import Item, grid
from dashboard.phrases import image_name

KEY, PAGE_NAME = "key", "page"
"""Query parameters: the image that is open, and the page of the gallery."""
STYLE = """<style>
.st-key-browse-row .stPopover button p{font-size:12.5px}
.st-key-browse-row .stTextInput input{font-size:12.5px}
@media (max-width:640px){
 .st-key-browse-row > .stElementContainer{flex:1 1 40%!important;width:auto!important}
 .st-key-browse-row > .stElementContainer > div{width:100%!important}}
</style>"""
PATIENCE = 0.2
"""Seconds a page waits for pictures that have to be made."""


@st.fragment
@navigation.safely
def gallery(view: View, choice: Choice) -> None:
    """What is shown of how many, further filters, and the cards."""
    st.html(STYLE)
    with st.container(horizontal=True, vertical_alignment="center", key="browse-row"):
        place = st.container(width="stretch")
        choice, outlines = browse_filters.second_row(view, choice)
    finding = view.findings.get(choice.finding)
    places = browse.select(view.table, choice, finding)
    pages = max(1, -(-len(places) // PAGE))
    page, picker = _page(pages, choice)
    place.caption(browse_words.shown_words(len(places), len(view.table), page))
    if finding is not None:
        told(finding.title, finding.detail, finding.remedy)
    if not len(places):
        cards.note("Nothing here", "No image fits these filters; set one of them to “all”.")
        return
    shown = places[(page - 1) * PAGE : page * PAGE]
    asked = browse_pictures.ask(view.dataset.root, samples(view, shown))
    ready = browse_pictures.ready(asked, PATIENCE)
    items = items_of(view, shown, ready, choice, browse_words.group_of(finding))
    opened = grid(items, "browse-grid", caption="Images", outlines=outlines)
    if opened is not None:
        st.query_params[KEY] = opened
        st.rerun()
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", key="browse-pages"):
            st.pagination(pages, key=picker)
            st.caption(browse_words.shown_words(len(places), len(view.table), page))
    waiting = [job for job in asked if not job.done()]
    if waiting:
        _fill(waiting)
    else:
        browse_pictures.ahead(
            view.dataset.root, samples(view, places[page * PAGE : (page + 1) * PAGE])
        )


def told(title: str, detail: str, remedy: str) -> None:
    """A finding in a quiet card."""
    cards.note(title, browse_words.harmless(" ".join(part for part in (detail, remedy) if part)))


def samples(view: View, places: Places) -> list[Any]:
    """The samples of these rows."""
    every = view.dataset.samples
    return [every[place] for place in places]


def items_of(
    view: View, places: Places, ready: Sequence[Small | None], choice: Choice,
    groups: Mapping[str, str] | None = None, current: str = "",
) -> list[Item]:  # fmt: skip
    """The cards of these rows."""
    made = []
    for row, small in zip(view.table.iloc[places].to_dict("records"), ready, strict=True):
        key = str(row["key"])
        chips: list[tuple[str, cards.Tone]] = []
        if row["excluded"]:
            chips.append(("excluded", "bad"))
        elif row["split"] != row["given"]:
            chips.append(("moved", "accent"))
        if groups and key in groups:
            chips.append((groups[key], "quiet"))
        lines = browse_words.row_words(row)
        made.append(
            Item(
                key, image_name(key), tuple(lines), small, href(choice, key),
                flawed=bool(row["label"]), out=bool(row["excluded"]), current=key == current,
                chips=tuple(chips),
            )
        )  # fmt: skip
    return made


def href(choice: Choice, key: str = "") -> str:
    """The address that restores the list, opened at an image."""
    query = {
        "data": choice.data, "class": choice.class_name, "split": choice.split,
        "type": choice.type, "size": choice.size, "finding": choice.finding,
    }  # fmt: skip
    said = {name: value for name, value in query.items() if value != ALL}
    said |= {} if choice.state == browse.IN_USE else {"edited": choice.state}
    said |= {} if choice.order == browse.FILED else {"sort": choice.order}
    said |= {"find": choice.text} if choice.text else {}
    return f"browse?{urlencode(said | ({KEY: key} if key else {}))}"


def _page(pages: int, choice: Choice) -> tuple[int, str]:
    """The page asked for and the key of its picker; every list has a picker of its own, so that a
    new one begins at its first page."""
    picker = f"browse-page-{hash(choice) & 0xFFFFFFFF:x}"
    if picker not in st.session_state:
        asked = st.query_params.get(PAGE_NAME, "")
        first = st.session_state.setdefault("browse-first", picker) == picker
        if first and asked.isdecimal() and 1 < int(asked[:9]) <= pages:
            st.session_state[picker] = int(asked[:9])
    held = int(st.session_state.get(picker) or 1)
    if held > pages:  # the list has become shorter
        del st.session_state[picker]
        held = 1
    if held > 1:
        st.query_params[PAGE_NAME] = str(held)
    elif PAGE_NAME in st.query_params:
        del st.query_params[PAGE_NAME]
    return held, picker


@st.fragment(run_every=0.6)
@navigation.safely
def _fill(waiting: Sequence[Asked]) -> None:
    """Draw the page again as pictures get ready; draws nothing itself."""
    if any(job.done() for job in waiting):
        st.rerun()
