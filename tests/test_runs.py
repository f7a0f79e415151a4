"""Run directories: what is written can be read, whatever a kill left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import RunConfig
from core.errors import RunError, UsageError
from core.runs import GONE, Record, RunDirectory, all_runs
from core.workspace import Workspace, write_json


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(Workspace(tmp_path), RunConfig(data="/x/My Tiles", method="rd"))


def test_a_new_run_is_queued_and_named_for_people(run: RunDirectory, tmp_path: Path) -> None:
    assert "-rd-my-tiles-" in run.run_id
    assert run.stored_status().state == "queued"
    assert run.record().run_id == run.run_id
    assert run.record().resolved == {}
    assert [r.run_id for r in all_runs(Workspace(tmp_path))] == [run.run_id]


def test_a_record_comes_back_as_it_was(run: RunDirectory) -> None:
    config = RunConfig(
        data="d", method="m", classes=("b", "ä"), seed=7, method_config={"k": [1, 2.5]}
    )
    record = Record(run.run_id, "2026-01-01T00:00:00.000+00:00", config, {"epochs": None})
    run.write_record(record)
    assert run.record() == record


def test_group_id_ignores_seed_and_device_only() -> None:
    base = RunConfig(data="d", method="m")

    def group(**changes: object) -> str:
        return Record("r", "", base.model_copy(update=changes)).group_id

    assert group(seed=5) == group(device="cpu") == group()
    assert len({group(), group(size=128), group(setting="separate"), group(classes=("a",))}) == 4


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"run_id": "x"}', b"\xff\xfe"])
def test_a_damaged_config_is_one_sentence(run: RunDirectory, content: bytes) -> None:
    (run.path / RunDirectory.CONFIG).write_bytes(content)
    with pytest.raises(RunError, match=r"no readable config\.json"):
        run.record()


def test_a_damaged_status_is_one_sentence(run: RunDirectory) -> None:
    (run.path / RunDirectory.STATUS).write_text('{"state": "asleep"}')
    with pytest.raises(RunError, match=r"damaged status\.json"):
        run.status()


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(min_value=1, max_value=40))
def test_half_written_lines_are_left_out_and_later_ones_stand(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        run.event("loss", value=1.0)
        run.event("loss", value=2.0)
        path = run.path / RunDirectory.EVENTS
        data = path.read_bytes()
        path.write_bytes(data[: len(data) - cut])
        run.event("loss", value=3.0)
        values = [event["value"] for event in run.events()]
        # Without its line end alone, the second line is still whole.
        assert values == ([1.0, 2.0, 3.0] if cut == 1 else [1.0, 3.0])


def test_open_takes_a_beginning_and_suggests(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    runs = [RunDirectory.create(place, RunConfig(data="tiles", method=m)) for m in ("rd", "pc")]
    full = runs[0].run_id
    assert RunDirectory.open(place, full).path == runs[0].path
    assert RunDirectory.open(place, full[:-2]).run_id == full
    with pytest.raises(UsageError, match="2 runs begin with"):
        RunDirectory.open(place, full[:6])
    wrong = full[:-4] + "zzzz"
    with pytest.raises(UsageError, match=f"Did you mean '{full}'"):
        RunDirectory.open(place, wrong)
    with pytest.raises(UsageError, match="There is no run ''"):
        RunDirectory.open(place, "")
    for outside in ("../secret", "/etc", "..", "."):
        with pytest.raises(UsageError):
            RunDirectory.open(place, outside)


def test_status_of_a_live_and_of_a_dead_process(run: RunDirectory) -> None:
    run.claim("cpu")
    run.update_status(state="running", eta_seconds=5.0)
    assert run.status().state == "running"
    child = subprocess.Popen([sys.executable, "-c", ""])
    held = json.loads((run.path / RunDirectory.PROCESS).read_text())
    child.wait()
    write_json(run.path / RunDirectory.PROCESS, held | {"pid": child.pid})
    status = run.status()
    assert (status.state, status.error, status.eta_seconds) == ("failed", GONE, None)
    assert run.stored_status().state == "running", "looking changes nothing"


def test_a_process_of_another_host_counts_as_alive(run: RunDirectory) -> None:
    write_json(run.path / RunDirectory.PROCESS, {"pid": 1, "started": 0.0, "host": "elsewhere"})
    assert run.process_alive()


def test_progress_outside_zero_to_one_is_refused(run: RunDirectory) -> None:
    for wrong in (-0.1, 1.2, float("nan")):
        with pytest.raises(ValueError, match="progress"):
            run.update_status(progress=wrong)
    assert run.stored_status() == run.status()


def test_tables_and_maps_appear_only_when_complete(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="no cases"):
        run.read_table(RunDirectory.CASES)
    with pytest.raises(RunError, match="no maps"):
        run.maps()
    with pytest.raises(ZeroDivisionError), run.writing_maps((2, 3, 4)):
        raise ZeroDivisionError
    assert not run.has(RunDirectory.MAPS)
    with run.writing_maps((2, 3, 4)) as maps:
        maps[:] = np.arange(24).reshape(2, 3, 4)
        assert not run.has(RunDirectory.MAPS)
    assert run.maps().dtype == np.float16
    assert run.maps()[1, 2, 3] == 23
    table = pa.table({"key": ["a"], "score": [0.5]})
    run.write_table(RunDirectory.CASES, table)
    assert run.read_table(RunDirectory.CASES).equals(table)
    assert not list(run.path.glob(".cases*"))


def test_log_tail_gives_the_end(run: RunDirectory) -> None:
    assert run.log_tail() == ""
    (run.path / RunDirectory.LOG).write_text("x" * 50 + "the end")
    assert run.log_tail(7) == "the end"


def test_cancel_request_stands_until_cleared(run: RunDirectory) -> None:
    assert not run.cancel_requested()
    run.request_cancel()
    run.request_cancel()
    assert run.cancel_requested()
    run.clear_cancel()
    run.clear_cancel()
    assert not run.cancel_requested()


def test_a_reader_never_sees_half_a_status(run: RunDirectory) -> None:
    """Another process rewrites the status all the time; every look finds a whole one."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom core.runs import RunDirectory\n"
        "run = RunDirectory(Path(sys.argv[1]))\n"
        "for i in range(150): run.update_status(message='m' * (i * 50))\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", script, str(run.path)], cwd=root) as writer:
        lengths = set()
        while writer.poll() is None:
            lengths.add(len(run.stored_status().message))
    assert writer.returncode == 0
    assert all(length % 50 == 0 for length in lengths)
    left = [path.name for path in run.path.iterdir() if RunDirectory.STATUS in path.name]
    assert left == [RunDirectory.STATUS]
