"""What runs, what waits, what ended: live progress, losses, log; cancel and resume."""

from __future__ import annotations

import streamlit as st

from dashboard import actions, charts, navigation, progress, queries
from dashboard.components import cards, job_card, pieces
from dashboard.components.empty import empty

TITLE = "Jobs"
GROUP = "Prepare"
ORDER = 50
ICON = ":material/pending_actions:"

SHOWN_ENDED = 12


def render() -> None:
    pieces.styles()
    pieces.title(TITLE)
    looks = queries.runs()
    if not looks:
        empty(
            "No run yet",
            "Here you will see each run at work: what it does, how fast, how long it still takes.",
            "new_run",
            "Start a run",
        )
        return
    titles = queries.method_titles()
    chosen = pick(looks, titles)
    active = any(look.status.state in queries.ACTIVE for look in looks)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.fragment(navigation.safely(board), run_every=1.0 if active else None)(titles, active)
    with right:
        st.fragment(navigation.safely(details), run_every=3.0 if active else None)(chosen, titles)


def pick(looks: list[queries.RunLook], titles: queries.Titles) -> str:
    """The run whose details show: that in the URL, else the one at work, else the newest."""
    ids = [look.run_id for look in looks]
    asked = st.query_params.get("run", "")
    if asked in ids:
        return asked
    working = [look.run_id for look in looks if look.status.state == "running"]
    return (working or ids)[0]


def board(titles: queries.Titles, was_active: bool) -> None:
    """All runs as cards; read again every second while something is at work."""
    looks = queries.runs()
    order = queries.queue_order(looks)
    running = [look for look in looks if look.status.state == "running"]
    queued = [look for look in looks if look.status.state == "queued"]
    queued.sort(key=lambda look: order.get(look.run_id, 0))
    ended = [look for look in looks if look.status.ended]
    if was_active and not running and not queued:
        st.rerun(scope="app")  # the ticking stops
    cards.finding(job_card.sentence(running, queued, ended, titles))
    for look in [*running, *queued]:
        job_card.active(look, titles, order.get(look.run_id))
    if ended:
        pieces.heading("Ended")
        with st.container(border=True, key="card-ended"):
            pages = -(-len(ended) // SHOWN_ENDED)
            at = min(int(st.session_state.get("ended-page") or 1), pages) - 1
            for look in ended[at * SHOWN_ENDED : (at + 1) * SHOWN_ENDED]:
                job_card.ended(look, titles)
            if pages > 1:
                st.pagination(pages, key="ended-page")


def details(run_id: str, titles: queries.Titles) -> None:
    """Losses, phases and log of one run."""
    look = queries.run(run_id)
    if look is None:
        return
    events = actions.events(run_id)
    title = titles.get(look.method, look.method)
    with st.container(border=True, key="details"):
        pieces.heading(f"{title} on {look.data}", progress.facts(look.record.config))
        losses = progress.losses(events)
        if losses.empty:
            st.caption(job_card.no_losses(look))
        else:
            st.plotly_chart(charts.loss_lines(losses), key=f"losses-{run_id}", config=job_card.PLOT)
        spent = progress.phases_spent(events)
        if spent:
            st.caption(
                " · ".join(f"{name} {job_card.seconds(s)}" for name, s in spent.items() if s >= 0.5)
            )
        with st.expander("Log"):
            st.code(
                actions.log_tail(run_id) or "Nothing was logged yet.", language=None, height=280
            )
        if look.status.state == "succeeded":
            st.page_link(
                navigation.page("run"), label="See its results", query_params={"run": run_id}
            )
