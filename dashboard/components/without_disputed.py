"""A run's metrics with all labels and without the disputed ones, side by side.

    with_and_without(source, run_id)

Both columns are measured from the stored scores and maps, so that they differ by what is left out
and by nothing else; the first one can differ from the Run page in the last digits, since stored
maps are rounded to 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import pyarrow as pa
import streamlit as st

from core import reevaluation
from core.errors import FlawscopeError
from core.marks import Disputes
from core.metrics.base import METRICS, NINE, ordered
from core.runs import RunDirectory
from core.types import MEAN
from dashboard import marks
from dashboard.boards import Cell
from dashboard.components import cards, grids
from dashboard.ranking import number
from dashboard.results import Source

KEPT = "without-disputed"
"""Session key of {what was measured: result} for results that are not kept on disk."""
HELP = (
    "Nothing is trained or predicted again: scores and maps are those the run stored. A case with "
    "a disputed label is left out altogether, one with a disputed mask of pixel and region metrics "
    "alone. The interval is over test images, 95 %."
)


class Pair(NamedTuple):
    """All labels, and without the disputed ones."""

    whole: reevaluation.Reevaluation
    without: reevaluation.Reevaluation


def with_and_without(source: Source, run_id: str) -> None:
    """The table, or the button that has it made."""
    found = marks.disputes(source, marks.fingerprint_of(source, run_id))
    run = RunDirectory(source.workspace.runs / run_id)
    keys = set(run.read_table(RunDirectory.CASES)["key"].to_pylist())
    labels, masks = found.labels & keys, found.masks & keys
    if not labels | masks:
        st.caption(
            "No label or mask of this run's cases is disputed, so there is nothing to leave out. "
            "Mark a case “wrong label” or “wrong mask” on Inspect, and its metrics can be shown "
            "here without it."
        )
        return
    st.caption(f"{counted(labels, masks)}. {HELP}")
    pair = _held(source, run, labels, masks)
    place = st.empty()
    if pair is None and place.button(
        "Measure again without them", key="measure-without",
        help="Seconds for some hundred images, a minute or two for some thousand.",
    ):  # fmt: skip
        place.empty()
        pair = _made(source, run, labels, masks)
    if pair is not None:
        _table(source, run_id, pair, found)


def counted(labels: Sequence[str] | frozenset[str], masks: Sequence[str] | frozenset[str]) -> str:
    """ "3 cases with a disputed label and 1 with a disputed mask"."""
    parts = []
    if labels:
        parts.append(
            f"{len(labels)} {'case' if len(labels) == 1 else 'cases'} with a disputed label"
        )
    if masks:
        noun = "" if labels else (" case" if len(masks) == 1 else " cases")
        parts.append(f"{len(masks)}{noun} with a disputed mask")
    return " and ".join(parts)


def _held(
    source: Source, run: RunDirectory, labels: frozenset[str], masks: frozenset[str]
) -> Pair | None:
    """What was measured before: on disk, or, where it is partial, in this session."""
    mine: Pair | None = st.session_state.get(KEPT, {}).get(_name(run, labels, masks))
    if mine is not None:
        return mine
    workspace = source.workspace
    whole = reevaluation.held(workspace, run, (), ())
    without = reevaluation.held(workspace, run, labels, masks)
    return None if whole is None or without is None else Pair(whole, without)


def _made(
    source: Source, run: RunDirectory, labels: frozenset[str], masks: frozenset[str]
) -> Pair | None:
    """Measure both; a sentence where that cannot be."""
    bar = st.progress(0.0, "Reading maps and masks …")

    def report(start: float) -> reevaluation.Report:
        def tell(done: float, said: str) -> None:
            bar.progress(min(1.0, start + done / 2), f"{said.capitalize()} …")

        return tell

    try:
        with st.spinner("Measuring with and without the disputed cases …"):
            whole = reevaluation.reevaluate(source.workspace, run, report=report(0.0))
            without = reevaluation.reevaluate(
                source.workspace, run, labels, masks, report=report(0.5)
            )
    except FlawscopeError as error:
        cards.failure(str(error), "Nothing was changed.")
        return None
    finally:
        bar.empty()
    pair = Pair(whole, without)
    if whole.reason or without.reason:
        st.session_state.setdefault(KEPT, {})[_name(run, labels, masks)] = pair
    return pair


def _name(run: RunDirectory, labels: frozenset[str], masks: frozenset[str]) -> tuple[Any, ...]:
    return run.path, labels, masks


def _table(source: Source, run_id: str, pair: Pair, found: Disputes) -> None:
    """Class by class on request; the nine metrics first, all others on request."""
    if pair.without.reason or pair.whole.reason:
        reason = pair.without.reason or pair.whole.reason
        cards.note("Image metrics only", f"{reason} Pixel and region metrics stay as they are.")
    names = sorted(set(pair.whole.table["class_name"].to_pylist()) - {MEAN})
    with st.container(horizontal=True, vertical_alignment="center", key="without-pickers"):
        name = grids.pick_class([MEAN, *names] if len(names) > 1 else names, key="without-class")
        every = st.toggle("Every metric", key="without-every")
    ids = [one.id for one in ordered() if one.level != "threshold"] if every else list(NINE)
    helps = {"Difference": "Without the disputed ones, minus all.", "All labels": HELP}
    heads = ["Metric", "All labels", f"Without {len(found)} disputed", "Difference"]
    grids.show(grids.plain_html(heads, rows(pair, name, ids), helps))
    notes = sorted(set(_notes(pair, name)))
    if notes:
        st.caption("; ".join(notes))


def rows(pair: Pair, class_name: str, metrics: Sequence[str]) -> list[list[Cell | str]]:
    """One row a metric that either side has."""
    whole, without = (_of(one.table, class_name) for one in pair)
    made: list[list[Cell | str]] = []
    for id in metrics:
        if id not in whole and id not in without:
            continue
        quality = METRICS.get(id)
        a, b = _value(whole.get(id)), _value(without.get(id))
        title = (
            f'<span title="{escape(quality.summary, quote=True)}">{escape(quality.title)}</span>'
        )
        difference = Cell("–")
        if a is not None and b is not None:
            difference = Cell(_signed(b - a, quality.unit))
        made.append([title, _cell(whole.get(id), id), _cell(without.get(id), id), difference])
    return made


def _of(table: pa.Table, class_name: str) -> dict[str, dict[str, Any]]:
    return {
        row["metric"]: row
        for row in table.to_pylist()
        if row["class_name"] == class_name and not row["anomaly_type"]
    }


def _value(row: Mapping[str, Any] | None) -> float | None:
    return None if row is None else number(row["value"])


def _cell(row: Mapping[str, Any] | None, id: str) -> Cell:
    """Value with its interval below; the reason on hover where there is none."""
    value = _value(row)
    if row is None or value is None:
        return Cell("–", "", str(row["note"] or "") if row else "this class has no case left")
    whole = METRICS.get(id).unit == "pixels"
    low, high = number(row["ci_low"]), number(row["ci_high"])
    below = "" if low is None or high is None else f"{_text(low, whole)} to {_text(high, whole)}"
    return Cell(_text(value, whole), below, str(row["note"] or ""))


def _text(value: float, whole: bool) -> str:
    return f"{value:,.0f}" if whole else f"{value:.3f}"


def _signed(value: float, unit: str) -> str:
    if unit == "pixels":
        return f"{value:+,.0f}"
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}"


def _notes(pair: Pair, class_name: str) -> list[str]:
    """What the mean says of classes that have no case left."""
    if class_name != MEAN:
        return []
    notes = _of(pair.without.table, MEAN).values()
    return [part for row in notes for part in str(row["note"] or "").split("; ") if "left" in part]
