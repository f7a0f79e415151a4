"""The Leaderboard: paired places, settings in one board, data sets, costs, published rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stores import CLASSES, Store, add_run, filled, make_data
from streamlit.testing.v1 import AppTest
from tables import row, shown, table
from visiting import text, visit

from core import replicates
from core.comparison import compare_runs
from core.metrics.base import NINE
from core.reference import ader
from core.runs import RunDirectory
from core.workspace import ENVIRONMENT_VARIABLE, Workspace
from dashboard import later, paired_ranks, queries, ranking, results


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("leaderboard"))


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles without reading the methods, which takes seconds a workspace."""
    titles = queries.Titles({"patchcore": "PatchCore", "rd": "RD", "simplenet": "SimpleNet"})
    monkeypatch.setattr(queries, "method_titles", lambda: titles)


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(made.workspace.root))
    return made


def opened(store: Store, label: str) -> RunDirectory:
    return RunDirectory.open(store.workspace, store.runs[label])


def settled(**query: str | list[str]) -> AppTest:
    """The page once the draws are kept: a visit starts the work, another finds it done."""
    visit("leaderboard", **query)
    for future in list(later._held.values()):
        future.result(30)
    return visit("leaderboard", **query)


class TestReplicates:
    def test_they_are_the_draws_of_a_comparison(self, made: Store) -> None:
        a, b = opened(made, "patchcore"), opened(made, "rd")
        rows = {
            (row.class_name, row.metric): row for row in compare_runs(a, b) if row.p is not None
        }
        assert {metric for name, metric in rows if name == "mean"} == set(NINE)
        for metric in NINE:
            one, two = (replicates.kept_replicates(made.workspace, run, metric) for run in (a, b))
            assert one.truth == two.truth and one.classes == two.classes and one.varies
            expected = rows["mean", metric]
            (value_a, draws_a), (value_b, draws_b) = one.mean(), two.mean()
            assert value_a == pytest.approx(expected.a) and value_b == pytest.approx(expected.b)
            ends = np.percentile(draws_a - draws_b, (2.5, 97.5))
            assert ends == pytest.approx([expected.low, expected.high], abs=1e-12)

    def test_they_are_computed_once(
        self, made: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        place, run = Workspace(tmp_path), opened(made, "rd")
        assert not replicates.are_stored(place, run, "mad")
        assert replicates.stored_replicates(place, run, "mad") is None
        first = replicates.kept_replicates(place, run, "mad")
        monkeypatch.setattr(replicates, "cases_of", None)  # to call it would fail
        again = replicates.kept_replicates(place, run, "image_ap")  # nine serve the image's
        assert again.classes == CLASSES and first.classes == ("board", "tile")
        assert replicates.are_stored(place, run, "image_ap")
        assert (replicates.kept_replicates(place, run, "mad").draws_CR == first.draws_CR).all()

    def test_changed_tables_are_computed_anew_and_damaged_files_too(self, tmp_path: Path) -> None:
        place = Workspace(tmp_path / "w")
        run = add_run(place, make_data(tmp_path), "rd")
        replicates.kept_replicates(place, run, "image_auroc")
        folder = place.root / "cache" / "replicates"
        (kept,) = folder.glob("*.npz")
        kept.write_bytes(kept.read_bytes()[:200])
        assert replicates.stored_replicates(place, run, "image_auroc") is None
        assert replicates.kept_replicates(place, run, "image_auroc").varies
        os.utime(run.path / RunDirectory.METRICS, (1, 1))
        assert not replicates.are_stored(place, run, "image_auroc")
        replicates.kept_replicates(place, run, "image_auroc")
        (other,) = folder.glob("*.npz")
        assert other.name != kept.name

    def test_a_run_stored_before_has_image_metrics_alone(self, tmp_path: Path) -> None:
        place = Workspace(tmp_path / "w")
        run = add_run(place, make_data(tmp_path), "rd", old=True)
        assert replicates.kept_replicates(place, run, "pixel_ap").classes == ()
        assert replicates.kept_replicates(place, run, "image_ap").classes == CLASSES


class TestPaired:
    def groups(self, store: Store, *labels: tuple[str, ...]) -> paired_ranks.Groups:
        return tuple((its[0], tuple(store.runs[label] for label in its)) for its in labels)

    def test_seeds_count_by_their_mean(self, made: Store) -> None:
        seeds = ("patchcore", "patchcore-seed1")
        found = paired_ranks.compute(
            str(made.workspace.root), self.groups(made, seeds, ("rd",)), "image_auroc"
        )
        one, two, other = (
            replicates.kept_replicates(made.workspace, opened(made, label), "image_auroc").mean()[1]
            for label in (*seeds, "rd")
        )
        difference = (one + two) / 2 - other
        rarer = min((difference <= 0).sum(), (difference >= 0).sum())
        p = min(1.0, 2 * (rarer + 1) / 1001)
        assert found.differs["patchcore", "rd"] == (p < 0.05)
        assert found.differs["rd", "patchcore"] == found.differs["patchcore", "rd"]
        ahead = difference > 1e-12
        level = np.abs(difference) <= 1e-12
        assert found.spreads["patchcore"].first == pytest.approx(np.mean(ahead + 0.5 * level))

    def test_what_cannot_be_paired_says_why(self, tmp_path: Path) -> None:
        place, data = Workspace(tmp_path / "w"), make_data(tmp_path)
        runs = {
            "new": add_run(place, data, "rd"), "also": add_run(place, data, "patchcore"),
            "old": add_run(place, data, "simplenet", old=True),
            "part": add_run(place, data, "simplenet", classes=("tile",)),
        }  # fmt: skip
        mine = tuple((label, (run.run_id,)) for label, run in runs.items())
        found = paired_ranks.compute(str(place.root), (*mine, ("gone", ("none",))), "pixel_ap")
        assert set(found.differs) == {("new", "also"), ("also", "new")}
        assert found.left_out["old"] == paired_ranks.NO_SUMMARIES
        assert found.left_out["part"] == paired_ranks.OTHER_IMAGES
        assert "none" in found.left_out["gone"]
        note = paired_ranks.note(found, {"old": "Old", "part": "Part"})
        assert note.startswith("Compared by intervals alone") and "Old: it was stored" in note

    def test_places_mix_the_paired_test_and_intervals(self) -> None:
        """a and b are paired and differ though their intervals overlap; c has its interval."""
        intervals = {
            "a": ranking.Interval(0.8, 0.7, 0.9), "b": ranking.Interval(0.75, 0.65, 0.85),
            "c": ranking.Interval(0.3, 0.2, 0.4),
        }  # fmt: skip
        paired = ranking.Paired({("a", "b"): True, ("b", "a"): True}, {})
        assert ranking.told_apart("a", "b", intervals, paired)
        assert not ranking.told_apart("a", "b", intervals)
        assert ranking.told_apart("c", "b", intervals, paired)


class TestPage:
    def test_places_follow_from_the_paired_test(self, store: Store) -> None:
        test = settled()
        board = table(test, "Leaderboard")
        found = paired_ranks.compute(
            str(store.workspace.root), paired_ranks.groups(entries()), "image_auroc"
        )
        said = text(test)
        assert "on these images" in said or "surely ahead" in said
        assert "overlap" not in said
        letters = {line["id"]: row(board, line["id"])["Group"]["text"] for line in board["rows"]}
        of = dict(paired_ranks.groups(entries()))
        newest = {entry: next(r for r in runs if r in letters) for entry, runs in of.items()}
        for (a, b), differs in found.differs.items():
            assert bool(set(letters[newest[a]]) & set(letters[newest[b]])) != differs
        rank = row(board, store.runs["rd"])["Rank"]
        assert "in 95 % of the draws, first in" in rank["help"]

    def test_until_the_draws_are_there_intervals_place(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(later, "outcome", lambda key, work, patience=0.0: None)
        monkeypatch.setattr(later, "done", lambda key: False)
        test = visit("leaderboard")
        board = table(test, "Leaderboard")
        assert [line["cells"][0]["text"] for line in board["rows"]]
        assert "interval" in text(test)
        (bar,) = test.get("progress")
        assert "Pairing the runs picture by picture" in str(bar.proto)

    def test_settings_stand_in_one_board_with_columns_for_what_differs(self, store: Store) -> None:
        board = table(settled(), "Leaderboard")
        titles = [column["title"] for column in board["columns"]]
        assert titles[:4] == ["Method", "Protocol", "Rank", "Group"]
        cells = row(board, store.runs["deployed"])
        assert cells["Protocol"]["text"] == "deployment" and cells["Method"]["text"] == "SimpleNet"
        one = table(settled(protocol="benchmark"), "Leaderboard")
        assert "Protocol" not in [column["title"] for column in one["columns"]]

    def test_as_ader_counts_nothing_is_ranked(self, store: Store) -> None:
        board = table(settled(counting="ader"), "Leaderboard")
        assert "Group" not in [column["title"] for column in board["columns"]]
        assert {row(board, line["id"])["Rank"]["text"] for line in board["rows"]} == {"–"}

    @pytest.mark.parametrize("cost", ["speed", "memory", "training", "nonsense"])
    def test_costs(self, store: Store, cost: str) -> None:
        test = settled(cost=cost)
        picked = test.selectbox(key="cost").value
        assert picked == (cost if cost != "nonsense" else "speed")
        assert "Accuracy against its cost" in [one.value for one in test.subheader]

    def test_classes_as_blocks_say_that_they_are_few_and_not_independent(
        self, store: Store
    ) -> None:
        test = settled()
        test.toggle(key="over-classes").set_value(True).run()
        assert not test.exception
        said = text(test)
        assert "best mean rank" in said and "at least 5 classes" in said
        assert "not independent data sets" in said

    def test_a_run_stored_before_is_compared_by_intervals(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place, data = Workspace(tmp_path / "w"), make_data(tmp_path)
        for method, old in (("patchcore", False), ("rd", False), ("simplenet", True)):
            add_run(place, data, method, old=old)
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(place.root))
        said = text(settled(by="pixel_auroc"))
        assert "Compared by intervals alone" in said and "SimpleNet: it was stored" in said
        assert "Compared by intervals alone" not in text(settled(by="image_auroc"))


def entries() -> pd.DataFrame:
    return ranking.entries(results.runs(results.source()), {})


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three methods on six data sets; RD lacks the last, which ran as two settings, too."""
    root = tmp_path_factory.mktemp("several")
    place = Workspace(root / "w")
    for i in range(6):
        data = make_data(root, f"set{i}")
        for method in ("patchcore", "rd", "simplenet"):
            if method != "rd" or i < 5:
                add_run(place, data, method, seed=i, classes=("tile",), fingerprint=f"print{i}")
    add_run(place, root / "set5", "patchcore", classes=("tile",), fingerprint="print5",
            setting="separate")  # fmt: skip
    add_run(place, root / "set0", "rd", classes=("tile",), fingerprint="elsewhere")
    return place


class TestOverDataSets:
    @pytest.fixture(autouse=True)
    def here(self, several: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(several.root))

    def test_methods_by_data_sets_with_mean_ranks(self) -> None:
        test = visit("leaderboard", data="all", setting="unified")
        found = table(test, "Image AUROC of every method")
        assert [c["title"] for c in found["columns"]] == [
            "Method", "Mean rank", *[f"set{i}" for i in range(6)],
        ]  # fmt: skip
        by_name = {line["cells"][0]["text"]: line["cells"] for line in found["rows"]}
        assert set(by_name) == {"PatchCore", "RD", "SimpleNet"}
        assert by_name["RD"][7]["text"] == "–", "it has no result on the last"
        board = results.runs(results.source())
        values = results.metrics(results.source(), tuple(board["run_id"]))
        mean = values[(values["class_name"] == "mean") & (values["metric"] == "image_auroc")]
        of_run = dict(zip(mean["run_id"], mean["value"], strict=True))
        for title, method in (("PatchCore", "patchcore"), ("RD", "rd")):
            for i in range(5):
                (run,) = board.loc[
                    (board["method"] == method) & (board["fingerprint"] == f"print{i}")
                    & (board["setting"] == "unified"), "run_id",
                ]  # fmt: skip
                assert by_name[title][2 + i]["sort"] == pytest.approx(of_run[run])
        said = text(test)
        assert "over five data sets" in said, "set5 has a gap"
        assert "left out for gaps: set5" in said
        assert "Friedman" in said and "Wilcoxon" in said

    def test_a_data_set_counts_once_with_the_content_most_ran_on(self) -> None:
        found = table(visit("leaderboard", data="all"), "Image AUROC")
        assert sum(c["title"] == "set0" for c in found["columns"]) == 1

    def test_settings_are_contestants_of_their_own(self) -> None:
        found = table(visit("leaderboard", data="all"), "Image AUROC")
        names = [line["cells"][0]["text"] for line in found["rows"]]
        assert "PatchCore (separate)" in names and "PatchCore (unified)" in names

    def test_by_the_other_convention(self) -> None:
        test = visit("leaderboard", data="all", counting="ader", setting="unified")
        assert "Image AUROC as ADer counts over five data sets" in text(test)
        found = table(test, "Image AUROC as ADer counts")
        assert not [c for line in found["rows"] for c in line["cells"][2:] if c.get("below")]

    def test_a_value_leads_to_the_board_of_its_data_set(self) -> None:
        found = table(visit("leaderboard", data="all"), "Image AUROC")
        hrefs = {cell.get("href") for line in found["rows"] for cell in line["cells"][2:]}
        assert "leaderboard?data=print0&by=image_auroc" in hrefs


class TestPublishedBeside:
    @pytest.fixture
    def known(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
        """The test's data set passes for MPDD."""
        ader.published()  # read before its data sets are hidden
        benchmark = ader.Benchmark("MPDD", frozenset({"parts"}), len(CLASSES))
        monkeypatch.setattr(ader, "BENCHMARKS", (benchmark,))
        return store

    def test_they_stand_grey_and_unranked_among_ours(self, known: Store) -> None:
        board = table(visit("leaderboard", counting="ader", published="100"), "Leaderboard")
        theirs = [line for line in board["rows"] if line.get("quiet")]
        assert len(theirs) == 16 and len(board["rows"]) == 19
        values = [line["cells"][3].get("sort") for line in board["rows"]]
        assert values == sorted(values, reverse=True), "by value, ours and theirs"
        cells = row(board, "published-simplenet-100")
        chips = cells["Method"]["chips"]
        assert "published, ADer, 100 epochs" in chips and "at 256 px" in chips
        assert cells["Rank"]["text"] == "–" and cells["Image AUROC"]["text"] == "0.884"
        assert cells["Protocol"]["text"] == "benchmark"
        assert "no target" in row(board, "published-draem-100")["Method"]["chips"]

    def test_they_are_hidden_at_first_and_never_beside_exact_values(self, known: Store) -> None:
        for query in ({"counting": "ader"}, {"published": "100"}):
            board = table(visit("leaderboard", **query), "Leaderboard")
            assert not [line for line in board["rows"] if line.get("quiet")]

    def test_an_inconsistent_row_says_so(self, known: Store) -> None:
        board = table(visit("leaderboard", counting="ader", published="300"), "Leaderboard")
        cell = row(board, "published-patchcore-300")["mAD"]
        assert "mAD is not the mean of its seven parts, which is 81.9 %" in cell["help"]

    def test_another_data_set_says_why_none_can_stand_beside(self, store: Store) -> None:
        test = visit("leaderboard", counting="ader", published="100")
        assert "ADer published no results on this data set" in text(test)
        assert not [line for line in table(test, "Leaderboard")["rows"] if line.get("quiet")]


class TestPublishedPage:
    def test_all_rows_marked(self, store: Store) -> None:
        test = visit("published")
        found = table(test, "Published")
        assert len(found["rows"]) == 300
        said = shown(found)
        assert said.count("published, ADer, 100 epochs") == 164
        assert said.count("mAD inconsistent") == 6
        assert "In 6 rows (PatchCore at 300 epochs)" in text(test)
        assert "No target: the benchmark's sources hold neither" in text(test).replace(
            "&#x27;", "'"
        )

    def test_filters(self, store: Store) -> None:
        found = table(visit("published", data="MVTec AD", epochs="300"), "Published")
        assert len(found["rows"]) == 16
        assert {line["cells"][1]["text"] for line in found["rows"]} == {"MVTec AD"}
        assert "published nothing" in text(visit("published", data="Real-IAD", epochs="300"))

    def test_an_empty_workspace_has_them_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
        assert len(table(visit("published"), "Published")["rows"]) == 300
