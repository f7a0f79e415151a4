"""What people hand in: nothing leaves its folder, grows beyond its limits or hides what it is."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from core.data import uploads
from core.data.intake import Intake, Limits, shown
from core.data.uploads import Handed
from core.errors import Cancelled, DataError
from core.workspace import Workspace


def picture(side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 60)).save(out, "PNG")
    return out.getvalue()


def archive(entries: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(info, data)
    return out.getvalue()


def written(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    intake = Intake(tmp_path / "trial" / "images")
    names = ("../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "C:\\evil.png", "a/../../b.png")
    intake.data("parts.zip", archive(dict.fromkeys(names, picture()) | {"good/1.png": picture()}))
    assert [one.name for one in intake.images] == ["parts.zip/good/1.png"]
    assert written(tmp_path) == [tmp_path / "trial" / "images" / "0000-1.png"]
    assert len(intake.left_out) == len(names)
    assert all("leads out of its archive" in told for told in intake.left_out)


def test_links_other_files_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    intake = Intake(tmp_path)
    packed = archive(
        {"a.png": picture(), "link.png": b"/etc/passwd", "readme.txt": b"x", "notes.md": b"y",
         "__MACOSX/a.png": b"z", ".hidden.png": b"z"}, links=("link.png",),
    )  # fmt: skip
    intake.data("parts.ZIP", packed)
    assert [one.name for one in intake.images] == ["parts.ZIP/a.png"]
    assert intake.left_out == [
        "parts.ZIP/link.png is a link and is left out.",
        "parts.ZIP: 2 files are no images by name and left out.",
    ]


def test_a_small_archive_that_unfolds_stops_at_the_limit(tmp_path: Path) -> None:
    intake = Intake(tmp_path, Limits(most=10, largest=100_000, total=150_000))
    bomb = archive({"bomb.png": bytes(5_000_000), "ok.png": picture()})
    assert len(bomb) < 10_000
    intake.data("bomb.zip", bomb)
    assert [one.name for one in intake.images] == ["bomb.zip/ok.png"]
    assert "more than 0 MB" in intake.left_out[0]
    for number in range(3):
        intake.data(f"{number}.png", bytes(60_000))
    assert len(intake.images) == 3, "the fourth would pass the limit of all together"
    assert sum(path.stat().st_size for path in written(tmp_path)) <= 150_000
    assert "1 more is left out" in intake.left_out[-1]


def test_a_size_that_lies_is_a_damaged_entry(tmp_path: Path) -> None:
    data = bytearray(archive({"a.png": bytes(300_000)}))
    for at in (data.find(b"PK\x03\x04") + 22, data.find(b"PK\x01\x02") + 24):
        data[at : at + 4] = (10).to_bytes(4, "little")  # it says ten bytes
    intake = Intake(tmp_path, Limits(largest=100_000))
    intake.data("lie.zip", bytes(data))
    assert sum(path.stat().st_size for path in written(tmp_path)) <= 100_000
    assert not intake.images and "damaged" in intake.left_out[0]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_no_archive_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    intake = Intake(tmp_path)
    intake.data("torn.zip", data)
    assert intake.left_out == ["torn.zip is no intact ZIP archive; pack it again."]


def test_more_than_the_limit_is_counted(tmp_path: Path) -> None:
    intake = Intake(tmp_path, Limits(most=2))
    for number in range(5):
        intake.data(f"{number}.png", picture())
    assert [one.file for one in intake.images] == ["0000-0.png", "0001-1.png"]
    assert "3 more are left out: at most 2 images" in intake.left_out[0]


def test_names_are_shown_but_never_used(tmp_path: Path) -> None:
    intake = Intake(tmp_path)
    hostile = ["../../x.png", "a\x00b\n.png", "ü\u202egnp.exe", "x" * 400 + ".png", "", "-rf .jpg"]
    for name in hostile:
        intake.data(name, picture())
    assert {path.parent for path in written(tmp_path)} == {tmp_path}
    for one in intake.images:
        assert all(c.isascii() and (c.isalnum() or c in "-.") for c in one.file)
        assert one.file.startswith(f"{intake.images.index(one):04d}-")
        assert len(one.name) <= 160 and one.name.isprintable() and one.name
    assert intake.images[2].file.endswith(".bin"), "an unknown suffix is not kept"
    assert shown("a\u202eb") == "ab"


def test_a_folder_is_read_with_its_subfolders_and_no_links(tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "b").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("z.png", "b/a.JPG", ".git/c.png", "notes.txt"):
        (root / name).write_bytes(picture())
    (root / "link.png").symlink_to("/etc/hostname")
    (root / "loop").symlink_to(root)
    intake = Intake(tmp_path / "out")
    intake.path(root)
    assert [one.name for one in intake.images] == ["z.png", "b/a.JPG"]
    assert intake.left_out == ["in: 1 file is no image by name and left out."]
    with pytest.raises(DataError, match="is not there"):
        intake.path(tmp_path / "nowhere")


# -- folders that mean something ------------------------------------------------------------------


def kept_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in written(folder))


def test_an_archives_folders_are_kept_and_its_names_made_harmless(tmp_path: Path) -> None:
    intake = Intake(tmp_path, tree=True)
    names = ("good/1.png", "Kratzer tief/2 b.PNG", "défaut/3.png", "ab:*?/x|y.png", "con/4.png")
    intake.data("p.zip", archive(dict.fromkeys(names, picture())))
    assert kept_in(tmp_path) == sorted(
        ["good/1.png", "Kratzer tief/2 b.PNG", "défaut/3.png", "ab___/x_y.png", "_con/4.png"]
    )
    assert intake.images[0].file == "good/1.png"


def test_an_archive_with_folders_cannot_write_outside_either(tmp_path: Path) -> None:
    intake = Intake(tmp_path / "in", tree=True)
    names = ("../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png", "a/../../b.png")
    intake.data("p.zip", archive(dict.fromkeys(names, picture()) | {"link.png": b"/etc/passwd"},
                                 links=("link.png",)))  # fmt: skip
    assert written(tmp_path) == [] and not intake.images
    assert sum("leads out of its archive" in told for told in intake.left_out) == len(names)
    assert "p.zip/link.png is a link and is left out." in intake.left_out


@pytest.mark.parametrize("name", ["../../x.png", "/etc/x.png", "a/../../../x.png", "..", "a/..//x"])
def test_a_loose_file_cannot_choose_where_it_lies(tmp_path: Path, name: str) -> None:
    intake = Intake(tmp_path / "in", tree=True)
    intake.file(name, io.BytesIO(picture()), under="good")
    (path,) = written(tmp_path)
    assert path.is_relative_to(tmp_path / "in" / "good")
    assert not any(part.startswith(".") for part in path.relative_to(tmp_path).parts)


def test_names_that_become_one_are_told_apart_and_folders_stay_together(tmp_path: Path) -> None:
    intake = Intake(tmp_path, tree=True)
    names = ("a?/1.png", "a*/1.png", "a?/2.png", "B/1.png", "b/1.png")
    intake.data("p.zip", archive(dict.fromkeys(names, picture())))
    for name in ("1.png", "1.PNG"):
        intake.data(name, picture())
    assert kept_in(tmp_path) == sorted(
        ["a_/1.png", "a_-2/1.png", "a_/2.png", "B/1.png", "b-2/1.png", "1.png", "1-2.PNG"]
    )


def test_what_unfolds_beyond_reason_is_left_out_below_every_other_limit(tmp_path: Path) -> None:
    intake = Intake(tmp_path, Limits(largest=200_000_000, ratio=300), tree=True)
    bomb = archive({"good/bomb.png": bytes(30_000_000), "good/ok.png": picture()})
    assert len(bomb) < 60_000, "a ratio of five hundred and more"
    intake.data("p.zip", bomb)
    assert kept_in(tmp_path) == ["good/ok.png"]
    assert "more than 300 times its packed size" in intake.left_out[0]
    free = Intake(tmp_path / "free", Limits(largest=200_000_000, ratio=2000), tree=True)
    free.data("p.zip", bomb)
    assert len(free.images) == 2, "the ratio alone kept it out"


def test_an_archive_within_an_archive_is_not_opened(tmp_path: Path) -> None:
    intake = Intake(tmp_path, tree=True)
    inner = archive({"good/1.png": picture()})
    intake.data("p.zip", archive({"inner.zip": inner, "good/2.png": picture()}))
    assert kept_in(tmp_path) == ["good/2.png"]
    assert intake.left_out == ["p.zip: 1 file is no image by name and left out."]


def test_deep_folders_and_long_names_are_bounded(tmp_path: Path) -> None:
    intake = Intake(tmp_path, tree=True)
    deep = "/".join("d" * 20) + "/1.png"
    intake.data("p.zip", archive({deep: picture(), "ü" * 300 + ".png": picture()}))
    (only,) = written(tmp_path)
    assert len(only.name.encode()) <= 120 and only.suffix == ".png"
    assert "folders deep" in intake.left_out[0]


def test_work_that_is_cancelled_stops_at_the_next_file(tmp_path: Path) -> None:
    said: list[float] = []

    def tell(share: float, words: str) -> None:
        said.append(share)
        if len(said) == 3:
            raise Cancelled("enough")

    intake = Intake(tmp_path, tree=True, tell=tell)
    with pytest.raises(Cancelled):
        intake.data("p.zip", archive({f"{n}.png": picture() for n in range(10)}))
    assert said == [0.0, 0.1, 0.2] and len(written(tmp_path)) == 2


# -- uploads ---------------------------------------------------------------------------------------


def handed(name: str, data: bytes, under: str = "") -> Handed:
    return Handed(name, io.BytesIO(data), under)


def test_an_upload_becomes_a_folder_named_after_its_archive(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    packed = archive(
        {"bolts/good/1.png": picture(), "bolts/crack/2.png": picture(), "bolts/list.csv": b"a,b\n",
         "bolts/setup.exe": b"MZ"}
    )  # fmt: skip
    first = uploads.receive(place, [handed("My bolts.zip", packed)])
    assert first.source == tmp_path / "uploads" / "My bolts" / "bolts", "the folder with a meaning"
    assert kept_in(first.source) == ["crack/2.png", "good/1.png", "list.csv"]
    assert first.files == 3
    assert first.left_out == ("My bolts.zip: 1 file is no image by name and left out.",)
    second = uploads.receive(place, [handed("My bolts.zip", packed)])
    assert second.source == tmp_path / "uploads" / "My bolts 2" / "bolts"
    assert [path.name for path in (tmp_path / "uploads").glob(".*")] == []


def test_loose_images_lie_where_they_were_dropped(tmp_path: Path) -> None:
    got = uploads.receive(
        Workspace(tmp_path),
        [handed("1.png", picture(), "good"), handed("1.png", picture(), "defect"),
         handed("notes.exe", b"MZ", "good")],
    )  # fmt: skip
    assert kept_in(got.source) == ["defect/1.png", "good/1.png"]
    assert got.left_out == ("notes.exe is no image, list or scan by its name and left out.",)


def test_an_uploaded_folder_keeps_its_folders(tmp_path: Path) -> None:
    names = ("plates/good/1.png", "plates/good/2.png", "plates/dent/1.png")
    got = uploads.receive(Workspace(tmp_path), [handed(name, picture()) for name in names])
    assert got.source == tmp_path / "uploads" / "plates" / "plates"
    assert kept_in(got.source) == ["dent/1.png", "good/1.png", "good/2.png"]


def test_an_upload_of_nothing_usable_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Nothing that was uploaded can be used"):
        uploads.receive(Workspace(tmp_path), [handed("a.zip", b"no archive")])
    with pytest.raises(Cancelled):
        uploads.receive(Workspace(tmp_path), [handed("1.png", picture())], tell=_refuse)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_discarding_an_upload_removes_it_and_nothing_else(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "ws")
    got = uploads.receive(place, [handed("p.zip", archive({"good/1.png": picture()}))])
    other = tmp_path / "mine"
    other.mkdir()
    uploads.discard(place, other)
    uploads.discard(place, uploads.home(place))
    uploads.discard(place, uploads.home(place) / "..")
    assert other.is_dir() and got.source.is_dir()
    uploads.discard(place, got.source)
    assert other.is_dir() and not got.source.exists() and uploads.home(place).is_dir()


def _refuse(share: float, words: str) -> None:
    raise Cancelled("no")
