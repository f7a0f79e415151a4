"""The commands that import, exclude, move and take back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.cli import main
from tests.data.trees import block, mvtec, noise, save


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(10):
        save(root / "good" / f"{number}.png", noise(number))
    save(root / "scratch/0.png", noise(50))
    save(root / "scratch/0_mask.png", block())
    return root


class Shell:
    """Runs commands in one workspace."""

    def __init__(self, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._workspace = str(workspace)
        self._capsys = capsys

    def json(self, *arguments: object) -> dict[str, Any]:
        assert self.status(*arguments, "--json") == 0, self.said
        found: dict[str, Any] = json.loads(self.said.splitlines()[-1])
        return found

    def status(self, *arguments: object) -> int:
        status = main([*map(str, arguments), "--workspace", self._workspace])
        printed = self._capsys.readouterr()
        self.said, self.error = printed.out, printed.err
        assert "Traceback" not in self.error
        return status


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "workspace", capsys)


def test_import_reimport_and_what_changed(shell: Shell, source: Path) -> None:
    found = shell.json("import", source, "--as", "mine", "--test-share", 0.5, "--split-seed", 4)
    assert (found["name"], found["samples"]) == ("mine", 11)
    assert found["splits"] == {"train": 5, "test": 6}
    assert (found["new"], found["changed"], found["gone"]) == (11, 0, 0)
    (source / "good/0.png").unlink()
    save(source / "good/1.png", noise(99))
    save(source / "good/20.png", noise(20))
    again = shell.json("reimport", "mine")
    assert (again["new"], again["changed"], again["gone"]) == (1, 1, 1)
    assert shell.status("import", source, "--as", "mine") == 0
    assert "0 new, 0 changed, 0 gone" in shell.said and "Read as folder" in shell.error


def test_settings_of_the_source_are_given_by_name(shell: Shell, source: Path) -> None:
    found = shell.json(
        "import", source, "--as", "mine", "--kind", "folder", "--set", "class_name=pin",
        "--set", "normal=good,scratch", "--set", "masks=false",
    )  # fmt: skip
    assert found["classes"] == ["pin"]
    assert any("All 11 images count as good" in problem for problem in found["problems"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--kind", "folders"], 2, "Did you mean 'folder'?"),
        (["--set", "speed=1"], 2, "no setting 'speed'"),
        (["--set", "speed"], 2, "expected key=value"),
        (["--set", "classes=many"], 2, "classes came as 'many'"),
        (["--test-share", "1.5"], 2, "test_share came as 1.5"),
        (["--as", "a/b"], 2, "cannot be named"),
        (["--set", "normal=none"], 1, "no good image"),
    ],
)
def test_wrong_imports_are_one_sentence(
    shell: Shell, source: Path, arguments: list[str], status: int, words: str
) -> None:
    assert shell.status("import", source, "--as", "mine", *arguments) == status
    assert words in shell.error


def test_a_source_nobody_knows(shell: Shell, tmp_path: Path) -> None:
    assert shell.status("import", tmp_path / "gone", "--as", "mine") == 1
    assert "There is no" in shell.error
    (tmp_path / "text.xyz").write_text("x")
    assert shell.status("import", tmp_path / "text.xyz", "--as", "mine") == 2
    assert "no kind of source" in shell.error
    assert shell.status("reimport", "mine") == 2 and "not imported" in shell.error


def test_exclude_move_edits_and_undo(shell: Shell, source: Path, tmp_path: Path) -> None:
    shell.json("import", source, "--as", "mine")
    listed = tmp_path / "keys.txt"
    listed.write_text("source/good/1.png\n\nsource/good/2.png\n")
    first = shell.json("exclude", "mine", "source/good/0.png", f"@{listed}", "--reason", "blurry")
    assert (first["images"], first["samples"]) == (3, 8)
    moved = shell.json("move", "mine", "source/good/3.png", "--to", "calibration")
    made = shell.json("edits", "mine")["edits"]
    assert [(e["group"], e["action"], e["split"], len(e["keys"])) for e in made] == [
        (first["group"], "exclude", None, 3), (moved["group"], "move", "calibration", 1),
    ]  # fmt: skip
    assert made[0]["reason"] == "blurry"
    assert shell.status("edits", "mine") == 0 and "3 images excluded (blurry)" in shell.said
    assert shell.json("undo", "mine", first["group"])["images"] == 3
    assert shell.status("undo", "mine", first["group"]) == 2 and "taken back" in shell.error
    assert len(shell.json("edits", "mine")["edits"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exclude", "mine", "source/good/00.png"], "Did you mean 'source/good/0.png'?"),
        (["exclude", "min", "source/good/0.png"], "Did you mean 'mine'?"),
        (["exclude", "mine", "@nowhere.txt"], "nowhere.txt cannot be read"),
        (["move", "mine", "source/good/0.png", "--to", "dev"], "--to came as 'dev'"),
        (["move", "mine", "source/scratch/0.png", "--to", "train"], "is anomalous"),
        (["undo", "mine", "abc"], "no edit 'abc'"),
        (["edits", "other"], "no registered data set 'other'"),
    ],
)
def test_wrong_edits_are_one_sentence(
    shell: Shell, source: Path, arguments: list[str], words: str
) -> None:
    shell.json("import", source, "--as", "mine")
    assert shell.status(*arguments) == 2
    assert words in shell.error and len(shell.error) < 400
    assert shell.json("edits", "mine")["edits"] == []


def test_add_takes_a_variant(shell: Shell, tmp_path: Path) -> None:
    root = mvtec(tmp_path / "m")
    assert shell.json("add", root)["variant"] == ""
    assert shell.status("add", root, "--variant", "fewer") == 2
    assert "no variant" in shell.error


def test_any_data_set_is_written_down_as_a_manifest(shell: Shell, tmp_path: Path) -> None:
    root = mvtec(tmp_path / "parts")
    out = tmp_path / "parts.parquet"
    assert shell.json("manifest", root, "--out", out)["samples"] == 16
    rows = {row["key"]: row for row in pq.read_table(out).to_pylist()}
    bad = rows["bolt/test/crack/000.png"]
    assert (bad["split"], bad["label"], bad["anomaly_type"]) == ("test", 1, "crack")
    (mask,) = bad["masks"]
    for key, digest in ((bad["key"], bad["sha256"]), (mask, bad["mask_sha256"][0])):
        assert hashlib.sha256((root / key).read_bytes()).hexdigest() == digest
    assert shell.status("manifest", root, "--out", tmp_path / "no folder/x.parquet") == 2
    assert "--out" in shell.error
