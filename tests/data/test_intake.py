"""What people hand in: nothing leaves its folder, grows beyond its limits or hides what it is."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from core.data.intake import Intake, Limits, shown
from core.errors import DataError


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
