"""MAD-Sim and MAD-Real (PAD, NeurIPS 2023): toys of bricks seen from all around.

<class>/train/good/0.png, <class>/test/{good,Burrs,Missing,Stains}/0.png
<class>/ground_truth/<type>/0_mask.png          MAD-Sim; MAD-Real without "_mask"

Numbers are not padded with zeros and image formats may differ, so images and masks pair by stem.
A class's training images are views of one and the same toy. What the test images share is not
published, so no specimen is stated. `transforms.json` (camera poses of training) is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders

_TYPES = {"*": ("Burrs", "Missing", "Stains")}
_SIM = (
    "01Gorilla 02Unicorn 03Mallard 04Turtle 05Whale 06Bird 07Owl 08Sabertooth 09Swan 10Sheep 11Pig "
    "12Zalika 13Pheonix 14Elephant 15Parrot 16Cat 17Scorpion 18Obesobeso 19Bear 20Puppy"
)
_REAL = "Bear Bird Elephant Parrot Pig Puppy Scorpion Turtle Unicorn Whale"


@reader("mad_sim")
class MadSim(PublishedFolders):
    """MAD-Sim as it unpacks: twenty rendered toys."""

    called: ClassVar[frozenset[str]] = frozenset(("madsim",))
    types: ClassVar[Mapping[str, tuple[str, ...]]] = _TYPES
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MAD-Sim",
        summary="Twenty toys of bricks, rendered from all around; burrs, stains, missing bricks.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2023,
        citation="Zhou, Li, Jiang, Wang, Zhou, Zhang, Zhao: PAD - A Dataset and Benchmark for "
        "Pose-agnostic Anomaly Detection, NeurIPS 2023",
        home="https://github.com/EricLee0224/PAD",
        layout="<class>/train/good/0.png, <class>/test/<type>/0.png, "
        "<class>/ground_truth/<type>/0_mask.png",
        domain="industrial",
        download="970 MB",
        image_size="800 x 800",
        counts={name: Count(train=210, verified=False) for name in _SIM.split()},
        total=Count(4200, 638, 4951, verified=False),
        commercial=False,
    )


@reader("mad_real")
class MadReal(PublishedFolders):
    """MAD-Real as it unpacks: ten of the toys, photographed."""

    called: ClassVar[frozenset[str]] = frozenset(("madreal",))
    types: ClassVar[Mapping[str, tuple[str, ...]]] = _TYPES
    card: ClassVar[DatasetCard] = replace(
        MadSim.card,
        title="MAD-Real",
        summary="Ten toys of bricks, photographed from all around; burrs, stains, missing bricks.",
        layout="<class>/train/good/<n>.*, <class>/test/<type>/<n>.*, "
        "<class>/ground_truth/<type>/<n>.png",
        download="2.19 GB",
        image_size="",
        counts={name: Count(verified=False) for name in _REAL.split()},
        total=Count(490, 50, 221, verified=False),
    )
