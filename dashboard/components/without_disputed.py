"""A run's metrics with all labels and without the disputed ones, side by side.

    with_and_without(source, run_id)

Both columns are measured from the stored scores and maps, so that they differ by what is left out
and by nothing else; the first one can differ from the Run page in the last digits, since stored
maps are rounded to 16 bits.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import pyarrow as pa
import streamlit as st

from core.errors import FlawscopeError
from core.marks import Disputes
from core.metrics.base import METRICS, NINE, ordered
from core.reevaluation import Reevaluation, held, reevaluate
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import Workspace
from dashboard import later, marks, navigation
from dashboard.boards import Cell
from dashboard.components import cards, grids
from dashboard.ranking import number
from dashboard.results import Source

HELP = (
    "Nothing is trained or predicted again: scores and maps are those the run stored. A case with "
    "a disputed label is left out altogether, one with a disputed mask of pixel and region metrics "
    "alone. The interval is over test images, 95 %."
)
TAKES = (
    "Seconds for some hundred images, a minute or two for some thousand. The page stays usable "
    "meanwhile, and you may leave it."
)


class Pair(NamedTuple):
    """All labels, and without the disputed ones."""

    whole: Reevaluation
    without: Reevaluation

    @property
    def reason(self) -> str:
        """Why there are image metrics only; "" when there are all."""
        return self.without.reason or self.whole.reason


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured: a run, and the keys of its cases that are left out."""

    workspace: Workspace
    run: RunDirectory
    labels: frozenset[str]
    masks: frozenset[str]

    @property
    def key(self) -> Hashable:
        """Names the work: the run as it is now, and what is left out."""
        stamp = (self.run.path / RunDirectory.CASES).stat().st_mtime_ns
        return "without disputed", self.run.path, stamp, self.labels, self.masks

    def known(self) -> Pair | None:
        """What was measured before: on disk, or, where it is partial, since the server started."""
        whole, without = self._on_disk()
        if whole is not None and without is not None:
            return Pair(whole, without)
        with suppress(FlawscopeError):
            pair: Pair | None = later.found(self.key)
            return pair
        return None

    def _on_disk(self) -> tuple[Reevaluation | None, Reevaluation | None]:
        parts = (((), ()), (self.labels, self.masks))
        one, two = (held(self.workspace, self.run, *part) for part in parts)
        return one, two

    def measure(self, tell: later.Tell) -> Pair:
        """Measure both; what is on disk already is not measured again.

        Raises:
            FlawscopeError: it cannot be measured, or was cancelled.
        """
        middle = 0.5 if self._on_disk()[0] is None else 0.0

        def first(share: float, words: str) -> None:
            tell(middle * share, f"all labels: {words}")

        def second(share: float, words: str) -> None:
            tell(middle + (1 - middle) * share, f"without disputed: {words}")

        whole = reevaluate(self.workspace, self.run, report=first)
        return Pair(
            whole, reevaluate(self.workspace, self.run, self.labels, self.masks, report=second)
        )


@st.fragment
@navigation.safely
def with_and_without(source: Source, run_id: str) -> None:
    """The table, or the button that has it made, or how far that is."""
    found = marks.disputes(source, marks.fingerprint_of(source, run_id))
    run = RunDirectory(source.workspace.runs / run_id)
    keys = set(run.read_table(RunDirectory.CASES)["key"].to_pylist())
    asked = Asked(source.workspace, run, found.labels & keys, found.masks & keys)
    if not asked.labels | asked.masks:
        st.caption(
            "No label or mask of this run's cases is disputed, so there is nothing to leave out. "
            "Mark a case “wrong label” or “wrong mask” on Inspect, and its metrics can be shown "
            "here without it."
        )
        return
    st.caption(f"{counted(asked.labels, asked.masks)}. {HELP}")
    if later.progress(asked.key) is not None:
        later.watch(asked.key, "measure-without")
        return
    pair = asked.known()
    if pair is None:
        _begin(asked, "Measure again without them")
    else:
        _table(source, run_id, pair, found)
        if pair.reason:
            _begin(asked, "Measure again")


def _begin(asked: Asked, label: str) -> None:
    """The button that has both columns measured, and why that failed the last time."""
    try:
        later.found(asked.key)
    except FlawscopeError as error:
        cards.failure(str(error), "Nothing was changed.")
    st.button(
        label, key="measure-without", help=TAKES, on_click=later.begin,
        args=(asked.key, asked.measure),
    )  # fmt: skip


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


def _table(source: Source, run_id: str, pair: Pair, found: Disputes) -> None:
    """Class by class on request; the nine metrics first, all others on request."""
    if pair.reason:
        cards.note(
            "Image metrics only", f"{pair.reason} Pixel and region metrics stay as they are."
        )
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
