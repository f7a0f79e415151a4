"""Checks of the masks of anomalous images: without a sound one an image counts for image metrics
only."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.words import are, counted, have
from core.data.edits import Action
from core.data.layout import Severity

FAINT, MANY = 0.01, 16
"""Share of marked pixels below half of the largest value, and distinct values, from which a mask
looks compressed or smoothed."""
_ONLY = "For pixel and region metrics such images are left out; they count for image metrics only."


def _found(
    check_id: str, severity: Severity, rows: pd.DataFrame, title: str, detail: str, remedy: str,
    action: Action | None = None,
) -> Iterator[Finding]:  # fmt: skip
    keys = tuple(map(str, rows.index))
    if keys:
        yield Finding(
            check=check_id, severity=severity, title=title, keys=keys, detail=detail,
            remedy=remedy, action=action, fix_keys=keys if action else (),
        )  # fmt: skip


@check("mask_missing")
def missing(patient: Patient) -> Iterator[Finding]:
    """Anomalous images without a mask; a note where no image of the data set has one."""
    state = patient.facts["mask_state"]
    rows = patient.facts[state.isin(("none", "missing"))]
    some = bool((~state.isin(("", "none"))).any())
    yield from _found(
        "mask_missing", "warning" if some else "note", rows,
        f"{counted(len(rows), 'anomalous image')} {have(len(rows))} no mask",
        _ONLY, "Add the masks, or go by image metrics alone.",
    )  # fmt: skip


@check("mask_empty")
def empty(patient: Patient) -> Iterator[Finding]:
    """Masks of anomalous images that mark nothing: the mask or the label is wrong."""
    rows = patient.facts[patient.facts["mask_state"] == "empty"]
    yield from _found(
        "mask_empty", "warning", rows,
        f"{counted(len(rows), 'anomalous image')} {have(len(rows))} an empty mask",
        f"The mask marks no pixel although the image is called anomalous. {_ONLY}",
        "Draw the mask, file the image under the normal ones if it is normal, or exclude it.",
        "exclude",
    )  # fmt: skip


@check("mask_full")
def full(patient: Patient) -> Iterator[Finding]:
    """Masks that mark every pixel: often a placeholder or an inverted mask."""
    rows = patient.facts[patient.facts["mask_state"] == "full"]
    yield from _found(
        "mask_full", "warning", rows,
        f"{counted(len(rows), 'mask')} {'marks' if len(rows) == 1 else 'mark'} the whole image",
        "A mask in which every pixel is marked says nothing about where the defect is, and weighs "
        "more than all others in pixel metrics.",
        "Check that it is no placeholder and not inverted (zero must mean normal), or exclude it.",
        "exclude",
    )  # fmt: skip


@check("mask_size")
def size(patient: Patient) -> Iterator[Finding]:
    """Masks whose size is not their image's, the image's EXIF rotation considered."""
    rows = patient.facts[patient.facts["mask_state"] == "size"]
    detail = ""
    if len(rows):
        first = rows.iloc[0]
        detail = (
            f"The mask of {rows.index[0]} has {first['mask_width']}x{first['mask_height']} px, the "
            f"image {first['width']}x{first['height']} px. {_ONLY}"
        )
    yield from _found(
        "mask_size", "warning", rows,
        f"{counted(len(rows), 'mask')} {have(len(rows))} another size than "
        f"{'its' if len(rows) == 1 else 'their'} image",
        detail, "Save the masks at the size of their images, without smoothing.",
    )  # fmt: skip


@check("mask_unreadable")
def unreadable(patient: Patient) -> Iterator[Finding]:
    """Mask files that cannot be decoded, or that differ in size among themselves."""
    rows = patient.facts[patient.facts["mask_state"] == "unreadable"]
    detail = ""
    if len(rows):
        detail = f"A mask of {rows.index[0]} {rows['mask_reason'].iloc[0]} {_ONLY}"
    yield from _found(
        "mask_unreadable", "warning", rows,
        f"{counted(len(rows), 'mask')} cannot be read", detail,
        "Replace them by intact copies.",
    )  # fmt: skip


@check("mask_values")
def values(patient: Patient) -> Iterator[Finding]:
    """Masks that hold more than 0 and 255: any value above zero marks a pixel."""
    marked = patient.facts[patient.facts["mask_values"] > 0]
    other = (marked["mask_min"] != 255) | (marked["mask_max"] != 255)
    smooth = other & (marked["mask_values"] > MANY) & (marked["mask_faint"] > FAINT)
    rows = marked[smooth]
    yield from _found(
        "mask_values", "warning", rows,
        f"{counted(len(rows), 'mask')} {are(len(rows))} smoothed or compressed",
        f"{_said(rows)}. Every value above zero marks its pixel, so that faint borders and "
        "compression noise make the defects larger than they are.",
        "Save masks as PNG with 0 for normal and 255 for anomalous, without smoothing.",
    )  # fmt: skip
    rows = marked[other & ~smooth]
    yield from _found(
        "mask_values", "note", rows,
        f"{counted(len(rows), 'mask')} {'holds' if len(rows) == 1 else 'hold'} values other than "
        "0 and 255",
        f"{_said(rows)}. Every value above zero marks its pixel, whichever it is.",
        "Nothing, if zero is what stands for normal; otherwise save the masks with 0 and 255.",
    )  # fmt: skip


def _said(rows: pd.DataFrame) -> str:
    """Which values there are."""
    if not len(rows):
        return ""
    least, most = int(rows["mask_min"].min()), int(rows["mask_max"].max())
    span = f"the value {least}" if least == most else f"values from {least} to {most}"
    return f"Found above zero: {span}, at most {int(rows['mask_values'].max())} in one mask"
