"""The Leaderboard in a real browser: paired places arrive, headings sort, tables stay reachable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stores import add_run, make_data

from core.reference import ader
from core.workspace import Workspace

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(server: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("board")
    place, data = Workspace(root / "workspace"), make_data(root)
    for method in ("patchcore", "rd", "simplenet"):
        add_run(place, data, method)
    make_data(root, "other")
    add_run(place, root / "other", "rd", fingerprint="other", classes=("tile",))
    add_run(place, root / "other", "rd", fingerprint="other", classes=("tile",),
            setting="separate")  # fmt: skip
    return server(place.root)


def board(page: Any, address: str, query: str = "data=f1f2f3f4") -> Any:
    page.goto(f"{address}/leaderboard?{query}")
    found = page.locator(".sortable").first
    found.locator("tbody tr").first.wait_for(timeout=60_000)
    return found


def column(found: Any, place: int) -> list[str]:
    return [str(t) for t in found.locator(f"tbody tr > :nth-child({place})").all_inner_texts()]


def test_the_paired_places_arrive_by_themselves(page: Any, address: str) -> None:
    found = board(page, address)
    page.wait_for_function(
        "() => !document.querySelector('[data-testid=stProgress]')", timeout=60_000
    )
    heads = found.locator("thead th").all_inner_texts()
    assert [head.strip() for head in heads[:3]] == ["Method", "Rank", "Group"]
    assert set("".join(column(found, 3))) <= set("abc")
    said = page.inner_text(".fs-finding")
    assert "on these images" in said or "surely ahead" in said


def test_headings_sort_by_keyboard(page: Any, address: str) -> None:
    found = board(page, address)
    head = found.locator("thead th button", has_text="Image AUROC")
    head.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    values = [float(text.split()[0]) for text in column(found, 4)]
    assert values == sorted(values)
    assert head.locator("xpath=..").get_attribute("aria-sort") == "ascending"


def test_settings_become_columns_and_data_sets_stand_together(page: Any, address: str) -> None:
    found = board(page, address, "data=other")
    assert "Setting" in found.locator("thead").inner_text()
    assert sorted(column(found, 2)) == ["separate", "unified"]
    found = board(page, address, "data=all&setting=unified")
    assert "other" in found.locator("thead").inner_text()
    page.locator(".st-key-card-critical .js-plotly-plot").wait_for()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_but_tables_scrolls_sideways(page: Any, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    board(page, address)
    page.locator(".st-key-speed .js-plotly-plot").wait_for()
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width


def test_published_rows_filter(page: Any, address: str) -> None:
    page.goto(f"{address}/published?data=BTAD&epochs=300")
    found = page.locator(".sortable").first
    found.locator("tbody tr").first.wait_for(timeout=60_000)
    assert found.locator("tbody tr").count() == sum(
        (row.dataset, row.epochs) == ("BTAD", 300) for row in ader.published()
    )
    assert "mAD inconsistent" in found.inner_text()
