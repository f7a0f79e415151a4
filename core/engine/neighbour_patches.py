"""What the hottest spot of a map was compared with: the nearest patches of normal training images.

Works for every method, because patches are described by the run's frozen backbone
(`core.engine.normal_patches`). Distances are Euclidean, in float32, between values as they are
kept.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.images import decode, squash
from core.engine.normal_patches import (
    Bank,
    Floats,
    Report,
    bank_of,
    describe,
    levels_of,
    mean_of,
)  # fmt: skip
from core.engine.reload import Loaded
from core.engine.training_images import Recall, crop
from core.workspace import Workspace

BLOCK = 8
"""Images searched at once."""
K = 5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One normal training patch.

    Attributes:
        key: of the training image.
        x, y: centre of the patch, as shares of the image's width and height.
        distance: to the hottest spot.
        own: to its own nearest patch of another normal training image; None when there is none.
        crop: the patch and its surroundings as WebP, base64; None when the picture is gone.
    """

    key: str
    x: float
    y: float
    distance: float
    own: float | None
    crop: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """The picture as a whole among the normal ones, by the mean of its patches.

    Attributes:
        distance: to the nearest normal training image.
        closer: how many of the `of` training images lie closer to their own nearest one.
    """

    distance: float
    closer: int
    of: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The hottest spot and its nearest normal patches, one a training image, nearest first.

    Attributes:
        x, y: the spot, as shares of the image's width and height.
        crop: as in `Neighbour`, of the image itself.
        images, of: training images searched, and how many the class has.
        strides: of the backbone's levels.
    """

    class_name: str
    x: float
    y: float
    crop: str
    neighbours: tuple[Neighbour, ...]
    images: int
    of: int
    backbone: str
    strides: tuple[int, ...]
    whole: Whole

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def compare(
    loaded: Loaded, workspace: Workspace, path: Path, name: str, map_HW: npt.NDArray[Any],
    class_name: str, report: Report, k: int = K,
) -> Comparison:  # fmt: skip
    """Find what the hottest spot of an image was compared with.

    Args:
        path, name: the image's file, and what errors call it.
        map_HW: its map; the first of equal peaks counts.
        report: called with 0..1 and what is being done; slow only at a class's first use.
        k: neighbours wanted, one a training image.

    Raises:
        RunError: no training image can be had any more.
        DataError: the image cannot be read.
    """
    image = decode(path, name).image
    index = int(np.asarray(map_HW, np.float32).argmax())
    row, column = divmod(index, map_HW.shape[1])
    y, x = (row + 0.5) / map_HW.shape[0], (column + 0.5) / map_HW.shape[1]
    bank = bank_of(loaded, workspace, class_name, report)
    small_CHW = squash(image, loaded.config.size)
    patches_HWD = describe(loaded, small_CHW[None])[0]
    query_D = _at(patches_HWD, x, y)
    found = _nearest(bank, query_D, k)
    recall = Recall(loaded, workspace)
    _, height, width = bank.patches.shape[:3]
    neighbours = []
    for done, (number, place, distance) in enumerate(found):
        report(done / len(found), "looking at the nearest patches")
        py, px = divmod(place, width)
        cy, cx = (py + 0.5) / height, (px + 0.5) / width
        own = _nearest(bank, bank.patches[number, py, px].astype(np.float32), 1, without=number)
        picture = recall.picture(bank.keys[number])
        neighbours.append(
            Neighbour(
                bank.keys[number], cx, cy, distance, own[0][2] if own else None,
                None if picture is None else crop(picture, cx, cy),
            )
        )  # fmt: skip
    return Comparison(
        class_name=class_name, x=x, y=y, crop=crop(image, x, y), neighbours=tuple(neighbours),
        images=len(bank.keys), of=bank.of, backbone=loaded.extractor.tag,
        strides=tuple(loaded.extractor.strides[i] for i in levels_of(loaded)),
        whole=_whole(bank, patches_HWD),
    )  # fmt: skip


def _at(patches_HWD: npt.NDArray[np.float16], x: float, y: float) -> Floats:
    """The description of the patch that holds a point given in shares."""
    height, width = patches_HWD.shape[:2]
    row, column = min(height - 1, int(y * height)), min(width - 1, int(x * width))
    query_D: Floats = patches_HWD[row, column].astype(np.float32)
    return query_D


def _nearest(
    bank: Bank, query_D: Floats, k: int, without: int | None = None
) -> list[tuple[int, int, float]]:
    """(image, place, distance) of the nearest patch of each of the k nearest images."""
    count = len(bank.keys)
    best, places = np.full(count, np.inf, np.float32), np.zeros(count, np.intp)
    for start in range(0, count, BLOCK):
        block = bank.patches[start : start + BLOCK].astype(np.float32)
        flat = block.reshape(len(block), -1, block.shape[-1])
        flat -= query_D
        squared = np.einsum("npd,npd->np", flat, flat)
        places[start : start + BLOCK] = squared.argmin(axis=1)
        best[start : start + BLOCK] = squared.min(axis=1)
    if without is not None:
        best[without] = np.inf
    order = [int(i) for i in np.argsort(best, kind="stable")[:k] if np.isfinite(best[i])]
    return [(i, int(places[i]), math.sqrt(float(best[i]))) for i in order]


def _whole(bank: Bank, patches_HWD: npt.NDArray[np.float16]) -> Whole:
    """Where the mean of a picture lies among those of the normal ones."""
    means_ND = bank.means_ND
    own_N = np.empty(len(means_ND))
    for place, mean_D in enumerate(means_ND):
        away_N = np.square(means_ND - mean_D).sum(axis=1)
        away_N[place] = np.inf
        own_N[place] = away_N.min()
    nearest = float(np.square(means_ND - mean_of(patches_HWD)).sum(axis=1).min())
    known = np.isfinite(own_N)
    closer = int((own_N[known] < nearest).sum())
    return Whole(math.sqrt(nearest), closer, int(known.sum()))
