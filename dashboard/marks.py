"""Review marks as the pages read and write them; the rules stand in `core.marks`.

Reading is keyed by the state of the people's files, not by the store's version: a mark that was
just made shows at once, and the store files it at its next refresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core import marks as kept
from core import people
from core.marks import Disputes, Mark
from core.workspace import Workspace
from dashboard import header, results
from dashboard.components.cards import Tone
from dashboard.results import Source

TONES: dict[kept.Verdict, Tone] = {
    "agree": "good", "wrong_label": "bad", "wrong_mask": "bad", "interesting": "accent",
}  # fmt: skip
RULE = (
    "Of every person the last mark on a case counts. A case is disputed as soon as one person's "
    "last mark says wrong label or wrong mask; another one's “agree” makes it contested, and it "
    "stays disputed until they settle it."
)


def fingerprint_of(source: Source, run_id: str) -> str:
    """The data a run was made on; "" when it is not known."""
    runs = results.runs(source)
    found = runs.loc[runs["run_id"] == run_id, "fingerprint"].dropna()
    return "" if found.empty else str(found.iloc[0])


def versions(source: Source, fingerprint: str) -> list[Mark]:
    """Every version of every mark on a data set, oldest first."""
    return _versions(source.root, fingerprint, people.stamp(source.workspace))


@st.cache_data(show_spinner=False, max_entries=32)
def _versions(root: str, fingerprint: str, stamp: tuple[tuple[str, int, int], ...]) -> list[Mark]:
    return kept.versions(Workspace(Path(root)), fingerprint)


def standing(source: Source, fingerprint: str) -> list[Mark]:
    """The last mark of every person on every case of a data set."""
    return kept.standing(versions(source, fingerprint))


def by_key(marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    """{case: marks on it}."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.key, []).append(mark)
    return found


def disputes(source: Source, fingerprint: str) -> Disputes:
    """Cases of a data set whose label or mask is disputed."""
    return kept.disputes(versions(source, fingerprint))


def save(
    source: Source, run_id: str, case: pd.Series, verdict: kept.Verdict, note: str,
    label_should_be: str | None = None,
) -> None:  # fmt: skip
    """File what the person named in the header says of a case.

    Raises:
        UsageError: the note is too long, or the run does not say which data it was made on.
    """
    kept.add(
        source.workspace, header.author(), fingerprint=fingerprint_of(source, run_id),
        key=str(case["key"]), class_name=str(case["class_name"]), verdict=verdict, note=note,
        label_should_be=label_should_be, run_id=run_id,
    )  # fmt: skip


def when(mark: Mark) -> str:
    """ "2026-11-25 04:41", UTC."""
    return mark.at[:16].replace("T", " ")


def chips(marks: Sequence[Mark]) -> list[tuple[str, Tone]]:
    """What stands on a case, shortest form: each verdict once, with its people's number."""
    found: list[tuple[str, Tone]] = []
    for verdict, tone in TONES.items():
        count = sum(mark.verdict == verdict for mark in marks)
        if count:
            found.append((kept.TITLES[verdict] + (f" ×{count}" if count > 1 else ""), tone))
    said = {mark.verdict for mark in marks}
    if "agree" in said and said & set(kept.DISPUTING):
        found.append(("contested", "bad"))
    return found


def summary(found: Disputes, marks: Sequence[Mark]) -> str:
    """How many marks by how many people, and what they dispute, in a sentence or two."""
    if not marks:
        return "Nobody has marked a case of this data set yet."
    authors = len({mark.author for mark in marks})
    cases = len({mark.key for mark in marks})
    text = f"{_many(cases, 'case')} marked by {_many(authors, 'person', 'people')}. "
    if not found:
        return text + "No label and no mask is disputed."
    parts = []
    if found.labels:
        parts.append(_many(len(found.labels), "label"))
    if found.masks:
        parts.append(_many(len(found.masks), "mask"))
    text += f"Disputed: {' and '.join(parts)}"
    if found.contested:
        text += f"; on {_many(len(found.contested), 'case')} people contradict each other"
    return text + "."


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
