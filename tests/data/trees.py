"""Miniature trees of every layout a reader knows, with the pitfalls real data sets have.

`TREES` has one maker per reader id, of this module and of every tests/data/trees_*.py that has a
`TREES` of its own; the contract test fails for a reader without one.
"""

from __future__ import annotations

import importlib
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, values: Any, mode: str | None = None, **options: Any) -> Path:
    """Write an array as an image; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def noise(seed: int, width: int = 24, height: int = 20, channels: int = 3) -> np.ndarray:
    """A uint8 image that differs from every other seed's."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def block(width: int = 24, height: int = 20, value: int = 255) -> np.ndarray:
    """A mask, uint8 [height, width], with one region of 8 x 8 pixels."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[4:12, 6:14] = value
    return mask


def huge_png(path: Path, side: int = 30_000) -> Path:
    """A PNG whose header promises side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))
    return path


def mvtec(root: Path, classes: tuple[str, ...] = ("bolt", "cloth"), train: int = 4) -> Path:
    """Clean: `train` normals, 2 test normals, 2 cracks with masks a class."""
    for number, name in enumerate(classes):
        home = root / name
        for i in range(train):
            save(home / "train/good" / f"{i:03d}.png", noise(100 * number + i))
        for i in range(2):
            save(home / "test/good" / f"{i:03d}.png", noise(100 * number + 30 + i))
            save(home / "test/crack" / f"{i:03d}.png", noise(100 * number + 60 + i))
            save(home / "ground_truth/crack" / f"{i:03d}_mask.png", block())
    return root


def record(image: str, mask: str = "", cls: str = "pipe", kind: str = "good", bad: int = 0) -> dict:
    """One record of a meta.json."""
    return {
        "img_path": image,
        "mask_path": mask,
        "cls_name": cls,
        "specie_name": kind,
        "anomaly": bad,
    }


def write_meta(root: Path, **phases: list[dict]) -> Path:
    """A meta.json of those phases, records grouped by class."""
    meta: dict[str, dict[str, list[dict]]] = {}
    for phase, records in phases.items():
        meta[phase] = {}
        for one in records:
            meta[phase].setdefault(one["cls_name"], []).append(one)
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta.json").write_text(json.dumps(meta))
    return root


def ader(root: Path) -> Path:
    """Clean: 3 training images (double slashes), a validation image, a normal, a rusty one."""
    for i in range(6):
        save(root / "pictures" / f"{i}.png", noise(i))
    save(root / "masks/5.png", block())
    return write_meta(
        root,
        train=[record(f"pictures//{i}.png") for i in range(3)],
        test=[
            record("pictures//4.png"),
            record("pictures//5.png", "masks//5.png", kind="rust", bad=1),
        ],
        validation=[record("pictures/3.png")],
    )


TREES: dict[str, Callable[[Path], Path]] = {"mvtec_folder": mvtec, "ader_meta": ader}
for _file in sorted(Path(__file__).parent.glob("trees_*.py")):
    TREES.update(importlib.import_module(f"tests.data.{_file.stem}").TREES)
