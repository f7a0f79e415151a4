"""Scores as a histogram with a threshold to drag, and a second one for a review band.

The counts at every threshold travel along, so that dragging needs no server; only a release, a
band switched on or off, or a pause after keys comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.words import Vocabulary

HERE = Path(__file__)
KEY = "threshold-chart"
Release = Callable[[float, float | None], None]


def threshold_chart(data: dict[str, Any], say: Vocabulary, released: Release) -> None:
    """Show the chart.

    Args:
        data: as `dashboard.operating.chart_data` makes it.
        released: called before the next run of the script with the threshold, or with the lower
            and the upper one of a review band.
    """

    def told() -> None:
        wish = (st.session_state.get(KEY) or {}).get("release")
        if isinstance(wish, dict) and wish.get("id") == data["id"]:
            upper = wish.get("high")
            released(float(wish["low"]), None if upper is None else float(upper))

    _component()(data=data | {"words": spoken(data, say)}, key=KEY, on_release_change=told)


def spoken(data: dict[str, Any], say: Vocabulary) -> dict[str, str]:
    """The chart's words in a vocabulary; specimens are called so."""
    by_specimen = str(data["id"]).endswith("/specimen")
    items = "specimens" if by_specimen and say.id == "general" else say.items
    return {
        "title": f"Scores of {say.good} and {say.bad} {items}, with the threshold to move",
        "good": f"{say.good} {items}", "bad": f"{say.bad} {items}", "found": "Found",
        "missed": say.missed.capitalize(), "alarm": say.alarms.capitalize(),
        "passed": "Rightly passed", "again": "Looked at again", "threshold": "Threshold",
        "lower": "Lower threshold, from here looked at again",
        "upper": f"Upper threshold, from here {say.reject}",
        "unit": "type it, drag the line, or use the arrow keys",
    }  # fmt: skip


@cache
def _component() -> Any:
    html, css, math, js = (
        HERE.with_name(f"threshold_chart{end}").read_text(encoding="utf-8")
        for end in (".html", ".css", "_math.js", ".js")
    )
    return st.components.v2.component(
        "flawscope_threshold_chart", html=html, css=css, js=f"{math}\n{js}"
    )
