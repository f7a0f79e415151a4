"""View models of the Understand pages: board rows, case places, captions, run labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard import boards, casefile, evidence, ranking


def runs(rows: list[dict[str, object]]) -> pd.DataFrame:
    base = {
        "method": "m", "setting": "unified", "protocol": "benchmark", "size": 256, "seed": 0,
        "dataset": "real3", "classes": ["a", "b"], "fingerprint": "f",
        "created_at": pd.Timestamp("2026-01-02 03:04"),
    }  # fmt: skip
    return pd.DataFrame([base | {"run_id": f"r{i}"} | row for i, row in enumerate(rows)])


class TestDataOptions:
    def test_a_part_of_the_classes_is_named(self) -> None:
        frame = runs([{}, {"fingerprint": "g", "classes": ["a"]}])
        assert boards.data_options(frame) == {"f": "real3", "g": "real3: a"}

    def test_changed_content_is_told_apart_by_its_day(self) -> None:
        later = pd.Timestamp("2026-02-03 04:05")
        options = boards.data_options(runs([{}, {"fingerprint": "g", "created_at": later}]))
        assert options == {
            "f": "real3, as of 02 Jan 2026 03:04",
            "g": "real3, as of 03 Feb 2026 04:05",
        }


def test_filters_offer_any_only_where_there_is_a_choice() -> None:
    frame = runs([{"size": 256}, {"size": 128}])
    assert boards.choices(frame, "setting") == ["unified"]
    assert boards.choices(frame, "size") == ["any", "128", "256"]
    assert list(boards.narrow(frame, size="128", setting="any")["run_id"]) == ["r1"]


def test_cells_give_the_reason_for_a_missing_value() -> None:
    row = {"value": None, "low": None, "high": None, "note": "no masks", "spread": None, "seeds": 0}
    assert boards.metric_cell(row) == boards.Cell("–", "", "no masks")
    row |= {"value": 0.5, "low": 0.4, "high": 0.6, "note": "", "spread": 0.01, "seeds": 3}
    assert boards.metric_cell(row) == boards.Cell(
        "0.500", "0.400 to 0.600", "mean of 3 seeds, standard deviation 0.010"
    )


def test_a_streamed_value_says_what_it_surely_lies_between() -> None:
    row = {"value": 0.86, "low": 0.8, "high": 0.9, "note": "", "bound_low": 0.85999,
           "bound_high": 0.86001}  # fmt: skip
    assert boards.metric_cell(row) == boards.Cell(
        "0.860", "0.800 to 0.900", "streamed: surely between 0.85999 and 0.86001"
    )
    assert boards.streamed(0.5, 0.5) == "streamed: surely between 0.500 and 0.500"
    exact = row | {"bound_low": np.nan, "bound_high": np.nan}
    assert boards.metric_cell(exact).help == ""


def test_a_row_that_was_never_stored_gives_its_reason() -> None:
    assert boards.metric_cell(None, "stored before") == boards.Cell("–", "", "stored before")


def board(low: float | None, method: str = "m", speed: float | None = 3.0) -> boards.Line:
    entries = pd.DataFrame(
        {
            "entry": ["e"], "run_id": "r", "method": method, "label": "M", "seeds": [[0]],
            "pretrained": None, "images_per_second": speed, "peak_memory_bytes": speed,
            "train_seconds": speed,
        }
    )  # fmt: skip
    values = pd.DataFrame(
        {
            "entry": ["e"], "class_name": "mean", "metric": "mad", "value": 0.8, "low": low,
            "high": None if low is None else 0.9, "note": "",
        }
    )  # fmt: skip
    entries = ranking.ordered(entries, values, "mad")
    (line,) = boards.lines(entries, values, ["mad"], "mad")
    return line


def test_there_are_no_ranks_without_intervals() -> None:
    assert board(low=0.7).rank == "1"
    assert board(low=None).rank == "–"


def test_maps_made_elsewhere_carry_a_chip_and_no_speed() -> None:
    line = board(low=0.7, method="external:Their tool", speed=np.nan)
    assert line.chips == ("made elsewhere",)
    assert [cell.text for cell in line.cells[-3:]] == ["–", "–", "–"]
    assert board(low=0.7).chips == ()


def test_ranks_letters_and_neighbours_by_intervals() -> None:
    entries = pd.DataFrame({"entry": ["a", "b", "c"], "label": ["A", "B", "C"]})
    values = pd.DataFrame(
        {
            "entry": ["a", "b", "c"], "class_name": "mean", "metric": "mad",
            "value": [0.78, 0.8, 0.5], "low": [0.75, 0.77, 0.4], "high": [0.81, 0.83, 0.6],
        }
    )  # fmt: skip
    ordered = ranking.ordered(entries, values, "mad")
    assert list(ordered["entry"]) == ["b", "a", "c"]
    assert [ranking.rank_text(rank) for rank in ordered["rank"]] == ["1 to 2", "1 to 2", "3"]
    assert list(ordered["letters"]) == ["a", "a", "b"]
    assert list(ordered["level_with"]) == [("a",), ("b",), ()]


class TestPlace:
    def test_neighbours(self) -> None:
        found = casefile.place(["a", "b", "c"], "b")
        assert found == casefile.Place(1, 3, "b", "a", "c")

    def test_an_unknown_case_falls_back_to_the_first(self) -> None:
        assert casefile.place(["a", "b"], "../../etc/passwd") == casefile.Place(
            0, 2, "a", None, "b"
        )
        assert casefile.place([], "a") is None

    def test_the_strip_is_the_page_that_holds_the_case(self) -> None:
        assert casefile.page_of(13, 20, size=12) == range(12, 20)
        assert casefile.page_of(11, 20, size=12) == range(12)


def test_run_labels_name_what_differs() -> None:
    frame = runs([{}, {"seed": 1}, {"method": "other"}])
    assert casefile.run_labels(frame, {"m": "M"}) == {
        "r0": "M, seed 0",
        "r1": "M, seed 1",
        "r2": "other",
    }


def test_badge_is_bad_when_any_run_is_wrong() -> None:
    assert casefile.badge({"RD": "missed", "PatchCore": "found"}) == (
        "Missed by RD, found by PatchCore", "bad",
    )  # fmt: skip
    assert casefile.badge({"RD": "passed"}) == ("Passed by RD", "quiet")


def test_shares_as_people_say_them() -> None:
    said = [evidence.share_text(share) for share in (None, 0.0, 0.25, 0.01, 1 / 12345)]
    assert said == [
        "unknown", "above all normals", "25% of normals",
        "1 in 100 normals", "1 in 12,000 normals",
    ]  # fmt: skip
