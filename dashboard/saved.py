"""Saved views for pages: keep the present one, list those that are kept; see `core.saved`."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import streamlit as st

from core import people, saved
from core.saved import Query, SavedView
from dashboard import header, navigation
from dashboard.results import Source


def save_view(source: Source, page: str, query: Query, name: str, note: str = "") -> SavedView:
    """Keep a view under a name, filed under the name given in the header.

    Args:
        page: address name of the page ("compare").
        query: what its address says, as `here()` gives it.

    Raises:
        UsageError: no name, or one that is too long.
    """
    return saved.save(source.workspace, header.author(), name, page, query, note)


def saved_views(source: Source, page: str | None = None) -> list[SavedView]:
    """What is kept, the latest first; of one page, or of all."""
    found = _views(source.root, people.stamp(source.workspace))
    return [view for view in found if page in (None, view.page)]


@st.cache_data(show_spinner=False, max_entries=8)
def _views(root: str, stamp: tuple[tuple[str, int, int], ...]) -> list[SavedView]:
    return saved.views(Source(root, 0).workspace)


def here() -> dict[str, list[str]]:
    """What the present address says, each parameter with its values."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def link(view: SavedView) -> str:
    """The address that restores a view, relative to the present page."""
    asked = urlencode({name: list(values) for name, values in view.query}, doseq=True)
    try:
        navigation.page(view.page)
    except KeyError:  # a page of a later version, or one that is gone
        return view.href
    target = navigation.href(view.page)
    return f"{target}?{asked}" if asked else target


def when(view: SavedView) -> str:
    """ "25 Nov 2026, 04:12 UTC"."""
    try:
        at = datetime.fromisoformat(view.at).astimezone(UTC)
    except ValueError:
        return view.at
    return f"{at:%d %b %Y, %H:%M} UTC"
