"""The empty state: what will be here, and the one step that leads there."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard import navigation
from dashboard.components.cards import inline

_LENS = (
    '<svg width="44" height="44" viewBox="0 0 44 44" fill="none" stroke="currentColor" '
    'stroke-width="2" aria-hidden="true"><rect x="6" y="6" width="24" height="24" rx="5"/>'
    '<circle cx="24" cy="24" r="9"/><path d="M31 31l8 8" stroke-linecap="round"/></svg>'
)


def empty(title: str, text: str, page: str | None = None, label: str | None = None) -> None:
    """What will be here, and the one step that leads there.

    Args:
        page: url name of the page that the step is on ("overview").
        label: what the step is called.
    """
    with st.container(key="fs-empty-box"):
        st.html(f'<div class="fs-empty">{_LENS}<h3>{escape(title)}</h3><p>{inline(text)}</p></div>')
        if page is not None and label is not None:
            st.page_link(navigation.page(page), label=label)
