"""What can be trained: each method's idea, paper, what it learns, how it differs from the paper."""

from __future__ import annotations

import streamlit as st

from core.reference import inference
from dashboard import navigation, queries
from dashboard.components import cards, method_card, pieces
from dashboard.components.empty import empty

TITLE = "Methods"
GROUP = "Prepare"
ORDER = 30
ICON = ":material/category:"

ALL = "all families"


def render() -> None:
    pieces.styles()
    pieces.title(TITLE)
    entries = queries.methods()
    families = sorted({entry["family"] for entry in entries})
    if not entries:
        empty("No method is here", "Add one file to core/methods.", "overview", "Overview")
        return
    family = ALL
    if len(families) > 1:
        family = st.segmented_control(
            "Family", [ALL, *families], default=ALL, required=True, key="family",
            bind="query-params", label_visibility="collapsed", help=method_card.FAMILY_HELP,
        )  # fmt: skip
    shown = [entry for entry in entries if family in (ALL, entry["family"])]
    cards.finding(method_card.sentence(shown))
    with st.expander("How fast they judge"):
        method_card.speeds(inference.measured(), {entry["id"]: entry["title"] for entry in shown})
    for entry in shown:
        with st.container(border=True, key=f"card-{entry['id']}"):
            method_card.head(entry)
            method_card.facts(entry)
            with st.expander("Settings"):
                method_card.settings(entry)
            if entry["deviations"]:
                with st.expander(f"How it differs from the paper ({len(entry['deviations'])})"):
                    method_card.deviations(entry)
            st.page_link(
                navigation.page("new_run"), label="Run this", icon=":material/play_circle:",
                query_params={"method": entry["id"]},
            )  # fmt: skip
