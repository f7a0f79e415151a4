"""What every drawn scene shares: a defect, a pair of drawings, and the mask between them.

A scene is sampled once (pose, structure, light) and drawn twice, without and with the defect. The
mask holds the pixels the defect changed visibly; outside it the image is the clean drawing to the
bit, and both get the same sensor noise. So mask and pixels agree exactly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from core.seeding import derive
from core.synthesis.fields import FRAME, Array

VISIBLE = 5.0
"""Grey levels (of 255, before noise) from which a change counts."""

_SMALLEST = 10.0
_LARGEST = 0.25
_ATTEMPTS = 24
_SAME_DIFFICULTY = 8
"""Attempts after which a defect too faint for its image is drawn plainer."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect to draw.

    Attributes:
        kind: one of the subject's anomaly types.
        difficulty: 0 plain to 1 hard to see; steers size and contrast.
        seed: everything else about it.
    """

    kind: str
    difficulty: float
    seed: int

    def rng(self) -> np.random.Generator:
        """A fresh generator: drawing the same defect twice draws the same."""
        return np.random.default_rng(self.seed)

    def graded(self, plain: float, hard: float) -> float:
        """A quantity between its plain and its hard value."""
        return plain + (hard - plain) * self.difficulty


class Scene(ABC):
    """One sampled scene; `draw` is pure."""

    @abstractmethod
    def draw(self, defect: Defect | None) -> Array:
        """Noise-free image in 0..255, float32 [H, W] or [H, W, 3]."""

    @abstractmethod
    def expose(self, image: Array, rng: np.random.Generator) -> Array:
        """The image with the sensor's noise; each pixel's depends on that pixel only."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A class of images.

    Attributes:
        name: class name.
        sample: a scene from a generator and a size in pixels.
        defects: share of each anomaly type among the anomalous test images.
    """

    name: str
    sample: Callable[[np.random.Generator, int], Scene]
    defects: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """An image, its twin without the defect, and where they differ.

    Attributes:
        image, clean: uint8 [H, W] or [H, W, 3]; equal outside the mask.
        mask_HW: bool; False everywhere for a normal image.
    """

    image: npt.NDArray[np.uint8]
    clean: npt.NDArray[np.uint8]
    mask_HW: npt.NDArray[np.bool_]


def render(
    subject: Subject, size: int, seed: int, kind: str | None = None, difficulty: float = 0.0
) -> Rendered:
    """One image of a subject, with a defect of that kind or (None) without.

    Raises:
        RuntimeError: no placement of the defect gave a visible change of sensible size; the
            subject's drawing is at fault.
    """
    scene = subject.sample(np.random.default_rng(derive(seed, "scene")), size)
    clean = scene.draw(None)
    if kind is None:
        taken = _expose(scene, clean, seed)
        return Rendered(taken, taken, np.zeros((size, size), dtype=np.bool_))
    smallest = max(4.0, _SMALLEST * (size / FRAME) ** 2)
    for attempt in range(_ATTEMPTS):
        eased = 1.0 - max(0, attempt - _SAME_DIFFICULTY) / (_ATTEMPTS - _SAME_DIFFICULTY)
        broken = scene.draw(Defect(kind, difficulty * eased, derive(seed, "defect", attempt)))
        mask = changed(clean, broken, smallest)
        if smallest <= mask.sum() <= _LARGEST * mask.size:
            both = mask if clean.ndim == 2 else mask[:, :, None]
            image = np.where(both, broken, clean)
            return Rendered(_expose(scene, image, seed), _expose(scene, clean, seed), mask)
    raise RuntimeError(f"no visible {kind} could be drawn on {subject.name} with seed {seed}")


def changed(clean: Array, broken: Array, smallest: float = 4.0) -> npt.NDArray[np.bool_]:
    """Where two drawings differ visibly, without pinholes and crumbs: bool [H, W].

    Args:
        clean, broken: [H, W] or [H, W, 3], 0..255.
        smallest: regions of fewer pixels are dropped, unless they are all there is.
    """
    difference = np.abs(broken - clean)
    if difference.ndim == 3:
        difference = difference.max(axis=2)
    seen = difference > VISIBLE
    whole = np.zeros(seen.shape, dtype=np.bool_)
    if not seen.any():
        return whole
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    seen = seen[window]
    eight = ndimage.generate_binary_structure(2, 2)
    padded = np.pad(seen, 2)  # closing at the border must not see the outside as a region
    closed = ndimage.binary_closing(padded, eight)[2:-2, 2:-2] | seen
    regions, _ = ndimage.label(ndimage.binary_fill_holes(closed), eight)
    area = np.bincount(regions.ravel(), weights=seen.ravel())
    area[0] = 0.0
    keep = area >= min(max(smallest, 0.02 * area.max()), area.max())
    keep[0] = False
    whole[window] = keep[regions]
    return whole


def _expose(scene: Scene, image: Array, seed: int) -> npt.NDArray[np.uint8]:
    taken = scene.expose(image, np.random.default_rng(derive(seed, "noise")))
    return np.clip(np.rint(taken), 0.0, 255.0).astype(np.uint8)
