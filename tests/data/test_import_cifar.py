"""CIFAR's binary version: records, ADer's settings, and the refusal of pickles."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.importing.base import Item, fitting
from core.data.importing.bring import bring_again, bring_in
from core.data.importing.cifar import Cifar, CifarOptions
from core.data.layout import Findings
from core.errors import DataError, UsageError
from core.workspace import Workspace

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def pixels(seed: int) -> np.ndarray:
    """An image, uint8 [32, 32, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def record(labels: tuple[int, ...], image: np.ndarray) -> bytes:
    return (
        bytes(labels) + image[..., 0].tobytes() + image[..., 1].tobytes() + image[..., 2].tobytes()
    )


def cifar10(root: Path, tested: int = 1) -> Path:
    """Five batches of two images of each class; `tested` test images of each, classes in turn."""
    root.mkdir(parents=True)
    for batch in range(1, 6):
        labels = [*range(10), *range(10)]
        data = b"".join(record((c,), pixels(100 * batch + i)) for i, c in enumerate(labels))
        (root / f"data_batch_{batch}.bin").write_bytes(data)
    flat = np.zeros((32, 32, 3), np.uint8)
    data = b"".join(record((i % 10,), flat + i % 250) for i in range(10 * tested))
    (root / "test_batch.bin").write_bytes(data)
    (root / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return root


def items(source: Path, **options: Any) -> list[Item]:
    return list(Cifar().items(source, CifarOptions(**options), Findings()))


def counted(found: list[Item]) -> Counter[tuple[str | None, int]]:
    return Counter((item.split, item.label) for item in found)


def test_a_record_becomes_its_image(tmp_path: Path) -> None:
    found = {item.name: item for item in items(cifar10(tmp_path / "c"), number=0)}
    item = found["data_batch_3/00014"]  # the second image of class 4
    assert item.draw is not None and item.class_name == "cifar10"
    assert np.array_equal(np.asarray(item.draw()), pixels(314))
    assert item.origin == "data_batch_3.bin record 14, deer"
    bad = found["test_batch/00007"]
    assert (bad.split, bad.label, bad.anomaly_type, bad.masks) == ("test", 1, "horse", ())


@pytest.mark.parametrize(
    ("number", "normal"),
    [(0, {0, 1, 2, 3, 4}), (1, {5, 6, 7, 8, 9}), (2, {0, 2, 4, 6, 8}), (3, {1, 3, 5, 7, 9})],
)
def test_unified_splits(tmp_path: Path, number: int, normal: set[int]) -> None:
    found = items(cifar10(tmp_path / "c"), number=number)
    assert counted(found) == {("train", 0): 5 * 10, ("test", 0): 5, ("test", 1): 5}
    assert {item.anomaly_type for item in found if item.label} == {
        name for i, name in enumerate(NAMES) if i not in normal
    }


def test_one_class_train_tests_on_a_thousand_others(tmp_path: Path) -> None:
    root = cifar10(tmp_path / "c", tested=120)
    found = items(root, setting="one_class_train", number=9)
    assert counted(found) == {("train", 0): 10, ("test", 0): 120, ("test", 1): 1000}
    bad = Counter(item.anomaly_type for item in found if item.label)
    assert bad["airplane"] == 112 and "truck" not in bad  # 0 follows 9
    assert [bad[name] for name in NAMES[1:9]] == [111] * 8
    cats = [item.name for item in found if item.anomaly_type == "cat"]
    assert cats == [f"test_batch/{3 + 10 * i:05d}" for i in range(111)]  # the first of them


def test_one_class_test_takes_its_training_images_too(tmp_path: Path) -> None:
    found = items(cifar10(tmp_path / "c"), setting="one_class_test", number=2)
    assert counted(found) == {("train", 0): 90, ("test", 0): 9, ("test", 1): 1 + 10}
    assert {item.anomaly_type for item in found if item.label} == {"bird"}


def test_cifar100_goes_by_its_fine_labels(tmp_path: Path) -> None:
    root = tmp_path / "c"
    root.mkdir()
    for part in ("train", "test"):
        data = b"".join(record((99 - c, c), pixels(c)) for c in range(100))
        (root / f"{part}.bin").write_bytes(data)
    (root / "fine_label_names.txt").write_text("\n".join(f"kind {c}" for c in range(100)))
    found = items(root, number=1)
    assert counted(found) == {("train", 0): 50, ("test", 0): 50, ("test", 1): 50}
    assert {item.name for item in found if item.split == "train"} == {
        f"train/{c:05d}" for c in range(50, 100)
    }
    one = next(item for item in found if item.name == "train/00070")
    assert one.draw is not None and np.array_equal(np.asarray(one.draw()), pixels(70))
    with pytest.raises(UsageError, match="unified setting only"):
        items(root, setting="one_class_train")


def test_the_folder_above_is_taken_and_a_fifth_split_is_not(tmp_path: Path) -> None:
    cifar10(tmp_path / "cifar-10-batches-bin")
    ((one, sign), *_) = fitting(tmp_path)
    assert one.id == "cifar" and "CIFAR-10, binary version" in sign
    assert len(items(tmp_path)) == 60
    with pytest.raises(UsageError, match="0 to 3, not 4"):
        items(tmp_path, number=4)


def test_pickles_are_refused_and_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    source = tmp_path / "cifar-10-batches-py"
    source.mkdir()
    for name in ("batches.meta", "data_batch_1", "test_batch"):
        (source / name).write_bytes(pickle.dumps(Trap()))
    ((one, sign), *_) = fitting(source)
    assert one.id == "cifar" and "refused" in sign
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
        items(source)
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
        bring_in(Workspace(tmp_path / "w"), source, "mine", "cifar")
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(DataError, match=r"neither data_batch_1\.bin"):
        items(tmp_path / "w")


def test_broken_batches_are_named(tmp_path: Path) -> None:
    root = cifar10(tmp_path / "c")
    (root / "data_batch_2.bin").unlink()
    batch = root / "data_batch_3.bin"
    batch.write_bytes(b"\x0b" + batch.read_bytes()[1:-100])
    (root / "batches.meta.txt").write_text("one\n")
    findings = Findings()
    found = list(Cifar().items(root, CifarOptions(), findings))
    # the first of batch 3 has class 11, the last (class 9) breaks off: only 0 is of the split
    assert counted(found)[("train", 0)] == 3 * 10 + 9
    said = " ".join(problem.message for problem in findings.problems())
    for words in ("data_batch_2.bin of CIFAR-10 is not there", "record 0 has class 11 of 10",
                  "data_batch_3.bin breaks off within record 19", "they go by number"):  # fmt: skip
        assert words in said
    assert {item.anomaly_type for item in found if item.label} == {
        f"class {i}" for i in range(5, 10)
    }


def test_it_becomes_a_data_set(tmp_path: Path) -> None:
    root = cifar10(tmp_path / "c")
    place = Workspace(tmp_path / "w")
    dataset = bring_in(place, root, "small things", "cifar", {"number": 3})
    assert dataset.classes == ("cifar10",) and len(dataset.samples) == 60
    one = next(s for s in dataset.samples if s.key == "images/data_batch_1/00003.png")
    assert one.split == "train"
    with Image.open(dataset.root / one.key) as image:
        assert np.array_equal(np.asarray(image), pixels(103))
    assert bring_again(place, "small things").samples == dataset.samples
