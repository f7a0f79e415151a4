"""Bringing images in: in place and made, again and again, cut off, refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import catalogue, edits, manifest
from core.data.importing import base, sound
from core.data.importing.base import Importer, Item, Options
from core.data.importing.bring import bring_again, bring_in, changes, imported
from core.data.importing.splits import Splits
from core.data.layout import SOURCE, Findings, inside
from core.data.prepared import prepare
from core.errors import Cancelled, DataError, UsageError
from core.workspace import Workspace
from tests.data.trees import block, noise, save


class StackOptions(Options):
    """Of the importer below."""

    stop: int = 0


class Stack(Importer[StackOptions]):
    """Arrays in .npy files; each is made into an image, with a mask where its name says bad."""

    id = "stack"
    title = "Stack"
    summary = "Arrays."
    options = StackOptions
    drawn: list[str] = []  # noqa: RUF012 - counted by the tests

    def recognise(self, source: Path) -> str | None:
        return "Arrays."

    def items(self, source: Path, options: StackOptions, findings: Findings) -> Iterator[Item]:
        for path in sorted(source.glob("*.npy")):
            bad = "bad" in path.stem
            yield Item(
                name=path.stem, class_name="stack", label=int(bad), anomaly_type="spot",
                draw=partial(self._draw, path),
                draw_mask=partial(self._mask, path) if bad else None,
                stamp=hashlib.sha256(path.read_bytes()).hexdigest(),
            )  # fmt: skip

    def _draw(self, path: Path) -> Image.Image:
        self.drawn.append(path.stem)
        return Image.fromarray(np.load(path))

    def _mask(self, path: Path) -> np.ndarray:
        self.drawn.append(f"mask of {path.stem}")
        return block() > 0


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six good arrays and two bad ones."""
    known = base.IMPORTERS
    known.ids()
    monkeypatch.setitem(known._members, "stack", Stack)
    Stack.drawn.clear()
    source = tmp_path / "arrays"
    source.mkdir()
    for i in range(6):
        np.save(source / f"good{i}.npy", noise(i))
    for i in range(2):
        np.save(source / f"bad{i}.npy", noise(20 + i))
    return source


def photos(root: Path, good: int = 6) -> Path:
    """Good and scratched photographs, masks beside."""
    for i in range(good):
        save(root / "good" / f"{i}.png", noise(i))
    for i in range(2):
        save(root / "scratch" / f"{i}.png", noise(40 + i))
        save(root / "scratch/masks" / f"{i}.png", block())
    return root


def splits_of(workspace: Workspace, name: str) -> dict[str, str]:
    rows = manifest.load(workspace.data / name)
    return {row.sample.key: row.sample.split for row in rows}


def test_images_in_place_stay_there_and_are_hashed(tmp_path: Path, place: Workspace) -> None:
    source = photos(tmp_path / "photos")
    told: list[float] = []
    dataset = bring_in(
        place, source, "mine", "folder", tell=lambda share, words: told.append(share)
    )
    home = place.data / "mine"
    assert told[0] == 0 and told[-1] == 1 and told == sorted(told)
    assert {p.name for p in home.iterdir()} == {"manifest.parquet", "import.json", SOURCE}
    assert (home / SOURCE).resolve() == source
    rows = manifest.load(home)
    assert len(rows) == len(dataset.samples) == 8
    for row in rows:
        assert row.sample.key.startswith("source/") and row.split_made
        content = (source / row.sample.key.removeprefix("source/")).read_bytes()
        assert row.sha256 == hashlib.sha256(content).hexdigest()
    bad = next(row for row in rows if row.sample.key == "source/scratch/0.png")
    assert bad.sample.masks == ("source/scratch/masks/0.png",)
    assert bad.mask_sha256 == (
        hashlib.sha256((source / "scratch/masks/0.png").read_bytes()).hexdigest(),
    )
    # 30 % of six good images, rounded
    assert sum(s.split == "test" and not s.label for s in dataset.samples) == 2
    opened = catalogue.open_dataset("mine", place)
    assert opened.samples == dataset.samples and opened.reader == "manifest"


def test_made_images_are_made_once_and_again_only_when_they_change(
    stack: Path, place: Workspace
) -> None:
    bring_in(place, stack, "volume", "stack")
    home = place.data / "volume"
    assert len(Stack.drawn) == 10 and len(set(Stack.drawn)) == 10  # 8 images, 2 masks
    pixels = np.asarray(Image.open(home / "images/bad0.png"))
    assert np.array_equal(pixels, noise(20))
    assert np.array_equal(np.asarray(Image.open(home / "masks/bad0.png")) > 0, block() > 0)
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*.png")}
    rows = manifest.load(home)
    Stack.drawn.clear()
    bring_again(place, "volume")
    assert Stack.drawn == [] and manifest.load(home) == rows
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*.png")} == before
    np.save(stack / "bad1.npy", noise(99))
    np.save(stack / "good6.npy", noise(6))
    (stack / "good0.npy").unlink()
    bring_again(place, "volume")
    assert sorted(Stack.drawn) == ["bad1", "good6", "mask of bad1"]
    after = manifest.load(home)
    assert changes(rows, after) == (1, 1, 1)
    assert not (home / "images/good0.png").exists()
    assert before[home / "images/good1.png"] == (home / "images/good1.png").stat().st_mtime_ns


def test_splits_stay_and_only_new_images_are_drawn(tmp_path: Path, place: Workspace) -> None:
    source = photos(tmp_path / "photos", good=20)
    bring_in(place, source, "mine", "folder", splits=Splits(test_share=0.25, seed=3))
    before = splits_of(place, "mine")
    for i in range(20, 40):
        save(source / "good" / f"{i}.png", noise(i))
    bring_again(place, "mine")
    after = splits_of(place, "mine")
    assert {key: after[key] for key in before} == before
    good = [split for key, split in after.items() if "/good/" in key]
    assert good.count("test") == 10 and good.count("train") == 30  # a quarter of forty
    bring_in(place, source, "mine", "folder")  # nothing said of splits: as before
    assert splits_of(place, "mine") == after
    assert imported(place, "mine").splits["test_share"] == 0.25


def test_another_way_to_draw_is_followed_and_told(tmp_path: Path, place: Workspace) -> None:
    source = photos(tmp_path / "photos", good=20)
    bring_in(place, source, "mine", "folder")
    before = splits_of(place, "mine")
    dataset = bring_in(place, source, "mine", "folder", splits=Splits(seed=5))
    assert splits_of(place, "mine") != before
    assert any("drawn anew" in problem.message for problem in dataset.problems)


def test_work_that_is_cut_off_leaves_the_old_manifest_and_goes_on_later(
    stack: Path, place: Workspace
) -> None:
    for i in range(6, 140):
        np.save(stack / f"good{i}.npy", noise(i, 6, 5))
    bring_in(place, stack, "volume", "stack")
    home = place.data / "volume"
    whole, told = (home / manifest.FILE).read_bytes(), (home / "import.json").read_bytes()
    for path in stack.glob("good*.npy"):
        np.save(path, np.load(path) // 2)
    Stack.drawn.clear()

    def stop(share: float, words: str) -> None:
        if share > 0.5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        bring_again(place, "volume", stop)
    assert (home / manifest.FILE).read_bytes() == whole
    assert (home / "import.json").read_bytes() == told
    assert not [p for p in home.rglob("*") if p.name.startswith(".") and p.suffix != ".jsonl"]
    done = len(Stack.drawn)
    assert 0 < done < 140
    bring_again(place, "volume")
    assert len(Stack.drawn) == len(set(Stack.drawn)) == 140  # each of them once in all
    assert not (home / ".begun.jsonl").exists()


def test_what_was_made_before_a_cut_is_not_taken_for_an_older_state(
    stack: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(place, stack, "volume", "stack")
    old = (stack / "good0.npy").read_bytes()
    np.save(stack / "good0.npy", noise(77))
    with monkeypatch.context() as broken:
        broken.setattr(manifest, "write", _failing)
        with pytest.raises(DataError, match="disk is full"):
            bring_again(place, "volume")
    (stack / "good0.npy").write_bytes(old)
    bring_again(place, "volume")
    pixels = np.asarray(Image.open(place.data / "volume/images/good0.png"))
    assert np.array_equal(pixels, noise(0))


def _failing(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_cut_off_at_first_leaves_no_data_set(stack: Path, place: Workspace) -> None:
    def stop(share: float, words: str) -> None:
        if "kept" in words:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        bring_in(place, stack, "volume", "stack", tell=stop)
    assert not manifest.is_manifest(place.data / "volume")
    assert [entry.name for entry in catalogue.registered(place)] == ["demo"]
    assert len(bring_in(place, stack, "volume", "stack").samples) == 8


def test_a_name_that_is_taken_is_refused(tmp_path: Path, place: Workspace) -> None:
    first, second = photos(tmp_path / "one"), photos(tmp_path / "two")
    bring_in(place, first, "mine", "folder")
    with pytest.raises(UsageError, match=r"'mine' is taken by what was imported from .*one"):
        bring_in(place, second, "mine", "folder")
    for number in range(3):
        save(tmp_path / f"m/a/train/good/{number}.png", noise(number))
    catalogue.add_dataset(place, tmp_path / "m", "theirs")
    with pytest.raises(UsageError, match="is taken by"):
        bring_in(place, second, "theirs", "folder")
    for name in ("", "../x", ".x", "demo", "a/b"):
        with pytest.raises(UsageError, match="name"):
            bring_in(place, first, name, "folder")
    own = place.data / "by hand"
    save(own / "images/keep.png", noise(1))
    with pytest.raises(UsageError, match="holds files that were not imported"):
        bring_in(place, first, "by hand", "folder")
    with pytest.raises(UsageError, match="belongs to the data set"):
        bring_in(place, own / "images", "by hand", "folder")
    assert (own / "images/keep.png").is_file()


def test_a_source_that_cannot_be_used_is_one_sentence(tmp_path: Path, place: Workspace) -> None:
    with pytest.raises(DataError, match="There is no"):
        bring_in(place, tmp_path / "gone", "mine", "folder")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image that could be trained on"):
        bring_in(place, tmp_path / "empty", "mine", "folder")
    save(tmp_path / "bad/scratch/0.png", noise(1))
    with pytest.raises(DataError, match="no good image"):
        bring_in(place, tmp_path / "bad", "mine", "folder")
    with pytest.raises(UsageError, match="no setting 'speed'"):
        bring_in(place, photos(tmp_path / "photos"), "mine", "folder", {"speed": 1})
    with pytest.raises(UsageError, match="not imported"):
        bring_again(place, "mine")
    assert not (place.data / "mine").exists()


def test_the_link_to_the_source_is_never_a_way_out(tmp_path: Path, place: Workspace) -> None:
    source = photos(tmp_path / "photos")
    secret = save(tmp_path / "secret.png", noise(1))
    (source / "good/out.png").symlink_to(secret)
    (source / "good/loop").symlink_to(source, target_is_directory=True)
    dataset = bring_in(place, source, "mine", "folder")
    home = place.data / "mine"
    assert inside(home, "source/good/0.png") == source / "good/0.png"
    assert len(dataset.samples) == 8
    assert any("good/out.png" in p.message and "leads out" in p.message for p in dataset.problems)
    for key in ("source/../secret.png", "source/good/out.png", "source/../../secret.png"):
        with pytest.raises(DataError, match="leads out"):
            inside(home, key)
    (home / SOURCE).unlink()
    (home / SOURCE).symlink_to(tmp_path)  # another folder than import.json names
    with pytest.raises(DataError, match="leads out"):
        inside(home, "source/secret.png")


def test_a_workspace_inside_the_source_is_passed_over(tmp_path: Path) -> None:
    source = photos(tmp_path / "project")
    place = Workspace(source / "workspace")
    for folder in (place.runs, place.people, place.data):
        assert folder.is_dir()
    save(place.data / "other/x.png", noise(1))
    first = bring_in(place, source, "mine", "folder")
    again = bring_again(place, "mine")
    assert len(first.samples) == 8 and again.samples == first.samples
    assert any("workspace of Flawscope" in problem.message for problem in again.problems)


def test_a_damaged_manifest_is_told_and_mended_by_importing_again(
    tmp_path: Path, place: Workspace
) -> None:
    source = photos(tmp_path / "photos")
    first = bring_in(place, source, "mine", "folder")
    file = place.data / "mine" / manifest.FILE
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError):
        catalogue.open_dataset("mine", place)
    again = bring_again(place, "mine")
    assert {s.key for s in again.samples} == {s.key for s in first.samples}
    assert any("damaged" in problem.message for problem in again.problems)
    (place.data / "mine/import.json").write_text("{")
    with pytest.raises(DataError, match=r"import\.json is damaged"):
        bring_again(place, "mine")
    assert len(bring_in(place, source, "mine", "folder").samples) == 8


def test_a_run_can_be_prepared_with_masks_from_both_roots(
    tmp_path: Path, place: Workspace, stack: Path
) -> None:
    outside = bring_in(place, photos(tmp_path / "photos"), "photos", "folder")
    made = bring_in(place, stack, "volume", "stack")
    for dataset in (outside, made):
        ready = prepare(dataset, 32, place, workers=1)
        assert len(ready.samples) == 8 and ready.has_mask.all()
        bad = [row for row, sample in enumerate(ready.samples) if sample.label]
        # one region of 8 x 8 px of 24 x 20, on 32 x 32: 10.7 x 12.8 px
        for regions in ready.regions(bad):
            assert regions.max() == 1 and 100 <= (regions > 0).sum() <= 160
        assert ready.fingerprint == catalogue.fingerprint(dataset, place)


def test_edits_change_the_fingerprint_and_undo_brings_it_back(
    tmp_path: Path, place: Workspace
) -> None:
    bring_in(place, photos(tmp_path / "photos"), "mine", "folder")

    def mark() -> str:
        return catalogue.fingerprint(catalogue.open_dataset("mine", place), place)

    before = mark()
    key = next(key for key, split in splits_of(place, "mine").items() if split == "train")
    group = edits.make(place, "ann", "mine", [key], "move", split="test")
    assert mark() != before
    edits.undo(place, "ann", group)
    assert mark() == before
    edits.make(place, "ann", "mine", [key], "exclude")
    assert mark() != before
    bring_again(place, "mine")  # an edit outlives a new import
    assert key not in {s.key for s in catalogue.open_dataset("mine", place).samples}


def test_one_image_or_mask_that_cannot_be_made_does_not_end_the_rest(
    stack: Path, place: Workspace
) -> None:
    (stack / "good5.npy").write_bytes(b"nonsense")
    dataset = bring_in(place, stack, "volume", "stack")
    assert len(dataset.samples) == 7
    assert [p.severity for p in dataset.problems if "good5" in p.message] == ["error"]


def test_items_that_no_run_could_file_are_left_out_and_named() -> None:
    def items() -> Iterator[Item]:
        yield Item(name="a.png", class_name="pin", label=0, anomaly_type="oops")
        yield Item(name="a.png", class_name="pin", label=1)
        yield Item(name="b.png", class_name="pin", label=1, split="train")
        yield Item(name="c.png", class_name="../x", label=0)
        yield Item(name="d.png", class_name="mean", label=0)
        yield Item(name="e\ud800.png", class_name="pin", label=0)
        yield Item(name="f.png", class_name="pin", label=1, anomaly_type=" dent \n deep ")

    findings = Findings()
    kept = sound.checked(items(), findings, lambda share, words: None)
    assert [(i.name, i.label, i.anomaly_type, i.split) for i in kept] == [
        ("a.png", 0, "good", None), ("b.png", 1, "anomaly", "test"),
        ("f.png", 1, "dent ? deep", None),
    ]  # fmt: skip
    text = "\n".join(problem.message for problem in findings.problems())
    for words in (
        "a.png comes twice",
        "b.png is anomalous but given",
        "'../x'",
        "'mean'",
        "e?.png",
    ):
        assert words in text
    text.encode()


def test_a_name_that_would_be_written_elsewhere_is_left_out(
    stack: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: Callable[..., Iterator[Item]] = Stack.items

    def items(self: Stack, *arguments: object) -> Iterator[Item]:
        yield from plain(self, *arguments)
        draw = partial(Image.new, "L", (8, 8))
        for name in ("../../out", "/tmp/out", "a//b"):
            yield Item(name=name, class_name="stack", label=0, draw=draw, stamp="1")

    monkeypatch.setattr(Stack, "items", items)
    dataset = bring_in(place, stack, "volume", "stack")
    assert len(dataset.samples) == 8
    assert sum("cannot name a file" in p.message for p in dataset.problems) == 3
    assert not list(place.root.glob("**/out*"))


def test_import_json_says_what_was_imported(tmp_path: Path, place: Workspace) -> None:
    source = photos(tmp_path / "photos")
    bring_in(place, source, "mine", "folder", {"class_name": "pin"}, by="ann")
    told = json.loads((place.data / "mine/import.json").read_text())
    assert told["source"] == told["options"]["_source"] == str(source)
    assert (told["importer"], told["by"], told["options"]["class_name"]) == ("folder", "ann", "pin")
    assert bring_again(place, "mine").classes == ("pin",)
