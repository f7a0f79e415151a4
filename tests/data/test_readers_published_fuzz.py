"""Damaged lists, masks and annotations of published sets: samples, findings or one sentence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from core.data.base import READERS
from core.data.importing.coco_ad import CocoAd, CocoAdOptions
from core.data.layout import Findings
from core.errors import FlawscopeError
from tests.data import test_import_coco_ad, trees

FILES = [
    ("visa", "split_csv/1cls.csv"),
    ("visa", "candle/image_anno.csv"),
    ("real_iad", "realiad_jsons/realiad_jsons/audiojack.json"),
    ("uniad_json", "train.json"),
    ("dagm", "Class1/Train/Label/Labels.txt"),
    ("tiny_imagenet", "val/val_annotations.txt"),
    ("kolektor_sdd", "kos01/Part2_label.bmp"),
    ("kolektor_sdd2", "train/10002_GT.png"),
]
ROUNDS = 30
BITS = (
    b"null", b"\0", b'"', b",", b"{", b"[", b"-1", b"1e999", b"../", b"\xff", b"true", b"9" * 50,
    b"\\ud800", b"good",
)  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to five bytes changed, bits put in, pieces cut out, or the end cut off."""
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        change = rng.randrange(4)
        if change == 0:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif change == 1:
            data = data[:at] + rng.choice(BITS) + data[at:]
        elif change == 2:
            data = data[:at] + data[at + rng.randint(1, 20) :]
        else:
            data = data[:at] if at > len(data) // 2 else data
    return data


@pytest.mark.parametrize(("id", "file"), FILES)
def test_a_damaged_file_never_breaks_a_reader(tmp_path: Path, id: str, file: str) -> None:
    root = trees.TREES[id](tmp_path / id)
    sound = (root / file).read_bytes()
    rng = random.Random(file)
    for _ in range(ROUNDS):
        (root / file).write_bytes(damaged(sound, rng))
        reader = READERS.get(id)()
        try:
            dataset = reader.read(root, "mini")
        except FlawscopeError as error:
            assert "\n" not in str(error)
            continue
        for sample in dataset.samples:
            assert (sample.label == 1) == (sample.anomaly_type != "good")
            assert all((root / key).is_file() for key in (sample.key, *sample.masks))
            f"{sample.class_name} {sample.anomaly_type} {sample.key}".encode()
        for problem in dataset.problems:
            assert problem.message.isprintable(), problem


def test_damaged_annotations_never_break_the_import(tmp_path: Path) -> None:
    root = test_import_coco_ad.coco(tmp_path / "coco")
    file = root / "annotations/instances_val2017.json"
    sound = file.read_bytes()
    rng = random.Random(7)
    for _ in range(3 * ROUNDS):
        file.write_bytes(damaged(sound, rng))
        try:
            for item in CocoAd().items(root, CocoAdOptions(), Findings()):
                if item.draw_mask is not None:
                    assert item.draw_mask().ndim == 2
        except FlawscopeError as error:
            assert "\n" not in str(error)
