"""The viewer in a real browser: exact numbers, no traffic for sliders, linked zoom, keyboard."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.metrics.cases import share_hotter

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "viewer_script.py"
COMPONENTS = Path(__file__).parents[2] / "dashboard" / "components"

PIXELS = """(nth) => {
  // pane `nth`: a hash of all pixels, and the share of them that is clearly green (found)
  for (const host of document.querySelectorAll('*')) {
    const root = host.shadowRoot;
    if (!root || !root.querySelector('.viewer')) continue;
    const one = root.querySelectorAll('.pane canvas')[nth];
    const data = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
    let green = 0, hash = 7;
    for (let i = 0; i < data.length; i += 4) {
      hash = (hash * 31 + data[i] + 256 * data[i + 1] + 65536 * data[i + 2]) | 0;
      if (data[i + 1] > data[i] + 40 && data[i + 1] > data[i + 2] + 15) green++;
    }
    return { hash, green: green / (one.width * one.height) };
  }
}"""


@pytest.fixture(scope="module")
def address(server: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    workspace = tmp_path_factory.mktemp("viewer") / "workspace"
    workspace.mkdir()
    return server(workspace, SCRIPT)


@pytest.fixture
def view(page: Any, address: str) -> Any:
    """The page, the viewer drawn; `page.sent` counts websocket frames to the server."""
    page.sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: page.sent.append(data)))
    page.goto(address)
    page.locator(".viewer[data-ready]").wait_for()
    page.wait_for_timeout(600)
    page.sent.clear()
    return page


def _told(view: Any, nth: int) -> str:
    return str(view.locator(".told").nth(nth).inner_text())


def _slide(view: Any, selector: str, value: int) -> None:
    view.locator(selector).evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", value
    )
    view.wait_for_timeout(150)


def test_threshold_moves_the_outline_without_traffic(view: Any) -> None:
    """Raising the threshold shrinks the found region; nothing goes to the server."""
    assert "threshold 24" in _told(view, 1)  # the named one, exact
    view.locator("[data-value=regions]").click()
    view.wait_for_timeout(100)
    low = view.evaluate(PIXELS, 1)
    at = int(view.locator("#threshold").input_value())
    _slide(view, "#threshold", at + 150)
    high = view.evaluate(PIXELS, 1)
    assert low["hash"] != high["hash"]
    assert "threshold 24" not in _told(view, 1)
    _slide(view, "#opacity", 20)
    view.keyboard.press("t")
    view.keyboard.press(" ")
    view.wait_for_timeout(200)
    assert view.sent == []


def test_regions_cover_what_the_numbers_say(view: Any) -> None:
    """Threshold t on the cone is a disc of radius 40 - t; within the true one all of it is found.

    The disc's share of the 64 x 64 map must be green, whatever the size of the canvas.
    """
    view.locator("[data-value=regions]").click()
    _slide(view, "#opacity", 100)
    _slide(view, "#threshold", 590)
    radius = 40 - float(_told(view, 1).split()[1])
    assert 4 < radius < 12  # the true disc has radius 12
    counted = view.evaluate(PIXELS, 1)["green"]
    assert counted == pytest.approx(math.pi * radius**2 / 64**2, rel=0.12)


def test_readout_is_the_maps_own_value(view: Any) -> None:
    """Hovering the centre of the cone reads 40; the tail says 1 in 10^5 there."""
    box = view.locator(".pane canvas").nth(1).bounding_box()
    view.mouse.move(box["x"] + box["width"] * 32.5 / 64, box["y"] + box["height"] * 32.5 / 64)
    view.wait_for_timeout(150)
    assert "score 40" in _told(view, 1)
    assert "1 in 100,000 normal pixels this hot or hotter" in _told(view, 1)
    # the cursor is linked: the other pane's cone is 12 pixels away
    assert "score 28" in _told(view, 2)


def test_zoom_is_linked_and_resets(view: Any) -> None:
    before = [view.evaluate(PIXELS, nth)["hash"] for nth in (1, 2)]
    box = view.locator(".pane canvas").nth(2).bounding_box()
    view.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.mouse.wheel(0, -600)
    view.wait_for_timeout(300)
    after = [view.evaluate(PIXELS, nth)["hash"] for nth in (1, 2)]
    assert before[0] != after[0] and before[1] != after[1]
    assert view.locator(".viewer.zoomed").count() == 1
    view.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.wait_for_timeout(200)
    assert view.locator(".viewer.zoomed").count() == 0
    assert view.sent == []


def test_keyboard_goes_to_the_next_case_once_and_keeps_settings(view: Any) -> None:
    """One event a key press; opacity and a threshold set by hand stay."""
    _slide(view, "#opacity", 33)
    _slide(view, "#threshold", 640)
    told = _told(view, 1)
    view.locator(".settings section").first.hover()
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/1']").wait_for()
    assert view.get_by_text("events: next;").is_visible()
    assert view.locator("#opacity").input_value() == "33"
    assert _told(view, 1) == told
    assert len(view.sent) == 1
    view.keyboard.press("ArrowLeft")
    view.locator(".viewer[data-case='case/0']").wait_for()
    assert view.get_by_text("events: next,previous;").is_visible()
    view.keyboard.press("ArrowLeft")  # there is none before the first
    view.wait_for_timeout(300)
    assert view.get_by_text("events: next,previous;").is_visible()


def test_narrow_stacks_the_panes_and_nothing_scrolls_sideways(view: Any) -> None:
    view.set_viewport_size({"width": 390, "height": 844})
    view.wait_for_timeout(400)
    lefts = [view.locator(".pane").nth(n).bounding_box()["x"] for n in range(3)]
    assert len(set(lefts)) == 1
    wide = view.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 390


def test_download_is_a_picture(view: Any) -> None:
    with view.expect_download() as waiting:
        view.locator("[data-do=save]").click()
    path = waiting.value.path()
    assert waiting.value.suggested_filename == "case_0.png"
    with Image.open(path) as saved:
        assert saved.width > 3 * 600 and saved.height > 500


def test_numbers_agree_with_python(page: Any) -> None:
    """Every float16 pattern, shares and thresholds are those that Python computes."""
    page.set_content("<p>numbers</p>")
    page.add_script_tag(path=str(COMPONENTS / "viewer_math.js"))
    values = np.arange(65536, dtype="<u2").view("<f2").astype(np.float64)
    finite = np.isfinite(values)
    told = np.array(page.evaluate("() => Array.from(HALF, (v) => Number.isFinite(v) ? v : 0)"))
    np.testing.assert_array_equal(told[finite], values[finite])
    tail = [(1.0, 1.0), (2.5, 0.3), (4.0, 0.01), (7.0, 0.0004)]
    asked = [0.2, 1.0, 1.7, 2.5, 3.3, 6.9, 7.0, 7.1]
    shares = page.evaluate(
        "([tail, asked]) => { const c = calibration(tail, []); "
        "return asked.map((v) => shareAt(c, v)); }",
        [tail, asked],
    )
    xs, ys = zip(*tail, strict=True)
    expected = [share_hotter(xs, ys, value) for value in asked]
    assert shares == pytest.approx(expected, rel=1e-12)
    back = page.evaluate(
        "(tail) => { const c = calibration(tail, []); "
        "return [0.9, 0.1, 0.005, 0.0004].map((s) => shareAt(c, rawAtShare(c, s))); }",
        tail,
    )
    assert back == pytest.approx([0.9, 0.1, 0.005, 0.0004])
    positions = page.evaluate(
        "(tail) => { const c = calibration(tail, []); "
        "return [0.3, 0.45, 0.5].map((u) => positionOf(c, rawAt(c, u))); }",
        tail,
    )
    assert positions == pytest.approx([0.3, 0.45, 0.5])


def test_outline_closes_around_a_square(page: Any) -> None:
    """A 3 x 2 block has four sides and four cut corners; every end meets another segment."""
    page.set_content("<p>numbers</p>")
    page.add_script_tag(path=str(COMPONENTS / "viewer_math.js"))
    segments = page.evaluate(
        """() => { const found = [], on = new Uint8Array(80);
           for (const i of [11, 12, 13, 21, 22, 23]) on[i] = 4;
           outline(10, 8, on, 4, [1, 1, 3, 2], () => null, (...s) => found.push(s));
           return found; }"""
    )
    ends = Counter(tuple(one[i : i + 2]) for one in segments for i in (0, 2))
    assert len(segments) == 10 and set(ends.values()) == {2}  # perimeter of 10 pixel edges
    xs, ys = [x for x, _ in ends], [y for _, y in ends]
    assert (min(xs), max(xs), min(ys), max(ys)) == (1, 4, 1, 3)
    (line,) = page.evaluate("(segments) => joined(segments)", segments)
    assert len(line) == 11 and line[0] == line[-1]  # one closed line through all of them
