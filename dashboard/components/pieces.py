"""Small pieces of HTML that the Prepare pages share; every value is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import streamlit as st

from dashboard import theme
from dashboard.components import cards

Picture = tuple[str, str, str, bool]
"""Data URI, caption, full name shown on hover, whether it shows a flaw."""

TONES: dict[str, cards.Tone] = {
    "running": "accent", "queued": "quiet", "succeeded": "good", "failed": "bad",
    "cancelled": "quiet",
}  # fmt: skip


def styles() -> None:
    """The style sheet of these pieces; once at the top of a page."""
    st.html(Path(__file__).with_suffix(".css"))


def title(text: str) -> None:
    """The page's title, as wide as its words, so that a button may stand beside it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(text, anchor=False)


def heading(text: str, detail: str = "") -> None:
    """A heading inside a page, with a dim line below."""
    more = f'<p class="fp-dim">{escape(detail)}</p>' if detail else ""
    st.html(f'<h2 class="fp-heading">{escape(text)}</h2>{more}')


def run_head(method: str, title: str, data: str, detail: str, state: str, word: str) -> None:
    """Method and data of a run, its state, and one dim line."""
    st.html(
        f'<div class="fp-run"><div class="fp-run-name">{theme.dot(method)}<b>{escape(title)}</b>'
        f" <span>on {escape(data)}</span>{cards.chip(word, TONES[state])}</div>"
        f'<div class="fp-dim">{escape(detail)}</div></div>'
    )


def score(value: float, interval: str, name: str) -> None:
    """A figure with its name; the interval smaller and dimmer."""
    st.html(
        f'<div class="fp-score"><span class="fp-dim">{escape(name)}</span> '
        f'<b>{value:.3f}</b> <span class="fp-dim">{escape(interval)}</span></div>',
        width="content",
    )


def tiles(items: Sequence[tuple[str, str, str, str]], href: Callable[[str], str]) -> None:
    """Counts in a row; each leads to its page."""
    st.html(
        '<div class="fp-tiles">'
        + "".join(
            f'<a class="fp-tile" href="{escape(href(page), quote=True)}" target="_self">'
            f'<span class="fp-figure">{escape(figure)}</span> <span>{escape(what)}</span>'
            f'<span class="fp-dim">{escape(detail)}</span></a>'
            for figure, what, detail, page in items
        )
        + "</div>"
    )


def hero(title: str, text: str, steps: Sequence[tuple[str, str]]) -> None:
    """A first page: what this is, in a sentence and a few steps."""
    listed = "".join(
        f"<li><b>{escape(name)}</b><span>{escape(what)}</span></li>" for name, what in steps
    )
    st.html(
        f'<div class="fp-hero"><h1>{escape(title)}</h1><p>{escape(text)}</p><ol>{listed}</ol></div>'
    )


def pictures(items: Sequence[Picture]) -> None:
    """Example pictures in a strip that wraps; loaded when they come into view."""
    st.html(
        '<div class="fp-strip">'
        + "".join(
            f'<figure class="{"fp-flawed" if flawed else ""}" title="{escape(name, quote=True)}">'
            f'<img loading="lazy" src="{uri}" '
            f'alt="{escape(f"{caption}: {name}", quote=True)}"><figcaption>{escape(caption)}'
            "</figcaption></figure>"
            for uri, caption, name, flawed in items
        )
        + "</div>"
    )
