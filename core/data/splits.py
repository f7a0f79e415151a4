"""The deployment protocol's held-out normals: thresholds come from them alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from core.seeding import derive
from core.types import Sample


def with_calibration(
    samples: Iterable[Sample], seed: int, share: float = 0.1
) -> tuple[Sample, ...]:
    """Move a share of each class's training normals to the split "calibration".

    A class that has such images by its data set's own manifest keeps them, and no more are moved.
    At least one image when a class has two or more, never all of them. Images of one specimen
    move together or stay together; where every specimen is larger than the share, the smallest
    moves, and a class of a single specimen keeps all its images in training. What moves depends
    on the seed and the keys, not on the order of the samples.

    Args:
        samples: of any classes and splits; their order is kept.
        seed: the run's seed.
        share: part of the training normals to hold out, 0 to 1.
    """
    samples = tuple(samples)
    settled = {sample.class_name for sample in samples if sample.split == "calibration"}
    classes: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.split == "train" and sample.label == 0 and sample.class_name not in settled:
            # "\0" keeps a specimen's name apart from a key that reads the same
            group = f"\0{sample.specimen}" if sample.specimen is not None else sample.key
            classes[sample.class_name][group].append(sample)
    moved = {
        sample.key
        for class_name, groups in classes.items()
        for group in _held_out(groups, class_name, seed, share)
        for sample in groups[group]
    }
    return tuple(
        replace(sample, split="calibration") if sample.key in moved else sample
        for sample in samples
    )


def without_calibration(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Train on all training normals: those a manifest holds out for thresholds among them."""
    return tuple(
        replace(sample, split="train") if sample.split == "calibration" else sample
        for sample in samples
    )


def _held_out(
    groups: dict[str, list[Sample]], class_name: str, seed: int, share: float
) -> list[str]:
    """The groups of one class that are held out."""
    if len(groups) < 2:
        return []
    count = sum(map(len, groups.values()))
    wanted = max(1, round(share * count))
    shuffled = sorted(groups, key=lambda group: derive(seed, "calibration", class_name, group))
    chosen: list[str] = []
    held = 0
    for group in shuffled[:-1]:  # the last always stays in training
        if held + len(groups[group]) <= wanted:
            chosen.append(group)
            held += len(groups[group])
    return chosen or [min(shuffled, key=lambda group: len(groups[group]))]
