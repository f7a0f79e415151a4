"""`evaluate` on the command line: exit status, one sentence, the same JSON as `run`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.cli import main
from core.metrics.base import NINE
from tests.data import trees


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A data set beside maps that find every flaw but the one of cloth/test/crack/001."""
    root = trees.mvtec(tmp_path / "mini")
    for path in root.glob("*/test/*/*.png"):
        key = path.relative_to(root)
        values = np.zeros((40, 48), np.float32)
        if "crack" in key.parts and str(key) != "cloth/test/crack/001.png":
            values[8:24, 12:28] = 2  # the mask of `trees.block` at twice its size
        target = (tmp_path / "tool" / key).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, values)
    return tmp_path


def called(place: Path, *more: str, maps: str = "tool") -> int:
    arguments = ["evaluate", "--truth", str(place / "mini"), "--maps", str(place / maps)]
    return main([*arguments, *more, "--workspace", str(place / "workspace")])


def test_json_is_that_of_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(place, "--name", "T[2]", "--size", "64", "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert set(found) == {
        "run_id", "state", "seconds", "convention", "metrics", "metrics_ader",
    }  # fmt: skip
    assert found["state"] == "succeeded" and found["seconds"] >= 0
    assert set(found["metrics"]) == {"bolt", "cloth", "mean"}
    assert set(NINE) <= set(found["metrics"]["mean"])
    # bolt: both flaws above both normals; cloth: one above, one tied with both normals
    assert found["metrics"]["bolt"]["image_auroc"] == 1.0
    assert found["metrics"]["cloth"]["image_auroc"] == 0.75
    assert found["metrics"]["mean"]["image_auroc"] == 0.875
    assert "T[2]  " in captured.out and "MVTec-style folder" in captured.err
    workspace = ["--workspace", str(place / "workspace")]
    for command in (["runs"], ["show", found["run_id"]]):
        assert main([*command, *workspace]) == 0
        assert "external:" in (said := capsys.readouterr().out)
        assert "T[2]" in said, "a name is text, never markup"
    assert main(["runs", "--json", *workspace]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["method"] == "external:T[2]" and row["state"] == "succeeded"


def test_runs_of_two_tools_can_be_compared(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = []
    for name in ("one", "two"):
        assert called(place, "--name", name, "--json") == 0
        ids.append(json.loads(capsys.readouterr().out.splitlines()[-1])["run_id"])
    workspace = ["--workspace", str(place / "workspace"), "--json"]
    assert main(["compare", *ids, *workspace]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["difference"]["mean"]["image_auroc"] == 0.0
    assert main(["resume", ids[0], *workspace]) == 1
    assert "nothing to resume" in json.loads(capsys.readouterr().out)["error"]
    assert main(["index", *workspace]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": 2}


def test_it_says_when_rows_were_taken_in_order(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(place / "all.npy", np.zeros((8, 32, 32), np.uint8))
    assert called(place, maps="all.npy") == 0
    captured = capsys.readouterr()
    assert "sorted by key" in " ".join(captured.err.split())
    assert "0.500" in captured.out, "maps without a difference are at chance"


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--size", "many"], 2, "--size"),
        (["--size", "8"], 2, "size came as 8"),
        (["--classes", "nail"], 2, "no class 'nail'"),
        (["--scores", "/nowhere.csv"], 2, "--scores came as /nowhere.csv"),
        (["--maps", "/nowhere"], 2, "--maps came as /nowhere"),
        (["--truth", "/nowhere"], 2, "/nowhere"),
        ([], 1, "(and 1 more) holds a value that is NaN"),
    ],
)
def test_refusals(
    more: list[str],
    status: int,
    words: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("000", "001"):
        np.save(place / f"tool/bolt/test/good/{name}.npy", np.full((8, 8), np.nan))
    assert called(place, *more, "--json") == status
    captured = capsys.readouterr()
    assert words in json.loads(captured.out.splitlines()[-1])["error"]
    assert "Traceback" not in captured.err and words in captured.err
    runs = place / "workspace/runs"
    assert not runs.exists() or not list(runs.iterdir())


def test_what_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--truth", "demo"]) == 2
    assert "--maps" in capsys.readouterr().err
    assert main(["evaluate", "--help"]) == 0
    assert "--json" in capsys.readouterr().out
