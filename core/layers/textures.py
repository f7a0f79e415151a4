"""Where the anomalies' textures come from: a folder of images, or a generator.

DRAEM, DeSTSeg and RealNet lay pieces of foreign textures over normal images; their papers take
them from the Describable Textures Dataset (DTD, 5,640 images). A folder of any images serves;
without one the textures are generated (`core.layers.drawn_textures`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from core.data.images import Unreadable, decode, fsname, squash
from core.errors import UsageError
from core.layers.drawn_textures import drawn_textures
from core.layers.texture_operations import altered

__all__ = ["Textures", "altered", "describe"]

KEPT_BYTES = 1 << 30
"""Of decoded textures; in larger folders the files beyond it are decoded at every use."""


class Textures:
    """Draws textures, each time others; from torch's global generator.

    A folder is opened when first drawn from, so that a trained model needs none; its images are
    then decoded one by one and kept as uint8. Files that turn out not to be images are passed
    over: the next one takes their place.

    Args:
        folder: searched with its subfolders; "" for generated textures.
        size: side of the textures in pixels; images are resized to it, aspect ignored.
        setting: the setting that names the folder, for what is said when it is not there.
    """

    def __init__(self, folder: str, size: int, setting: str = "textures") -> None:
        self.size = size
        self._folder, self._setting = folder, setting
        self._kept: npt.NDArray[np.uint8] | None = None

    @cached_property
    def _files(self) -> list[Path]:
        return _image_files(self._folder, self._setting) if self._folder else []

    @cached_property
    def _state(self) -> npt.NDArray[np.int8]:
        return np.zeros(len(self._files), dtype=np.int8)

    def draw(self, count: int, device: torch.device) -> Tensor:
        """Textures float32 [count, 3, size, size] in 0..1.

        Raises:
            UsageError: the folder is missing, or none of its files is a readable image.
        """
        if not self._files:
            return drawn_textures(count, self.size, device)
        places = torch.randint(len(self._files), (count,)).tolist()
        images = np.stack([self._readable(place) for place in places])
        return torch.from_numpy(images).to(device).float() / 255

    def _readable(self, place: int) -> npt.NDArray[np.uint8]:
        """The image at a place, or the first readable one after it."""
        for offset in range(len(self._files)):
            image = self._image((place + offset) % len(self._files))
            if image is not None:
                return image
        raise _nothing_in(self._folder, self._setting)

    def _image(self, place: int) -> npt.NDArray[np.uint8] | None:
        """uint8 [3, size, size]; None when the file is no image."""
        if self._kept is None:
            room = max(1, KEPT_BYTES // (3 * self.size**2))
            shape = (min(len(self._files), room), 3, self.size, self.size)
            self._kept = np.empty(shape, dtype=np.uint8)  # pages are touched as they fill
        if self._state[place] == _KEPT:
            return np.asarray(self._kept[place])
        image = None if self._state[place] == _BROKEN else _small(self._files[place], self.size)
        if image is None:
            self._state[place] = _BROKEN
        elif place < len(self._kept):
            self._kept[place] = image
            self._state[place] = _KEPT
        return image


_KEPT, _BROKEN = 1, 2


def describe(folder: str) -> str:
    """What a run says of its textures, one sentence.

    Raises:
        UsageError: the folder is missing or holds no readable image.
    """
    if not folder:
        return (
            "Texture images: generated, because no folder was given; the paper takes photographs "
            "of textures (DTD)."
        )
    count = require_images(folder, "textures")
    images = "1 image" if count == 1 else f"{count:,} images"
    return f"Texture images: {images} from {fsname(folder)}."


def require_images(folder: str, setting: str) -> int:
    """How many image files a folder holds, at least one of them readable.

    Args:
        setting: the setting that names the folder, for the sentence.

    Raises:
        UsageError: the folder is missing or holds no readable image.
    """
    files = _image_files(folder, setting)
    if not any(_small(path, 8) is not None for path in files):
        raise _nothing_in(folder, setting)
    return len(files)


def _image_files(folder: str, setting: str) -> list[Path]:
    """Files with a suffix that Pillow can open, sorted; hidden ones left out."""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UsageError(
            f"Setting {setting} came as {fsname(folder)!r}, which is no folder; give a folder of "
            "images, or leave it empty."
        )
    suffixes = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN
    }
    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    )
    if not files:
        raise _nothing_in(folder, setting)
    return files


def _nothing_in(folder: str, setting: str) -> UsageError:
    return UsageError(
        f"Setting {setting} names {fsname(folder)!r}, which holds no readable image; give another "
        "folder, or leave it empty."
    )


def _small(path: Path, size: int) -> npt.NDArray[np.uint8] | None:
    try:
        return squash(decode(path, str(path)).image, size)
    except Unreadable:
        return None
