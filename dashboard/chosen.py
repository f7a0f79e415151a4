"""Thresholds people chose, as the pages read and write them; the rules are in `core.thresholds`.

Reading the list is keyed by people's files, so that what was just kept shows at once; judging by
it goes through the store (`dashboard.results.thresholds`), which is told to look again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from core import people, thresholds
from core.thresholds import Chosen, Origin
from dashboard import header, results
from dashboard.results import Source


def of_run(source: Source, run_id: str) -> list[Chosen]:
    """What was chosen for a run, those in use first, then the latest."""
    every = _every(source.root, people.stamp(source.workspace))
    mine = [one for one in every if one.run_id == run_id]
    return sorted(mine, key=lambda one: not one.active)


@st.cache_data(show_spinner=False, max_entries=4)
def _every(root: str, stamp: tuple[tuple[str, int, int], ...]) -> list[Chosen]:
    found = thresholds.chosen(Source(root, 0).workspace)
    return sorted(found, key=lambda one: one.chosen_at, reverse=True)


def save(
    source: Source, run_id: str, class_name: str, low: float, upper: float | None, name: str,
    origin: Origin,
) -> Chosen:  # fmt: skip
    """Keep a threshold under a name, filed under the name given in the header; it is in use.

    Raises:
        UsageError: no name, or one that is too long.
    """
    made = thresholds.choose(
        source.workspace, header.author(), run_id, class_name, low, upper=upper, name=name,
        origin=origin,
    )  # fmt: skip
    results.noticed()
    return made


def use(source: Source, id: str, active: bool = True) -> None:
    """Judge the run by it from now on, or no longer.

    Raises:
        UsageError: there is no such threshold.
    """
    thresholds.use(source.workspace, header.author(), id, active)
    results.noticed()


def take_back(source: Source, id: str) -> None:
    """Take it off the list; it stays in the record.

    Raises:
        UsageError: there is no such threshold.
    """
    thresholds.take_back(source.workspace, header.author(), id)
    results.noticed()


def when(one: Chosen) -> str:
    """ "25 Nov 2026, 04:12 UTC"."""
    try:
        at = datetime.fromisoformat(one.chosen_at).astimezone(UTC)
    except ValueError:
        return one.chosen_at
    return f"{at:%d %b %Y, %H:%M} UTC"
