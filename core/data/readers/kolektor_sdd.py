"""KolektorSDD (Tabernik et al., Journal of Intelligent Manufacturing 2020).

kos01/Part0.jpg          one of about eight surfaces of a commutator
kos01/Part0_label.bmp    its mask; all zero: no defect

An image is defective when its mask marks a pixel. There is no official split for training on normal
images, and nearly every commutator has a defect somewhere, so that none can be kept for training
whole: commutators are drawn into two halves, one trains with its good surfaces, the other is
tested. The defects of the training half are left out; the second variant swaps the halves. The
draw depends on the names alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from core.data.base import Dataset, DatasetCard, Reader, reader
from core.data.layout import Findings, Tree, assemble, below, is_image, stem
from core.data.reading import DEFECT, drawn, marked
from core.types import GOOD, Sample

CLASS = "kolektor_sdd"

_PART = re.compile(r"kos\d+")
_LABEL = "_label"
_VARIANTS = {
    "half_a": "the first half of the commutators is tested, the second trains.",
    "half_b": "the second half of the commutators is tested, the first trains.",
}


@reader("kolektor_sdd")
class KolektorSdd(Reader):
    """Folders kos01 to kos50."""

    specificity: ClassVar[int] = 20
    card: ClassVar[DatasetCard] = DatasetCard(
        title="KolektorSDD",
        summary="Cracks in the plastic of commutators; no official split, so half of the "
        "commutators train with their good sides and the other half is tested.",
        licence="CC-BY-NC-SA-4.0",
        licence_note="No commercial use; credit and the same licence for what you make of it.",
        year=2020,
        citation="D. Tabernik, S. Šela, J. Skvarč, D. Skočaj: Segmentation-Based Deep-Learning "
        "Approach for Surface-Defect Detection, Journal of Intelligent Manufacturing 31, 2020",
        home="https://www.vicos.si/resources/kolektorsdd/",
        layout="kos01/Part0.jpg with kos01/Part0_label.bmp, to kos50",
        domain="industrial",
        image_size="about 500x1240 to 500x1280",
        commercial=False,
    )

    def recognise(self, root: Path) -> str | None:
        """By a folder kos<n> with a Part<n> and its label."""
        tree = Tree(root)
        for folder in _specimens(tree):
            names = {stem(name) for name in tree.listing(folder).files if is_image(name)}
            if any(f"{name}{_LABEL}" in names for name in names):
                return f"KolektorSDD: folder {folder} with parts and their labels."
            return None
        return None

    def variants(self, root: Path) -> Mapping[str, str]:
        """Which half of the commutators is tested."""
        return _VARIANTS if self.recognise(root) else {}

    def read(self, root: Path, name: str, variant: str = "") -> Dataset:
        """All commutators; see `Reader.read`."""
        findings = Findings()
        tree = Tree(root, findings)
        chosen = variant or next(iter(_VARIANTS))
        parts = {folder: _paired(tree, folder) for folder in _specimens(tree)}
        half = drawn(dict.fromkeys(parts, 1), 0.5, CLASS)
        tested = half if chosen == "half_a" else parts.keys() - half
        masks = [mask for pairs in parts.values() for mask in pairs.values()]
        full = marked(root, masks, findings)
        samples: list[Sample] = []
        left_out = 0
        for folder, pairs in parts.items():
            for key, mask in pairs.items():
                if mask not in full:
                    continue  # unreadable, so that its label is unknown; `marked` says so
                label = int(full[mask])
                if label and folder not in tested:
                    left_out += 1
                    continue
                samples.append(
                    Sample(
                        key=key,
                        class_name=CLASS,
                        split="test" if folder in tested else "train",
                        label=label,
                        anomaly_type=DEFECT if label else GOOD,
                        masks=(mask,) if label else (),
                        specimen=folder,
                        view=stem(key),
                    )
                )
        findings.add(
            "note",
            "",
            f"No split is published: {len(tested)} of {len(parts)} commutators are tested, and "
            f"{left_out} defective images of the others were left out; the draw is always the "
            "same.",
        )
        recognised = self.recognise(root) or "KolektorSDD."
        return assemble(self, root, name, recognised, samples, findings, variant=chosen)


def _specimens(tree: Tree) -> list[str]:
    return [name for name in tree.listing().folders if _PART.fullmatch(name)]


def _paired(tree: Tree, folder: str) -> dict[str, str]:
    """Key of the mask of each image; an image without one has no label and is left out."""
    names = [name for name in tree.listing(folder).files if is_image(name)]
    masks = {stem(name): name for name in names if stem(name).endswith(_LABEL)}
    pairs = {}
    for name in names:
        if stem(name).endswith(_LABEL):
            continue
        mask = masks.get(f"{stem(name)}{_LABEL}")
        key = below(folder, name)
        if mask is None:
            tree.findings.add(
                "warning",
                key,
                f"{key} has no mask, so whether it is defective is unknown; it was left out.",
                kind="mask missing",
            )
        else:
            pairs[key] = below(folder, mask)
    return pairs
