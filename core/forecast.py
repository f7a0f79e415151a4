"""What a run would cost on this machine, told before it is started.

    preparation(dataset, size, workspace) -> Preparation     seconds and disk
    training(dataset, methods, workspace) -> Training each   seconds and memory

Preparation: a few images and masks, spread over the data set, are decoded and resized on one core.
Training: for each method two batches are run in a process of its own (`core.engine.estimate`),
whose memory at its highest is the method's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import RunConfig
from core.data.base import Dataset
from core.data.catalogue import registered
from core.data.images import decode, decode_mask, squash, squash_mask
from core.data.layout import inside
from core.data.prepare_fill import Report, cores, images_to_do, look_up, masks_to_do
from core.data.prepare_hashes import Hashes
from core.data.prepare_pool import Pool
from core.errors import DataError
from core.types import PresetName, Sample
from core.workspace import Workspace

SAMPLED = 24
"""Images that are timed."""
PARALLEL = 0.9
"""Of a further core's speed, what threads make of it."""
LONGEST = 600.0
"""Seconds after which a probe is ended."""
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What decoding a data set at a size would cost.

    Attributes:
        seconds: of this machine's cores; 0 when all is prepared.
        bytes: of disk that would be written; `free` there is.
        images, masks: still to be prepared.
        sampled: images the rate was measured on.
    """

    seconds: float
    bytes: int
    free: int
    images: int
    masks: int
    sampled: int

    def words(self) -> str:
        """In a sentence."""
        if not self.images and not self.masks:
            return "done already."
        room = "" if self.bytes <= self.free else f", of which {_size(self.free)} are free"
        return f"about {_time(self.seconds)} and {_size(self.bytes)} of disk{room}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a run of a method would cost.

    Attributes:
        method: its id.
        seconds: of the whole run, preparation left out; None when it could not be measured.
        parts: seconds of "train", "predict" and "evaluate".
        memory: bytes at the highest, of the GPU's memory where `device` is "cuda".
        basis: on what the numbers rest.
        problem: why there are none, one sentence.
    """

    method: str
    seconds: float | None = None
    parts: dict[str, float] | None = None
    memory: int | None = None
    device: str = ""
    basis: str = ""
    problem: str = ""

    def words(self) -> str:
        """In a sentence."""
        if self.seconds is None or self.memory is None:
            return self.problem
        where = "GPU memory" if self.device == "cuda" else "memory"
        return f"about {_time(self.seconds)} and {_size(self.memory)} of {where}; {self.basis}."


def preparation(dataset: Dataset, size: int, workspace: Workspace) -> Preparation:
    """Predict the time and disk `core.data.prepared.prepare` would take.

    Decodes up to `SAMPLED` images and their masks; writes nothing.
    """
    pool = Pool(workspace, size)
    index, found = pool.load(), look_up(dataset.samples, Hashes(dataset.root, workspace))
    images = images_to_do(dataset.samples, found, index)
    masks = masks_to_do(dataset.samples, found, index)
    some = images[:: max(1, len(images) // SAMPLED)][:SAMPLED]
    masked = masks[:: max(1, len(masks) // SAMPLED)][:SAMPLED]
    a_image = _seconds_each(dataset.root, some, size, masks=False)
    a_mask = _seconds_each(dataset.root, masked, size, masks=True)
    speed = 1 + PARALLEL * (cores() - 1)
    return Preparation(
        seconds=(a_image * len(images) + a_mask * len(masks)) / speed,
        bytes=pool.image_bytes * len(images) + pool.region_bytes * len(masks),
        free=shutil.disk_usage(workspace.prepared).free,
        images=len(images),
        masks=len(masks),
        sampled=len(some),
    )


def training(
    dataset: Dataset,
    methods: Sequence[str],
    workspace: Workspace,
    *,
    size: int = 256,
    preset: PresetName = "ader",
    device: str = "auto",
    tell: Report | None = None,
) -> tuple[Training, ...]:
    """Predict what training each method on the data set and testing it would take.

    Args:
        methods: ids; one that cannot be probed gets a `problem`.
        tell: called before each with the fraction done and a message.
    """
    name = dataset.name
    known = any(one.name == name and one.path == dataset.root for one in registered(workspace))
    told = []
    for number, method in enumerate(methods):
        if tell is not None:
            tell(number / len(methods), f"two batches of {method}")
        config = RunConfig(
            data=name if known else str(dataset.root), method=method, size=size, preset=preset,
            device=device,
        )  # fmt: skip
        told.append(_probed(config, workspace))
    return tuple(told)


def _seconds_each(root: Path, samples: Sequence[Sample], size: int, *, masks: bool) -> float:
    """Seconds one sample takes on one core; those that cannot be read take none."""
    began, done = time.perf_counter(), 0
    for sample in samples:
        try:
            if masks:
                for key in sample.masks:
                    squash_mask(decode_mask(inside(root, key), key), (size, size))
            else:
                squash(decode(inside(root, sample.key), sample.key).image, size)
            done += 1
        except (OSError, DataError):
            continue
    return (time.perf_counter() - began) / max(1, done)


def _probed(config: RunConfig, workspace: Workspace) -> Training:
    """Two batches in a process of their own."""
    command = [
        sys.executable, "-m", "core", "probe", config.model_dump_json(),
        "--workspace", str(workspace.root),
    ]  # fmt: skip
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONGEST,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Training(
            method=config.method,
            problem=f"The probe took over {LONGEST / 60:.0f} minutes and was ended; queue a run to "
            "find out.",
        )
    if child.returncode != 0:
        said = (child.stderr.strip().splitlines() or ["no reason was given"])[-1]
        return Training(method=config.method, problem=f"It could not be measured: {said}")
    found: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    parts = {name: seconds for name, seconds in found["parts"].items() if name != "prepare"}
    return Training(
        method=config.method,
        seconds=found["seconds"] - found["parts"]["prepare"],
        parts=parts,
        memory=found["memory"],
        device=found["device"],
        basis=found["basis"],
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(bytes: int) -> str:
    return f"{bytes / 1e9:.1f} GB" if bytes >= 1e9 else f"{max(1.0, bytes / 1e6):.0f} MB"
