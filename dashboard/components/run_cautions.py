"""What to know of the chosen data before a run: its licence, what the doctor found in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.data.base import DatasetCard
from core.data.doctor.base import Examination
from dashboard import browse_data
from dashboard.findings import many
from dashboard.queries import DEMO, DataLook


def show(looks: Sequence[DataLook]) -> None:
    """A dim line a data set that has something to be said."""
    said = []
    for look in looks:
        parts = [licence(look.card), findings(browse_data.examination(look.name))]
        if look.name != DEMO and any(parts):
            told = " ".join(part for part in parts if part)
            said.append(f"<li><b>{escape(look.name)}</b> {escape(told)}</li>")
    if said:
        st.html(f'<ul class="fp-problems fp-dim">{"".join(said)}</ul>')


def licence(card: DatasetCard | None) -> str:
    """What the licence asks; "" where nothing is stated of images that may be anybody's."""
    if card is None or card.licence == "unknown":
        return ""
    return f"Licence {card.licence}. {card.licence_note}"


def findings(examined: Examination | None) -> str:
    """How many errors and warnings the doctor found; "" for neither, or when it was not asked."""
    if examined is None:
        return ""
    counts = {
        kind: sum(one.severity == kind for one in examined.findings)
        for kind in ("error", "warning")
    }
    told = [many(count, kind) for kind, count in counts.items() if count]
    return f"The doctor found {' and '.join(told)}; Data sets tells which." if told else ""
