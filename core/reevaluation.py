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
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from core.data.prepared import Prepared
from core.engine.tables import METRICS as SCHEMA
from core.errors import RunError, UsageError
from core.metrics.accumulate import Evaluation, MetricRow
from core.metrics.base import METRICS
from core.metrics.conventions import EXACT
from core.remeasuring import HALF_MAX, Plan, Report, everything, images_alone, truth_of
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import Workspace, write_atomically

FORMAT = 1
"""Rises when the metrics or the rule of leaving out change, so that older results are not read."""


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


def _plan(run: RunDirectory, labels: Collection[str], masks: Collection[str]) -> Plan:
    """Only cases of the run count; see the module for masks of normal images."""
    cases = run.read_table(RunDirectory.CASES).to_pylist()
    bad = {case["key"] for case in cases if case["label"] == 1}
    own = {case["key"] for case in cases}
    whole = (own & set(labels)) | ((own - bad) & set(masks))
    return Plan(cases, frozenset(whole), frozenset((bad & set(masks)) - whole))


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
        report: called with the fraction done and a message, in the calling thread and about
            twice a second (sorting the pixels of one class of 3,000 images of 256x256 takes 5 s);
            ends the work by raising `Cancelled`, and then nothing half-done is kept.

    Raises:
        RunError: the run has no cases (yet).
        UsageError: no case would be left.
        Cancelled: `report` raised it.
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
    truth = truth_of(workspace, run, record, report)
    evaluation = None
    if isinstance(truth, Prepared):
        evaluation = everything(run, record, plan, truth, report)
    reason = truth if isinstance(truth, str) else ""
    if evaluation is None:
        reason = reason or (
            f"Its map values beyond {HALF_MAX:.0f} are stored cut, so pixels cannot be measured "
            "again as the run did."
        )
        evaluation = images_alone(run, record, plan, report)
    rows = _rows(evaluation, plan, images_alone=bool(reason))
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    result = Reevaluation(
        pa.table(columns, schema=SCHEMA), reason, len(plan.labels), len(plan.masks)
    )
    if not reason:  # a folder that is gone may come back
        _keep(file, result)
    report(1.0, "done")
    return result


def _rows(evaluation: Evaluation, plan: Plan, images_alone: bool) -> list[MetricRow]:
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


def _file(workspace: Workspace, run: RunDirectory, plan: Plan) -> Path:
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


def _read(file: Path, plan: Plan) -> Reevaluation | None:
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file).cast(SCHEMA)
    except (OSError, ValueError):  # not there, or cut short by hand: it is made again
        return None
    return Reevaluation(table, "", len(plan.labels), len(plan.masks))
