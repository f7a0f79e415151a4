"""How much a flaw stands out from its surroundings: a property of the data, not of any method.

The contrast of a region is its contrast-to-noise ratio in the image at a run's size (Song, Pogue,
Jiang et al., "Automated region detection based on the contrast-to-noise ratio in near-infrared
tomography", Applied Optics 43, 2004, equation 1):

    |mean inside - mean of the ring| / sqrt(share inside x variance inside + share of the ring x
                                            variance of the ring)

on luminance (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B). The ring holds the pixels at most `RING`
steps from the region (horizontal, vertical or diagonal ones), without those of any other region.
The shares are those of the pixels of both. The noise is taken to be at least that of rounding to
whole grey levels, 1/sqrt(12), so that a drawn flaw on a flat ground has a finite contrast.

Images and regions are those prepared for the runs, so numbers and areas are those of the runs'
region tables: region i of an image is the one prepared as i + 1. Measured once and kept in
<workspace>/cache/contrast/<fingerprint>-<size>.parquet; deleting it loses nothing. Where the data
set's folder is gone, what was prepared of it may still be there and is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.base import Dataset, DatasetCard
from core.data.prepare_fill import Found, mask_key
from core.data.prepare_hashes import Hashes
from core.data.prepare_pool import Pool
from core.data.prepared import prepare
from core.errors import DataError
from core.types import Sample
from core.workspace import Workspace, write_atomically

Report = Callable[[float, str], None]
RING = 4
"""Width of the ring in pixels of the run's size."""
QUIETEST = 12**-0.5
"""Grey levels: the standard deviation of rounding."""
LUMINANCE = (0.299, 0.587, 0.114)
_FORM = "1"
"""Changes when kept files would be measured differently."""
_SCHEMA = pa.schema([
    ("key", pa.string()), ("region", pa.int32()), ("area_px", pa.int32()),
    ("contrast", pa.float64()),
])  # fmt: skip
_OFTEN = 25


@dataclass(frozen=True, slots=True)
class RegionContrast:
    """Pixels of a region, and its contrast; None where nothing surrounds it."""

    area_px: int
    contrast: float | None


def contrasts(
    image_CHW: npt.NDArray[np.uint8], regions_HW: npt.NDArray[np.integer], ring: int = RING
) -> list[RegionContrast]:
    """The contrast of every region of an image, in the order of their ids.

    Args:
        image_CHW: uint8 [3, H, W].
        regions_HW: 0 normal, 1 to n.
        ring: width of the surroundings in pixels.
    """
    from scipy import ndimage  # loads slowly, and is not needed where contrasts are kept

    grey_HW = np.tensordot(np.asarray(LUMINANCE), image_CHW.astype(np.float64), axes=1)
    height, width = regions_HW.shape
    found = []
    for number, box in enumerate(ndimage.find_objects(regions_HW.astype(np.int32)), start=1):
        if box is None:
            continue
        rows, columns = box
        near = (
            slice(max(0, rows.start - ring), min(height, rows.stop + ring)),
            slice(max(0, columns.start - ring), min(width, columns.stop + ring)),
        )
        inside = regions_HW[near] == number
        away = ndimage.distance_transform_cdt(~inside, metric="chessboard")
        around = (away <= ring) & (regions_HW[near] == 0)
        area = int(inside.sum())
        contrast = _contrast(grey_HW[near][inside], grey_HW[near][around]) if around.any() else None
        found.append(RegionContrast(area, contrast))
    return found


def _contrast(inside_P: npt.NDArray[np.float64], around_P: npt.NDArray[np.float64]) -> float:
    pixels = len(inside_P) + len(around_P)
    pooled = (len(inside_P) * inside_P.var() + len(around_P) * around_P.var()) / pixels
    noise = max(float(np.sqrt(pooled)), QUIETEST)
    return abs(float(inside_P.mean() - around_P.mean())) / noise


def file_of(workspace: Workspace, fingerprint: str, size: int) -> Path:
    """Where the contrasts of a data set at a size are kept.

    Raises:
        DataError: a fingerprint that is no plain word.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{1,128}", fingerprint):
        raise DataError(f"Fingerprint {fingerprint!r} is not made of letters and digits alone.")
    return workspace.root / "cache" / "contrast" / f"{fingerprint}-{int(size)}.parquet"


def kept(workspace: Workspace, fingerprint: str, size: int) -> pa.Table | None:
    """Columns key, region, area_px, contrast, as they were measured; None when they never were."""
    path = file_of(workspace, fingerprint, size)
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return None
    about = json.loads((table.schema.metadata or {}).get(b"flawscope", b"{}"))
    return table.select(_SCHEMA.names) if about == _about() else None


def measure(
    workspace: Workspace, root: Path, samples: Sequence[Sample], fingerprint: str, size: int,
    report: Report | None = None,
) -> pa.Table:  # fmt: skip
    """Measure the contrast of every region of these samples and keep it.

    Args:
        root: the data set's folder; need not be there any more.
        samples: the anomalous test samples that have masks.
        report: called with the share done and what is done, in this thread.

    Returns:
        as `kept`; empty when there is no region.

    Raises:
        DataError: neither the files nor what was prepared of them is there any more.
    """
    pool = _Pool(workspace, root, size)
    lacking = [sample for sample in samples if pool.rows(sample) is None]
    if lacking and root.is_dir():
        dataset = Dataset(root.name, root, "", "", DatasetCard(title="", summary=""), ())
        prepare(dataset, size, workspace, samples=lacking, report=report)
        pool = _Pool(workspace, root, size)
    columns: dict[str, list[object]] = {name: [] for name in _SCHEMA.names}
    measured = 0
    for done, (sample, image_CHW, regions_HW) in enumerate(pool.pictures(samples), start=1):
        for number, one in enumerate(contrasts(image_CHW, regions_HW)):
            for name, value in zip(
                columns, (sample.key, number, one.area_px, one.contrast), strict=True
            ):
                columns[name].append(value)
        measured = done
        if report is not None and done % _OFTEN == 0:
            report(min(1.0, done / len(samples)), f"{done} of {len(samples)} images measured")
    if samples and not measured:
        raise DataError(
            f"The images below {root} are gone, and no copies of them were kept at {size} px, so "
            "the contrast of their flaws cannot be measured; put the folder back."
        )
    table = pa.table(columns, schema=_SCHEMA)
    about = {b"flawscope": json.dumps(_about()).encode()}
    path = file_of(workspace, fingerprint, size)
    write_atomically(path, lambda f: pq.write_table(table.replace_schema_metadata(about), f))
    return table


def _about() -> dict[str, object]:
    return {"form": _FORM, "ring": RING}


class _Pool:
    """What was prepared of a data set, as its files were when they were last read."""

    def __init__(self, workspace: Workspace, root: Path, size: int) -> None:
        self._hashes = Hashes(root, workspace)
        self._pool = Pool(workspace, size)
        self._index = self._pool.load()

    def rows(self, sample: Sample) -> tuple[int, int] | None:
        """Rows of the image and of its regions; None when either is not there."""
        if self._index is None:
            return None
        known = {key: self._hashes.last_known(key) for key in (sample.key, *sample.masks)}
        found = Found({key: digest for key, digest in known.items() if digest is not None}, {})
        image = self._index.images.get(found.hashes.get(sample.key, ""))
        mask = self._index.masks.get(mask_key(sample, found, self._index) or "")
        if image is None or mask is None or image.row < 0 or mask.row < 0:
            return None
        return image.row, mask.row

    def pictures(
        self, samples: Sequence[Sample]
    ) -> Iterator[tuple[Sample, npt.NDArray[np.uint8], npt.NDArray[np.uint16]]]:
        """Image and regions of every sample of which both are there."""
        if self._index is None:
            return
        images, regions = self._pool.images(self._index), self._pool.regions(self._index)
        for sample in samples:
            places = self.rows(sample)
            if places is not None:
                yield sample, images[places[0]], regions[places[1]]
