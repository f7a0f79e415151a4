"""Makes the capsule of a run. Making it twice gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import core
from core import judging, thresholds
from core.capsule.archive import pack
from core.capsule.claims import (
    CHECKPOINT,
    FORMAT,
    GONE,
    IMAGES,
    MANIFEST,
    MODEL,
    THRESHOLDS,
    Facts,
    ImageFacts,
    Manifest,
    Thresholds,
    digest_of,
    encoded,
    file_facts,
)
from core.errors import RunError
from core.metrics.conventions import EXACT
from core.runs import Record, RunDirectory
from core.types import MEAN
from core.workspace import Workspace, write_atomically

Report = Callable[[float, str], None]


def make(
    workspace: Workspace,
    run: RunDirectory,
    out: Path,
    with_model: bool = False,
    report: Report = lambda share, message: None,
) -> Manifest:
    """Write the capsule of a run that ended well; `out` appears when it is complete.

    Args:
        with_model: carry the checkpoint, so that the capsule verifies without the run.
        report: called with the share done and a message.

    Raises:
        RunError: the run did not end well, lacks a table, or has no model to carry; or the file
            cannot be written.
    """
    status, record = run.status(), run.record()
    if status.state != "succeeded":
        raise RunError(
            f"Run {run.run_id} has not ended well ({status.state}), so there is nothing to vouch "
            "for; resume it, or choose another run."
        )
    model = _model_files(run)
    if with_model and not model:
        raise RunError(
            f"Run {run.run_id} keeps no model to carry; make its capsule without --with-model."
        )
    images = _images(run, record, report)
    members: dict[str, bytes | Path] = {
        RunDirectory.CONFIG: run.path / RunDirectory.CONFIG,
        RunDirectory.CASES: run.path / RunDirectory.CASES,
        RunDirectory.METRICS: run.path / RunDirectory.METRICS,
        IMAGES: encoded({key: facts.model_dump() for key, facts in images.items()}),
        THRESHOLDS: encoded(
            {name: held.model_dump() for name, held in _thresholds(workspace, run).items()}
        ),
        MODEL: encoded({name: digest_of(path) for name, path in model.items()}),
    }
    if with_model:
        members |= {f"{CHECKPOINT}{name}": path for name, path in model.items()}
    manifest = Manifest(
        format=FORMAT,
        run_id=run.run_id,
        created=status.finished_at,
        flawscope=core.__version__,
        versions=record.resolved.get("versions") or {},
        weights=record.resolved.get("weights") or {},
        with_model=with_model,
        members={name: digest_of(content) for name, content in sorted(members.items())},
    )
    members[MANIFEST] = encoded(manifest.model_dump())
    report(1.0, "writing")
    try:
        write_atomically(out, lambda file: pack(file, members))
    except OSError as error:
        raise RunError(
            f"The capsule cannot be written to {out} ({error.strerror or error}); choose another "
            "place with --out."
        ) from error
    return manifest


def data_root(record: Record) -> Path | None:
    """Where the data set lay when the run was made; None when the record does not say."""
    root = (record.resolved.get("dataset") or {}).get("root")
    return Path(root) if isinstance(root, str) and root else None


def _images(run: RunDirectory, record: Record, report: Report) -> dict[str, ImageFacts]:
    """Size and hash of every test image and mask, as they are now."""
    root = data_root(record)
    rows = run.read_table(RunDirectory.SAMPLES).to_pylist()
    samples = [row for row in rows if row["split"] == "test"]
    found = {}
    for done, row in enumerate(samples, 1):
        masks = {str(mask): file_facts(root, str(mask)) for mask in row["masks"] or ()}
        found[str(row["key"])] = ImageFacts(image=file_facts(root, row["key"]), masks=masks)
        report(done / len(samples), f"image {done} of {len(samples)}")
    return found


def gone(images: dict[str, ImageFacts]) -> int:
    """How many of the images and masks could not be read."""
    files: list[Facts] = [
        facts for one in images.values() for facts in (one.image, *one.masks.values())
    ]
    return files.count(GONE)


def _thresholds(workspace: Workspace, run: RunDirectory) -> dict[str, Thresholds]:
    """Of every class: oracle, held-out, and the one a person chose."""
    found: dict[str, Thresholds] = {}
    for row in run.read_table(RunDirectory.METRICS).to_pylist():
        if row["class_name"] == MEAN or not whole(row):
            continue
        held = found.setdefault(str(row["class_name"]), Thresholds())
        if row["metric"] == "image_f1max_threshold":
            held.oracle = row["value"]
        elif row["metric"] == "image_threshold_heldout":
            held.held_out = row["value"]
    if run.has(RunDirectory.CURVES):
        for row in run.read_table(RunDirectory.CURVES).to_pylist():
            if row["curve"] == "heldout_scores" and row["class_name"] in found:
                found[row["class_name"]].held_out_scores.append(float(row["x"]))
    kept = thresholds.chosen(workspace, run.run_id)
    points = judging.points(workspace, run)
    for name, held in found.items():
        if name in points:
            held.judged_by = points[name].kind
        if (one := thresholds.in_use(kept, name)) is not None:
            held.chosen = {
                "value": one.value, "upper": one.upper, "name": one.name, "origin": one.origin,
                "author": one.author, "chosen_at": one.chosen_at,
            }  # fmt: skip
    return found


def whole(row: dict[str, Any]) -> bool:
    """Whether a row of metrics.parquet is of a whole class, by the exact convention."""
    return row.get("convention", EXACT) == EXACT and not row.get("anomaly_type")


def _model_files(run: RunDirectory) -> dict[str, Path]:
    """The checkpoint's files, by their name below checkpoint/."""
    folder = run.path / RunDirectory.CHECKPOINT
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}
