"""Checks a run capsule against the data: hashes, numbers that follow from the scores, and the
scores themselves, of a random sample that the model sees again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.capsule import IMAGES, MODEL, THRESHOLDS, Capsule, digest_of, file_facts, open_capsule
from core.config import EXTERNAL
from core.data.images import decode, squash
from core.data.layout import inside
from core.engine import reload
from core.errors import DataError, FlawscopeError, UsageError
from core.metrics.conventions import EXACT
from core.metrics.evidence import score_ranking
from core.metrics.ranking import auroc, average_precision, f1_max, f1_max_threshold
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import Workspace

NUMBERS = 1e-9
SAME_DEVICE, OTHER_DEVICE = 1e-5, 1e-3
"""How far a score may differ, relative to the class's largest: batches differ, kinds of device
differ more."""
IMAGE_METRICS = {"image_auroc": auroc, "image_ap": average_precision, "image_f1max": f1_max}
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `said` is a sentence."""

    what: str
    state: Literal["ok", "failed", "not checked"]
    said: str


@dataclass(frozen=True, slots=True)
class Verified:
    """All checks; `good` only when none failed and the sample was scored again."""

    run_id: str
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        states = {check.what: check.state for check in self.checks}
        return "failed" not in states.values() and states.get("scores again") == "ok"


def verify(
    path: Path,
    workspace: Workspace,
    data: Path | None = None,
    sample: int = 20,
    seed: int = 0,
    device: str = "auto",
) -> Verified:
    """Check a capsule.

    Args:
        data: where the data set lies now; None: where it lay when the capsule was made.
        sample: how many test images are scored again, spread over classes and labels.
        device: see `reload.load`.

    Raises:
        UsageError, DataError: it is no capsule, or `sample` is below 1.
    """
    if sample < 1:
        raise UsageError(f"--sample came as {sample}; give 1 or more.")
    capsule = open_capsule(path)
    checks = [_members(capsule)]
    if checks[0].state == "failed":  # nothing in it can be trusted
        return Verified(capsule.run_id, tuple(checks))
    cases: Rows = capsule.table(RunDirectory.CASES).to_pylist()
    checks += [_metrics(capsule, cases), _thresholds(capsule, cases)]
    chosen = spread(cases, sample, seed)
    config = capsule.json(RunDirectory.CONFIG)
    named = data or Path(str((config["resolved"].get("dataset") or {}).get("root", "")))
    files, usable = _files(capsule, chosen, named)
    checks += [files, _again(capsule, workspace, usable, named, device)]
    return Verified(capsule.run_id, tuple(checks))


def spread(cases: Rows, count: int, seed: int) -> Rows:
    """Random cases, classes and labels in turn."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, int], Rows] = {}
    for place in rng.permutation(len(cases)):
        row = cases[int(place)]
        groups.setdefault((row["class_name"], int(row["label"])), []).append(row)
    found: Rows = []
    turns = max(map(len, groups.values()), default=0)
    for turn in range(turns):
        found += [groups[name][turn] for name in sorted(groups) if turn < len(groups[name])]
    return found[:count]


def _members(capsule: Capsule) -> Check:
    wrong = capsule.damaged()
    if wrong:
        some = ", ".join(wrong[:3]) + (" and others" if len(wrong) > 3 else "")
        return Check("contents", "failed", f"Not as they were when the capsule was made: {some}.")
    return Check("contents", "ok", f"{len(capsule.manifest['members'])} members as they were made.")


def _by_class(cases: Rows) -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted({row["class_name"] for row in cases}):
        mine = [row for row in cases if row["class_name"] == name]
        scores = np.array([row["score"] for row in mine], np.float64)
        found[name] = scores, np.array([row["label"] for row in mine], np.int64)
    return found


def _metrics(capsule: Capsule, cases: Rows) -> Check:
    stored = {
        (row["class_name"], row["metric"]): row["value"]
        for row in capsule.table(RunDirectory.METRICS).to_pylist()
        if row.get("convention", EXACT) == EXACT and not row.get("anomaly_type")
    }
    compared, wrong = 0, []
    for name, (scores_N, labels_N) in _by_class(cases).items():
        ranking = score_ranking(scores_N, labels_N)
        for metric, formula in IMAGE_METRICS.items():
            value = None if isinstance(ranking, str) else float(formula(ranking)[0])
            held = stored.get((name, metric))
            compared += 1
            if (value is None) != (held is None) or (
                value is not None and held is not None and abs(value - held) > NUMBERS
            ):
                wrong.append(f"{metric} of {name}")
    if wrong:
        return Check("metrics", "failed", f"Do not follow from the scores: {', '.join(wrong)}.")
    return Check("metrics", "ok", f"{compared} image metrics follow from the scores.")


def _thresholds(capsule: Capsule, cases: Rows) -> Check:
    wrong, compared = [], 0
    for name, held in capsule.json(THRESHOLDS).items():
        if held["kind"] != "oracle" or name == MEAN:
            continue
        scores_N, labels_N = _by_class(cases)[name]
        ranking = score_ranking(scores_N, labels_N)
        compared += 1
        if isinstance(ranking, str) or held["value"] != float(f1_max_threshold(ranking)[0]):
            wrong.append(name)
    if wrong:
        return Check("thresholds", "failed", f"Do not follow from the scores: {', '.join(wrong)}.")
    if not compared:
        said = "None is an oracle one; held-out and chosen ones do not follow from these scores."
        return Check("thresholds", "not checked", said)
    return Check("thresholds", "ok", f"{compared} oracle thresholds follow from the scores.")


def _files(capsule: Capsule, chosen: Rows, root: Path) -> tuple[Check, Rows]:
    """Whether the sample's files are those the run saw, and the cases whose image is there."""
    held = capsule.json(IMAGES)
    changed, gone, usable = [], [], []
    for row in chosen:
        known = held.get(row["key"], {"image": None, "masks": {}})
        for key, facts in {row["key"]: known["image"], **known["masks"]}.items():
            now = file_facts(root, key)
            if isinstance(now, str):
                gone.append(key)
            elif now != facts:
                changed.append(key)
            elif key == row["key"]:
                usable.append(row)
    if changed:
        return Check(
            "images", "failed", f"Other content than the run saw: {_some(changed)}."
        ), usable
    if len(gone) == len(chosen) or not usable:
        said = f"No image of the sample is in {root}; say where the data set lies with --data."
        return Check("images", "not checked", said), usable
    if gone:
        return Check("images", "failed", f"Not in {root}: {_some(gone)}."), usable
    return Check("images", "ok", f"{len(usable)} images have the content the run saw."), usable


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _again(capsule: Capsule, workspace: Workspace, rows: Rows, root: Path, device: str) -> Check:
    """The sample scored by the model anew."""
    what = "scores again"
    if not rows:
        return Check(what, "not checked", "There is no image to score.")
    if capsule.json(RunDirectory.CONFIG)["config"]["method"] == EXTERNAL:
        said = "The maps were made elsewhere: there is no model that could score again."
        return Check(what, "not checked", said)
    with tempfile.TemporaryDirectory(prefix="flawscope-capsule-") as aside:
        try:
            loaded = _loaded(capsule, workspace, Path(aside), device)
            scores = _scored(loaded, rows, root)
        except UsageError as error:
            return Check(what, "not checked", str(error))
        except FlawscopeError as error:
            return Check(what, "failed", str(error))
        size = max(abs(float(row["score"])) for row in rows) or 1.0
        off = [abs(scores[row["key"]] - float(row["score"])) / size for row in rows]
        reach = OTHER_DEVICE if loaded.note else SAME_DEVICE
    worst = int(np.argmax(off))
    said = f"{len(rows)} images scored again; the largest difference is {off[worst]:.1e}"
    if off[worst] > reach:
        return Check(what, "failed", f"{said}, at {rows[worst]['key']} (allowed {reach:g}).")
    return Check(what, "ok", f"{said} of the largest score. {loaded.note}".strip())


def _loaded(capsule: Capsule, workspace: Workspace, aside: Path, device: str) -> reload.Loaded:
    """The run's model: the capsule's own, else that of the run in the workspace.

    Raises:
        UsageError: neither is there.
        DataError: the workspace's model is not the capsule's.
    """
    if capsule.with_model:
        place = Workspace(aside)
        capsule.unpack_run(place.runs)
        (aside / "weights").symlink_to(workspace.weights)
        return reload.load(place, capsule.run_id, device)
    folder = workspace.runs / capsule.run_id / RunDirectory.CHECKPOINT
    if not folder.is_dir():
        raise UsageError(
            f"The model is neither in the capsule (make it with --with-model) nor in the workspace "
            f"{workspace.root} (choose the one that holds the run with --workspace)."
        )
    for name, digest in capsule.json(MODEL).items():
        path = inside(folder, name)
        if not path.is_file() or digest_of(path) != digest:
            raise DataError(f"The workspace's model is not the capsule's: {name} differs.")
    return reload.load(workspace, capsule.run_id, device)


def _scored(loaded: reload.Loaded, rows: Rows, root: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in sorted({row["class_name"] for row in rows}):
        mine = [row for row in rows if row["class_name"] == name]
        images = [
            squash(decode(inside(root, row["key"]), row["key"]).image, loaded.config.size)
            for row in mine
        ]
        for batch in loaded.predicted(loaded.model(name), np.stack(images)):
            for place, at in enumerate(batch.rows):
                found[mine[int(at)]["key"]] = float(batch.scores_B[place])
    return found
