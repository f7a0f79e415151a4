"""MVTec AD (CVPR 2019; IJCV 129, 2021): fifteen objects and textures of industry.

Counts and kinds of defect are those of the file lists published with UniAD, which ADer's logs
confirm (3,629 training, 1,725 test images). `grid`, `screw` and `zipper` are grey images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders

_CLASSES: dict[str, tuple[Count, str]] = {
    "bottle": (Count(209, 20, 63), "broken_large broken_small contamination"),
    "cable": (
        Count(224, 58, 92),
        "bent_wire cable_swap combined cut_inner_insulation cut_outer_insulation missing_cable "
        "missing_wire poke_insulation",
    ),
    "capsule": (Count(219, 23, 109), "crack faulty_imprint poke scratch squeeze"),
    "carpet": (Count(280, 28, 89), "color cut hole metal_contamination thread"),
    "grid": (Count(264, 21, 57), "bent broken glue metal_contamination thread"),
    "hazelnut": (Count(391, 40, 70), "crack cut hole print"),
    "leather": (Count(245, 32, 92), "color cut fold glue poke"),
    "metal_nut": (Count(220, 22, 93), "bent color flip scratch"),
    "pill": (
        Count(267, 26, 141),
        "color combined contamination crack faulty_imprint pill_type scratch",
    ),
    "screw": (
        Count(320, 41, 119),
        "manipulated_front scratch_head scratch_neck thread_side thread_top",
    ),
    "tile": (Count(230, 33, 84), "crack glue_strip gray_stroke oil rough"),
    "toothbrush": (Count(60, 12, 30), "defective"),
    "transistor": (Count(213, 60, 40), "bent_lead cut_lead damaged_case misplaced"),
    "wood": (Count(247, 19, 60), "color combined hole liquid scratch"),
    "zipper": (
        Count(240, 32, 119),
        "broken_teeth combined fabric_border fabric_interior rough split_teeth squeezed_teeth",
    ),
}


@reader("mvtec_ad")
class MvtecAd(PublishedFolders):
    """MVTec AD as it unpacks: <class>/train/good, test/<type>, ground_truth/<type>."""

    called: ClassVar[frozenset[str]] = frozenset(("mvtec", "mvtecad", "mvtecanomalydetection"))
    types: ClassVar[Mapping[str, tuple[str, ...]]] = {
        name: tuple(kinds.split()) for name, (_, kinds) in _CLASSES.items()
    }
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MVTec AD",
        summary="Fifteen industrial objects and textures, each with several kinds of defect.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2019,
        citation="Bergmann, Fauser, Sattlegger, Steger: MVTec AD - A Comprehensive Real-World "
        "Dataset for Unsupervised Anomaly Detection, CVPR 2019",
        home="https://www.mvtec.com/company/research/datasets/mvtec-ad",
        layout="<class>/train/good/000.png, <class>/test/<type>/000.png, "
        "<class>/ground_truth/<type>/000_mask.png",
        domain="industrial",
        download="5.3 GB",
        image_size="700 x 700 to 1024 x 1024",
        counts={name: count for name, (count, _) in _CLASSES.items()},
        total=Count(3629, 467, 1258),
        commercial=False,
    )
