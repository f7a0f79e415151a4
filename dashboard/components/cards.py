"""Sentences and states: the finding, what waits, what failed (what is empty: `empty`).

Every text given here is escaped; of Markdown only **bold**, `code` and [text](link) are kept, and
links may only lead to pages of this dashboard or to https addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Literal

import streamlit as st

from dashboard.theme import dot

Tone = Literal["quiet", "accent", "good", "bad"]


def inline(markdown: str) -> str:
    """Escaped HTML of one paragraph; **bold**, `code` and [text](link) are understood."""
    kept: list[str] = []  # characters written with a backslash stand for themselves

    def keep(match: re.Match[str]) -> str:
        kept.append(match.group(1))
        return f"\ue000{len(kept) - 1}\ue001"

    markdown = markdown.replace("\ue000", "").replace("\ue001", "")
    text = re.sub(r"\\([\\`*_{}\[\]()#+\-.!|~$:<>])", keep, markdown)
    text = escape(text, quote=True)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", _link, text)
    return re.sub("\ue000(\\d+)\ue001", lambda m: escape(kept[int(m.group(1))]), text)


def _link(match: re.Match[str]) -> str:
    text, target = match.groups()
    if target.startswith("https://"):
        return f'<a href="{target}" target="_blank" rel="noopener">{text}</a>'
    if re.match(r"^[/\w?#][^:]*$", target) and not target.startswith("//"):
        return f'<a href="{target}" target="_self">{text}</a>'
    return text


def title(text: str) -> None:
    """The page's title when there is no row of filters."""
    st.title(text, anchor=False)


def finding(markdown: str) -> None:
    """The sentence a page opens with, beside an accent bar."""
    st.html(finding_html(markdown))


def finding_html(markdown: str) -> str:
    """See `finding`."""
    parts = "".join(f"<p>{inline(part)}</p>" for part in markdown.strip().split("\n\n"))
    return f'<div class="fs-finding" role="status">{parts}</div>'


def note(title: str, text: str) -> None:
    """A quiet card: a short heading and a sentence."""
    st.html(f'<div class="fs-card"><h3>{escape(title)}</h3><p>{inline(text)}</p></div>')


def failure(what: str, kept: str = "", todo: str = "") -> None:
    """What happened, what was kept, what to do."""
    st.html(failure_html(what, kept, todo))


def failure_html(what: str, kept: str = "", todo: str = "") -> str:
    """See `failure`."""
    rest = " ".join(inline(part) for part in (kept, todo) if part)
    more = f'<p class="fs-dim">{rest}</p>' if rest else ""
    return f'<div class="fs-card fs-failure" role="alert"><p><b>{inline(what)}</b></p>{more}</div>'


def progress_card(
    title: str, phase: str, share: float, *, rate: str = "", left: str = "", method: str = ""
) -> None:
    """Something at work: phase, rate, time left and a bar; `share` outside 0..1 is clipped."""
    st.html(progress_html(title, phase, share, rate=rate, left=left, method=method))


def progress_html(
    title: str, phase: str, share: float, *, rate: str = "", left: str = "", method: str = ""
) -> str:
    """See `progress_card`."""
    share = min(1.0, max(0.0, share)) if share == share else 0.0
    facts = " · ".join(escape(part) for part in (phase, rate, left) if part)
    return (
        f'<div class="fs-card"><div class="fs-progress-head"><span>{dot(method) if method else ""}'
        f'<b>{escape(title)}</b></span><span class="fs-dim">{facts}</span></div>'
        f'<div class="fs-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{round(share * 100)}"><i style="width:{share:.1%}"></i></div></div>'
    )


def chip(text: str, tone: Tone = "quiet") -> str:
    """A small label, as HTML."""
    return f'<span class="fs-chip fs-chip-{tone}">{escape(text)}</span>'


def chips(items: Iterable[str | tuple[str, Tone]]) -> None:
    """Small labels in a row that wraps."""
    made = [chip(item) if isinstance(item, str) else chip(*item) for item in items]
    st.html(f'<div class="fs-chips">{"".join(made)}</div>')
