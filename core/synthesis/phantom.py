"""A head phantom: an axial slice through the lateral ventricles in the manner of T1-weighted MRI.

The cortex is drawn from one quantity, the distance to the nearest cerebrospinal fluid: fluid within
a pixel, grey matter within the cortical thickness, white matter beyond. Sulci are zero lines of a
random field folded around the brain's outline, so that every head has its own. Noise is Rician
(Gudbjartsson and Patz, Magn. Reson. Med. 34, 1995), the coil's bias field multiplies. A phantom
for trying software, no anatomical atlas.
"""

from __future__ import annotations

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
from core.synthesis.scene import Defect, Scene, Subject

_AIR, _BONE, _FLUID, _CORTEX, _DEEP, _WHITE, _SCALP = 2.0, 16.0, 34.0, 100.0, 112.0, 152.0, 178.0
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
class _Head:
    """What differs between people, in design units."""

    half_width: float
    half_length: float
    ventricle: float
    fissure: float
    atrophy: float
    contrast: float


class Phantom(Scene):
    """One head: anatomy, pose, bias field and noise level are sampled here."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.head = _Head(
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
        self.coil = np.exp(0.055 * value_noise(size, 2, rng)).astype(np.float32)
        self.sigma = float(rng.uniform(3.2, 4.6))
        self.gain = float(rng.normal(1.0, 0.03))

    def draw(self, defect: Defect | None) -> Array:
        x, y = self.x, self.y
        if defect is None:
            image = self._tissue(x, y, np.float32(0.0))
        else:
            image = {
                "chronic_infarct": self._infarct,
                "haemorrhage": self._haemorrhage,
                "micro_lesions": self._micro_lesions,
                "subdural": self._subdural,
                "tumour": self._tumour,
            }[defect.kind](defect, defect.rng())
        blurred = ndimage.gaussian_filter(image, 0.62 * self.size / FRAME)
        return np.asarray(blurred * self.coil * np.float32(self.gain), dtype=np.float32)

    def expose(self, image: Array, rng: np.random.Generator) -> Array:
        real, imaginary = rng.standard_normal((2, *image.shape), dtype=np.float32)
        return np.hypot(image + self.sigma * real, self.sigma * imaginary)

    def _outline(self, x: Array, y: Array, inset: float) -> Array:
        """Signed distance to the head's outline moved in by `inset`; above 0 inside."""
        narrow = 1.0 - 0.10 * smoothstep(20.0, -95.0, y)  # narrower in front
        return -ellipse_distance(
            y,
            np.asarray(x / narrow),
            (0.0, 0.0),
            (self.head.half_width + 13.0 - inset, self.head.half_length + 13.0 - inset),
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
        width = 0.75 + self.head.atrophy * 0.5
        sulcus = np.maximum(sulcus - width * smoothstep(24.0, 2.0, inside), 0.0) + 0.35
        half = self.head.half_length
        front = np.maximum(0.0, y - np.float32(-half + 50.0))
        back = np.maximum(0.0, np.float32(half - 44.0) - y)
        away = np.minimum(front, back)
        falx = np.abs(x + 1.2 * self.depths) - 0.5 * self.head.fissure + 0.8 * away
        sylvian = np.full_like(x, 99.0)
        wavy = y + 1.6 * self.depths
        for side in (-1.0, 1.0):
            for (ax, ay), (bx, by) in zip(_SYLVIAN, _SYLVIAN[1:], strict=False):
                piece = segment_distance(wavy, x, (side * ax, ay), (side * bx, by))
                sylvian = np.minimum(sylvian, piece)
        sylvian = sylvian - 1.3 * self.head.fissure
        nearest = np.minimum(np.minimum(inside, sulcus), np.minimum(falx, sylvian))
        return np.asarray(nearest, dtype=np.float32)

    def _ventricles(self, x: Array, y: Array) -> Array:
        """Signed distance to ventricular fluid, below 0 inside."""
        wide = self.head.ventricle
        third = np.asarray(np.hypot(x, (y - 12.0) / 6.0) - 1.7 * wide, dtype=np.float32)
        total = np.exp(-third / _MELT)
        for side, own in zip((-1.0, 1.0), self.sides, strict=True):
            for a, b, radius in _HORNS:
                piece = segment_distance(y, x, (side * a[0], a[1]), (side * b[0], b[1]))
                total += np.exp((np.float32(radius * wide * own) - piece) / _MELT)
        return np.asarray(-_MELT * np.log(total + 1e-9), dtype=np.float32)  # a smooth minimum

    def _tissue(self, x: Array, y: Array, pressed: Array | np.float32) -> Array:
        """Intensities of a healthy slice.

        Args:
            x, y: head coordinates, origin in the middle, y to the back.
            pressed: how far a collection pushes the brain's surface inward.
        """
        head = self._outline(x, y, 0.0)
        inside = self._outline(x, y, 13.0) - pressed
        brain = inside - np.float32(1.6 + 0.6 * self.head.atrophy)
        fluid = self._fluid_distance(x, y, brain)
        contrast = np.float32(self.head.contrast)
        white = _CORTEX + (_WHITE - _CORTEX) * contrast + 1.3 * self.grain
        edge = np.float32(_THICKNESS) + 0.5 * self.depths
        image = lerp(_CORTEX, white, smoothstep(-1.1, 1.1, fluid - edge))
        image = self._deep_grey(image, x, y)
        image = lerp(_FLUID, image, smoothstep(0.1, 1.3, fluid))
        image = lerp(_FLUID - 6.0, image, smoothstep(-0.9, 0.9, self._ventricles(x, y)))
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

    def _place(
        self, rng: np.random.Generator, nearest: float, farthest: float
    ) -> tuple[float, float]:
        """A point of the brain at a depth between two bounds, outside the ventricles."""
        for _ in range(200):
            x, y = rng.uniform(-70.0, 70.0), rng.uniform(-84.0, 84.0)
            px, py = np.float32([[x]]), np.float32([[y]])
            depth = float(self._outline(px, py, 13.0)[0, 0])
            if nearest <= depth <= farthest and float(self._ventricles(px, py)[0, 0]) > 5.0:
                break
        return x, y

    def _blob(
        self, rng: np.random.Generator, centre: tuple[float, float], radius: float, rough: float
    ) -> Array:
        """Signed distance to an irregular round region, below 0 inside."""
        stretch = rng.uniform(0.8, 1.25)
        distance = ellipse_distance(
            self.y,
            self.x,
            centre,
            (radius * stretch, radius / stretch),
            rng.uniform(0.0, np.pi),
        )
        cells = float(np.clip(200.0 / radius, 8, 40))
        return np.asarray(
            distance + np.float32(rough * radius) * value_noise(self.size, cells, rng, octaves=2)
        )

    def _tumour(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A mass with an enhancing rim, a dark core, oedema and displaced tissue around it."""
        centre = self._place(rng, 20.0, 46.0)
        radius = defect.graded(15.0, 4.5) * rng.uniform(0.9, 1.1)
        dx, dy = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        far = np.hypot(dx, dy) + 1e-3
        push = np.float32(0.42 * radius) * np.exp(-((far / np.float32(2.0 * radius)) ** 2))
        push = push * smoothstep(0.0, radius, far) * smoothstep(0.0, 8.0, self._outline(
            self.x, self.y, 15.0))
        image = self._tissue(self.x - push * dx / far, self.y - push * dy / far, np.float32(0.0))
        distance = self._blob(rng, centre, radius, 0.14)
        swollen = self._blob(rng, centre, radius * 1.75, 0.16)
        matter = smoothstep(60.0, 110.0, image)  # oedema follows tissue, not fluid
        depth = np.float32(defect.graded(0.30, 0.12))
        image = image * (1.0 - depth * matter * smoothstep(4.0, -0.6 * radius, swollen))
        rim = np.exp(-(((distance + 0.16 * radius) / (0.15 * radius + 0.6)) ** 2))
        rim = rim * (0.85 + 0.22 * value_noise(self.size, 16, rng)).clip(0.25, 1.25)
        core = 62.0 + 9.0 * value_noise(self.size, 30, rng)
        image = lerp(image, core, 0.92 * smoothstep(1.0, -1.5, distance))
        return lerp(image, defect.graded(212.0, 158.0), rim.clip(0.0, 1.0))

    def _haemorrhage(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Subacute blood: bright; hard ones are small and little brighter than white matter."""
        centre = self._place(rng, 14.0, 60.0)
        radius = defect.graded(13.0, 3.0) * rng.uniform(0.85, 1.15)
        distance = self._blob(rng, centre, radius, 0.17)
        image = self._tissue(self.x, self.y, np.float32(0.0))
        halo = np.exp(-((np.maximum(distance, 0.0) / (0.35 * radius + 1.0)) ** 2))
        image = image * (1.0 - defect.graded(0.22, 0.05) * halo)
        level = defect.graded(214.0, 172.0) + 5.0 * value_noise(self.size, 24, rng)
        patchy = 0.92 - 0.16 * smoothstep(-0.2 * radius, -0.9 * radius, distance)
        return lerp(image, level, patchy * smoothstep(1.0, -1.2, distance))

    def _infarct(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Lost tissue of the cortex and the white matter under it, dark as fluid."""
        centre = self._place(rng, 4.0, 22.0)
        radius = defect.graded(21.0, 5.0) * rng.uniform(0.85, 1.15)
        distance = self._blob(rng, centre, radius, 0.17)
        image = self._tissue(self.x, self.y, np.float32(0.0))
        within = smoothstep(-0.5, 1.5, self._outline(self.x, self.y, 14.0))
        lost = smoothstep(2.0, -0.45 * radius, distance) * within
        spared = (0.86 + 0.10 * value_noise(self.size, 28, rng)).clip(0.4, 1.0)
        level = np.minimum(image, np.float32(_FLUID + 12.0))
        return lerp(image, level, lost * spared * np.float32(defect.graded(0.92, 0.42)))

    def _micro_lesions(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Small dark spots scattered in the white matter."""
        image = self._tissue(self.x, self.y, np.float32(0.0))
        spots = np.zeros_like(image)
        for _ in range(round(defect.graded(9.0, 2.0))):
            centre = self._place(rng, 16.0, 44.0)
            radius = rng.uniform(1.6, 2.3) + defect.graded(0.8, 0.0)
            distance = self._blob(rng, centre, radius, 0.10)
            spots = np.maximum(spots, smoothstep(0.9, -0.9, distance))
        matter = smoothstep(70.0, 110.0, image)
        return image * (1.0 - np.float32(defect.graded(0.52, 0.30)) * spots * matter)

    def _subdural(self, defect: Defect, rng: np.random.Generator) -> Array:
        """A crescent of fluid between skull and brain; hard ones are thin and as grey as cortex."""
        middle = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 2.2)
        spread = defect.graded(0.85, 0.42) * rng.uniform(0.9, 1.1)
        thick = defect.graded(13.0, 3.6)
        angle = np.arctan2(self.x, -self.y) - np.float32(middle)
        angle = np.abs(np.angle(np.exp(1j * angle))).astype(np.float32)
        crescent = thick * (1.0 - (angle / spread) ** 2).clip(0.0, 1.0)
        inside = self._outline(self.x, self.y, 13.0)
        fade = smoothstep(62.0, 8.0, inside)
        pressed = np.asarray(crescent * fade, dtype=np.float32)
        image = self._tissue(self.x, self.y, pressed)
        blood = defect.graded(186.0, 88.0) + 5.0 * value_noise(self.size, 12, rng, octaves=2)
        filled = smoothstep(-0.6, 0.8, inside) * smoothstep(0.9, -0.6, inside - crescent)
        return lerp(image, blood, filled * (crescent > 0.4))


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


SUBJECT = Subject(
    "brain_phantom",
    Phantom,
    {"chronic_infarct": 5, "haemorrhage": 5, "micro_lesions": 5, "subdural": 5, "tumour": 6},
)
