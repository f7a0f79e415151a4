"""Keep a threshold under a name, and the list of those that are kept for a run."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.errors import FlawscopeError
from core.thresholds import ALL_CLASSES, LONGEST_NAME, Chosen
from dashboard import chosen, header, state
from dashboard.casework import ALL
from dashboard.components import cards
from dashboard.findings import plain
from dashboard.operating import CHOSEN, SPECIMEN, Mark, Scene
from dashboard.results import Source

NAME, SAID = "op-name", "op-said"
EXPLAINED = (
    "A kept threshold judges this run wherever its cases are shown: Inspect, Failures, Compare, "
    "Try it. A class's own comes before one for all classes."
)
STYLE = """<style>
.op-kept{font-size:14px;line-height:1.45}.op-kept b{font-weight:600;overflow-wrap:anywhere}
.op-kept small{display:block;color:var(--fs-dim);font-size:12.5px}
[class*="st-key-op-row-"]{border-top:1px solid var(--fs-line);padding-top:8px}
</style>"""


def keep_box(source: Source, seen: Scene, now: Mark) -> None:
    """A name and a button; then what is kept."""
    st.subheader("Keep this threshold", help=EXPLAINED)
    state.kept(NAME, "")
    with st.container(horizontal=True, vertical_alignment="bottom", key="op-keep"):
        st.text_input(
            "Name", key=NAME, max_chars=LONGEST_NAME, placeholder="line 3, night shift", width=320
        )
        st.button(
            "Keep and use it", key="op-save", type="primary", on_click=_save,
            args=(source, seen, now),
        )  # fmt: skip
        st.caption(_filed(seen))
    if said := st.session_state.pop(SAID, ""):
        st.html(f'<div class="fs-card" role="status"><p>{cards.inline(said)}</p></div>')
    listed(source, seen)


def _filed(seen: Scene) -> str:
    who = header.author()
    where = "all classes" if seen.class_name == ALL else seen.class_name.replace("_", " ")
    text = f"For {plain(where)}, filed under {plain(who) if who else 'no name (give one above)'}."
    if seen.unit == SPECIMEN:
        text += " Other pages judge single images by it."
    return text


def _save(source: Source, seen: Scene, now: Mark) -> None:
    name = str(st.session_state.get(NAME) or "")
    try:
        made = chosen.save(source, seen.run_id, seen.saved_as, now.low, now.upper, name, now.origin)
    except FlawscopeError as error:
        st.session_state[SAID] = f"**Not kept.** {error}"
        return
    st.session_state[NAME] = ""
    st.session_state["from"] = CHOSEN
    st.session_state[SAID] = f"Kept as **{plain(made.name)}**. {EXPLAINED}"


def listed(source: Source, seen: Scene) -> None:
    """What is kept for the run, each with a way to use it, to stop, and to take it back."""
    found = chosen.of_run(source, seen.run_id)
    if not found:
        return
    st.html(STYLE)
    for one in found:
        row = st.container(
            horizontal=True, vertical_alignment="center", key=f"op-row-{one.id}", gap="small"
        )
        row.html(_one(one), width="stretch")
        row.button(
            "Stop using" if one.active else "Use", key=f"op-use-{one.id}", on_click=_act,
            args=(source, one, "stop" if one.active else "use"),
        )  # fmt: skip
        row.button(
            "Take back", key=f"op-back-{one.id}", on_click=_act, args=(source, one, "take back"),
            help="It stays in the record.",
        )  # fmt: skip


def _act(source: Source, one: Chosen, what: str) -> None:
    try:
        if what == "take back":
            chosen.take_back(source, one.id)
        else:
            chosen.use(source, one.id, active=what == "use")
    except FlawscopeError as error:
        st.session_state[SAID] = f"**Nothing changed.** {error}"
        return
    if what == "use":
        st.session_state["from"] = CHOSEN


def _one(one: Chosen) -> str:
    at = f"{one.value:.4g}" if one.upper is None else f"{one.value:.4g} to {one.upper:.4g}"
    where = "all classes" if one.class_name == ALL_CLASSES else one.class_name.replace("_", " ")
    tags = [cards.chip("in use", "accent")] if one.active else []
    tags += [cards.chip("oracle")] if one.origin == "oracle" else []
    return (
        f'<div class="op-kept"><b>{escape(one.name)}</b> {escape(at)} {"".join(tags)}'
        f"<small>{escape(where)} · {escape(one.author)} · {escape(chosen.when(one))}</small></div>"
    )
