"""Saying what one thinks of a case: agree, wrong label, wrong mask, interesting, and a note.

    review_panel(source, run_id, case)

The note is kept by case in the session as soon as the field is left, so that going to another case
and back loses nothing; it is cleared only once it is filed. Buttons and fields are streamlit's own
and are reached by Tab.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd
import streamlit as st

from core.errors import FlawscopeError
from core.marks import LONGEST_NOTE, TITLES, Mark, Verdict, entry_id, of_case, standing, take_back
from core.store import case_query
from core.types import GOOD
from dashboard import header, marks, state
from dashboard.components import cards
from dashboard.results import Source

UNSAID = ""
NAME = "review-name"
"""Session key of the name field, which shows as long as nobody is named in the header."""
TOLD = "review-told"
"""Session key of (case, sentence, whether it went wrong), shown once."""
HELPS: dict[Verdict, str] = {
    "agree": "Label and mask are right.",
    "wrong_label": "The label is wrong: it is called normal and is not, or the other way round, "
    "or it is another kind of flaw. Metrics can be shown without such cases.",
    "wrong_mask": "The label is right, the outlined region is not. Pixel metrics can be shown "
    "without such cases.",
    "interesting": "Worth showing to others.",
}
STYLE = """<style>
.rv-list{display:flex;flex-direction:column;gap:8px;font-size:14px;color:var(--fs-text)}
.rv-one{line-height:1.45;overflow-wrap:anywhere}
.rv-one .fs-chip{margin:0 8px 0 0}
.rv-one small{font-size:12.5px;color:var(--fs-dim)}
.rv-one p{margin:2px 0 0;font-size:14px;white-space:pre-line}
.st-key-review-buttons button{min-height:34px;padding:3px 10px}
</style>"""


def review_panel(source: Source, run_id: str, case: pd.Series) -> None:
    """Marks that stand on a case, and the means to add one's own.

    Draw it inside a fragment or a page that shows one case; a mark that was filed shows in the
    same run of the script.

    Args:
        run_id: the run that is looked at; noted with the mark.
        case: one row of a frame of cases: key, class_name, label.
    """
    fingerprint = marks.fingerprint_of(source, run_id)
    if not fingerprint:
        cards.note("Marks need a data set", "This run does not say which data it was made on.")
        return
    key = str(case["key"])
    every = of_case(marks.versions(source, fingerprint), key)
    st.html(STYLE)
    _told(key)
    _standing(standing(every))
    _means(source, run_id, case, fingerprint, standing(every))
    if len(every) > len(standing(every)):
        _history(every)


def _told(key: str) -> None:
    """What the last click did, once."""
    case, sentence, wrong = st.session_state.pop(TOLD, ("", "", False))
    if case != key or not sentence:
        return
    if wrong:
        cards.failure(sentence, "What you typed is still here.")
    else:
        st.caption(sentence)


def _standing(found: Sequence[Mark]) -> None:
    if found:
        st.html(f'<div class="rv-list">{"".join(map(mark_html, found))}</div>')


def mark_html(mark: Mark) -> str:
    """One mark: verdict, author, time, what the label should be, note."""
    tone: cards.Tone = "quiet" if mark.verdict is None else marks.TONES[mark.verdict]
    should = f", should be {mark.label_should_be}" if mark.label_should_be else ""
    note = f"<p>{escape(mark.note)}</p>" if mark.note else ""
    version = f", version {mark.version}" if mark.version > 1 else ""
    return (
        f'<div class="rv-one">{cards.chip(mark.said + should.replace("_", " "), tone)}'
        f"<small>{escape(mark.author)}, {escape(marks.when(mark))} UTC{version}</small>{note}</div>"
    )


def _means(
    source: Source, run_id: str, case: pd.Series, fingerprint: str, found: Sequence[Mark]
) -> None:
    """The note, the right label where it is known, and the four buttons."""
    key, normal = str(case["key"]), int(case["label"]) == 0
    note = state.kept(f"review-note-{fingerprint[:8]}-{key}", start="")
    right = f"review-right-{fingerprint[:8]}-{key}"
    st.text_area(
        "Note", key=note, height=68, max_chars=LONGEST_NOTE, label_visibility="collapsed",
        placeholder="Note (optional)",
    )  # fmt: skip
    types = case_query.types_of(source.workspace, fingerprint, str(case["class_name"]))
    rights = [UNSAID, *([] if normal else [GOOD]), *types]
    st.selectbox(
        "If the label is wrong, it should be", rights, key=state.kept(right, UNSAID, rights),
        format_func=lambda name: name.replace("_", " ") or "right label, if the label is wrong",
        label_visibility="collapsed",
    )  # fmt: skip
    if not header.author():
        st.text_input(
            "Your name", key=NAME, max_chars=80, placeholder="Your name", help="Filed with marks.",
            label_visibility="collapsed",
        )  # fmt: skip
    with st.container(horizontal=True, gap="small", key="review-buttons"):
        for verdict, title in TITLES.items():
            st.button(
                title.capitalize(), key=f"review-{verdict}", help=HELPS[verdict],
                disabled=verdict == "wrong_mask" and normal, on_click=_file,
                args=(source, run_id, case, verdict, note, right),
            )  # fmt: skip
        mine = entry_id(fingerprint, key, header.author())
        if any(mark.id == mine for mark in found):
            st.button(
                "Take mine back", key="review-back", type="tertiary", on_click=_take_back,
                args=(source, fingerprint, key),
            )  # fmt: skip


def _file(
    source: Source, run_id: str, case: pd.Series, verdict: Verdict, note: str, right: str
) -> None:
    """Callback of a button: file the mark, or say why it could not be."""
    name = str(st.session_state.get(NAME) or "").strip()
    if name and not header.author():
        st.session_state[header.AUTHOR] = name
    key = str(case["key"])
    try:
        text = str(st.session_state.get(note) or "")
        marks.save(source, run_id, case, verdict, text, st.session_state.get(right) or None)
    except (FlawscopeError, OSError) as error:
        st.session_state[TOLD] = (key, f"The mark was not filed: {error}", True)
        return
    st.session_state[note], st.session_state[right] = "", UNSAID
    st.session_state[TOLD] = (key, f"Filed: {TITLES[verdict]}.", False)


def _take_back(source: Source, fingerprint: str, key: str) -> None:
    try:
        take_back(source.workspace, header.author(), fingerprint, key)
    except (FlawscopeError, OSError) as error:
        st.session_state[TOLD] = (key, f"The mark was not taken back: {error}", True)


def _history(every: Sequence[Mark]) -> None:
    """All versions, the newest first, behind a click."""
    with st.popover(f"History ({len(every)} versions)", type="tertiary"):
        st.html(STYLE + f'<div class="rv-list">{"".join(map(mark_html, reversed(every)))}</div>')
