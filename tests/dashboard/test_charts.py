"""Figures hold the numbers they were given, in the colours of the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard import charts, compare_charts, theme
from dashboard.chart_parts import label_sides, pareto, rgba


def _curve(run: str, method: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run_id": run, "method": method, "class_name": "tile", "position": [1, 0, 2],
            "x": [0.25, 0.0, 1.0], "y": [0.8, 0.0, 1.0], "threshold": [3.5, np.nan, 1.0],
        }
    )  # fmt: skip


def test_roc_draws_one_line_a_run_in_its_methods_colour() -> None:
    both = pd.concat([_curve("a", "patchcore"), _curve("b", "rd")])
    figure = charts.roc(both, {"a": "PatchCore", "b": "RD"})
    assert [line.name for line in figure.data] == ["PatchCore", "RD"]
    assert [line.line.color for line in figure.data] == ["#0072B2", "#009E73"]
    assert list(figure.data[0].x) == [0.0, 0.25, 1.0]  # in drawing order
    assert figure.data[0].customdata[1] == "<br>at threshold 3.5"
    assert figure.data[0].customdata[0] == ""
    assert figure.layout.showlegend is True
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_a_single_curve_needs_no_legend() -> None:
    assert charts.pr(_curve("a", "patchcore")).layout.showlegend is False


def test_pro_stops_at_its_limit() -> None:
    assert list(charts.pro(_curve("a", "rd")).layout.xaxis.range) == [0, 0.3]


def test_froc_counts_marks_instead_of_shares() -> None:
    figure = charts.froc(_curve("a", "rd"))
    assert list(figure.layout.xaxis.range) == [0, 8] and figure.layout.xaxis.tickformat == "g"
    assert "%{x:.2f} false marks an image" in figure.data[0].hovertemplate


def test_histogram_names_thresholds_where_they_lie() -> None:
    bars = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4, 9, 1]})
    figure = charts.score_histogram(bars, bars + 1, {"oracle": 2.25, "held out": 2.75})
    assert [line.x0 for line in figure.layout.shapes] == [2.25, 2.75]
    texts = {note.text: note.x for note in figure.layout.annotations}
    assert texts["oracle 2.25"] == 2.25 and texts["held out 2.75"] == 2.75
    assert [trace.name for trace in figure.data] == ["normal", "anomalous"]
    assert list(figure.data[0].y) == [4, 9, 1]
    assert charts.score_histogram(bars, bars.iloc[:0]).data[0].name == "normal"


def test_few_images_make_few_bars() -> None:
    bins = pd.DataFrame({"x": np.arange(40) + 0.5, "y": [1] * 10 + [0] * 30})
    bars = charts.score_histogram(bins, bins).data[0]
    # 20 images: 2 sqrt(20) is about 9 bars, so every 4 of the 40 bins are joined
    assert list(bars.x[:2]) == [2.0, 6.0] and list(bars.y[:4]) == [4, 4, 2, 0]
    many = bins.assign(y=100)
    assert len(charts.score_histogram(many, many).data[0].x) == 40


def test_losses_end_with_their_name() -> None:
    losses = pd.DataFrame(
        {"model": "all", "epoch": [2, 1, 1, 2], "loss": ["cos", "cos", "l1", "l1"],
         "value": [0.5, 1.0, 2.0, 1.5]}
    )  # fmt: skip
    figure = charts.loss_lines(losses)
    assert list(figure.data[0].x) == [1, 2] and list(figure.data[0].y) == [1.0, 0.5]
    ends = {note.text: (note.x, note.y) for note in figure.layout.annotations}
    assert ends == {"cos": (2, 0.5), "l1": (2, 1.5)}


def test_differences_fade_where_the_order_is_open() -> None:
    frame = pd.DataFrame(
        {"class_name": ["a", "b_c", "d"], "a": [0.9, 0.6, 0.5], "b": [0.7, 0.65, 0.45],
         "difference": [0.2, -0.05, 0.05], "low": [0.1, -0.1, np.nan], "high": [0.3, 0.02, np.nan],
         "p_corrected": [0.0004, 0.3, np.nan], "verdict": ["a", "open", "untested"]}
    )  # fmt: skip
    bars = compare_charts.difference_bars(frame, "A <b>", "B").data[0]
    assert list(bars.y) == ["b c", "d", "a"]  # by difference
    strong, faint = rgba(theme.TOKENS["accent"][0], 0.9), rgba(theme.TOKENS["accent"][0], 0.35)
    assert list(bars.marker.color) == [rgba("#d55e00", 0.35), faint, strong]
    assert list(bars.error_x.array)[::2] == pytest.approx([0.07, 0.1])
    assert list(bars.error_x.arrayminus)[::2] == pytest.approx([0.05, 0.1])
    assert "A &lt;b&gt;" in bars.hovertemplate and "<b>B" not in bars.hovertemplate
    hovers = [words[2] for words in bars.customdata]
    assert "cannot be told apart" in hovers[0] and "corrected p 0.300" in hovers[0]
    assert hovers[1] == "<br>not tested"
    assert "corrected p &lt; 0.001" in hovers[2] and "apart" not in hovers[2]


def test_an_interval_clear_of_zero_is_faint_when_the_corrected_p_leaves_it_open() -> None:
    frame = pd.DataFrame(
        {"class_name": ["a"], "a": [0.9], "b": [0.7], "difference": [0.2], "low": [0.1],
         "high": [0.3], "p_corrected": [0.06], "verdict": ["open"]}
    )  # fmt: skip
    bars = compare_charts.difference_bars(frame, "A", "B").data[0]
    assert list(bars.marker.color) == [rgba(theme.TOKENS["accent"][0], 0.35)]


def test_scatter_tells_truth_by_colour_and_shape() -> None:
    cases = pd.DataFrame(
        {"key": ["<k>", "m"], "label": [0, 1], "anomaly_type": ["good", "crack"],
         "score_a": [1.0, 2.0], "score_b": [3.0, 4.0]}
    )  # fmt: skip
    figure = compare_charts.scatter_cases(cases, "A", "B", 1.5, None)
    assert [(d.name, d.marker.symbol) for d in figure.data] == [
        ("normal", "circle-open"), ("anomalous", "diamond"),
    ]  # fmt: skip
    assert figure.data[0].customdata[0][0] == "&lt;k&gt;"
    assert len(figure.layout.shapes) == 1 and figure.layout.shapes[0].x0 == 1.5


def test_pareto_front_by_hand() -> None:
    speed, value = [10, 20, 30, 20, 5], [0.9, 0.8, 0.7, 0.6, 0.9]
    assert pareto(speed, value) == [0, 1, 2]
    assert pareto([], []) == []


def test_labels_of_close_marks_part() -> None:
    """The first two nearly meet: one label left, one right; the last one points inwards."""
    assert label_sides([13, 14, 47], [0.789, 0.783, 0.576]) == ["left", "right", "left"]
    assert label_sides([7, 47], [0.8, 0.6]) == ["right", "left"]
    assert label_sides([5.0, 5.0], [0.5, 0.5]) == ["left", "right"]
