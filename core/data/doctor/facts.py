"""What the doctor knows of every image: one row a sample, read once and remembered.

column                    type       meaning
width, height             int        pixels of the upright image; 0 when it cannot be decoded
stored_width, .._height   int        before EXIF rotation
mode, format              text       as Pillow names them ("RGB", "PNG")
kind                      text       what was unusual and is converted ("16-bit grey"), or ""
bytes                     int        of the file
brightness, contrast      float      mean and standard deviation of luminance, 0 to 1
sharpness                 float      variance of the Laplacian of the grey image at 128 x 128 px
phash                     uint64     see `signatures.phash`
grey                      bytes      32 x 32 luminances, a finer signature
sha256                    text       of the file
error                     text       why the image cannot be used, one sentence, or ""

and, of anomalous samples (see `mask_facts` for the columns `mask_*`, `regions`, `area_*`, ...).

Images are decoded as small as their format allows: a JPEG's luminance at an eighth to a half of
its side, which is several times as quick as the whole and still reads every byte of it. Rows are
filed in <workspace>/cache/doctor/facts by what the image and its masks contain.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from core.data.base import Dataset
from core.data.doctor import facts_cache, mask_facts
from core.data.doctor.signatures import GREY_SIDE, phash
from core.data.images import Unreadable, eight_bit, opened, turn_image
from core.data.layout import inside
from core.data.prepare_fill import Report, cores, look_up
from core.data.prepare_hashes import MISSING, Hashes
from core.errors import DataError
from core.types import Sample
from core.workspace import Workspace

SIDE = 128
"""Pixels a side at which brightness, contrast and sharpness are measured."""
_CHUNK = 256
_ORIENTATION = 0x0112

Row = dict[str, Any]
EMPTY: Row = {
    "width": 0, "height": 0, "stored_width": 0, "stored_height": 0, "mode": "", "format": "",
    "kind": "", "bytes": 0, "brightness": np.nan, "contrast": np.nan, "sharpness": np.nan,
    "phash": np.uint64(0), "grey": b"", "sha256": "", "reason": "", **mask_facts.NONE,
}  # fmt: skip
"""A row of which nothing is known."""


def collect(dataset: Dataset, workspace: Workspace, tell: Report | None = None) -> pd.DataFrame:
    """The facts of all samples, in their order; see the module for the columns.

    Args:
        tell: called with the fraction done and a message, in the calling thread; what it raises
            ends the work, and what is known by then is kept.

    Returns:
        One row a sample, index "key".
    """
    samples = dataset.samples
    hashes = Hashes(dataset.root, workspace)
    found = look_up(samples, hashes)
    cache = facts_cache.Cache(dataset.root, workspace)
    looker = _Looker(dataset.root, hashes, found.hashes, cache)
    try:
        with ThreadPoolExecutor(cores(), thread_name_prefix="doctor") as executor:
            ids: list[str] = []
            for start in range(0, len(samples), _CHUNK):
                ids += executor.map(looker.look, samples[start : start + _CHUNK])
                if tell is not None:
                    tell(len(ids) / len(samples), f"{len(ids)} of {len(samples)} images looked at")
    finally:
        hashes.save()
        cache.save()
    return _table(samples, ids, cache, looker.failed)


class _Looker:
    """Reads files and measures; `look` may be called from several threads at once."""

    def __init__(
        self, root: Path, hashes: Hashes, known: dict[str, str], cache: facts_cache.Cache
    ) -> None:
        self._root = root
        self._hashes = hashes
        self._known = known
        self._cache = cache
        self.failed: dict[str, str] = {}

    def look(self, sample: Sample) -> str:
        """The cache id of the sample's row, which is there afterwards; "" when it has none."""
        masks = sample.masks if sample.label == 1 else ()
        for mask in masks:
            if mask not in self._known:
                self._read(mask)
        image: bytes | None = None
        if sample.key not in self._known:
            image = self._read(sample.key)
        digest = self._known.get(sample.key)
        if digest is None:
            return ""
        content = [self._known.get(mask, MISSING) for mask in masks]
        id = hashlib.sha256(repr([digest, sample.label, content]).encode()).hexdigest()
        if id not in self._cache:
            data = image if image is not None else self._read(sample.key)
            if data is None:
                return ""
            row = measure(data) | {"sha256": digest}
            if sample.label == 1:
                files = [(m, self._path(m)) for m in masks]
                orientation = row.pop("orientation")
                row |= mask_facts.measure(files, row, orientation)
            row.pop("orientation", None)
            self._cache.add(id, row)
        return id

    def _path(self, key: str) -> Path | None:
        try:
            return inside(self._root, key)
        except DataError:
            return None

    def _read(self, key: str) -> bytes | None:
        """A file's bytes, its hash remembered; None, and a reason, when it cannot be read."""
        try:
            with inside(self._root, key).open("rb") as file:
                if key not in self._known:
                    self._known[key] = self._hashes.hash(key, file)
                return file.read()
        except DataError as error:
            self.failed[key] = str(error)
        except OSError as error:
            said = error.strerror or str(error)
            self.failed[key] = (
                f"{key} cannot be read ({said}); check that it is there, and its disk."
            )
        self._known.pop(key, None)
        return None


def measure(data: bytes) -> Row:
    """The facts of one image file, and its "orientation"; "reason" says why there are none."""
    row: Row = {**EMPTY, "bytes": len(data), "orientation": 1}
    try:
        with opened(io.BytesIO(data), "", load=False) as image:
            row |= {"mode": image.mode, "format": image.format or ""}
            row["stored_width"], row["stored_height"] = image.size
            image.draft("L", (2 * SIDE, 2 * SIDE))  # JPEG alone; nothing happens to others
            image.load()
            row["orientation"] = int(image.getexif().get(_ORIENTATION, 1))
            plain: Image.Image = image
            if image.mode not in ("L", "RGB"):
                plain, row["kind"] = eight_bit(image, "")
            small = plain.resize((SIDE, SIDE), Image.Resampling.BOX).convert("L")
    except (Unreadable, DataError) as error:
        reason = error.reason if isinstance(error, Unreadable) else str(error).strip()
        return row | {"reason": reason}
    turned = row["orientation"] in (5, 6, 7, 8)
    sides = (row["stored_width"], row["stored_height"])
    row["width"], row["height"] = sides[::-1] if turned else sides
    return row | _looks(turn_image(small, row["orientation"]))


def _looks(small: Image.Image) -> Row:
    """What the grey image of `SIDE` x `SIDE` pixels says."""
    grey = np.asarray(small, dtype=np.float32)
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    step = SIDE // GREY_SIDE
    cells = grey.reshape(GREY_SIDE, step, GREY_SIDE, step).mean(axis=(1, 3))
    return {
        "brightness": float(grey.mean()) / 255,
        "contrast": float(grey.std()) / 255,
        "sharpness": float(laplacian.var()),
        "phash": phash(cells),
        "grey": np.rint(cells).astype(np.uint8).tobytes(),
    }


def _table(
    samples: Sequence[Sample], ids: Iterable[str], cache: facts_cache.Cache, failed: dict[str, str]
) -> pd.DataFrame:
    keys = [sample.key for sample in samples]
    facts = cache.rows(list(ids), EMPTY)
    facts.index = pd.Index(keys, name="key", dtype=object)
    reasons = facts.pop("reason")
    facts["error"] = [
        failed.get(key) or (f"{key} {reason}" if reason else "")
        for key, reason in zip(keys, reasons, strict=True)
    ]
    bare = [sample.label == 1 and not sample.masks for sample in samples]
    facts.loc[bare, "mask_state"] = "none"
    gone = [
        sample.label == 1 and any(mask in failed for mask in sample.masks) for sample in samples
    ]
    facts.loc[gone, "mask_state"] = "missing"
    facts.loc[facts["error"] != "", "mask_state"] = ""
    return facts
