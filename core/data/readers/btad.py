"""BTAD, the beanTech data set (VT-ADL, ISIE 2021): three products, whose normal folder is `ok`.

<class>/train/ok/0000.bmp, <class>/test/{ok,ko}/0000.bmp, <class>/ground_truth/ko/0000.png

Images of classes 01 and 03 are bmp, of 02 png, masks bmp in 03 only; some tools rewrite them all
as png. So image and mask pair by stem, whatever their formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders


@reader("btad")
class Btad(PublishedFolders):
    """BTAD as it unpacks into BTech_Dataset_transformed."""

    normal: ClassVar[frozenset[str]] = frozenset(("ok",))
    called: ClassVar[frozenset[str]] = frozenset(("btad", "btechdatasettransformed"))
    types: ClassVar[Mapping[str, tuple[str, ...]]] = {"*": ("ko",)}
    card: ClassVar[DatasetCard] = DatasetCard(
        title="BTAD",
        summary="Three industrial products with defects of their body and surface.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=f"{NON_COMMERCIAL} So other tools state it; ask its owner to be sure.",
        year=2021,
        citation="Mishra, Verk, Fornasier, Piciarelli, Foresti: VT-ADL - A Vision Transformer "
        "Network for Image Anomaly Detection and Localization, ISIE 2021",
        home="http://avires.dimi.uniud.it/papers/btad/btad.zip",
        layout="<class>/train/ok/0000.bmp, <class>/test/{ok,ko}/0000.bmp, "
        "<class>/ground_truth/ko/0000.png",
        domain="industrial",
        image_size="600 x 600 to 1600 x 1600",
        counts={
            "01": Count(400, 21, 49, verified=False),
            "02": Count(399, 30, 200, verified=False),
            "03": Count(1000, 400, 41, verified=False),
        },
        # 1799 training and 741 test images were read, how many of the latter are good was not
        total=Count(1799, 451, 290, verified=False),
        commercial=False,
    )
