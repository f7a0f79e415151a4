"""View models of the Run page: further measures, kinds of flaw, and the words for counting."""

from __future__ import annotations

import math

import pandas as pd

from core.metrics.base import METRICS
from core.metrics.conventions import ADER, EXACT
from core.metrics.region import AT_ORACLE
from dashboard import counting, measures, results
from dashboard.boards import Cell

BLANK = {"ci_low": math.nan, "ci_high": math.nan, "note": "", "bound_low": math.nan,
         "bound_high": math.nan}  # fmt: skip


def rows(*some: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([BLANK | row for row in some])


def one(frame: pd.DataFrame, metric: str, class_name: str = "tile") -> measures.Measure:
    (found,) = measures.measures(frame, class_name, [METRICS.get(metric)])
    return found


class TestMeasures:
    def test_pixels_have_their_unit_and_say_that_lower_is_better(self) -> None:
        frame = rows(
            {"class_name": "tile", "metric": "region_min_size", "value": 1210.4, "ci_low": 608.0,
             "ci_high": 1863.0, "note": AT_ORACLE}
        )  # fmt: skip
        found = one(frame, "region_min_size")
        assert found.cell == Cell("1210 px", "608 to 1863 px")
        assert found.lower_is_better and found.oracle and found.remark == ""

    def test_shares_have_three_digits_and_a_streamed_one_its_bound(self) -> None:
        frame = rows(
            {"class_name": "tile", "metric": "aupimo", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6,
             "bound_low": 0.49, "bound_high": 0.51, "note": "few pixels"}
        )  # fmt: skip
        found = one(frame, "aupimo")
        assert found.cell == Cell(
            "0.500", "0.400 to 0.600", "streamed: surely between 0.490 and 0.510"
        )
        assert found.remark == "few pixels"
        assert not found.lower_is_better and not found.oracle

    def test_a_value_that_cannot_be_computed_says_why(self) -> None:
        frame = rows(
            {"class_name": "scan", "metric": "pixel_dice", "value": math.nan, "note": "no masks"}
        )
        found = one(frame, "pixel_dice", "scan")
        assert (found.cell.text, found.remark) == ("–", "no masks")

    def test_the_mean_carries_what_all_its_classes_say(self) -> None:
        frame = rows(
            {"class_name": "a", "metric": "pixel_dice", "value": 0.4, "note": f"3 px; {AT_ORACLE}"},
            {"class_name": "b", "metric": "pixel_dice", "value": 0.6, "note": f"5 px; {AT_ORACLE}"},
            {"class_name": "c", "metric": "pixel_dice", "value": math.nan, "note": "no masks"},
            {"class_name": "mean", "metric": "pixel_dice", "value": 0.5, "note": "mean of 2 of 3"},
        )
        found = one(frame, "pixel_dice", "mean")
        assert found.oracle and found.remark == "mean of 2 of 3"

    def test_what_was_not_part_of_the_evaluation_has_no_line(self) -> None:
        frame = rows({"class_name": "tile", "metric": "aupimo", "value": 0.5})
        assert measures.measures(frame, "tile", [METRICS.get("object_ap_30")]) == []

    def test_levels_hold_every_quality_beyond_the_nine_once(self) -> None:
        levels = results.further()
        ids = [metric.id for metrics in levels.values() for metric in metrics]
        assert set(levels) <= set(measures.LEVELS)
        assert len(ids) == len(set(ids))
        others = {id for id, metric in METRICS.items() if metric.level != "threshold"} - set(
            results.qualities()
        )
        assert set(ids) == others
        sizes = [id for id in ids if id.startswith("region_recall")]
        assert [id.removeprefix("region_recall_") for id in sizes] == [
            "smallest", "small", "large", "largest",
        ]  # fmt: skip


class TestKinds:
    found = pd.DataFrame(
        [("tile", "crack", 8, 6, 0.75, 0.4, 0.93), ("tile", "stain", 4, 1, 0.25, 0.05, 0.7)],
        columns=["class_name", "anomaly_type", "cases", "found", "share", "low", "high"],
    )

    def test_the_least_found_first_with_its_metrics(self) -> None:
        types = rows(
            {"class_name": "tile", "anomaly_type": "stain", "metric": "image_auroc", "value": 0.7,
             "ci_low": 0.5, "ci_high": 0.9}
        )  # fmt: skip
        first, second = measures.kinds(self.found, types)
        assert (first.anomaly_type, first.found, first.share) == (
            "stain", Cell("1 of 4"), Cell("25%", "5% to 70%"),
        )  # fmt: skip
        assert first.cells[0] == Cell("0.700", "0.500 to 0.900")
        assert first.cells[1].text == "–" and second.cells[0].text == "–"

    def test_kinds_without_a_threshold_still_have_their_metrics(self) -> None:
        types = rows(
            {"class_name": "scan", "anomaly_type": "lesion", "metric": "image_auroc", "value": 0.7}
        )
        (kind,) = measures.kinds(self.found.iloc[:0], types)
        assert kind.share == Cell("–", "", measures.NO_THRESHOLD)
        assert kind.cells[0].text == "0.700"

    def test_runs_stored_before_have_the_shares_alone(self) -> None:
        types = rows().reindex(columns=["class_name", "anomaly_type", "metric", "value"])
        assert [kind.anomaly_type for kind in measures.kinds(self.found, types)] == [
            "stain", "crack",
        ]  # fmt: skip


class TestCounting:
    def test_titles_name_the_convention_that_is_not_the_default(self) -> None:
        assert counting.titled("AU-PRO", EXACT) == "AU-PRO"
        assert counting.titled("AU-PRO", ADER) == "AU-PRO as ADer counts"

    def test_helps_say_how_far_aders_values_can_be_off(self) -> None:
        metric = METRICS.get("pixel_auroc")
        assert counting.helps([metric], EXACT)["Pixel AUROC"] == metric.summary
        said = counting.helps([metric], ADER)["Pixel AUROC"]
        assert metric.summary in said and "0.720" in said

    def test_older_runs_are_named(self) -> None:
        assert counting.without([]) == ""
        assert counting.without(["RD"]).startswith("RD was stored before")
        assert counting.without(["RD", "a_b"]).startswith("RD and a b were stored before")
