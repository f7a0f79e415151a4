"""The demo data set on disk: layout, counts, exact masks, the same bytes whoever draws."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import demo
from core.data.catalogue import open_dataset
from core.errors import DataError, UsageError
from core.synthesis.scene import render
from core.types import GOOD
from core.workspace import Workspace

SIZE, TRAIN, TEST = 64, 2, 7


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "set"
    demo.generate(root, seed=3, size=SIZE, train=TRAIN, test=TEST, workers=1)
    return root


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ensure` draws few small images, in this process."""
    monkeypatch.setattr(demo, "SIZE", SIZE)
    monkeypatch.setattr(demo, "TRAIN", TRAIN)
    monkeypatch.setattr(demo, "TEST", TEST)
    whole = demo.generate
    monkeypatch.setattr(
        demo, "generate", lambda target, seed: whole(target, seed, SIZE, TRAIN, TEST, workers=1)
    )


def test_same_bytes_by_any_number_of_processes(drawn: Path, tmp_path: Path) -> None:
    demo.generate(tmp_path / "again", seed=3, size=SIZE, train=TRAIN, test=TEST, workers=3)
    assert contents(tmp_path / "again") == contents(drawn)


def test_another_seed_gives_other_images(drawn: Path, tmp_path: Path) -> None:
    demo.generate(tmp_path / "other", seed=4, size=SIZE, train=TRAIN, test=TEST, workers=1)
    ours, theirs = contents(drawn), contents(tmp_path / "other")
    images = [key for key in ours if key.endswith(".png") and "ground_truth" not in key]
    assert ours.keys() == theirs.keys()
    assert all(ours[key] != theirs[key] for key in images)
    assert len({ours[key] for key in images}) == len(images)


def test_masks_hold_exactly_what_differs_from_the_clean_twin(drawn: Path) -> None:
    bad = [one for one in demo.plan(TRAIN, TEST, 3) if one.kind != GOOD]
    assert len(bad) == 3 * (TEST - 2)
    for one in bad:
        image = np.asarray(Image.open(drawn / one.key)).astype(int)
        mask = np.asarray(Image.open(drawn / one.mask_key))
        twin = render(one.subject, SIZE, demo.image_seed(3, one)).image
        assert set(np.unique(mask)) == {0, 255}
        difference = np.abs(image - twin)
        difference = difference.max(axis=2) if difference.ndim == 3 else difference
        assert difference[mask == 0].max() == 0, one.key
        assert (difference[mask > 0] > 0).mean() > 0.6, one.key


def test_the_full_plan_has_the_promised_counts() -> None:
    plan = demo.plan()
    counts = Counter((one.subject.name, one.split, one.kind == GOOD) for one in plan)
    assert len(demo.SUBJECTS) >= 3
    for subject in demo.SUBJECTS:
        assert counts[subject.name, "train", True] == 60
        assert counts[subject.name, "test", True] == 14
        assert counts[subject.name, "test", False] == 26
        kinds = Counter(o.kind for o in plan if o.subject is subject and o.kind != GOOD)
        assert len(kinds) >= 4
        assert min(kinds.values()) >= 5
        for kind in kinds:
            levels = [o.difficulty for o in plan if o.subject is subject and o.kind == kind]
            assert min(levels) <= 0.2 and max(levels) >= 0.8  # plain and hard ones of each type
    assert len({one.key for one in plan}) == len(plan)


def test_ensure_draws_once_repairs_and_reads_without_problems(small: None, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    home = demo.ensure(workspace)
    assert home == tmp_path / "data" / "demo"
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.png")}
    assert demo.ensure(workspace) == home
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.png")} == before

    dataset = open_dataset("demo", workspace)
    assert dataset.card == demo.CARD
    assert dataset.problems == ()
    assert dataset.classes == tuple(sorted(s.name for s in demo.SUBJECTS))
    assert len(dataset.samples) == len(demo.SUBJECTS) * (TRAIN + TEST)
    assert all(len(sample.masks) == sample.label for sample in dataset.samples)

    kept = contents(home)
    min(before).unlink()
    demo.ensure(workspace)
    assert contents(home) == kept
    assert demo.ensure(workspace, seed=1) != home  # another seed leaves this one alone
    assert contents(home) == kept


def test_a_drawing_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(target: Path, seed: int) -> None:
        (target / "brain_phantom").mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "generate", fails)
    with pytest.raises(DataError, match="No space left on device"):
        demo.ensure(Workspace(tmp_path))
    left = [path.name for path in (tmp_path / "data").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_a_failing_process_is_reported(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DataError, match="failed"):
        demo.generate(blocked / "demo", size=SIZE, train=1, test=2, workers=2)


@pytest.mark.parametrize("wrong", [{"size": 16}, {"train": 0}, {"test": 1}])
def test_sizes_that_make_no_data_set_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="needs a size of 64 or more"):
        demo.generate(tmp_path / "demo", **wrong)


def test_importing_it_needs_neither_torch_nor_duckdb() -> None:
    import subprocess
    import sys

    words = (
        "import sys, core.data.demo; print([m for m in ('torch', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
