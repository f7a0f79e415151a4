"""The check for defects that are too small to be seen at the chosen size.

An image of w x h pixels is resized to s x s, so that a region of a pixels keeps about
a s^2 / (w h). Below `FEWEST` pixels hardly anything of it is left. Regions that have fewer pixels
than that in the original are no fault of the size and are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from core.config import SIZES
from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.words import are, counted, listed

FEWEST = 4.0
"""Pixels a region should keep."""
KEPT = 0.95
"""Share of regions the proposed size keeps."""
STEP = 32
"""Proposed sizes are multiples of it."""
MATTERS = 1 - KEPT
"""Share of vanishing regions from which it is a warning."""


@check("small_defects")
def small_defects(patient: Patient) -> Iterator[Finding]:
    """Regions under four pixels after resizing, and the size that would keep most."""
    rows = patient.facts[patient.facts["mask_state"].isin(("ok", "full"))]
    shares: list[float] = []
    lost: dict[str, float] = {}
    specks = 0
    for key, width, height, areas in zip(
        rows.index, rows["width"], rows["height"], rows["areas"], strict=True
    ):
        usable = [area for area in areas if area >= FEWEST]
        specks += len(areas) - len(usable)
        mine = [area / (int(width) * int(height)) for area in usable]
        shares += mine
        if mine and min(mine) * patient.size**2 < FEWEST:
            lost[str(key)] = min(mine)
    if not lost:
        return
    vanishing = sum(share * patient.size**2 < FEWEST for share in shares)
    keys = tuple(sorted(lost, key=lambda key: (lost[key], key)))
    wanted = size_that_keeps(shares)
    if wanted <= patient.size:
        remedy = f"At {patient.size} px {KEPT:.0%} or more are kept; a larger size keeps the rest."
    elif wanted <= SIZES[1]:
        remedy = f"Choose a size of {wanted} px: it keeps {KEPT:.0%} of the regions."
    else:
        remedy = (
            f"{KEPT:.0%} of the regions would need {wanted} px, more than the {SIZES[1]} px that "
            "can be chosen; cut the images into tiles."
        )
    types = {s.key: s.anomaly_type for s in patient.dataset.samples}
    detail = (
        f"{vanishing:,} of {len(shares):,} regions ({vanishing / len(shares):.1%}) keep fewer than "
        f"{FEWEST:.0f} pixels at {patient.size} px, in images of "
        f"{listed(sorted({types[key] for key in keys}))}."
    )
    if specks:
        detail += (
            f" {counted(specks, 'region')} of fewer than {FEWEST:.0f} pixels in the original "
            f"{are(specks)} not counted."
        )
    yield Finding(
        check="small_defects",
        severity="warning" if vanishing >= MATTERS * len(shares) else "note",
        title=f"{counted(vanishing, 'defect region')} {'vanishes' if vanishing == 1 else 'vanish'} "
        f"at {patient.size} px",
        keys=keys,
        detail=detail,
        remedy=remedy,
    )


def size_that_keeps(shares: list[float]) -> int:
    """The least multiple of `STEP` at which `KEPT` of the regions keep `FEWEST` pixels.

    Args:
        shares: of each region in the area of its image.
    """
    ordered = np.sort(shares)
    may_go = math.floor((1 - KEPT) * len(ordered) + 1e-9)
    side = math.sqrt(FEWEST / float(ordered[may_go]))
    return math.ceil(side / STEP - 1e-9) * STEP
