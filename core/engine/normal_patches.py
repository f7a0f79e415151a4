"""Descriptions of a class's normal training images, patch by patch, made once and kept.

Patches are described by the run's frozen backbone, whatever the method: locally pooled features
(PatchCore, arXiv 2106.08265, section 3.1; `layers.patches`) at strides 8 and 16 where the method
reads those levels, else at the middle one of its levels. They are kept, float16, in

    <workspace>/cache/patches/<name>.npy       [images, h, w, d]
    <workspace>/cache/patches/<name>.mean.npy  their means [images, d], float32
    <workspace>/cache/patches/<name>.json      the images' keys, in order

named by what they depend on: data, class, size, backbone, its weights and levels. Large classes
contribute an even sample.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from core.engine.reload import Loaded
from core.engine.training_images import Recall
from core.errors import RunError
from core.layers.patches import patch_dimension, patch_features
from core.runs import RunDirectory
from core.workspace import Workspace, write_atomically, write_json

MOST_IMAGES = 300
BANK_BYTES = 384 << 20
"""Descriptions of one class on disk."""
DIMENSION = 512
"""What wide networks' patches are pooled to; narrow ones keep their plain means."""
WANTED = (8, 16)
BATCH = 8
Report = Callable[[float, str], None]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bank:
    """Descriptions of a class's normal training images [images, h, w, d], memory-mapped."""

    patches: npt.NDArray[np.float16]
    means_ND: Floats
    keys: tuple[str, ...]
    of: int


def levels_of(loaded: Loaded) -> tuple[int, ...]:
    """Places of the levels, among the method's, that describe a patch."""
    strides = loaded.extractor.strides
    wanted = tuple(i for i, stride in enumerate(strides) if stride in WANTED)
    return wanted if len(wanted) == len(WANTED) else (len(strides) // 2,)


@torch.inference_mode()
def describe(loaded: Loaded, images_BCHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    """Patch descriptions [B, h, w, d] of uint8 images [B, 3, s, s], as they are kept."""
    levels = loaded.extractor(torch.from_numpy(images_BCHW).to(loaded.device))
    chosen = tuple(levels[i] for i in levels_of(loaded))
    channels = tuple(level.shape[1] for level in chosen)
    wanted = DIMENSION - DIMENSION % len(chosen)
    patches_BHWD = patch_features(chosen, patch_dimension(channels, wanted))
    limit = float(np.finfo(np.float16).max)
    kept: npt.NDArray[np.float16] = patches_BHWD.clamp(-limit, limit).half().cpu().numpy()
    return kept


def bank_of(loaded: Loaded, workspace: Workspace, class_name: str, report: Report) -> Bank:
    """The descriptions of a class, from the cache or made now.

    Raises:
        RunError: no training image of the class can be had any more.
    """
    keys = _training_keys(loaded, class_name)
    folder = workspace.root / "cache" / "patches"
    levels = [loaded.extractor.strides[i] for i in levels_of(loaded)]
    marks = [
        3, loaded.fingerprint, class_name, loaded.config.size, loaded.extractor.tag,
        loaded.extractor.weights.sha256, levels, loaded.device.type, MOST_IMAGES, keys,
    ]  # fmt: skip
    name = hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:32]
    held = _held(folder, name)
    if held is None:
        _fill(loaded, workspace, folder, name, keys, report)
        held = _held(folder, name)
    if held is None:
        raise RunError(f"The normal patches of {class_name} cannot be kept in {folder}; try again.")
    return Bank(*held, len(keys))


def _training_keys(loaded: Loaded, class_name: str) -> list[str]:
    rows = loaded.run.read_table(RunDirectory.SAMPLES).select(["key", "class_name", "split"])
    return [
        str(row["key"])
        for row in rows.to_pylist()
        if row["class_name"] == class_name and row["split"] == "train"
    ]


def _held(
    folder: Path, name: str
) -> tuple[npt.NDArray[np.float16], Floats, tuple[str, ...]] | None:
    try:
        keys = json.loads((folder / f"{name}.json").read_bytes())["keys"]
        means_ND: Floats = np.load(folder / f"{name}.mean.npy")
        patches: npt.NDArray[np.float16] = np.load(folder / f"{name}.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = len(keys) == len(patches) == len(means_ND)
    return (patches, means_ND, tuple(map(str, keys))) if whole else None


def mean_of(patches_HWD: npt.NDArray[np.float16]) -> Floats:
    """The mean description of an image's patches. [d]"""
    mean_D: Floats = patches_HWD.astype(np.float32).mean(axis=(0, 1))
    return mean_D


def _fill(
    loaded: Loaded, workspace: Workspace, folder: Path, name: str, keys: list[str], report: Report
) -> None:
    """Describe an even sample of the class; the files appear once complete."""
    folder.mkdir(parents=True, exist_ok=True)
    recall = Recall(loaded, workspace)
    size = loaded.config.size
    one = describe(loaded, np.zeros((1, 3, size, size), np.uint8))
    most = max(1, min(MOST_IMAGES, BANK_BYTES // one.nbytes))
    step = max(1.0, len(keys) / most)
    sample = [keys[int(i * step)] for i in range(min(most, len(keys)))]
    used: list[str] = []
    means: list[Floats] = []
    aside = folder / f".{name}.{os.getpid()}.part"
    try:
        shape = (len(sample), *one.shape[1:])
        patches = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=shape)
        for start in range(0, len(sample), BATCH):
            report(start / len(sample), f"reading normal image {start + 1} of {len(sample)}")
            some = [(key, recall.small(key)) for key in sample[start : start + BATCH]]
            good = [(key, image) for key, image in some if image is not None]
            if good:
                batch = describe(loaded, np.stack([image for _, image in good]))
                patches[len(used) : len(used) + len(good)] = batch
                used += [key for key, _ in good]
                means += [mean_of(one_HWD) for one_HWD in batch]
        if not used:
            raise RunError(
                "None of the class's normal training images can be had any more: the data set's "
                "folder and the prepared copies are gone."
            )
        patches.flush()
        if len(used) < len(sample):  # rare: some files are gone
            np.save(folder / f"{name}.short.npy", patches[: len(used)])
            os.replace(folder / f"{name}.short.npy", aside)
        del patches
        means_ND = np.stack(means)
        write_atomically(folder / f"{name}.mean.npy", lambda out: np.save(out, means_ND))
        write_json(folder / f"{name}.json", {"keys": used})
        os.replace(aside, folder / f"{name}.npy")
    finally:
        aside.unlink(missing_ok=True)
