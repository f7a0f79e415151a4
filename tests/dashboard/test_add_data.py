"""Adding a data set: what a source could become, the two steps, and looks that notice changes."""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data import catalogue, edits, manifest, uploads
from core.data.importing import bring
from core.data.importing.base import Item
from core.data.importing.splits import Splits
from core.data.uploads import Handed
from core.errors import Cancelled, DataError, UsageError
from core.types import Sample
from core.workspace import Workspace
from dashboard import actions, adding, adding_look, data_looks, data_stamps, later, queries
from dashboard.components import data_card, import_form, import_preview
from dashboard.components.settings_form import Setting
from tests.dashboard import stores
from tests.dashboard.visiting import text, visit


def photo(path: Path, shade: int = 120, side: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (shade, 90, 60)).save(path)


def photographs(root: Path, good: int = 10, scratch: int = 3) -> Path:
    for number in range(good):
        photo(root / "good" / f"{number}.png", 100 + number)
    for number in range(scratch):
        photo(root / "scratch" / f"{number}.png", 200 + number)
    return root


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("FLAWSCOPE_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield Workspace(tmp_path / "ws")


def the_way(source: Path, importer: str) -> adding.Way:
    return next(way for way in adding.ways(source) if way.importer == importer)


# -- what a source could become -------------------------------------------------------------------


def test_photographs_are_a_folder_of_images_and_nothing_else(tmp_path: Path) -> None:
    (way,) = adding.ways(photographs(tmp_path / "parts"))
    assert (way.importer, way.source) == ("folder", tmp_path / "parts")
    assert "good, scratch" in way.sign


def test_a_published_layout_comes_first_and_can_still_be_imported(tmp_path: Path) -> None:
    root = stores.make_data(tmp_path, "plates")
    first, *others = adding.ways(root)
    assert first.importer == "" and first.id == "read:mvtec_folder"
    assert "folder" in {way.importer for way in others}


def test_a_table_beside_images_is_another_way_and_leads_where_no_folder_is_good(
    tmp_path: Path,
) -> None:
    root = photographs(tmp_path / "parts")
    (root / "list.csv").write_text("file,verdict\ngood/0.png,ok\nscratch/1.png,bad\n")
    assert [way.importer for way in adding.ways(root)] == ["folder", "table"]
    (root / "good").rename(root / "line 1")
    (root / "list.csv").write_text("file,verdict\nline 1/0.png,ok\nscratch/1.png,bad\n")
    assert [way.importer for way in adding.ways(root)] == ["table", "folder"]
    assert [way.importer for way in adding.ways(root / "list.csv")] == ["table"]


def test_annotations_in_their_folder_lead(tmp_path: Path) -> None:
    root = photographs(tmp_path / "parts")
    listed = {
        "images": [{"id": 1, "file_name": "scratch/0.png", "width": 24, "height": 24}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 8, 8]}],
        "categories": [{"id": 1, "name": "scratch"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "all.json").write_text(json.dumps(listed))
    first, *others = adding.ways(root)
    assert (first.importer, first.source) == ("coco", root / "annotations" / "all.json")
    assert first.title.endswith("annotations/all.json")
    assert [way.importer for way in others] == ["folder"]


def test_nothing_is_no_way_and_a_bad_path_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert adding.ways(tmp_path / "empty") == []
    assert adding.there(f'  "{tmp_path}"  ') == tmp_path, "as a file manager copies it"
    for bad in ("", "   ", str(tmp_path / "nowhere"), "a\0b", "x" * 5000):
        with pytest.raises(DataError):
            adding.there(bad)


@pytest.mark.parametrize(
    ("wanted", "taken", "given"),
    [
        ("parts", [], "parts"),
        ("parts", ["demo", "parts"], "parts 2"),
        ("parts", ["parts", "parts 2"], "parts 3"),
        (".hidden/x\n", [], "hidden x"),
        ("...", [], "images"),
    ],
)
def test_a_free_name(wanted: str, taken: list[str], given: str) -> None:
    assert adding.free_name(wanted, taken) == given
    catalogue.check_name(given)


# -- looking ---------------------------------------------------------------------------------------


def test_a_look_counts_and_shows_and_makes_nothing(tmp_path: Path, place: Workspace) -> None:
    way = the_way(photographs(tmp_path / "parts"), "folder")
    look = adding_look.look(place, way, adding.suggestion(way))
    assert look.open_splits and not look.capped
    (row,) = adding_look.rows(look.items, Splits(test_share=0.3))
    assert (row.name, row.train, row.good, row.anomalous) == ("parts", 7, 3, 3)
    assert row.types == {"scratch": 3} and row.with_mask == 0
    shown = [(caption, flawed) for _, caption, _, flawed in look.pictures]
    assert shown == [("good", False)] * 4 + [("scratch", True)] * 3
    assert all(uri.startswith("data:image/webp;base64,") for uri, *_ in look.pictures)
    assert not (place.root / "data").exists() and not (place.root / "people").exists()


def test_another_share_is_another_count_without_looking_again(tmp_path: Path) -> None:
    items = [Item(name=f"{n}.png", class_name="a", label=0) for n in range(20)]
    assert [adding_look.rows(items, Splits(test_share=s))[0].good for s in (0.1, 0.5)] == [2, 10]


def test_a_look_ends_at_its_cap(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = the_way(photographs(tmp_path / "parts"), "folder")
    monkeypatch.setattr(adding_look, "MOST", 5)
    look = adding_look.look(place, way, adding.suggestion(way))
    assert look.capped and len(look.items) == 5
    said = import_preview.sentence(look, adding_look.rows(look.items, Splits()))
    assert "The first 5 images" in said and "More follow" in said


def test_a_look_at_a_layout_takes_its_splits_and_licence(tmp_path: Path, place: Workspace) -> None:
    way = adding.ways(stores.make_data(tmp_path, "plates"))[0]
    look = adding_look.look(place, way, {})
    assert not look.open_splits
    names = [row.name for row in adding_look.rows(look.items, Splits())]
    assert names == sorted(names) and len(names) == 3


def test_no_good_image_is_said_before_anything_is_made(tmp_path: Path, place: Workspace) -> None:
    root = photographs(tmp_path / "parts", good=0)
    way = the_way(root, "folder")
    look = adding_look.look(place, way, adding.suggestion(way) | {"others": "anomalous"})
    assert "learns from good images only" in adding_look.unusable(
        adding_look.rows(look.items, Splits())
    )


def test_a_mask_is_outlined_in_the_picture(tmp_path: Path, place: Workspace) -> None:
    photo(tmp_path / "a.png", side=64)
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 20, 44, 44))
    mask.save(tmp_path / "m.png")
    plain = Item(name="a.png", class_name="a", label=1, anomaly_type="dent")
    marked = Item(name="a.png", class_name="a", label=1, anomaly_type="dent", masks=("m.png",))
    drawn = Item(
        name="x", class_name="a", label=1, anomaly_type="dent",
        draw=lambda: Image.open(tmp_path / "a.png").convert("RGB"),
        draw_mask=lambda: np.asarray(mask) > 0,
    )  # fmt: skip
    pictures = [adding_look.picture(one, tmp_path, place) for one in (plain, marked, drawn)]
    assert all(pictures) and pictures[0] not in pictures[1:]
    gone = Item(name="gone.png", class_name="a", label=0)
    assert adding_look.picture(gone, tmp_path, place) is None


# -- the form --------------------------------------------------------------------------------------


def test_a_form_offers_the_sources_folders_and_columns(tmp_path: Path) -> None:
    root = photographs(tmp_path / "parts")
    (root / "list.csv").write_text("file,verdict\ngood/0.png,ok\nscratch/1.png,bad\n")
    folder = adding.form(the_way(root, "folder"))
    assert folder.folders == ("good", "scratch") and list(folder.suggested["normal"]) == ["good"]
    table = adding.form(the_way(root, "table"))
    assert table.columns is not None
    assert table.columns["verdict"] == ("bad", "ok") and set(table.columns) == {"file", "verdict"}
    assert (table.suggested["image"], table.suggested["label"]) == ("file", "verdict")


def test_labels_and_choices_are_words_of_the_description() -> None:
    one = Setting("labels", "choice", "good", "good: every image is normal; folders: by folder",
                  choices=("good", "folders"))  # fmt: skip
    assert import_form.said(one)[0] == "Labels", "one word tells nothing"
    assert import_form.choice(one, "good") == "good: every image is normal"
    assert import_form.choice(one, "folders") == "folders: by folder"
    two = Setting("stride", "whole number", 1, "take every n-th slice; 1: all")
    assert import_form.said(two) == ("Take every n-th slice", "Take every n-th slice; 1: all.")


# -- the page --------------------------------------------------------------------------------------


def until(at: AppTest, done: Callable[[AppTest], bool], seconds: float = 20) -> AppTest:
    """Run the page again, as its fragments would, until it says so."""
    ends = time.monotonic() + seconds
    while not done(at):
        assert time.monotonic() < ends, text(at)
        time.sleep(0.1)
        at.run()
    assert not at.exception
    return at


def ready(at: AppTest) -> bool:
    return any(button.key == "ad-make" for button in at.button)


def look_at(at: AppTest, source: Path) -> AppTest:
    next(box for box in at.text_input if box.label == "Folder or file").set_value(str(source))
    next(button for button in at.button if button.label == "Look inside").click().run()
    return at


def test_a_folder_becomes_a_data_set_in_two_steps(tmp_path: Path, place: Workspace) -> None:
    root = photographs(tmp_path / "parts")
    at = look_at(visit("data_sets", add="1"), root)
    until(at, ready)
    assert "13 images of parts" in text(at) and "7 good to learn from" in text(at)
    at.slider[0].set_value(50).run()
    assert "5 good to learn from" in text(at)
    at.slider[1].set_value(20).run()
    assert "3 good to learn from" in text(at) and "2 to set thresholds by" in text(at)
    at.button(key="ad-make").click().run()
    until(at, lambda at: "parts" in queries.data_names() and not ready(at) and bool(at.success))
    assert at.success[0].value == "parts is ready: 13 images."
    assert "add" not in at.query_params
    assert ("new_run", "data=parts") in [
        (link.proto.page, link.proto.query_string) for link in at.get("page_link")
    ]
    dataset = catalogue.open_dataset("parts", place)
    counts = Counter(sample.split for sample in dataset.samples)
    assert counts == {"train": 3, "calibration": 2, "test": 8}


def test_a_published_layout_is_registered_where_it_lies(tmp_path: Path, place: Workspace) -> None:
    root = stores.make_data(tmp_path / "elsewhere", "plates")
    at = until(look_at(visit("data_sets", add="1"), root), ready)
    at.button(key="ad-make").click().run()
    until(at, lambda at: "plates" in queries.data_names() and bool(at.success))
    entry = next(e for e in catalogue.registered(place) if e.name == "plates")
    assert entry.path == root and not (place.root / "data" / "plates").exists()


def test_what_cannot_be_used_is_one_sentence_and_makes_nothing(
    tmp_path: Path, place: Workspace
) -> None:
    (tmp_path / "nothing").mkdir()
    at = look_at(visit("data_sets", add="1"), tmp_path / "nowhere")
    assert "There is no" in at.error[0].value
    look_at(at, tmp_path / "nothing")
    until(at, lambda at: "No image was found in nothing" in text(at))
    assert not ready(at) and queries.data_names() == ["demo"]
    next(button for button in at.button if button.label == "Change").click().run()
    assert "Where are the images?" in text(at)


def test_a_taken_name_is_refused_and_the_form_stays(tmp_path: Path, place: Workspace) -> None:
    root = photographs(tmp_path / "parts")
    bring.bring_in(place, root, "parts", "folder")
    at = until(look_at(visit("data_sets", add="1"), root), ready)
    name = next(box for box in at.text_input if box.label == "Name of the data set")
    assert name.value == "parts 2"
    name.set_value("parts").run()
    at.button(key="ad-make").click().run()
    assert "There is a data set 'parts' already" in at.error[0].value and ready(at)


def test_an_upload_is_discarded_with_the_place_unless_a_data_set_was_made_of_it(
    tmp_path: Path, place: Workspace
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 90, 90)).save(out, "PNG")
    got = [
        uploads.receive(place, [Handed(f"{n}.png", io.BytesIO(out.getvalue()), "good")
                                for n in range(3)])
        for _ in range(2)
    ]  # fmt: skip
    bring.bring_in(place, got[0].source, "mine", "folder")
    for one in got:
        actions.discard_upload(one.source)
    actions.discard_upload(tmp_path)
    assert got[0].source.is_dir() and not got[1].source.exists() and tmp_path.is_dir()


def test_an_imported_set_says_what_it_was_made_from_and_is_imported_again(
    tmp_path: Path, place: Workspace
) -> None:
    root = photographs(tmp_path / "parts")
    bring.bring_in(place, root, "parts", "folder")
    at = visit("data_sets")
    assert f"from {root}" in text(at) and "Folder of images, imported on" in text(at)
    photo(root / "scratch" / "new.png", 40)
    at.button(key="again-parts").click().run()
    until(at, lambda at: later.progress(("import again", str(place.root), "parts")) is None)
    look = queries.data_set("parts")
    assert look is not None and look.classes[0].anomalous == 4


def test_a_making_that_is_cancelled_registers_nothing(tmp_path: Path, place: Workspace) -> None:
    way = the_way(photographs(tmp_path / "parts"), "folder")

    def tell(share: float, words: str) -> None:
        if words.endswith("kept"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        adding.make(place, way, "parts", adding.suggestion(way), Splits(), "", "", tell)
    assert queries.data_names() == ["demo"]
    with pytest.raises(UsageError):
        actions.free_to_use("demo")


# -- what a look notices ---------------------------------------------------------------------------


def counts(name: str) -> tuple[int, int]:
    look = queries.data_set(name)
    assert look is not None and look.error is None and not look.opening
    return look.train, look.test


def test_a_look_notices_a_manifest_that_is_written_anew(tmp_path: Path, place: Workspace) -> None:
    root = photographs(tmp_path / "parts")
    bring.bring_in(place, root, "parts", "folder", splits=Splits(test_share=0.3))
    assert counts("parts") == (7, 6)
    folder = place.root / "data" / "parts"
    rows = manifest.load(folder)
    manifest.write(folder, [row for row in rows if not row.sample.label])
    assert counts("parts") == (7, 3)


def test_a_look_notices_what_people_exclude_and_take_back(tmp_path: Path, place: Workspace) -> None:
    for name in ("parts", "others"):
        bring.bring_in(place, photographs(tmp_path / name), name, "folder")
    before, untouched = counts("parts"), queries.data_set("others")
    dataset = catalogue.open_dataset("parts", place)
    keys = [sample.key for sample in dataset.samples if sample.label][:2]
    group = edits.make(place, "ada", "parts", keys, "exclude")
    assert counts("parts") == (before[0], before[1] - 2)
    assert queries.data_set("others") is untouched, "another set is not opened anew"
    edits.undo(place, "ada", group)
    assert counts("parts") == before


def test_the_stamp_changes_with_folders_and_lists_not_with_an_imported_sets_source(
    tmp_path: Path, place: Workspace
) -> None:
    root = stores.make_data(tmp_path, "plates")
    before = data_stamps.folder_stamp(root)
    assert data_stamps.folder_stamp(root) == before
    (root / "meta.json").write_text("{}")
    listed = data_stamps.folder_stamp(root)
    os.utime(root, ns=(1, root.stat().st_mtime_ns))
    (root / "meta.json").write_text("{ }")
    assert len({before, listed, data_stamps.folder_stamp(root)}) == 3
    deep = next(path for path in sorted(root.rglob("*")) if path.is_dir() and "good" in path.name)
    at = data_stamps.folder_stamp(root)
    (deep / "new.png").write_bytes(b"x")
    assert data_stamps.folder_stamp(root) != at
    source = photographs(tmp_path / "parts")
    folder = bring.bring_in(place, source, "parts", "folder").root
    at = data_stamps.folder_stamp(folder)
    photo(source / "good" / "new.png")
    assert data_stamps.folder_stamp(folder) == at, "only the manifest says what the set holds"


def test_a_large_set_does_not_keep_the_page_waiting(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring.bring_in(place, photographs(tmp_path / "parts"), "parts", "folder")
    opened = catalogue.open_dataset
    monkeypatch.setattr(data_looks, "PATIENCE", 0.1)
    monkeypatch.setattr(
        data_looks.catalogue, "open_dataset", lambda *a: (time.sleep(1.0), opened(*a))[1]
    )
    began = time.monotonic()
    look = queries.data_set("parts")
    assert time.monotonic() - began < 0.8
    assert look is not None and look.opening and not look.made and look.error is None
    ends = time.monotonic() + 10
    while look is None or look.opening:
        assert time.monotonic() < ends
        time.sleep(0.1)
        look = queries.data_set("parts")
    assert look.made and look.train + look.test == 13


def test_a_set_that_lies_one_folder_further_down_is_stamped_there_too(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = stores.make_data(tmp_path / "outer", "plates")
    four_down = root / "tile" / "test" / "good" / "deep"
    four_down.mkdir()
    catalogue.add_dataset(place, root, "plates")
    opened: list[str] = []
    real = catalogue.open_dataset

    def spy(name: str, workspace: Workspace) -> object:
        opened.append(name)
        dataset = real(name, workspace)
        samples = tuple(
            Sample(key=s.key.partition("/")[2], class_name=s.class_name, split=s.split,
                   label=s.label, anomaly_type=s.anomaly_type)
            for s in dataset.samples if s.class_name == "tile"
        )  # fmt: skip
        return replace(dataset, root=dataset.root / "tile", samples=samples)

    monkeypatch.setattr(data_looks.catalogue, "open_dataset", spy)
    queries.data_set("plates")
    queries.data_set("plates")
    assert opened == ["plates"]
    (four_down / "new.png").write_bytes(b"x")
    queries.data_set("plates")
    assert opened == ["plates", "plates"]


def test_shortcuts_offer_folders_of_pictures_that_are_not_listed_yet(
    tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "home" if (tmp_path / "home").is_dir() else tmp_path)
    photographs(tmp_path / "parts")
    photo(tmp_path / "home" / "Downloads" / "screws" / "1.jpg")
    (tmp_path / "notes").mkdir()
    found = [data_card.short(path) for path in data_card.shortcuts()]
    assert f"{tmp_path.name}/parts" in found and "Downloads/screws" in found
    assert not any(name.endswith("/notes") for name in found)
    bring.bring_in(place, tmp_path / "parts", "parts", "folder")
    again = [data_card.short(path) for path in data_card.shortcuts()]
    assert f"{tmp_path.name}/parts" not in again
