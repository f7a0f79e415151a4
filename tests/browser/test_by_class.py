"""The sortable table and the By class page in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import Store, filled

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "sortable_script.py"


@pytest.fixture(scope="module")
def address(server: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    workspace = tmp_path_factory.mktemp("sortable") / "workspace"
    workspace.mkdir()
    return server(workspace, SCRIPT)


@pytest.fixture
def table(page: Any, address: str) -> Any:
    page.goto(address)
    page.locator(".sortable table").nth(1).wait_for()
    return page.locator(".sortable").first


def names(table: Any) -> list[str]:
    return [str(one) for one in table.locator("tbody tr > :first-child").all_inner_texts()]


def heading(table: Any, title: str) -> Any:
    return table.locator("thead th", has_text=title)


def test_a_click_sorts_numbers_as_numbers(table: Any) -> None:
    assert names(table) == ["hundred", "ten", "nine", "two", "none", "mean"]
    value = heading(table, "Value")
    assert value.get_attribute("aria-sort") == "descending"
    value.locator("button").click()
    assert names(table) == ["two", "nine", "ten", "hundred", "none", "mean"], "not as texts"
    assert value.get_attribute("aria-sort") == "ascending"
    assert "lowest first" in table.locator(".told").inner_text()
    heading(table, "Name").locator("button").click()
    assert names(table) == ["hundred", "nine", "none", "ten", "two", "mean"]
    assert value.get_attribute("aria-sort") is None


def test_keys_sort_and_choose(page: Any, table: Any) -> None:
    heading(table, "Name").locator("button").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert heading(table, "Value").get_attribute("aria-sort") == "ascending"
    assert names(table)[0] == "two"
    page.keyboard.press("Space")
    assert names(table)[0] == "hundred", "the heading kept the focus"
    table.locator("a.first", has_text="nine").focus()
    page.keyboard.press("Enter")
    page.get_by_text("picked nine").wait_for()


def test_a_click_on_a_row_is_told_and_marked_and_the_order_stays(page: Any, table: Any) -> None:
    heading(table, "Value").locator("button").click()
    assert table.locator("tr[aria-current]").get_attribute("data-row") == "ten"
    table.locator("tr[data-row=two] td").first.click()
    page.get_by_text("picked two").wait_for()
    assert names(table)[0] == "two"
    assert page.url.endswith("/"), "the row's own link was not followed"
    table.locator("tr[data-row=mean] td").first.click()
    page.wait_for_timeout(300)
    assert page.get_by_text("picked two").count() == 1, "a mean is no row to choose"


def test_the_csv_is_the_table_as_it_stands(page: Any, table: Any, tmp_path: Path) -> None:
    heading(table, "Value").locator("button").click()
    with page.expect_download() as download:
        table.locator(".save").click()
    assert download.value.suggested_filename == "few.csv"
    path = tmp_path / "few.csv"
    download.value.save_as(str(path))
    lines = path.read_text("utf-8-sig").splitlines()
    assert lines[0] == "Name,Value,Value: 95 % interval,Note"
    assert lines[1] == """two,2,1 to 2,"'=cmd|""x"", <b>\""""
    assert lines[5].startswith("none,,1 to 2") and lines[6].startswith("mean,50,,")


def test_text_stays_text_and_headings_stay_in_view(page: Any, table: Any) -> None:
    assert table.locator("td b").count() == 0
    assert table.locator("td a", has_text="cmd").first.get_attribute("href") == "elsewhere?a=1"
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    wide = page.locator(".sortable").nth(1)
    wide.locator(".scroll").evaluate("(e) => { e.scrollTop = 900; e.scrollLeft = 700; }")
    page.wait_for_timeout(100)
    box, head, first = (
        wide.locator(what).first.bounding_box()
        for what in (".scroll", "thead th", "tbody tr:nth-child(30) > :first-child")
    )
    assert abs(head["y"] - box["y"]) < 3 and abs(head["x"] - box["x"]) < 3
    assert abs(first["x"] - box["x"]) < 3
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), (
        "only the table scrolls"
    )


def test_sixty_rows_of_twenty_sort_in_a_blink(page: Any, table: Any) -> None:
    spent = (
        page.locator(".sortable")
        .nth(1)
        .evaluate(
            """(root) => {
          const button = root.querySelectorAll("thead button")[5], before = performance.now();
          button.click(); root.querySelector("table").getBoundingClientRect();
          return performance.now() - before;
        }"""
        )
    )
    assert spent < 200, f"{spent:.0f} ms"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("by-class"))


def test_a_class_leads_to_its_curves(page: Any, server: Callable[..., str], store: Store) -> None:
    address = server(store.workspace.root)
    runs = store.runs
    page.goto(f"{address}/classes?run={runs['patchcore']}&with={runs['rd']}&class=board")
    page.locator(".sortable table").first.wait_for(timeout=60_000)
    page.locator(".sortable").first.locator("tr[data-row=tile] td").first.click()
    page.wait_for_url("**class=tile**", timeout=20_000)
    assert runs["rd"] in page.url
    card = page.locator(".st-key-card-bc-curves")
    for what in (".scatterlayer .js-line", ".scatterlayer .point", ".legendtext"):
        page.wait_for_function(  # a line, a threshold and a name for each run
            f"() => document.querySelectorAll('.st-key-card-bc-curves {what}').length === 2",
            timeout=20_000,
        )
    assert any("PatchCore" in one for one in card.locator(".legendtext").all_text_contents())
    for kind in ("PR", "PRO", "FROC"):
        card.get_by_text(kind, exact=True).click()
        page.locator(f".st-key-bc-plot-{kind.lower()} .scatterlayer .js-line").first.wait_for(
            timeout=20_000
        )
