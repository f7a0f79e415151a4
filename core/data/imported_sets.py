"""Cards of published data sets that have no files a reader could list as they are: an importer
(`core.data.importing`) makes their images or masks, or draws up who is normal.

Numbers are those of the settings ADer uses (arXiv 2406.03262), the first split of each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from core.data.base import Count, DatasetCard

_CIFAR_10 = DatasetCard(
    title="CIFAR-10",
    summary="Tiny photographs of 10 kinds of things, half of them called normal: novelty, not "
    "defects, and nothing to localise.",
    licence="none",
    licence_note="No licence is stated; its authors ask to be cited; ask them before you pass it "
    "on.",
    year=2009,
    citation="Krizhevsky: Learning Multiple Layers of Features from Tiny Images, University of "
    "Toronto, 2009",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    layout="cifar-10-batches-bin/data_batch_1.bin to data_batch_5.bin, test_batch.bin (not the "
    "Python version, which holds pickles)",
    domain="natural",
    image_size="32 x 32",
    total=Count(25_000, 5000, 5000),
)

CARDS: Mapping[str, tuple[str, DatasetCard]] = {
    "cifar_10": ("cifar", _CIFAR_10),
    "cifar_100": (
        "cifar",
        replace(
            _CIFAR_10,
            title="CIFAR-100",
            summary="Tiny photographs of 100 kinds of things, half of them called normal: novelty, "
            "not defects, and nothing to localise.",
            layout="cifar-100-binary/train.bin, test.bin (not the Python version, which holds "
            "pickles)",
        ),
    ),
    "coco_ad": (
        "coco_ad",
        DatasetCard(
            title="COCO-AD",
            summary="COCO 2017's photographs of everyday scenes; a quarter of its 80 kinds of "
            "things is called anomalous (four splits; numbers are the first one's).",
            licence="CC-BY-4.0 (annotations)",
            licence_note="The photographs keep the terms of their owners at Flickr; pass none on.",
            year=2024,
            citation="Zhang, Wang, Li, Tian, Xue, Liu, Pang, Tao: Learning Feature Inversion "
            "for Multi-class Anomaly Detection under General-purpose COCO-AD Benchmark (InvAD), "
            "arXiv 2404.10760, 2024",
            home="https://cocodataset.org/#download",
            layout="annotations/instances_{train,val}2017.json, train2017/, val2017/",
            domain="natural",
            download="about 19 GB",
            counts={"coco": Count(30_438, 1291, 3661, verified=False)},
            total=Count(30_438, 1291, 3661, verified=False),
        ),
    ),
}
"""By id: the importer that brings it in, and its card."""


def card_of(importer: str, classes: Collection[str]) -> DatasetCard | None:
    """The card of a published set by the importer that brought it in and its classes; else None."""
    named = [(id, card) for id, (by, card) in CARDS.items() if by == importer]
    if importer == "cifar":
        named = [(id, card) for id, card in named if set(classes) == {id.replace("_", "")}]
    return named[0][1] if named else None
