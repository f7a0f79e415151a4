"""How long a run will take, from similar runs that ended well on this machine.

A run counts as similar when method, its settings, setting and device are the same, the machine is
this one, and the work differs by at most `FAR` times. Its time is scaled: training of gradient
methods by images x epochs x pixels; the rest by images x pixels. A memory bank's time grows
between linearly and quadratically with images, so both are computed and the range is given.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from core.config import RunConfig
from core.console import duration
from core.runs import Record, Status

FAR = 8.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do; `epochs` is None for methods that fill a memory bank."""

    train: int
    test: int
    size: int
    epochs: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, lowest and highest, and on what they rest."""

    low: float
    high: float
    basis: str

    @property
    def words(self) -> str:
        return time_range(self.low, self.high)


def time_range(low: float, high: float) -> str:
    """ "40 s to 2 min", or one time when both read the same."""
    short, long = duration(low), duration(high)
    return short if short == long else f"{short} to {long}"


def this_machine() -> dict[str, Any]:
    """What identifies the machine in a run's record."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def from_similar(
    config: RunConfig,
    work: Work,
    settings: Mapping[str, Any],
    runs: Iterable[tuple[Record, Status]],
    machine: Mapping[str, Any],
) -> Estimate | None:
    """Seconds of `config` from similar runs; None when there is none.

    Args:
        settings: the method's settings in full, defaults too.
        runs: runs of any state.
        machine: of `this_machine`.
    """
    ranges = [
        scaled(done, work, status.facts)
        for record, status in runs
        if status.state == "succeeded"
        and _alike(config, settings, record, machine)
        and (done := work_of(record)) is not None
        and _near(done, work)
        and status.facts.get("seconds")
    ]
    if not ranges:
        return None
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    count = len(ranges)
    return Estimate(low, high, f"from {count} similar run{'s' * (count != 1)} here")


def work_of(record: Record) -> Work | None:
    """What a finished run did, from its record."""
    counts = record.resolved.get("dataset", {}).get("counts")
    if not counts:
        return None
    held_out = counts.get("calibration", 0)
    return Work(
        counts["train"], counts["test"] + held_out, record.config.size, record.resolved["epochs"]
    )


def scaled(done: Work, wanted: Work, facts: Mapping[str, Any]) -> tuple[float, float]:
    """Lowest and highest seconds of `wanted`, given what `done` took."""
    train = float(facts.get("train_seconds") or 0.0)
    rest = max(float(facts["seconds"]) - train, 0.0)
    pixels = (wanted.size / done.size) ** 2
    rest *= pixels * (wanted.train + wanted.test) / max(done.train + done.test, 1)
    more = pixels * wanted.train / max(done.train, 1)
    if wanted.epochs is not None and done.epochs:
        both = train * more * wanted.epochs / done.epochs
        return both + rest, both + rest
    first, second = sorted((train * more, train * more**2))
    return first + rest, second + rest


def _near(done: Work, wanted: Work) -> bool:
    ratio = _amount(wanted) / max(_amount(done), 1)
    return 1 / FAR <= ratio <= FAR


def _amount(work: Work) -> int:
    return work.train * work.size**2 * (work.epochs or 1)


def _alike(
    config: RunConfig, settings: Mapping[str, Any], record: Record, machine: Mapping[str, Any]
) -> bool:
    theirs = record.resolved.get("machine", {})
    asked = record.config
    return (
        asked.method == config.method
        and asked.setting == config.setting
        and config.device in (asked.device, record.resolved.get("device"))
        and record.resolved.get("method_config") == dict(settings)
        and all(theirs.get(key) == value for key, value in machine.items())
    )
