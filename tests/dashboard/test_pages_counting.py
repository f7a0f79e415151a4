"""What the pages say of conventions, bounds, further measures and paired comparisons."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import ADER_OFF, Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from tables import row as line_of
from tables import shown, table
from visiting import text, visit

from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import results


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("counting"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run stored before conventions were kept, beside one of now."""
    root = tmp_path_factory.mktemp("mixed")
    workspace, data = Workspace(root / "workspace"), make_data(root)
    runs = {
        "old": add_run(workspace, data, "rd", old=True),
        "new": add_run(workspace, data, "patchcore"),
    }
    return Store(workspace, data, {name: run.run_id for name, run in runs.items()})


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


@pytest.fixture
def both(mixed: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(mixed.workspace.root))
    return mixed


def board(test: AppTest) -> str:
    return shown(table(test, "Leaderboard"))


def means(store: Store, run: str, way: str = "exact") -> float:
    table = results.metrics(results.source(), (store.runs[run],), way)  # type: ignore[arg-type]
    mine = table[(table["class_name"] == "mean") & (table["metric"] == "pixel_auroc")]
    return float(mine["value"].iloc[0])


class TestLeaderboard:
    def test_exact_is_the_default_and_is_said(self, store: Store) -> None:
        test = visit("leaderboard")
        assert "Counted exactly" in text(test) and "Image AUROC, exact" in text(test)
        assert " to " in board(test), "exact values have intervals"
        assert f"{means(store, 'rd'):.3f}" in board(test).split("\n")
        assert test.query_params.get("counting") is None
        (caption,) = [one for one in test.caption if "Counted exactly" in one.value]
        assert "0.720" in caption.help, "the help text shows what the difference can be"

    def test_the_other_convention_replaces_every_value(self, store: Store) -> None:
        test = visit("leaderboard", counting="ader")
        said, values = text(test), board(test).split("\n")
        assert "As ADer counts" in said and "Image AUROC, as ADer counts" in said
        assert "Counted exactly" not in said and ", exact" not in said
        assert not [v for v in values if " to " in v], "it has no intervals, no ranks"
        assert means(store, "rd", "ader") == pytest.approx(means(store, "rd") + ADER_OFF)
        assert f"{means(store, 'rd', 'ader'):.3f}" in values
        assert f"{means(store, 'rd'):.3f}" not in values
        assert "without intervals" in said and "overlap" not in said

    def test_the_choice_goes_into_the_address(self, store: Store) -> None:
        test = visit("leaderboard")
        test.selectbox(key="counting").select("ader").run()
        assert test.query_params["counting"] in ("ader", ["ader"])
        assert "As ADer counts" in text(test)

    def test_a_run_stored_before_has_a_dash_and_a_reason(self, both: Store) -> None:
        test = visit("leaderboard", counting="ader")
        cell = line_of(table(test, "Leaderboard"), both.runs["old"])["Pixel AUROC"]
        assert cell["text"] == "–"
        assert cell["help"] == "stored before this counting was kept; run it again"
        assert "RD was stored before values as ADer counts were kept" in text(test)
        assert f"{means(both, 'new', 'ader'):.3f}" in board(test).split("\n")

    def test_only_runs_stored_before(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace, data = Workspace(tmp_path / "w"), make_data(tmp_path)
        add_run(workspace, data, "rd", old=True)
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
        assert "None of these runs has values as ADer counts" in text(
            visit("leaderboard", counting="ader")
        )
        assert "0." in board(visit("leaderboard"))


class TestRun:
    def test_a_streamed_value_shows_its_bound(self, store: Store) -> None:
        said = text(visit("run", run=store.runs["rd"]))
        assert said.count("streamed: surely between 0.") == 1, "tile's pixel AUROC alone"

    def test_it_says_how_it_counts(self, store: Store) -> None:
        assert "By class, exact" in text(visit("run", run=store.runs["rd"]))
        said = text(visit("run", run=store.runs["rd"], counting="ader"))
        assert "By class, as ADer counts" in said and "image AUROC as ADer counts" in said
        assert "More measures, exact" in said, "these have no other convention"

    def test_further_measures_by_level(self, store: Store) -> None:
        test = visit("run", run=store.runs["rd"])
        said = text(test)
        for level in ("Images", "Pixels", "Regions", "Objects"):
            assert level in [one.value for one in test.subheader]
        assert "Minimum detectable size" in said and "90 px" in said and "40 to 150 px" in said
        assert said.count("lower is better") == 2  # false alarms at 95 % found, minimum size
        assert ">oracle</span>" in said
        assert "0.420" in said and "0.360 to 0.480" in said

    def test_one_class_of_them(self, store: Store) -> None:
        run = store.runs["rd"]
        test = visit("run", run=run)
        picker = next(one for one in test.segmented_control if one.key == f"measures-{run}")
        assert picker.value == "mean"
        picker.set_value("scan").run()
        assert not test.exception
        measures = [e.value for e in test.get("html") if "us-measure" in e.value]
        assert any("no masks: scan has no pixel truth" in html for html in measures)

    def test_kinds_of_flaw_have_their_own_metrics(self, store: Store) -> None:
        said = text(visit("run", run=store.runs["rd"]))
        (table,) = [part for part in said.split("\n") if "Kind of flaw" in part and "<td" in part]
        assert table.count("<tr>") == 1 + 4  # bridge, lesion, crack, stain
        assert table.count("0.500 to 0.900") == 4 and table.count("0.400 to 0.800") == 3

    def test_froc_is_among_the_curves(self, store: Store) -> None:
        run = store.runs["rd"]
        test = visit("run", run=run)
        picker = next(one for one in test.segmented_control if one.key == f"curve-{run}")
        picker.set_value("froc").run()
        assert not test.exception

    def test_a_run_stored_before_opens(self, both: Store) -> None:
        said = text(visit("run", run=both.runs["old"]))
        assert "stored before further measures were kept" in said and "By kind of flaw" in said
        said = text(visit("run", run=both.runs["old"], counting="ader"))
        assert "stored before this counting was kept" in said


class TestCompare:
    def test_the_finding_is_the_paired_result(self, store: Store) -> None:
        a, b = store.runs["patchcore"], store.runs["rd"]
        table = results.paired(results.source(), a, b)
        row = table[(table["class_name"] == "mean") & (table["metric"] == "image_auroc")].iloc[0]
        said = text(visit("compare", a=a, b=b))
        assert f"{row['a']:.3f} against {row['b']:.3f}, a difference of" in said
        assert f"{row['low']:+.3f} to {row['high']:+.3f}" in said
        words = {"open": "cannot be told apart", "a": "is better than", "b": "is better than"}
        assert words[row["verdict"]] in said and "intervals overlap" not in said

    def test_every_metric_has_its_difference_and_verdict(self, store: Store) -> None:
        a, b = store.runs["patchcore"], store.runs["rd"]
        table = results.paired(results.source(), a, b)
        assert set(table["metric"]) == set(results.qualities())
        assert set(table["verdict"]) <= {"a", "b", "open", "untested"}
        test = visit("compare", a=a, b=b)
        shown = next(e.value for e in test.get("html") if "A minus B" in e.value)
        assert "Metric by metric, exact" in text(test)
        assert shown.count("<tr>") == 1 + 9 + 3
        for _, row in table[table["class_name"] == "mean"].iterrows():
            assert f">{row['difference']:+.3f}<" in shown
        assert "A: PatchCore" in shown and "B: RD" in shown

    def test_a_class_of_them(self, store: Store) -> None:
        a, b = store.runs["patchcore"], store.runs["rd"]
        test = visit("compare", a=a, b=b)
        picker = next(one for one in test.segmented_control if one.key == "paired-class")
        picker.set_value("scan").run()
        shown = next(e.value for e in test.get("html") if "A minus B" in e.value)
        assert shown.count("<tr>") == 1 + 9, "speed and memory stand beside the mean alone"
        assert "not tested" in shown and "no masks: scan has no pixel truth" in shown

    def test_swapping_the_runs_swaps_the_sign(self, store: Store) -> None:
        source = results.source()
        a, b = store.runs["patchcore"], store.runs["rd"]
        keys = ["class_name", "metric"]
        one = results.paired(source, a, b).set_index(keys)
        two = results.paired(source, b, a).set_index(keys).loc[one.index]
        assert list(one["difference"]) == pytest.approx(list(-two["difference"]))
        swapped = {"a": "b", "b": "a", "open": "open", "untested": "untested"}
        assert list(one["verdict"]) == [swapped[said] for said in two["verdict"]]

    def test_a_run_stored_before_has_image_metrics_alone(self, both: Store) -> None:
        test = visit("compare", a=both.runs["old"], b=both.runs["new"], by="pixel_auroc")
        said = text(test)
        assert "By Pixel AUROC nothing is stored that would tell them apart." in said
        assert "No class can be compared by this metric." in said
        shown = next(e.value for e in test.get("html") if "A minus B" in e.value)
        assert "not tested" in shown and "stored before" in shown
        assert f">{means(both, 'old'):.3f}<" in shown, "the stored values still stand there"
