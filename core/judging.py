"""A run's cases against the threshold each class is judged by, without a data frame or a page.

The threshold of a class is the one people chose for it (`core.thresholds`), else the one from
held-out normals, else the oracle one, which was found on the test images themselves and says so. A
case is called anomalous when its score is >= the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from core import thresholds
from core.metrics.cases import rank_errors
from core.metrics.conventions import EXACT
from core.metrics.operating import OperatingPoint
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import Workspace

Outcome: TypeAlias = Literal["found", "missed", "false alarm", "passed", "not judged"]
Kind: TypeAlias = Literal["chosen", "held-out", "oracle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a class's images are split.

    Attributes:
        value: an image is called anomalous when its score is >= this.
        upper: people look again at scores from `value` to here; None: no such band.
        oracle: found by a rule on the test images themselves.
        name: what it is called; an oracle one carries the word.
        note: who chose it and when, or what vouches for it.
    """

    value: float
    kind: Kind
    oracle: bool
    name: str
    note: str = ""
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One test image as a run scored and a threshold judged it.

    Attributes:
        row: its place in the run's maps.
        error: how wrong it is in ranks, 0 to 1; see `core.metrics.cases.rank_errors`.
        again: its score lies in the band in which people look again.
    """

    row: int
    key: str
    class_name: str
    label: int
    anomaly_type: str
    specimen: str | None
    score: float
    has_mask: bool
    peak_in_truth: bool | None
    threshold: float | None
    outcome: Outcome
    error: float
    again: bool

    @property
    def wrong(self) -> bool:
        return self.outcome in ("missed", "false alarm")


def points(workspace: Workspace, run: RunDirectory) -> dict[str, Point]:
    """The threshold of every class that has one.

    Raises:
        RunError: the run has no metrics (yet).
    """
    found: dict[str, Point] = {}
    rows = [row for row in run.read_table(RunDirectory.METRICS).to_pylist() if _whole(row)]
    for metric, kind in (("image_f1max_threshold", "oracle"), ("image_threshold_heldout", "held")):
        for row in rows:
            if row["metric"] != metric or row["value"] is None:
                continue
            held = kind == "held"
            found[row["class_name"]] = Point(
                value=float(row["value"]), kind="held-out" if held else "oracle", oracle=not held,
                name="held-out threshold" if held else "oracle threshold",
                note=row.get("note") or "",
            )  # fmt: skip
    kept = thresholds.chosen(workspace, run.run_id)
    for name in {str(row["class_name"]) for row in rows} - {MEAN}:
        one = thresholds.in_use(kept, name)
        if one is not None:
            oracle = one.origin == "oracle"
            title = f"chosen threshold “{one.name}”{' (oracle)' if oracle else ''}"
            note = f"chosen by {one.author}, {one.chosen_at[:10]}"
            found[name] = Point(
                value=one.value, kind="chosen", oracle=oracle, name=title, note=note,
                upper=one.upper,
            )  # fmt: skip
    return found


def _whole(row: Mapping[str, Any]) -> bool:
    return row.get("convention", EXACT) == EXACT and not row.get("anomaly_type")


def judged(run: RunDirectory, at: Mapping[str, Point]) -> list[Case]:
    """The run's cases against these thresholds, in the order of its maps.

    Raises:
        RunError: the run has no cases (yet).
    """
    rows = run.read_table(RunDirectory.CASES).to_pylist()
    errors = np.full(len(rows), 0.5)
    names = np.array([str(row["class_name"]) for row in rows])
    scores = np.array([float(row["score"]) for row in rows])
    labels = np.array([int(row["label"]) for row in rows])
    for name in np.unique(names):
        mine = names == name
        errors[mine] = rank_errors(scores[mine], labels[mine])
    return [
        _case(row, i, at.get(str(row["class_name"])), float(errors[i]))
        for i, row in enumerate(rows)
    ]


def _case(row: Mapping[str, Any], place: int, point: Point | None, error: float) -> Case:
    score, label = float(row["score"]), int(row["label"])
    outcome: Outcome = "not judged"
    if point is not None:
        high = score >= point.value
        outcome = ("found" if high else "missed") if label else "false alarm" if high else "passed"
    band = point is not None and point.upper is not None
    known = row.get("has_mask")
    return Case(
        row=int(row.get("row", place)), key=str(row["key"]), class_name=str(row["class_name"]),
        label=label, anomaly_type=str(row["anomaly_type"]), specimen=row.get("specimen"),
        score=score, has_mask=True if known is None else bool(known),
        peak_in_truth=row.get("peak_in_truth"), threshold=None if point is None else point.value,
        outcome=outcome, error=error,
        again=band and point is not None and point.value <= score < (point.upper or score),
    )  # fmt: skip


def counted(cases: Iterable[Case], point: Point) -> OperatingPoint:
    """Cases of one class counted at its threshold."""
    tally = dict.fromkeys(("found", "again", "missed", "alarm", "alarm again", "passed"), 0)
    for case in cases:
        if case.label:
            tally["again" if case.again else "missed" if case.outcome == "missed" else "found"] += 1
        elif case.again:
            tally["alarm again"] += 1
        else:
            tally["alarm" if case.outcome == "false alarm" else "passed"] += 1
    return OperatingPoint(
        low=point.value, high=point.upper or point.value, found=tally["found"],
        found_again=tally["again"], missed=tally["missed"], alarms=tally["alarm"],
        alarms_again=tally["alarm again"], passed=tally["passed"],
    )  # fmt: skip


def by_class(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Cases by class, classes sorted."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.class_name, []).append(case)
    return dict(sorted(found.items()))


def worst(cases: Iterable[Case], outcome: Outcome, most: int) -> list[Case]:
    """The cases of one outcome, the most wrong in ranks first; ties by the score, then the key."""
    mine = [case for case in cases if case.outcome == outcome]
    way = 1 if outcome == "missed" else -1
    return sorted(mine, key=lambda case: (-case.error, way * case.score, case.key))[:most]
