"""NIfTI volumes as 2D slices, whatever way they are stored.

NIfTI-1 (nifti1.h, Cox et al. 2004): values are stored * scl_slope + scl_inter; the affine says
which way the stored axes run. Slices lie along the stored axes that come closest to the body's
(nibabel.orientations), at the stored resolution; they are turned as radiologists look at them:

axial      patient's right on the left, front at the top (as seen from the feet)
coronal    patient's right on the left, head at the top (as seen from the front)
sagittal   front on the left, head at the top
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.errors import DataError

Axis: TypeAlias = Literal["axial", "coronal", "sagittal"]
Values: TypeAlias = npt.NDArray[Any]

_ACROSS: dict[Axis, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
_LARGEST = 4 << 30
"""Bytes that one volume may take in memory, as stored."""
_HELD = 2 << 30
_DEFLATE = 1032
"""How much gzip can make of a byte at most."""
_REMEDY = "replace it by an intact copy, or take it out"


@dataclass(frozen=True, slots=True)
class Volume:
    """What a header says of one volume; its voxels stay in the file.

    Attributes:
        shape: stored, three axes.
        turns: for each stored axis, the axis of the body that it runs along (0 right, 1 front,
            2 head) and whether it runs towards it (1) or away (-1).
        slope, inter: of the values.
        number: which volume of a file of several.
        oriented: False: the file does not say how it lies, and NIfTI's default is taken.
        bytes: that it takes as stored.
        affine: from places along right, front and head (the axes turned) to millimetres, [4, 4].
    """

    path: Path
    shape: tuple[int, int, int]
    turns: tuple[tuple[int, int], ...]
    slope: float
    inter: float
    number: int
    oriented: bool
    bytes: int
    affine: tuple[tuple[float, ...], ...]

    def depth(self, axis: Axis) -> int:
        """How many slices there are."""
        return self.shape[self.stored(axis)]

    def stored(self, axis: Axis) -> int:
        """The stored axis that runs across the slices."""
        return next(i for i, (body, _) in enumerate(self.turns) if body == _ACROSS[axis])

    def place(self, axis: Axis, number: int) -> int:
        """The stored place of a slice; slices count from the left, the back or the feet."""
        towards = self.turns[self.stored(axis)][1] > 0
        return number if towards else self.depth(axis) - 1 - number

    def slice(self, voxels: Values, axis: Axis, number: int) -> Values:
        """A slice as it is looked at, [H, W], values as stored.

        Args:
            voxels: [X, Y, Z] as stored.
        """
        across = self.stored(axis)
        flat = voxels[(slice(None),) * across + (self.place(axis, number),)]
        rest = [turn for i, turn in enumerate(self.turns) if i != across]
        # rows run from head (or front) to feet (or back), columns from right (or front)
        for i, (_, way) in enumerate(rest):
            flat = np.flip(flat, axis=i) if way > 0 else flat
        turned: Values = flat.T if rest[0][0] < rest[1][0] else flat
        return turned

    def turned_shape(self) -> tuple[int, int, int]:
        """Voxels to the right, to the front and to the head."""
        sizes = {body: self.shape[i] for i, (body, _) in enumerate(self.turns)}
        return sizes[0], sizes[1], sizes[2]

    def lies_on(self, other: Volume) -> bool:
        """Whether both lie on the same grid: no corner is off by half a voxel or more."""
        if self.turned_shape() != other.turned_shape():
            return False
        mine, theirs = np.array(self.affine), np.array(other.affine)
        ends = np.array(np.meshgrid(*([0, n - 1] for n in self.turned_shape()))).reshape(3, -1)
        corners = np.vstack([ends, np.ones((1, ends.shape[1]))])
        off = np.linalg.norm(((mine - theirs) @ corners)[:3], axis=0).max()
        return bool(off < 0.5 * np.linalg.norm(mine[:3, :3], axis=0).min())

    def values(self, stored: Values) -> npt.NDArray[np.float64]:
        """What stored values stand for."""
        return np.asarray(stored, dtype=np.float64) * self.slope + self.inter


def library() -> Any:
    """nibabel, told to keep what it reads out of logs."""
    import nibabel

    logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)
    return nibabel


def is_nifti(name: str) -> bool:
    """By the suffix."""
    return name.lower().endswith((".nii", ".nii.gz"))


def open_volume(path: Path, called: str, number: int = 0) -> Volume:
    """Read the header.

    Args:
        called: what errors call the file.
        number: which volume of a file of four dimensions, from 0.

    Raises:
        DataError: it cannot be read or is nothing slices can be made of.
    """
    nibabel = library()
    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Image):
            raise ValueError("another format")
        shape, affine = tuple(map(int, image.shape)), np.asarray(image.affine)
        header = image.header
        slope, inter = image.dataobj.slope, image.dataobj.inter
        kind = header.get_data_dtype()
        room = path.stat().st_size * (_DEFLATE if path.suffix.lower() == ".gz" else 1)
        oriented = bool(header["sform_code"] or header["qform_code"])
        turns = nibabel.orientations.io_orientation(affine)
        turned = affine @ nibabel.orientations.inv_ornt_aff(turns, shape[:3])
    except Exception:  # damaged bytes raise nearly anything; its text quotes the path
        raise DataError(f"{called} is not a NIfTI file that can be read; {_REMEDY}.") from None
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    several = shape[3] if len(shape) == 4 else 1
    if len(shape) not in (3, 4) or min(shape) < 1:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{called} has the shape {sizes}; volumes have three axes, or four.")
    if number >= several:
        raise DataError(
            f"{called} holds {several} volumes, counted from 0; there is no number {number}."
        )
    if kind.kind not in "iufb":
        raise DataError(f"{called} holds colours or complex numbers; save it with plain numbers.")
    if np.isnan(turns).any() or not np.isfinite([slope, inter]).all():
        raise DataError(f"{called} does not say how it lies, or its values have no scale.")
    size = shape[0] * shape[1] * shape[2]
    if size * kind.itemsize > _LARGEST or size // min(shape[:3]) > _most_pixels():
        raise DataError(f"{called} is larger than {_LARGEST >> 30} GiB; scale it down.")
    if size * kind.itemsize > room:
        raise DataError(f"{called} is damaged or truncated; {_REMEDY}.")
    return Volume(
        path, (shape[0], shape[1], shape[2]), tuple((int(a), int(w)) for a, w in turns),
        float(slope), float(inter), number, oriented, size * kind.itemsize,
        tuple(tuple(map(float, row)) for row in turned),
    )  # fmt: skip


def read(volume: Volume, called: str) -> Values:
    """All voxels [X, Y, Z] as stored, of the stored type.

    Raises:
        DataError: the file is truncated, gone, or too large for the memory.
    """
    nibabel = library()
    try:
        proxy = nibabel.load(volume.path).dataobj
        # the scale is left out, for it would make eight bytes of every voxel
        plain = nibabel.arrayproxy.ArrayProxy(
            proxy.file_like, (proxy.shape, proxy.dtype, proxy.offset, 1.0, 0.0), mmap=False
        )
        if len(proxy.shape) == 3:
            voxels = plain.get_unscaled()
        else:
            voxels = np.asarray(plain[(..., volume.number, *(0,) * (len(proxy.shape) - 4))])
        if voxels.shape != volume.shape:
            raise ValueError("changed")
    except MemoryError:
        raise DataError(f"{called} is too large for the memory that is free.") from None
    except Exception:
        raise DataError(f"{called} is damaged or truncated; {_REMEDY}.") from None
    return np.asarray(voxels)


class Cache:
    """The volumes used last, shared by threads.

    Args:
        keep: how many at most (two with their masks, where one follows the other), as far as they
            take 2 GiB together; the last is held whatever it takes.
    """

    def __init__(self, keep: int = 4) -> None:
        self._keep = keep
        self._held: OrderedDict[tuple[Path, int], Values] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, volume: Volume, called: str) -> Values:
        """`read`, once while it is held; one thread reads at a time."""
        key = (volume.path, volume.number)
        with self._lock:
            if key not in self._held:
                self._make_room(volume)
                self._held[key] = read(volume, called)
            self._held.move_to_end(key)
            return self._held[key]

    def _make_room(self, volume: Volume) -> None:
        free = _HELD - volume.bytes
        while self._held and (
            len(self._held) >= self._keep or sum(v.nbytes for v in self._held.values()) > free
        ):
            self._held.popitem(last=False)


def _most_pixels() -> int:
    return 2 * (Image.MAX_IMAGE_PIXELS or 1 << 62)
