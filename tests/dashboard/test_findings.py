"""The computed sentences and the arithmetic behind them; every expected value is worked by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dashboard import casework, findings, ranking
from dashboard.casework import Threshold
from dashboard.ranking import Interval


def frames(
    means: dict[str, tuple[float, float, float]],
    classes: dict[str, dict[str, tuple[float, float, float]]] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Entries and values with image AUROC only."""
    entries = pd.DataFrame({"entry": list(means), "label": [name.upper() for name in means]})
    rows = [(entry, "mean", "image_auroc", *ends) for entry, ends in means.items()]
    for name, of_entry in (classes or {}).items():
        rows += [(entry, name, "image_auroc", *ends) for entry, ends in of_entry.items()]
    columns = ["entry", "class_name", "metric", "value", "low", "high"]
    return entries, pd.DataFrame(rows, columns=columns)


def say(*arguments: object) -> str:
    entries, values = frames(*arguments)  # type: ignore[arg-type]
    return findings.leaderboard(entries, values, "image_auroc", "image AUROC")


def ranks(*intervals: Interval | None) -> list[tuple[int, int] | None]:
    """Places by intervals alone, in the order of the entries."""
    nan = math.nan
    ends = {
        str(i): (nan, nan, nan) if one is None else
        (one.value, nan if one.low is None else one.low, nan if one.high is None else one.high)
        for i, one in enumerate(intervals)
    }  # fmt: skip
    ordered = ranking.ordered(*frames(ends), "image_auroc").set_index("entry")
    return [ordered.loc[str(i), "rank"] for i in range(len(intervals))]


class TestRanks:
    def test_a_place_is_shared_where_intervals_overlap(self) -> None:
        a, b = Interval(0.81, 0.78, 0.84), Interval(0.80, 0.77, 0.83)
        c = Interval(0.70, 0.66, 0.74)
        assert ranks(a, b, c) == [(1, 2), (1, 2), (3, 3)]

    def test_overlap_is_not_transitive(self) -> None:
        a, b, c = Interval(0.9, 0.85, 0.95), Interval(0.83, 0.8, 0.86), Interval(0.8, 0.78, 0.82)
        assert ranks(a, b, c) == [(1, 2), (1, 3), (2, 3)]

    def test_without_ends_nothing_is_told_apart(self) -> None:
        assert ranks(Interval(0.9), Interval(0.1, 0.0, 0.2), None) == [(1, 2), (1, 2), None]

    def test_text(self) -> None:
        assert [ranking.rank_text(one) for one in ((1, 1), (1, 3), None)] == ["1", "1 to 3", "–"]

    def test_touching_intervals_overlap(self) -> None:
        assert not ranking.surely_better(Interval(0.9, 0.8, 1.0), Interval(0.7, 0.6, 0.8))


def run_row(run_id: str, **changes: object) -> dict[str, object]:
    return {
        "run_id": run_id, "group_id": "g", "seed": 0, "created_at": run_id, "method": "m",
        "setting": "unified", "protocol": "benchmark", "size": 256, "backbone": "b",
        "epochs": None, "pretrained": True, "images_per_second": 10.0,
        "peak_memory_bytes": 5, "train_seconds": 2.0,
    } | changes  # fmt: skip


class TestEntries:
    def test_seeds_collapse_to_mean_hull_and_spread(self) -> None:
        runs = pd.DataFrame([run_row("1"), run_row("2", seed=1, images_per_second=20.0)])
        metrics = pd.DataFrame(
            {
                "run_id": ["1", "2"], "class_name": "mean", "metric": "mad",
                "value": [0.6, 0.8], "ci_low": [0.5, 0.7], "ci_high": [0.7, 0.9], "note": "",
                "bound_low": [0.5, math.nan], "bound_high": [0.7, math.nan],
            }
        )  # fmt: skip
        entries = ranking.entries(runs, {"m": "Method"})
        row = ranking.values(entries, metrics).iloc[0]
        assert entries.iloc[0]["seeds"] == [0, 1]
        assert entries.iloc[0]["images_per_second"] == 15.0
        assert (row["low"], row["high"], row["seeds"]) == (0.5, 0.9, 2)
        assert row["value"] == pytest.approx(0.7)
        assert row["spread"] == pytest.approx(math.sqrt(0.02))  # ddof 1: 2 * 0.1^2 / 1
        # the second seed is exact, so it is its own bound: (0.5 + 0.8) / 2, (0.7 + 0.8) / 2
        assert (row["bound_low"], row["bound_high"]) == pytest.approx((0.65, 0.75))

    def test_exact_seeds_have_no_bounds(self) -> None:
        metrics = pd.DataFrame(
            {
                "run_id": ["1"], "class_name": "mean", "metric": "mad", "value": [0.6],
                "ci_low": 0.5, "ci_high": 0.7, "note": "", "bound_low": math.nan,
                "bound_high": math.nan,
            }
        )  # fmt: skip
        entries = ranking.entries(pd.DataFrame([run_row("1")]), {})
        row = ranking.values(entries, metrics).iloc[0]
        assert math.isnan(row["bound_low"]) and math.isnan(row["bound_high"])

    def test_a_repeated_seed_counts_once_and_the_newest_wins(self) -> None:
        runs = pd.DataFrame([run_row("2", images_per_second=4.0), run_row("1")])
        entries = ranking.entries(runs, {})
        assert entries.iloc[0]["run_ids"] == ["2"]
        assert entries.iloc[0]["images_per_second"] == 4.0

    def test_labels_name_what_the_table_mixes(self) -> None:
        runs = pd.DataFrame(
            [
                run_row("1"),
                run_row("2", group_id="h", setting="separate", size=128),
                run_row("3", group_id="i", method="other", size=64, backbone="c"),
            ]
        )
        assert list(ranking.entries(runs, {"m": "M"})["label"]) == [
            "M (unified, 256 px)", "M (separate, 128 px)", "other (unified, 64 px)",
        ]  # fmt: skip

    def test_labels_are_never_equal(self) -> None:
        runs = pd.DataFrame([run_row("1", group_id="aaaa1"), run_row("2", group_id="bbbb1")])
        assert list(ranking.entries(runs, {})["label"]) == [
            "m (settings aaaa)", "m (settings bbbb)",
        ]  # fmt: skip

    def test_order_rank_and_worst_class(self) -> None:
        entries, values = frames(
            {"a": (0.7, 0.6, 0.8), "b": (0.9, 0.85, 0.95)},
            {"x": {"a": (0.9, 0.8, 1.0)}, "y": {"a": (0.5, 0.4, 0.6)}},
        )
        ordered = ranking.ordered(entries, values, "image_auroc")
        assert list(ordered["entry"]) == ["b", "a"]
        assert list(ordered["rank"]) == [(1, 1), (2, 2)]
        assert ranking.worst_class(values, "a", "image_auroc") == ("y", 0.5)
        assert ranking.worst_class(values, "b", "image_auroc") is None


class TestLeaderboardSentence:
    def test_a_clear_lead(self) -> None:
        said = say({"a": (0.9, 0.88, 0.92), "b": (0.7, 0.66, 0.74)})
        assert said.startswith("**A leads** with image AUROC 0.900 (0.880 to 0.920)")

    def test_overlap_with_all_is_no_lead(self) -> None:
        said = say({"a": (0.81, 0.78, 0.84), "b": (0.80, 0.77, 0.83)})
        assert said.startswith("**A and B cannot be told apart** by image AUROC")
        assert "leads" not in said

    def test_overlap_with_some(self) -> None:
        said = say({"a": (0.81, 0.78, 0.84), "b": (0.80, 0.77, 0.83), "c": (0.5, 0.4, 0.6)})
        assert said.startswith("**A is nominally first**")
        assert "overlaps that of B." in said

    def test_without_intervals_the_lead_is_left_open(self) -> None:
        said = say({"a": (0.9, math.nan, math.nan), "b": (0.7, math.nan, math.nan)})
        assert said.startswith("**A has the highest image AUROC, 0.900**; without intervals")
        assert "overlap" not in said

    def test_class_leads_and_chance(self) -> None:
        said = say(
            {"a": (0.9, 0.88, 0.92), "b": (0.7, 0.66, 0.74)},
            {
                "mag_tile": {"a": (0.9, 0.8, 1.0), "b": (0.8, 0.7, 0.9)},
                "scan": {"a": (0.8, 0.7, 0.9), "b": (0.7, 0.6, 0.8)},
                "pcb": {"a": (0.5, 0.4, 0.6), "b": (0.52, 0.42, 0.62)},
            },
        )
        assert "A has the highest value on two of three classes." in said
        assert said.endswith("On pcb no method is surely better than chance.")

    def test_a_tie_of_wins_names_nobody(self) -> None:
        said = say(
            {"a": (0.9, 0.88, 0.92), "b": (0.7, 0.66, 0.74)},
            {"x": {"a": (0.9, 0.8, 1), "b": (0.8, 0.7, 0.9)},
             "y": {"a": (0.8, 0.7, 0.9), "b": (0.9, 0.8, 1)}},
        )  # fmt: skip
        assert "highest value" not in said

    def test_one_entry(self) -> None:
        assert say({"a": (0.9, 0.88, 0.92)}).startswith("**Only A has a result here**")

    def test_nothing_computable(self) -> None:
        entries, values = frames({"a": (math.nan, math.nan, math.nan)})
        said = findings.leaderboard(entries, values, "image_auroc", "image AUROC")
        assert "cannot be computed" in said


COUNTS = {"found": 19, "missed": 5, "false alarm": 1, "passed": 17, "not judged": 0}


class TestRunSentence:
    def values(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "class_name": ["tile", "board", "mean"], "metric": "image_auroc",
                "value": [0.93, 0.52, 0.725], "ci_low": [0.9, 0.4, 0.7],
            }
        )  # fmt: skip

    def test_counts_best_and_worst(self) -> None:
        said = findings.run("PatchCore", COUNTS, self.values(), oracle=True)
        assert said.startswith(
            "**PatchCore finds 19 of 24 anomalous images and raises 1 false alarm "
            "on 18 good images**"
        )
        assert "oracle" in said
        assert "tile best (image AUROC 0.93)" in said
        assert "board worst (0.52, not surely better than chance)" in said

    def test_held_out_thresholds_are_not_called_oracle(self) -> None:
        said = findings.run("RD", COUNTS, self.values(), oracle=False)
        assert "oracle" not in said
        assert "held-out" in said


def cases(rows: list[tuple[str, str, int, str, float]]) -> pd.DataFrame:
    columns = ["key", "class_name", "label", "anomaly_type", "score"]
    frame = pd.DataFrame(rows, columns=columns)
    bad = frame["label"] == 1
    return frame.assign(
        row=range(len(frame)), specimen=None, has_mask=True, area_px=bad * 9, regions=bad * 1,
        peak_in_truth=[bool(score > 3) if label else None
                       for label, score in zip(frame["label"], frame["score"], strict=True)],
    )  # fmt: skip


FOUR = [
    ("n1", "c", 0, "good", 1.0), ("n2", "c", 0, "good", 3.0),
    ("a1", "c", 1, "crack", 2.0), ("a2", "c", 1, "hole", 5.0),
]  # fmt: skip


class TestJudge:
    def test_outcomes_errors_and_margins(self) -> None:
        judged = casework.judge(cases(FOUR), {"c": Threshold(3.0, oracle=True)})
        assert list(judged["outcome"]) == ["passed", "false alarm", "missed", "found"]
        assert list(judged["error"]) == [0.0, 0.5, 0.5, 0.0]  # n2 beats a1; a1 is below n2
        assert list(judged["margin"]) == [-2.0, 0.0, -1.0, 2.0]  # normal scores: sd 1

    def test_a_class_without_threshold_is_not_judged(self) -> None:
        judged = casework.judge(cases(FOUR), {})
        assert set(judged["outcome"]) == {"not judged"}
        assert casework.counts(judged)["not judged"] == 4

    def test_held_out_thresholds_win_over_the_oracle(self) -> None:
        rows = [("c", "image_threshold_heldout", 2.0, "40 held-out normals"),
                ("c", "image_f1max_threshold", 1.0, "oracle"),
                ("d", "image_f1max_threshold", 1.5, "oracle"),
                ("e", "image_f1max_threshold", None, "no anomalous image")]  # fmt: skip
        frame = pd.DataFrame(rows, columns=["class_name", "metric", "value", "note"])
        found = casework.thresholds(frame)
        assert found["c"] == Threshold(2.0, oracle=False, note="40 held-out normals")
        assert found["d"].oracle
        assert "e" not in found

    def test_recall_by_type(self) -> None:
        judged = casework.judge(cases(FOUR), {"c": Threshold(3.0, oracle=True)})
        table = casework.by_type(judged)
        assert list(table["anomaly_type"]) == ["crack", "hole"]
        assert list(table["share"]) == [0.0, 1.0]
        # Wilson for 1 of 1: lower end 1 / (1 + z^2) = 0.2065
        assert table["low"][1] == pytest.approx(0.20654, abs=1e-5)
        assert table["high"][1] == 1.0


class TestJoinAndSelect:
    def table(self) -> pd.DataFrame:
        other = [("n1", "c", 0, "good", 1.0), ("n2", "c", 0, "good", 2.0),
                 ("a1", "c", 1, "crack", 4.0), ("a2", "c", 1, "hole", 2.5)]  # fmt: skip
        at = {"c": Threshold(3.0, oracle=True)}
        return casework.join(
            {"p": casework.judge(cases(FOUR), at), "q": casework.judge(cases(other), at)}
        )

    def test_one_row_a_key_with_both_outcomes(self) -> None:
        table = self.table().set_index("key")
        assert table.loc["a1", "outcome:p"] == "missed"
        assert table.loc["a1", "outcome:q"] == "found"
        assert table["wrong"].to_dict() == {"n1": 0, "n2": 1, "a1": 1, "a2": 1}
        assert table["off_target"].to_dict() == {"n1": 0, "n2": 0, "a1": 1, "a2": 1}

    def test_orders(self) -> None:
        table = self.table()
        keys = {show: list(casework.select(table, show)["key"]) for show in casework.SHOWS}
        assert keys["missed first"] == ["a1", "a2", "n2", "n1"]
        assert keys["false alarms"] == ["n2"]
        assert keys["near the threshold"][0] == "n2"  # on the threshold for p
        assert keys["worst localised"] == ["a1", "a2"]  # all equal: by key
        assert keys["all"] == ["a1", "a2", "n1", "n2"]

    def test_filters(self) -> None:
        assert list(casework.select(self.table(), "all", "c", "hole")["key"]) == ["a2"]
        assert casework.select(self.table(), "all", "d").empty

    def test_split_by_two(self) -> None:
        parts = casework.split_by_two(self.table(), "p", "q")
        sizes = {name: len(part) for name, part in parts.items()}
        assert sizes == {"both": 0, "only_a": 1, "only_b": 1, "neither": 0}
        assert list(parts["only_a"]["key"]) == ["a2"]

    def test_cases_only_one_run_scored_are_left_out(self) -> None:
        at = {"c": Threshold(3.0, oracle=True)}
        few = casework.judge(cases(FOUR[:3]), at)
        assert len(casework.join({"p": casework.judge(cases(FOUR), at), "q": few})) == 3


class TestWords:
    def test_verdict(self) -> None:
        said = findings.verdict({"RD": "missed", "PatchCore": "found", "SimpleNet": "missed"})
        assert said == "Missed by RD and SimpleNet, found by PatchCore"
        assert findings.verdict({"RD": "false alarm"}) == "False alarm of RD"

    def test_names_are_harmless(self) -> None:
        assert findings.plain("a_b") == "a b"
        assert findings.plain("[x](y)<b>") == r"\[x\]\(y\)\<b\>"

    def test_lists(self) -> None:
        assert findings.listed(["a"]) == "a"
        assert findings.listed(["a", "b", "c"]) == "a, b and c"

    def test_inspect_says_what_is_missed(self) -> None:
        counts = {"found": 3, "missed": 5, "false alarm": 0, "passed": 6, "not judged": 0}
        said = findings.inspect("RD", counts, "magnetic_tile", Threshold(1.0, oracle=False))
        assert said.startswith("**RD misses 5 of 8 anomalous images of magnetic tile**")
        assert "no false alarm on 6 good images" in said

    def test_compare_names_who_finds_more(self) -> None:
        said = findings.compare("PatchCore", "RD", SIZES, "image AUROC", paired())
        assert "PatchCore finds 6 anomalous images that RD misses" in said
        assert "RD finds 1 anomalous image that PatchCore misses" in said
        assert "Of 24 anomalous images both find 15 and both miss 2." in said

    @pytest.mark.parametrize(
        ("changes", "end"),
        [
            (
                {},
                "By image AUROC PatchCore is better than RD: 0.810 against 0.740, a difference of "
                "+0.070 (95 % interval +0.020 to +0.120).",
            ),
            (
                {"verdict": "b", "difference": -0.07, "low": -0.12, "high": -0.02},
                "By image AUROC RD is better than PatchCore: 0.810 against 0.740, a difference of "
                "-0.070 (95 % interval -0.120 to -0.020).",
            ),
            (
                {"verdict": "open", "low": -0.01},
                "By image AUROC they cannot be told apart: 0.810 against 0.740, a difference of "
                "+0.070 (95 % interval -0.010 to +0.120).",
            ),
            ({"verdict": "untested"}, "nothing is stored that would tell them apart."),
        ],
    )
    def test_compare_ends_with_the_paired_result(
        self, changes: dict[str, object], end: str
    ) -> None:
        said = findings.compare("PatchCore", "RD", SIZES, "image AUROC", paired(**changes))
        assert said.endswith(end) and "overlap" not in said

    def test_compare_without_a_paired_result(self) -> None:
        said = findings.compare("PatchCore", "RD", SIZES, "AU-PRO", None)
        assert said.endswith("By AU-PRO nothing is stored that would tell them apart.")


SIZES = {"both": 15, "only_a": 6, "only_b": 1, "neither": 2}


def paired(**changes: object) -> pd.Series:
    """The mean's row of a paired comparison."""
    row = {"a": 0.81, "b": 0.74, "difference": 0.07, "low": 0.02, "high": 0.12, "verdict": "a"}
    return pd.Series(row | changes)
