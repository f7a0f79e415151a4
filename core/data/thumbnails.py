"""Small pictures for the pages, made once and kept in the workspace's cache.

Files are named by a hash of the path, its size and times and the picture asked for, so a
changed image gets a new picture. WebP: a 1024-pixel photo takes a twentieth of its PNG.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from core.data.images import (
    Mask,
    Unreadable,
    decode,
    decode_mask,
    fit_mask,
    fsname,
    join_masks,
    squash_mask,
)
from core.data.layout import inside
from core.workspace import Workspace, write_atomically


def thumbnail(
    dataset_root: Path, key: str, side: int = 160, workspace: Workspace | None = None
) -> bytes:
    """A WebP of an image, fitted into side x side pixels, aspect kept.

    Args:
        dataset_root, key: which image; a key that leads out of the root is refused.
        side: longest side in pixels.
        workspace: where it is kept; default the one `Workspace.locate` finds.

    Raises:
        DataError: the image cannot be read.
    """
    path = inside(dataset_root, key)
    place = workspace or Workspace.locate()
    return _kept(place, path, key, f"thumbnail {side}", lambda: _webp(path, key, side, 75)[0])


def picture(
    path: Path, longest: int = 1024, workspace: Workspace | None = None
) -> tuple[bytes, int, int]:
    """An image in its own aspect as WebP, its longest side at most `longest` pixels.

    Args:
        path: the image file; check keys with `core.data.layout.inside` before.
        longest: in pixels; a smaller image is not enlarged.
        workspace: keeps the picture; None encodes it anew each time.

    Returns:
        The WebP file, its width and its height in pixels.

    Raises:
        DataError: the image cannot be read.
    """
    name = fsname(path)
    if workspace is None:
        return _webp(path, name, longest, 90)
    data = _kept(
        workspace, path, name, f"picture {longest}", lambda: _webp(path, name, longest, 90)[0]
    )
    with Image.open(io.BytesIO(data)) as image:  # reads the header only
        return data, image.width, image.height


def mask_picture(
    paths: Sequence[Path], size: tuple[int, int], image: Path | None = None
) -> Mask | None:
    """The masks of an image, joined and resized.

    Args:
        paths: its mask files, at least one.
        size: width and height in pixels, those of the `picture` it will lie on.
        image: the image file; given, the masks have to fit it, and are turned with it where
            `core.data.images` says so.

    Returns:
        bool [height, width], True where at least half of a pixel is anomalous; None when the
        masks do not fit the image.

    Raises:
        DataError: a mask or the image cannot be read, or masks differ in size.
    """
    mask = join_masks([(fsname(path), decode_mask(path, fsname(path))) for path in paths])
    if image is not None:
        shown = decode(image, fsname(image))
        fitted = fit_mask(mask, shown.image.size, shown.stored_size, shown.orientation)
        if fitted is None:
            return None
        mask = fitted
    return squash_mask(mask, size)


def _webp(path: Path, name: str, longest: int, quality: int) -> tuple[bytes, int, int]:
    image = decode(path, name).image
    image.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    # method 2: two thirds of the time of the default, files a few per cent larger
    image.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue(), image.width, image.height


def _kept(
    workspace: Workspace, path: Path, name: str, what: str, make: Callable[[], bytes]
) -> bytes:
    """The stored picture of an unchanged file, else a new one, which is stored."""
    try:
        stat = path.stat()
    except OSError:
        raise Unreadable(name, "is not there; open the data set again.") from None
    stamp = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {what}"
    digest = hashlib.sha256(os.fsencode(path) + b"\0" + stamp.encode()).hexdigest()
    file = workspace.root / "cache" / "thumbnails" / digest[:2] / f"{digest[2:40]}.webp"
    try:
        return file.read_bytes()
    except OSError:
        data = make()
        write_atomically(file, lambda out: out.write(data))
        return data
