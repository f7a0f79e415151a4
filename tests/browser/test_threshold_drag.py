"""The threshold is dragged by mouse and keyboard without the server, and told on release."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "dashboard"))
from stores import filled

pytestmark = pytest.mark.browser


def test_dragging_needs_no_server_and_release_tells_the_page(
    page: Any, server: Callable[..., str], tmp_path: Path
) -> None:
    store = filled(tmp_path)
    sent: list[int] = []
    page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(len(frame))))
    page.goto(f"{server(store.workspace.root)}/operating?run={store.runs['patchcore']}&class=tile")
    handle = page.get_by_role("slider").first
    handle.wait_for()
    page.wait_for_timeout(800)
    start, before = handle.get_attribute("aria-valuetext"), len(sent)

    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 12):
        page.mouse.move(x + 25 * step, y)
    page.wait_for_timeout(200)
    moved = handle.get_attribute("aria-valuetext")
    assert moved != start, "the numbers follow the line"
    assert len(sent) == before, "nothing was sent while dragging"
    page.mouse.up()
    page.wait_for_function("new URL(location.href).searchParams.get('from') === 'hand'")
    assert len(sent) > before

    handle.focus()
    page.wait_for_timeout(300)
    held = handle.get_attribute("aria-valuenow")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert float(handle.get_attribute("aria-valuenow")) < float(held)
