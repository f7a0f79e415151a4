"""What can be checked of a capsule without its model: contents, numbers, files, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.capsule.archive import Capsule
from core.capsule.claims import GONE, Row, Thresholds, file_facts
from core.capsule.making import whole
from core.data.catalogue import open_dataset
from core.data.images import decode
from core.data.layout import inside
from core.errors import DataError, FlawscopeError
from core.metrics.base import METRICS, Evidence, NotComputable
from core.metrics.evidence import score_ranking
from core.metrics.ranking import f1_max_threshold
from core.metrics.thresholds import held_out_threshold
from core.runs import Record
from core.types import MEAN
from core.workspace import Workspace

NUMBERS = 1e-9
"""How far a number that follows from the scores may lie from the stored one."""
NAMED = 3
State: TypeAlias = Literal["ok", "failed", "not checked"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `said` is a sentence."""

    what: str
    state: State
    said: str


def some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def spread(cases: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Random cases, classes and labels in turn; which come first is random too."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, int], list[Row]] = {}
    for place in rng.permutation(len(cases)):
        row = cases[int(place)]
        groups.setdefault((row.class_name, row.label), []).append(row)
    names = sorted(groups)
    found: list[Row] = []
    while len(found) < min(count, len(cases)):
        turn = [names[int(i)] for i in rng.permutation(len(names)) if groups[names[int(i)]]]
        found += [groups[name].pop() for name in turn]
    return found[:count]


def contents(capsule: Capsule) -> Check:
    """Whether every member is as the manifest says, and they speak of the same run and images."""
    what = "contents"
    wrong = capsule.damaged()
    if wrong:
        return Check(what, "failed", f"Not as they were when it was made: {some(wrong)}.")
    told = capsule.record().run_id
    if told != capsule.run_id:
        said = f"The config is of run {told}, the manifest of {capsule.run_id}."
        return Check(what, "failed", said)
    known = capsule.images()
    unnamed = [row.key for row in capsule.cases() if row.key not in known]
    if unnamed:
        return Check(what, "failed", f"No hash is recorded for {some(unnamed)}.")
    said = f"{len(capsule.manifest.members)} members are as they were when it was made."
    return Check(what, "ok", said)


def _by_class(cases: Sequence[Row]) -> Iterator[tuple[str, Evidence]]:
    for name in sorted({row.class_name for row in cases}):
        mine = [row for row in cases if row.class_name == name]
        scores_N = np.array([row.score for row in mine], np.float64)
        labels_N = np.array([row.label for row in mine], np.int64)
        ranking = score_ranking(scores_N, labels_N)
        yield name, Evidence(image_ranking=ranking, pixel_ranking="a capsule holds no maps")


def metrics(capsule: Capsule, cases: Sequence[Row]) -> Check:
    """Whether the image metrics of every class, and their means, follow from the scores."""
    stored = {
        (row["class_name"], row["metric"]): row["value"] for row in capsule.metrics() if whole(row)
    }
    wanted: dict[tuple[str, str], float | None] = {}
    classes = list(_by_class(cases))
    for id in [id for id, metric in METRICS.items() if metric.level == "image"]:
        if not any(metric == id for _, metric in stored):
            continue  # made before there was this metric
        having = []
        for name, evidence in classes:
            value = _value(id, evidence)
            wanted[name, id] = value
            having += [] if value is None else [value]
        wanted[MEAN, id] = float(np.mean(having)) if having else None
    wrong = [
        f"{METRICS.get(id).title} of {name}"
        for (name, id), value in wanted.items()
        if not _equal(value, stored.get((name, id)))
    ]
    if wrong:
        return Check("metrics", "failed", f"Do not follow from the scores: {some(wrong)}.")
    if not wanted:
        return Check("metrics", "failed", "The capsule holds no image metric.")
    return Check(
        "metrics", "ok",
        f"{len(wanted)} image metrics follow from the scores; pixel metrics would need the maps, "
        "which a capsule does not hold.",
    )  # fmt: skip


def _value(id: str, evidence: Evidence) -> float | None:
    try:
        return float(METRICS.get(id).compute(evidence)[0])
    except NotComputable:
        return None


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= NUMBERS * max(1.0, abs(one))


def thresholds(capsule: Capsule, cases: Sequence[Row]) -> Check:
    """Whether oracle and held-out thresholds follow from scores and are those of the metrics."""
    held = capsule.thresholds()
    rows = [row for row in capsule.metrics() if whole(row)]
    wrong, oracle, held_out, chosen = [], 0, 0, 0
    for name, evidence in _by_class(cases):
        mine = held.get(name, Thresholds())
        value = None
        if not isinstance(evidence.image_ranking, str):
            value = float(f1_max_threshold(evidence.images)[0])
        quantile = held_out_threshold(mine.held_out_scores)[0] if mine.held_out_scores else None
        told = {row["metric"]: row["value"] for row in rows if row["class_name"] == name}
        for kind, claimed, follows, metric in (
            ("oracle", mine.oracle, value, "image_f1max_threshold"),
            ("held-out", mine.held_out, quantile, "image_threshold_heldout"),
        ):
            if not (_equal(claimed, follows) and _equal(claimed, told.get(metric))):
                wrong.append(f"{kind} of {name}")
        oracle += value is not None
        held_out += quantile is not None
        chosen += mine.chosen is not None
    strange = held.keys() - {row.class_name for row in cases}
    wrong += [f"those of {name}, which is no class of the run" for name in sorted(strange)]
    if wrong:
        return Check("thresholds", "failed", f"Do not follow from the scores: {some(wrong)}.")
    by_people = f"; {chosen} chosen by people stand as they are" if chosen else ""
    if not oracle + held_out:
        said = f"No class has a threshold that follows from scores{by_people}."
        return Check("thresholds", "not checked", said)
    said = f"{oracle} oracle and {held_out} held-out thresholds follow from the scores{by_people}."
    return Check("thresholds", "ok", said)


def files(capsule: Capsule, chosen: Sequence[Row], root: Path | None) -> tuple[Check, list[Row]]:
    """Whether the sample's files have the recorded content, and the cases whose image has it."""
    if root is None or not root.is_dir():
        place = "at the place the run names" if root is None else f"at {root}"
        said = f"The data set is not {place}; say where it lies now with --data."
        return Check("images", "not checked", said), []
    held = capsule.images()
    changed, missing, unknown, usable = [], [], [], []
    for row in chosen:
        known = held[row.key]
        for key, facts in [(row.key, known.image), *known.masks.items()]:
            now = file_facts(root, key)
            if facts == GONE:
                unknown.append(key)
            elif now == GONE:
                missing.append(key)
            elif now != facts:
                changed.append(key)
            elif key == row.key:
                usable.append(row)
    if changed:
        said = f"Other content in {root} than when the capsule was made: {some(changed)}."
        return Check("images", "failed", said), usable
    if missing and not usable:
        said = f"No image of the sample is in {root}; say where the data set lies with --data."
        return Check("images", "not checked", said), usable
    if missing:
        return Check("images", "failed", f"Not in {root}: {some(missing)}."), usable
    rest = ""
    if unknown:
        rest = f" {len(unknown)} were gone when the capsule was made: {some(unknown)}."
    if not usable:
        said = f"No hash of the sample is recorded.{rest}"
        return Check("images", "not checked", said), usable
    said = f"{len(usable)} images and their masks are as when the capsule was made.{rest}"
    return Check("images", "ok", said), usable


def labels(cases: Sequence[Row], record: Record, root: Path | None, workspace: Workspace) -> Check:
    """Whether the data set calls every test image as the capsule does, and none is left out."""
    what = "labels"
    if root is None or not root.is_dir():
        return Check(what, "not checked", "The data set is not there; say where with --data.")
    told: dict[str, Any] = record.resolved.get("dataset") or {}
    try:
        reader, variant = told.get("reader") or None, str(told.get("variant") or "")
        dataset = open_dataset(str(root), workspace, reader, variant=variant)
    except FlawscopeError as error:
        return Check(what, "not checked", f"The data set cannot be read: {error}")
    classes = set(told.get("classes") or record.config.classes) or set(dataset.classes)
    there = {
        sample.key: (sample.class_name, int(sample.label), sample.anomaly_type)
        for sample in dataset.samples
        if sample.split == "test" and sample.class_name in classes
    }
    known = {row.key: (row.class_name, row.label, row.anomaly_type) for row in cases}
    other = [key for key, facts in known.items() if there.get(key) != facts]
    if other:
        said = f"The data set in {root} calls them otherwise, or has them not: {some(other)}."
        return Check(what, "failed", said)
    left_out = [key for key in there if key not in known and _readable(root, key)]
    if left_out:
        return Check(what, "failed", f"Test images without a score: {some(left_out)}.")
    said = f"All {len(known)} test images are called as in the data set, and none is left out."
    return Check(what, "ok", said)


def _readable(root: Path, key: str) -> bool:
    """An image no run could have read may be missing rightly."""
    try:
        decode(inside(root, key), key)
    except (DataError, OSError):
        return False
    return True


def gaps(
    found_N: npt.NDArray[np.float64], told_N: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Differences of scores relative to the stored ones. [N]"""
    size_N = np.maximum(np.abs(told_N), np.finfo(np.float32).tiny)
    return np.asarray(np.abs(found_N - told_N) / size_N)
