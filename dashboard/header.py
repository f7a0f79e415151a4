"""The row above every page: whose words, whose name, and presentation mode.

Presentation mode is large type without controls, for showing a page to a room; it stands in the
address (`present=1`), so that a link opens a page in it. Escape, or the small button that stays,
ends it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st

from core.people import NOBODY
from dashboard import state, words

PRESENT = "present"
AUTHOR = "author"
"""Session key of the name a person gave; what they add is filed under it."""


COOKIES = {AUTHOR: "flawscope-name", words.NAME: "flawscope-words"}
"""What the browser keeps, because a link opens a session of its own: session key -> cookie."""


def render() -> None:
    """Draw the row; app.py calls this before the page."""
    _from_browser()
    presenting_now = presenting()
    with st.container(horizontal=True, vertical_alignment="center", key="fs-header"):
        if presenting_now:
            st.button("End presentation", key="present-off", on_click=_present, args=(False,))
        else:
            titles = {id: one.title for id, one in words.VOCABULARIES.items()}
            state.pick(
                words.NAME, list(titles), label="Words", words=titles,
                help="Parts and defects, patients and lesions, or neither. Each test image counts "
                "as one part or patient; Threshold can count by patient where the data say which "
                "images belong together.",
            )  # fmt: skip
            with st.popover("You", icon=":material/person:"):
                st.text_input(
                    "Your name", key=state.kept(AUTHOR, ""), max_chars=80, placeholder=NOBODY,
                    help="Filed with the marks, thresholds and comparisons you save.",
                )  # fmt: skip
            st.button(
                "Present", key="present-on", icon=":material/slideshow:", on_click=_present,
                args=(True,), help="Large type, no controls; for showing this page to a room.",
            )  # fmt: skip
        _to_browser()
    if presenting_now:
        st.html("<style>" + PRESENTING + "</style>")


def presenting() -> bool:
    """Whether the page is shown in presentation mode."""
    return st.query_params.get(PRESENT) == "1"


def author() -> str:
    """The name a person gave in this session; "" when none."""
    return str(st.session_state.get(AUTHOR) or "")


def _from_browser() -> None:
    """Name and vocabulary as this browser last had them, where this session has none yet."""
    held = st.context.cookies
    for key, cookie in COOKIES.items():
        value = held.get(cookie)
        if key not in st.session_state and isinstance(value, str) and value:
            st.session_state[state.kept(key)] = unquote(value)[:80]


def _to_browser() -> None:
    """Let the browser keep name and vocabulary for a year; they are sent to this server only."""
    said = {cookie: quote(str(st.session_state.get(key) or "")) for key, cookie in COOKIES.items()}
    _keeper()(data=json.dumps(said), key="fs-keeper")


@cache
def _keeper() -> Any:
    return st.components.v2.component("flawscope_keeper", html="<i hidden></i>", js=KEEPER)


KEEPER = """
export default function keep({ data }) {
  for (const [name, value] of Object.entries(JSON.parse(data))) {
    document.cookie = `${name}=${value}; path=/; max-age=31536000; SameSite=Strict`;
  }
}
"""


def _present(on: bool) -> None:
    if on:
        st.query_params[PRESENT] = "1"
    elif PRESENT in st.query_params:
        del st.query_params[PRESENT]


PRESENTING = """
.stSidebar, [data-testid="stExpandSidebarButton"],
.stMain .stButton:not(.st-key-present-off .stButton),
.stMain .stDownloadButton, .stMain .stPageLink, .stMain .stExpander, .stMain .stPopover,
.stMain .stForm, .stMain .stFileUploader, .stMain .stTextInput, .stMain .stNumberInput,
.st-key-fs-filters > :not(:first-child), .stMain .stToggle, .stMain .stCheckbox,
.stMain .stSlider { display: none !important; }
.stMainBlockContainer { zoom: 1.3; max-width: 1600px; }
.st-key-fs-header { zoom: 0.77; opacity: .45; }
.st-key-fs-header:hover, .st-key-fs-header:focus-within { opacity: 1; }
"""
