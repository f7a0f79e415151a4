"""Files appear complete or not at all; what was appended is never lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config import RunConfig, parse
from core.errors import UsageError
from core.seeding import derive
from core.workspace import Workspace, append_jsonl, read_jsonl, write_atomically, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "status.json"
    write_json(target, {"a": 1})

    def broken(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, broken)
    assert json.loads(target.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_json_refuses_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_a_half_line_is_left_out_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_jsonl(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2, "cut')
    append_jsonl(path, {"n": 3})
    assert read_jsonl(path) == [{"n": 1}, {"n": 3}]


def test_the_workspace_is_explicit_then_environment_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAWSCOPE_WORKSPACE", raising=False)
    assert Workspace.locate().root == tmp_path / "workspace"
    monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(tmp_path / "env"))
    assert Workspace.locate().root == tmp_path / "env"
    assert Workspace.locate(tmp_path / "given").root == tmp_path / "given"


def test_seeds_depend_on_every_part() -> None:
    values = {derive(0), derive(1), derive(0, "a"), derive(0, "a", 1), derive(0, "a1")}
    assert len(values) == 5
    assert derive(7, "x") == derive(7, "x")
    assert all(0 <= value < 2**63 for value in values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"setting": "joint"}, "setting came as 'joint'"),
        ({"size": 16}, "size came as 16"),
        ({"epochs": 0}, "epochs came as 0"),
        ({"colour": 1}, "no setting 'colour'"),
    ],
)
def test_a_wrong_config_is_one_sentence(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse(RunConfig, {"data": "demo", "method": "rd"} | values, "run")
    assert "\n" not in str(caught.value)
