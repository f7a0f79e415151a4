"""Saved views in a real browser: keep one, open its link in a fresh window, find it on the list;
and the scatter plot, whose marks lead to the case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from stores import Store, filled

from core import saved

pytestmark = pytest.mark.browser
PATIENCE = 60_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def address(server: Callable[..., str], store: Store) -> str:
    return server(store.workspace.root)


def asked(page: Any) -> dict[str, str]:
    """What the address says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def finding(page: Any) -> str:
    found = page.locator(".fs-finding")
    found.first.wait_for(timeout=PATIENCE)
    return str(found.first.inner_text())


def test_a_saved_view_opens_as_it_was(page: Any, browser: Any, address: str, store: Store) -> None:
    a, b = store.runs["patchcore"], store.runs["rd"]
    page.goto(f"{address}/compare?a={a}&b={b}&by=image_ap&view=changes&class=tile")
    said = finding(page)
    page.get_by_role("button", name="Save view").click()
    page.get_by_label("Name", exact=True).fill("Tiles that change sides")
    page.get_by_label("Note", exact=True).fill("Two kinds of flaw")
    page.get_by_role("button", name="Save", exact=True).click()
    link = page.locator(".sv-one a", has_text="Tiles that change sides")
    link.wait_for(timeout=PATIENCE)
    (view,) = saved.views(store.workspace)
    assert view.note == "Two kinds of flaw" and view.get("class") == "tile"

    fresh = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        second = fresh.new_page()
        second.goto(f"{address}/{view.href}")
        assert finding(second) == said
        kept = asked(second)
        assert (kept["a"], kept["b"], kept["by"]) == (a, b, "image_ap")
        assert (kept["view"], kept["class"]) == ("changes", "tile")

        second.goto(f"{address}/compare?view=saved")
        assert "1 view is saved" in finding(second)
        second.locator(".sv-one a", has_text="Tiles that change sides").click()
        second.wait_for_url("**view=changes**", timeout=PATIENCE)
        second.get_by_text("Is it more than chance?").wait_for(timeout=PATIENCE)
        assert finding(second) == said and asked(second)["by"] == "image_ap"
    finally:
        fresh.close()


def test_a_click_on_a_mark_leads_to_the_case(page: Any, address: str, store: Store) -> None:
    a, b = store.runs["patchcore"], store.runs["rd"]
    page.goto(f"{address}/compare?a={a}&b={b}&class=tile")
    marks = page.locator(".st-key-card-scatter .js-plotly-plot .scatterlayer .point")
    marks.first.wait_for(timeout=PATIENCE)
    page.get_by_text("Click a mark, or drag a box").wait_for(timeout=PATIENCE)
    place = marks.nth(3).bounding_box()
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    card = page.locator(".st-key-card-scatter .us-case")
    card.first.wait_for(timeout=PATIENCE)
    assert "A: " in card.first.inner_text() and "B: " in card.first.inner_text()
    href = str(card.first.get_attribute("href"))
    assert href.startswith("inspect?") and f"run={a}" in href and "case=tile%2Ftest" in href
    card.first.click()
    page.wait_for_url("**/inspect?**", timeout=PATIENCE)
    assert asked(page)["with"] == b
