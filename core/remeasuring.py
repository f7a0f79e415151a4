"""A run's stored maps and scores measured again, some cases left out.

What `core.reevaluation` is made of; see there for what is left out of what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.catalogue import open_dataset
from core.data.prepared import Prepared, prepare
from core.errors import Cancelled, FlawscopeError
from core.metrics.accumulate import Accumulator, Evaluation, grade_for
from core.metrics.threads import Told
from core.runs import Record, RunDirectory
from core.workspace import Workspace

CHUNK = 32
"""Maps read at once."""
HALF_MAX = float(np.finfo(np.float16).max)

Report = Callable[[float, str], None]
Case = dict[str, Any]
Look = tuple[str, list[Case], npt.NDArray[np.intp]]
"""A class, some cases of it, and their rows in the prepared data."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left out of which cases."""

    cases: list[Case]
    labels: frozenset[str]
    masks: frozenset[str]

    @property
    def kept(self) -> list[Case]:
        return [case for case in self.cases if case["key"] not in self.labels]

    @property
    def classes(self) -> list[str]:
        return sorted({case["class_name"] for case in self.cases})


def truth_of(
    workspace: Workspace, run: RunDirectory, record: Record, report: Report
) -> Prepared | str:
    """The masks the run was judged by, or the reason why there are none any more."""
    if not run.has(RunDirectory.MAPS):
        return f"Run {run.run_id} has no maps."
    config = record.config
    report(0.0, "reading the data set")
    try:
        dataset = open_dataset(config.data, workspace)
        classes = set(record.resolved.get("dataset", {}).get("classes") or dataset.classes)
        chosen = replace(
            dataset, samples=tuple(s for s in dataset.samples if s.class_name in classes)
        )
        prepared = prepare(
            chosen, config.size, workspace, report=lambda done, said: report(0.1 * done, said)
        )
    except Cancelled:
        raise
    except FlawscopeError as error:
        return f"The masks cannot be read: {error}"
    if prepared.fingerprint != record.resolved.get("dataset", {}).get("fingerprint"):
        return "The data set's images, labels or masks have changed since the run."
    return prepared


def everything(
    run: RunDirectory, record: Record, plan: Plan, prepared: Prepared, report: Report
) -> Evaluation | None:
    """All metrics of the cases kept; None when stored maps were cut."""
    places = {sample.key: row for row, sample in enumerate(prepared.samples)}
    maps = run.maps()
    kept = plan.kept
    accumulator = Accumulator(grade_for(len(plan.cases) * record.config.size**2))
    looks, seen = list(_chunks(kept, places)), 0
    for name, some, rows in looks:
        maps_BHW = np.asarray(maps[[case["row"] for case in some]], np.float32)
        if np.abs(maps_BHW).max() >= HALF_MAX:
            return None
        known_B = [
            bool(prepared.has_mask[row]) and case["key"] not in plan.masks
            for case, row in zip(some, rows, strict=True)
        ]
        _update(accumulator, name, some, maps_BHW, prepared.regions(rows), known_B)
        seen += len(some)
        report(0.1 + 0.4 * seen / len(kept), f"{seen} of {len(kept)} maps measured")
    _objects(
        accumulator, plan, prepared, looks, maps, _part(report, 0.5, 0.7, "looking at objects")
    )
    return accumulator.compute(
        seed=record.config.seed, held_out=_held_out(run),
        told=_part(report, 0.7, 1.0, "computing metrics"),
    )  # fmt: skip


def _part(report: Report, start: float, end: float, message: str) -> Told:
    """Tells how far a part of the work is, which ranges from one fraction to another."""
    return lambda share: report(start + (end - start) * share, message)


def _objects(
    accumulator: Accumulator, plan: Plan, prepared: Prepared, looks: Sequence[Look],
    maps: npt.NDArray[np.float16], told: Told,
) -> None:  # fmt: skip
    """The second look, at the objects of classes that have a threshold."""
    thresholds = accumulator.thresholds(lambda share: told(share / 2))
    for number, (name, some, rows) in enumerate(looks, start=1):
        pairs = [
            (case, row)
            for case, row in zip(some, rows, strict=True)
            if name in thresholds and prepared.has_mask[row] and case["key"] not in plan.masks
        ]
        if pairs:
            again = np.asarray(maps[[case["row"] for case, _ in pairs]], np.float32)
            regions_BHW = prepared.regions([row for _, row in pairs])
            keys = [case["key"] for case, _ in pairs]
            accumulator.update_objects(name, thresholds[name], again, regions_BHW, keys)
        told(0.5 + number / len(looks) / 2)


def _chunks(cases: list[Case], places: dict[str, int]) -> list[Look]:
    """A few cases at a time."""
    by_class: dict[str, list[Case]] = {}
    for case in cases:
        by_class.setdefault(case["class_name"], []).append(case)
    return [
        (name, some, np.array([places[case["key"]] for case in some], np.intp))
        for name, mine in sorted(by_class.items())
        for some in (mine[start : start + CHUNK] for start in range(0, len(mine), CHUNK))
    ]


def images_alone(run: RunDirectory, record: Record, plan: Plan, report: Report) -> Evaluation:
    """Image metrics from the scores; a map of one pixel stands for each that is not looked at."""
    accumulator = Accumulator(details=False)
    for name in sorted({case["class_name"] for case in plan.kept}):
        mine = [case for case in plan.kept if case["class_name"] == name]
        blank = np.zeros((len(mine), 1, 1), np.float32)
        _update(accumulator, name, mine, blank, blank.astype(np.uint16), [False] * len(mine))
    return accumulator.compute(
        seed=record.config.seed, held_out=_held_out(run),
        told=_part(report, 0.7, 1.0, "computing image metrics"),
    )  # fmt: skip


def _update(
    accumulator: Accumulator, name: str, cases: list[Case], maps_BHW: npt.NDArray[np.float32],
    regions_BHW: npt.NDArray[np.uint16], known_B: list[bool],
) -> None:  # fmt: skip
    accumulator.update(
        class_name=name,
        maps_BHW=maps_BHW,
        regions_BHW=regions_BHW,
        scores_B=[case["score"] for case in cases],
        labels_B=[case["label"] for case in cases],
        has_mask_B=known_B,
        anomaly_types_B=[case["anomaly_type"] for case in cases],
        specimens_B=[case.get("specimen") for case in cases],
        keys_B=[case["key"] for case in cases],
    )


def _held_out(run: RunDirectory) -> dict[str, list[float]]:
    """Scores of held-out normal images by class, as the run's curves keep them."""
    found: dict[str, list[float]] = {}
    for row in run.read_table(RunDirectory.CURVES).to_pylist():
        if row["curve"] == "heldout_scores":
            found.setdefault(row["class_name"], []).append(row["x"])
    return found
