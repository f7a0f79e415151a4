"""Workers as the dashboard keeps them: started, busy, idle, crashed, at most two."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.trials import GONE, Draft, Trial
from core.workspace import Workspace
from dashboard import trial_workers
from dashboard.trial_workers import Busy, Workers

FAKE = """
import json, os, sys, time
from core.trials import Trial
from core.workspace import Workspace, write_json
place = Workspace.locate(sys.argv[-1])
for line in sys.stdin:
    asked = json.loads(line)
    trial = Trial.open(place, asked["trial"])
    if asked["do"] == "try":
        trial.update(state="working")
        name = trial.request().images[0].name
        if name == "crash.png":
            os._exit(9)
        while name == "slow.png" and not trial.cancelled():
            time.sleep(0.02)
        trial.update(state="cancelled" if trial.cancelled() else "done")
    else:
        write_json(trial.spot_file(asked["row"]), {"state": "done"})
    print("some library talks")
    print(json.dumps({"did": asked["do"], "trial": asked["trial"]}), flush=True)
"""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def workers(place: Workspace, tmp_path: Path) -> Iterator[Workers]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    pool = Workers(place, [sys.executable, str(script)])
    yield pool
    for run_id in pool.alive():
        worker = pool.of(run_id)
        if worker is not None:
            worker.kill()


def trial(place: Workspace, run_id: str, name: str = "a.png") -> Trial:
    draft = Draft(place, 64)
    draft.intake.data(name, b"x")
    return draft.finish(run_id, "tile", "upload")


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def test_one_worker_answers_again_and_again(place: Workspace, workers: Workers) -> None:
    first, second = trial(place, "r1"), trial(place, "r1")
    workers.try_(first)
    assert first.status().process is not None, "its worker is noted before it answers"
    workers.try_(second)
    workers.compare(first, 0)
    until(lambda: second.status().state == "done" and first.spot(0) == {"state": "done"})
    assert workers.alive() == ["r1"]
    worker = workers.of("r1")
    assert worker is not None
    until(lambda: not worker.busy)


def test_a_crash_is_a_sentence_and_the_next_trial_gets_a_new_worker(
    place: Workspace, workers: Workers
) -> None:
    bad = trial(place, "r1", "crash.png")
    workers.try_(bad)
    until(lambda: bad.status().state == "failed")
    assert bad.status().error == GONE
    good = trial(place, "r1")
    workers.try_(good)
    until(lambda: good.status().state == "done")


def test_at_most_two_and_the_idle_one_makes_room(place: Workspace, workers: Workers) -> None:
    slow, quick, third = trial(place, "r1", "slow.png"), trial(place, "r2"), trial(place, "r3")
    workers.try_(slow)
    workers.try_(quick)
    idle = workers.of("r2")
    assert idle is not None
    until(lambda: quick.status().state == "done" and not idle.busy)
    workers.try_(third)
    until(lambda: third.status().state == "done" and not idle.alive)
    assert sorted(workers.alive()) == ["r1", "r3"], "who is at work stays, the idle one goes"
    busy = trial(place, "r3", "slow.png")
    workers.try_(busy)
    with pytest.raises(Busy):
        workers.try_(trial(place, "r4"))
    slow.cancel()
    busy.cancel()
    until(lambda: slow.status().state == "cancelled" and busy.status().state == "cancelled")


def test_closing_the_input_ends_a_worker(place: Workspace, workers: Workers) -> None:
    workers.try_(trial(place, "r1"))
    worker = workers.of("r1")
    assert worker is not None
    workers.close()
    until(lambda: not worker.alive)


def test_the_real_worker_refuses_and_ends(place: Workspace) -> None:
    """A run that is not there: the trial says so, and the process does not stay."""
    pool = Workers(place)
    asked = trial(place, "no-such-run")
    pool.try_(asked)
    worker = pool.of("no-such-run")
    assert worker is not None
    until(lambda: asked.status().state == "failed" and not worker.alive, 60)
    assert "There is no run 'no-such-run'" in str(asked.status().error)
    assert (place.logs / "try.log").exists()


def test_the_real_worker_ends_when_idle(place: Workspace) -> None:
    command = [*trial_workers.COMMAND, "--idle", "0.2"]
    pool = Workers(place, command)
    pool.try_(trial(place, "gone"))
    worker = pool.of("gone")
    assert worker is not None
    until(lambda: not worker.alive, 60)


def test_requests_are_lines_of_json(place: Workspace, tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text("import sys; open(sys.argv[-1] + '/seen', 'w').write(sys.stdin.readline())")
    pool = Workers(place, [sys.executable, str(script)])
    asked = trial(place, "r1")
    pool.try_(asked)
    until(lambda: (place.root / "seen").exists() and bool((place.root / "seen").read_text()))
    assert json.loads((place.root / "seen").read_text()) == {"do": "try", "trial": asked.id}
