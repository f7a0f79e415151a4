"""What the sortable table sends to the browser, and what it takes back."""

from __future__ import annotations

import pytest

from dashboard.boards import Cell
from dashboard.components import grids
from dashboard.components.sortable import (
    CHANCE,
    MAYBE,
    Column,
    Entry,
    Row,
    _wish,
    ground,
    payload,
    value_entry,
)

COLUMNS = [
    Column("Class", left=True),
    Column("Image AUROC", help="ranks images"),
    Column("Rank", rising=True),
]


def row(id: str, value: float | None) -> Row:
    text = "–" if value is None else f"{value:.3f}"
    return Row(id, (Entry(id), Entry(text, value), Entry("1 to 2", 1)))


def test_entries_sort_by_numbers_and_texts_by_themselves() -> None:
    sent = payload(COLUMNS, [row("a", 0.9), row("b", None)], caption="c", sort=1)
    first, second = sent["rows"]
    assert first["cells"][0] == {"text": "a", "sort": "a"}
    assert first["cells"][1] == {"text": "0.900", "sort": 0.9}
    assert "sort" not in second["cells"][1], "without a value: after all others"
    assert first["cells"][2]["sort"] == 1


def test_zero_is_a_value() -> None:
    sent = payload(COLUMNS, [row("a", 0.0)], caption="c")
    assert sent["rows"][0]["cells"][1] == {"text": "0.000", "sort": 0.0}


def test_the_first_sort_is_that_of_a_click() -> None:
    assert payload(COLUMNS, [], caption="c", sort=1)["down"] is True
    assert payload(COLUMNS, [], caption="c", sort=0)["down"] is False
    assert payload(COLUMNS, [], caption="c", sort=2)["down"] is False
    assert payload(COLUMNS, [], caption="c", sort=2, down=True)["down"] is True
    assert [one.get("rising", False) for one in payload(COLUMNS, [], caption="c")["columns"]] == [
        True, False, True,
    ]  # fmt: skip


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 entries for 3 columns"):
        payload(COLUMNS, [Row("a", (Entry("a"),))], caption="c")
    with pytest.raises(ValueError, match="one id"):
        payload(COLUMNS, [row("a", 1.0), row("a", 2.0)], caption="c")


def test_a_click_is_believed_only_of_a_row_the_table_has() -> None:
    assert _wish({"pick": {"row": "tile"}}, {"tile"}) == "tile"
    for state in ({"pick": {"row": "other"}}, {"pick": {"row": 3}}, {"pick": "tile"}, {}, None):
        assert _wish(state, {"tile"}) is None


def test_grounds_follow_the_rule_of_the_grids() -> None:
    for value, metric in ((0.97, "image_auroc"), (0.5, "image_auroc"), (0.3, "pixel_ap")):
        assert ground(value, metric).startswith("rgba(")
        assert ground(value, metric) in grids.heat(value, metric)
    assert grids.BAD in ground(0.5, "image_auroc") and grids.GOOD in ground(0.97, "image_auroc")
    assert ground(None, "image_auroc") == ""


def test_what_is_no_better_than_chance_says_so_in_words() -> None:
    sure = value_entry(Cell("0.700", "0.600 to 0.800"), "image_auroc", 0.7001, 0.6)
    open_ = value_entry(Cell("0.540", "0.450 to 0.630"), "image_auroc", 0.54, 0.45)
    assert sure.mark == "" and sure.sort == 0.7001
    assert open_.mark == MAYBE
    assert value_entry(Cell("0.480", "0.450 to 0.530"), "image_auroc").mark == CHANCE
    assert value_entry(Cell("0.400"), "pixel_ap").mark == "", "AP has no one level of chance"
    missing = value_entry(Cell("–", "", "no masks"), "pixel_ap")
    assert missing.sort is None and missing.ground == "" and missing.help == "no masks"
