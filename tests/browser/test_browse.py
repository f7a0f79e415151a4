"""Browse in a real browser: filter, open an image, exclude it, undo; the address brings it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stores import make_data

from core.data import catalogue, edits
from core.workspace import Workspace

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("browse")
    workspace = Workspace(folder / "workspace")
    catalogue.add_dataset(workspace, make_data(folder), "parts")
    return workspace


@pytest.fixture(scope="module")
def address(server: Callable[..., str], place: Workspace) -> str:
    return server(place.root)


def cards(page: Any, count: int) -> Any:
    """The gallery, once it has that many cards and all their pictures."""
    found = page.locator(".cells .card")
    page.wait_for_function(
        """count => {
          const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot)];
          const all = roots.flatMap((r) => [...(r?.querySelectorAll(".cells .card") ?? [])]);
          return all.length === count && all.every((card) => card.querySelector("img"));
        }""",
        arg=count,
    )
    return found


def pick(page: Any, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=f"{label}: {option}", exact=True).click()


def test_filter_open_exclude_undo(page: Any, address: str, place: Workspace) -> None:
    page.goto(f"{address}/browse")
    cards(page, 54)
    pick(page, "Class", "tile")
    pick(page, "Type", "crack")
    found = cards(page, 4)
    page.get_by_text("1 to 4 of 4 images (54 in all)").wait_for()
    assert "class=tile" in page.url and "type=crack" in page.url
    assert found.first.locator("img").count() == 2, "the photograph and the outline of its mask"

    found.nth(1).click()  # without loading the page anew
    page.locator(".viewer[data-case='tile/test/crack/002.png']").wait_for()
    page.get_by_text("2 of 4", exact=True).wait_for()
    page.locator(".viewer").press("ArrowRight")
    page.get_by_text("3 of 4", exact=True).wait_for()
    assert "key=tile%2Ftest%2Fcrack%2F004.png" in page.url

    page.get_by_role("button", name="Exclude").first.click()
    page.get_by_label("Your name").last.fill("Ann")
    page.get_by_label("Reason").fill("a hair on the lens")
    page.get_by_label("Reason").press("Tab")
    page.get_by_role("button", name="Exclude 1 image").click()
    page.get_by_text("Excluded 1 image.").wait_for()
    page.get_by_text("not in this list").wait_for()
    (made,) = edits.of_dataset(place, "parts")
    assert made.keys == ("tile/test/crack/004.png",)
    assert (made.author, made.reason) == ("Ann", "a hair on the lens")

    page.get_by_role("button", name="Gallery").click()
    cards(page, 3)
    page.goto(f"{address}/browse?data=parts&edited=excluded")  # as a link that was sent
    cards(page, 1).first.click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone.").wait_for()
    assert edits.of_dataset(place, "parts") == []
    page.goto(f"{address}/browse?data=parts&class=tile&type=crack")
    cards(page, 4)


def test_nothing_scrolls_sideways_on_a_telephone(page: Any, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/browse?data=parts&class=tile")
    cards(page, 18)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
