"""The one training loop, for every method.

Every epoch draws from its own seed, so that a run resumed after epoch k goes on exactly as an
undisturbed one. Frozen features are computed once (`FrozenFeatures`); memory banks stream.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.engine import checkpoint
from core.engine import device as devices
from core.engine.checkpoint import Position
from core.engine.features import FrozenFeatures, ImageBatch
from core.engine.progress import Progress
from core.errors import Diverged
from core.methods.base import Batch, Method, Plan, overrides
from core.seeding import seed_everything

SAVE_EVERY_SECONDS = float(os.environ.get("FLAWSCOPE_CHECKPOINT_SECONDS", "20"))
CHECK_EVERY_STEPS = 10

BatchSource = Callable[[Tensor], Batch]
"""Places among a task's images (int64, on the CPU) -> their batch."""
Hook = Literal["before_training", "after_training"]


@dataclass(frozen=True, slots=True)
class Task:
    """One model to train.

    Attributes:
        name: the model's name ("all" or a class); also its checkpoint folder's.
        rows: sample rows of its training images.
        share: (from, to) of the training phase that this model takes, for progress.
    """

    name: str
    rows: npt.NDArray[np.intp]
    share: tuple[float, float]
    seed: int
    epochs: int
    batch_size: int
    folder: Path
    scratch: Path
    device: torch.device


def train(method: Method, task: Task, images: ImageBatch, progress: Progress) -> None:
    """Train `method` (or go on from its latest checkpoint) and save it as finished."""
    held = checkpoint.position(task.folder)
    if held is not None and held.finished:
        checkpoint.load(task.folder, method)
        return
    if method.learns == "bank":
        _fit_bank(method, task, images, progress)
    else:
        _descend(method, task, images, progress)


def _within(task: Task, fraction: float) -> float:
    low, high = task.share
    return low + (high - low) * fraction


def _fit_bank(method: Method, task: Task, images: ImageBatch, progress: Progress) -> None:
    seed_everything(task.seed, task.name, "bank")

    def batches() -> Iterator[Batch]:
        started = time.monotonic()
        for start in range(0, len(task.rows), task.batch_size):
            yield batch_of(method, images(task.rows[start : start + task.batch_size]))
            seen = min(start + task.batch_size, len(task.rows))
            rate = f"{seen / max(time.monotonic() - started, 1e-9):.0f} images/s"
            progress.update(_within(task, 0.3 * seen / len(task.rows)), "collecting", rate)

    def report(fraction: float, message: str) -> None:
        progress.update(_within(task, 0.3 + 0.7 * fraction), message)

    with devices.memory_guard("filling the memory bank", "the coreset ratio or --size"):
        method.fit_bank(batches(), report)
    checkpoint.save(task.folder, method, (), Position(1, finished=True))


def batch_of(method: Method, images_BCHW: Tensor) -> Batch:
    """What the method trains on, of these images, features computed here and now."""
    features = () if method.trains_on == "images" else method.features(images_BCHW)
    return Batch(None if method.trains_on == "features" else images_BCHW, features)


def _descend(method: Method, task: Task, images: ImageBatch, progress: Progress) -> None:
    plan = method.plan()
    rates = [[group["lr"] for group in o.param_groups] for o in plan.optimizers]
    held = checkpoint.position(task.folder)
    done = checkpoint.load(task.folder, method, plan.optimizers).epochs_done if held else 0
    frozen = _frozen(method, task, images, progress)
    source = _batch_source(method, task, images, frozen)
    if held is None:
        _look_through(method, task, source, progress, "before_training")
    saved = time.monotonic()
    for epoch in range(done, task.epochs):
        seed_everything(task.seed, task.name, "epoch", epoch)
        method.on_epoch(epoch, task.epochs)
        _set_rates(plan, rates, epoch, task.epochs)
        with devices.memory_guard("training", f"--batch-size (now {task.batch_size}) or --size"):
            _epoch(method, plan, task, epoch, source, progress)
        if epoch + 1 == task.epochs:
            _look_through(method, task, source, progress, "after_training")
        finished = epoch + 1 == task.epochs
        if finished or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            checkpoint.save(task.folder, method, plan.optimizers, Position(epoch + 1, finished))
            saved = time.monotonic()
    if frozen is not None:
        frozen.close()


def _look_through(
    method: Method, task: Task, source: BatchSource, progress: Progress, hook: Hook
) -> None:
    """Let the method's own hook, if it has one, see every training batch once, in order."""
    if not overrides(method, hook):
        return
    seed_everything(task.seed, task.name, hook)
    at = 0.0 if hook == "before_training" else 1.0
    saying = "measuring before training" if hook == "before_training" else "measuring at the end"

    def report(fraction: float, message: str) -> None:
        progress.update(_within(task, at), f"{message}, {fraction:.0%}")

    def batches() -> Iterator[Batch]:
        for start in range(0, len(task.rows), task.batch_size):
            progress.update(_within(task, at), f"{saying}, {start / len(task.rows):.0%}")
            yield source(torch.arange(start, min(start + task.batch_size, len(task.rows))))

    method.eval()
    with torch.no_grad(), devices.memory_guard(saying, f"--batch-size (now {task.batch_size})"):
        getattr(method, hook)(batches(), report)


def _frozen(
    method: Method, task: Task, images: ImageBatch, progress: Progress
) -> FrozenFeatures | None:
    if method.trains_on == "images":
        return None
    started = time.monotonic()

    def report(fraction: float) -> None:
        rate = fraction * len(task.rows) / max(time.monotonic() - started, 1e-9)
        progress.update(
            _within(task, 0.0), f"frozen features {fraction:.0%}", f"{rate:.0f} images/s"
        )

    with devices.memory_guard("computing frozen features", f"--batch-size (now {task.batch_size})"):
        frozen = FrozenFeatures(
            method.features, images, task.rows, task.device, task.scratch, task.batch_size, report
        )
    progress.event(
        "features",
        model=task.name,
        images=len(task.rows),
        bytes=frozen.bytes,
        where=frozen.where,
        seconds=round(time.monotonic() - started, 3),
    )
    return frozen


def _batch_source(
    method: Method, task: Task, images: ImageBatch, frozen: FrozenFeatures | None
) -> BatchSource:
    def batch_at(places: Tensor) -> Batch:
        pictures = None if method.trains_on == "features" else images(task.rows[places.numpy()])
        return Batch(pictures, () if frozen is None else frozen.batch(places))

    return batch_at


def _set_rates(plan: Plan, rates: list[list[float]], epoch: int, epochs: int) -> None:
    """The plan's schedule, from the initial rates, so that resuming needs no history."""
    factor = plan.schedule(epoch, epochs)
    for optimizer, initial in zip(plan.optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, initial, strict=True):
            group["lr"] = rate * factor


def _epoch(
    method: Method,
    plan: Plan,
    task: Task,
    epoch: int,
    source: BatchSource,
    progress: Progress,
) -> None:
    method.train()
    order = torch.randperm(len(task.rows))
    size = min(task.batch_size, len(order))
    whole = len(order) // size * size  # the last partial batch is dropped
    batches = [order[start : start + size] for start in range(0, whole, size)]
    totals: dict[str, Tensor] = {}
    steps, started = 0, time.monotonic()
    for index, places in enumerate(batches):
        for losses in stepping(method, source(places), task.device):
            optimise(plan, losses)
            for name, value in losses.items():
                totals[name] = (
                    totals.get(name, torch.zeros((), device=value.device)) + value.detach()
                )
            steps += 1
        if index % CHECK_EVERY_STEPS == 0 or index + 1 == len(batches):
            _require_finite(totals, task.name, epoch, steps)
        rate = (index + 1) * size / max(time.monotonic() - started, 1e-9)
        fraction = (epoch + (index + 1) / len(batches)) / task.epochs
        progress.update(
            _within(task, fraction), f"epoch {epoch + 1} of {task.epochs}", f"{rate:.0f} images/s"
        )
    progress.event(
        "epoch",
        model=task.name,
        epoch=epoch + 1,
        epochs=task.epochs,
        losses={name: float(total) / max(steps, 1) for name, total in totals.items()},
        learning_rate=plan.optimizers[0].param_groups[0]["lr"],
        seconds=round(time.monotonic() - started, 3),
    )


def stepping(method: Method, batch: Batch, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """The method's losses, under bf16 autocast on CUDA, float32 on the CPU."""
    steps = method.training_steps(batch)
    while True:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses = next(steps, None)
        if losses is None:
            return
        yield losses


def optimise(plan: Plan, losses: dict[str, Tensor]) -> None:
    """One step of every optimizer on the summed losses, gradients clipped as planned."""
    loss = torch.stack([value.float() for value in losses.values()]).sum()
    for optimizer in plan.optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in plan.optimizers:
        if plan.clip_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, plan.clip_norm)
        optimizer.step()


def _require_finite(totals: dict[str, Tensor], model: str, epoch: int, step: int) -> None:
    for name, total in totals.items():
        if not bool(torch.isfinite(total)):
            raise Diverged(
                f"Training diverged: the loss {name!r} of model {model!r} stopped being a finite "
                f"number by epoch {epoch + 1}, step {step}; lower the learning rate."
            )
