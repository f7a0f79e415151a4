"""Remembered hashes: what is trusted, what is hashed again."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from core.data import prepare_hashes
from core.data.prepare_hashes import Hashes
from core.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.png").write_bytes(b"first")
    return tmp_path / "data"


def hashed(root: Path, place: Workspace) -> Hashes:
    hashes = Hashes(root, place)
    with (root / "a.png").open("rb") as file:
        assert hashes.hash("a.png", file) == hashlib.sha256(b"first").hexdigest()
        assert file.tell() == 0
    hashes.save()
    return Hashes(root, place)


def test_a_fresh_file_is_not_trusted(root: Path, tmp_path: Path) -> None:
    """It could be written again within the same clock tick."""
    assert hashed(root, Workspace(tmp_path / "w")).unchanged("a.png") is None


def test_a_settled_file_is_trusted_until_anything_about_it_changes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_hashes, "_SETTLED_NS", -1)
    place = Workspace(tmp_path / "w")
    time.sleep(0.02)
    known = hashed(root, place)
    assert known.unchanged("a.png") == hashlib.sha256(b"first").hexdigest()
    assert known.unchanged("b.png") is None
    before = (root / "a.png").stat()
    time.sleep(0.02)  # so that the change falls into another clock tick
    (root / "a.png").write_bytes(b"other")
    os.utime(root / "a.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (root / "a.png").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert known.unchanged("a.png") is None
    (root / "a.png").unlink()
    assert known.unchanged("a.png") is None
    assert known.last_known("a.png") == hashlib.sha256(b"first").hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {"a.png": 3}}', '{"files": 1}'])
def test_a_torn_file_of_hashes_is_forgotten(root: Path, tmp_path: Path, text: str) -> None:
    place = Workspace(tmp_path / "w")
    hashed(root, place)
    (file,) = (place.prepared / "hashes").iterdir()
    file.write_text(text)
    assert Hashes(root, place).last_known("a.png") is None
