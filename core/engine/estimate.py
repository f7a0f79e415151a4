"""How long a run would take here, from a short probe on the real data and method.

Gradient methods cost the same every step: two timed steps give the rate. Memory banks cost
a n + b n^2 in the number n of training images (collecting, then selecting): two timed fits at
n and 2 n give a and b. Data preparation is not counted when the decoded cache exists already.
Memory is this process's at its highest; a bank's grows with n as it did from the small fit to the
large one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from core import maps
from core.config import RunConfig
from core.data.prepared import prepare
from core.engine import device as devices
from core.engine.features import Images
from core.engine.resolve import Resolved, resolve
from core.engine.training import batch_of, optimise, stepping
from core.methods.base import Batch, Method, overrides
from core.seeding import seed_everything
from core.workspace import Workspace

PROBE_IMAGES = 16
START_SECONDS = 6.0
"""A worker's start: the interpreter, torch, the backbone's weights."""


def probe(config: RunConfig, workspace: Workspace, *, prepare_all: bool = True) -> dict[str, Any]:
    """Estimated seconds of the whole run, by part, and on what the estimate rests.

    Args:
        prepare_all: False prepares the few images of the probe alone, and "prepare" is their time.

    Returns:
        {"seconds", "parts": {"prepare", "train", "predict", "evaluate"}, "basis", "memory": bytes,
        "device": "cpu" or "cuda", whose memory}.
    """
    resolved = resolve(config, workspace)
    began = time.monotonic()
    samples = resolved.dataset.samples
    trained = [sample for sample in samples if sample.split == "train"]
    few = None if prepare_all else trained[:PROBE_IMAGES]
    prepared = prepare(resolved.dataset, config.size, workspace, samples=few)
    preparing = time.monotonic() - began
    train_rows = np.asarray(prepared.rows(split="train"), dtype=np.intp)
    other = len(samples if few else prepared.samples) - (len(trained) if few else len(train_rows))
    images = Images(prepared, np.zeros(0, dtype=np.intp), resolved.device)
    seed_everything(config.seed, "probe")
    method = resolved.kind(resolved.settings, resolved.extractor(), config.size)
    method = method.to(resolved.device)
    count = len(trained) if few else len(train_rows)
    some = train_rows[:PROBE_IMAGES]
    share = len(resolved.models)  # separate models each see their own part
    growth = 0.0
    if method.learns == "bank":
        training, growth = _bank_cost(resolved, method, images, some, count, share)
    else:
        training = _step_seconds(resolved, method, images, some, count)
    predicting = _predict_seconds(method, images, some, resolved.device) * other
    parts = {
        "prepare": preparing,
        "train": training,
        "predict": predicting,
        "evaluate": 1.0 + 0.004 * other,
    }
    return {
        "seconds": START_SECONDS + sum(parts.values()),
        "parts": parts,
        "basis": f"a probe of {len(some)} images on this machine ({resolved.device})",
        "memory": int(
            devices.peak_memory(resolved.device) + growth * max(0.0, count / share - len(some))
        ),
        "device": resolved.device.type,
    }


def _batches(method: Method, images: Images, rows: np.ndarray[Any, Any], size: int) -> list[Batch]:
    starts = range(0, len(rows), size)
    return [batch_of(method, images(rows[start : start + size])) for start in starts]


def _step_seconds(
    resolved: Resolved, method: Method, images: Images, rows: np.ndarray[Any, Any], count: int
) -> float:
    """Features once, then every epoch's steps."""
    size = min(resolved.batch_size, len(rows))
    began = time.monotonic()
    batch = _batches(method, images, rows[:size], size)[0]
    devices.synchronise(resolved.device)
    feature_rate = (time.monotonic() - began) / size
    plan = method.plan()
    if overrides(method, "before_training"):
        with torch.no_grad():
            method.eval().before_training(iter([batch]), lambda fraction, message: None)
    seconds = []
    for epoch in (0, resolved.epochs // 2, resolved.epochs - 1):  # the first warms up
        method.on_epoch(epoch, resolved.epochs)
        method.train()
        began = time.monotonic()
        for losses in stepping(method, batch, resolved.device):
            optimise(plan, losses)
        devices.synchronise(resolved.device)
        seconds.append(time.monotonic() - began)
    steps = max(1, count // size) * resolved.epochs
    return feature_rate * count + float(np.mean(seconds[1:])) * steps


def _bank_cost(
    resolved: Resolved,
    method: Method,
    images: Images,
    rows: np.ndarray[Any, Any],
    count: int,
    models: int,
) -> tuple[float, float]:
    """Seconds of all fits, and bytes that each further image of a model's own adds."""

    def fit(amount: int) -> float:
        began = time.monotonic()
        method.fit_bank(
            iter(_batches(method, images, rows[:amount], resolved.batch_size)), lambda f, m: None
        )
        devices.synchronise(resolved.device)
        return time.monotonic() - began

    half = max(1, len(rows) // 2)
    fit(half)
    small = fit(half)
    before = devices.peak_memory(resolved.device)
    large = fit(len(rows))
    if len(rows) <= half:
        return large * count / len(rows), 0.0
    growth = (devices.peak_memory(resolved.device) - before) / (len(rows) - half)
    square = max(0.0, (large / len(rows) - small / half) / (len(rows) - half))
    linear = max(0.0, large / len(rows) - square * len(rows))
    return linear * count + square * count * count / models, growth


def _predict_seconds(
    method: Method, images: Images, rows: np.ndarray[Any, Any], device: torch.device
) -> float:
    """Seconds an image, warm."""
    method.eval()
    seconds = 0.0
    with torch.inference_mode():
        for _ in range(2):
            began = time.monotonic()
            maps.finish(method.predict(images(rows)), method.rule, method.size)
            devices.synchronise(device)
            seconds = time.monotonic() - began
    return seconds / len(rows)
