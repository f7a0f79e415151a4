"""Marking a case in a real browser: it is there after a reload, and a second person's mark is a
mark of its own; typed text is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import add_run, make_data

from core import marks
from core.workspace import Workspace

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "review_script.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("review")
    workspace = Workspace(folder / "workspace")
    add_run(workspace, make_data(folder), "rd", classes=("tile",))
    return workspace


@pytest.fixture(scope="module")
def address(server: Callable[..., str], place: Workspace) -> str:
    return server(place.root, SCRIPT)


def settled(page: Any) -> None:
    """The page has drawn the panel and waits."""
    page.locator(".st-key-review-buttons button").first.wait_for()
    page.wait_for_function("() => document.querySelectorAll('textarea').length === 1")
    page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget]')")


def test_a_mark_stays_and_a_second_person_adds_another(
    page: Any, address: str, place: Workspace
) -> None:
    page.goto(f"{address}/?who=Ann")
    settled(page)
    page.locator("textarea").fill("a saw mark, no crack")
    page.get_by_role("button", name="Wrong label").click()
    page.get_by_text("Filed: wrong label.").wait_for()
    page.wait_for_function("() => document.querySelector('textarea').value === ''")  # filed
    page.reload()
    settled(page)
    first = page.locator(".rv-one").first
    assert "a saw mark, no crack" in first.inner_text() and "Ann" in first.inner_text()

    page.goto(f"{address}/?who=Ben")
    settled(page)
    page.locator("textarea").focus()  # the keyboard alone
    page.keyboard.type("I do see one")
    agree = page.get_by_role("button", name="Agree")
    for _ in range(4):
        page.keyboard.press("Tab")
        if agree.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_text("Filed: agree.").wait_for()
    settled(page)
    said = [one.inner_text() for one in page.locator(".rv-one").all()]
    assert len(said) == 2 and "Ann" in said[0] and "Ben" in said[1]

    page.locator("textarea").fill("on second thoughts")
    page.get_by_role("button", name="Wrong mask").click()
    page.get_by_text("Filed: wrong mask.").wait_for()
    page.get_by_text("version 2").first.wait_for()
    assert "version 2" in page.locator(".rv-one").nth(1).inner_text()

    every = marks.versions(place)
    assert [(m.author, m.verdict, m.version, m.note) for m in every] == [
        ("Ann", "wrong_label", 1, "a saw mark, no crack"),
        ("Ben", "agree", 1, "I do see one"),
        ("Ben", "wrong_mask", 2, "on second thoughts"),
    ]
    found = marks.disputes(every)
    assert found.labels == {every[0].key} and not found.masks and not found.contested


def test_what_was_typed_is_there_when_one_comes_back(page: Any, address: str) -> None:
    page.goto(f"{address}/?who=Ann&case=2")
    settled(page)
    page.locator("textarea").fill("half a thought")
    page.get_by_role("button", name="Other case").click()
    page.get_by_role("heading", name="Case 3").wait_for()
    settled(page)
    page.wait_for_function("() => document.querySelector('textarea').value === ''")
    page.get_by_role("button", name="Other case").click()
    page.get_by_role("heading", name="Case 2").wait_for()
    settled(page)
    assert page.locator("textarea").input_value() == "half a thought"


def test_without_a_name_one_is_asked_for_once(page: Any, address: str, place: Workspace) -> None:
    page.goto(f"{address}/?case=4")
    settled(page)
    page.get_by_placeholder("Your name").fill("Cleo")
    page.get_by_role("button", name="Interesting").click()
    page.get_by_text("Filed: interesting.").wait_for()
    page.get_by_placeholder("Your name").wait_for(state="detached")
    last = marks.versions(place)[-1]
    assert (last.author, last.verdict) == ("Cleo", "interesting")
