"""The threshold moves by mouse, keys and number; only a release reaches the server; one is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import filled

pytestmark = pytest.mark.browser
ADDRESS = "new URL(location.href).searchParams"


def counts(page: Any) -> dict[str, str]:
    """The live numbers above the chart, by what they count."""
    cells = page.locator(".told div")
    found = (cells.nth(i) for i in range(cells.count()))
    return {one.get_attribute("data-kind"): one.locator("dd").inner_text() for one in found}


def test_drag_keys_number_and_keeping(
    page: Any, server: Callable[..., str], tmp_path: Path
) -> None:
    store = filled(tmp_path)
    run = store.runs["patchcore"]
    sent: list[int] = []
    page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(len(frame))))
    base = server(store.workspace.root)
    page.goto(f"{base}/operating?run={run}&class=tile")
    handle = page.get_by_role("slider").first
    handle.wait_for()
    page.get_by_text("Keep and use it").wait_for()
    page.wait_for_timeout(800)

    # the mouse: the numbers follow, the server hears nothing until the line is let go
    start, before = counts(page), len(sent)
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 20):
        page.mouse.move(x + 60 * step, y)
    page.wait_for_timeout(200)
    moved = counts(page)
    assert moved != start and moved["found"].startswith("0 ") and moved["missed"].startswith("8 ")
    assert len(sent) == before, "nothing was sent while dragging"
    page.mouse.up()
    page.wait_for_function(f"{ADDRESS}.get('from') === 'hand' && {ADDRESS}.get('t')")
    page.get_by_text("misses 8 of 8 anomalous images").wait_for()
    assert len(sent) > before

    # the keys: likewise, and a pause counts as letting go
    handle.focus()
    told, before = page.evaluate(f"{ADDRESS}.get('t')"), len(sent)
    page.keyboard.press("Home")
    assert counts(page)["found"].startswith("8 ") and counts(page)["alarm"].startswith("6 ")
    assert len(sent) == before, "nothing was sent by a key"
    page.wait_for_function(f"{ADDRESS}.get('t') !== '{told}'")
    page.get_by_text("flags 6 of 6 good ones").wait_for()
    page.keyboard.press("ArrowRight")
    assert counts(page)["passed"].startswith("1 "), "the lowest score now passes"

    # a number that no image has, then kept: Failures and Inspect judge by it
    field = page.locator("input[data-line=low]")
    page.wait_for_timeout(900)
    field.fill("1000.5")
    field.press("Enter")
    page.wait_for_function(f"{ADDRESS}.get('t') === '1000.5'")
    page.get_by_label("Name", exact=True).fill("night shift")
    page.get_by_label("Name", exact=True).press("Tab")
    page.get_by_text("Keep and use it").click()
    page.get_by_text("Kept as").wait_for()
    page.get_by_text("At the threshold “night shift”").wait_for()
    page.goto(f"{base}/failures?run={run}&class=tile")
    page.get_by_text("8 misses among 8").first.wait_for()
    page.goto(f"{base}/inspect?run={run}&class=tile")
    page.get_by_text("night shift").first.wait_for()
