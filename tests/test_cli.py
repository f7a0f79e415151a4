"""The command line: exit status 0, 1, 2; one sentence; JSON as the last line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import listing
from core.cli import main
from core.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--method", "rd"], "--data"),
        (["run", "--data", "demo", "--method", "patchcor"], "Did you mean 'patchcore'?"),
        (["run", "--data", "demo", "--method", "rd", "--size", "many"], "--size"),
        (["run", "--data", "demo", "--method", "rd", "--size", "8"], "size came as 8"),
        (
            ["run", "--data", "demo", "--method", "rd", "--setting", "both"],
            "setting came as",
        ),
        (["run", "--data", "demo", "--method", "rd", "--set", "speed"], "expected key=value"),
        (["run", "--data", "demo", "--method", "rd", "--set", "speed=1"], "no setting 'speed'"),
        (["run", "--data", "/nowhere/at/all", "--method", "rd"], "/nowhere/at/all"),
        (["show", "nothing"], "no run 'nothing'"),
        (["list", "planets"], "planets"),
        (["fly"], "fly"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_status_two(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    takes_workspace = arguments[0] != "fly"
    more = ["--workspace", str(folder)] if takes_workspace else []
    assert main([*arguments, *more]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert not (folder / "runs").exists() or not list((folder / "runs").iterdir())


def test_errors_are_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nothing", "--json", "--workspace", str(folder)]) == 2
    assert "no run 'nothing'" in str(last_json(capsys)["error"])


@pytest.mark.parametrize("kind", ["datasets", "methods", "metrics", "backbones"])
def test_lists(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert main(["list", kind, "--json", "--workspace", str(folder)]) == 0
    rows = last_json(capsys)[kind]
    assert isinstance(rows, list) and rows
    assert main(["list", kind, "--workspace", str(folder)]) == 0
    assert capsys.readouterr().out.strip()


def test_runs_of_an_empty_workspace_say_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--workspace", str(folder)]) == 0
    assert "core demo" in capsys.readouterr().out
    assert main(["runs", "--json", "--workspace", str(folder)]) == 0
    assert last_json(capsys) == {"runs": []}


@pytest.mark.parametrize(
    "command",
    ["run", "demo", "list", "runs", "show", "compare", "index", "resume", "cancel", "add"],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_listing_made_by_a_child_is_what_the_registry_says(folder: Path) -> None:
    assert listing.methods(Workspace(folder)) == json.loads(json.dumps(listing.describe_methods()))
