"""MVTec 3D-AD (VISAPP 2022), its photographs only.

<class>/train/good/rgb/000.png                 beside rgb/: xyz/, the depth, which is not read
<class>/validation/good/rgb/000.png            added to train, as ADer does
<class>/test/<type>/rgb/000.png
<class>/test/<type>/gt/000.png                 the mask; one grey value a kind of defect

A mask holds a value for each kind of defect (`combined`: two of them), so any value but zero
marks, and the label comes from the folder. Good test images have masks too, all zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.layout import Tree, below
from core.data.published import NON_COMMERCIAL, PublishedFolders
from core.types import Split


@reader("mvtec_3d")
class Mvtec3d(PublishedFolders):
    """MVTec 3D-AD as it unpacks; a single class folder is known by its rgb folders."""

    splits: ClassVar[Mapping[str, Split]] = {
        "train": "train", "validation": "train", "test": "test",
    }  # fmt: skip
    unread: ClassVar[Mapping[str, str]] = {}
    truth: ClassVar[str] = "gt"
    marks: ClassVar[tuple[str, ...]] = ("train/good/rgb",)
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MVTec 3D-AD (RGB)",
        summary="Ten objects scanned in three dimensions; their photographs are used here.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2022,
        citation="Bergmann, Jin, Sattlegger, Steger: The MVTec 3D-AD Dataset for Unsupervised 3D "
        "Anomaly Detection and Localization, VISAPP 2022",
        home="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
        layout="<class>/{train,validation}/good/rgb/000.png, <class>/test/<type>/rgb/000.png, "
        "<class>/test/<type>/gt/000.png",
        domain="industrial",
        download="about 15 GB, depth included",
        image_size="400 x 400 to 900 x 900",
        counts={
            "bagel": Count(244 + 22, 22, 88, verified=False),
            "cable_gland": Count(223 + 23, 21, 87, verified=False),
            "carrot": Count(286 + 29, 27, 132, verified=False),
            "cookie": Count(210 + 22, 28, 103, verified=False),
            "dowel": Count(288 + 34, 26, 104, verified=False),
            "foam": Count(236 + 27, 20, 80, verified=False),
            "peach": Count(361 + 42, 26, 106, verified=False),
            "potato": Count(300 + 33, 22, 92, verified=False),
            "rope": Count(298 + 33, 32, 69, verified=False),
            "tire": Count(210 + 29, 25, 87),
        },
        # 2950 training and 1197 test images were read, how many of the latter are good was not
        total=Count(2950, 249, 948, verified=False),
        commercial=False,
    )

    def pictures(self, folder: str) -> str:
        """The photographs, beside the depth."""
        return below(folder, "rgb")

    def masks_of(self, tree: Tree, home: str, part: str, kind: str) -> str | None:
        """They stand beside the photographs, not in a folder of their own for the class."""
        return below(below(part, kind), self.truth)
