"""Region level: are all anomalous regions found, small ones as much as large ones?"""

from __future__ import annotations

import numpy as np

from core.metrics import bounds, formulas
from core.metrics.base import AT_ORACLE, Evidence, NotComputable, Sizes, metric
from core.metrics.pimo import HIGH, LOW, few_pixels, pimo_scores
from core.metrics.ranking import FloatArray, Rates, aupro
from core.metrics.sizes import minimum_detectable_size, recall_by_quartile

LIMIT = 0.3
"""False-positive rate up to which AU-PRO integrates."""


@metric(
    "pixel_aupro",
    title="AU-PRO",
    level="region",
    summary="The share of each anomalous region found, every region weighing the same, "
    "while at most 30 % of the normal pixels are marked.",
    definition="Area under the polyline of mean per-region overlap against the share of normal "
    "pixels marked, over all distinct thresholds, up to 0.3 (linear interpolation there), "
    "divided by 0.3; regions are 8-connected, normal pixels are those of all images.",
    formula=formulas.AUPRO,
    source="Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021",
    bounds=lambda evidence: bounds.aupro_bounds(evidence.pixels, LIMIT, evidence.slack),
)
def pixel_aupro(evidence: Evidence) -> FloatArray:
    return aupro(evidence.pixels, LIMIT)


def _rates(evidence: Evidence) -> Rates:
    rates: Rates = evidence.need("rates")
    if rates.pixels == 0:
        raise NotComputable("no normal image")
    return rates


def aupimo_bounds(evidence: Evidence) -> bounds.Bounds:
    """See `bounds`; the mean over images keeps them."""
    rates, slack = _rates(evidence), evidence.slack + bounds.TINY
    return (
        (rates.share_RM * pimo_scores(rates.high_RM)).sum(axis=1) - slack,
        (rates.share_RM * pimo_scores(rates.low_RM)).sum(axis=1) + slack,
    )


@metric(
    "aupimo",
    title="AUPIMO",
    level="region",
    summary="The share of each anomalous image's flaw found while hardly a pixel of the normal "
    "images is marked, at most 1 in 10,000.",
    definition=f"Mean over anomalous images of the mean recall over log false-positive rates from "
    f"{LOW:.0e} to {HIGH:.0e} on the pixels of normal images.",
    formula=formulas.AUPIMO,
    source="Bertoldo et al., arXiv 2401.01984",
    note=lambda evidence: few_pixels(_rates(evidence).pixels),
    bounds=aupimo_bounds,
)
def aupimo(evidence: Evidence) -> FloatArray:
    rates = _rates(evidence)
    low, high = pimo_scores(rates.high_RM), pimo_scores(rates.low_RM)
    return np.asarray((rates.share_RM * (low + high) / 2).sum(axis=1))


def _froc(marks: float, words: str) -> None:
    """Register the share of lesions found at so many false marks a normal image."""

    @metric(
        f"froc_llf_{marks:g}".replace(".", ""),
        title=f"Found at {marks:g} false mark{'' if marks == 1 else 's'} an image",
        level="region",
        summary=f"The share of anomalous regions found when a normal image carries {words} on "
        "average.",
        definition="Lesion localisation fraction at the lowest threshold at which local maxima of "
        f"normal images' maps number at most {marks:g} an image; a region is found when such a "
        "maximum lies on or near it.",
        formula=formulas.localisation(marks),
        source="Chakraborty & Winter, Radiology 174, 1990",
    )
    def llf(evidence: Evidence) -> FloatArray:
        found: FloatArray = evidence.need("froc").llf_at(marks)
        return found


for _marks, _words in ((0.25, "one false mark in four images"), (0.5, "half a false mark"),
                       (1.0, "one false mark"), (2.0, "two false marks")):  # fmt: skip
    _froc(_marks, _words)


def _hits(evidence: Evidence) -> tuple[Sizes, np.ndarray]:
    sizes: Sizes = evidence.need("sizes")
    if np.isnan(evidence.threshold):
        raise NotComputable("no threshold is known")
    return sizes, sizes.peaks_L >= np.float32(evidence.threshold)


def _quartile(place: int, name: str, words: str) -> None:
    """Register the recall of one quartile of region areas."""

    def edges(evidence: Evidence) -> str:
        sizes, hits_L = _hits(evidence)
        at, _, counts = recall_by_quartile(sizes.areas_L, hits_L)
        return f"{counts[place]} regions of {at[place]:g} to {at[place + 1]:g} px; {AT_ORACLE}"

    @metric(
        f"region_recall_{name}",
        title=f"Recall, {words} regions",
        level="region",
        summary=f"The share of the {words} quarter of all flaws that the marked area touches.",
        definition="Share of the regions in one quartile of the class's own region areas with at "
        "least one pixel at or above the threshold of pixel F1-max (oracle).",
        formula=formulas.QUARTILE_RECALL,
        source="no publication: quartiles, so that every class is divided by what is small for it",
        note=edges,
    )
    def recall(evidence: Evidence) -> FloatArray:
        sizes, hits_L = _hits(evidence)
        weights = evidence.weights_RN
        _, recall_R4, counts = recall_by_quartile(sizes.areas_L, hits_L, sizes.image_L, weights)
        if counts[place] == 0:
            raise NotComputable("no region falls into this quarter: many have the same area")
        return recall_R4[:, place]


for _place, (_name, _words) in enumerate(
    (("smallest", "smallest"), ("small", "second smallest"),
     ("large", "second largest"), ("largest", "largest"))
):  # fmt: skip
    _quartile(_place, _name, _words)


@metric(
    "region_min_size",
    title="Minimum detectable size",
    level="region",
    unit="pixels",
    higher_is_better=False,
    summary="The size from which on at least 9 in 10 flaws are touched by the marked area.",
    definition="Smallest region area a such that at least 90 % of the regions with area >= a have "
    "a pixel at or above the threshold of pixel F1-max (oracle); in pixels of the run's size.",
    formula=formulas.MIN_SIZE,
    source="Armbruster & Pry, Clinical Biochemist Reviews 29, 2008 (limit of detection)",
    note=lambda evidence: AT_ORACLE,
)
def region_min_size(evidence: Evidence) -> FloatArray:
    sizes, hits_L = _hits(evidence)
    found = minimum_detectable_size(sizes.areas_L, hits_L, sizes.image_L, evidence.weights_RN)
    if evidence.weights_RN is None and np.isnan(found[0]):
        raise NotComputable("even of the largest regions less than 90 % are hit")
    return found
