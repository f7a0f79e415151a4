"""Miniature trees of published sets that have lists or layouts of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.trees import block, noise, save


def visa(root: Path) -> Path:
    """Candle (4-digit normals) and cashew, whose Normal and Anomaly images share a stem."""
    rows = ["object,split,label,image,mask"]
    for seed, (name, digits) in enumerate((("candle", 4), ("cashew", 3))):
        home = root / name / "Data"
        annotations = ["image,label,mask"]
        for i in range(5):
            key = f"{name}/Data/Images/Normal/{i:0{digits}d}.JPG"
            save(root / key, noise(100 * seed + i))
            rows.append(f"{name},{'train' if i < 3 else 'test'},normal,{key},")
            annotations.append(f"{key},normal,")
        for i, kinds in enumerate(("melt", '"melt,extra wax"')):
            key = f"{name}/Data/Images/Anomaly/{i:03d}.JPG"
            mask = f"{name}/Data/Masks/Anomaly/{i:03d}.png"
            save(root / key, noise(100 * seed + 50 + i))
            save(home / "Masks/Anomaly" / f"{i:03d}.png", block(value=1 + 4 * i))
            rows.append(f"{name},test,anomaly,{key},{mask}")
            annotations.append(f"{key},{kinds},{mask}")
        (root / name / "image_anno.csv").write_text("\n".join(annotations) + "\n")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode())
    return root


def iad_image(number: int, kind: str, view: int, class_name: str = "audiojack") -> str:
    """Path of a Real-IAD image below its class's folder."""
    folder = "OK" if kind == "OK" else f"NG/{kind}"
    tail = "OK" if kind == "OK" else f"NG_{kind}"
    file = f"{class_name}_{number:04d}_{tail}_C{view}_2023102113{number:02d}{view:02d}.jpg"
    return f"{folder}/S{number:04d}/{file}"


def iad_record(image: str, kind: str = "OK", mask: str | None = None) -> dict[str, Any]:
    """A record of Real-IAD's lists."""
    return {
        "category": "audiojack", "anomaly_class": kind, "image_path": image, "mask_path": mask,
    }  # fmt: skip


def iad_lists() -> dict[str, dict[str, Any]]:
    """Five views, one view, and FUIAD with one visible and one hidden defect in training."""
    meta = {"prefix": "audiojack/", "normal_class": "OK", "pre_transform": None}
    sound = [iad_record(iad_image(n, "OK", v)) for n in (1, 2) for v in range(1, 6)]
    # number 1 stands for a sound part and a scratched one; views 3 to 5 do not show the scratch
    flawed = []
    for view in range(1, 6):
        image = iad_image(1, "HS", view)
        seen = view < 3
        mask = image.replace(".jpg", ".png")
        flawed.append(iad_record(image, "HS" if seen else "OK", mask if seen else None))
    return {
        "": {"meta": meta, "train": sound[:5], "test": sound[5:] + flawed},
        "_sv": {"meta": meta, "train": sound[:1], "test": [sound[5], flawed[0]]},
        "_fuiad_0.1": {
            "meta": meta,
            "train": [*sound[:5], flawed[0], flawed[4]],
            "test": [*sound[5:], *flawed[1:4]],
        },
    }


def real_iad(root: Path, images: str = "realiad_256", nested: bool = True) -> Path:
    """One class, two sound parts and a scratched one, five views each, three sets of lists."""
    lists = iad_lists()
    home = root / images / "audiojack"
    records = lists[""]["train"] + lists[""]["test"]
    for seed, record in enumerate(records):
        save(home / record["image_path"], noise(seed))
        if record["mask_path"]:
            save(home / record["mask_path"], block())
    place = root / "realiad_jsons" if nested else root
    for suffix, content in lists.items():
        folder = place / f"realiad_jsons{suffix}"
        folder.mkdir(parents=True)
        (folder / "audiojack.json").write_text(json.dumps(content))
    return root


def uni_medical(root: Path) -> Path:
    """Brain with coloured masks, and retina, whose names tell no slice."""
    for seed, (name, names) in enumerate(
        (("brain", ("00003_60", "00003_61", "00124_70")), ("retinal", ("a", "b", "c")))
    ):
        for i, stem in enumerate(names):
            home = root / name
            save(home / f"train/good/{stem}.png", noise(100 * seed + i))
            save(home / f"test/good/{stem}9.png", noise(100 * seed + 10 + i))
            save(home / f"test/Ungood/{stem}8.png", noise(100 * seed + 20 + i))
            coloured = np.zeros((20, 24, 4), np.uint8)
            coloured[..., 3] = 255
            coloured[4:9, 4:9, 2] = 30
            save(home / f"ground_truth/Ungood/{stem}8.png", coloured)
    return root


def bmad(root: Path) -> Path:
    """Brain with img and anomaly_mask, Liver with its levels swapped, Chest without masks."""
    seed = iter(range(10_000))
    for i in range(3):
        save(root / f"Brain/train/good/img/0000{i}_60.png", noise(next(seed)))
        save(root / f"Liver/train/good/{i}_40.png", noise(next(seed)))
        save(root / f"Chest/train/good/Normal-{i}.png", noise(next(seed)))
    for split in ("valid", "test"):
        number = 10 if split == "test" else 20
        for label in ("good", "Ungood"):
            save(root / f"Brain/{split}/{label}/img/001{number}_60.png", noise(next(seed)))
            save(root / f"Liver/{split}/img/{label}/{number}_40.png", noise(next(seed)))
            full = block(value=2) if label == "Ungood" else np.zeros((20, 24), np.uint8)
            save(root / f"Liver/{split}/label/{label}/{number}_40.png", full)
        save(root / f"Brain/{split}/Ungood/anomaly_mask/001{number}_60.png", block(value=1))
        save(root / f"Chest/{split}/good/Normal-{number}.png", noise(next(seed)))
        save(root / f"Chest/{split}/Ungood/Lung_Opacity_{number}.png", noise(next(seed)))
        save(root / f"Chest/{split}/Ungood/No-Not-Normal_{number}.png", noise(next(seed)))
    return root


def magnetic_tile(root: Path) -> Path:
    """Five normal tiles under several exposures, two blowholes, an empty mask in MT_Uneven."""
    frames = (1000, 1030, 1055, 3000, 3020, 5000, 5015, 8000, 9000)
    empty = np.zeros((20, 24), np.uint8)
    for seed, number in enumerate(frames):
        name = f"MT_Free/Imgs/exp{seed % 6 + 1}_num_{number}"
        save(root / f"{name}.jpg", noise(seed, channels=1))
        save(root / f"{name}.png", empty)
    for number in (200, 230):
        grey = block()
        grey[3, 6:14] = 40  # a soft edge
        save(root / f"MT_Blowhole/Imgs/exp1_num_{number}.jpg", noise(number, channels=1))
        save(root / f"MT_Blowhole/Imgs/exp1_num_{number}.png", grey)
    save(root / "MT_Uneven/Imgs/exp3_num_45042.jpg", noise(77, channels=1))
    save(root / "MT_Uneven/Imgs/exp3_num_45042.png", empty)
    return root


def kolektor_sdd(root: Path) -> Path:
    """Four commutators of three surfaces, the last surface of each cracked."""
    for number in range(1, 5):
        for part in range(3):
            key = f"kos{number:02d}/Part{part}"
            save(root / f"{key}.jpg", noise(10 * number + part, channels=1))
            mask = block() if part == 2 else np.zeros((20, 24), np.uint8)
            save(root / f"{key}_label.bmp", mask)
    return root


def kolektor_sdd2(root: Path) -> Path:
    """Three training images, one of them scratched; two test images; copies and a pickle."""
    for split, first, bad in (("train", 10_000, 2), ("test", 20_000, 1)):
        for i in range(3):
            mask = block() if i == bad else np.zeros((20, 24), np.uint8)
            save(root / f"{split}/{first + i}.png", noise(first + i))
            save(root / f"{split}/{first + i}_GT.png", mask)
    save(root / "train/10301 (copy).png", noise(5))
    save(root / "train/10301_GT (copy).png", block())
    (root / "split_weakly_0.pyb").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    return root


def dagm(root: Path) -> Path:
    """Two classes; a defect in training and one in the test; a Windows stray."""
    for number in (1, 10):
        for part, bad in (("Train", 576), ("Test", 2)):
            home = root / f"Class{number}" / part
            rows = ["1"]
            for i in range(575, 579) if part == "Train" else range(1, 4):
                save(home / f"{i:04d}.PNG", noise(1000 * number + i, channels=1))
                mask = f"{i:04d}_label.PNG" if i == bad else "0"
                rows.append(f"{i}\t{int(i == bad)}\t{i:04d}.PNG\t0\t{mask}")
            save(home / f"Label/{bad:04d}_label.PNG", block())
            (home / "Label/Labels.txt").write_bytes("\r\n".join(rows).encode())
            (home / "Thumbs.db").write_bytes(b"x")
    return root


IDS = ("n01443537", "n01629819", "n01641577", "n01644900")


def tiny_imagenet(root: Path) -> Path:
    """Four classes of two training images and one validation image each."""
    notes = []
    for number, id in enumerate(IDS):
        for i in range(2):
            save(root / f"train/{id}/images/{id}_{i}.JPEG", noise(10 * number + i))
        save(root / f"val/images/val_{number}.JPEG", noise(10 * number + 5))
        notes.append(f"val_{number}.JPEG\t{id}\t0\t0\t62\t62")
    save(root / "test/images/test_0.JPEG", noise(99))
    (root / "val/val_annotations.txt").write_text("\n".join(notes) + "\n")
    (root / "wnids.txt").write_text("\n".join(reversed(IDS)) + "\n")
    words = ("goldfish, Carassius auratus", "salamander", "frog, toad", "frog")
    (root / "words.txt").write_text(
        "n00001740\tentity\n" + "\n".join(f"{i}\t{w}" for i, w in zip(IDS, words, strict=True))
    )
    return root


def uniad_json(root: Path) -> Path:
    """Three normals and a defect, in a folder below the lists."""
    home = root / "mvtec_anomaly_detection"
    lines: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for i in range(4):
        split = "train" if i < 3 else "test"
        name = f"bottle/{split}/good/{i:03d}.png"
        save(home / name, noise(i))
        lines[split].append(
            {"filename": name, "label": 0, "label_name": "good", "clsname": "bottle"}
        )
    bad, mask = "bottle/test/broken/000.png", "bottle/ground_truth/broken/000_mask.png"
    save(home / bad, noise(9))
    save(home / mask, block())
    lines["test"].append(
        {"filename": bad, "label": 1, "label_name": "defective", "clsname": "bottle",
         "maskname": mask}
    )  # fmt: skip
    for split, objects in lines.items():
        text = "".join(json.dumps(one) + "\n" for one in objects)
        (root / f"{split}.json").write_text(text)
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "visa": visa,
    "real_iad": real_iad,
    "uni_medical": uni_medical,
    "bmad": bmad,
    "magnetic_tile": magnetic_tile,
    "kolektor_sdd": kolektor_sdd,
    "kolektor_sdd2": kolektor_sdd2,
    "dagm": dagm,
    "tiny_imagenet": tiny_imagenet,
    "uniad_json": uniad_json,
}
