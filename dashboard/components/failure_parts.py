"""The parts of the Failures page: the row above the gallery, the gallery's page, review marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from core.marks import as_csv, as_json
from dashboard import failures, marks, navigation, results, state, words
from dashboard.boards import Cell
from dashboard.casework import ALL
from dashboard.components import cards, case_gallery, grids
from dashboard.components.case_gallery import Shown
from dashboard.components.without_disputed import with_and_without
from dashboard.failure_words import nothing, share_text, told
from dashboard.failures import PAGE, Choice, Extra
from dashboard.ranking import number
from dashboard.results import Source
from dashboard.words import Vocabulary, counted

SCORES = "scores"
"""Query parameter of the range of scores, "low..high"."""
MOST_MARKS = 100
LEFT = """<style>
.fl-marks .fs-table th,.fl-marks .fs-table td{text-align:left}
.fl-marks .fs-table td:nth-child(3){white-space:normal;min-width:220px;max-width:480px}
.fl-marks .fs-table td:first-child{white-space:nowrap}
</style>"""


@st.fragment
@navigation.safely
def gallery(
    source: Source, labels: Mapping[str, str], table: pd.DataFrame, choice: Choice, fingerprint: str
) -> None:
    """Counts and further filters in a row, then one page of cards.

    Args:
        table: of `failures.pool`.
        choice: what the page's own filters say.
    """
    spoken = words.current()
    noted = marks.standing(source, fingerprint)
    newest = sorted(noted, key=lambda mark: mark.at, reverse=True)
    mine = table if choice.class_name == ALL else table[table["class_name"] == choice.class_name]
    extra = Extra(
        regions=failures.missed_regions(source, choice.runs[0]),
        marked=list(dict.fromkeys(mark.key for mark in newest)),
        disputes=marks.disputes(source, fingerprint),
        edges=failures.size_edges(mine),
    )
    with st.container(horizontal=True, vertical_alignment="center", key="failures-row"):
        place = st.container(width="stretch")
        choice, heat = _more(choice, mine, extra, spoken)
    population = failures.population(table, choice, extra)
    found, groups = failures.grouped(failures.ranked(population, choice, extra), population, choice)
    place.caption(told(len(found), population, choice, spoken))
    if found.empty:
        cards.note("Nothing here", nothing(choice, extra, spoken))
        return
    number_of = case_gallery.pages_of(groups)
    page, picker = _page(number_of, choice)
    shown = Shown(source, labels, choice, spoken, heat, marks.by_key(noted), extra.regions)
    case_gallery.show(shown, found, groups, page)
    if number_of > 1:
        with st.container(horizontal=True, vertical_alignment="center", key="failures-pages"):
            st.pagination(number_of, key=picker)
            first = (page - 1) * PAGE + 1
            st.caption(f"{first:,} to {min(page * PAGE, len(found)):,} of {len(found):,}")


def _page(number_of: int, choice: Choice) -> tuple[int, str]:
    """The page asked for and the key of its picker; every list has a picker of its own, so that a
    new one begins at its first page."""
    key = f"failures-page-{hash(choice) & 0xFFFFFFFF:x}"
    held = int(st.session_state.get(key) or 1)
    if held > number_of:  # the list has become shorter
        del st.session_state[key]
        held = 1
    return held, key


def _more(
    choice: Choice, mine: pd.DataFrame, extra: Extra, spoken: Vocabulary
) -> tuple[Choice, bool]:
    """Type, size, scores and grouping; whether heat maps show."""
    kind = state.pick("type", [ALL, *sorted(mine["anomaly_type"].unique())], label="Type")
    size = ALL
    if extra.edges is not None:
        low, high = (share_text(edge) for edge in extra.edges)
        names = {
            ALL: "any", "small": f"small, under {low}", "medium": f"{low} to {high}",
            "large": f"large, over {high}",
        }  # fmt: skip
        size = state.pick(
            "size", list(names), label="Size", words=names,
            help=f"Share of the {spoken.item} that the {spoken.flaw} covers; a third of them each.",
        )  # fmt: skip
    group = state.pick("group", list(failures.GROUPS), label="Group by")
    scores = _scores(mine, choice.runs[0])
    heat = st.toggle(
        "Heat", value=True, key="failures-heat",
        help="Where the first run sees something unusual; point at a card to see the bare picture.",
    )  # fmt: skip
    return replace(choice, type=kind, size=size, group=group, scores=scores), heat


def _scores(mine: pd.DataFrame, run: str) -> tuple[float, float] | None:
    """A range of the first run's image score, kept in the address; None: any."""
    column = mine[f"score:{run}"].dropna()
    if column.empty or column.min() == column.max():
        return None
    low, high = float(column.min()), float(column.max())
    key = f"failures-scores-{run}-{low:.6g}-{high:.6g}"
    if key not in st.session_state:
        first_look = st.session_state.setdefault("failures-scores-of", key) == key
        ends = _asked(low, high) if first_look else (low, high)
        st.session_state[key], st.session_state["failures-scores-of"] = ends, key
    held = st.session_state[key]
    label = "Score: any" if held == (low, high) else f"Score: {held[0]:.4g} to {held[1]:.4g}"
    with st.popover(label, help="Limit the list to a range of image scores of the first run."):
        step = (high - low) / 200
        chosen: Any = st.slider("Image score", low, high, key=key, step=step, format="%.4g")
    a, b = chosen
    if (a, b) == (low, high):
        if SCORES in st.query_params:
            del st.query_params[SCORES]
        return None
    st.query_params[SCORES] = f"{a:.6g}..{b:.6g}"
    # the slider's own steps may stop short of the ends
    return (a if a > low else float("-inf")), (b if b < high else float("inf"))


def _asked(low: float, high: float) -> tuple[float, float]:
    """The range in the address, within what there is."""
    parts = st.query_params.get(SCORES, "").split("..")
    found = [number(_float(part)) for part in parts]
    if len(found) != 2 or found[0] is None or found[1] is None:
        return low, high
    a, b = sorted(min(max(end, low), high) for end in (found[0], found[1]))
    return a, b


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def reviewed(source: Source, run_id: str, fingerprint: str) -> None:
    """Marks of the data set, their export, and metrics without disputed cases."""
    every = marks.versions(source, fingerprint)
    last = marks.standing(source, fingerprint)
    found = marks.disputes(source, fingerprint)
    with st.expander(f"Review marks ({len(last)})", key="failures-marks", on_change="rerun") as box:
        st.caption(f"{marks.summary(found, last)} {marks.RULE}")
        if box.open and every:
            _marks(source, run_id, fingerprint)
    title = f"Metrics with and without disputed labels ({len(found)})"
    with st.expander(title, key="failures-without", on_change="rerun") as box:
        if box.open:
            with_and_without(source, run_id)


def _marks(source: Source, run_id: str, fingerprint: str) -> None:
    """The table of marks that stand, and both exports of every version."""
    every = marks.versions(source, fingerprint)
    last = sorted(marks.standing(source, fingerprint), key=lambda mark: mark.at, reverse=True)
    runs = results.runs(source).set_index("run_id")
    name = str(runs["dataset"][run_id])
    with st.container(horizontal=True, key="failures-export"):
        for kind, make, mime in (
            ("CSV", as_csv, "text/csv"),
            ("JSON", as_json, "application/json"),
        ):
            st.download_button(
                f"Download {kind}", make(every), f"marks-{name}.{kind.lower()}", mime,
                key=f"marks-{kind}", on_click="ignore",
                help=f"{counted(len(every), 'version', 'versions')}, with authors and times.",
            )  # fmt: skip
    if not last:
        return
    choice = Choice(runs=(run_id,), show="marked")
    rows: list[list[Cell | str]] = []
    for mark in last[:MOST_MARKS]:
        rows.append([
            case_gallery.link(choice, mark.key)
            + f'<span class="fs-below">{escape(mark.class_name.replace("_", " "))}</span>',
            cards.chip(mark.said, marks.TONES[mark.verdict] if mark.verdict else "quiet"),
            Cell(mark.note if len(mark.note) < 200 else mark.note[:199] + "…",
                 f"should be {mark.label_should_be}" if mark.label_should_be else "", mark.note),
            Cell(mark.author),
            Cell(marks.when(mark), f"version {mark.version}" if mark.version > 1 else ""),
        ])  # fmt: skip
    heads = ["Case", "Mark", "Note", "By", "When (UTC)"]
    grids.show(f'{LEFT}<div class="fl-marks">{grids.plain_html(heads, rows)}</div>')
    if len(last) > MOST_MARKS:
        st.caption(f"The newest {MOST_MARKS} of {len(last):,}; the downloads have all.")
