"""Checks of how normal test images look beside normal training images.

The rule, for brightness and for the logarithm of sharpness, in each class with at least `FEWEST`
normals on both sides: the medians differ by more than `FAR` robust standard deviations of the
training images (1.4826 x median absolute deviation, at least a floor), and a random test normal
exceeds (or falls below) a random training image in `SEPARATE` of all pairs or more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.words import are, counted

FEWEST = 10
FAR, SEPARATE = 1.5, 0.9
Values = npt.NDArray[np.float64]


@check("brightness")
def brightness(patient: Patient) -> Iterator[Finding]:
    """Classes whose normal test images are brighter or darker than their training images."""
    values = patient.facts["brightness"].to_numpy(dtype=np.float64)
    yield from _far(patient, "brightness", values, 0.01, ("brighter", "darker"))


@check("sharpness")
def sharpness(patient: Patient) -> Iterator[Finding]:
    """Classes whose normal test images are sharper or softer than their training images."""
    values = np.log1p(patient.facts["sharpness"].to_numpy(dtype=np.float64))
    yield from _far(patient, "sharpness", values, 0.05, ("sharper", "softer"))


def _far(
    patient: Patient, check_id: str, values: Values, floor: float, words: tuple[str, str]
) -> Iterator[Finding]:
    samples = patient.dataset.samples
    names = np.array([s.class_name for s in samples])
    normal = np.array([s.label == 0 for s in samples]) & ~np.isnan(values)
    test = np.array([s.split == "test" for s in samples])
    for name in patient.dataset.classes:
        mine = normal & (names == name)
        trained, tested = values[mine & ~test], values[mine & test]
        if min(len(trained), len(tested)) < FEWEST:
            continue
        effect, share = far(trained, tested, floor)
        if abs(effect) <= FAR or max(share, 1 - share) < SEPARATE:
            continue
        places = np.flatnonzero(mine & test)
        places = places[np.argsort(-np.abs(values[places] - np.median(trained)), kind="stable")]
        word = words[0] if effect > 0 else words[1]
        yield Finding(
            check=check_id,
            severity="warning",
            title=f"{counted(len(places), 'normal test image')} of {name} {are(len(places))} "
            f"{word} than the training images",
            keys=tuple(samples[place].key for place in places),
            detail=f"Of a test and a training image taken at random, the test image is {word} in "
            f"{max(share, 1 - share):.0%} of all cases; the middle of the test images lies "
            f"{abs(effect):.1f} times the usual spread away. Normal test images will be called "
            "anomalous for that alone.",
            remedy="Take training and test images under the same light and focus, or move some of "
            "these to training.",
        )


def far(trained: Values, tested: Values, floor: float) -> tuple[float, float]:
    """How far test values lie from training values.

    Returns:
        The difference of medians in robust standard deviations of the training values (at least
        `floor`), and the share of pairs in which the test value is larger, ties counted half.
    """
    centre = float(np.median(trained))
    spread = max(1.4826 * float(np.median(np.abs(trained - centre))), floor)
    ordered = np.sort(trained)
    below = np.searchsorted(ordered, tested, "left") + np.searchsorted(ordered, tested, "right")
    return (float(np.median(tested)) - centre) / spread, float(below.mean() / 2 / len(trained))
