"""Generated data sets for tests of the doctor's checks: a clean one, to which faults are added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.data.base import Dataset, DatasetCard
from core.data.doctor.base import CHECKS, Finding, Patient
from core.data.doctor.facts import collect
from core.types import Sample
from core.workspace import Workspace
from tests.data.trees import block, save

SIZE = 32


def picture(seed: int, width: int = 64, height: int = 48, level: float = 120) -> np.ndarray:
    """A grey uint8 image of smooth blobs, unlike every other seed's, of about the same looks."""
    values = np.random.default_rng(seed).uniform(-80, 80, (6, 8))
    blobs = Image.fromarray((values + level).clip(0, 255).astype(np.uint8))
    return np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC))


def clean(root: Path, classes: tuple[str, ...] = ("bolt",), train: int = 20) -> Dataset:
    """`train` normals, 12 test normals, 12 dents with masks a class; no check finds anything."""
    samples: list[Sample] = []
    for number, name in enumerate(classes):
        for split, kind, count in (
            ("train", "good", train),
            ("test", "good", 12),
            ("test", "dent", 12),
        ):
            for i in range(count):
                key = f"{name}/{split}/{kind}/{i:03d}.png"
                seed = (
                    1000 * number + i + (0 if split == "train" else 300 if kind == "good" else 600)
                )
                save(root / key, picture(seed))
                masks: tuple[str, ...] = ()
                if kind != "good":
                    masks = (f"{name}/ground_truth/dent/{i:03d}.png",)
                    save(root / masks[0], block(64, 48))
                samples.append(
                    Sample(
                        key=key, class_name=name, split=split, label=int(kind != "good"),
                        anomaly_type=kind, masks=masks,
                    )
                )  # fmt: skip
    return made(root, samples)


def made(root: Path, samples: list[Sample], **more: Any) -> Dataset:
    card = DatasetCard(title="", summary="")
    return Dataset("made", root, "mvtec_folder", "A set.", card, tuple(samples), **more)


def changed(dataset: Dataset, of: str, /, **values: Any) -> Dataset:
    """With one sample changed."""
    assert any(sample.key == of for sample in dataset.samples)
    samples = [replace(s, **values) if s.key == of else s for s in dataset.samples]
    return replace(dataset, samples=tuple(samples))


def findings(dataset: Dataset, size: int = SIZE) -> list[Finding]:
    """What all checks find."""
    place = Workspace(dataset.root.parent / "workspace")
    patient = Patient(dataset, collect(dataset, place), size)
    return [found for _, check in CHECKS.items() for found in check(patient)]


def only(dataset: Dataset, check: str, size: int = SIZE) -> Finding:
    """The one finding there is; it must be of this check."""
    found = findings(dataset, size)
    assert [one.check for one in found] == [check], [one.title for one in found]
    return found[0]
