"""Carries one run from its config to its tables; every run, of every method, passes here.

prepare -> (train, predict) for each model -> evaluate. A run that was killed or cancelled goes
on from its checkpoints: finished models are loaded, an unfinished one continues at its epoch,
prediction (seconds, deterministic) is done again.
"""

from __future__ import annotations

import logging
import signal
from collections import defaultdict
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core.config import RunConfig
from core.data.prepared import Prepared, prepare
from core.engine import device as devices
from core.engine.features import ImageBatch, Images
from core.engine.prediction import Pace, predict, report_pace
from core.engine.progress import Progress
from core.engine.resolve import Resolved, resolve
from core.engine.scoring import Scoring
from core.engine.tables import sample_table
from core.engine.training import Task, train
from core.errors import Cancelled, FlawscopeError, RunError
from core.methods.base import Method
from core.runs import Record, RunDirectory
from core.seeding import seed_everything
from core.types import State
from core.workspace import Workspace, now

log = logging.getLogger(__name__)


def execute(workspace: Workspace, run: RunDirectory) -> State:
    """Carry the run out in this process; the outcome is in its status, never an exception.

    SIGTERM counts as a request to cancel.
    """
    config = run.record().config
    run.claim(config.device)
    began = run.stored_status().started_at or now()
    run.update_status(state="running", started_at=began, finished_at=None, error=None)
    signal.signal(signal.SIGTERM, _cancel)
    try:
        facts = _carry_out(workspace, run)
        changes: dict[str, Any] = {"state": "succeeded", "progress": 1.0, "phase": "done"}
        changes |= {"facts": facts, "message": ""}
    except Cancelled as stop:
        changes = {"state": "cancelled", "error": str(stop)}
    except FlawscopeError as error:
        log.error("%s", error, exc_info=error.__cause__)
        changes = {"state": "failed", "error": str(error)}
    except Exception as error:
        log.exception("unexpected")
        sentence = (
            f"Something unforeseen stopped the run ({type(error).__name__}); its log has the "
            "details, and what was saved is kept."
        )
        changes = {"state": "failed", "error": sentence}
    run.update_status(**changes, eta_seconds=None, rate=None, finished_at=now())
    run.event("ended", state=changes["state"], error=changes.get("error"))
    state: State = changes["state"]
    return state


def _cancel(signum: int, frame: FrameType | None) -> None:
    raise Cancelled("The run was told to stop; what was saved is kept, and it can be resumed.")


@dataclass(frozen=True, slots=True)
class _Work:
    """What the steps of one run share."""

    workspace: Workspace
    run: RunDirectory
    resolved: Resolved
    prepared: Prepared
    progress: Progress
    images: ImageBatch

    def rows(self, split: str, classes: tuple[str, ...]) -> npt.NDArray[np.intp]:
        parts = [self.prepared.rows(split=split, class_name=name) for name in classes]
        return np.concatenate(parts).astype(np.intp)


def _carry_out(workspace: Workspace, run: RunDirectory) -> dict[str, Any]:
    record = run.record()
    resolved = resolve(_pinned(record), workspace)
    samples = resolved.dataset.samples
    train_images = sum(sample.split == "train" for sample in samples)
    test_images = sum(sample.split != "train" for sample in samples)
    epochs = resolved.epochs if resolved.kind.learns == "gradient" else 1
    progress = Progress(
        run,
        {
            "prepare": 0.005 * len(samples),
            "train": 0.02 * train_images * epochs + 2.0,
            "predict": 0.03 * test_images,
            "evaluate": 1.0 + 0.004 * test_images,
        },
    )
    progress.phase("prepare", "decoding images")
    prepared = prepare(
        resolved.dataset, record.config.size, workspace, report=lambda f, m: progress.update(f, m)
    )
    _check_unchanged(record.resolved, prepared.fingerprint, resolved.weights.sha256)
    run.write_record(replace(record, resolved=resolved.record(prepared.fingerprint)))
    run.write_table(RunDirectory.SAMPLES, sample_table(prepared))
    for problem in prepared.problems:
        run.event("problem", severity=problem.severity, key=problem.key, message=problem.message)
    train_rows = np.asarray(prepared.rows(split="train"), dtype=np.intp)
    images = Images(prepared, train_rows, resolved.device)
    work = _Work(workspace, run, resolved, prepared, progress, images)
    methods = _train_all(work)
    scoring, pace = _predict_all(work, methods)
    progress.phase("evaluate", "computing metrics")
    scoring.finish()
    return _facts(progress, run, methods, pace, resolved.device)


def _pinned(record: Record) -> RunConfig:
    """The config with what an earlier attempt resolved "auto" to, so that resuming repeats it."""
    if "backbone" not in record.resolved:
        return record.config
    return record.config.model_copy(update={"backbone": record.resolved["backbone"]})


def _check_unchanged(earlier: dict[str, Any], fingerprint: str, weights_sha256: str) -> None:
    before = earlier.get("dataset", {}).get("fingerprint")
    if before is not None and before != fingerprint:
        raise RunError(
            "The data set has changed since this run began, so it cannot be resumed; "
            "start a new run on the data as it is now."
        )
    if earlier.get("weights", {}).get("sha256", weights_sha256) != weights_sha256:
        raise RunError(
            "The backbone's weight file has changed since this run began, so it cannot be resumed; "
            "put the old file back, or start a new run."
        )


def _train_all(work: _Work) -> dict[str, Method]:
    resolved, config = work.resolved, work.resolved.config
    work.progress.phase("train")
    extractor = resolved.extractor()
    methods: dict[str, Method] = {}
    weights = {name: len(work.rows("train", names)) for name, names in resolved.models.items()}
    total, before = sum(weights.values()), 0
    for name, classes in resolved.models.items():
        seed_everything(config.seed, name, "initialise")
        method = resolved.kind(resolved.settings, extractor, config.size).to(resolved.device)
        task = Task(
            name=name,
            rows=work.rows("train", classes),
            share=(before / total, (before + weights[name]) / total),
            seed=config.seed,
            epochs=resolved.epochs,
            batch_size=resolved.batch_size,
            folder=work.run.path / RunDirectory.CHECKPOINT / name,
            scratch=work.workspace.prepared,
            device=resolved.device,
        )
        log.info("training %s on %d images", name, len(task.rows))
        train(method, task, work.images, work.progress)
        before += weights[name]
        methods[name] = method
    return methods


def _predict_all(work: _Work, methods: dict[str, Method]) -> tuple[Scoring, Pace]:
    """Predict test and held-out images; maps.npy is complete when this returns."""
    resolved, size = work.resolved, work.resolved.config.size
    tests = {name: work.rows("test", names) for name, names in resolved.models.items()}
    held = {name: work.rows("calibration", names) for name, names in resolved.models.items()}
    cases = sum(map(len, tests.values()))
    total = cases + sum(map(len, held.values()))
    work.progress.phase("predict")
    pace, done, place = Pace(), 0, 0
    scoring = Scoring(work.run, work.prepared, cases, resolved.config.seed)
    images = Images(work.prepared, np.zeros(0, dtype=np.intp), resolved.device)
    with work.run.writing_maps((cases, size, size)) as stored:
        for name, method in methods.items():
            arguments = (images, resolved.batch_size, resolved.device, pace)
            for batch in predict(method, tests[name], *arguments):
                stored[place : place + len(batch.rows)] = scoring.take(batch)
                place += len(batch.rows)
                done += len(batch.rows)
                report_pace(work.progress, done, total, pace)
            for batch in predict(method, held[name], *arguments):
                scoring.hold_out(batch)
                done += len(batch.rows)
                report_pace(work.progress, done, total, pace)
    return scoring, pace


def _facts(
    progress: Progress,
    run: RunDirectory,
    methods: dict[str, Method],
    pace: Pace,
    device: torch.device,
) -> dict[str, Any]:
    """Measured figures, over all attempts of the run."""
    progress.finish()
    seconds: dict[str, float] = defaultdict(float)
    for event in run.events():
        if event["kind"] == "phase_done":
            seconds[event["phase"]] += event["seconds"]
    first = next(iter(methods.values()))
    return {
        "seconds": round(sum(seconds.values()), 3),
        "train_seconds": round(seconds["train"], 3),
        "images_per_second": pace.images_per_second,
        "peak_memory_bytes": devices.peak_memory(device),
        "parameters": sum(p.numel() for p in first.parameters() if p.requires_grad),
        "models": len(methods),
    }
