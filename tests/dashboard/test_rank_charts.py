"""Figures and sentences of the Leaderboard: costs, the critical-difference diagram, who leads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard import leading, over_sets, over_words, rank_charts
from dashboard.rank_charts import COSTS, Mark
from dashboard.ranking import Paired


def frame(**more: list[float]) -> pd.DataFrame:
    base = {"method": ["patchcore", "rd"], "label": ["PatchCore", "RD (separate)"],
            "cost": [40.0, 20.0], "value": [0.9, 0.8], "low": [0.85, np.nan],
            "high": [0.95, np.nan]}  # fmt: skip
    return pd.DataFrame(base | more)


def marked(figure: object) -> list[object]:
    return [one for one in figure.data if "markers" in one.mode]  # type: ignore[attr-defined]


class TestCost:
    def test_each_entry_in_its_methods_colour_with_its_interval(self) -> None:
        marks = marked(rank_charts.accuracy_cost(frame(), "mAD"))
        assert [one.marker.color for one in marks] == ["#0072B2", "#009E73"]
        assert marks[0].error_y.array[0] == pytest.approx(0.05) and marks[1].error_y.array is None
        assert "mAD 0.900 (0.850 to 0.950)" in marks[0].hovertemplate
        assert "40 images a second" in marks[0].hovertemplate

    def test_more_is_better_for_speed_less_for_memory(self) -> None:
        """PatchCore is better and faster: alone on the front; against memory RD is on it, too."""
        figure = rank_charts.accuracy_cost(frame(), "mAD")
        assert not [one for one in figure.data if one.mode == "lines"]
        memory = rank_charts.accuracy_cost(frame(cost=[4e9, 2e9]), "mAD", COSTS["memory"])
        (line,) = [one for one in memory.data if one.mode == "lines"]
        assert list(line.x) == [2.0, 4.0] and line.line.dash == "dash"
        assert "4 GB at the peak" in marked(memory)[0].hovertemplate

    def test_costs_far_apart_stand_on_a_logarithmic_axis(self) -> None:
        near = rank_charts.accuracy_cost(frame(), "mAD")
        assert near.layout.xaxis.type is None and near.layout.xaxis.range[0] >= 0
        far = rank_charts.accuracy_cost(frame(cost=[2.0, 200.0]), "mAD")
        assert far.layout.xaxis.type == "log" and "20" in far.layout.xaxis.ticktext
        zero = rank_charts.accuracy_cost(frame(cost=[0.0, 200.0]), "mAD")
        assert zero.layout.xaxis.type is None, "a logarithm of nothing"

    def test_one_entry_and_none(self) -> None:
        assert len(marked(rank_charts.accuracy_cost(frame().iloc[:1], "mAD"))) == 1
        assert not rank_charts.accuracy_cost(frame().iloc[:0], "mAD").data

    def test_names_cover_neither_names_nor_marks(self) -> None:
        x, y = np.array([0.2, 0.9, 0.2, 0.3]), np.array([0.5, 0.5, 0.1, 0.1])
        sides = rank_charts.name_sides(x, y, ["wide apart", "at the edge", "left", "right"],
                                       [3, 2, 1, 0])  # fmt: skip
        assert sides == ["middle right", "middle left", "middle left", "middle right"]
        close = rank_charts.name_sides(
            np.array([0.5, 0.5]), np.array([0.5, 0.5]), ["one", "two"], [0, 1]
        )
        assert close == ["middle right", "middle left"]
        crowd = rank_charts.name_sides(
            np.full(9, 0.5), np.full(9, 0.5), [f"method {i}" for i in range(9)], range(9)
        )
        assert crowd.count("") == 5, "four sides hold four names; the others show on hover"

    def test_names_are_text(self) -> None:
        odd = frame(label=["<b>x</b>", "RD"])  # type: ignore[list-item]
        figure = rank_charts.accuracy_cost(odd, "mAD")
        assert "&lt;b&gt;x" in marked(figure)[0].name


class TestDiagram:
    MARKS = (Mark("rd", "RD", 2.5, 2.0, 3.0), Mark("patchcore", "PatchCore", 1.0),
             Mark("simplenet", "SimpleNet (separate)", 2.5))  # fmt: skip

    def test_every_method_hangs_at_its_rank(self) -> None:
        figure = rank_charts.critical_difference(self.MARKS, 1.2, [(0, 2)])
        dots = {one.x[0]: one.marker.color for one in figure.data if one.mode == "markers"}
        assert dots[1.0] == "#0072B2" and 2.5 in dots
        texts = [note.text for note in figure.layout.annotations]
        assert "PatchCore <b>1.00</b>" in texts and "critical difference 1.20" in texts
        assert "<b>2.50</b> SimpleNet<br>(separate)" in texts or (
            "SimpleNet <b>2.50</b><br>(separate)" in texts
        )
        bars = [one for one in figure.data if "cannot be told apart" in (one.hovertemplate or "")]
        assert len(bars) == 1 and "RD, SimpleNet (separate)" in bars[0].hovertemplate

    def test_without_a_test_there_is_neither_scale_nor_bar(self) -> None:
        figure = rank_charts.critical_difference(self.MARKS[:2], None, [])
        texts = [note.text for note in figure.layout.annotations]
        assert not [one for one in texts if "critical" in one]


def frames(**means: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    entries = pd.DataFrame({"entry": list(means), "label": [name.upper() for name in means]})
    values = pd.DataFrame(
        [
            {"entry": e, "class_name": "mean", "metric": "mad", "value": v, "low": v - 0.1,
             "high": v + 0.1}
            for e, v in means.items()
        ]
    )  # fmt: skip
    return entries, values


def apart(*pairs: str, of: str = "abc") -> Paired:
    differs = {(a, b): f"{a}{b}" in pairs or f"{b}{a}" in pairs for a in of for b in of if a != b}
    return Paired(differs, {})


class TestSentence:
    def say(self, paired: Paired, **means: float) -> str:
        return leading.leaderboard(*frames(**means), "mad", "mAD", paired)

    def test_a_lead_names_who_cannot_be_told_apart_behind_it(self) -> None:
        said = self.say(apart("ab", "ac"), a=0.8, b=0.78, c=0.77)
        assert said.startswith("**A leads by mAD**, 0.800 (0.700 to 0.900), surely ahead of all "
                               "two others. B and C cannot be told apart.")  # fmt: skip

    def test_two_entries(self) -> None:
        assert "surely ahead of the other." in self.say(apart("ab", of="ab"), a=0.8, b=0.7)

    def test_none_differs(self) -> None:
        said = self.say(apart(), a=0.8, b=0.5, c=0.4)
        assert said.startswith("**A, B and C cannot be told apart** by mAD on these images")

    def test_some_differ(self) -> None:
        said = self.say(apart("ac"), a=0.8, b=0.79, c=0.4)
        assert "**A is nominally first by mAD**" in said
        assert "cannot be told apart from B on these images; C is surely behind it." in said

    def test_many_are_counted(self) -> None:
        names = "abcdef"
        said = self.say(apart(of=names), **{n: 0.8 - i / 100 for i, n in enumerate(names)})
        assert said.startswith("**Six entries cannot be told apart** by mAD")


def found(values: list[list[float]], labels: str = "ABCDEFGH") -> over_sets.Contest:
    grid = np.array(values)
    names = list(labels[: len(values)])
    sets = [f"set{i}" for i in range(grid.shape[1])]
    return over_sets.contest([n.lower() for n in names], names, sets, grid, grid, grid)


class TestOverWords:
    def test_too_few_say_so_and_still_rank(self) -> None:
        said = over_words.finding(found([[0.9, 0.8], [0.7, 0.6]]), "mAD")
        assert said.startswith("**A has the best mean rank by mAD over two data sets, 1.00 of 2**")
        assert "at least 3 methods and 5 data sets" in said

    def test_one_method_alone(self) -> None:
        assert "Only A has results here" in over_words.finding(found([[0.9] * 6]), "mAD")

    def test_nothing(self) -> None:
        nothing = found([[np.nan, np.nan]])
        assert "No method has mAD on these data sets" in over_words.finding(nothing, "mAD")

    def test_chance_is_called_chance(self) -> None:
        turn = [[3, 1, 2, 3, 1, 2], [1, 2, 3, 1, 2, 3], [2, 3, 1, 2, 3, 1]]
        said = over_words.finding(found([[v / 10 for v in row] for row in turn]), "mAD")
        assert said.startswith("**No method is better on the whole**")

    def test_a_clear_winner(self) -> None:
        sets = np.arange(12) / 1000
        contest = found([list(0.9 + sets), list(0.5 + sets), list(0.4 + sets), list(0.3 + sets)])
        said = over_words.finding(contest, "mAD")
        # critical difference 2.569 sqrt(20 / 72) = 1.35: of ranks 1 2 3 4 only B is within it
        assert "**A has the best mean rank by mAD over 12 data sets, 1.00 of 4**" in said
        assert "B cannot be told apart from it" in said
        strict = over_words.strict(contest)
        assert "corrected for 6 pairs by Holm" in strict and "A beats B, C and D" in strict

    def test_order_and_gaps(self) -> None:
        contest = found([[0.5, 0.5, 0.5], [0.9, 0.9, 0.9], [0.7, np.nan, np.nan]])
        assert contest.labels == ("B", "A", "C") and contest.place(2) is None
        assert contest.place(0) == contest.inside.index(0)
        assert "left out for gaps: C" in over_words.left_out(contest)
