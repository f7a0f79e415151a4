"""What an operating point means in use: typed figures, a day's work, costs."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st

from core.metrics import in_use, operating
from core.metrics.in_use import Costs
from core.metrics.operating import OperatingPoint, Table
from dashboard import operating_url, operating_words, theme
from dashboard.chart_parts import GUIDE, LINES, blank
from dashboard.components import cards, grids
from dashboard.operating import CHEAPEST, Mark, Scene
from dashboard.words import Vocabulary


class Given(NamedTuple):
    """What people type: a share of anomalous items, costs, items a day, seconds a look."""

    prevalence: float
    costs: Costs
    items: float
    seconds: float


def form(say: Vocabulary) -> Given:
    """Prevalence, costs, items a day and seconds a look, as people type them."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="op-form", gap="small"):
        p = operating_url.figure(
            "p", f"{say.share.capitalize()}, %", f"How many of 100 {say.items} are {say.bad} in "
            "real life; test sets hold far more."
        )  # fmt: skip
        miss = operating_url.figure("miss", f"Cost of one {say.miss}", "In any one unit.")
        alarm = operating_url.figure("alarm", f"Cost of one {say.alarm}", "In the same unit.")
        again = operating_url.figure(
            "again", "Cost of a second look", "Of one case between two thresholds; the same unit."
        )
        items = operating_url.figure("day", f"{say.items.capitalize()} a day", "How many come.")
        seconds = operating_url.figure("sec", "Seconds a look", "For one case, by a person.")
    return Given(p / 100, Costs(miss=miss, alarm=alarm, review=again), items, seconds)


def usage(
    seen: Scene, point: OperatingPoint, least_at: Mark | None, now: Mark, say: Vocabulary,
    given: Given,
) -> None:  # fmt: skip
    """A day's work in a sentence, and the cost at every threshold."""
    p, costs, items, seconds = given
    plan = in_use.day(point, p, items, seconds)
    cost = in_use.expected_cost(point, p, costs)
    if plan is None or cost is None or least_at is None:
        st.caption("Costs and a day's work need both good and anomalous test images.")
        return
    cards.finding(operating_words.day(plan, point.banded, say))
    st.caption(
        "On average; in brackets the ends of the rate's 95 % interval. One day differs from the "
        "next by more, and the test images must be like those that come."
    )
    cheapest = least_at.low
    least = in_use.expected_cost(seen.point(cheapest), p, costs) or 0.0
    with st.container(horizontal=True, vertical_alignment="center", key="op-cost"):
        st.markdown(
            f"1,000 {say.items} cost **{money(cost)}** here; at the cheapest single threshold, "
            f"{cheapest:.4g}, **{money(least)}**. That one is an oracle: it is chosen on these "
            "same images, so expect to pay more."
        )
        st.button(
            "Use the cheapest (oracle)", key="op-cheapest", on_click=_use_cheapest,
            disabled=now.rule == CHEAPEST,
        )  # fmt: skip
    table = seen.table((point.low, cheapest), operating.MOST)
    st.caption(f"Expected cost of 1,000 {say.items} at each single threshold")
    st.plotly_chart(
        cost_chart(table, p, costs, point, cheapest, say),
        key="op-cost-chart", config=grids.PLOT,
        alt=f"Expected cost of 1,000 {say.items} over thresholds; least {least:.4g} at "
        f"{cheapest:.4g}, {cost:.4g} at the present one",
    )  # fmt: skip


def _use_cheapest() -> None:
    st.session_state["from"] = CHEAPEST


def money(value: float) -> str:
    """ "2,970", "402.1", "3.25"."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.4g}"


def cost_chart(
    table: Table, prevalence: float, costs: Costs, point: OperatingPoint, cheapest: float,
    say: Vocabulary,
) -> go.Figure:  # fmt: skip
    """Expected cost over thresholds; the minimum and the present point are marked."""
    figure = blank("threshold", "")
    cost_T = in_use.cost_curve(table, prevalence, costs)
    assert cost_T is not None
    figure.add_scatter(
        x=table.thresholds_T, y=cost_T, mode="lines", showlegend=False,
        line={"color": LINES[0], "width": 2, "shape": "hv"},
        hovertemplate="%{y:,.4g} at threshold %{x:.4g}<extra></extra>",
    )  # fmt: skip
    now = in_use.expected_cost(point, prevalence, costs)
    lowest = float(cost_T.min())
    for name, x, y, symbol, colour in (
        ("cheapest (oracle)", cheapest, lowest, "diamond", LINES[0]),
        (
            "now, with the review band" if point.banded else "now",
            point.low,
            now,
            "circle",
            theme.NORMAL,
        ),
    ):
        figure.add_scatter(
            x=[x], y=[y], mode="markers", name=name,
            marker={"size": 11, "symbol": symbol, "color": colour,
                    "line": {"width": 1, "color": GUIDE}},
            hovertemplate=f"{name}: %{{y:,.4g}} at threshold %{{x:.4g}}<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(rangemode="tozero", tickformat=",~g")
    return figure.update_layout(height=260, showlegend=True)
