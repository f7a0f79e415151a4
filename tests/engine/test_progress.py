"""Progress: grows, ends below one until done, listens for the request to cancel."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import RunConfig
from core.engine import progress as module
from core.engine.progress import Progress
from core.errors import Cancelled
from core.runs import RunDirectory
from core.workspace import Workspace


class Clock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    config = RunConfig(data="demo", method="rd")
    return RunDirectory.create(Workspace(tmp_path), config)


def test_time_left_follows_the_pace(run: RunDirectory, clock: Clock) -> None:
    progress = Progress(run, {"prepare": 10.0, "train": 10.0, "predict": 80.0})
    progress.phase("prepare")
    clock.now += 20.0
    progress.update(1.0)
    progress.phase("train")
    clock.now += 30.0
    progress.update(0.25, "epoch 1 of 4", "12 images/s")
    status = run.stored_status()
    # a quarter took 30 s: 90 s of training left, and 80 s of predicting still expected
    assert status.eta_seconds == pytest.approx(90 + 80)
    assert status.progress == pytest.approx(50 / (50 + 170))
    assert (status.phase, status.rate) == ("train", "12 images/s")


def test_progress_never_falls_and_never_says_done(run: RunDirectory, clock: Clock) -> None:
    progress = Progress(run, {"train": 1.0, "predict": 1.0})
    seen = []
    for phase in ("train", "predict"):
        progress.phase(phase)
        for step in range(1, 11):
            clock.now += 7.0 if phase == "predict" else 1.0
            progress.update(step / 10)
            seen.append(run.stored_status().progress)
    assert seen == sorted(seen) and seen[-1] < 1.0
    assert progress.finish() == {"train": 10.0, "predict": 70.0}


def test_what_has_not_begun_is_not_nearly_done(run: RunDirectory, clock: Clock) -> None:
    progress = Progress(run, {"train": 5.0, "predict": 5.0})
    progress.phase("train")
    for _ in range(10):
        clock.now += 10.0
        progress.update(0.0, "frozen features")
    assert run.stored_status().progress < 0.5


def test_status_is_written_at_most_twice_a_second(run: RunDirectory, clock: Clock) -> None:
    progress = Progress(run, {"train": 1.0})
    progress.phase("train")
    stamps = set()
    for _ in range(100):
        clock.now += 0.01
        progress.update(0.5, f"at {clock.now}")
        stamps.add(run.stored_status().message)
    assert len(stamps) <= 3


def test_a_request_to_cancel_is_heard(run: RunDirectory, clock: Clock) -> None:
    progress = Progress(run, {"train": 1.0})
    progress.phase("train")
    run.request_cancel()
    clock.now += 1.0
    with pytest.raises(Cancelled, match="kept"):
        progress.update(0.5)
