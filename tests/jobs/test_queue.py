"""Queueing, order, cancelling and resuming, without any process being started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_worker import asked, queued

from core.errors import RunError, UsageError
from core.jobs import queue
from core.jobs.supervisor import conflict, device_key
from core.runs import RunDirectory
from core.workspace import Workspace


@pytest.fixture(autouse=True)
def no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: None)


def test_submitted_runs_wait_in_order(workspace: Workspace) -> None:
    runs = [queue.submit(workspace, asked(seed=seed)) for seed in range(5)]
    assert [run.run_id for run in queue.waiting(workspace)] == [run.run_id for run in runs]
    assert [queue.position(workspace, run.run_id) for run in runs] == [1, 2, 3, 4, 5]
    queue.cancel(workspace, runs[0].run_id)
    assert queue.position(workspace, runs[0].run_id) is None
    assert queue.position(workspace, runs[4].run_id) == 4
    queue.resume(workspace, runs[0].run_id)
    assert queue.position(workspace, runs[0].run_id) == 5, "a resumed run queues at the end"


def test_relative_paths_are_made_absolute(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "tiles").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    config = asked(weights="w.safetensors").model_copy(update={"data": "../here/tiles"})
    stored = queue.submit(workspace, config).record().config
    assert stored.data == str((tmp_path / "here" / "tiles").resolve())
    assert stored.weights == str((tmp_path / "here" / "w.safetensors").resolve())
    assert queue.submit(workspace, asked()).record().config.data == "demo"


def test_a_queued_run_is_cancelled_at_once(workspace: Workspace) -> None:
    run = queue.submit(workspace, asked())
    assert queue.cancel(workspace, run.run_id).state == "cancelled"
    assert run.stored_status().finished_at
    assert not run.cancel_requested(), "a later resume must not stop again"
    assert queue.cancel(workspace, run.run_id).state == "cancelled"


def test_a_running_one_is_asked_to_stop(workspace: Workspace) -> None:
    run = queued(workspace)
    run.claim("cpu")
    assert queue.cancel(workspace, run.run_id).state == "queued"  # started, not yet running
    assert run.cancel_requested()
    run.update_status(state="running")
    assert queue.cancel(workspace, run.run_id).state == "running"
    run.update_status(state="succeeded")
    with pytest.raises(RunError, match="already succeeded"):
        queue.cancel(workspace, run.run_id)


def test_resume_keeps_the_checkpoint_and_clears_the_rest(workspace: Workspace) -> None:
    run = queued(workspace)
    run.claim("cpu")
    run.request_cancel()
    (run.path / RunDirectory.CHECKPOINT).mkdir()
    run.update_status(state="failed", error="It broke.", progress=0.4, started_at="then")
    assert queue.resume(workspace, run.run_id).path == run.path
    status = run.stored_status()
    assert (status.state, status.error, status.started_at) == ("queued", None, "then")
    assert not run.cancel_requested()
    assert (run.path / RunDirectory.CHECKPOINT).is_dir()
    assert queue.position(workspace, run.run_id) == 1
    before = run.stored_status()
    queue.resume(workspace, run.run_id)
    assert run.stored_status() == before, "resuming a waiting run does not move it back"


def test_what_cannot_be_resumed_says_why(workspace: Workspace) -> None:
    run = queued(workspace)
    run.update_status(state="succeeded")
    with pytest.raises(RunError, match="nothing to resume"):
        queue.resume(workspace, run.run_id)
    run.claim("cpu")
    for active in ("running", "queued"):
        run.update_status(state=active)
        with pytest.raises(RunError, match="still runs"):
            queue.resume(workspace, run.run_id)
    with pytest.raises(UsageError, match="no run"):
        queue.resume(workspace, "nothing")


def test_a_dead_running_run_can_be_resumed(workspace: Workspace) -> None:
    run = queued(workspace)
    run.update_status(state="running")
    queue.resume(workspace, run.run_id)
    assert run.stored_status().state == "queued"


def test_a_damaged_run_does_not_block_the_queue(workspace: Workspace) -> None:
    damaged, sound = queued(workspace), queued(workspace)
    (damaged.path / RunDirectory.STATUS).write_text("{")
    assert [run.run_id for run in queue.waiting(workspace)] == [sound.run_id]


def test_the_noted_supervisor_must_be_alive(workspace: Workspace) -> None:
    assert queue.supervisor(workspace) is None
    queue.note_supervisor(workspace)
    assert queue.supervisor(workspace) == os.getpid()
    queue.supervisor_file(workspace).write_text('{"pid": 1, "started": 0, "host": "x"')
    assert queue.supervisor(workspace) is None
    queue.supervisor_file(workspace).unlink()


def test_the_lock_can_be_nested(workspace: Workspace) -> None:
    with queue.transitions(workspace), queue.transitions(workspace):
        pass
    with queue.transitions(workspace):
        pass


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("cpu", "cpu", True),
        ("cuda", "cuda:0", True),
        ("cuda", "cuda:1", False),
        ("cpu", "cuda", False),
        ("auto", "cpu", True),
        ("cuda:1", "auto", True),
    ],
)
def test_devices_that_two_runs_must_not_share(one: str, other: str, expected: bool) -> None:
    assert conflict(device_key(one), device_key(other)) is expected
