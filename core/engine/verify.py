"""Checks a run capsule against the data: hashes, numbers that follow from the scores, labels, and
the scores themselves, of a random sample that the model sees again.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.capsule.archive import Capsule, open_capsule
from core.capsule.claims import Row, digest_of
from core.capsule.making import data_root
from core.config import EXTERNAL
from core.data.images import decode, squash
from core.data.layout import inside
from core.engine import capsule_checks as checks
from core.engine import reload
from core.engine.capsule_checks import Check
from core.engine.resolve import versions
from core.errors import FlawscopeError, RunError, UsageError
from core.runs import Record, RunDirectory
from core.workspace import Workspace, write_json

SAME_DEVICE, OTHER_DEVICE = 1e-5, 1e-3
"""How far a score may differ, relative to the stored one: batches differ, kinds of device more."""
AGAIN = "scores again"
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """All checks of a capsule.

    Attributes:
        seed: of the sample; the same seed draws the same images.
        images: how many were scored again.
        largest_difference: of their scores, relative to the stored ones; None: none was scored.
    """

    run_id: str
    seed: int
    checks: tuple[Check, ...]
    images: int = 0
    largest_difference: float | None = None

    @property
    def good(self) -> bool:
        """None failed, and the sample was scored again."""
        return self.scored_again and all(check.state != "failed" for check in self.checks)

    @property
    def scored_again(self) -> bool:
        return any(check.what == AGAIN and check.state == "ok" for check in self.checks)

    @property
    def verdict(self) -> str:
        """One sentence."""
        failed = [check.what for check in self.checks if check.state == "failed"]
        if failed:
            return f"{self.run_id} is NOT verified: {' and '.join(failed)} failed."
        if not self.scored_again:
            return f"{self.run_id} is NOT verified: no image was scored again, see above for why."
        return f"{self.run_id} is verified (sample of {self.images}, seed {self.seed})."


def verify(
    path: Path,
    workspace: Workspace,
    data: Path | None = None,
    sample: int = 20,
    seed: int | None = None,
    device: str = "auto",
    report: Report = lambda share, message: None,
) -> Verified:
    """Check a capsule.

    Args:
        data: where the data set lies now; None: where it lay when the run was made.
        sample: how many test images are scored again, spread over classes and labels.
        seed: of the sample; None draws one, which whoever made the capsule could not foresee.
        device: see `reload.load`.
        report: called with the share done and a message.

    Raises:
        UsageError, DataError: it is no capsule, or a number is out of range.
    """
    if sample < 1:
        raise UsageError(f"--sample came as {sample}; give 1 or more.")
    if seed is not None and seed < 0:
        raise UsageError(f"--seed came as {seed}; give 0 or more.")
    drawn = secrets.randbelow(1 << 32) if seed is None else seed
    capsule = open_capsule(path)
    report(0.0, "contents")
    found = [checks.contents(capsule)]
    if found[0].state == "failed":  # nothing in it can be trusted
        return Verified(capsule.run_id, drawn, tuple(found))
    cases, record = capsule.cases(), capsule.record()
    root = data or data_root(record)
    report(0.1, "numbers")
    found += [checks.metrics(capsule, cases), checks.thresholds(capsule, cases)]
    report(0.2, "images and labels")
    found.append(checks.labels(cases, record, root, workspace))
    images, usable = checks.files(capsule, checks.spread(cases, sample, drawn), root)
    found.append(images)
    with tempfile.TemporaryDirectory(prefix=".capsule-", dir=workspace.prepared) as folder:
        aside = Workspace(Path(folder))
        report(0.3, "the model")
        model = _model(capsule, record, workspace, aside)
        found.append(model)
        if model.state != "ok" or not usable or root is None:
            why = "There is no model" if model.state != "ok" else "There is no image"
            if not usable and model.state != "ok":
                why = "There is neither a model nor an image"
            found.append(Check(AGAIN, "not checked", f"{why} to score again with."))
            return Verified(capsule.run_id, drawn, tuple(found))
        check, largest = _again(aside, record, usable, root, device, report)
        found.append(check)
    scored = len(usable) if largest is not None else 0
    return Verified(capsule.run_id, drawn, tuple(found), scored, largest)


def _model(capsule: Capsule, record: Record, workspace: Workspace, aside: Workspace) -> Check:
    """Whether the model is there and has the recorded hashes; then it lies in `aside`.

    The config always comes from the capsule: what it claims is what is tried.
    """
    what = "model"
    if record.config.method == EXTERNAL:
        said = (
            "The maps were made elsewhere, so no model could score again: only hashes, numbers "
            "and labels can be checked."
        )
        return Check(what, "not checked", said)
    wanted, carried = capsule.model(), capsule.model_members
    held = RunDirectory(workspace.runs / capsule.run_id)
    if not wanted:
        said = "The run kept no model when the capsule was made, so nothing can be scored again."
        return Check(what, "not checked", said)
    if not carried and not held.has(RunDirectory.CHECKPOINT):
        said = (
            "It is neither in the capsule (make it with --with-model) nor in the workspace "
            f"{workspace.root} (name the one that holds the run with --workspace)."
        )
        return Check(what, "not checked", said)
    there = carried or _hashes(held.path / RunDirectory.CHECKPOINT)
    other = sorted(
        name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)
    )
    place = "the capsule" if carried else "the workspace"
    if other:
        said = f"The model in {place} is not the recorded one: {checks.some(other)}."
        return Check(what, "failed", said)
    if not carried and not _same(held, record):
        said = f"The run in {workspace.root} has another config than the capsule."
        return Check(what, "failed", said)
    run = aside.runs / capsule.run_id
    capsule.unpack_run(run, model=bool(carried))
    if not carried:
        (run / RunDirectory.CHECKPOINT).symlink_to(held.path / RunDirectory.CHECKPOINT)
    (aside.root / "weights").symlink_to(workspace.weights)
    _without_lost_weights(run, record)
    return Check(what, "ok", f"{len(wanted)} files in {place} have the recorded hashes.")


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_of(path) for path in files}


def _same(held: RunDirectory, record: Record) -> bool:
    try:
        return held.record() == record
    except RunError:
        return False


def _without_lost_weights(run: Path, record: Record) -> None:
    """A weight file named by a path of another machine is looked for where weights lie here."""
    file = record.config.weights
    if file and not Path(file).expanduser().is_file():
        config = record.config.model_copy(update={"weights": None}).model_dump(mode="json")
        write_json(
            run / RunDirectory.CONFIG,
            {"run_id": record.run_id, "created_at": record.created_at, "config": config,
             "resolved": record.resolved},
        )  # fmt: skip


def _again(
    aside: Workspace, record: Record, rows: Sequence[Row], root: Path, device: str, report: Report
) -> tuple[Check, float | None]:
    """The sample scored by the model anew, and the largest relative difference."""
    try:
        loaded = reload.load(aside, record.run_id, device)
    except FlawscopeError as error:  # backbone weights or a device that are not here
        return Check(AGAIN, "not checked", str(error)), None
    try:
        scores = _scored(loaded, rows, root, report)
    except FlawscopeError as error:
        return Check(AGAIN, "failed", str(error)), None
    told = np.array([row.score for row in rows])
    off = checks.gaps(np.array([scores[row.key] for row in rows]), told)
    worst, reach = int(np.argmax(off)), OTHER_DEVICE if loaded.note else SAME_DEVICE
    largest = float(off[worst])
    said = f"{len(rows)} images scored again; the largest relative difference is {largest:.1e}"
    if not largest <= reach:
        many = int((~(off <= reach)).sum())
        said += (
            f", at {rows[worst].key} ({told[worst]:.6g} was stored, {scores[rows[worst].key]:.6g} "
            f"came); {many} differ by more than {reach:g}."
        )
        return Check(AGAIN, "failed", f"{said}{_other_versions(record)}"), largest
    return Check(AGAIN, "ok", f"{said}, allowed are {reach:g}. {loaded.note}".strip()), largest


def _other_versions(record: Record) -> str:
    """A hint, where packages that scores depend on differ from the run's."""
    told, here = record.resolved.get("versions") or {}, versions()
    other = [
        f"{name} {told[name]} then, {here[name]} here"
        for name in ("torch", "timm", "pillow", "numpy")
        if name in told and name in here and told[name] != here[name]
    ]
    return f" Versions differ: {'; '.join(other)}." if other else ""


def _scored(
    loaded: reload.Loaded, rows: Sequence[Row], root: Path, report: Report
) -> dict[str, float]:
    """Scores by key, class by class, in batches of the run's size."""
    found: dict[str, float] = {}
    for name in sorted({row.class_name for row in rows}):
        mine = [row for row in rows if row.class_name == name]
        method = loaded.model(name)
        for start in range(0, len(mine), loaded.batch_size):
            batch = mine[start : start + loaded.batch_size]
            images_NCHW = np.stack(
                [
                    squash(decode(inside(root, row.key), row.key).image, loaded.config.size)
                    for row in batch
                ]
            )
            for predicted in loaded.predicted(method, images_NCHW):
                for place, at in enumerate(predicted.rows):
                    found[batch[int(at)].key] = float(predicted.scores_B[place])
            done = len(found) / len(rows)
            report(0.4 + 0.6 * done, f"image {len(found)} of {len(rows)}")
    return found
