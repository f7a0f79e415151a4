"""What a report tells, read from run directories and people's files; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core import listing, marks
from core.comparison import kept_comparison, same_images
from core.config import external_name
from core.data import catalogue
from core.data.base import DatasetCard
from core.errors import FlawscopeError, RunError, UsageError
from core.judging import Case, Point, by_class, counted, judged, points, worst
from core.metrics.base import METRICS, NINE
from core.metrics.cases import Recall, recall
from core.metrics.compare import DifferenceRow
from core.metrics.conventions import EXACT
from core.metrics.operating import OperatingPoint
from core.metrics.rank_groups import Place, adjusted_p, places
from core.metrics.verdicts import ALPHA
from core.palette import method_colour
from core.replicates import kept_replicates
from core.runs import Record, RunDirectory, Status
from core.types import MEAN
from core.workspace import Workspace

MOST_RUNS = 4
RANKED = "image_auroc"
DASHES = ("", "6 4", "2 3", "8 3 2 3")
Report = Callable[[float, str], None]
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Value:
    """A metric's value with the ends of its 95 % interval, or the reason why there is none."""

    value: float | None
    low: float | None
    high: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Part:
    """One run.

    Attributes:
        metrics: {class or "mean": {metric id: value}}.
        cuts: the threshold of each class and the cases counted at it.
        types: {class: {anomaly type: found among those judged}}.
        curves: {(curve, class): points}.
        misses, alarms: the most wrong cases of each class.
    """

    run: RunDirectory
    label: str
    colour: str
    dash: str
    record: Record
    status: Status
    card: Mapping[str, Any] | None
    metrics: dict[str, dict[str, Value]]
    cuts: dict[str, tuple[Point, OperatingPoint]]
    types: dict[str, dict[str, Recall]]
    curves: dict[tuple[str, str], Points]
    misses: dict[str, list[Case]]
    alarms: dict[str, list[Case]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything a report tells; `parts` has one run or several on the same images."""

    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    data_name: str
    data_card: DatasetCard | None
    compared: dict[str, list[DifferenceRow]] = field(default_factory=dict)
    """{label of another run: its paired differences to the first}."""
    ranks: tuple[Place, ...] = ()
    """Where each run stands by mean image AUROC among all; () where it cannot be told."""
    marked: tuple[marks.Mark, ...] = ()
    disputed: int = 0


def gather(
    workspace: Workspace,
    run_ids: Sequence[str],
    most: int = 6,
    report: Report = lambda share, message: None,
) -> Gathered:
    """Read what the runs hold.

    Args:
        most: worst cases a class, of each kind.

    Raises:
        UsageError: no run, too many, one twice, or runs on different images.
        RunError: a run has no results.
    """
    runs = [RunDirectory.open(workspace, id) for id in run_ids]
    ids = [run.run_id for run in runs]
    if not 1 <= len(ids) <= MOST_RUNS or len(set(ids)) < len(ids):
        raise UsageError(f"A report is of 1 to {MOST_RUNS} different runs; got {len(ids)}.")
    for run in runs:
        if run.status().state != "succeeded":
            raise RunError(f"Run {run.run_id} has not ended well, so there is nothing to report.")
    if len(runs) > 1:
        same_images(runs)
    titles, labels = _cards(workspace), _labels(workspace, runs)
    parts = []
    for n, run in enumerate(runs):
        report(0.4 * n / len(runs), f"reading {labels[n]}")
        parts.append(_part(workspace, run, labels[n], n, titles, most))
    compared = {}
    for n, run in enumerate(runs[1:], start=1):
        report(0.4 + 0.2 * n / len(runs), f"comparing with {labels[n]}")
        compared[labels[n]] = kept_comparison(workspace, runs[0], run)
    dataset = parts[0].record.resolved.get("dataset") or {}
    fingerprint = str(dataset.get("fingerprint") or "")
    versions = marks.versions(workspace, fingerprint) if fingerprint else []
    return Gathered(
        parts=tuple(parts),
        classes=tuple(sorted(set(parts[0].metrics) - {MEAN})),
        data_name=str(dataset.get("name") or parts[0].record.config.data),
        data_card=_data_card(workspace, str(dataset.get("root") or "")),
        compared=compared,
        ranks=_ranks(workspace, runs),
        marked=tuple(marks.standing(versions)),
        disputed=len(marks.disputes(versions)),
    )


def _ranks(workspace: Workspace, runs: Sequence[RunDirectory]) -> tuple[Place, ...]:
    """Places by image AUROC from paired resamples, as on the leaderboard."""
    if len(runs) < 2:
        return ()
    try:
        kept = [kept_replicates(workspace, run, RANKED) for run in runs]
    except FlawscopeError:
        return ()
    alike = {(one.truth, one.classes) for one in kept}
    if len(alike) > 1 or not all(one.varies for one in kept):
        return ()
    values = [one.mean()[0] for one in kept]
    draws = np.stack([one.mean()[1] for one in kept])
    return tuple(places(values, adjusted_p(values, draws) < ALPHA))


def _part(
    workspace: Workspace, run: RunDirectory, label: str, place: int,
    cards: Mapping[str, Any], most: int,
) -> Part:  # fmt: skip
    record = run.record()
    at = points(workspace, run)
    cases = judged(run, at)
    grouped = by_class(cases)
    method = record.config.method_key
    return Part(
        run=run, label=label, colour=method_colour(method), dash=DASHES[place],
        record=record, status=run.status(), card=cards.get(method), metrics=_metrics(run),
        cuts={
            name: (at[name], counted(mine, at[name]))
            for name, mine in grouped.items()
            if name in at
        },
        types={name: _types(mine) for name, mine in grouped.items()}, curves=_curves(run),
        misses={name: worst(mine, "missed", most) for name, mine in grouped.items()},
        alarms={name: worst(mine, "false alarm", most) for name, mine in grouped.items()},
    )  # fmt: skip


def _labels(workspace: Workspace, runs: Sequence[RunDirectory]) -> list[str]:
    """The method of each run, and what tells two of one method apart."""
    cards = _cards(workspace)
    records = [run.record() for run in runs]
    titles = []
    for record in records:
        key = record.config.method_key
        titles.append(external_name(key) or cards.get(key, {}).get("title", key))
    labels = []
    for title, record in zip(titles, records, strict=True):
        config = record.config
        same = [r.config for t, r in zip(titles, records, strict=True) if t == title]
        parts = []
        for name in ("setting", "protocol", "size", "epochs", "seed"):
            if len({getattr(one, name) for one in same}) > 1:
                value = getattr(config, name)
                parts.append(f"seed {value}" if name == "seed" else str(value))
        labels.append(f"{title} ({', '.join(parts)})" if parts else title)
    twice = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label} {run.run_id[-4:]}" if label in twice else label
        for label, run in zip(labels, runs, strict=True)
    ]


def _cards(workspace: Workspace) -> dict[str, dict[str, Any]]:
    try:
        return {entry["id"]: entry for entry in listing.methods(workspace)}
    except FlawscopeError:
        return {}


def _data_card(workspace: Workspace, root: str) -> DatasetCard | None:
    try:
        return catalogue.open_dataset(root, workspace).card if root else None
    except FlawscopeError:
        return None


def _metrics(run: RunDirectory) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for row in run.read_table(RunDirectory.METRICS).to_pylist():
        whole = row.get("convention", EXACT) == EXACT and not row.get("anomaly_type")
        if whole and row["metric"] in NINE:
            value = Value(row["value"], row["ci_low"], row["ci_high"], row["note"] or "")
            found.setdefault(row["class_name"], {})[row["metric"]] = value
    return found


def _types(cases: Sequence[Case]) -> dict[str, Recall]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        if case.label and case.outcome != "not judged":
            found.setdefault(case.anomaly_type, []).append(case)
    return {
        kind: recall(sum(case.outcome == "found" for case in mine), len(mine))
        for kind, mine in sorted(found.items())
    }


def _curves(run: RunDirectory) -> dict[tuple[str, str], Points]:
    found: dict[tuple[str, str], Points] = {}
    if run.has(RunDirectory.CURVES):
        wanted = ("roc", "pr", "score_hist_normal", "score_hist_anomalous")
        rows = run.read_table(RunDirectory.CURVES).to_pylist()
        for row in sorted(rows, key=lambda row: row["position"]):
            if row["curve"] in wanted:
                key = row["curve"], row["class_name"]
                found.setdefault(key, []).append((float(row["x"]), float(row["y"])))
    return found


def title_of(metric: str) -> str:
    """The metric's own name."""
    return METRICS.get(metric).title
