"""A report made in the browser is read offline: all is there, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores import filled

pytestmark = pytest.mark.browser


def test_a_report_is_made_looked_at_and_read_offline(
    page: Any, browser: Any, server: Callable[..., str], tmp_path: Path
) -> None:
    store = filled(tmp_path)
    address = server(store.workspace.root)
    page.goto(f"{address}/report?run={store.runs['patchcore']}&with={store.runs['rd']}")
    page.get_by_role("button", name="Make the report").click()
    frame = page.locator('.stMain iframe:not([title*="component"])').first
    frame.wait_for(timeout=60_000)
    inside = frame.content_frame
    inside.locator(".finding").wait_for()
    assert "PatchCore" in inside.locator("h1").inner_text()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download").first.click()
    held = tmp_path / "held.html"
    caught.value.save_as(held)

    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    offline = context.new_page()
    asked: list[str] = []
    offline.on("request", lambda request: asked.append(request.url))
    offline.goto(held.as_uri())
    shown = offline.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert shown and all(shown)
    assert offline.locator("table").count() >= 4 and offline.locator("svg").count() >= 8
    assert [url for url in asked if not url.startswith("data:")] == [held.as_uri()]
    assert offline.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
