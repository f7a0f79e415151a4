"""The published rows of the ADer benchmark: 300 results of 16 methods on 11 data sets.

Source: Zhang, J. et al., "ADer: A Comprehensive Benchmark for Multi-class Visual Anomaly
Detection", arXiv 2406.03262 (2024): one model for all classes of a data set, images of 256 x 256,
100 or 300 epochs, values of the last epoch, means over classes, counted in ADer's own way. Printed
in percent with one decimal; given here as shares of 1.

mAD is the mean of seven of the metrics. `Published.consistent` recomputes it row by row: a mean of
values rounded to 0.1 may differ from a rounded mean by up to 0.1. Which rows can serve as targets
follows from the benchmark's logs and sources, see `NO_TARGET`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

CITATION: Final = (
    "Zhang et al., ADer: A Comprehensive Benchmark for Multi-class Visual Anomaly Detection, "
    "arXiv 2406.03262, 2024"
)
HOME: Final = "https://arxiv.org/abs/2406.03262"
SIZE: Final = 256
"""Side of the benchmark's images, pixels."""
TOLERANCE: Final = 0.0011
"""How far a printed mAD may lie from the mean of its printed parts."""

COLUMNS: Final[dict[str, str]] = {
    "mAU-ROC_I": "image_auroc",
    "mAP_I": "image_ap",
    "mF1-max_I": "image_f1max",
    "mAU-ROC_P": "pixel_auroc",
    "mAP_P": "pixel_ap",
    "mF1-max_P": "pixel_f1max",
    "mIoU-max_P": "pixel_ioumax",
    "mAU-PRO_R": "pixel_aupro",
    "mAD": "mad",
}
"""Column of the file: id of the metric."""
PARTS: Final = tuple(id for id in COLUMNS.values() if id not in ("mad", "pixel_ioumax"))
"""What mAD is the mean of."""

METHODS: Final[dict[str, str]] = {
    "DRAEM": "draem", "SimpleNet": "simplenet", "RealNet": "realnet", "CFA": "cfa",
    "PatchCore": "patchcore", "CFLOW-AD": "cflow", "PyramidalFlow": "pyramidflow", "RD": "rd",
    "RD++": "rdpp", "UniAD": "uniad", "DiAD": "diad", "ViTAD": "vitad", "InvAD": "invad",
    "InvAD-lite": "invad_lite", "MambaAD": "mambaad", "DesTSeg": "destseg",
}  # fmt: skip
"""Name in the file: id of the method."""

NO_TARGET: Final[dict[str, str]] = {
    "draem": "it was trained without the drawn anomalies it learns from, so the row stands near "
    "chance; a faithful one lands well above it",
    "cfa": "the value moves by more than 20 points from one test epoch to the next, so the last "
    "epoch is chance",
    "pyramidflow": "it was trained on pairs of images of different classes, with one template for "
    "all of them",
    "realnet": "its maps lose pixel AUROC and AU-PRO in ADer's count of 50 bins, and its drawn "
    "anomalies cross classes; a faithful one lands well above it",
    "diad": "the benchmark's sources hold neither its model nor its settings nor a log, so the "
    "row cannot be traced",
}
"""Methods whose rows cannot serve as targets, and why."""
COPIED: Final = (
    "the eight metrics repeat those of 100 epochs and no log of 300 epochs exists; only mAD "
    "differs, and it is not the mean of its parts"
)
CAUTION: Final[dict[str, str]] = {
    "rd": "the value moves by several points between test epochs",
    "rdpp": "the value moves by a point or more between test epochs",
    "simplenet": "the value moves by several points between test epochs",
    "destseg": "its saturated maps lose pixel AUROC and AU-PRO in ADer's count of 50 bins",
}
"""Rows that serve as targets, and what to mind."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A data set of the table.

    Attributes:
        names: what its folder may be called, letters and digits only.
        count: how many classes its rows are means over.
        classes: their names where they are known.
    """

    title: str
    names: frozenset[str]
    count: int
    classes: frozenset[str] = frozenset()


def _benchmark(title: str, names: str, count: int, classes: str = "") -> Benchmark:
    return Benchmark(title, frozenset(names.split()), count, frozenset(classes.split()))


BENCHMARKS: Final = (
    _benchmark(
        "MVTec AD", "mvtecad mvtec mvtecanomalydetection", 15,
        "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush "
        "transistor wood zipper",
    ),
    _benchmark(
        "VisA", "visa visa20220922", 12,
        "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 "
        "pipe_fryum",
    ),
    _benchmark("BTAD", "btad btech", 3, "01 02 03"),
    _benchmark(
        "MPDD", "mpdd", 6,
        "bracket_black bracket_brown bracket_white connector metal_plate tubes",
    ),
    _benchmark(
        "MVTec 3D", "mvtec3d mvtec3dad mvtec3danomalydetection", 10,
        "bagel cable_gland carrot cookie dowel foam peach potato rope tire",
    ),
    _benchmark(
        "MVTec LOCO", "mvtecloco mvteclocoad mvteclocoanomalydetection loco", 5,
        "breakfast_box juice_bottle pushpins screw_bag splicing_connectors",
    ),
    _benchmark("Real-IAD", "realiad", 30),
    _benchmark("MAD Sim", "madsim", 20),
    _benchmark("MAD Real", "madreal", 10),
    _benchmark("Uni-Medical", "unimedical medical", 3, "brain liver retinal"),
    _benchmark("COCO-AD", "cocoad", 4),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Published:
    """One printed row.

    Attributes:
        method, title: our id, and the name as printed.
        values: metric id -> printed value, 0 to 1.
        mean_of_parts: mAD recomputed from the seven printed parts.
        no_target: why it cannot serve as a target; "" when it can.
        caution: what to mind when it serves as one.
    """

    dataset: str
    epochs: int
    method: str
    title: str
    venue: str
    values: Mapping[str, float]
    mean_of_parts: float
    no_target: str
    caution: str

    @property
    def consistent(self) -> bool:
        """Whether the printed mAD is the mean of its printed parts, to rounding."""
        return abs(self.values["mad"] - self.mean_of_parts) <= TOLERANCE

    @property
    def source(self) -> str:
        """ "published, ADer, 100 epochs": the mark every shown row carries."""
        return f"published, ADer, {self.epochs} epochs"


@cache
def published() -> tuple[Published, ...]:
    """All rows, in the order of the file.

    Raises:
        ValueError: the file does not hold what this module says.
    """
    path = Path(__file__).with_name("ader_published.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_row(line) for line in csv.DictReader(file))


def _row(line: Mapping[str, str]) -> Published:
    title = line["method"]
    if title not in METHODS or line["dataset"] not in {one.title for one in BENCHMARKS}:
        raise ValueError(f"ader_published.csv: {title!r} on {line['dataset']!r} is not known.")
    values = {id: round(float(line[column]) / 100, 4) for column, id in COLUMNS.items()}
    method, epochs = METHODS[title], int(line["epochs"])
    copied = method == "patchcore" and epochs == 300
    return Published(
        dataset=line["dataset"],
        epochs=epochs,
        method=method,
        title=title,
        venue=line["venue"].replace("'", " 20"),
        values=values,
        mean_of_parts=sum(values[id] for id in PARTS) / len(PARTS),
        no_target=COPIED if copied else NO_TARGET.get(method, ""),
        caution="" if copied else CAUTION.get(method, ""),
    )


def datasets() -> tuple[str, ...]:
    """Names of the data sets, as printed, in the order of the file."""
    return tuple(dict.fromkeys(row.dataset for row in published()))


TELLING: Final = 5
"""So many class names tell a data set whatever its folder is called."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which data set of the table one of ours is; "" and the reason when it is none of them."""

    dataset: str
    reason: str = ""


def match(names: Collection[str], classes: Collection[str]) -> Match:
    """The data set of the table that has these classes and one of these names.

    Five class names or more decide where a benchmark's are known; else its name, and the names or
    the number of its classes. A part of its classes is not the same data set: its rows are means
    over all.

    Args:
        names: what ours is called: by people, its folder, its card.
        classes: those the board is a mean over.
    """
    mine = {_plain(name) for name in classes}
    called = {_plain(name) for name in names}
    for one in BENCHMARKS:
        telling = len(one.classes) >= TELLING or bool(called & one.names)
        if telling and mine == {_plain(name) for name in one.classes}:
            return Match(one.title)
    for one in BENCHMARKS:
        if not called & one.names:
            continue
        if len(mine) != one.count:
            held = f"{len(mine)} class{'' if len(mine) == 1 else 'es'}"
            return Match(
                "", f"the published rows of {one.title} are means over its {one.count} classes, "
                f"and this board holds {held}",
            )  # fmt: skip
        if one.classes:
            return Match("", f"its classes are not called as those of {one.title} are")
        return Match(one.title)
    return Match("", "ADer published no results on this data set")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
