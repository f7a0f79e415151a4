"""MVTec AD 2 (2025): eight objects under several lightings; what is public of it.

<class>/train/good/000_regular.png, <class>/validation/good/000_regular.png
<class>/test_public/{good,bad}/000_shift_1.png
<class>/test_public/ground_truth/bad/000_shift_1_mask.png
<class>/test_private/000_regular.png, <class>/test_private_mixed/000_mixed.png

A name is an index and a lighting: the index of a folder is one specimen, the lighting its view.
Indices start anew in every folder, so a specimen's name holds the folder. Validation images are
normal and taken under regular light like training's, and are added to them. Labels of the private
parts are unknown, so they are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.class_folders import part_of
from core.data.layout import Tree, is_image, stem
from core.data.published import NON_COMMERCIAL, PublishedFolders
from core.types import Split

PRIVATE = ("test_private", "test_private_mixed")
_NAME = re.compile(r"(\d+)_(regular|overexposed|underexposed|shift_\d+|mixed)")


@reader("mvtec_ad2")
class MvtecAd2(PublishedFolders):
    """MVTec AD 2 as it unpacks; a single class folder is known by its public test."""

    splits: ClassVar[Mapping[str, Split]] = {
        "train": "train", "validation": "train", "test_public": "test",
    }  # fmt: skip
    unread: ClassVar[Mapping[str, str]] = {}
    marks: ClassVar[tuple[str, ...]] = ("test_public",)
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MVTec AD 2",
        summary="Eight hard cases of industry (glass, bulk goods, metal) under changing light.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2025,
        citation="Heckler-Kram, Neudeck, Scheler, König, Steger: The MVTec AD 2 Dataset - "
        "Advanced Scenarios for Unsupervised Anomaly Detection, arXiv 2503.21622, 2025",
        home="https://www.mvtec.com/company/research/datasets/mvtec-ad-2",
        layout="<class>/{train,validation}/good/000_regular.png, "
        "<class>/test_public/{good,bad}/000_<lighting>.png, "
        "<class>/test_public/ground_truth/bad/000_<lighting>_mask.png",
        domain="industrial",
        download="30.4 GB",
        image_size="1400 x 1900 to 4224 x 1056",
        counts={
            "can": Count(verified=False),
            "fabric": Count(verified=False),
            "fruit_jelly": Count(verified=False),
            "rice": Count(verified=False),
            "sheet_metal": Count(verified=False),
            "vial": Count(291 + 41, 35, 105, verified=False),
            "wallplugs": Count(verified=False),
            "walnuts": Count(verified=False),
        },
        total=Count(2528 + 302, 379, 705, verified=False),
        commercial=False,
    )

    def kinds(self, tree: Tree, part: str) -> list[str]:
        """Without the masks, which stand among the types of the public test."""
        return [name for name in super().kinds(tree, part) if name.lower() != self.truth]

    def masks_of(self, tree: Tree, home: str, part: str, kind: str) -> str | None:
        """They stand in the public test."""
        return super().masks_of(tree, part, part, kind)

    def naming(self, tree: Tree, folder: str, key: str) -> tuple[str | None, str | None]:
        """The index in this folder, and the lighting."""
        said = _NAME.fullmatch(stem(key))
        if said is None:
            tree.findings.add(
                "warning",
                key,
                f"{key} is not named <index>_<lighting>, so its specimen is unknown; give it back "
                "its name.",
                kind="lighting",
            )
            return None, None
        return f"{folder}/{said[1]}", said[2]

    def finish(self, tree: Tree, classes: Mapping[str, str]) -> None:
        """Says once that the private parts were left out."""
        parts = [
            part
            for home in classes.values()
            for name in PRIVATE
            if (part := part_of(tree, home, name)) is not None
        ]
        count = sum(is_image(name) for part in parts for name in tree.listing(part).files)
        if count:
            tree.findings.add(
                "note",
                parts[0],
                f"{count:,} images of {' and '.join(PRIVATE)} were left out: their labels are "
                "unknown, only MVTec's own server can judge them.",
            )
