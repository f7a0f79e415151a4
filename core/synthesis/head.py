"""Healthy anatomy of the head phantom: an axial slice through the lateral ventricles.

The cortex is drawn from one quantity, the distance to the nearest cerebrospinal fluid: fluid within
a pixel, grey matter within the cortical thickness, white matter beyond. Sulci are zero lines of a
random field folded around the brain's outline, so that every head has its own. A phantom for
trying software, no anatomical atlas.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from core.synthesis.fields import (
    FRAME,
    Array,
    ellipse_distance,
    grid,
    lerp,
    segment_distance,
    smoothstep,
    value_noise,
)

_AIR, _BONE, FLUID, _CORTEX, _DEEP, _WHITE, _SCALP = 2.0, 16.0, 34.0, 100.0, 112.0, 152.0, 178.0
_THICKNESS = 4.9
"""Of the cortex, in design units (about 0.8 mm each)."""
_SYLVIAN = ((82, -25), (66, -20), (55, -14), (50.5, -5), (50.5, 4), (54, 13), (61, 20))
"""Course of the lateral fissure and the insula, right half, (x, y)."""
_HORNS = (
    ((6.5, -6.0), (9.0, -19.0), 4.0),
    ((9.0, -19.0), (16.0, -31.0), 3.2),
    ((6.0, -6.0), (7.0, 4.0), 2.6),
    ((15.5, 28.0), (21.5, 38.0), 5.2),
    ((21.5, 38.0), (20.5, 56.0), 2.8),
)
"""Lateral ventricle, right half: both ends (x, y) and radius of each limb."""
_MELT = np.float32(1.4)


@dataclass(frozen=True, slots=True)
class _Form:
    """What differs between people, in design units."""

    half_width: float
    half_length: float
    ventricle: float
    fissure: float
    atrophy: float
    contrast: float


class Head:
    """One head, posed in the scanner; anatomy and pose are sampled here.

    Attributes:
        x, y: head coordinates of each pixel, origin in the middle, y to the back.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.form = _Form(
            half_width=rng.normal(80.0, 2.0),
            half_length=rng.normal(98.0, 2.2),
            ventricle=rng.normal(1.0, 0.10),
            fissure=rng.normal(1.0, 0.15),
            atrophy=rng.normal(0.0, 0.22),
            contrast=rng.normal(1.0, 0.04),
        )
        Y, X = grid(size)
        turn = np.float32(np.radians(rng.normal(0.0, 2.0)))
        shift_x, shift_y = rng.normal(0.0, 1.8, 2)
        dx, dy = X - np.float32(128.0 + shift_x), Y - np.float32(128.0 + shift_y)
        bend = np.float32(1.2)
        self.x = dx * np.cos(turn) + dy * np.sin(turn) + bend * value_noise(size, 3, rng)
        self.y = dy * np.cos(turn) - dx * np.sin(turn) + bend * value_noise(size, 3, rng)
        self.folds = _folded_noise(rng)
        self.depths = value_noise(size, 9, rng)
        self.grain = value_noise(size, 60, rng)
        self.diploe = value_noise(size, 14, rng, octaves=2)
        self.sides = rng.normal(1.0, 0.05, 2)

    def outline(self, x: Array, y: Array, inset: float) -> Array:
        """Signed distance to the head's outline moved in by `inset`; above 0 inside."""
        full = 1.0 + 0.11 * (y / np.float32(self.form.half_length + 13.0)) ** 2  # not quite oval
        narrow = full - 0.09 * smoothstep(20.0, -95.0, y)  # narrower in front
        return -ellipse_distance(
            y,
            np.asarray(x / narrow),
            (0.0, 0.0),
            (self.form.half_width + 13.0 - inset, self.form.half_length + 13.0 - inset),
            0.0,
        )

    def _fluid_distance(self, x: Array, y: Array, inside: Array) -> Array:
        """Distance to the nearest fluid outside the brain or in a sulcus."""
        angle = np.arctan2(x, -y)
        columns = self.folds.shape[1]
        at_angle = (angle / np.float32(2 * np.pi) + 0.5) * columns
        at_depth = np.clip(inside, 0.0, 60.0) * (self.folds.shape[0] - 1) / 60.0
        field = ndimage.map_coordinates(
            self.folds, [at_depth, at_angle], order=1, mode="grid-wrap", output=np.float32
        )
        unit = FRAME / self.size
        slope_y, slope_x = np.gradient(field, np.float32(unit))
        line = np.abs(field) / np.sqrt(slope_x**2 + slope_y**2 + 0.004)
        reach = 19.0 + 5.0 * self.depths
        sulcus = line * 0.95 + 0.75 * np.maximum(0.0, inside - reach)
        width = 0.75 + self.form.atrophy * 0.5
        sulcus = np.maximum(sulcus - width * smoothstep(24.0, 2.0, inside), 0.0) + 0.35
        half = self.form.half_length
        front = np.maximum(0.0, y - np.float32(-half + 50.0))
        back = np.maximum(0.0, np.float32(half - 44.0) - y)
        away = np.minimum(front, back)
        falx = np.abs(x + 1.2 * self.depths) - 0.5 * self.form.fissure + 0.8 * away
        sylvian = np.full_like(x, 99.0)
        wavy = y + 1.6 * self.depths
        for side in (-1.0, 1.0):
            for (ax, ay), (bx, by) in itertools.pairwise(_SYLVIAN):
                piece = segment_distance(wavy, x, (side * ax, ay), (side * bx, by))
                sylvian = np.minimum(sylvian, piece)
        sylvian = sylvian - 1.3 * self.form.fissure
        nearest = np.minimum(np.minimum(inside, sulcus), np.minimum(falx, sylvian))
        return np.asarray(nearest, dtype=np.float32)

    def ventricles(self, x: Array, y: Array) -> Array:
        """Signed distance to ventricular fluid, below 0 inside."""
        wide = self.form.ventricle
        third = np.asarray(np.hypot(x, (y - 12.0) / 6.0) - 1.7 * wide, dtype=np.float32)
        total = np.exp(-third / _MELT)
        for side, own in zip((-1.0, 1.0), self.sides, strict=True):
            for a, b, radius in _HORNS:
                piece = segment_distance(y, x, (side * a[0], a[1]), (side * b[0], b[1]))
                total += np.exp((np.float32(radius * wide * own) - piece) / _MELT)
        return np.asarray(-_MELT * np.log(total + 1e-9), dtype=np.float32)  # a smooth minimum

    def tissue(self, x: Array, y: Array, pressed: Array | np.float32) -> Array:
        """Intensities of a healthy slice.

        Args:
            x, y: head coordinates, origin in the middle, y to the back.
            pressed: how far a collection pushes the brain's surface inward.
        """
        head = self.outline(x, y, 0.0)
        inside = self.outline(x, y, 13.0) - pressed
        brain = inside - np.float32(1.6 + 0.6 * self.form.atrophy)
        fluid = self._fluid_distance(x, y, brain)
        contrast = np.float32(self.form.contrast)
        white = _CORTEX + (_WHITE - _CORTEX) * contrast + 1.3 * self.grain
        edge = np.float32(_THICKNESS) + 0.5 * self.depths
        image = lerp(_CORTEX, white, smoothstep(-1.1, 1.1, fluid - edge))
        image = self._deep_grey(image, x, y)
        image = lerp(FLUID, image, smoothstep(0.1, 1.3, fluid))
        image = lerp(FLUID - 6.0, image, smoothstep(-0.9, 0.9, self.ventricles(x, y)))
        plexus = [ellipse_distance(y, x, (s * 18.0, 31.0), (2.0, 4.5), s * 0.4) for s in (-1, 1)]
        image = lerp(image, 92.0, 0.8 * smoothstep(0.8, -0.8, np.minimum(*plexus)))
        shell = _BONE + 26.0 * smoothstep(2.4, 0.6, np.abs(inside + pressed + 4.4)) * (
            1.0 + 0.35 * self.diploe
        )
        skin = _SCALP * (1.0 + 0.05 * self.diploe) * smoothstep(-0.2, 1.4, head)
        skin = skin * (0.62 + 0.38 * smoothstep(0.6, 2.4, head))
        outer = lerp(skin, shell, smoothstep(4.2, 5.6, head))
        image = lerp(outer, image, smoothstep(-0.8, 0.8, inside + pressed))
        return lerp(_AIR, image, smoothstep(-0.8, 0.8, head))

    def _deep_grey(self, image: Array, x: Array, y: Array) -> Array:
        """Caudate, lentiform nucleus, thalamus and insular grey laid over the white matter."""
        for side in (-1.0, 1.0):
            nuclei = (
                ((side * 16.0, -19.0), (4.2, 8.5), side * -0.30, _CORTEX + 4.0),
                ((side * 31.0, -3.0), (7.0, 16.0), side * 0.22, _DEEP),
                ((side * 12.0, 13.0), (8.5, 13.0), side * 0.35, _DEEP + 8.0),
            )
            for centre, radii, turn, level in nuclei:
                inside = smoothstep(1.4, -1.4, ellipse_distance(y, x, centre, radii, turn))
                image = lerp(image, level, inside)
        return image


def _folded_noise(rng: np.random.Generator) -> Array:
    """The field whose zero lines are sulci: rows are depth, columns the angle, wrapping around."""
    rows, columns = 16, 84
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, (2.6, 0.75), mode=("nearest", "wrap"))
    coarse -= ndimage.gaussian_filter(coarse, (2.6, 2.5), mode=("nearest", "wrap"))
    wide = np.concatenate([coarse[:, -8:], coarse, coarse[:, :8]], axis=1)
    scale = 10
    image = Image.fromarray(wide).resize(
        (wide.shape[1] * scale, rows * 4), Image.Resampling.BICUBIC
    )
    fine = np.asarray(image, dtype=np.float32)[:, 8 * scale : -8 * scale]
    return np.ascontiguousarray(fine / fine.std())
