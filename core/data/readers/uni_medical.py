"""Uni-Medical: BMAD's three localised sets as ViTAD and ADer regroup them, in MVTec's layout.

brain/train/good/00003_60.png        brain/test/{good,Ungood}/00002_60.png
brain/ground_truth/Ungood/00002_60.png

Brain and liver images are slices, named <patient or volume>_<slice>; that retinal images follow
the same rule is a guess, taken only where a name fits. Masks may be coloured: any value but 0
marks.
The test set's good slices of the brain come from patients with a tumour elsewhere.
"""

from __future__ import annotations

import re
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.layout import Tree, stem
from core.data.published import PublishedFolders
from core.data.reading import UNNAMED_TYPE
from core.types import GOOD, Sample, Split

SLICE = re.compile(r"(.+)_(\d+)")
"""Patient or volume, and number of the slice."""

UNNAMED = frozenset(("ungood", "bad", "ng", "abnormal"))
"""Folder names, in lower case, that say that something is wrong but not what."""


def slice_of(key: str) -> tuple[str | None, str | None]:
    """Patient or volume and slice by a file's name; None where the name does not tell."""
    found = SLICE.fullmatch(stem(key))
    return (found[1], found[2]) if found else (None, None)


@reader("uni_medical")
class UniMedical(PublishedFolders):
    """Brain, liver and retina."""

    called: ClassVar[frozenset[str]] = frozenset(("medical", "unimedical"))
    card: ClassVar[DatasetCard] = DatasetCard(
        title="Uni-Medical",
        summary="Slices of brain MRI and liver CT, and retinal OCT scans, with outlined lesions.",
        licence="terms of BraTS 2021, BTCV, LiTS and RESC",
        licence_note="No terms of its own: those of BMAD (no commercial use) and of the four "
        "sources apply; ask them before you pass anything on.",
        year=2023,
        citation="J. Zhang et al.: Exploring Plain ViT Reconstruction for Multi-class Unsupervised "
        "Anomaly Detection (ViTAD), 2023; images: J. Bao et al.: BMAD, 2023",
        home="https://github.com/zhangzjn/ADer",
        layout="{brain,liver,retinal}/{train/good,test/good,test/Ungood,ground_truth/Ungood}",
        domain="medical",
        image_size="brain 240x240, liver 512x512, retinal 512x1024",
        counts={
            "brain": Count(7500, 640, 3075),
            "liver": Count(1542, 833, 660),
            "retinal": Count(4297, 1041, 764),
        },
        total=Count(13_339, 2514, 4499),
        commercial=False,
    )

    def naming(self, tree: Tree, folder: str, key: str) -> tuple[str | None, str | None]:
        """Patient or volume, and slice."""
        return slice_of(key)

    def _sample(
        self, tree: Tree, class_name: str, split: Split, folder: str, key: str,
        anomaly_type: str = GOOD, masks: tuple[str, ...] = (),
    ) -> Sample:  # fmt: skip
        named = UNNAMED_TYPE if anomaly_type.lower() in UNNAMED else anomaly_type
        return super()._sample(tree, class_name, split, folder, key, named, masks)
