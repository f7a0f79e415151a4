"""A run's metrics once more, without the cases whose label or mask is disputed.

Nothing is trained or predicted again: image scores come from the run's cases, pixels from its
stored float16 maps and from the masks of the prepared data, and the metrics are those every run
gets (`core.metrics`), intervals included, so that what is left out is the only thing that differs.
Without anything left out the values are the run's own, those of pixels up to the rounding of
stored maps to float16.

A case with a disputed label is left out altogether. One with a disputed mask keeps its image score
and is left out of pixel and region metrics; a normal image has no mask that could be wrong but
the empty one, so there a wrong mask counts as a wrong label. Values as ADer counts are not made
again: its own pooling of image scores is not stored.

Results are kept below <workspace>/cache/reevaluated/, named by the run and what was left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.data.catalogue import open_dataset
from core.data.prepared import Prepared, prepare
from core.engine.tables import METRICS as SCHEMA
from core.errors import FlawscopeError, RunError, UsageError
from core.metrics.accumulate import Accumulator, Evaluation, MetricRow, grade_for
from core.metrics.base import METRICS
from core.metrics.conventions import EXACT
from core.runs import Record, RunDirectory
from core.types import MEAN
from core.workspace import Workspace, write_atomically

FORMAT = 1
"""Rises when the metrics or the rule of leaving out change, so that older results are not read."""
CHUNK = 32
"""Maps read at once."""
HALF_MAX = float(np.finfo(np.float16).max)

Report = Callable[[float, str], None]
Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """Metrics without some cases.

    Attributes:
        table: columns of metrics.parquet, exact values alone.
        reason: why there are image metrics only; "" when there are all.
        left_out: cases left out of everything.
        without_pixels: further cases left out of pixel and region metrics.
    """

    table: pa.Table
    reason: str
    left_out: int
    without_pixels: int


@dataclass(frozen=True, slots=True)
class _Plan:
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


def _plan(run: RunDirectory, labels: Collection[str], masks: Collection[str]) -> _Plan:
    """Only cases of the run count; see the module for masks of normal images."""
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    bad = {case["key"] for case in cases if case["label"] == 1}
    own = {case["key"] for case in cases}
    whole = (own & set(labels)) | ((own - bad) & set(masks))
    return _Plan(cases, frozenset(whole), frozenset((bad & set(masks)) - whole))


def held(
    workspace: Workspace, run: RunDirectory, labels: Collection[str], masks: Collection[str]
) -> Reevaluation | None:
    """The kept result, or None when it was not made yet.

    Raises:
        RunError: the run has no cases.
    """
    plan = _plan(run, labels, masks)
    return _read(_file(workspace, run, plan), plan)


def reevaluate(
    workspace: Workspace,
    run: RunDirectory,
    labels: Collection[str] = (),
    masks: Collection[str] = (),
    report: Report = lambda fraction, message: None,
) -> Reevaluation:
    """The run's metrics without disputed cases, from the cache where they were made before.

    Args:
        labels: keys of cases whose label is disputed.
        masks: keys of cases whose mask is.
        report: called with the fraction done and a message.

    Raises:
        RunError: the run has no cases (yet).
        UsageError: no case would be left.
    """
    plan = _plan(run, labels, masks)
    file = _file(workspace, run, plan)
    found = _read(file, plan)
    if found is not None:
        return found
    if not plan.kept:
        raise UsageError(
            f"Every case of run {run.run_id} has a disputed label, so nothing is left to evaluate; "
            "take some marks back."
        )
    record = run.record()
    truth = _truth(workspace, run, record, report)
    evaluation = None
    if isinstance(truth, Prepared):
        evaluation = _everything(run, record, plan, truth, report)
    reason = truth if isinstance(truth, str) else ""
    if evaluation is None:
        reason = reason or (
            f"Its map values beyond {HALF_MAX:.0f} are stored cut, so pixels cannot be measured "
            "again as the run did."
        )
        evaluation = _images_alone(run, record, plan)
    rows = _rows(evaluation, plan, images_alone=bool(reason))
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    result = Reevaluation(
        pa.table(columns, schema=SCHEMA), reason, len(plan.labels), len(plan.masks)
    )
    if not reason:  # a folder that is gone may come back
        _keep(file, result)
    report(1.0, "done")
    return result


# -- what is measured -------------------------------------------------------------------------


def _truth(
    workspace: Workspace, run: RunDirectory, record: Record, report: Report
) -> Prepared | str:
    """The masks the run was judged by, or the reason why there are none any more."""
    if not run.has(RunDirectory.MAPS):
        return f"Run {run.run_id} has no maps."
    config = record.config
    try:
        dataset = open_dataset(config.data, workspace)
        classes = set(record.resolved.get("dataset", {}).get("classes") or dataset.classes)
        chosen = replace(
            dataset, samples=tuple(s for s in dataset.samples if s.class_name in classes)
        )
        prepared = prepare(
            chosen, config.size, workspace, report=lambda done, said: report(0.1 * done, said)
        )
    except FlawscopeError as error:
        return f"The masks cannot be read: {error}"
    if prepared.fingerprint != record.resolved.get("dataset", {}).get("fingerprint"):
        return "The data set's images, labels or masks have changed since the run."
    return prepared


def _everything(
    run: RunDirectory, record: Record, plan: _Plan, prepared: Prepared, report: Report
) -> Evaluation | None:
    """All metrics of the cases kept; None when stored maps were cut."""
    places = {sample.key: row for row, sample in enumerate(prepared.samples)}
    maps = run.maps()
    kept = plan.kept
    accumulator = Accumulator(grade_for(len(plan.cases) * record.config.size**2))
    looks = list(_chunks(kept, places))
    for number, (name, some, rows) in enumerate(looks):
        maps_BHW = np.asarray(maps[[case["row"] for case in some]], np.float32)
        if np.abs(maps_BHW).max() >= HALF_MAX:
            return None
        known_B = [
            bool(prepared.has_mask[row]) and case["key"] not in plan.masks
            for case, row in zip(some, rows, strict=True)
        ]
        _update(accumulator, name, some, maps_BHW, prepared.regions(rows), known_B)
        report(0.1 + 0.5 * (number + 1) / len(looks), "measuring maps")
    for name, threshold in accumulator.thresholds().items():
        for its, some, rows in looks:
            pairs = [
                (case, row)
                for case, row in zip(some, rows, strict=True)
                if its == name and prepared.has_mask[row] and case["key"] not in plan.masks
            ]
            if pairs:
                again = np.asarray(maps[[case["row"] for case, _ in pairs]], np.float32)
                regions_BHW = prepared.regions([row for _, row in pairs])
                keys = [case["key"] for case, _ in pairs]
                accumulator.update_objects(name, threshold, again, regions_BHW, keys)
    report(0.8, "computing metrics")
    return accumulator.compute(seed=record.config.seed, held_out=_held_out(run))


def _chunks(
    cases: list[Case], places: dict[str, int]
) -> list[tuple[str, list[Case], npt.NDArray[np.intp]]]:
    """(class, cases of it, their rows in the prepared data), a few cases at a time."""
    by_class: dict[str, list[Case]] = {}
    for case in cases:
        by_class.setdefault(case["class_name"], []).append(case)
    return [
        (name, some, np.array([places[case["key"]] for case in some], np.intp))
        for name, mine in sorted(by_class.items())
        for some in (mine[start : start + CHUNK] for start in range(0, len(mine), CHUNK))
    ]


def _images_alone(run: RunDirectory, record: Record, plan: _Plan) -> Evaluation:
    """Image metrics from the scores; a map of one pixel stands for each that is not looked at."""
    accumulator = Accumulator(details=False)
    for name in sorted({case["class_name"] for case in plan.kept}):
        mine = [case for case in plan.kept if case["class_name"] == name]
        blank = np.zeros((len(mine), 1, 1), np.float32)
        _update(accumulator, name, mine, blank, blank.astype(np.uint16), [False] * len(mine))
    return accumulator.compute(seed=record.config.seed, held_out=_held_out(run))


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


def _rows(evaluation: Evaluation, plan: _Plan, images_alone: bool) -> list[MetricRow]:
    """Exact rows; the mean says which classes have no case left."""
    gone = sorted(set(plan.classes) - {case["class_name"] for case in plan.kept})
    remark = f"without {', '.join(gone)}, of which no case is left" if gone else ""
    rows = []
    for row in evaluation.rows:
        if row.convention != EXACT or (images_alone and not _of_images(row.metric)):
            continue
        if remark and row.class_name == MEAN:
            row = replace(row, note="; ".join(part for part in (row.note, remark) if part))
        rows.append(row)
    return rows


def _of_images(metric: str) -> bool:
    return METRICS.get(metric).level == "image" or metric.startswith("image_")


# -- what is kept -----------------------------------------------------------------------------


def _file(workspace: Workspace, run: RunDirectory, plan: _Plan) -> Path:
    at = (run.path / RunDirectory.CASES).stat()
    what = [FORMAT, at.st_mtime_ns, at.st_size, sorted(plan.labels), sorted(plan.masks)]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    return workspace.root / "cache" / "reevaluated" / f"{run.run_id}-{digest}.parquet"


def _keep(file: Path, result: Reevaluation) -> None:
    import pyarrow.parquet as pq

    try:
        write_atomically(file, lambda out: pq.write_table(result.table, out))
    except OSError as error:
        raise RunError(
            f"The result cannot be kept in {file.parent} ({error.strerror or error}); free some "
            "space there."
        ) from error


def _read(file: Path, plan: _Plan) -> Reevaluation | None:
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file).cast(SCHEMA)
    except (OSError, ValueError):  # not there, or cut short by hand: it is made again
        return None
    return Reevaluation(table, "", len(plan.labels), len(plan.masks))
