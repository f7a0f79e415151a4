"""Two runs on the same images: which differences are real.

Both runs are resampled with the same draws, so that what an image is worth to both cancels out:
the difference is far surer than two intervals side by side suggest. Image AUROC of a class is
tested as DeLong et al. do (`delong`); everything else by the paired bootstrap, its p-value from
the share of draws on either side of zero (`resampling.two_sided_p`). Pixel metrics come from the
runs' per-image histograms, every draw shifted so that all images together give the stored value.

DeLong's test takes images as independent; where several show one specimen, the bootstrap over
specimens stands for image AUROC, too. Where no draw can differ from another (one image of a label,
one specimen) there is no interval and no p-value.

The p-values of one metric over many classes are corrected together (Holm, `multiplicity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.base import METRICS, NINE, Evidence, Metric, NotComputable
from core.metrics.delong import delong_paired
from core.metrics.evidence import (
    NO_NORMAL_IMAGE,
    PixelSummaries,
    weighted_pixels,
    weighted_scores,
)
from core.metrics.group import Group
from core.metrics.multiplicity import holm
from core.metrics.population import NO_ANOMALOUS, NO_MASK, NO_NORMAL
from core.metrics.ranking import FloatArray, Ranking
from core.metrics.resampling import draw, paired, units
from core.metrics.stats import unvaried
from core.metrics.summary import with_parts
from core.metrics.threads import in_threads
from core.seeding import derive
from core.types import MEAN

RESAMPLES = 1000
_BLOCK = 1_000_000  # numbers in one array of resamples x bins


@dataclass(frozen=True, slots=True)
class ClassCases:
    """One class as a run scored it, N images in any order.

    Attributes:
        keys_N: what each image is called; the runs are matched by it.
        pixels: per-image histograms in the same order; None where there are none.
        values: the stored value of each metric.
    """

    keys_N: tuple[str, ...]
    labels_N: npt.NDArray[np.int64]
    scores_N: FloatArray
    specimens_N: tuple[str | None, ...]
    pixels: PixelSummaries | None
    values: Mapping[str, float]

    @classmethod
    def of_group(cls, group: Group) -> ClassCases:
        """The cases of a class that was just evaluated."""
        return cls(
            keys_N=tuple(image.key for image in group.images),
            labels_N=np.array([image.label for image in group.images]),
            scores_N=np.array([image.score for image in group.images]),
            specimens_N=tuple(image.specimen for image in group.images),
            pixels=group.pixel_summaries,
            values={id: float(values_R[0]) for id, values_R in group.values.items()},
        )

    def take(self, rows: npt.NDArray[np.intp]) -> ClassCases:
        """The images at `rows`, in that order."""
        p = self.pixels
        if p is not None:
            tables = (p.normal_NB, p.anomalous_NB, p.gain_NB, p.regions_N)
            p = PixelSummaries(p.edges_B, *(table[rows] for table in tables))
        return replace(
            self,
            keys_N=tuple(self.keys_N[row] for row in rows),
            labels_N=self.labels_N[rows],
            scores_N=self.scores_N[rows],
            specimens_N=tuple(self.specimens_N[row] for row in rows),
            pixels=p,
        )


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A minus B for one metric of one class, or of the mean over classes.

    Attributes:
        a, b, difference: values, in the metric's own unit; the difference is the effect.
        low, high: 95 % interval of the difference; None as for p.
        p: of "no difference"; None where it cannot be told.
        p_corrected: over the classes of the same metric (Holm); of the mean, p itself.
        test: "delong" or "bootstrap".
        images: how many both runs scored.
    """

    class_name: str
    metric: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    test: Literal["delong", "bootstrap"]
    images: int


def compare(
    a: Mapping[str, ClassCases],
    b: Mapping[str, ClassCases],
    metrics: Sequence[str] = NINE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[DifferenceRow]:
    """Differences of all classes that both runs have, and of their mean.

    Classes are matched by name, images by key; images that only one run scored are left out, and
    then values come from the images they share.

    Args:
        metrics: ids of image and pixel metrics and of "mad"; others give no rows.
        resamples: draws of the paired bootstrap, at least 1.
        seed: the draws depend on it and on the class's name.

    Raises:
        UsageError: no resamples, or an image that is normal in one run and anomalous in the other.
        UnknownId: no such metric.
    """
    if resamples < 1:
        raise UsageError(f"resamples came as {resamples}; a comparison needs 1 or more.")
    names = sorted(set(a) & set(b))
    needed = with_parts(metrics)
    chosen = [METRICS.get(id) for id in needed]
    found = in_threads(lambda n: _class(n, a[n], b[n], chosen, resamples, seed), names)
    rows = [row for one in found for row in one.rows]
    rows = [corrected for id in metrics for corrected in _corrected(rows, id)]
    means = [_mean(id, found) for id in metrics]
    return rows + [row for row in means if row is not None]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One class: its rows, and the resampled values behind them by metric (a, b), if they vary."""

    rows: list[DifferenceRow]
    draws: dict[str, tuple[FloatArray, FloatArray]]


def _class(
    name: str, a: ClassCases, b: ClassCases, metrics: Sequence[Metric], resamples: int, seed: int
) -> _Compared:
    a, b, whole = _aligned(name, a, b)
    images = len(a.keys_N)
    if images == 0:
        return _Compared([], {})
    weights_RN = draw(a.labels_N, resamples, derive(seed, "paired", name), a.specimens_N)
    (values_a, draws_a), (values_b, draws_b) = (
        _resampled(run, metrics, weights_RN, whole) for run in (a, b)
    )
    rows, draws = [], {}
    for id in sorted(draws_a.keys() & draws_b.keys()):
        at, bt = values_a[id], values_b[id]
        row = DifferenceRow(name, id, at, bt, at - bt, None, None, None, None, "bootstrap", images)
        if not _unvaried(a, id):
            draws[id] = draws_a[id], draws_b[id]
            d = paired(draws_a[id], draws_b[id], at, bt)
            row = replace(row, low=d.low, high=d.high, p=d.p)
            row = _delong(row, a, b) if id == "image_auroc" else row
        rows.append(row)
    return _Compared(rows, draws)


def _unvaried(run: ClassCases, metric: str) -> bool:
    """Whether all draws of these images are the same to a metric."""
    known_N = np.zeros(len(run.keys_N), bool)
    if run.pixels is not None and METRICS.get(metric).level != "image":
        known_N = run.pixels.regions_N > 0
    return bool(unvaried(run.labels_N, known_N, run.specimens_N))


def _delong(row: DifferenceRow, a: ClassCases, b: ClassCases) -> DifferenceRow:
    """The row by DeLong's test, where images are independent of one another."""
    if len(units(a.labels_N, a.specimens_N).stratum_U) < len(a.keys_N):
        return row
    exact = delong_paired(a.scores_N, b.scores_N, a.labels_N)
    if exact is None:
        return row
    return replace(row, low=exact.low, high=exact.high, p=exact.p, test="delong")


def _aligned(name: str, a: ClassCases, b: ClassCases) -> tuple[ClassCases, ClassCases, bool]:
    """Shared images in one order (by label, then key), and whether those are all of both."""
    place = [{key: row for row, key in enumerate(run.keys_N)} for run in (a, b)]
    label = {key: int(a.labels_N[row]) for key, row in place[0].items()}
    shared = sorted(place[0].keys() & place[1].keys(), key=lambda key: (label[key], key))
    whole = len(shared) == len(a.keys_N) == len(b.keys_N)
    rows = [np.array([where[key] for key in shared], np.intp) for where in place]
    a, b = a.take(rows[0]), b.take(rows[1])
    (differ,) = np.nonzero(a.labels_N != b.labels_N)
    if len(differ):
        raise UsageError(
            f"Class {name!r}: image {shared[differ[0]]!r} is normal in one run and anomalous in "
            "the other; compare runs on the same data."
        )
    return a, b, whole


def _resampled(
    run: ClassCases, metrics: Sequence[Metric], weights_RN: FloatArray, whole: bool
) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """Value of each metric, and its value in every draw, centred on it."""
    bins = len(run.keys_N) if run.pixels is None else len(run.pixels.edges_B)
    rows = max(1, _BLOCK // max(bins, len(run.keys_N)))
    blocks = [
        _values(run, metrics, weights_RN[start : start + rows])
        for start in range(0, len(weights_RN), rows)
    ]
    estimate = _values(run, metrics, np.ones((1, len(run.keys_N))))
    values, draws = {}, {}
    for id, at in estimate.items():
        values[id] = run.values.get(id, float(at[0])) if whole else float(at[0])
        draws[id] = np.concatenate([block[id] for block in blocks]) + (values[id] - at[0])
    return values, draws


@np.errstate(invalid="ignore", divide="ignore")
def _values(
    run: ClassCases, metrics: Sequence[Metric], weights_RN: FloatArray
) -> dict[str, FloatArray]:
    """Every metric that can be computed, in every weighting."""
    bad = run.labels_N == 1
    image: Ranking | str = NO_NORMAL_IMAGE if bad.all() else NO_ANOMALOUS
    if bad.any() and not bad.all():
        image = weighted_scores(run.scores_N, run.labels_N, weights_RN)
    pixels: Ranking | str = NO_MASK
    if run.pixels is not None and run.pixels.regions_N.any():
        pixels = NO_NORMAL
        if run.pixels.normal_NB.any():
            pixels = weighted_pixels(run.pixels, weights_RN)
    values: dict[str, FloatArray] = {}
    evidence = Evidence(
        image_ranking=image, pixel_ranking=pixels, values=values, weights_RN=weights_RN
    )
    for metric in sorted(metrics, key=lambda one: one.level == "summary"):
        try:
            values[metric.id] = metric.compute(evidence)
        except NotComputable:
            continue
    return values


def _corrected(rows: Sequence[DifferenceRow], metric: str) -> list[DifferenceRow]:
    mine = [row for row in rows if row.metric == metric]
    adjusted = holm([row.p for row in mine])
    return [replace(row, p_corrected=p) for row, p in zip(mine, adjusted, strict=True)]


def _mean(metric: str, classes: Sequence[_Compared]) -> DifferenceRow | None:
    """The difference of the means over the classes that have a value in both runs."""
    mine = [(one.draws.get(metric), row) for one in classes for row in one.rows]
    mine = [(draws, row) for draws, row in mine if row.metric == metric]
    if not mine:
        return None
    a, b = (float(np.mean([getattr(row, side) for _, row in mine])) for side in ("a", "b"))
    images = sum(row.images for _, row in mine)
    mean = DifferenceRow(MEAN, metric, a, b, a - b, None, None, None, None, "bootstrap", images)
    varied = [draws for draws, _ in mine if draws is not None]
    if len(varied) < len(mine):
        return mean
    a_R, b_R = (np.mean([draws[side] for draws in varied], axis=0) for side in (0, 1))
    d = paired(a_R, b_R, a, b)
    return replace(mean, low=d.low, high=d.high, p=d.p, p_corrected=d.p)
