"""One method as a card, from its `MethodCard` and the schema of its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from dashboard import theme
from dashboard.components import cards
from dashboard.components.settings_form import Setting, settings_of
from dashboard.findings import listed, many, word

FAMILIES = {
    "augmentation": "learns from flaws it makes itself",
    "embedding": "compares with remembered normal patches",
    "reconstruction": "learns to rebuild what is normal and notes what it cannot",
    "hybrid": "joins several of these ideas",
}
FAMILY_HELP = ". ".join(f"**{name}**: {text}" for name, text in FAMILIES.items()) + "."


def sentence(entries: Sequence[Mapping[str, Any]]) -> str:
    """How many methods of which families."""
    counts = Counter(entry["family"] for entry in entries)
    if len(counts) == 1:
        (family,) = counts
        return (
            f"**{many(len(entries), 'method')} of the {family} family**, which {FAMILIES[family]}."
        )
    parts = [f"{word(count)} {FAMILIES[family]}" for family, count in sorted(counts.items())]
    verbs = [
        part if count == 1 else part.replace("learns", "learn").replace("compares", "compare")
        for part, (_, count) in zip(parts, sorted(counts.items()), strict=True)
    ]
    return (
        f"**{many(len(entries), 'method')}, all trained on normal pictures only:** {listed(verbs)}."
    )


def head(entry: Mapping[str, Any]) -> None:
    """Name, family, summary, paper."""
    where = f"{entry['venue']} {entry['year']}" if entry["venue"] else str(entry["year"])
    paper = escape(f"{entry['paper']}, {where}")
    if entry["arxiv"]:
        link = f"https://arxiv.org/abs/{escape(entry['arxiv'], quote=True)}"
        paper += (
            f' · <a href="{link}" target="_blank" rel="noopener">arXiv {escape(entry["arxiv"])}</a>'
        )
    st.html(
        f'<h3 class="fp-card-title">{theme.dot(entry["id"])}{escape(entry["title"])} '
        f"{cards.chip(entry['family'])}</h3>"
        f'<p>{escape(entry["summary"])}</p><p class="fp-dim">{paper}</p>'
    )


def facts(entry: Mapping[str, Any]) -> None:
    """What stays fixed, what is learned, how."""
    rows = {
        "Stays as it is": entry["frozen"],
        "Is learned": entry["trained"],
        "Backbone of the paper": str(entry["backbone"]),
        "Trained for": (
            f"{entry['epochs']} epochs, {entry['batch_size']} pictures at a time"
            if entry["epochs"]
            else "one pass over the pictures (memory bank)"
        ),
    }
    body = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items() if value
    )
    st.html(f'<dl class="fp-facts">{body}</dl>')


def settings(entry: Mapping[str, Any]) -> None:
    """All settings with default and bounds."""
    found = settings_of(entry["settings"])
    if not found:
        st.caption("This method has nothing to set.")
        return
    rows = "".join(
        f"<tr><td>{escape(one.label)}<small>{escape(one.name)}</small></td>"
        f'<td class="fp-num">{escape(default(one))}</td><td>{escape(allowed(one))}</td>'
        f"<td>{escape(one.help)}</td></tr>"
        for one in found
    )
    st.html(
        '<div class="fp-scroll"><table class="fp-table"><thead><tr><th>Setting</th>'
        f'<th class="fp-num">Default</th><th>Allowed</th><th>What it does</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def default(setting: Setting) -> str:
    """The default as people write it."""
    if setting.default is None:
        return "automatic"
    if isinstance(setting.default, bool):
        return "yes" if setting.default else "no"
    if isinstance(setting.default, list):
        return ", ".join(map(str, setting.default))
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)


def allowed(setting: Setting) -> str:
    """Choices or bounds in words."""
    if setting.choices:
        return ", ".join(map(str, setting.choices))
    return setting.bounds or setting.kind


def deviations(entry: Mapping[str, Any]) -> None:
    """Every difference from the paper, with its reason."""
    st.html("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in entry["deviations"]) + "</ul>")
