"""The prepared cache: right pixels, unusable files, changed files, killed and rival writers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from core.data import prepare_fill, prepared
from core.data.base import READERS, Dataset
from core.data.catalogue import fingerprint
from core.data.prepared import Prepared, prepare, recall
from core.data.splits import with_calibration
from core.errors import Cancelled, DataError
from core.workspace import Workspace
from tests.data import trees
from tests.data.trees import block, noise, save

SIZE = 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return trees.mvtec(tmp_path / "mini")


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def read(root: Path) -> Dataset:
    return READERS.get("mvtec_folder")().read(root, "mini")


def age(root: Path, seconds: float = 60) -> None:
    """Make all files as old as files usually are; fresh ones are hashed again on purpose."""
    for path in root.rglob("*.*"):
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, int(stat.st_mtime_ns - seconds * 1e9)))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each image that is decoded."""
    calls: list[int] = []
    decode = prepare_fill.decode

    def counted(*arguments: object) -> object:
        calls.append(1)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare_fill, "decode", counted)
    return calls


def row_of(ready: Prepared, key: str) -> int:
    return [sample.key for sample in ready.samples].index(key)


def messages(ready: Prepared) -> str:
    return "\n".join(problem.message for problem in ready.problems)


def test_pixels_are_pillows_and_regions_scipys(root: Path, place: Workspace) -> None:
    two = block(60, 40)
    two[30:40, 50:60] = 7
    two[20:28, 14:22] = 1  # away from the first block
    save(root / "bolt/test/crack/000.png", noise(5, 60, 40))
    save(root / "bolt/ground_truth/crack/000_mask.png", two)
    ready = prepare(read(root), SIZE, place)
    assert len(ready.samples) == 16 and ready.problems == () and ready.has_mask.all()
    for row in ready.rows():
        with Image.open(root / ready.samples[row].key) as image:
            small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        images = ready.images([row])
        assert images.dtype == np.uint8 and images.shape == (1, 3, SIZE, SIZE)
        assert np.array_equal(images[0], np.asarray(small).transpose(2, 0, 1))
    row = row_of(ready, "bolt/test/crack/000.png")
    small = Image.fromarray((two > 0).astype(np.uint8) * 255).resize(
        (SIZE, SIZE), Image.Resampling.BILINEAR
    )
    expected, count = ndimage.label(np.asarray(small) > 127.4, np.ones((3, 3)))
    regions = ready.regions([row, *ready.rows(split="train")])
    assert count == 3 and regions.dtype == np.uint16
    assert np.array_equal(regions[0], expected) and not regions[1:].any()
    assert ready.original_sizes[row].tolist() == [60, 40]
    assert ready.bytes == 16 * 3 * SIZE**2 + 4 * 2 * SIZE**2


def test_regions_touch_over_corners(root: Path, place: Workspace) -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0:4, 0:4] = mask[4:8, 4:8] = mask[20:22, 20:22] = 255
    save(root / "bolt/test/crack/000.png", noise(5, SIZE, SIZE))
    save(root / "bolt/ground_truth/crack/000_mask.png", mask)
    ready = prepare(read(root), SIZE, place)
    regions = ready.regions([row_of(ready, "bolt/test/crack/000.png")])[0]
    assert sorted(np.unique(regions)) == [0, 1, 2] and regions[0, 0] == regions[7, 7] == 1


def test_rows_of_splits_and_classes(root: Path, place: Workspace) -> None:
    dataset = read(root)
    ready = prepare(dataset, SIZE, place)
    assert len(ready.rows(split="train")) == 8
    some = ready.rows(split="train", class_name="cloth")
    assert {ready.samples[row].class_name for row in some} == {"cloth"} and len(some) == 4
    assert ready.images(some).flags.c_contiguous and ready.images(some).flags.writeable
    assert len(ready.rows(class_name="unheard of")) == 0
    part = prepare(dataset, SIZE, place, samples=dataset.samples[:3])
    assert part.samples == dataset.samples[:3]
    assert np.array_equal(part.images([2]), ready.images([2]))


def test_several_masks_are_joined_by_or(root: Path, place: Workspace) -> None:
    truth = root / "bolt/ground_truth/crack"
    (truth / "000_mask.png").unlink()
    other = np.zeros((20, 24), np.uint8)
    other[15:20, 18:24] = 255
    save(truth / "000/a.png", block())
    save(truth / "000/b.png", other)
    ready = prepare(read(root), SIZE, place)
    row = row_of(ready, "bolt/test/crack/000.png")
    assert ready.regions([row]).max() == 2 and ready.has_mask[row]


def test_second_opening_decodes_nothing_and_is_equal(
    root: Path, place: Workspace, decoded: list[int]
) -> None:
    first = prepare(read(root), SIZE, place, workers=3)
    count = len(decoded)
    age(root)
    second = prepare(read(root), SIZE, place)
    assert count == 16 and len(decoded) == 16
    assert np.array_equal(first.images(first.rows()), second.images(second.rows()))
    assert np.array_equal(first.regions(first.rows()), second.regions(second.rows()))
    assert first.fingerprint == second.fingerprint
    prepare(read(root), SIZE * 2, place)  # another transform has rows of its own
    assert len(decoded) == 32


def test_copied_and_renamed_files_are_known_by_content(
    root: Path, place: Workspace, decoded: list[int]
) -> None:
    first = prepare(read(root), SIZE, place)
    moved = root.rename(root.parent / "elsewhere")
    (moved / "bolt/train/good/000.png").rename(moved / "bolt/train/good/new.png")
    second = prepare(read(moved), SIZE, place)
    assert len(decoded) == 16
    row = row_of(second, "bolt/train/good/new.png")
    same = row_of(first, "bolt/train/good/000.png")
    assert np.array_equal(first.images([same]), second.images([row]))
    assert first.fingerprint != second.fingerprint  # a key has changed


def test_a_changed_file_gets_a_new_row_and_readers_keep_theirs(
    root: Path, place: Workspace, decoded: list[int]
) -> None:
    age(root)
    before = prepare(read(root), SIZE, place)
    row = row_of(before, "cloth/train/good/001.png")
    old = before.images([row])
    path = root / "cloth/train/good/001.png"
    stat = path.stat()
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0, 0] ^= 1  # one bit; size and modification time may well stay the same
    save(path, pixels)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = prepare(read(root), SIZE, place)
    assert len(decoded) == 17
    small = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    assert np.array_equal(after.images([row])[0], np.asarray(small).transpose(2, 0, 1))
    assert np.array_equal(before.images([row]), old)
    assert before.fingerprint != after.fingerprint


def test_a_changed_mask_is_labelled_again(root: Path, place: Workspace) -> None:
    before = prepare(read(root), SIZE, place)
    save(root / "bolt/ground_truth/crack/000_mask.png", block()[::-1])
    after = prepare(read(root), SIZE, place)
    row = row_of(after, "bolt/test/crack/000.png")
    assert not np.array_equal(before.regions([row]), after.regions([row]))
    assert before.fingerprint != after.fingerprint


def test_fingerprint_ignores_size_order_place_and_held_out_normals(
    root: Path, place: Workspace
) -> None:
    dataset = read(root)
    known = prepare(dataset, SIZE, place).fingerprint
    assert known == prepare(dataset, SIZE + 1, place).fingerprint == fingerprint(dataset, place)
    held = replace(dataset, samples=with_calibration(dataset.samples, 3)[::-1])
    assert prepare(held, SIZE, place).fingerprint == known
    moved = replace(dataset, root=root.rename(root.parent / "moved"))
    assert fingerprint(moved, Workspace(place.root.parent / "other")) == known


def test_bad_files_are_named_and_left_out(root: Path, place: Workspace) -> None:
    test = root / "bolt/test/crack"
    truth = root / "bolt/ground_truth/crack"
    whole = (root / "bolt/train/good/000.png").read_bytes()
    (root / "bolt/train/good/cut.png").write_bytes(whole[:200])
    trees.huge_png(root / "bolt/train/good/huge.png")
    save(root / "bolt/train/good/dot.png", noise(1, 1, 1))
    save(root / "bolt/train/good/deep.png", np.full((20, 24), 40_000, dtype=np.uint16))
    faults = {
        "empty": np.zeros((20, 24), np.uint8),
        "other": block(30, 20),
        "thin": np.eye(200, dtype=np.uint8)[:1].repeat(200, 0) * 255,
        "torn": block(),
    }
    for name, mask in faults.items():
        width, height = (200, 200) if name == "thin" else (24, 20)
        save(test / f"{name}.png", noise(len(name), width, height))
        save(truth / f"{name}_mask.png", mask)
    (truth / "torn_mask.png").write_bytes(whole[:150])
    trees.huge_png(test / "wide.png")
    save(truth / "wide_mask.png", block())
    for attempt in range(2):  # the second time from the cache
        ready = prepare(read(root), SIZE, place)
        keys = {sample.key for sample in ready.samples}
        assert not keys & {f"bolt/train/good/{name}.png" for name in ("cut", "huge")}
        assert "bolt/train/good/dot.png" in keys and "bolt/test/crack/wide.png" not in keys
        for name in faults:
            row = row_of(ready, f"bolt/test/crack/{name}.png")
            assert not ready.has_mask[row] and not ready.regions([row]).any()
        text = messages(ready)
        for words in (
            "bolt/train/good/cut.png cannot be decoded", "bolt/train/good/huge.png has more than",
            "bolt/train/good/dot.png has only 1x1 px", "bolt/train/good/deep.png are 16-bit grey",
            "empty_mask.png marks no pixel", "other_mask.png has 30x20 px but",
            "thin_mask.png (200x200 px) has nothing left at 32 px",
            "torn_mask.png cannot be decoded", "wide.png has more than",
        ):  # fmt: skip
            assert words in text, (attempt, words)
        assert len(ready.problems) == 9
        if attempt == 0:
            known = ready.fingerprint
    assert ready.fingerprint == known == fingerprint(read(root), place)


def test_a_mask_drawn_on_the_unrotated_pixels_is_turned(root: Path, place: Workspace) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(root / "bolt/test/crack/000.png", noise(5, 24, 20), exif=exif)
    mask = np.zeros((20, 24), np.uint8)
    mask[:10, :12] = 255  # the upper left of the file is the upper right of the upright image
    save(root / "bolt/ground_truth/crack/000_mask.png", mask)
    ready = prepare(read(root), SIZE, place)
    row = row_of(ready, "bolt/test/crack/000.png")
    assert ready.original_sizes[row].tolist() == [20, 24]
    regions = ready.regions([row])[0]
    assert regions[:16, 16:].all() and regions.sum() == 256


def test_files_that_go_missing_become_problems(root: Path, place: Workspace) -> None:
    dataset = read(root)
    (root / "bolt/train/good/000.png").unlink()
    (root / "bolt/ground_truth/crack/000_mask.png").unlink()
    outside = save(root.parent / "secret.png", noise(1))
    (root / "bolt/train/good/001.png").unlink()
    (root / "bolt/train/good/001.png").symlink_to(outside)
    ready = prepare(dataset, SIZE, place)
    assert len(ready.samples) == 14
    assert "leads out" in messages(ready) and "not there any more" in messages(ready)
    assert not ready.has_mask[row_of(ready, "bolt/test/crack/000.png")]
    gone = [sample for sample in dataset.samples if sample.key == "bolt/train/good/000.png"]
    with pytest.raises(DataError, match=r"No image of mini can be used.*000\.png"):
        prepare(dataset, SIZE, place, samples=gone)
    with pytest.raises(DataError, match="No image of mini"):
        prepare(dataset, SIZE, place, samples=[])


def test_cancelling_keeps_what_is_finished(
    root: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch, decoded: list[int]
) -> None:
    monkeypatch.setattr(prepare_fill, "_CHUNK", 4)
    reports: list[float] = []

    def stop(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == 2:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        prepare(read(root), SIZE, place, report=stop)
    assert len(decoded) == 8
    ready = prepare(read(root), SIZE, place, report=lambda fraction, _: reports.append(fraction))
    assert len(decoded) == 16 and len(ready.samples) == 16
    assert reports[-1] == 1.0 and reports[2:] == sorted(reports[2:])


KILLED = """
import os, sys
from pathlib import Path
from core.data import prepare_fill, prepare_pool
from core.data.base import READERS
from core.data.prepared import prepare
from core.workspace import Workspace
prepare_fill._CHUNK = 4
half = prepare_pool._write
count = 0
def write(descriptor, values, offset):
    global count
    count += 1
    if count == 7:  # dies with half a row on disk
        os.pwrite(descriptor, bytes(1000), offset)
        os.kill(os.getpid(), 9)
    half(descriptor, values, offset)
prepare_pool._write = write
prepare_pool.Writer.publish_sometimes = prepare_pool.Writer.publish
dataset = READERS.get("mvtec_folder")().read(Path(sys.argv[1]), "mini")
prepare(dataset, 32, Workspace(Path(sys.argv[2])), workers=1)
"""


def test_a_writer_killed_within_a_row_leaves_only_whole_rows(
    root: Path, place: Workspace, decoded: list[int]
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLED, root, place.root], cwd=Path(__file__).parents[2], check=False
    )
    assert died.returncode == -9
    ready = prepare(read(root), SIZE, place)
    assert len(decoded) == 12  # four rows had been published
    fresh = prepare(read(root), SIZE, Workspace(place.root.parent / "fresh"))
    assert np.array_equal(ready.images(ready.rows()), fresh.images(fresh.rows()))
    assert np.array_equal(ready.regions(ready.rows()), fresh.regions(fresh.rows()))


def test_large_images_are_told_one_by_one(
    root: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when each takes longer than a caller wants to wait for a word."""
    monkeypatch.setattr("core.data.prepare_fill._OFTEN", -1.0)
    said: list[str] = []
    ready = prepare(read(root), SIZE, place, report=lambda share, words: said.append(words))
    images = [words for words in said if words.endswith("images decoded")]
    assert images[0].startswith("1 of ") and len(images) >= len(ready.samples)
    assert len(set(images)) == len(images), "none is told twice"


RIVAL = """
import sys, hashlib
from pathlib import Path
from core.data.base import READERS
from core.data.prepared import prepare
from core.workspace import Workspace
dataset = READERS.get("mvtec_folder")().read(Path(sys.argv[1]), "mini")
ready = prepare(dataset, 32, Workspace(Path(sys.argv[2])))
print(hashlib.sha256(ready.images(ready.rows()).tobytes()).hexdigest())
"""


def test_two_processes_preparing_at_once_agree(root: Path, place: Workspace) -> None:
    """Both roots share a size, so both write to the same files."""
    other = trees.mvtec(root.parent / "other", ("x", "y", "bolt"))
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, folder, place.root],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        )
        for folder in (root, other, root)
    ]
    digests = [rival.communicate()[0] for rival in rivals]
    assert all(rival.returncode == 0 for rival in rivals) and digests[0] == digests[2]
    for folder, digest in zip((root, other), digests, strict=False):
        fresh = subprocess.run(
            [sys.executable, "-c", RIVAL, folder, place.root.parent / "fresh"],
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        assert fresh.stdout == digest


@pytest.mark.parametrize("damage", ["index", "truncate", "delete"])
def test_a_damaged_cache_is_made_anew(root: Path, place: Workspace, damage: str) -> None:
    before = prepare(read(root), SIZE, place)
    old = before.images(before.rows())
    (folder,) = place.prepared.glob("rows-*")
    (images,) = folder.glob("images-*")
    if damage == "index":
        (folder / "index.json").write_text('{"token": "x", "ima')
    elif damage == "truncate":
        copy = images.read_bytes()
        images.unlink()  # the mapping of `before` stays whole
        images.write_bytes(copy[:-1])
    else:
        images.unlink()
    after = prepare(read(root), SIZE, place)
    assert np.array_equal(after.images(after.rows()), old)
    assert np.array_equal(before.images(before.rows()), old)
    assert len(list(folder.glob("images-*"))) == 1


def test_a_full_disk_is_one_sentence(
    root: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare_fill.os, "cpu_count", lambda: 1)
    monkeypatch.setattr("core.data.prepare_pool.os.pwrite", full)
    with pytest.raises(DataError, match="No space left on device"):
        prepare(read(root), SIZE, place)


def test_recall_outlives_the_data_set(root: Path, place: Workspace) -> None:
    ready = prepare(read(root), SIZE, place)
    key = ready.samples[5].key
    (root / key).unlink()
    image = recall(root, key, SIZE, place)
    assert image is not None and np.array_equal(image, ready.images([5])[0])
    assert recall(root, "never/seen.png", SIZE, place) is None
    assert recall(root, key, SIZE + 1, place) is None


def test_messages_for_every_state_of_a_mask_exist() -> None:
    values = {"masks": "m", "key": "k", "detail": "d.", "size": 1, "width": 1, "height": 1}
    for state in ("empty", "vanished", "size", "crowded", "unreadable"):
        assert "image metrics only" in prepared._MASK_FAULTS[state].format(**values)
