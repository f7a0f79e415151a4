"""Cards escape what they are given; maps go to the browser bit for bit; pages are found."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from streamlit.testing.v1 import AppTest

from core.errors import DataError
from dashboard import navigation
from dashboard.components import cards, viewer
from dashboard.findings import plain
from dashboard.state import spoken


class TestCards:
    def test_inline_understands_little_and_escapes_the_rest(self) -> None:
        html = cards.inline("**A** & <b>`x<y`</b> [see](inspect?run=1&case=2)")
        assert html == (
            "<b>A</b> &amp; &lt;b&gt;<code>x&lt;y</code>&lt;/b&gt; "
            '<a href="inspect?run=1&amp;case=2" target="_self">see</a>'
        )

    @pytest.mark.parametrize("target", ["javascript:alert(1)", "//evil.example", "http://x.y"])
    def test_inline_links_lead_nowhere_else(self, target: str) -> None:
        assert "<a" not in cards.inline(f"[go]({target})")

    def test_inline_keeps_names_made_harmless(self) -> None:
        assert cards.inline(f"**{plain('a*b<c>_d')}**") == "<b>a*b&lt;c&gt; d</b>"

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=60))
    def test_no_text_opens_a_foreign_tag(self, text: str) -> None:
        html = cards.finding_html(text) + cards.failure_html(text, text, text)
        tags = {part.split(">")[0].split()[0].strip("/") for part in html.split("<")[1:]}
        assert tags <= {"div", "p", "b", "code", "a"}

    @pytest.mark.parametrize(("share", "shown"), [(0.428, 43), (1.7, 100), (float("nan"), 0)])
    def test_progress_is_clipped(self, share: float, shown: int) -> None:
        html = cards.progress_html("Run", "training", share, rate="38 images/s")
        assert f'aria-valuenow="{shown}"' in html and "training · 38 images/s" in html

    def test_chip_escapes(self) -> None:
        assert cards.chip("<x>", "bad") == '<span class="fs-chip fs-chip-bad">&lt;x&gt;</span>'


class TestViewer:
    @settings(max_examples=40, deadline=None)
    @given(
        hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=17)),
    )
    def test_maps_come_back_bit_for_bit(self, bits_HW: np.ndarray) -> None:
        """Every pattern, infinities and NaN included."""
        map_HW = bits_HW.view(np.float16)
        back_HW = viewer.decode_map(viewer.encode_map(map_HW))
        np.testing.assert_array_equal(back_HW.view(np.uint16), bits_HW)

    def test_other_kinds_are_rounded_to_float16(self) -> None:
        map_HW = np.array([[0.1, 2049.0]])
        back_HW = viewer.decode_map(viewer.encode_map(map_HW))
        np.testing.assert_array_equal(back_HW, map_HW.astype(np.float16))

    def test_masks_come_back(self) -> None:
        mask_HW = np.random.default_rng(0).random((13, 7)) > 0.6
        np.testing.assert_array_equal(viewer.decode_mask(viewer.encode_mask(mask_HW)), mask_HW)

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 3), (0, 4)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="two dimensions"):
            viewer.encode_map(np.zeros(shape, np.float16))

    def test_payload_is_json_and_small(self) -> None:
        pane = viewer.Pane(
            label="RD", method="rd", map_HW=np.zeros((256, 256), np.float16),
            tail=[(np.float32(1), np.float64(0.5))], thresholds=[("oracle", np.float16(2))],
        )  # fmt: skip
        case = viewer.ViewerCase(id="a/b", picture=None, next="a/c")
        sent = viewer.payload(case, [pane])
        assert len(json.dumps(sent)) < 20_000
        assert sent["panes"][0]["thresholds"] == [["oracle", 2.0]]
        assert sent["panes"][0]["colour"] == "#009E73"
        assert (sent["previous"], sent["next"], sent["truth"]) == (False, True, None)

    def test_it_mounts(self) -> None:
        def script() -> None:
            import numpy as np

            from dashboard.components.viewer import Pane, ViewerCase, viewer

            pane = Pane(label="RD", map_HW=np.zeros((4, 4), np.float16))
            assert viewer(ViewerCase(id="x", picture=None), [pane]) is None

        app = AppTest.from_function(script).run()
        assert not app.exception


PAGE = 'TITLE = "T"\nGROUP = "Use"\nORDER = 3\nICON = ":material/star:"\n'


class TestNavigation:
    def test_every_page_states_its_place(self) -> None:
        pages = navigation.discover()
        assert [page.group for page in pages] == sorted(
            (page.group for page in pages), key=navigation.GROUPS.index
        )
        files = {path.stem for path in navigation.PAGES.glob("[!_]*.py")}
        assert {page.module for page in pages} == files  # none is left out
        assert {"overview", "inspect", "leaderboard"} <= {page.url for page in pages}

    def test_a_page_is_read_without_running_it(self, tmp_path: Path) -> None:
        path = tmp_path / "one.py"
        path.write_text(PAGE + "raise SystemExit\ndef render(): ...\n")
        info = navigation.page_info(path)
        assert (info.title, info.url, info.order) == ("T", "one", 3)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (PAGE, "render"),
            (PAGE.replace('"Use"', '"Else"') + "def render(): ...", "GROUP"),
            (PAGE.replace("3", "'3'") + "def render(): ...", "ORDER"),
        ],
    )
    def test_a_page_that_lacks_something_is_named(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        path = tmp_path / "two.py"
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"pages/two\.py.*{said}"):
            navigation.page_info(path)

    def test_two_pages_of_one_address_are_refused(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / f"{name}.py").write_text(PAGE + 'URL = "x"\ndef render(): ...\n')
        with pytest.raises(ValueError, match="Two pages have the URL 'x'"):
            navigation.discover(tmp_path)

    @pytest.mark.parametrize("known", [True, False])
    def test_an_error_is_a_sentence_and_its_trace_is_in_the_log(
        self, known: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(tmp_path))
        shown: list[str] = []
        monkeypatch.setattr(cards, "failure", lambda *texts: shown.append(" ".join(texts)))
        navigation.start_log()

        def render() -> None:
            raise DataError("The mask is missing; add it.") if known else KeyError("secret")

        navigation.safely(render)()
        for handler in navigation.log.handlers:
            handler.flush()
        logged = (tmp_path / "logs" / "dashboard.log").read_text()
        if known:
            assert "The mask is missing; add it." in shown[0] and "Traceback" not in logged
        else:
            assert "secret" not in shown[0] and "the log has the details" in shown[0]
            assert "Traceback" in logged and "secret" in logged
            assert shown[0].split("Look for ")[1].split()[0] in logged

    def test_streamlits_own_errors_are_logged_too(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(tmp_path))
        navigation.start_log()
        navigation.start_log()
        logging.getLogger("streamlit.error_util").error("Uncaught app execution")
        assert (tmp_path / "logs" / "dashboard.log").read_text().count("Uncaught") == 1


def _filtered() -> None:
    import streamlit as st

    from dashboard import state

    with state.filters("Title"):
        one = state.pick("one", ["a", "b_c"], label="One")
        some = state.pick_many("some", ["x", "y", "z"], label="Some", most=2)
    st.text(f"{one} {','.join(some)}")


class TestFilters:
    def test_defaults(self) -> None:
        app = AppTest.from_function(_filtered).run()
        assert not app.exception and app.text[0].value == "a"

    def test_the_address_restores_the_view(self) -> None:
        app = AppTest.from_function(_filtered)
        app.query_params["one"] = "b_c"
        app.query_params["some"] = ["z", "x"]
        app.run()
        assert app.text[0].value == "b_c z,x"

    def test_an_old_address_falls_back(self) -> None:
        app = AppTest.from_function(_filtered)
        app.query_params["one"] = "gone"
        app.query_params["some"] = ["gone", "y"]
        app.run()
        assert not app.exception and app.text[0].value[0] == "a"

    def test_a_choice_goes_into_the_address(self) -> None:
        app = AppTest.from_function(_filtered).run()
        app.selectbox(key="one").select("b_c").run()
        assert app.query_params["one"] == ["b_c"] or app.query_params["one"] == "b_c"

    def test_options_are_spoken(self) -> None:
        assert spoken("Class", "magnetic_tile") == "Class: magnetic tile"
        assert spoken("Run", "r1", {"r1": "RD"}) == "Run: RD"
