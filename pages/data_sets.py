"""What there is to train on: add a folder, see its classes, pictures and problems."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, navigation, queries, state
from dashboard.components import cards, data_card, pieces

TITLE = "Data sets"
GROUP = "Prepare"
ORDER = 20
ICON = ":material/photo_library:"


def render() -> None:
    pieces.styles()
    with st.container(horizontal=True, vertical_alignment="center"):
        pieces.title(TITLE)
        turn = st.session_state.get("added", 0)  # another key: the popover is closed again
        with st.popover("Add a data set", icon=":material/add:", type="primary", key=f"new-{turn}"):
            add(turn)
    said = st.session_state.pop("said", None)
    if said:
        st.success(said)
    looks = queries.data_sets()
    cards.finding(data_card.sentence(looks))
    for look in sorted(looks, key=lambda one: one.name == queries.DEMO):
        with st.container(border=True, key=f"card-{look.name}"):
            show(look)


def add(turn: int) -> None:
    """A folder of this machine and the name to list it under; `turn` counts those added."""
    nearby = data_card.shortcuts()
    picked = None
    if nearby:
        picked = st.pills("Found nearby", nearby, key="nearby", format_func=data_card.short)
    typed = st.text_input(
        "Folder", key=state.kept(f"path-{turn}", ""), placeholder=picked or "/path/to/folder",
        help="A folder on the machine this dashboard runs on. Type or paste its path.",
    )  # fmt: skip
    name = st.text_input(
        "Name (optional)", key=state.kept(f"name-{turn}", ""), placeholder="the folder's own name"
    )
    st.caption(data_card.LAYOUTS)
    if not st.button("Add", type="primary", key="add"):
        return
    path = typed.strip() or picked or ""
    if not path:
        st.warning("No folder was given; type the path of one.")
        return
    try:
        with st.spinner("Reading the folder …"):
            dataset = actions.add_data(path, name.strip() or None)
    except actions.Refused as error:
        st.error(str(error))
        return
    st.session_state["added"] = st.session_state.get("added", 0) + 1
    st.session_state["said"] = f"Added {dataset.name}. {dataset.recognised}"
    st.rerun()


def show(look: queries.DataLook) -> None:
    """One data set."""
    data_card.head(look)
    if look.error:
        cards.failure(look.error, "Runs made with it are kept.", "")
    if not look.made:
        if look.name == queries.DEMO:
            make_demo()
    else:
        data_card.classes(look)
        data_card.problems(look)
    with st.container(horizontal=True, vertical_alignment="center"):
        if look.made:
            st.page_link(
                navigation.page("new_run"), label="Run on this", icon=":material/play_circle:",
                query_params={"data": look.name},
            )  # fmt: skip
        if look.name != queries.DEMO and st.button(
            "Remove from the list", key=f"remove-{look.name}", type="tertiary",
            help="The folder and the runs made with it stay as they are.",
        ):  # fmt: skip
            actions.remove_data(look.name)
            st.rerun()


def make_demo() -> None:
    """The one step that makes the demo data."""
    if not st.button("Make it", type="primary", key="make-demo"):
        return
    with st.spinner("Drawing the pictures; this takes some seconds …"):
        try:
            actions.make_demo_data()
        except actions.Refused as error:
            st.error(str(error))
            return
    st.rerun()
