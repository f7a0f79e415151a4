"""Frozen features, computed once and reused every epoch: on the device, else in host memory,
else on disk, by size.

Where they lie changes no number: the type depends on the device alone (float32 on the CPU,
float16 on CUDA, as the card of each method states).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.data.prepared import Prepared
from core.engine import device as devices

SHARE_OF_FREE_MEMORY = 0.5
ImageBatch = Callable[[npt.NDArray[np.intp]], Tensor]


def stored_dtype(device: torch.device) -> torch.dtype:
    """The type features are kept in on that device."""
    return torch.float16 if device.type == "cuda" else torch.float32


class Images:
    """uint8 BCHW batches on the device; the whole array moves there once when it fits."""

    def __init__(
        self, prepared: Prepared, rows: npt.NDArray[np.intp], device: torch.device
    ) -> None:
        self._prepared = prepared
        self._device = device
        self._resident: Tensor | None = None
        self._place: dict[int, int] = {}
        if device.type == "cuda" and len(rows):
            size = prepared.images(rows[:1]).nbytes * len(rows)
            if size < 0.3 * devices.free_memory(device):
                self._resident = torch.from_numpy(prepared.images(rows)).to(device)
                self._place = {int(row): place for place, row in enumerate(rows)}

    def __call__(self, rows: npt.NDArray[np.intp]) -> Tensor:
        """The images of those sample rows, uint8 [B, 3, S, S] on the device."""
        if self._resident is not None:
            index = torch.tensor([self._place[int(row)] for row in rows], device=self._device)
            return self._resident[index]
        batch = torch.from_numpy(self._prepared.images(rows))
        if self._device.type == "cuda":
            return batch.pin_memory().to(self._device, non_blocking=True)
        return batch


class FrozenFeatures:
    """Feature levels of a fixed set of images, by place in that set.

    Args:
        features_of: images -> what is kept of them (`Method.features`).
        images: gives image batches by sample row.
        rows: the sample rows, in the order in which places count.
        device: where batches are wanted.
        scratch: folder for the file used when memory does not do.
        batch_size: images a forward pass.
        report: called with progress 0..1.
    """

    def __init__(
        self,
        features_of: Callable[[Tensor], tuple[Tensor, ...]],
        images: ImageBatch,
        rows: npt.NDArray[np.intp],
        device: torch.device,
        scratch: Path,
        batch_size: int,
        report: Callable[[float], None],
    ) -> None:
        self._device = device
        self._dtype = stored_dtype(device)
        self.where = "host"
        self._levels: list[Tensor] = []
        self._file: tempfile.TemporaryDirectory[str] | None = None
        for start in range(0, len(rows), batch_size):
            with torch.no_grad():
                levels = features_of(images(rows[start : start + batch_size]))
            if not self._levels:
                self._levels = self._allocate(levels, len(rows), scratch)
            for held, new in zip(self._levels, levels, strict=True):
                held[start : start + len(new)] = new.to(held.device, held.dtype)
            report(min(1.0, (start + batch_size) / len(rows)))

    def _allocate(self, levels: tuple[Tensor, ...], count: int, scratch: Path) -> list[Tensor]:
        shapes = [(count, *level.shape[1:]) for level in levels]
        width = self._dtype.itemsize
        self.bytes = sum(int(np.prod(shape)) for shape in shapes) * width
        if self._device.type == "cuda" and self._fits(self._device):
            self.where = "device"
            return [torch.empty(s, dtype=self._dtype, device=self._device) for s in shapes]
        if self._fits(torch.device("cpu")):
            return [torch.empty(s, dtype=self._dtype) for s in shapes]
        self.where = "disk"
        self._file = tempfile.TemporaryDirectory(dir=scratch, prefix=".features-")
        kind = np.float16 if self._dtype == torch.float16 else np.float32
        return [
            torch.from_numpy(
                np.memmap(Path(self._file.name) / f"{i}.bin", mode="w+", dtype=kind, shape=shape)
            )
            for i, shape in enumerate(shapes)
        ]

    def _fits(self, device: torch.device) -> bool:
        return self.bytes < SHARE_OF_FREE_MEMORY * devices.free_memory(device)

    def batch(self, places: Tensor) -> tuple[Tensor, ...]:
        """float32 levels of the images at `places` (int64 on the CPU), on the device."""
        return tuple(
            level[places.to(level.device)].to(self._device, torch.float32, non_blocking=True)
            for level in self._levels
        )

    def close(self) -> None:
        """Give the memory (and the scratch file) back."""
        self._levels = []
        if self._file is not None:
            self._file.cleanup()
            self._file = None
