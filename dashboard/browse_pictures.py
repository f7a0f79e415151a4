"""Small pictures for galleries of any size: made in threads, kept on disk and some in memory.

    futures = ask(root, samples)       those not made yet are begun, in the order of the samples
    pictures = ready(futures, 0.4)     what is there after at most that many seconds; else None
    ahead(root, samples)               begun when nothing else waits

The outline of the mask is a layer of its own above the photograph, so that it can be switched off.
Pillow lets go of the interpreter while it decodes, so that the server answers meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np
from PIL import Image

from core.data import regions, thumbnails
from core.data.layout import inside
from core.errors import FlawscopeError
from core.types import Sample
from core.workspace import Workspace, write_atomically
from dashboard.gallery import HALO, OUTLINE, SIDE, kind
from dashboard.queries import workspace

KEPT = 3000
"""Pictures kept in memory, of about 6 kB each."""
_Key: TypeAlias = tuple[str, str, str, tuple[str, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Small:
    """A photograph and the outline of its mask, as data URIs; "" when there is none."""

    photo: str
    outline: str = ""


Asked: TypeAlias = "Future[Small]"
_held: OrderedDict[_Key, Asked] = OrderedDict()
_early: list[tuple[_Key, Asked]] = []
_lock = Lock()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="thumbnails")


def ask(root: Path, samples: Sequence[Sample]) -> list[Asked]:
    """One future a sample; what was only wanted `ahead` steps back."""
    with _lock:
        for key, job in _early:
            if job.cancel():
                _held.pop(key, None)
        _early.clear()
    return [_ask(root, sample)[1] for sample in samples]


def ahead(root: Path, samples: Sequence[Sample]) -> None:
    """Begin those that will be wanted next."""
    early = [_ask(root, sample) for sample in samples]
    with _lock:
        _early.extend((key, job) for key, job in early if not job.done())


def ready(asked: Sequence[Asked], patience: float) -> list[Small | None]:
    """What is there after at most `patience` seconds; an unreadable one has an empty photo."""
    wait(asked, timeout=patience)
    return [_result(job) if job.done() else None for job in asked]


def _result(job: Asked) -> Small | None:
    try:
        return job.result()
    except CancelledError:  # wanted ahead by one page, asked for by another
        return None


def _ask(root: Path, sample: Sample) -> tuple[_Key, Asked]:
    place = workspace()
    masks = sample.masks if sample.label else ()
    times = tuple(_time(root, name) for name in (sample.key, *masks))
    key = (str(place.root), str(root), sample.key, masks, times)
    with _lock:
        job = _held.get(key)
        if job is None or job.cancelled():
            job = _threads().submit(small, place, root, sample.key, masks)
            _held[key] = job
            while len(_held) > KEPT:
                _held.popitem(last=False)
        _held.move_to_end(key)
    return key, job


def _time(root: Path, key: str) -> int:
    try:
        return (root / key).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def small(place: Workspace, root: Path, key: str, masks: tuple[str, ...]) -> Small:
    """The picture of an image; empty when it cannot be read, without outline when the mask cannot
    or does not fit."""
    try:
        photo = thumbnails.thumbnail(root, key, SIDE, place)
    except (FlawscopeError, OSError):
        return Small("")
    line = b""
    if masks:
        try:
            line = _outline(place, root, key, masks, photo)
        except (FlawscopeError, OSError):
            line = b""
    return Small(_uri(photo), _uri(line))


def _outline(place: Workspace, root: Path, key: str, masks: tuple[str, ...], photo: bytes) -> bytes:
    """The layer with the outline, made once; empty when the mask does not fit."""
    paths = [inside(root, mask) for mask in masks]
    image = inside(root, key)
    told = [
        f"{os.fspath(path)}\0{at.st_size}\0{at.st_mtime_ns}"
        for path in (image, *paths) if (at := path.stat())
    ]  # fmt: skip
    digest = hashlib.sha256(os.fsencode("\0".join((f"outline {SIDE}", *told)))).hexdigest()
    file = place.root / "cache" / "thumbnails" / digest[:2] / f"{digest[2:40]}.outline"
    try:
        return file.read_bytes()
    except OSError:
        with Image.open(io.BytesIO(photo)) as header:
            size = header.size
        mask_HW = thumbnails.mask_picture(paths, size, image=image)
        line = b"" if mask_HW is None else layer(mask_HW)
        write_atomically(file, lambda out: out.write(line))
        return line


def layer(mask_HW: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> bytes:
    """A transparent WebP of a mask's size: a light line around the mask, a dark one around that.

    The lines lie outside the mask, so that the flaw itself stays visible.
    """
    line_HW, halo_HW = regions.outline(mask_HW)
    drawn = np.zeros((*mask_HW.shape, 4), np.uint8)
    drawn[halo_HW], drawn[line_HW] = (*HALO, 255), (*OUTLINE, 255)
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "WEBP", lossless=True, method=2)
    return buffer.getvalue()


def _uri(data: bytes) -> str:
    return f"data:{kind(data)};base64,{base64.b64encode(data).decode()}" if data else ""
