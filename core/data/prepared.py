"""Prepared data: every image decoded and resized once, memory-mapped, keyed by its content.

    prepare(dataset, size, workspace) -> Prepared

Images are squashed to size x size (bilinear with antialiasing, as ADer does) and kept as uint8;
masks are joined, resized alike, thresholded at one half and kept as numbered regions. Rows are
filed by the SHA-256 of what they were made from: a changed file gets a new row, an unchanged
or copied one is never decoded again. See `prepare_pool` for the files, `prepare_hashes` for how
changes are noticed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.base import Dataset
from core.data.layout import Findings
from core.data.prepare_fill import (
    Filler,
    Found,
    Report,
    images_to_do,
    look_up,
    mask_key,
    masks_to_do,
)
from core.data.prepare_hashes import MISSING, Hashes, fingerprint
from core.data.prepare_pool import ImageRow, Index, Pool
from core.errors import DataError
from core.types import Problem, Sample
from core.workspace import Workspace

Rows = Sequence[int] | npt.NDArray[np.integer]
TINY = 8
"""Images of fewer pixels a side are named in a warning."""

_CONVERTED = {
    "16-bit grey": "scaled by the full range of 16 bits; if they fill only a part of it and look "
    "black, save them stretched to 8 bits",
    "palette": "converted to RGB; check that the colours are meant",
    "CMYK": "converted to RGB without a colour profile; save them as RGB for exact colours",
    "with alpha": "read without their transparency; flatten them if it matters",
}
_MASK_FAULTS = {
    "empty": "{masks} marks no pixel although {key} is anomalous; it counts for image metrics "
    "only; draw the mask, or move the image to the normal ones.",
    "vanished": "{masks} ({detail} px) has nothing left at {size} px; {key} counts for image "
    "metrics only; choose a larger size.",
    "size": "{masks} has {detail} px but {key} {width}x{height} px; it counts for image metrics "
    "only; save the mask at the image's size.",
    "crowded": "{masks} has more than 65,535 regions; {key} counts for image metrics only; "
    "check that it is a mask.",
    "unreadable": "{masks} {detail} Until then {key} counts for image metrics only.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Images and regions of a data set at one size; rows are places in `samples`.

    Attributes:
        size: side of images and regions in pixels.
        samples: the usable ones, in the data set's order.
        problems: the data set's own, then what preparing found.
        fingerprint: see `prepare_hashes.fingerprint`; covers unusable samples too.
        has_mask: bool [n]; False where pixel metrics must leave the sample out: an anomalous
            one without a usable mask. Normal samples are True, their regions are zeros.
        original_sizes: int [n, 2], width and height of the upright image in pixels.
    """

    size: int
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    fingerprint: str
    has_mask: npt.NDArray[np.bool_]
    original_sizes: npt.NDArray[np.int64]
    _images: npt.NDArray[np.uint8]
    _regions: npt.NDArray[np.uint16]
    _image_rows: npt.NDArray[np.intp]
    _region_rows: npt.NDArray[np.intp]

    def images(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """uint8 [B, 3, size, size], RGB; a copy."""
        return self._images[self._image_rows[np.asarray(rows, dtype=np.intp)]]

    def regions(self, rows: Rows) -> npt.NDArray[np.uint16]:
        """uint16 [B, size, size]: 0 normal, 1 to n the 8-connected anomalous regions; a copy."""
        wanted = self._region_rows[np.asarray(rows, dtype=np.intp)]
        regions_BHW = np.zeros((len(wanted), self.size, self.size), dtype=np.uint16)
        regions_BHW[wanted >= 0] = self._regions[wanted[wanted >= 0]]
        return regions_BHW

    def rows(self, split: str | None = None, class_name: str | None = None) -> npt.NDArray[np.intp]:
        """Rows of a split, of a class, of both, or all, in order."""
        chosen = [
            row
            for row, sample in enumerate(self.samples)
            if (split is None or sample.split == split)
            and (class_name is None or sample.class_name == class_name)
        ]
        return np.array(chosen, dtype=np.intp)

    @property
    def bytes(self) -> int:
        """Bytes of these samples' images and regions in the cache."""
        area = self.size * self.size
        return 3 * area * len(self.samples) + 2 * area * int((self._region_rows >= 0).sum())


def prepare(
    dataset: Dataset,
    size: int,
    workspace: Workspace,
    *,
    samples: Sequence[Sample] | None = None,
    workers: int | None = None,
    report: Report | None = None,
) -> Prepared:
    """Decode what is not decoded yet, and open the rest.

    Args:
        dataset: as a reader read it.
        size: side in pixels.
        samples: those to prepare; default all of the data set's.
        workers: threads; default one a core.
        report: called with the fraction done and a message, in the calling thread; what it
            raises ends the preparation, and finished rows are kept.

    Raises:
        DataError: no image can be used, or the disk is full.
    """
    chosen = dataset.samples if samples is None else tuple(samples)
    hashes = Hashes(dataset.root, workspace)
    pool = Pool(workspace, size)
    found = look_up(chosen, hashes)
    index = pool.load()
    images = images_to_do(chosen, found, index)
    if images or masks_to_do(chosen, found, index):

        def waiting() -> None:
            if report is not None:
                report(0.0, "waiting for another run that is preparing images")

        pool.need(len(images))
        try:
            with pool.writing(waiting) as writer:
                Filler(dataset.root, size, hashes, found, writer).fill(chosen, workers, report)
                index = writer.index
        except OSError as error:
            raise DataError(
                f"Prepared images cannot be written below {workspace.prepared} "
                f"({error.strerror or error}); free some space there or choose another workspace."
            ) from error
        finally:
            hashes.save()
    if index is None:
        raise DataError(f"{dataset.name} has no samples to prepare; choose another class.")
    return _open(dataset, chosen, found, index, pool)


def recall(root: Path, key: str, size: int, workspace: Workspace) -> npt.NDArray[np.uint8] | None:
    """The prepared image of a file as it was last read, even when the file is gone.

    Returns:
        uint8 [3, size, size], or None when it was never prepared at that size.
    """
    pool = Pool(workspace, size)
    index = pool.load()
    digest = Hashes(root, workspace).last_known(key)
    if index is None or digest is None:
        return None
    image = index.images.get(digest)
    return pool.images(index)[image.row].copy() if image and image.row >= 0 else None


def _open(
    dataset: Dataset, chosen: tuple[Sample, ...], found: Found, index: Index, pool: Pool
) -> Prepared:
    findings = Findings()
    usable: list[tuple[Sample, ImageRow]] = []
    converted: dict[str, list[str]] = defaultdict(list)
    for sample in chosen:
        image = _image_of(sample, found, index, findings)
        if image is None:
            continue
        usable.append((sample, image))
        if image.kind:
            converted[image.kind].append(sample.key)
        if min(image.width, image.height) < TINY:
            findings.add(
                "warning",
                sample.key,
                f"{sample.key} has only {image.width}x{image.height} px, too few to show "
                "anything; replace it or take it out.",
                kind="tiny",
            )
    if not usable:
        first = findings.problems()[0].message if findings.problems() else "It has no samples."
        raise DataError(f"No image of {dataset.name} can be used. {first}")
    for kind, keys in converted.items():
        what = _CONVERTED.get(kind, "converted to RGB; save them as RGB for exact colours")
        findings.add(
            "note", keys[0], f"{len(keys)} images such as {keys[0]} are {kind} and were {what}."
        )
    region_rows = [_regions_of(s, image, found, index, findings, pool.size) for s, image in usable]
    labels = np.array([sample.label for sample, _ in usable])
    masked = np.array(region_rows, dtype=np.intp)
    return Prepared(
        size=pool.size,
        samples=tuple(sample for sample, _ in usable),
        problems=dataset.problems + findings.problems(),
        fingerprint=fingerprint(chosen, found.hashes),
        has_mask=(labels == 0) | (masked >= 0),
        original_sizes=np.array([(i.width, i.height) for _, i in usable], dtype=np.int64),
        _images=pool.images(index),
        _regions=pool.regions(index),
        _image_rows=np.array([image.row for _, image in usable], dtype=np.intp),
        _region_rows=masked,
    )


def _image_of(sample: Sample, found: Found, index: Index, findings: Findings) -> ImageRow | None:
    """The image of a sample, or None and a problem."""
    digest = found.hashes.get(sample.key)
    if digest is None:
        why = found.failed.get(sample.key, f"{sample.key} cannot be read.")
        findings.add("error", sample.key, why, kind="gone")
        return None
    image = index.images[digest]
    if image.row < 0:
        findings.add("error", sample.key, f"{sample.key} {image.reason}", kind="unreadable")
        return None
    return image


def _regions_of(
    sample: Sample, image: ImageRow, found: Found, index: Index, findings: Findings, size: int
) -> int:
    """The region row of a sample; -1, and a problem, when it should have one and has none."""
    if sample.label == 0 or not sample.masks:
        return -1  # an anomalous sample without mask files was named by its reader
    for mask in sample.masks:
        if mask in found.failed or found.hashes.get(mask, MISSING) == MISSING:
            why = found.failed.get(mask, f"{mask} cannot be read.")
            findings.add("warning", mask, why, kind="mask gone")
            return -1
    kept = index.masks[mask_key(sample, found, index) or ""]
    if kept.state != "ok":
        sentence = _MASK_FAULTS[kept.state].format(
            masks=" with ".join(sample.masks),
            key=sample.key,
            detail=kept.detail,
            size=size,
            width=image.width,
            height=image.height,
        )
        findings.add("warning", sample.key, sentence, kind=f"mask {kept.state}")
    return kept.row
