"""What is here, what came out last, and one button that shows everything at work."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, navigation, queries, results, saved, summary, tour
from dashboard.components import cards, job_card, pieces, save_box

TITLE = "Overview"
GROUP = "Prepare"
ORDER = 10
ICON = ":material/home:"

NEWEST = 6


def render() -> None:
    pieces.styles()
    looks = queries.runs()
    titles = queries.method_titles()
    if not looks:
        welcome(titles)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        pieces.title(TITLE)
        demo_button(looks)
        tour.offer()
    cards.finding(summary.sentence(looks, titles))
    data = queries.data_sets()
    pieces.tiles(summary.tiles(data, len(titles), looks), navigation.href)
    pieces.heading("Newest runs", f"{summary.METRIC_TITLE}, exact, mean over classes")
    scores = queries.means(
        tuple(look.run_id for look in looks[:NEWEST] if look.status.state == "succeeded"),
        summary.METRIC,
    )
    with st.container(border=True, key="card-newest"):
        for look in looks[:NEWEST]:
            job_card.newest(look, titles, scores.get(look.run_id), summary.METRIC_TITLE)
    if len(looks) > NEWEST:
        st.page_link(
            navigation.page("jobs"), label=f"All {len(looks)} runs", icon=job_card.ARROW,
            icon_position="right",
        )  # fmt: skip

    source = results.source()
    if saved.saved_views(source):
        pieces.heading("Saved views")
        save_box.links(source)


def welcome(titles: queries.Titles) -> None:
    """An empty workspace: what this is, and the one step that shows it."""
    pieces.hero(
        "See what a method finds, and what it misses",
        "Flawscope trains anomaly-detection methods on pictures of normal parts or healthy tissue, "
        "tests them on flawed ones, and shows where each looks.",
        [
            ("Choose", "pictures and methods; the demo brings both"),
            ("Train and test", "in the background, with time left on display"),
            ("Look", "at heat maps, missed flaws and an honest comparison"),
        ],
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        demo_button([])
        tour.offer()
        st.page_link(navigation.page("data_sets"), label="Use my own pictures")
    st.caption(summary.demo_words(titles))


def demo_button(looks: list[queries.RunLook]) -> None:
    """Queue the demo's runs and go where they can be watched."""
    busy = any(look.data == queries.DEMO and look.status.state in queries.ACTIVE for look in looks)
    if busy:
        st.page_link(navigation.page("jobs"), label="Watch the runs", icon=":material/pending:")
        return
    label = "Run the demo" if not looks else "Run the demo again"
    tried = any(look.data == queries.DEMO for look in looks)
    if st.button(
        label if tried or not looks else "Run the demo",
        type="primary" if not tried else "secondary",
        icon=":material/play_arrow:",
        key="demo",
    ):
        try:
            actions.run_demo()
        except actions.Refused as error:
            st.error(str(error))
            return
        st.switch_page(navigation.page("jobs"))
