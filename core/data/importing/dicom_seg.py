"""Segmentations (DICOM-SEG) beside the images they refer to.

DICOM PS3.3 A.51 and C.8.20: each frame marks one segment (Segment Identification Sequence) on the
images it was derived from (Derivation Image Sequence, Source Image Sequence, Referenced SOP
Instance UID and, for files of several frames, Referenced Frame Number). Frames are binary, or hold
a share of the Maximum Fractional Value, of which at least half marks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.data.images import Mask
from core.data.importing.dicom_files import Scan, library
from core.data.layout import Findings
from core.errors import DataError

_FRACTION = 0x0062000E  # Maximum Fractional Value

Place = tuple[str, int]
"""An image: its SOP instance UID and its frame, from 0."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A frame of a segmentation that marks at least one pixel.

    Attributes:
        scan: the file.
        frame: which frame of it, from 0.
        label: of the segment, as the file calls it.
        pixels: how many are marked.
    """

    scan: Scan
    frame: int
    label: str
    pixels: int


def marks(
    segmentations: Iterable[Scan], images: Sequence[Scan], wanted: Sequence[str],
    findings: Findings,
) -> dict[Place, list[Mark]]:  # fmt: skip
    """What is marked on which image.

    Args:
        wanted: labels of segments that count, in any case; empty: all.
    """
    known = {scan.instance: scan for scan in images if scan.instance}
    found: dict[Place, list[Mark]] = defaultdict(list)
    for scan in segmentations:
        try:
            _read(scan, known, {one.lower() for one in wanted}, found, findings)
        except Exception:  # damaged bytes raise nearly anything
            findings.add(
                "error", "",
                f"{scan.called} is a segmentation that cannot be read; save it anew. The images it "
                "marks count as if it were not there.", kind="segmentation",
            )  # fmt: skip
    return found


def marked(marks: Sequence[Mark]) -> Mask:
    """The marks of one image joined, bool [H, W].

    Raises:
        DataError: a segmentation cannot be decoded.
    """
    pydicom = library()
    joined: Mask | None = None
    for mark in marks:
        try:
            ds = pydicom.Dataset()
            values = _frame(mark.scan, mark.frame, ds)
            one = _above_half(values, ds)
        except Exception:
            raise DataError(f"{mark.scan.called} cannot be decoded; save it anew.") from None
        joined = one if joined is None else joined | one
    assert joined is not None
    return joined


def main_label(marks: Sequence[Mark]) -> str:
    """The label of the segment that marks most pixels; of equals the first by name."""
    sums: dict[str, int] = defaultdict(int)
    for mark in marks:
        sums[mark.label] += mark.pixels
    return min(sums, key=lambda label: (-sums[label], label))


def _read(
    scan: Scan, known: dict[str, Scan], wanted: set[str], found: dict[Place, list[Mark]],
    findings: Findings,
) -> None:  # fmt: skip
    pydicom = library()
    ds = pydicom.dcmread(scan.path, stop_before_pixels=True)
    labels = {int(one.SegmentNumber): _label(one) for one in ds.SegmentSequence}
    shared = list(ds.get("SharedFunctionalGroupsSequence") or [])[:1]
    frames = list(ds.PerFrameFunctionalGroupsSequence)
    targets = [_targets(frame, shared, known) for frame in frames]
    if not any(targets):
        findings.add(
            "warning", "",
            f"{scan.called} is a segmentation of images that are not there, or that it does not "
            "name; put the images it was drawn on into the same folder.", kind="seg source",
        )  # fmt: skip
        return
    here: dict[Place, list[Mark]] = defaultdict(list)
    misfits = 0
    pixels = _frames(scan)
    for number, (frame, places, values) in enumerate(zip(frames, targets, pixels, strict=True)):
        label = labels[_segment(frame, shared)]
        if wanted and label.lower() not in wanted:
            continue
        count = int(_above_half(values, ds).sum())
        for place in places if count else ():
            if known[place[0]].size != scan.size:
                misfits += 1
                continue
            here[place].append(Mark(scan, number, label, count))
    for place, several in here.items():
        found[place] += several
    if misfits:
        findings.add(
            "warning", "",
            f"{scan.called} marks {misfits} images of another size than its own; they count as if "
            "it were not there, save it at their size.", kind="seg size",
        )  # fmt: skip


def _frames(scan: Scan) -> Iterator[Any]:
    """Pixels of all frames, one after the other."""
    pydicom = library()
    if _aligned(scan):
        yield from pydicom.pixels.iter_pixels(scan.path)
    else:
        width, height = scan.size
        yield from pydicom.pixels.pixel_array(scan.path).reshape(scan.frames, height, width)


def _frame(scan: Scan, number: int, ds: Any) -> Any:
    """Pixels of one frame; `ds` gets the tags that say what they mean."""
    index = number if _aligned(scan) else None
    values = library().pixels.pixel_array(
        scan.path, ds_out=ds, specific_tags=[_FRACTION], index=index
    )
    width, height = scan.size
    return values if _aligned(scan) else values.reshape(scan.frames, height, width)[number]


def _aligned(scan: Scan) -> bool:
    """Whether frames of single bits begin with a byte; pydicom 3.0 reads others only together."""
    return scan.size[0] * scan.size[1] % 8 == 0


def _targets(frame: Any, shared: list[Any], known: dict[str, Scan]) -> set[Place]:
    """The images a frame marks, of those that are there."""
    places: set[Place] = set()
    for group in (frame, *shared):
        for derivation in group.get("DerivationImageSequence") or ():
            for source in derivation.get("SourceImageSequence") or ():
                scan = known.get(str(source.get("ReferencedSOPInstanceUID", "")).strip(" \0"))
                if scan is None:
                    continue
                numbers = source.get("ReferencedFrameNumber")
                if numbers is None:
                    numbers = 1 if scan.frames == 1 else ()
                many = numbers if hasattr(numbers, "__len__") else (numbers,)
                places |= {(scan.instance, int(n) - 1) for n in many if 1 <= int(n) <= scan.frames}
        if places:
            break
    return places


def _segment(frame: Any, shared: list[Any]) -> int:
    for group in (frame, *shared):
        for one in group.get("SegmentIdentificationSequence") or ():
            return int(one.ReferencedSegmentNumber)
    raise ValueError("a frame names no segment")


def _label(segment: Any) -> str:
    label = str(segment.get("SegmentLabel") or "").strip()
    return label or f"segment {int(segment.SegmentNumber)}"


def _above_half(values: Any, ds: Any) -> Mask:
    most = int(ds.get("MaximumFractionalValue") or 1)
    above: Mask = (2 * np.asarray(values, dtype=np.uint16) >= most) & (values != 0)
    return above
