"""MPDD, Metal Parts Defect Detection (ICUMT 2021): painted and machined metal, freely placed.

The layout is MVTec AD's. Masks are named <stem>_mask.png or <stem>.png. Totals are those of its
repository; the numbers of single classes add up to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders


@reader("mpdd")
class Mpdd(PublishedFolders):
    """MPDD as it unpacks."""

    called: ClassVar[frozenset[str]] = frozenset(("mpdd",))
    types: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "bracket_black": ("hole", "scratches"),
        "bracket_brown": ("bend_and_parts_mismatch", "parts_mismatch"),
        "bracket_white": ("defective_painting", "scratches"),
        "connector": ("parts_mismatch",),
        "metal_plate": ("major_rust", "scratches", "total_rust"),
        "tubes": ("anomalous",),
    }
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MPDD",
        summary="Six metal parts with scratches, rust, faulty paint or parts that do not match.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2021,
        citation="Jezek, Jonak, Burget, Dvorak, Skotak: Deep learning-based defect detection of "
        "metal parts - evaluating current methods in complex conditions, ICUMT 2021",
        home="https://github.com/stepanje/MPDD",
        layout="<class>/train/good/000.png, <class>/test/<type>/000.png, "
        "<class>/ground_truth/<type>/000_mask.png",
        domain="industrial",
        image_size="1024 x 1024",
        counts={
            "bracket_black": Count(289, 32, 47, verified=False),
            "bracket_brown": Count(185, 26, 51, verified=False),
            "bracket_white": Count(110, 30, 30, verified=False),
            "connector": Count(128, 30, 14, verified=False),
            "metal_plate": Count(54, 26, 71, verified=False),
            "tubes": Count(122, 32, 69, verified=False),
        },
        total=Count(888, 176, 282),
        commercial=False,
    )
