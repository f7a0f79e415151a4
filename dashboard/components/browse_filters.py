"""The pickers of the Browse page; what is chosen stands in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import browse, browse_words, navigation, state
from dashboard.browse import Choice
from dashboard.browse_data import View
from dashboard.casework import ALL

FIND = "find"
"""Query parameter and session key of the text that names have to contain."""
VIEW = "view"
"""Query parameter and session key of the view that is shown."""
_SEEN = "browse-seen"
STATE_WORDS = {
    browse.IN_USE: "in use", browse.EVERY: "all", browse.EXCLUDED: "excluded",
    browse.MOVED: "moved to another split",
}  # fmt: skip


def first_row(view: View) -> Choice:
    """Class, split and type, in the row of the title."""
    table = view.table
    name = state.pick("class", [ALL, *map(str, table["class_name"].cat.categories)], label="Class")
    mine = table if name == ALL else table[table["class_name"] == name]
    splits = [split for split in browse.SPLITS if (mine["split"] == split).any()]
    split = state.pick("split", [ALL, *splits], label="Split")
    kinds = [str(kind) for kind in mine["anomaly_type"].unique()]
    kind = state.pick("type", [ALL, *sorted(kinds, key=_good_first)], label="Type")
    return Choice(data=view.dataset.name, class_name=name, split=split, type=kind)


def second_row(view: View, choice: Choice) -> tuple[Choice, bool]:
    """Finding, text in the name, order, size of the flaw, edits; whether outlines show."""
    finding = _finding(view)
    text = _find()
    order = state.pick("sort", browse.orders(view.table), label="Sort")
    with st.popover("More", icon=":material/tune:"):
        size = ALL
        if "area_share" in view.table:
            sizes = {ALL: "any", **{name: name for name in browse.SIZES},
                     browse.NO_AREA: "no usable mask"}  # fmt: skip
            size = state.pick(
                "size", list(sizes), label="Size of flaw", words=sizes,
                help="Share of the image that the mask marks.",
            )  # fmt: skip
        else:
            st.caption(
                "Sizes of flaws, brightness and findings can be chosen by once the data set was "
                "examined."
            )
            st.page_link(
                navigation.page("data_sets"), label="Examine it on Data sets",
                icon=":material/stethoscope:",
            )  # fmt: skip
        edited = state.pick(
            "edited", list(browse.STATES), label="Images", words=STATE_WORDS,
            help="Excluded images are in no run; they can be looked at and taken back.",
        )  # fmt: skip
        outlines = st.toggle(
            "Outlines", value=True, key="browse-outlines",
            help="Around what the masks mark; point at a card to see the bare picture.",
        )  # fmt: skip
    chosen = replace(
        choice, finding=finding, size=size, state=edited, text=text, order=order
    )  # fmt: skip
    return chosen, outlines


def _finding(view: View) -> str:
    with_images = {id: one for id, one in view.findings.items() if one.keys}
    if not with_images:
        return ALL
    titles = {ALL: "any"} | {id: browse_words.short(one) for id, one in with_images.items()}
    return state.pick(
        "finding", [ALL, *with_images], label="Finding", words=titles,
        help="Images that the doctor's last examination found something about.",
    )  # fmt: skip


def switch(names: Sequence[str]) -> str:
    """Which of the page's views is shown, kept in the address; the first one at first."""
    asked = st.query_params.get(VIEW, "")
    followed = asked in names and asked != st.session_state.get(f"{_SEEN}-{VIEW}")
    if followed or st.session_state.get(VIEW) not in names:
        st.session_state[VIEW] = asked if asked in names else names[0]
    pressed = st.segmented_control(
        "View", names, key=state.kept(VIEW, names[0], names), required=True,
        format_func=str.capitalize, label_visibility="collapsed",
    )  # fmt: skip
    chosen = pressed or names[0]
    st.session_state[f"{_SEEN}-{VIEW}"] = chosen
    if chosen != names[0]:
        st.query_params[VIEW] = chosen
    elif VIEW in st.query_params:
        del st.query_params[VIEW]
    return chosen


def held(view: View, choice: Choice) -> Choice:
    """What `second_row` last said, as the address has it; draws nothing."""
    asked = st.query_params
    size, edited = asked.get("size", ALL), asked.get("edited", browse.IN_USE)
    order, finding = asked.get("sort", browse.FILED), asked.get("finding", ALL)
    return replace(
        choice,
        finding=finding if finding in view.findings else ALL,
        size=size if size in (*browse.SIZES, browse.NO_AREA) else ALL,
        state=edited if edited in browse.STATES else browse.IN_USE,
        text=asked.get(FIND, "")[:200].strip(),
        order=order if order in browse.orders(view.table) else browse.FILED,
    )


def _find() -> str:
    asked, held = st.query_params.get(FIND, ""), st.session_state.get(FIND)
    if held is None or (asked and asked != st.session_state.get(_SEEN)):
        st.session_state[FIND] = asked[:200]
    text = st.text_input(
        "Text in the name", key=state.kept(FIND, ""), placeholder="Text in the name", max_chars=200,
        label_visibility="collapsed", icon=":material/search:", width=190,
    ).strip()  # fmt: skip
    st.session_state[_SEEN] = text
    if text:
        st.query_params[FIND] = text
    elif FIND in st.query_params:
        del st.query_params[FIND]
    return text


def _good_first(kind: str) -> tuple[bool, str]:
    return (kind != "good", kind)
