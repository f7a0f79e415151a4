"""Three ways to speak of the same things: in general, in a plant, in a clinic.

The choice stands in the header, in the session and in the address (`words`). Pages ask `current()`
and put its words into sentences; what researchers compare (names of metrics) is never translated.
"""

from __future__ import annotations

import streamlit as st

from core.vocabulary import CLINIC as CLINIC
from core.vocabulary import GENERAL as GENERAL
from core.vocabulary import PLANT as PLANT
from core.vocabulary import VOCABULARIES as VOCABULARIES
from core.vocabulary import Vocabulary as Vocabulary

NAME = "words"
"""Query parameter and session key."""


def current() -> Vocabulary:
    """The vocabulary chosen in the header; the general one outside a page."""
    asked = st.session_state.get(NAME) or st.query_params.get(NAME) or GENERAL.id
    return VOCABULARIES.get(str(asked), GENERAL)


def outcome(name: str) -> str:
    """What a case's outcome ("missed", "false alarm", ...) is called in the chosen words."""
    spoken = current()
    return {"missed": spoken.missed, "false alarm": spoken.alarm}.get(name, name)


def counted(number: int, one: str, several: str) -> str:
    """ "1 part", "3,200 parts"."""
    return f"{number:,} {one if number == 1 else several}"
