"""Miniature trees of MVTec's data sets and of those that keep their layout, as they unpack."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tests.data.trees import block, noise, save


def grey(seed: int) -> np.ndarray:
    """A uint8 grey image [20, 24]."""
    return noise(seed, channels=1)


def texts(folder: Path, *names: str) -> None:
    """Small files that are no images, as archives hold them."""
    for name in names:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("See the publication.")


def mvtec_ad(root: Path) -> Path:
    """Two classes, one of them grey; the stem 000 stands in good and in every kind."""
    texts(root, "license.txt", "readme.txt")
    kinds = {"bottle": ("broken_large", "contamination"), "grid": ("bent", "thread")}
    for number, (name, defects) in enumerate(kinds.items()):
        home, picture = root / name, grey if name == "grid" else noise
        texts(home, "license.txt", "readme.txt")
        for i in range(3):
            save(home / f"train/good/{i:03d}.png", picture(100 * number + i))
        for i in range(2):
            save(home / f"test/good/{i:03d}.png", picture(100 * number + 20 + i))
        for shift, kind in enumerate(defects):
            for i in range(2):
                seed = 100 * number + 30 + 10 * shift + i
                save(home / f"test/{kind}/{i:03d}.png", picture(seed))
                save(home / f"ground_truth/{kind}/{i:03d}_mask.png", block())
    return root


def mvtec_3d(root: Path) -> Path:
    """Two classes with depth beside the photographs, masks of values 255 and 254, and of none."""
    values = {"contamination": (255,), "cut": (254,), "combined": (255, 254), "good": ()}
    for number, name in enumerate(("peach", "tire")):
        home = root / name
        texts(home, "license.txt", "readme.txt")
        (home / "class_ids.json").write_text('{"255": "contamination", "254": "cut", "0": "good"}')
        (home / "calibration").mkdir()
        (home / "calibration/camera_parameters.json").write_text('{"focus": 0.01}')

        def scan(folder: Path, i: int, seed: int) -> None:
            save(folder / f"rgb/{i:03d}.png", noise(seed))
            save(folder / f"xyz/{i:03d}.tiff", np.zeros((20, 24), np.float32))

        for i in range(3):
            scan(home / "train/good", i, 100 * number + i)
        scan(home / "validation/good", 0, 100 * number + 10)
        for kind_number, (kind, marks) in enumerate(values.items()):
            for i in range(2 if kind == "good" else 1):
                folder = home / "test" / kind
                scan(folder, i, 100 * number + 20 + 10 * kind_number + i)
                mask = np.zeros((20, 24), np.uint8)
                for place, value in enumerate(marks):
                    mask[2 + 8 * place : 8 + 8 * place, 4:12] = value
                save(folder / f"gt/{i:03d}.png", mask)
    return root


def mvtec_loco(root: Path) -> Path:
    """Two classes; an image with two channels of different values, and one marked all over."""
    config = [
        {"defect_name": "missing_separator", "pixel_value": 252, "saturation_threshold": 1.0,
         "relative_saturation": True},
    ]  # fmt: skip
    for number, name in enumerate(("pushpins", "screw_bag")):
        home, seed = root / name, 100 * number
        texts(home, "license.txt", "readme.txt")
        (home / "defects_config.json").write_text(json.dumps(config))
        for i in range(3):
            save(home / f"train/good/{i:03d}.png", noise(seed + i))
        save(home / "validation/good/000.png", noise(seed + 10))
        for i in range(2):
            save(home / f"test/good/{i:03d}.png", noise(seed + 20 + i))
        for shift, kind in enumerate(("logical_anomalies", "structural_anomalies")):
            save(home / f"test/{kind}/000.png", noise(seed + 30 + shift))
        truth = home / "ground_truth"
        second = np.zeros((20, 24), np.uint8)
        second[14:18, 16:22] = 254
        save(truth / "logical_anomalies/000/000.png", block(value=255))
        save(truth / "logical_anomalies/000/001.png", second)
        save(truth / "structural_anomalies/000/000.png", np.full((20, 24), 236, np.uint8))
    return root


def mvtec_ad2(root: Path) -> Path:
    """Two classes; the index 000 under two lightings, in good and in bad; private parts."""
    for number, name in enumerate(("sheet_metal", "vial")):
        home, seed = root / name, 100 * number
        picture = grey if name == "sheet_metal" else noise
        for i in range(3):
            save(home / f"train/good/{i:03d}_regular.png", picture(seed + i))
        save(home / "validation/good/000_regular.png", picture(seed + 10))
        public = home / "test_public"
        for shift, light in enumerate(("regular", "shift_1")):
            for i in range(2):
                save(public / f"good/{i:03d}_{light}.png", picture(seed + 20 + 2 * i + shift))
            save(public / f"bad/000_{light}.png", picture(seed + 30 + shift))
            save(public / f"ground_truth/bad/000_{light}_mask.png", block())
        save(home / "test_private/000_regular.png", picture(seed + 40))
        save(home / "test_private/000_overexposed.png", picture(seed + 41))
        save(home / "test_private_mixed/000_mixed.png", picture(seed + 42))
    return root


def autovi(root: Path) -> Path:
    """Two classes, one twice nested; RGB and RGBA masks, two files for one image."""
    for number, name in enumerate(("engine_wiring", "pipe_clip")):
        home = root / name / name if name == "pipe_clip" else root / name
        kinds = ("fastening", "multiple") if name == "engine_wiring" else ("unclipped",)
        texts(home, "defects_config.json")
        for i in range(3):
            save(home / f"train/good/{i:04d}.png", noise(100 * number + i))
        for i in range(2):
            save(home / f"test/good/{i:04d}.png", noise(100 * number + 20 + i))
        for shift, kind in enumerate(kinds):
            save(home / f"test/{kind}/0089.png", noise(100 * number + 30 + shift))
            for channel in range(2 if kind == "multiple" else 1):
                mode = "RGBA" if channel == 0 else "RGB"  # alpha is 255 everywhere
                mask = np.roll(block(value=254 - channel), 8 * channel, axis=1)
                save(home / f"ground_truth/{kind}/0089/{channel:04d}.png", mask, mode)
    return root


def btad(root: Path) -> Path:
    """Its three classes with the file formats of each: masks of 01 are png, of 03 bmp."""
    formats = {"01": ("bmp", "png"), "02": ("png", "png"), "03": ("bmp", "bmp")}
    for number, (name, (picture, mask)) in enumerate(formats.items()):
        home = root / name
        for i in range(3):
            save(home / f"train/ok/{i:04d}.{picture}", noise(100 * number + i))
        for i in range(2):
            save(home / f"test/ok/{i:04d}.{picture}", noise(100 * number + 20 + i))
        save(home / f"test/ko/0000.{picture}", noise(100 * number + 30))
        save(home / f"ground_truth/ko/0000.{mask}", block())
    return root


def mpdd(root: Path) -> Path:
    """Two classes; masks named with and without "_mask"."""
    for number, (name, kind) in enumerate(
        (("connector", "parts_mismatch"), ("tubes", "anomalous"))
    ):
        home = root / name
        for i in range(3):
            save(home / f"train/good/{i:03d}.png", noise(100 * number + i))
        for i in range(2):
            save(home / f"test/good/{i:03d}.png", noise(100 * number + 20 + i))
        save(home / f"test/{kind}/000.png", noise(100 * number + 30))
        suffix = "_mask" if name == "connector" else ""
        save(home / f"ground_truth/{kind}/000{suffix}.png", block())
    return root


def toys(root: Path, names: Iterable[str], picture: str, suffix: str) -> Path:
    """MAD's layout: numbers without padding, so that 10 sorts before 2."""
    for number, name in enumerate(names):
        home, seed = root / name, 100 * number
        texts(home, "license", "readme")
        (home / "transforms.json").write_text('{"camera_angle_x": 0.7, "frames": []}')
        for i in (0, 1, 2, 10):
            save(home / f"train/good/{i}.{picture}", noise(seed + i))
        for i in range(2):
            save(home / f"test/good/{i}.{picture}", noise(seed + 20 + i))
        for i in (1, 2, 10):
            save(home / f"test/Burrs/{i}.{picture}", noise(seed + 30 + i))
            save(home / f"ground_truth/Burrs/{i}{suffix}.png", block())
        save(home / f"test/Missing/1.{picture}", noise(seed + 50))
        save(home / f"ground_truth/Missing/1{suffix}.png", block())
    return root


def mad_sim(root: Path) -> Path:
    """Two toys, masks with "_mask"."""
    return toys(root, ("01Gorilla", "13Pheonix"), "png", "_mask")


def mad_real(root: Path) -> Path:
    """Two toys photographed as JPEG, masks png without "_mask"."""
    return toys(root, ("Bear", "Whale"), "jpg", "")


TREES: dict[str, Callable[[Path], Path]] = {
    "mvtec_ad": mvtec_ad,
    "mvtec_3d": mvtec_3d,
    "mvtec_loco": mvtec_loco,
    "mvtec_ad2": mvtec_ad2,
    "autovi": autovi,
    "btad": btad,
    "mpdd": mpdd,
    "mad_sim": mad_sim,
    "mad_real": mad_real,
}
