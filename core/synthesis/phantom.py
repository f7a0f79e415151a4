"""A head phantom in the manner of T1-weighted MRI, and lesions in it.

Noise is Rician (Gudbjartsson and Patz, Magn. Reson. Med. 34, 1995), the coil's bias field
multiplies. What lesions look like follows radiology's plain descriptions: a phantom for trying
software, no teaching material.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from core.synthesis.fields import FRAME, Array, ellipse_distance, lerp, smoothstep, value_noise
from core.synthesis.head import FLUID, Head
from core.synthesis.scene import Defect, Scene, Subject


class Phantom(Scene):
    """One scan: the head, the coil's bias field, gain and noise level are sampled here."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.head = Head(rng, size)
        self.x, self.y = self.head.x, self.head.y
        self.coil = np.exp(0.055 * value_noise(size, 2, rng)).astype(np.float32)
        self.sigma = float(rng.uniform(3.2, 4.6))
        self.gain = float(rng.normal(1.0, 0.03))

    def draw(self, defect: Defect | None) -> Array:
        x, y = self.x, self.y
        if defect is None:
            image = self.head.tissue(x, y, np.float32(0.0))
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
        return np.asarray(np.hypot(image + self.sigma * real, self.sigma * imaginary))

    def _place(
        self, rng: np.random.Generator, nearest: float, farthest: float
    ) -> tuple[float, float]:
        """A point of the brain at a depth between two bounds, outside the ventricles."""
        for _ in range(200):
            x, y = rng.uniform(-70.0, 70.0), rng.uniform(-84.0, 84.0)
            px, py = np.full((1, 1), x, np.float32), np.full((1, 1), y, np.float32)
            depth = float(self.head.outline(px, py, 13.0)[0, 0])
            if nearest <= depth <= farthest and float(self.head.ventricles(px, py)[0, 0]) > 5.0:
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
        # what is pushed away is compressed where the oedema ends, so that the change stays local
        push = 0.5 * far * smoothstep(2.1 * radius, 0.5 * radius, far)
        push = push * smoothstep(0.0, 8.0, self.head.outline(self.x, self.y, 15.0))
        image = self.head.tissue(
            self.x - push * dx / far, self.y - push * dy / far, np.float32(0.0)
        )
        distance = self._blob(rng, centre, radius, 0.14)
        swollen = self._blob(rng, centre, radius * 1.75, 0.16)
        matter = smoothstep(60.0, 110.0, image)  # oedema follows tissue, not fluid
        depth = np.float32(defect.graded(0.28, 0.10))
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
        image = self.head.tissue(self.x, self.y, np.float32(0.0))
        halo = np.exp(-((np.maximum(distance, 0.0) / (0.35 * radius + 1.0)) ** 2))
        image = np.asarray(image * (1.0 - defect.graded(0.22, 0.05) * halo), dtype=np.float32)
        level = defect.graded(214.0, 172.0) + 5.0 * value_noise(self.size, 24, rng)
        patchy = 0.92 - 0.16 * smoothstep(-0.2 * radius, -0.9 * radius, distance)
        return lerp(image, level, patchy * smoothstep(1.0, -1.2, distance))

    def _infarct(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Lost tissue of the cortex and the white matter under it, dark as fluid."""
        centre = self._place(rng, 4.0, 22.0)
        radius = defect.graded(21.0, 5.0) * rng.uniform(0.85, 1.15)
        distance = self._blob(rng, centre, radius, 0.17)
        image = self.head.tissue(self.x, self.y, np.float32(0.0))
        within = smoothstep(-0.5, 1.5, self.head.outline(self.x, self.y, 14.0))
        lost = smoothstep(2.0, -0.45 * radius, distance) * within
        spared = (0.86 + 0.10 * value_noise(self.size, 28, rng)).clip(0.4, 1.0)
        level = np.minimum(image, np.float32(FLUID + 12.0))
        return lerp(image, level, lost * spared * np.float32(defect.graded(0.92, 0.42)))

    def _micro_lesions(self, defect: Defect, rng: np.random.Generator) -> Array:
        """Small dark spots scattered in the white matter."""
        image = self.head.tissue(self.x, self.y, np.float32(0.0))
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
        inside = self.head.outline(self.x, self.y, 13.0)
        depth = (inside / (3.0 * crescent + 1e-3)).clip(0.0, 1.0)  # the cortex below is compressed
        pressed = np.asarray(crescent * (1.0 - depth * depth * (3.0 - 2.0 * depth)))
        image = self.head.tissue(self.x, self.y, pressed)
        blood = defect.graded(186.0, 88.0) + 5.0 * value_noise(self.size, 12, rng, octaves=2)
        filled = smoothstep(-0.6, 0.8, inside) * smoothstep(0.9, -0.6, inside - crescent)
        return lerp(image, blood, filled * (crescent > 0.4))


SUBJECT = Subject(
    "brain_phantom",
    Phantom,
    {"chronic_infarct": 5, "haemorrhage": 5, "micro_lesions": 5, "subdural": 5, "tumour": 6},
)
