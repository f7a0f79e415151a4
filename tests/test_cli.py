"""The command line: exit status 0, 1, 2; one sentence; JSON as the last line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import listing
from core.cli import main
from core.commands.base import app
from core.metrics.base import NINE
from core.runs import RunDirectory
from core.workspace import Workspace
from tests.dashboard import stores


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
    "command", [c.name or c.callback.__name__ for c in app.registered_commands if not c.hidden]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_listing_made_by_a_child_is_what_the_registry_says(folder: Path) -> None:
    assert listing.methods(Workspace(folder)) == json.loads(json.dumps(listing.describe_methods()))


def test_metrics_are_listed_with_level_and_unit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "metrics", "--json", "--workspace", str(folder)]) == 0
    rows = {row["id"]: row for row in last_json(capsys)["metrics"]}  # type: ignore[attr-defined]
    assert list(rows)[: len(NINE)] == list(NINE)
    assert rows["region_min_size"]["unit"] == "pixels"
    assert rows["region_min_size"]["level"] == "region"
    assert main(["list", "metrics", "--workspace", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "level" in out and "unit" in out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDirectory]:
    root = tmp_path_factory.mktemp("stored")
    workspace, data = Workspace(root / "workspace"), stores.make_data(root)
    return {
        "a": stores.add_run(workspace, data, "patchcore"),
        "b": stores.add_run(workspace, data, "rd"),
        "old": stores.add_run(workspace, data, "simplenet", old=True),
        "elsewhere": stores.add_run(workspace, data, "rd", seed=1, fingerprint="other"),
    }


class TestStoredRuns:
    """On runs made by hand: class `scan` has no masks, values as ADer counts are 0.01 higher."""

    def call(self, runs: dict[str, RunDirectory], command: str, *names: str) -> int:
        workspace = runs["a"].path.parents[1]
        ids = [runs[name].run_id if name in runs else name for name in names]
        return main([command, *ids, "--workspace", str(workspace)])

    def test_json_keeps_the_conventions_apart(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "show", "a", "--json") == 0
        found = last_json(capsys)
        assert found["convention"] == "exact"
        exact, ader = found["metrics"], found["metrics_ader"]
        assert isinstance(exact, dict) and isinstance(ader, dict)
        assert set(exact) == set(ader) == {"board", "scan", "tile", "mean"}
        assert set(ader["tile"]) == set(NINE) and set(NINE) < set(exact["tile"])
        normal, bad = stores.scores("patchcore", 0, "tile")
        value = stores.auroc(normal, bad)
        assert exact["tile"]["image_auroc"] == value, "not the last anomaly type's, nor ADer's"
        assert ader["tile"]["image_auroc"] == min(1.0, value + stores.ADER_OFF)
        assert exact["scan"]["pixel_auroc"] is None and ader["scan"]["pixel_auroc"] is None

    def test_a_run_stored_before_has_exact_values_alone(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "show", "old", "--json") == 0
        found = last_json(capsys)
        assert found["convention"] == "exact" and found["metrics_ader"] == {}
        assert found["metrics"]["tile"]["image_auroc"] is not None  # type: ignore[index]
        assert self.call(runs, "show", "old") == 0
        out = capsys.readouterr().out
        assert "Metrics by class, exact" in out and "Stored before values as ADer counts" in out
        assert "Metrics by class, as ADer counts" not in out

    def test_show_prints_both_under_their_names(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "show", "b") == 0
        out = capsys.readouterr().out
        exact, ader = out.split("Metrics by class, as ADer counts")
        assert "Metrics by class, exact" in exact and "image_fpr95" not in out
        assert "0.720" in ader, "the help text shows what the difference can be"
        table = self.means(runs["b"])
        assert f"{table['exact']:.3f}" in exact and f"{table['ader']:.3f}" in ader

    def means(self, run: RunDirectory) -> dict[str, float]:
        rows = run.read_table(RunDirectory.METRICS).to_pylist()
        return {
            row["convention"]: row["value"]
            for row in rows
            if (row["class_name"], row["metric"]) == ("mean", "pixel_auroc")
        }

    def test_show_all_has_every_metric_with_interval_and_note(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "show", "a", "--all") == 0
        out = capsys.readouterr().out
        assert out.count("All metrics of ") == 4 and "All metrics of tile, exact" in out
        assert "90 px" in out and "40 to 150" in out and "oracle" in out
        assert "lower is" in out and "image_f1max_threshold" in out

    def test_compare_is_paired(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "compare", "a", "b", "--json") == 0
        found = last_json(capsys)
        assert found["runs"] == [runs["a"].run_id, runs["b"].run_id]
        assert found["convention"] == "exact"
        rows = {(row["class_name"], row["metric"]): row for row in found["rows"]}  # type: ignore
        tile = rows["tile", "image_auroc"]
        values = [stores.auroc(*stores.scores(m, 0, "tile")) for m in ("patchcore", "rd")]
        assert (tile["a"], tile["b"]) == tuple(values)
        assert tile["difference"] == pytest.approx(values[0] - values[1])
        assert found["difference"]["tile"]["image_auroc"] == tile["difference"]  # type: ignore
        assert tile["low"] <= tile["difference"] <= tile["high"] and tile["test"] == "delong"
        assert tile["p"] <= tile["p_corrected"] <= 1
        assert {row["verdict"] for row in rows.values()} <= {"a", "b", "open", "untested"}
        assert ("mean", "mad") in rows and ("scan", "pixel_auroc") not in rows
        assert self.call(runs, "compare", "a", "b") == 0
        out = capsys.readouterr().out
        assert "A minus B, tile, exact" in out and "p corr." in out and "A minus B, mean" in out
        assert f"{tile['difference']:+.3f}" in out and "Holm" in out

    def test_runs_on_other_images_are_not_compared(
        self, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.call(runs, "compare", "a", "elsewhere") == 2
        assert "were made on different images" in capsys.readouterr().err
