"""Maps for benchmarks/metrics.py: smooth, with a heavy right tail and raised, numbered regions.

A pool of 200 different images is made once and kept as .npy files; any number of images comes
from it by turning, mirroring and a factor of its own for each, so that hundreds of gigabytes
need no disk and every process sees the same values. Every second image is anomalous; about 2 %
of its pixels are. Shapes: B images, H = W = side.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

POOL = 200
BATCH = 256
"""Images a batch: 16.8 million pixels at 256 x 256."""
SHARE = 0.02
RAISED, STRETCH = 2.2, 0.8
SPREAD = 0.2
"""Standard deviation of the logarithm of an image's factor."""
IN_MEMORY = 200_000_000
"""Pixels up to which all images are laid out before the clock starts."""


@dataclass(frozen=True)
class Maps:
    """Images of one class.

    Attributes:
        maps_BHW: float32 anomaly maps (a tensor where a device was asked for).
        regions_BHW: uint16, 0 = normal pixel, 1, 2, ... = 8-connected regions of an image.
        scores_B, labels_B: highest map value; 0 normal, 1 anomalous.
    """

    maps_BHW: Any
    regions_BHW: npt.NDArray[np.uint16]
    scores_B: npt.NDArray[np.float64]
    labels_B: npt.NDArray[np.int64]

    def take(self, part: slice) -> Maps:
        return Maps(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    @property
    def masks_BHW(self) -> npt.NDArray[np.uint8]:
        return (self.regions_BHW > 0).view(np.uint8)


def make_maps(images: int, side: int = 256, seed: int = 0) -> Maps:
    """Different images, one by one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    noise = rng.standard_normal((images, side, side), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, side / 40, side / 40))
    smooth /= smooth.std()
    regions = np.zeros((images, side, side), np.uint16)
    for i in np.flatnonzero(labels):
        mask = _blobs(rng, side)
        regions[i], _ = ndimage.label(mask, np.ones((3, 3)))
        smooth[i] += RAISED * ndimage.gaussian_filter(mask.astype(np.float32), side / 120)
    maps = np.exp(STRETCH * smooth)
    return Maps(maps, regions, maps.max(axis=(1, 2)).astype(np.float64), labels)


def _blobs(rng: np.random.Generator, side: int) -> npt.NDArray[np.bool_]:
    """One to five ellipses of unequal size inside the image, about SHARE of it together."""
    rows, columns = np.mgrid[:side, :side]
    weights = rng.dirichlet(np.ones(rng.integers(1, 6)))
    mask = np.zeros((side, side), dtype=bool)
    for area in SHARE * side**2 * weights:
        stretch = rng.uniform(0.6, 1.7)
        half = np.sqrt(area / np.pi)
        y, x = rng.uniform(0.15 * side, 0.85 * side, 2)
        distance = ((rows - y) / (half * stretch)) ** 2 + ((columns - x) * stretch / half) ** 2
        mask |= distance <= max(1.0, distance.min())  # a pixel at least
    return mask


def save(folder: Path, images: int, side: int, seed: int = 0) -> None:
    """Write the pool, and a factor for each of the images that will be made of it."""
    pool = make_maps(min(images, POOL), side, seed)
    factors = np.random.default_rng(seed + 1).lognormal(0, SPREAD, images).astype(np.float32)
    for name, array in (
        ("maps", pool.maps_BHW),
        ("regions", pool.regions_BHW),
        ("factors", factors),
    ):
        np.save(folder / f"{name}.npy", array)


class Source:
    """Gives the saved images batch by batch and knows how long that took."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self._maps = np.load(folder / "maps.npy")
        self._regions = np.load(folder / "regions.npy")
        self._factors = np.load(folder / "factors.npy")
        self._device = device
        self.images, self.side = len(self._factors), self._maps.shape[1]
        self.pixels = self.images * self.side**2
        self.laid_out = self.pixels <= IN_MEMORY
        self._whole: Maps | None = None
        self._buffer = self.whole() if self.laid_out else self._compose(0, BATCH, None)
        self.seconds = 0.0

    def whole(self) -> Maps:
        """All images at once."""
        if self._whole is None:
            self._whole = self._compose(0, self.images, None)
        return self._whole

    def few(self) -> Maps:
        """Four images, for a first call that should not count."""
        return self._placed(self._compose(0, min(4, self.images), None))

    def __iter__(self) -> Iterator[Maps]:
        self.seconds = 0.0
        for start in range(0, self.images, BATCH):
            began = time.perf_counter()
            part = slice(start, min(start + BATCH, self.images))
            if self._whole is not None:
                batch = self._placed(self._whole.take(part))
            else:
                batch = self._placed(self._compose(part.start, part.stop, self._buffer))
            self.seconds += time.perf_counter() - began
            yield batch

    def _compose(self, start: int, stop: int, into: Maps | None) -> Maps:
        if into is None:
            shape = (stop - start, self.side, self.side)
            maps, regions = np.empty(shape, np.float32), np.empty(shape, np.uint16)
        else:
            maps, regions = into.maps_BHW[: stop - start], into.regions_BHW[: stop - start]
        for row, image in enumerate(range(start, stop)):
            lap, member = divmod(image, len(self._maps))
            turned, numbers = self._maps[member], self._regions[member]
            if lap // 4 % 2:
                turned, numbers = turned[::-1], numbers[::-1]
            np.multiply(np.rot90(turned, lap % 4), self._factors[image], out=maps[row])
            regions[row] = np.rot90(numbers, lap % 4)
        scores = maps.max(axis=(1, 2)).astype(np.float64)
        pooled = np.arange(start, stop) % len(self._maps)
        return Maps(maps, regions, scores, pooled % 2)

    def _placed(self, batch: Maps) -> Maps:
        if self._device == "cpu":
            return batch
        import torch

        maps = torch.from_numpy(np.ascontiguousarray(batch.maps_BHW)).to(self._device)
        torch.cuda.synchronize()
        return replace(batch, maps_BHW=maps)
