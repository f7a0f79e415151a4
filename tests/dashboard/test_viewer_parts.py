"""What the viewer is sent, how small and how often; pictures sent as they are; facts in words."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.heat import HEAT_STOPS
from core.workspace import ENVIRONMENT_VARIABLE
from dashboard import casefile, evidence, results
from dashboard.casework import Threshold
from dashboard.components import viewer
from dashboard.components.viewer_codec import Blob, Kept, blob, decode_map, encode_map, message
from dashboard.components.viewer_colours import COLOUR_MAPS
from tests.dashboard.stores import Store, filled
from tests.dashboard.visiting import text, visit


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=23)))
def test_maps_come_back_bit_for_bit(bits_HW: np.ndarray) -> None:
    """Every pattern, infinities, NaN and both zeros included."""
    back_HW = decode_map(encode_map(bits_HW.view(np.float16)))
    np.testing.assert_array_equal(back_HW.view(np.uint16), bits_HW)


def test_a_smooth_map_is_small() -> None:
    """A bilinear enlargement, as methods make it: under a third of its 512 kB."""
    coarse = np.random.default_rng(0).gamma(4, 2, (32, 32)).astype(np.float32)
    large = Image.fromarray(coarse).resize((512, 512), Image.Resampling.BILINEAR)
    assert len(encode_map(np.asarray(large).astype(np.float16))) < 512 * 512 * 2 / 3


def test_a_message_says_where_each_blob_lies() -> None:
    one, two = blob("map", b"abc"), blob("picture", b"defgh")
    sent = message({"id": "x"}, {one.name: one, two.name: two}, json.dumps)
    assert sent[:4] == b"FSV1"
    (length,) = struct.unpack_from("<I", sent, 4)
    told = json.loads(sent[8 : 8 + length])
    assert told["id"] == "x"
    kind, start, size = told["blobs"][two.name]
    assert kind == "picture" and sent[8 + length + start :][:size] == b"defgh"


def test_names_follow_the_content_and_kind() -> None:
    assert blob("map", b"a") == blob("map", b"a")
    assert len({blob(kind, data).name for kind in ("map", "mask") for data in (b"a", b"b")}) == 4


class TestKept:
    def make(self, made: list[str], name: str, size: int) -> Callable[[], Blob]:
        def run() -> Blob:
            made.append(name)
            return Blob(name, "map", bytes(size))

        return run

    def test_each_source_is_encoded_once_and_the_oldest_goes(self) -> None:
        kept, made = Kept(limit=250), list[str]()
        for name in ("a", "b", "a", "c", "a", "b"):  # c drives out b, the least recently used
            kept.get(name, self.make(made, name, 100))
        assert made == ["a", "b", "c", "b"]
        assert kept.size() <= 250

    def test_no_name_is_never_kept(self) -> None:
        kept, made = Kept(), list[str]()
        for _ in range(2):
            kept.get("", self.make(made, "x", 1))
        assert made == ["x", "x"] and kept.size() == 0

    def test_one_larger_than_all_room_is_still_given(self) -> None:
        kept = Kept(limit=10)
        assert len(kept.get("a", self.make([], "a", 100)).data) == 100


def test_colour_maps_share_the_opacity_and_grow_steadily() -> None:
    """Luminance rises or falls throughout, so that no hue has to be told apart."""
    assert COLOUR_MAPS["amber to wine"] == tuple(HEAT_STOPS)
    for name, stops in COLOUR_MAPS.items():
        assert [stops[i][0] for i in (0, 1, -1)] == [0.05, 0.02, 1e-5], name
        assert [stops[i][2] for i in (0, 1, -1)] == [0.0, 0.55, 0.95], name
        shares, alphas = [stop[0] for stop in stops], [stop[2] for stop in stops]
        assert shares == sorted(shares, reverse=True) and alphas == sorted(alphas), name
        light = [
            sum(w * (int(stop[1][i : i + 2], 16) / 255) ** 2.2
                for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))
            for stop in stops
        ]  # fmt: skip
        steps = np.diff(light)
        assert np.all(steps >= 0) or np.all(steps <= 0), name
        assert abs(light[-1] - light[0]) > 0.3, name


def test_each_blob_is_sent_once_and_all_of_it_again_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The browser's own list of what it holds counts; `need` starts from nothing."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(viewer.st, "session_state", state)
    monkeypatch.setattr(viewer.header, "presenting", lambda: False)
    case = viewer.ViewerCase(id="a", picture=b"png", truth_HW=np.eye(3, dtype=bool))
    panes = [viewer.Pane(label="RD", map_HW=np.zeros((4, 4), np.float16))]

    def sent() -> list[str]:
        names = viewer._message(case, panes, "v", viewer._held("v"))[1]
        viewer._held("v").update(dict.fromkeys(names))
        return names

    assert len(sent()) == 3
    assert sent() == []
    names = list(viewer._held("v"))
    state["v"] = {"go": {"case": "a", "target": "b", "at": 1, "held": names[:2]}, "need": None}
    assert sent() == names[2:]
    assert viewer.wanted("v") == "b"
    state["v"] = {"go": None, "need": {"case": "a", "at": 2}}
    assert sorted(sent()) == sorted(names)
    assert viewer.wanted("v") is None


@pytest.mark.parametrize("wish", [None, "x", 3, {"target": 4}, {"target": None}, []])
def test_a_wish_that_makes_no_sense_is_none(wish: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer.st, "session_state", {"v": {"go": wish}})
    assert viewer.wanted("v") is None


def test_words_follow_the_vocabulary() -> None:
    def script() -> None:
        import streamlit as st

        from dashboard.components.viewer import ViewerCase, payload

        sent = payload(ViewerCase(id="x", picture=None), [])
        st.code(f"{sent['words']['alarm']} {sent['words']['missed']} {sent['present']}")

    app = AppTest.from_function(script)
    app.query_params["words"] = "plant"
    app.query_params["present"] = "1"
    app.run()
    assert app.code[0].value == "overkill escaped True"


def test_a_picture_goes_ahead_and_a_picture_alone_is_enough() -> None:
    def script() -> None:
        from dashboard.components.viewer import ViewerCase, ahead, viewer

        case = ViewerCase(id="x", picture=None)
        assert viewer(case, []) is None
        ahead(case, [], slot=0)

    assert not AppTest.from_function(script).run().exception


class TestPhoto:
    def kept(self, tmp_path: Path, image: Image.Image, name: str, **how: Any) -> bool:
        path = tmp_path / name
        image.save(path, **how)
        found = evidence._unchanged(path)
        assert found is None or found == (path.read_bytes(), image.width, image.height)
        return found is not None

    def test_plain_files_travel_unchanged(self, tmp_path: Path) -> None:
        plain = Image.new("RGB", (30, 20), "red")
        assert self.kept(tmp_path, plain, "a.png")
        assert self.kept(tmp_path, plain, "a.jpg")
        assert self.kept(tmp_path, plain.convert("L"), "b.png")

    def test_what_a_browser_shows_differently_does_not(self, tmp_path: Path) -> None:
        """Turned by EXIF, palette, 16 bits, CMYK, other formats, too large: made a WebP first."""
        plain, turned = Image.new("RGB", (30, 20), "red"), Image.Exif()
        turned[evidence.ORIENTATION] = 6
        assert not self.kept(tmp_path, plain, "turned.jpg", exif=turned)
        assert not self.kept(tmp_path, plain.convert("P"), "palette.png")
        assert not self.kept(tmp_path, Image.new("I;16", (30, 20)), "deep.png")
        assert not self.kept(tmp_path, plain.convert("CMYK"), "print.jpg")
        assert not self.kept(tmp_path, plain, "other.bmp")
        assert not self.kept(tmp_path, Image.new("RGB", (evidence.LONGEST + 1, 20)), "wide.png")
        (tmp_path / "no.png").write_bytes(b"not a picture")
        assert evidence._unchanged(tmp_path / "no.png") is None


def test_pane_facts_in_words() -> None:
    case = pd.Series({"score:r": 5.0, "margin:r": -1.25, "peak_in_truth:r": True})
    assert casefile.pane_facts(case, "r", Threshold(6.0, oracle=False)) == [
        ("image score", "5"), ("held-out threshold", "6"), ("below it by", "1.2 normal spreads"),
        ("hottest on the flaw", "yes"),
    ]  # fmt: skip
    unknown = pd.Series({"score:r": 5.0, "margin:r": np.nan, "peak_in_truth:r": None})
    assert casefile.pane_facts(unknown, "r", None) == [("image score", "5")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("viewer-parts"))


def test_the_viewers_wish_moves_the_case_and_the_address(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the browser asks for is looked up in the list; what is not in it changes nothing."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(store.workspace.root))
    run = store.runs["rd"]
    keys = list(results.selected(results.source(), (run,), "all", "all", "all")["key"])
    monkeypatch.setattr(viewer, "wanted", lambda key="viewer": keys[3])
    test = visit("inspect_cases", run=run, show="all", case=keys[2])
    assert test.query_params["case"] in (keys[3], [keys[3]]) and "case 4 of" in text(test)
    monkeypatch.setattr(viewer, "wanted", lambda key="viewer": "../../etc/passwd")
    test = visit("inspect_cases", run=run, show="all", case=keys[2])
    assert "case 3 of" in text(test)
