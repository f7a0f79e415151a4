"""Every view of the Compare page through AppTest; runs that lack what a view needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from stores import Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from visiting import text, visit

from core import people
from core.comparison import kept_matrix
from core.metrics.changes import mcnemar
from core.runs import RunDirectory
from core.types import MEAN
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import comparing, later, queries, results, saved
from dashboard.components import compare_view

TWO = ("pair", "changes", "classes", "together")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The usual runs, and both methods with a model a class."""
    store = filled(tmp_path_factory.mktemp("compare"))
    for method in ("patchcore", "rd"):
        run = add_run(store.workspace, store.data_root, method, setting="separate")
        store.runs[f"{method}-separate"] = run.run_id
    return store


@pytest.fixture(autouse=True)
def titles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the methods takes seconds; what they are called is tested elsewhere."""
    known = queries.Titles({"patchcore": "PatchCore", "rd": "RD", "simplenet": "SimpleNet"})
    monkeypatch.setattr(queries, "method_titles", lambda: known)


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


def fresh(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Path]:
    workspace = Workspace(root / "w")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
    return workspace, make_data(root)


def pair(store: Store, view: str, **query: str) -> AppTest:
    return visit("compare", a=store.runs["patchcore"], b=store.runs["rd"], view=view, **query)


def joined(store: Store) -> tuple[Any, str, str]:
    a, b = store.runs["patchcore"], store.runs["rd"]
    return results.joined(results.source(), (a, b)), a, b


@pytest.mark.parametrize("view", compare_view.VIEWS)
def test_every_view_opens(view: str, store: Store) -> None:
    test = pair(store, view)
    assert "Something went wrong" not in text(test) and len(text(test)) > 200
    assert test.segmented_control(key="view").value == view


def test_views_are_kept_in_the_address(store: Store) -> None:
    test = visit("compare")
    assert "view" not in test.query_params
    test.segmented_control(key="view").set_value("classes").run()
    assert test.query_params["view"] in ("classes", ["classes"])
    assert "largest first" in text(test)
    test.segmented_control(key="view").set_value("pair").run()
    assert "view" not in test.query_params and not test.exception


def test_an_unknown_view_opens_the_first(store: Store) -> None:
    assert "Metric by metric" in text(visit("compare", view="../../etc"))


class TestPair:
    def test_the_four_parts_are_counted(self, store: Store) -> None:
        table, a, b = joined(store)
        bad = table[table["label"] == 1]
        found_a, found_b = bad[f"outcome:{a}"] == "found", bad[f"outcome:{b}"] == "found"
        said = text(pair(store, "pair"))
        (tiles,) = [part for part in said.split("\n") if "cmp-four" in part and "<b>" in part]
        for part in (
            found_a & found_b,
            found_a & ~found_b,
            found_b & ~found_a,
            ~found_a & ~found_b,
        ):
            assert f"<b>{part.sum()}</b>" in tiles
        assert "Found by PatchCore, missed by RD" in tiles and "Missed by both" in tiles
        assert "view=changes&amp;side=only_a" in tiles

    def test_it_opens_on_the_leading_run_and_another_method(self, store: Store) -> None:
        test = visit("compare")
        a, b = (str(test.session_state[name]) for name in ("a", "b"))
        methods = results.runs(results.source()).set_index("run_id")["method"]
        assert methods[a] != methods[b]

    def test_it_speaks_the_words_people_chose(self, store: Store) -> None:
        test = AppTest.from_function(_spoken, default_timeout=60)
        test.query_params["a"], test.query_params["b"] = store.runs["patchcore"], store.runs["rd"]
        test.run()
        assert not test.exception
        (finding,) = [e.value for e in test.get("html") if "fs-finding" in e.value]
        assert "defective part" in finding and "image" not in finding.replace("Image AUROC", "")
        assert "Part by part" in text(test)


def _spoken() -> None:
    import streamlit as st

    from pages import compare

    st.session_state["words"] = "plant"
    compare.render()


class TestChanges:
    def test_counts_and_tests_by_class(self, store: Store) -> None:
        table, a, b = joined(store)
        rows = comparing.changed(comparing.called(table, a, b), 1)
        assert {row.group for row in rows} == {"board", "scan", "tile"}
        for row in rows:
            assert row.p == mcnemar(row.only_a, row.only_b) and row.images == 8
        said = text(pair(store, "changes"))
        assert "Is it more than chance? By class" in said and "And on good images" in said
        assert "McNemar" in said and "oracle thresholds, chosen on these same images" in said

    def test_every_direction_has_its_pictures(self, store: Store) -> None:
        table, a, b = joined(store)
        sides = comparing.sides(comparing.called(table, a, b), a, b)
        assert sum(map(len, sides.values())) > 0
        for side, part in sides.items():
            said = text(pair(store, "changes", side=side))
            assert said.count("us-case") >= min(len(part), 18)
            if len(part):
                assert f"inspect?run={a}&amp;with={b}" in said
            else:
                assert "No case changes sides in this direction." in said

    def test_one_class_is_told_by_kind_of_flaw(self, store: Store) -> None:
        said = text(pair(store, "changes", **{"class": "tile"}))
        assert "By kind of flaw" in said and ">crack<" in said and ">stain<" in said
        assert ">board<" not in said

    def test_a_run_with_itself_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = (add_run(workspace, data, "rd").run_id for _ in range(2))
        said = text(visit("compare", a=a, b=b, view="changes"))
        assert "alike" in said and "no case changes sides" in said
        said = text(visit("compare", a=a, b=b, view="together"))
        assert "No blend of" in said and "+0.000" in said


class TestClasses:
    def test_the_grid_has_every_class_and_metric(self, store: Store) -> None:
        test = pair(store, "classes")
        (grid,) = [e.value for e in test.get("html") if 'us-bare cmp-grid"' in e.value]
        assert grid.count("<tr>") == 1 + 4 and grid.count('<span class="cmp-verdict') == 4 * 9
        assert "stored before what this needs was kept" in grid, "class scan has no masks"
        assert "classes?run=" in text(test) and "largest first" in text(test)

    def test_the_largest_difference_comes_first(self, store: Store) -> None:
        table = results.paired(results.source(), store.runs["patchcore"], store.runs["rd"])
        rows, mean = comparing.of_metric(table, "image_ap")
        sizes = list(rows["difference"].abs())
        assert sizes == sorted(sizes, reverse=True) and mean is not None
        assert mean["class_name"] == MEAN and len(rows) == 3

    def test_a_metric_that_no_class_has(self, tmp_path: Path, monkeypatch: Any) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = (add_run(workspace, data, "rd", seed=s, classes=("scan",)).run_id for s in (0, 1))
        said = text(visit("compare", a=a, b=b, view="classes", by="pixel_auroc"))
        assert "no class can be compared" in said


class TestSetting:
    def test_it_pairs_equal_methods_and_seeds(self, store: Store) -> None:
        pairs = comparing.setting_pairs(results.runs(results.source()))
        assert set(pairs["method"]) == {"patchcore", "rd"} and list(pairs["seed"]) == [0, 0]
        row = pairs[pairs["method"] == "patchcore"].iloc[0]
        assert row["separate"] == store.runs["patchcore-separate"]
        assert row["unified"] == store.runs["patchcore"], "seed 0, not the newer seed 1"

    def test_equal_scores_cost_nothing(self, store: Store) -> None:
        """The stores' scores depend on method and seed alone, so both settings are equal."""
        said = text(visit("compare", view="setting"))
        assert "one model for all classes costs" in said
        assert "nothing that can be told apart" in said
        assert "Every method" in said and said.count("+0.000") >= 8
        assert ">Models<" in said and ">3<" in said

    def test_without_a_pair_it_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        add_run(workspace, data, "rd")
        add_run(workspace, data, "patchcore")
        said = text(visit("compare", view="setting"))
        assert "No method has both settings on this data yet" in said


class TestTogether:
    def test_the_ceiling_is_called_one(self, store: Store) -> None:
        said = text(pair(store, "together"))
        assert "oracle" in said and "nothing chosen" in said
        assert "When an alarm of either counts" in said and "both agree" in said

    def test_union_counts(self, store: Store) -> None:
        table, a, b = joined(store)
        either = comparing.united(comparing.called(table, a, b))
        bad = table[table["label"] == 1]
        hit = (bad[f"outcome:{a}"] == "found") | (bad[f"outcome:{b}"] == "found")
        assert either.found[2] == int(hit.sum()) and either.anomalous == 24

    def test_pixel_metrics_fall_back_to_images_and_say_so(self, store: Store) -> None:
        said = text(pair(store, "together", by="pixel_aupro"))
        assert "Judged by Image AUROC" in said and "pixel metrics would need" in said


class TestMatrix:
    def test_every_pair_leads_to_its_comparison(self, store: Store) -> None:
        test = visit("compare", view="matrix")
        (grid,) = [e.value for e in test.get("html") if "cmp-grid" in e.value and "<tr>" in e.value]
        succeeded = [one for name, one in store.runs.items() if name not in ("failed", "queued")]
        count = len(succeeded)
        assert grid.count('href="compare?a=') == count * (count - 1)
        runs = [RunDirectory.open(store.workspace, run) for run in succeeded]
        rows = kept_matrix(store.workspace, runs, "image_auroc")
        row = next(iter(rows.values()))
        assert f"{row.difference:+.3f}" in grid and f"{-row.difference:+.3f}" in grid

    def test_at_most_a_dozen(self, store: Store) -> None:
        runs = results.runs(results.source())
        means = {str(run): (i / 10, "") for i, run in enumerate(runs["run_id"])}
        order, out = comparing.entrants(runs, means)
        assert out == 0 and [means[run][0] for run in order] == sorted(
            (value for value, _ in means.values()), reverse=True
        )
        monkey = comparing.MOST_RUNS
        try:
            comparing.MOST_RUNS = 3
            assert comparing.entrants(runs, means) == (order[:3], len(order) - 3)
        finally:
            comparing.MOST_RUNS = monkey


class TestSaved:
    def test_empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        add_run(workspace, data, "rd")
        add_run(workspace, data, "patchcore")
        assert "Nothing is saved yet" in text(visit("compare", view="saved"))

    def test_save_list_rename_take_back(self, store: Store) -> None:
        test = pair(store, "changes", side="only_a", **{"class": "tile"})
        test.text_input(key="sv-name-compare").input("Tiles <b>that</b> change")
        test.text_area(key="sv-note-compare").input("look at *stains*")
        test.button(key="sv-save-compare").click().run()
        assert not test.exception and "Saved:" in text(test)
        (view,) = saved.saved_views(results.source())
        asked = parse_qs(view.href.partition("?")[2])
        assert asked["a"] == [store.runs["patchcore"]] and asked["class"] == ["tile"]
        assert asked["view"] == ["changes"] and view.href.startswith("compare?")

        shown = visit("compare", view="saved")
        said = text(shown)
        assert "1 view is saved" in said and "Tiles &lt;b&gt;that&lt;/b&gt; change" in said
        assert "look at *stains*" in said and people.NOBODY in said
        shown.text_input(key=f"sv-n-{view.id}").input("Renamed")
        shown.button(key=f"sv-rename-{view.id}").click().run()
        assert not shown.exception and "version 2" in text(shown) and "Renamed" in text(shown)
        shown.button(key=f"sv-remove-{view.id}").click().run()
        assert not shown.exception and saved.saved_views(results.source()) == []

    def test_a_link_restores_the_view(self, store: Store) -> None:
        query = {"a": store.runs["rd"], "b": store.runs["deployed"], "view": "changes",
                 "class": "scan", "side": "alarm_b", "by": "image_ap"}  # fmt: skip
        view = saved.save_view(results.source(), "compare", query, "one")
        asked = {name: values[0] for name, values in parse_qs(view.href.split("?")[1]).items()}
        test = visit("compare", **asked)
        for name in ("a", "b", "view", "class", "side", "by"):
            assert test.session_state[name] == query[name], name
        people.remove(store.workspace, "comparisons", "", view.id)


class TestWhatIsMissing:
    @pytest.mark.parametrize("runs", [0, 1])
    def test_nothing_to_compare(
        self, runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        for _ in range(runs):
            add_run(workspace, data, "rd")
        add_run(workspace, data, "rd", seed=3, state="failed", error="It broke.")
        for view in compare_view.VIEWS:
            assert "Nothing to compare yet" in text(visit("compare", view=view))

    def test_runs_on_other_data_are_not_offered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = (add_run(workspace, data, m).run_id for m in ("rd", "patchcore"))
        other = add_run(workspace, data, "simplenet", fingerprint="0000").run_id
        test = visit("compare", a=a, b=other)
        assert str(test.session_state["b"]) == b
        assert "SimpleNet" not in " ".join(test.selectbox(key="a").options)

    @pytest.mark.parametrize("view", compare_view.VIEWS)
    def test_the_data_set_is_gone(
        self, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = (add_run(workspace, data, m).run_id for m in ("patchcore", "rd"))
        shutil.rmtree(data)
        said = text(visit("compare", a=a, b=b, view=view))
        assert "Something went wrong" not in said

    @pytest.mark.parametrize("view", TWO)
    @pytest.mark.parametrize("name", ["scan", "tile"])
    def test_one_class_alone(
        self, name: str, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = (add_run(workspace, data, m, classes=(name,)).run_id for m in ("patchcore", "rd"))
        said = text(visit("compare", a=a, b=b, view=view))
        assert "Something went wrong" not in said and "mean over classes" not in said

    @pytest.mark.parametrize("view", TWO)
    def test_a_run_stored_before(
        self, view: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace, data = fresh(tmp_path, monkeypatch)
        a, b = add_run(workspace, data, "rd", old=True), add_run(workspace, data, "patchcore")
        said = text(visit("compare", a=a.run_id, b=b.run_id, view=view))
        assert "Something went wrong" not in said


def test_a_large_comparison_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the nine metrics are computed the page shows what it has, and says what will come."""
    monkeypatch.setattr(later, "outcome", lambda key, work, patience: None)
    monkeypatch.setattr(later, "look_after", lambda keys: None)
    for view in ("pair", "classes", "together", "setting", "matrix"):
        said = text(pair(store, view))
        assert "Being computed" in said and "Something went wrong" not in said
    assert "is being computed" in text(pair(store, "pair"))
    assert "cmp-four" in text(pair(store, "pair")), "the cases are there at once"
