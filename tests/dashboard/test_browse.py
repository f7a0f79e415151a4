"""Browse and the doctor's view: filters, edits, what masks say together, the pages themselves."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest
from visiting import script, text, visit

from core.data import catalogue, edits
from core.data.base import Dataset, DatasetCard
from core.data.doctor import examine
from core.data.doctor.base import Examination, Finding
from core.data.edits import Edit
from core.errors import Cancelled
from core.types import Sample
from core.workspace import Workspace
from dashboard import (
    browse,
    browse_data,
    browse_image,
    browse_pictures,
    browse_spread,
    browse_words,
    words,
)
from dashboard.browse import Choice
from dashboard.casework import ALL
from dashboard.components import browse_edit, browse_gallery, browse_grid, browse_image_view
from tests.dashboard import stores

SAMPLES = (
    Sample(key="tile/train/good/A.png", class_name="tile", split="train", label=0),
    Sample(key="tile/train/good/b.png", class_name="tile", split="train", label=0),
    Sample(key="tile/test/good/c.png", class_name="tile", split="test", label=0, specimen="s1"),
    Sample(key="tile/test/crack/d.png", class_name="tile", split="test", label=1,
           anomaly_type="crack", masks=("d.png",), specimen="s1"),
    Sample(key="tile/test/crack/e.png", class_name="tile", split="test", label=1,
           anomaly_type="crack", masks=("e.png",)),
    Sample(key="wood/train/good/f.png", class_name="wood", split="train", label=0),
    Sample(key="wood/test/hole/g.png", class_name="wood", split="test", label=1,
           anomaly_type="hole"),
)  # fmt: skip
A, B, C, D, E, F, G = (sample.key for sample in SAMPLES)
DATA = Dataset("parts", Path("/nowhere"), "mvtec_folder", "", DatasetCard(title="", summary=""),
               SAMPLES)  # fmt: skip
FACTS = pd.DataFrame(
    {
        "width": [10, 20, 30, 40, 50, 60, 70], "height": 10,
        "brightness": [0.5, 0.1, 0.9, 0.4, np.nan, 0.2, 0.3],
        "area_share": [0, 0, 0, 0.2, 0.0005, 0, 0.0],
    },
    index=pd.Index([A, B, C, D, E, F, G], name="key"),
)  # fmt: skip
TWINS = Finding(
    check="duplicates", severity="warning", title="2 test images stand in training, too",
    keys=(C, D, B), groups=((D, B), (C, A)), detail="They were seen before.",
    remedy="Exclude the training copies.", action="exclude", fix_keys=(B, A),
)  # fmt: skip
STRAY = Finding(check="duplicates", severity="warning", title="1 image", keys=(G,), action="move",
                split="test", fix_keys=(G,))  # fmt: skip


def seen(*findings: Finding) -> Examination:
    return Examination("parts", 256, findings, FACTS, at="2026-11-25T10:20:30Z", seconds=3.0)


def edit(*keys: str, action: str = "exclude", split: str | None = None) -> Edit:
    return Edit("g", action, keys, split, "why", "2026-11-25T10:00:00Z", "Ann")  # type: ignore[arg-type]


@pytest.fixture
def table() -> pd.DataFrame:
    return browse.with_facts(browse.table_of(DATA), seen())


def keys(table: pd.DataFrame, finding: Finding | None = None, **wanted: str) -> list[str]:
    places = browse.select(table, Choice(data="parts", **wanted), finding)  # type: ignore[arg-type]
    return [SAMPLES[place].key for place in places]


class TestSelect:
    def test_without_filters_everything_comes_as_filed(self, table: pd.DataFrame) -> None:
        assert keys(table) == [A, B, C, D, E, F, G]

    def test_filters_narrow_together(self, table: pd.DataFrame) -> None:
        assert keys(table, class_name="wood") == [F, G]
        assert keys(table, split="test", class_name="tile") == [C, D, E]
        assert keys(table, type="crack") == [D, E]
        assert keys(table, type="crack", class_name="wood") == []

    def test_text_is_sought_in_any_case_and_not_as_a_pattern(self, table: pd.DataFrame) -> None:
        assert keys(table, text="GOOD/a") == [A]
        assert keys(table, text="a.p") == [A] and keys(table, text="a?p") == []
        assert keys(table, text="[") == [], "no pattern"

    def test_sizes_of_flaws(self, table: pd.DataFrame) -> None:
        assert keys(table, size="over 10 %") == [D]
        assert keys(table, size="under 0.1 %") == [E]
        assert keys(table, size="1 to 10 %") == []
        assert keys(table, size=browse.NO_AREA) == [G], "anomalous, and nothing is marked"

    def test_what_the_doctor_does_not_know_is_last(self, table: pd.DataFrame) -> None:
        assert keys(table, order="darkest first") == [B, F, G, D, A, C, E]
        assert keys(table, order="brightest first") == [C, A, D, G, F, B, E]
        assert keys(table, order="smallest flaw first")[:2] == [E, D]
        assert keys(table, order="largest flaw first")[:2] == [D, E]
        assert keys(table, order="largest image first")[0] == G
        assert keys(table, order="name") == [D, E, C, A, B, G, F]

    def test_a_finding_shows_its_own_images_with_groups_together(self, table: pd.DataFrame) -> None:
        assert keys(table, TWINS) == [D, B, C, A]
        assert keys(table, TWINS, split="train") == [B, A]
        assert browse_words.group_of(TWINS) == {
            D: "group 1 of 2", B: "group 1 of 2", C: "group 2 of 2", A: "group 2 of 2",
        }  # fmt: skip

    def test_without_facts_sizes_filter_nothing_and_cannot_be_sorted_by(self) -> None:
        bare = browse.table_of(DATA)
        assert browse.orders(bare) == [browse.FILED, "name"]
        assert keys(bare, size="over 10 %", order="darkest first") == [A, B, C, D, E, F, G]


class TestEdits:
    def test_excluded_images_leave_and_can_be_looked_at(self, table: pd.DataFrame) -> None:
        changed = browse.edited(table, [edit(B), edit(C, action="move", split="train")])
        assert keys(changed) == [A, C, D, E, F, G]
        assert keys(changed, state=browse.EXCLUDED) == [B]
        assert keys(changed, state=browse.MOVED) == [C]
        assert keys(changed, state=browse.EVERY) == [A, B, C, D, E, F, G]
        assert keys(changed, split="train") == [A, C, F]

    def test_the_last_edit_counts_and_a_flaw_stays_in_test(self, table: pd.DataFrame) -> None:
        changed = browse.edited(
            table,
            [edit(A), edit(A, action="move", split="test"), edit(D, action="move", split="train")],
        )
        assert keys(changed, split="test") == [A, C, D, E, G] and not changed["excluded"].any()

    def test_it_agrees_with_what_runs_get(self, tmp_path: Path) -> None:
        place = Workspace(tmp_path)
        edits.make(place, "Ann", "parts", [B], "exclude")
        edits.make(place, "Ann", "parts", [C, D], "move", split="calibration")
        run = edits.apply(DATA, place)
        mine = browse.edited(browse.table_of(DATA), edits.of_dataset(place, "parts"))
        used = mine[~mine["excluded"]]
        assert dict(zip(used["key"], used["split"], strict=True)) == {
            sample.key: sample.split for sample in run.samples
        }

    def test_what_is_left_to_mend(self, table: pd.DataFrame) -> None:
        assert browse.open_keys(table, TWINS) == [B, A]
        assert browse.open_keys(browse.edited(table, [edit(B)]), TWINS) == [A]
        assert browse.open_keys(table, STRAY) == [], "it stands in test already"

    def test_a_class_keeps_a_training_image(self, table: pd.DataFrame) -> None:
        assert browse_edit.lost(table, [A], "exclude", None) == ""
        assert "tile" in browse_edit.lost(table, [A, B], "exclude", None)
        assert "wood" in browse_edit.lost(table, [F], "move", "test")
        assert browse_edit.lost(table, [F], "move", "train") == ""
        without = browse.edited(table, [edit(B)])
        assert "tile" in browse_edit.lost(without, [A], "exclude", None)


class TestWords:
    def test_the_sentence_is_counted(self, table: pd.DataFrame) -> None:
        said = browse_words.sentence(table, None, words.GENERAL)
        assert said == "**7 images in 2 classes**, 3 with a flaw, 1 of those without a usable mask."
        out = browse.edited(table, [edit(G)])
        said = browse_words.sentence(out, seen(TWINS, STRAY), words.PLANT)
        assert said == (
            "**6 images in 2 classes**, 2 with a defect, all of those outlined by a mask. "
            "1 image is excluded. The doctor found 2 warnings."
        )

    def test_lines_of_a_card(self, table: pd.DataFrame) -> None:
        row = browse.edited(table, [edit(C, action="move", split="train")]).to_dict("records")
        assert browse_words.row_words(row[3]) == ["crack · 20\u00a0%", "tile · test"]
        assert browse_words.row_words(row[4]) == ["crack · 0.05\u00a0%", "tile · test"]
        assert browse_words.row_words(row[2]) == ["good", "tile · train (was test)"]
        assert browse_words.share_words(1e-6) == "under 0.01\u00a0%"

    def test_how_many_are_shown(self) -> None:
        assert browse_words.shown_words(130, 130, 3) == "121 to 130 of 130 images"
        assert browse_words.shown_words(1, 130, 1) == "1 to 1 of 1 image (130 in all)"
        assert browse_words.shown_words(0, 130, 1) == "None of 130 images"

    def test_an_empty_mask_outlines_nothing(self, table: pd.DataFrame) -> None:
        table.loc[table["key"] == E, "area_share"] = 0.0
        said = browse_words.sentence(table, None, words.GENERAL)
        assert said.endswith("3 with a flaw, 2 of those without a usable mask.")

    def test_ids_of_findings_differ(self) -> None:
        found = browse.finding_ids(seen(TWINS, STRAY))
        assert found == {"duplicates-warning": TWINS, "duplicates-warning-2": STRAY}
        assert browse.finding_ids(None) == {}

    def test_names_of_files_are_no_markdown(self) -> None:
        assert browse_words.harmless("a_[b](c)") == r"a\_\[b\]\(c\)"

    def test_an_address_says_what_differs_from_the_start(self) -> None:
        assert browse_gallery.href(Choice(data="parts")) == "browse?data=parts"
        full = Choice(data="p q", type="crack", state=browse.EXCLUDED, text="a&b", order="name")
        assert browse_gallery.href(full, "k/1.png") == (
            "browse?data=p+q&type=crack&edited=excluded&sort=name&find=a%26b&key=k%2F1.png"
        )

    def test_only_cards_that_are_there_can_be_opened(self) -> None:
        assert browse_grid.opened({"open": {"key": "a"}}, {"a"}) == "a"
        for wrong in ({"open": {"key": "../b"}}, {"open": None}, {}, None, {"open": {"key": 3}}):
            assert browse_grid.opened(wrong, {"a"}) is None


# -- pictures and masks ---------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Sample]:
    """A 96 x 48 photograph whose mask has two regions, 24 x 12 and 6 x 3 pixels."""
    mask = np.zeros((48, 96), np.uint8)
    mask[0:12, 0:24] = 255
    mask[40:43, 80:86] = 1
    Image.new("RGB", (96, 48), (90, 120, 60)).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    return tmp_path, Sample(key="a.png", class_name="tile", split="test", label=1,
                            anomaly_type="crack", masks=("m.png",))  # fmt: skip


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


class TestPictures:
    def test_the_outline_lies_around_the_mask(self, pair: tuple[Path, Sample]) -> None:
        root, sample = pair
        place = Workspace(root / "w")
        small = browse_pictures.small(place, root, sample.key, sample.masks)
        assert opened(small.photo).size == (96, 48)
        alpha = np.asarray(opened(small.outline).convert("RGBA"))[..., 3]
        assert alpha[:12, :24].max() == 0, "the flaw itself stays visible"
        assert alpha[5, 24] == 255 and alpha[12, 5] == 255 and alpha[20, 50] == 0
        (root / "m.png").touch()
        kept = list((place.root / "cache" / "thumbnails").rglob("*.outline"))
        assert len(kept) == 1
        assert browse_pictures.small(place, root, sample.key, sample.masks) == small

    def test_what_cannot_be_read_is_empty(self, tmp_path: Path) -> None:
        (tmp_path / "bad.png").write_bytes(b"no picture")
        Image.new("L", (8, 8)).save(tmp_path / "a.png")
        Image.new("L", (9, 9), 255).save(tmp_path / "wide.png")
        place = Workspace(tmp_path / "w")
        for key in ("bad.png", "gone.png", "../outside.png"):
            assert browse_pictures.small(place, tmp_path, key, ()) == browse_pictures.Small("")
        for masks in (("wide.png",), ("bad.png",), ("gone.png",)):
            small = browse_pictures.small(place, tmp_path, "a.png", masks)
            assert small.photo and not small.outline

    def test_a_page_of_them(
        self, pair: tuple[Path, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, sample = pair
        monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(root / "w"))
        asked = browse_pictures.ask(root, [sample] * 3)
        found = browse_pictures.ready(asked, 20)
        assert len(found) == 3 and all(one is not None and one.outline for one in found)
        assert browse_pictures.ask(root, [sample])[0] is asked[0], "made once"


class TestLook:
    def test_regions_and_file(
        self, pair: tuple[Path, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, sample = pair
        monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(root / "w"))
        looked = browse_image.look(root, sample)
        assert (looked.width, looked.height, looked.mode, looked.format) == (96, 48, "RGB", "PNG")
        assert looked.bytes == (root / "a.png").stat().st_size and not looked.trouble
        big, little = looked.regions
        assert (big.area, big.width, big.height, big.left, big.top) == (288, 24, 12, 0, 0)
        assert (little.area, little.left, little.top) == (18, 80, 40)
        assert big.share == pytest.approx(288 / (96 * 48))
        html = browse_image_view.regions_html(sample, looked)
        assert "2 regions, 306 px" in html and "24 × 12" in html

    def test_a_broken_mask_and_a_broken_image_are_told(
        self, pair: tuple[Path, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, sample = pair
        monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(root / "w"))
        Image.new("L", (5, 5), 255).save(root / "m.png")
        looked = browse_image.look(root, sample)
        assert looked.picture and not looked.regions and "another size" in looked.trouble[0]
        (root / "a.png").write_bytes(b"")
        looked = browse_image.look(root, sample)
        assert looked.picture is None and "a.png" in looked.trouble[0]


class TestSpread:
    def test_places_and_areas(self, pair: tuple[Path, Sample]) -> None:
        root, sample = pair
        normal = Sample(key="n.png", class_name="tile", split="train", label=0)
        gone = Sample(key="a.png", class_name="tile", split="test", label=1, anomaly_type="x",
                      masks=("gone.png",))  # fmt: skip
        told: list[float] = []
        found = browse_spread.compute(
            root, [normal, sample, gone], lambda share, words: told.append(share)
        )
        assert found.classes == ("tile",) and found.masks == (1,) and found.failed == 1
        assert found.areas.tolist() == [288, 18] and found.rows.tolist() == [1, 1]
        # 96 x 48 px on 48 x 48 cells: a cell is 2 x 1 px, the first region 12 x 12 cells
        assert found.heat_CHW[0, :12, :12].min() == 1 and found.heat_CHW[0, 12, :12].max() == 0
        assert found.heat_CHW.sum() == pytest.approx(306 / 2)
        assert told == [0.0]

    def test_it_is_kept_until_a_mask_changes(self, pair: tuple[Path, Sample]) -> None:
        root, sample = pair
        place = Workspace(root / "w")
        name = browse_spread.digest(root, [sample])
        found = browse_spread.compute(root, [sample], lambda share, words: None)
        assert browse_spread.load(place, name) is None
        browse_spread.keep(place, name, found)
        again = browse_spread.load(place, name)
        assert again is not None and again.classes == ("tile",)
        assert np.array_equal(again.heat_CHW, found.heat_CHW)
        assert again.areas.tolist() == [288, 18]
        (place.root / "cache" / "browse" / f"{name}.npz").write_bytes(b"torn")
        assert browse_spread.load(place, name) is None
        Image.new("L", (96, 48), 1).save(root / "m.png")
        assert browse_spread.digest(root, [sample]) != name

    def test_it_can_be_cancelled(self, pair: tuple[Path, Sample]) -> None:
        def stop(share: float, words: str) -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            browse_spread.compute(pair[0], [pair[1]], stop)


# -- pages ----------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The miniature data set, registered as "parts": 3 classes, 18 images each."""
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(workspace.root))
    catalogue.add_dataset(workspace, stores.make_data(tmp_path), "parts")
    st.cache_resource.clear()
    yield workspace
    st.cache_resource.clear()


CRACK = "tile/test/crack/000.png"
COPIES = ("tile/train/good/000.png", "tile/train/good/001.png")


def examined(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """The doctor's last examination for 256 px says this."""
    said = Examination("parts", 256, findings, pd.DataFrame(index=pd.Index([], name="key")),
                       at="2026-11-25T10:20:30Z")  # fmt: skip
    monkeypatch.setattr(examine, "last", lambda w, name, size: said if size == 256 else None)


def test_the_gallery_says_what_there_is(place: Workspace) -> None:
    said = text(visit("browse"))
    assert (
        "54 images in 3 classes" in said
        and "24 with a flaw, 8 of those without a usable mask" in said
    )
    assert "1 to 54 of 54 images" in said


def test_the_address_restores_the_filters(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit("browse", **{"class": "tile", "split": "test", "type": "crack", "find": "00"})
    assert "1 to 4 of 4 images (54 in all)" in text(page)
    monkeypatch.setattr(browse_gallery, "PAGE", 10)
    monkeypatch.setattr(browse_words, "PAGE", 10)
    page = AppTest.from_function(script, kwargs={"page": "browse"}, default_timeout=30)
    page.query_params["page"] = "3"
    assert "21 to 30 of 54 images" in text(page.run())
    page = visit("browse", find="no such name")
    assert "None of 54 images" in text(page) and "No image fits" in text(page)
    page = visit("browse", data="gone", split="nonsense", edited="odd")
    assert "1 to 10 of 54 images" in text(page), "an old link opens the page as it is"


def test_an_image_is_excluded_looked_at_and_taken_back(place: Workspace) -> None:
    page = visit("browse", data="parts", key=CRACK)
    said = text(page)
    assert "64 × 48 px" in said and "80 px" in said, "its mask is 10 x 8 px"
    page.text_input(key=f"browse-exclude-{CRACK}-who").set_value("Ann")
    page.text_input(key=f"browse-exclude-{CRACK}-why").set_value("a scratch on the lens")
    page.button(key=f"browse-exclude-{CRACK}-do").click().run()
    assert not page.exception
    (made,) = edits.of_dataset(place, "parts")
    assert (made.keys, made.author, made.reason) == ((CRACK,), "Ann", "a scratch on the lens")
    assert len(catalogue.open_dataset("parts", place).samples) == 53
    assert len(catalogue.open_dataset("parts", place, edited=False).samples) == 54
    said = text(visit("browse", data="parts", edited="excluded"))
    assert "1 to 1 of 1 image (54 in all)" in said and "1 image is excluded" in said
    page = visit("browse", data="parts", key=CRACK, edited="excluded")
    assert "a scratch on the lens" in text(page)
    page.button(key="browse-undo").click().run()
    assert edits.of_dataset(place, "parts") == []


def test_an_image_that_is_gone_and_distributions(place: Workspace) -> None:
    assert "not here" in text(visit("browse", data="parts", key="tile/../../etc/passwd"))
    page = visit("browse", data="parts", view="distributions")
    assert "Kinds of flaw" in text(page)


def card(name: str) -> None:
    from dashboard import queries
    from dashboard.components import doctor_parts

    look = queries.data_set(name)
    assert look is not None
    doctor_parts.section(look)


def the_card() -> AppTest:
    page = AppTest.from_function(card, kwargs={"name": "parts"}, default_timeout=30).run()
    assert not page.exception, [error.message for error in page.exception]
    return page


def test_the_doctor_offers_to_examine(place: Workspace) -> None:
    assert "not examined yet" in text(the_card())


def test_what_the_doctor_found_is_mended_and_undone(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Finding(check="mask_empty", severity="error", title="1 mask is <b>empty</b>",
                   keys=(CRACK,), detail="It marks nothing.", remedy="Draw it.")  # fmt: skip
    copies = Finding(check="duplicates", severity="warning", title="2 images repeat another one",
                     keys=COPIES, groups=(COPIES,), action="exclude", fix_keys=COPIES)  # fmt: skip
    monkeypatch.setattr("dashboard.navigation.page", lambda url: "https://example.org/" + url)
    examined(monkeypatch, lost, copies)
    page = the_card()
    assert "1 error" in text(page) and "2 images repeat" not in text(page)
    page.toggle(key="doctor-show-parts").set_value(True).run()
    said = text(page)
    assert said.index("Errors") < said.index("Draw it.") < said.index("2 images repeat")
    assert "&lt;b&gt;empty" in said, "what the doctor says is text"
    assert f"data=parts&amp;finding=mask_empty-error&amp;key={CRACK.replace('/', '%2F')}" in said
    page.button(key="doctor-fix-parts-duplicates-warning-do").click().run()
    assert not page.exception
    (made,) = edits.of_dataset(place, "parts")
    assert made.keys == COPIES and made.reason == "2 images repeat another one"
    page = the_card()
    assert "changed since then" in text(page)
    page.toggle(key="doctor-show-parts").set_value(True).run()
    assert "excluded already" in text(page)
    page.button(key="doctor-parts-undo-0").click().run()
    assert edits.of_dataset(place, "parts") == []


def test_all_of_a_finding_can_be_browsed(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    examined(monkeypatch, Finding(check="twins", severity="note", title="2 images are alike",
                                  keys=COPIES, remedy="Look at them."))  # fmt: skip
    said = text(visit("browse", data="parts", finding="twins-note"))
    assert "1 to 2 of 2 images (54 in all)" in said and "Look at them." in said


def test_no_choice_is_lost_by_its_name() -> None:
    assert ALL not in browse.SIZES and ALL in browse.STATES
    assert browse_data.SIZES[2] == 256
