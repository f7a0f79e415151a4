"""What the Compare page counts, draws and says, on frames made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.metrics.changes import Change, Union
from core.metrics.compare import DifferenceRow
from core.metrics.ensemble import Ceiling, Gain
from core.types import MEAN
from dashboard import compare_charts, compare_words, comparing
from dashboard.compare_charts import Corner
from dashboard.words import GENERAL, PLANT

BAD, GOOD = f"{GENERAL.bad} {GENERAL.items}", f"{GENERAL.good} {GENERAL.items}"


def table(rows: list[tuple[int, str, str, float, float]]) -> pd.DataFrame:
    """label, outcome of A, outcome of B, margin of A, margin of B."""
    columns = ["label", "outcome:a", "outcome:b", "margin:a", "margin:b"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(key=[f"k{i}" for i in range(len(rows))], class_name="x", specimen=None)


CASES = table([
    (1, "found", "found", 2.0, 2.0),
    (1, "found", "missed", 1.0, -1.0),
    (1, "found", "missed", 3.0, -2.0),
    (1, "missed", "found", -1.0, 1.0),
    (1, "missed", "missed", -1.0, -1.0),
    (1, "not judged", "found", np.nan, 1.0),
    (0, "passed", "passed", -1.0, -1.0),
    (0, "false alarm", "passed", 1.0, -1.0),
    (0, "passed", "false alarm", -1.0, 2.0),
    (0, "false alarm", "false alarm", 1.0, 1.0),
])  # fmt: skip


def row(verdict: str = "open", name: str = "x", **changes: Any) -> pd.Series:
    held = {"class_name": name, "metric": "image_auroc", "a": 0.8, "b": 0.7, "difference": 0.1,
            "low": -0.02, "high": 0.2, "p": 0.1, "p_corrected": 0.2, "images": 10,
            "test": "bootstrap", "verdict": verdict}  # fmt: skip
    return pd.Series(held | changes)


class TestCases:
    def test_quadrants_by_hand(self) -> None:
        counts = comparing.quadrants(comparing.called(CASES, "a", "b"))
        assert counts[1] == {"both": 1, "only_a": 2, "only_b": 1, "neither": 1}
        assert counts[0] == {"both": 1, "only_a": 1, "only_b": 1, "neither": 1}

    def test_sides_hold_the_clearest_first(self) -> None:
        sides = comparing.sides(comparing.called(CASES, "a", "b"), "a", "b")
        assert {name: list(part["key"]) for name, part in sides.items()} == {
            "only_a": ["k2", "k1"], "only_b": ["k3"], "alarm_a": ["k7"], "alarm_b": ["k8"],
        }  # fmt: skip

    def test_a_class_alone(self) -> None:
        assert comparing.called(CASES, "a", "b", "other").empty
        assert len(comparing.called(CASES, "a", "b", "x")) == 9, "one is not judged"

    def test_only_where_both_agree_is_anything_left_out(self) -> None:
        many = table(
            [(0, "passed", "passed", -1.0, -1.0)] * 1000
            + [(1, "found", "found", 1.0, 1.0)] * 100
            + [(1, "missed", "missed", -1.0, -1.0)] * 900
            + [(0, "false alarm", "passed", 1.0, -1.0)] * 700
        )
        drawn, out = comparing.thinned(comparing.called(many, "a", "b"), bulk=300)
        assert out == 750 + 600, "every fourth of 1,000 and every third of 900 stay"
        kept = drawn.groupby(["label", "alarm_a", "alarm_b"]).size()
        assert kept[0, False, False] == 250 and kept[1, True, True] == 100
        assert kept[1, False, False] == 300 and kept[0, True, False] == 700

    def test_both_ways_mirror(self) -> None:
        one = DifferenceRow(
            MEAN, "image_auroc", 0.8, 0.7, 0.1, 0.02, 0.2, 0.01, 0.03, "bootstrap", 9
        )
        found = comparing.both_ways({("r1", "r2"): one})
        assert found["r1", "r2"]["verdict"] == "a" and found["r2", "r1"]["verdict"] == "b"
        back = found["r2", "r1"]
        assert (back["difference"], back["low"], back["high"]) == (-0.1, -0.2, -0.02)


class TestWords:
    def test_changing_sides(self) -> None:
        counts = {"only_a": 6, "only_b": 0, "alarm_a": 0, "alarm_b": 2}
        tests = [Change("til_e", 1, 6, 0, 3, 0.03, 0.04), Change("y", 1, 0, 0, 3, 1.0, 1.0)]
        said = compare_words.changing("A_1", "B", counts, tests, GENERAL)
        assert said.startswith(
            f"**A 1 finds 6 {BAD} that B misses; B finds none that A 1 misses.**"
        )
        assert "A 1 alone raises no false alarm, B alone 2 false alarms." in said
        assert said.endswith("it is more than chance that A 1 finds more on til e.")

    def test_changes_that_could_be_chance(self) -> None:
        counts = {"only_a": 1, "only_b": 0, "alarm_a": 0, "alarm_b": 0}
        tests = [Change(name, 1, 1, 0, 3, 1.0, 1.0) for name in "xy"]
        said = compare_words.changing("A", "B", counts, tests, PLANT)
        assert "1 defective part that B misses" in said and "no overkill" in said
        assert said.endswith("By McNemar's test the changes of any class could be chance.")
        untested = [Change("x", 1, 1, 0, 3, None)]
        assert "not tested" in compare_words.changing("A", "B", counts, untested, GENERAL)

    def test_by_class(self) -> None:
        classes = pd.DataFrame([row("a", "p"), row("open", "q"), row("b", "r", difference=-0.05)])
        said = compare_words.by_class("A", "B", classes, "AUROC", row("open", MEAN))
        assert said.startswith(
            "**By AUROC, of three classes A is better on one and B is better on one; on one they "
            "cannot be told apart.**"
        )
        assert "largest difference is on p: +0.100 (95 % interval -0.020 to +0.200)" in said
        nobody = pd.DataFrame([row("open", "p"), row("untested", "q")])
        said = compare_words.by_class("A", "B", nobody, "AUROC", None)
        assert "cannot be told apart on any of two classes" in said
        assert "no class can be compared" in compare_words.by_class(
            "A", "B", nobody.iloc[:0], "AUROC", None
        )

    @pytest.mark.parametrize(
        ("verdict", "start"),
        [
            ("a", "**One model for all classes costs RD AUROC**"),
            ("b", "**One model for all classes is better for RD** by AUROC"),
            (
                "open",
                "**By AUROC one model for all classes costs RD nothing that can be told apart",
            ),
            ("untested", "**For RD the difference could not be tested**"),
        ],
    )
    def test_settings(self, verdict: str, start: str) -> None:
        classes = pd.DataFrame([row("a", "p"), row("b", "q"), row("open", "r")])
        said = compare_words.setting("RD", classes, "AUROC", row(verdict, MEAN))
        assert (
            said.startswith(start) and "0.800 with a model a class, 0.700 with one for all" in said
        )
        assert said.endswith("it loses on p and it gains on q.")
        calm = compare_words.setting("RD", classes.iloc[2:], "AUROC", row(verdict, MEAN))
        assert calm.endswith("no single class differs for certain.")

    def test_together(self) -> None:
        best = Gain(0.8, 0.7, 0.85, 0.4, 0.05, 0.03, 0.01, 0.06)
        ranks = Gain(0.8, 0.7, 0.82, None, 0.02, 0.02, -0.01, 0.05)
        either = Union((5, 6, 8, 3), (1, 2, 3, 0), 10, 20)
        flat = np.zeros(51)
        said = compare_words.together(
            "A", "B", Ceiling("image_auroc", flat, flat, best, ranks, {}, ()), either, "AUROC",
            GENERAL,
        )  # fmt: skip
        assert (
            "reaches AUROC 0.850, 0.050 above A alone** (oracle ceiling: the weight, 40 % A" in said
        )
        assert "+0.030, 95 % interval +0.010 to +0.060, a gain that stays" in said
        assert "nothing chosen: 0.820 (+0.020, 95 % interval -0.010 to +0.050)" in said
        assert f"8 of 10 {BAD} are found, 2 more than either alone, with 3 false alarms" in said
        none = Gain(0.8, 0.7, 0.8, 1.0, 0.0, 0.0, 0.0, 0.0)
        said = compare_words.together(
            "A", "B", Ceiling("image_auroc", flat, flat, none, ranks, {}, ()),
            Union((6, 5, 6, 5), (1, 2, 3, 0), 10, 20), "AUROC", GENERAL,
        )  # fmt: skip
        assert "No blend of A and B reaches a higher AUROC than A alone (0.800)" in said
        assert "no more than one of them finds alone" in said

    def test_all_pairs(self) -> None:
        labels = {"1": "One", "2": "Two", "3": "Three"}
        rows = {
            ("1", "2"): row("a"), ("2", "1"): row("b"), ("1", "3"): row("open"),
            ("3", "1"): row("open"), ("2", "3"): row("open"), ("3", "2"): row("open"),
        }  # fmt: skip
        said = compare_words.all_pairs(labels, rows, ["1", "2", "3"], "AUROC")
        assert said == (
            "**By AUROC One is surely better than one of the other two.** "
            "Of 3 pairs two cannot be told apart."
        )
        calm = {pair: row("open") for pair in rows}
        assert "no two of 3 runs can be told apart" in compare_words.all_pairs(
            labels, calm, ["1", "2", "3"], "AUROC"
        )
        assert "no two runs can be compared" in compare_words.all_pairs(labels, {}, ["1"], "AUROC")


class TestCharts:
    def test_marks_know_their_case_whatever_the_truth(self) -> None:
        frame = pd.DataFrame(
            {"key": ["p", "q", "r"], "label": [1, 0, 1], "anomaly_type": ["c", "good", "c"],
             "score_a": [1.0, 2.0, -30.0], "score_b": [0.0, 1.0, 2.0]}
        )  # fmt: skip
        corners = [Corner(True, True, "both <alarm>\n1")]
        figure = compare_charts.scatter_cases(
            frame, "A", "B", 0.0, 0.0, bent=True, names=("ok", "not ok"), corners=corners
        )
        assert [trace.name for trace in figure.data] == ["ok", "not ok"]
        for trace in figure.data:
            for told, x in zip(trace.customdata, trace.x, strict=True):
                case = frame.iloc[int(told[4])]
                assert told[0] == case["key"] and x == pytest.approx(np.arcsinh(case["score_a"]))
                assert told[2] == case["score_a"], "what is hovered is not bent"
        assert figure.layout.annotations[0].text == "both &lt;alarm&gt;<br>1"

    def test_the_ends_carry_the_methods_colours(self) -> None:
        from dashboard import theme

        figure = compare_charts.blend_lines(
            [0.0, 0.5, 1.0], {"mean": [0.6, 0.9, 0.8], "x": [0.5, 0.5, 0.5]}, ("PC", "patchcore"),
            ("RD", "rd"), (0.5, 0.9), 0.85, "AUROC",
        )  # fmt: skip
        ends = {(t.x[0], t.y[0]): t.marker.color for t in figure.data if t.mode == "markers"}
        assert ends[1.0, 0.8] == theme.method_colour("patchcore")
        assert ends[0.0, 0.6] == theme.method_colour("rd")
        said = [note.text for note in figure.layout.annotations]
        assert "oracle ceiling" in said and "A: PC" in said and "B: RD" in said
