"""The training images of a stored run again, and cut-outs of them."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data.images import decode, squash
from core.data.layout import inside
from core.data.prepare_hashes import Hashes
from core.data.prepare_pool import Pool
from core.engine.reload import Loaded
from core.errors import DataError
from core.workspace import Workspace

CROP_SHARE = 0.25
"""Side of a square crop as a share of the root of the image's area."""
CROP_PIXELS = 160


class Recall:
    """Training images again: the prepared copy, the file itself, or none when both are gone."""

    def __init__(self, loaded: Loaded, workspace: Workspace) -> None:
        self._root, self._size = loaded.data_root, loaded.config.size
        pool = Pool(workspace, self._size)
        self._index = pool.load()
        self._hashes = Hashes(self._root, workspace)
        self._images = pool.images(self._index) if self._index else None

    def small(self, key: str) -> npt.NDArray[np.uint8] | None:
        """uint8 [3, s, s] as the run saw it."""
        digest = self._hashes.last_known(key)
        if self._index is not None and self._images is not None and digest is not None:
            row = self._index.images.get(digest)
            if row is not None and row.row >= 0:
                return np.array(self._images[row.row])
        try:
            return squash(decode(inside(self._root, key), key).image, self._size)
        except (DataError, OSError):
            return None

    def picture(self, key: str) -> Image.Image | None:
        """The file in its own resolution, else the prepared copy."""
        try:
            return decode(inside(self._root, key), key).image
        except (DataError, OSError):
            small_CHW = self.small(key)
            return None if small_CHW is None else Image.fromarray(np.moveaxis(small_CHW, 0, -1))


def crop(image: Image.Image, x: float, y: float) -> str:
    """The surroundings of a point given in shares as WebP, base64; moved inside at the border."""
    side = max(1, round(CROP_SHARE * math.sqrt(image.width * image.height)))
    width, height = min(side, image.width), min(side, image.height)
    left = min(max(0, round(x * image.width - width / 2)), image.width - width)
    top = min(max(0, round(y * image.height - height / 2)), image.height - height)
    cut = image.crop((left, top, left + width, top + height)).convert("RGB")
    scale = CROP_PIXELS / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    buffer = io.BytesIO()
    cut.resize(size, Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=88, method=2)
    return base64.b64encode(buffer.getvalue()).decode()
