"""The supervisor over real processes: order, death, zombies, cancelling, restarts, races."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from fake_worker import asked, kill_supervisor, process_of, queued, supervise, until

from core import liveness
from core.jobs import queue
from core.jobs.launcher import LocalLauncher
from core.jobs.supervisor import Supervisor
from core.runs import GONE, RunDirectory
from core.store import read
from core.workspace import Workspace, write_json


@pytest.fixture
def here(workspace: Workspace) -> Supervisor:
    """A supervisor in this process, whose ticks the test drives."""
    return Supervisor(workspace, LocalLauncher(), grace_seconds=0.2)


def state(run: RunDirectory) -> str:
    return run.stored_status().state


def tick_until(here: Supervisor, run: RunDirectory, *states: str) -> None:
    def reached() -> bool:
        here.tick()
        return state(run) in states

    until(reached)


def began(run: RunDirectory) -> int:
    return sum(event["kind"] == "began" for event in run.events())


def test_submitted_runs_run_one_at_a_time_in_order_and_are_stored(workspace: Workspace) -> None:
    runs = [queue.submit(workspace, asked(seed=seed)) for seed in range(3)]
    until(lambda: len(read.runs(workspace)) == 3, seconds=25)
    assert [state(run) for run in runs] == ["succeeded"] * 3
    spans = [(run.stored_status().started_at, run.stored_status().finished_at) for run in runs]
    assert spans == sorted(spans)
    for (_, end), (start, _) in pairwise(spans):
        assert end <= start, "two runs at once on one device"
    assert [began(run) for run in runs] == [1, 1, 1]
    assert set(read.runs(workspace)["state"]) == {"succeeded"}
    pid = queue.supervisor(workspace)
    assert pid is not None
    assert os.getsid(pid) == pid, "it must outlive the terminal that started it"
    again = supervise(workspace)
    assert again.wait(15) == 0
    assert queue.supervisor(workspace) == pid


def test_it_leaves_when_idle_and_a_run_queued_meanwhile_is_not_lost(workspace: Workspace) -> None:
    """Runs are submitted at random moments around the supervisor's leaving."""
    first = supervise(workspace, "--idle", "0")
    runs = []
    for pause in (0.0, 0.05, 0.1, 0.2):
        time.sleep(pause)
        runs.append(queue.submit(workspace, asked()))
    until(lambda: all(state(run) == "succeeded" for run in runs), seconds=25)
    assert [began(run) for run in runs] == [1] * 4
    assert first.wait(10) == 0


def test_leaving_looks_at_the_queue_once_more(workspace: Workspace, here: Supervisor) -> None:
    queue.note_supervisor(workspace)
    run = queued(workspace)
    assert not here._leave()
    run.update_status(state="cancelled")
    assert here._leave()
    assert queue.supervisor(workspace) is None, "the next submit must start another one"


def test_a_killed_worker_is_failed_with_the_reason_and_can_go_on(
    workspace: Workspace, here: Supervisor
) -> None:
    run = queued(workspace, "hang")
    tick_until(here, run, "running")
    os.kill(process_of(run)["pid"], signal.SIGKILL)
    tick_until(here, run, "failed")
    assert run.stored_status().error == GONE
    assert run.stored_status().finished_at
    other = queued(workspace)
    tick_until(here, other, "succeeded")  # the device is free again


def test_a_worker_that_dies_before_its_first_word_is_not_started_for_ever(
    workspace: Workspace, here: Supervisor
) -> None:
    run = queued(workspace, "die")
    tick_until(here, run, "failed")
    error = run.stored_status().error or ""
    assert "before the run began" in error
    assert "ImportError: no module named nothing" in error
    assert not here.tick()


def test_a_worker_that_cannot_start_fails_the_run(workspace: Workspace) -> None:
    run = queued(workspace)
    Supervisor(workspace, LocalLauncher(["/nonexistent/python"])).tick()
    assert "could not be started" in (run.stored_status().error or "")


def test_a_zombie_counts_as_dead(workspace: Workspace, here: Supervisor) -> None:
    run = queued(workspace)
    child = subprocess.Popen([sys.executable, "-c", ""])
    write_json(run.path / RunDirectory.PROCESS, liveness.identity(child.pid) | {"device": "cpu"})
    run.update_status(state="running")
    until(lambda: not run.process_alive())
    os.kill(child.pid, 0)  # the pid is still there: nobody has waited for it
    here.tick()
    assert (state(run), run.stored_status().error) == ("failed", GONE)
    child.wait()


def test_a_pid_that_was_given_to_another_process_counts_as_dead(
    workspace: Workspace, here: Supervisor
) -> None:
    run = queued(workspace)
    run.claim("cpu")
    run.update_status(state="running")
    here.tick()
    assert state(run) == "running"
    held = process_of(run)
    write_json(run.path / RunDirectory.PROCESS, held | {"started": held["started"] - 60})
    here.tick()
    assert state(run) == "failed"


def test_a_run_that_ended_just_before_it_was_looked_at_keeps_its_word(
    workspace: Workspace, here: Supervisor
) -> None:
    run = queued(workspace)
    run.update_status(state="succeeded")
    here._bury(run)
    assert state(run) == "succeeded"


def test_a_running_run_stops_when_asked(workspace: Workspace, here: Supervisor) -> None:
    run = queued(workspace, "hang")
    tick_until(here, run, "running")
    queue.note_supervisor(workspace)  # this process is it: none is to be started
    queue.cancel(workspace, run.run_id)
    until(lambda: state(run) == "cancelled")
    queue.supervisor_file(workspace).unlink()


def test_a_run_that_does_not_stop_is_ended(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.supervisor.KILL_AFTER_SECONDS", 0.3)
    here = Supervisor(workspace, LocalLauncher(), grace_seconds=0.1)
    run = queued(workspace, "ignore")
    tick_until(here, run, "running")
    run.request_cancel()
    tick_until(here, run, "cancelled", "failed")
    assert state(run) == "cancelled"
    assert not run.process_alive()


def test_workers_that_outlived_a_supervisor_are_recognised(
    workspace: Workspace, here: Supervisor
) -> None:
    run, after = queued(workspace, "hang"), queued(workspace)
    here.tick()  # started, and not yet able to say so itself
    successor = Supervisor(workspace, LocalLauncher())
    assert successor.tick()
    tick_until(successor, run, "running")
    assert state(after) == "queued"
    assert began(run) == 1
    run.request_cancel()
    tick_until(successor, after, "succeeded")
    assert state(run) == "cancelled"


def test_a_killed_supervisor_is_replaced(workspace: Workspace) -> None:
    slow = queue.submit(workspace, asked("hang"))
    until(lambda: state(slow) == "running")
    kill_supervisor(workspace)
    assert slow.process_alive(), "workers outlive their supervisor"
    after = queue.submit(workspace, asked())
    assert queue.supervisor(workspace) is not None
    queue.cancel(workspace, slow.run_id)
    until(lambda: state(after) == "succeeded")
    assert (state(slow), began(slow)) == ("cancelled", 1)


def test_runs_on_other_devices_do_not_wait_and_none_is_overtaken(workspace: Workspace) -> None:
    class Held:
        """A worker that this process stands for, until its run has ended."""

        pid = os.getpid()

        def __init__(self, run: RunDirectory) -> None:
            self.run = run

        def poll(self) -> int | None:
            return 0 if self.run.stored_status().ended else None

    class Noted:
        """Starts nothing; notes the order of devices."""

        def __init__(self) -> None:
            self.order: list[str] = []

        def start(self, workspace: Workspace, run: RunDirectory) -> Held:
            self.order.append(run.record().config.device)
            run.claim(run.record().config.device)
            return Held(run)

    noted = Noted()
    here = Supervisor(workspace, noted)
    first = queued(workspace, device="cuda:1")
    for device in ("cuda:1", "cpu", "auto", "cuda:0"):
        queued(workspace, device=device)
    here.tick()
    here.tick()
    assert noted.order == ["cuda:1", "cpu"], "cuda:0 must not overtake auto"
    first.update_status(state="succeeded")
    here.tick()
    assert noted.order == ["cuda:1", "cpu", "cuda:1"]


def test_a_store_that_fails_is_tried_again(
    workspace: Workspace, here: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.store import ingest

    run = queued(workspace)
    run.update_status(state="cancelled")
    here.tick()
    real = ingest.refresh

    def broken(workspace: Workspace) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(ingest, "refresh", broken)
    here.file_ended()
    monkeypatch.setattr(ingest, "refresh", real)
    here._store_next = 0.0
    here.file_ended()
    assert list(read.runs(workspace)["run_id"]) == [run.run_id]
    monkeypatch.setattr(ingest, "refresh", broken)
    here.tick()
    here.file_ended()  # nothing ended since: nothing is tried
    assert not here._store_due()


def test_it_leaves_when_its_workspace_is_removed(workspace: Workspace) -> None:
    process = supervise(workspace)
    until(lambda: queue.supervisor(workspace) == process.pid)
    shutil.rmtree(workspace.root, ignore_errors=True)
    assert process.wait(10) is not None


def test_a_worker_that_will_not_leave_holds_its_device_only_for_a_while(
    workspace: Workspace, here: Supervisor
) -> None:
    run = queued(workspace, "linger")
    tick_until(here, run, "succeeded")
    after = queued(workspace)
    here.tick()
    assert not queue.started(after), "the device may still be in use"
    tick_until(here, after, "succeeded")
    assert not run.process_alive()
