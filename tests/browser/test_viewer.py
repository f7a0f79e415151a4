"""The viewer in a real browser: exact numbers, no traffic for sliders, linked zoom, keyboard,
the next case before the server has answered, the list of regions."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from core.metrics.cases import share_hotter
from dashboard.components.viewer_codec import encode_map, encode_mask

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "viewer_script.py"
COMPONENTS = Path(__file__).parents[2] / "dashboard" / "components"
TRUE_DISC = 441  # pixels within 12 of (32, 32)

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


def opened(page: Any, address: str, query: str = "") -> Any:
    """The page, the viewer drawn; `page.sent` counts websocket frames to the server."""
    page.sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: page.sent.append(data)))
    page.goto(f"{address}/{query}")
    page.locator(".viewer[data-ready]").wait_for()
    page.get_by_text("server at 0;").wait_for()
    page.wait_for_timeout(350)
    page.sent.clear()
    return page


@pytest.fixture
def view(page: Any, address: str) -> Any:
    return opened(page, address)


def _rows(view: Any, nth: int) -> list[list[str]]:
    """The regions of one run as the list says them: name, area, peak, covered."""
    view.wait_for_timeout(250)  # the list follows ten times a second
    return [
        [cell.strip() for cell in row.locator("td").all_inner_texts()]
        for row in view.locator(".run").nth(nth).locator("tr.region").all()
    ]


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
    view.locator("[data-do=regions][data-value=fill]").click()
    view.wait_for_timeout(100)
    low = view.evaluate(PIXELS, 1)
    at = int(view.locator("#threshold").input_value())
    _slide(view, "#threshold", at + 150)
    high = view.evaluate(PIXELS, 1)
    assert low["hash"] != high["hash"]
    assert "threshold 24" not in _told(view, 1)
    _slide(view, "#opacity", 20)
    for key in ("t", " ", "h", "o", "+", "-"):
        view.keyboard.press(key)
    view.wait_for_timeout(200)
    assert view.sent == []


def test_regions_cover_what_the_numbers_say(view: Any) -> None:
    """Threshold t on the cone is a disc of radius 40 - t; within the true one all of it is found.

    The disc's share of the 64 x 64 map must be green, whatever the size of the canvas, and however
    the slider came there: pixels are touched one threshold after another.
    """
    view.locator("[data-do=heat]").click()
    view.locator("[data-do=regions][data-value=fill]").click()
    _slide(view, "#opacity", 100)
    for position in (200, 900, 400, 590):
        _slide(view, "#threshold", position)
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
    assert view.locator(".cross:visible, .cross:not([hidden])").count() == 3


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


def test_the_list_says_what_is_there_and_follows_the_threshold(view: Any) -> None:
    """Counts by hand: at 24 the disc of radius 16 covers the true one of 12 wholly; the true square
    at (4, 4) is cold; the second cone is above 24 within 6 pixels of (54, 54) and touches nothing.
    """
    missed, found, alarm = _rows(view, 0)
    assert missed[:2] == ["missed", "4 px"] and missed[3] == "0 %"
    assert found == ["found", f"{TRUE_DISC} px", "40", "100 %"]
    y, x = np.mgrid[:64, :64]
    around = int((np.hypot(x - 54, y - 54) <= 6).sum())
    assert alarm == ["false alarm", f"{around} px", "30", ""]
    view.locator("select.level").select_option("chosen by Ada")  # 28: a disc of radius 12, of 2
    assert "threshold 28" in _told(view, 1)
    rows = _rows(view, 0)
    assert [row[0] for row in rows] == ["missed", "found", "false alarm"]
    assert rows[2][1] == f"{int((np.hypot(x - 54, y - 54) <= 2).sum())} px"
    _slide(view, "#threshold", 1000)  # above every value
    assert [row[0] for row in _rows(view, 0)] == ["missed", "missed"]
    assert _rows(view, 0)[1][3] == "0 %"
    assert view.sent == []


def test_a_region_in_the_list_is_shown_by_all_panes(view: Any) -> None:
    before = [view.evaluate(PIXELS, nth)["hash"] for nth in (0, 1, 2)]
    square = view.locator(".run").first.get_by_role("button", name="missed, 4 pixels").first
    square.click()
    view.wait_for_timeout(200)
    assert view.locator(".viewer.zoomed").count() == 1
    after = [view.evaluate(PIXELS, nth)["hash"] for nth in (0, 1, 2)]
    assert all(a != b for a, b in zip(after, before, strict=True))
    view.locator("[data-do=reset]").click()
    view.wait_for_timeout(200)
    assert view.locator(".viewer.zoomed").count() == 0


def test_colours_and_scale_change_heat_and_legend_and_are_remembered(view: Any) -> None:
    legend = "() => { for (const e of document.querySelectorAll('*')) { const c = e.shadowRoot?." \
        "querySelector('canvas.legend'); if (c) return c.toDataURL(); } }"  # fmt: skip
    amber = view.evaluate(PIXELS, 1)["hash"], view.evaluate(legend)
    view.locator("select.map").select_option("blue")
    view.wait_for_timeout(150)
    blue = view.evaluate(PIXELS, 1)["hash"], view.evaluate(legend)
    assert amber[0] != blue[0] and amber[1] != blue[1]
    view.locator("select.scale").select_option("raw")
    view.wait_for_timeout(150)
    assert view.evaluate(PIXELS, 1)["hash"] != blue[0]
    assert "raw score" in view.locator(".legend-words").inner_text()
    assert view.sent == []
    view.reload()
    view.locator(".viewer[data-ready]").wait_for()
    assert view.locator("select.map").input_value() == "blue"
    assert view.locator("select.scale").input_value() == "raw"


def test_outline_fill_both_none_differ_and_heat_is_apart_from_them(view: Any) -> None:
    seen = []
    for style in ("outline", "fill", "both"):
        view.locator(f"[data-do=regions][data-value={style}]").click()
        view.wait_for_timeout(100)
        seen.append(view.evaluate(PIXELS, 1)["hash"])
    view.locator("[data-do=more]").click()
    view.get_by_role("button", name="Hide regions").click()
    view.wait_for_timeout(100)
    seen.append(view.evaluate(PIXELS, 1)["hash"])
    view.locator("[data-do=heat]").click()
    view.wait_for_timeout(100)
    seen.append(view.evaluate(PIXELS, 1)["hash"])
    assert len(set(seen)) == 5
    # no heat, no regions: the picture alone
    assert seen[-1] == view.evaluate(PIXELS, 0)["hash"]


def test_the_next_case_is_drawn_before_the_server_answers(page: Any, address: str) -> None:
    """The server takes two seconds to answer; the case sent ahead stands long before."""
    view = opened(page, address, "?slow=2")
    first = view.evaluate(PIXELS, 0)["hash"]
    view.locator(".settings section").first.hover()
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/1']").wait_for(timeout=1500)
    assert view.evaluate(PIXELS, 0)["hash"] != first
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/2']").wait_for(timeout=1500)
    assert view.get_by_text("server at 0;").is_visible()  # it has not answered yet
    view.get_by_text("server at 2;").wait_for(timeout=15_000)  # the last wish counts
    view.wait_for_timeout(400)
    assert view.locator(".viewer[data-case='case/2']").count() == 1
    view.keyboard.press("ArrowLeft")
    view.locator(".viewer[data-case='case/1']").wait_for(timeout=1500)
    view.get_by_text("server at 1;").wait_for(timeout=15_000)


def test_what_the_browser_lost_is_sent_again(view: Any) -> None:
    """All blobs dropped: the next case has nothing to draw with; it asks, and gets all of it."""
    view.evaluate("() => { flawscopeShelf.blobs.clear(); flawscopeShelf.cases.clear(); }")
    view.locator(".settings section").first.hover()
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/1']").wait_for()
    view.keyboard.press("ArrowLeft")
    view.locator(".viewer[data-case='case/0']").wait_for()


def test_keyboard_goes_to_the_next_case_once_and_keeps_settings(page: Any, address: str) -> None:
    """One event a key press; opacity and a threshold set by hand stay. Nothing is sent ahead."""
    view = opened(page, address, "?ahead=0")
    _slide(view, "#opacity", 33)
    _slide(view, "#threshold", 640)
    told = _told(view, 1)
    view.locator(".settings section").first.hover()
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/1']").wait_for()
    view.get_by_text("events: case/1;").wait_for()
    assert view.locator("#opacity").input_value() == "33"
    assert _told(view, 1) == told
    assert len(view.sent) == 1
    view.keyboard.press("ArrowLeft")
    view.locator(".viewer[data-case='case/0']").wait_for()
    view.get_by_text("events: case/1,case/0;").wait_for()
    view.keyboard.press("ArrowLeft")  # there is none before the first
    view.wait_for_timeout(300)
    assert view.get_by_text("events: case/1,case/0;").is_visible()


def test_keyboard_switches(view: Any) -> None:
    view.locator(".settings section").first.hover()
    pressed = "[data-do={}][aria-pressed=true]".format
    view.keyboard.press("t")
    assert view.locator(pressed("truth")).count() == 1
    view.wait_for_timeout(100)  # drawn at the next frame
    plain = view.evaluate(PIXELS, 0)["hash"]
    view.keyboard.press(" ")
    view.wait_for_timeout(100)
    assert view.locator(pressed("blink")).count() == 1
    assert view.evaluate(PIXELS, 1)["hash"] == plain
    view.keyboard.press(" ")
    before = int(view.locator("#threshold").input_value())
    view.keyboard.press("+")
    view.wait_for_timeout(100)
    assert int(view.locator("#threshold").input_value()) == before + 5
    view.keyboard.press("-")
    view.wait_for_timeout(100)
    assert int(view.locator("#threshold").input_value()) == before
    view.keyboard.press("?")
    assert view.get_by_role("dialog", name="Keyboard").is_visible()
    view.keyboard.press("Escape")
    assert not view.get_by_role("dialog", name="Keyboard").is_visible()
    view.keyboard.press("f")
    view.wait_for_function("() => document.fullscreenElement !== null")
    view.keyboard.press("f")
    view.wait_for_function("() => document.fullscreenElement === null")


def test_presentation_hides_controls_and_keeps_the_keyboard(page: Any, address: str) -> None:
    view = opened(page, address, "?present=1")
    assert not view.locator(".settings").is_visible() and not view.locator(".keys").is_visible()
    view.locator(".pane canvas").first.hover()
    view.keyboard.press("ArrowRight")
    view.locator(".viewer[data-case='case/1']").wait_for()


def test_without_truth_it_says_what_is_above_the_threshold(page: Any, address: str) -> None:
    view = opened(page, address, "?truth=0&panes=1")
    assert view.locator("[data-do=truth]").is_disabled()
    assert view.locator(".marks").inner_text().strip() == "above the threshold"
    assert [row[0] for row in _rows(view, 0)] == ["above the threshold"] * 2
    assert [row[2] for row in _rows(view, 0)] == ["40", "30"]  # the hottest first


def test_a_picture_alone(page: Any, address: str) -> None:
    view = opened(page, address, "?panes=0&truth=0&ahead=0")
    assert view.locator(".pane").count() == 1
    assert not view.locator(".side").is_visible()


def test_narrow_stacks_the_panes_and_nothing_scrolls_sideways(view: Any) -> None:
    view.set_viewport_size({"width": 390, "height": 844})
    view.wait_for_timeout(400)
    lefts = [view.locator(".pane").nth(n).bounding_box()["x"] for n in range(3)]
    assert len(set(lefts)) == 1
    assert view.evaluate("() => document.documentElement.scrollWidth") <= 390
    for part in (".bar", ".settings", ".side"):
        box = view.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, part
        assert view.locator(part).evaluate("one => one.scrollWidth <= one.clientWidth + 1"), part


def test_download_is_a_picture_with_its_legend(view: Any) -> None:
    """Wide enough for all panes; the stripe below them holds the colours of the heat scale."""
    view.locator("[data-do=more]").click()
    with view.expect_download() as waiting:
        view.locator("[data-do=save]").click()
    assert waiting.value.suggested_filename == "case_0.png"
    with Image.open(waiting.value.path()) as saved:
        assert saved.width > 3 * 600 and saved.height > 500
        last = np.asarray(saved.convert("RGB"), np.int32)[-78:]
    wine = np.abs(last - np.array([0x9D, 0x17, 0x4D])).sum(-1) < 60
    green = np.abs(last - np.array([0x00, 0x9E, 0x73])).sum(-1) < 40
    assert wine.sum() > 50, "the hot end of the scale"
    assert green.sum() > 30, "the mark of what is found"


def test_numbers_agree_with_python(page: Any) -> None:
    """Every float16 pattern, shares and thresholds are those that Python computes."""
    page.set_content("<p>numbers</p>")
    page.add_script_tag(path=str(COMPONENTS / "viewer_math.js"))
    bits = np.arange(65536, dtype="<u2")
    values = bits.view("<f2").astype(np.float64)
    codes = bits ^ np.where(bits >> 15, np.uint16(0xFFFF), np.uint16(0x8000))
    finite = np.isfinite(values)
    told = np.array(page.evaluate("() => Array.from(VALUE, (v) => Number.isFinite(v) ? v : 0)"))
    np.testing.assert_array_equal(told[codes[finite]], values[finite])
    asked = [0.0, 1.0, 1.0001, -3.5, 34.81, 70000.0, -70000.0]
    for threshold, code in zip(
        asked, page.evaluate("(all) => all.map(codeOf)", asked), strict=True
    ):
        above = codes[~np.isnan(values) & (values >= threshold)]
        assert code == above.min()
    tail = [(1.0, 1.0), (2.5, 0.3), (4.0, 0.01), (7.0, 0.0004)]
    asked = [0.2, 1.0, 1.7, 2.5, 3.3, 6.9, 7.0, 7.1]
    shares = page.evaluate(
        "([tail, asked]) => { const c = calibration(tail, 0, 1); "
        "return asked.map((v) => shareAt(c, v)); }",
        [tail, asked],
    )
    xs, ys = zip(*tail, strict=True)
    expected = [share_hotter(xs, ys, value) for value in asked]
    assert shares == pytest.approx(expected, rel=1e-12)
    back = page.evaluate(
        "(tail) => { const c = calibration(tail, 0, 1); "
        "return [0.9, 0.1, 0.005, 0.0004].map((s) => shareAt(c, rawAtShare(c, s))); }",
        tail,
    )
    assert back == pytest.approx([0.9, 0.1, 0.005, 0.0004])
    positions = page.evaluate(
        "(tail) => { const c = calibration(tail, 0, 1); "
        "return [0.3, 0.45, 0.5].map((u) => positionOf(c, rawAt(c, u))); }",
        tail,
    )
    assert positions == pytest.approx([0.3, 0.45, 0.5])
    said = page.evaluate("(tail) => distance(calibration(tail, 0, 1), 4.0, 2.5)", tail)
    assert said[0] == "reaches 1 in 100, needs 1 in 3" and "30 times rarer" in said[1]


def _scripts(page: Any, *names: str) -> None:
    page.set_content("<p>numbers</p>")
    for name in names:
        page.add_script_tag(path=str(COMPONENTS / f"viewer_{name}.js"))


def test_maps_and_masks_arrive_bit_for_bit(page: Any) -> None:
    """What Python encodes the browser decodes: all 65,536 patterns, and a ragged mask."""
    _scripts(page, "math", "regions", "data")
    rng = np.random.default_rng(3)
    bits_HW = rng.permutation(np.arange(65536, dtype=np.uint16)).reshape(128, 512)
    mask_HW = rng.random((13, 7)) > 0.6
    sent = [
        base64.b64encode(one).decode()
        for one in (encode_map(bits_HW.view(np.float16)), encode_mask(mask_HW))
    ]
    codes, on = page.evaluate(
        """async ([map, mask]) => {
          const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          return [Array.from((await decoders.map(bytes(map))).codes),
                  Array.from((await decoders.mask(bytes(mask))).on)]; }""",
        sent,
    )
    expected = bits_HW ^ np.where(bits_HW >> 15, np.uint16(0xFFFF), np.uint16(0x8000))
    np.testing.assert_array_equal(codes, expected.ravel())
    np.testing.assert_array_equal(on, mask_HW.ravel())


def test_components_and_moving_thresholds_agree_with_scipy(page: Any) -> None:
    """Random pixels: 8-connected regions are scipy's; moving a threshold ends where starting anew
    there does."""
    _scripts(page, "math", "regions")
    rng = np.random.default_rng(4)
    on_HW = rng.random((37, 53)) > 0.62
    found = page.evaluate(
        "([on, w, h]) => truthOf(Uint8Array.from(on), w, h).regions.map((r) => r.area)",
        [on_HW.ravel().astype(int).tolist(), 53, 37],
    )
    labels_HW, count = ndimage.label(on_HW, np.ones((3, 3)))
    assert sorted(found) == sorted(np.bincount(labels_HW.ravel())[1:].tolist())
    assert len(found) == count
    codes = rng.integers(0x8000, 0x8100, 37 * 53)
    same = page.evaluate(
        """([codes, on, w, h]) => {
          const pane = () => ({ map: { w, h, codes: Uint16Array.from(codes) },
            truth: truthOf(Uint8Array.from(on), w, h), words: Uint32Array.of(0, 1, 2, 3, 4),
            fill: new Uint32Array(w * h) });
          const one = pane(), two = pane();
          classify(one, 0x8040);
          for (const at of [0x80a0, 0x8010, 0x80ff, 0x8073]) moveThreshold(one, at);
          classify(two, 0x8073);
          const same = (name) => one[name].every((v, i) => v === two[name][i]);
          return ['classes', 'counts', 'covered', 'fill'].filter((name) => !same(name)); }""",
        [codes.tolist(), on_HW.ravel().astype(int).tolist(), 53, 37],
    )
    assert same == []


def test_outline_closes_around_a_square(page: Any) -> None:
    """A 3 x 2 block of ones among zeros: one closed line through the 10 pixel edges."""
    _scripts(page, "math", "regions")
    line = page.evaluate(
        """() => { const on = new Uint8Array(80);
           for (const i of [11, 12, 13, 21, 22, 23]) on[i] = 1;
           const { xy, ends } = maskLines({ w: 10, h: 8, on });
           return { xy: Array.from(xy), ends }; }"""
    )
    points = list(zip(line["xy"][::2], line["xy"][1::2], strict=True))
    assert line["ends"] == [11] and points[0] == points[-1] and len(set(points)) == 10
    xs, ys = zip(*points, strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (1, 4, 1, 3)


def test_an_outline_closes_at_the_border_and_runs_where_the_threshold_is_met(page: Any) -> None:
    """A ramp 0, 1, 2, ... along x: the line of 2.25 lies a quarter between the pixels 2 and 3."""
    _scripts(page, "math", "regions")
    xs = page.evaluate(
        """() => { const w = 70, h = 40, codes = new Uint16Array(w * h);
           for (let i = 0; i < codes.length; i++) codes[i] = codeOf(i % w);
           const words = new Uint32Array(5), map = { w, h, codes };
           const pane = { map, truth: null, words, threshold: 2.25 };
           classify(pane, codeOf(2.25));
           const { xy, ends } = contours(pane)[ABOVE];
           const xs = xy.filter((_, i) => i % 2 === 0);
           return [ends.length, Math.min(...xs), Math.max(...xs)]; }"""
    )
    assert xs == [1, pytest.approx(2.75), 70]
