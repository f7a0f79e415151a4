"""What there is to train on: add images, see classes, pictures and problems of each data set."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, navigation, queries
from dashboard.components import add_data, cards, data_card, doctor_parts, pieces

TITLE = "Data sets"
GROUP = "Prepare"
ORDER = 20
ICON = ":material/photo_library:"


def render() -> None:
    pieces.styles()
    with st.container(horizontal=True, vertical_alignment="center"):
        pieces.title(TITLE)
        if not add_data.is_open():
            st.button(
                "Add a data set", icon=":material/add:", type="primary", key="add",
                on_click=add_data.open_,
            )  # fmt: skip
    if add_data.is_open():
        add_data.place()
        if not add_data.is_open() or add_data.is_busy():
            return
    looks = queries.data_sets()
    cards.finding(data_card.sentence(looks))
    added = added_now()
    for look in sorted(looks, key=lambda one: (one.name != added, one.name == queries.DEMO)):
        with st.container(border=True, key=f"card-{look.name}"):
            show(look)


def added_now() -> str | None:
    """The data set added last in this session, which stands first; said once."""
    name: str | None
    name, said = st.session_state.get(add_data.ADDED, (None, ""))
    if said:
        st.success(said)
        st.session_state[add_data.ADDED] = (name, "")
    return name


def show(look: queries.DataLook) -> None:
    """One data set."""
    data_card.head(look)
    if look.opening:
        st.caption("Being read; a large data set takes some seconds …")
    if look.error:
        cards.failure(look.error, "Runs made with it are kept.", "")
    if look.made:
        data_card.classes(look)
        data_card.problems(look)
        data_card.differences(look)
        doctor_parts.section(look)
    elif look.name == queries.DEMO:
        make_demo()
    with st.container(horizontal=True, vertical_alignment="center"):
        if look.made:
            st.page_link(
                navigation.page("new_run"), label="Run on this", icon=":material/play_circle:",
                query_params={"data": look.name},
            )  # fmt: skip
            doctor_parts.links(look)
        data_card.import_again(look)
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
