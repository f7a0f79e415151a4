"""All pairs of several runs on the same images, by one metric: each run is resampled once.

What `compare` does for two runs, for every pair of a dozen at the price of a dozen: all runs share
the draws, so that the resampled difference of a pair is the difference of two stored rows. Values
and intervals of the mean over classes equal those of `compare`; p is corrected for the number of
pairs (Holm), not of classes.

A p-value counted among R draws is never below 2 / (R + 1); corrected for the 66 pairs of a dozen
runs that would leave every order open. Where all draws lie on one side of zero the count only says
"rarer than that", and the normal distribution with the draws' spread stands in (Efron &
Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13, on standard normal
intervals).
All other p-values equal those of `compare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from core.errors import UsageError
from core.metrics.base import METRICS
from core.metrics.compare import RESAMPLES, ClassCases, DifferenceRow, _resampled, _unvaried
from core.metrics.multiplicity import holm
from core.metrics.ranking import FloatArray
from core.metrics.resampling import draw, paired
from core.metrics.summary import with_parts
from core.metrics.threads import in_threads
from core.seeding import derive
from core.types import MEAN

Runs = Mapping[str, Mapping[str, ClassCases]]


def pairs(
    runs: Runs, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> dict[tuple[str, str], DifferenceRow]:
    """The mean over classes of every pair, in the order the runs came; {(a, b): a minus b}.

    Classes are those all runs have; images those all runs scored. A pair that has no value in some
    of them is compared over the classes where both have one; without any it is left out.

    Raises:
        UsageError: no resamples, or an image that is normal in one run and anomalous in another.
    """
    if resamples < 1:
        raise UsageError(f"resamples came as {resamples}; a comparison needs 1 or more.")
    names = sorted(set.intersection(*(set(its) for its in runs.values()))) if runs else []
    found = in_threads(lambda name: _class(name, runs, metric, resamples, seed), names)
    rows: dict[tuple[str, str], DifferenceRow] = {}
    listed = list(runs)
    for i, a in enumerate(listed):
        for b in listed[i + 1 :]:
            shared = [its for its in found if a in its and b in its]
            if shared:
                rows[a, b] = _pair(metric, [its[a] for its in shared], [its[b] for its in shared])
    corrected = holm([row.p for row in rows.values()])
    return {
        pair: replace(row, p_corrected=p)
        for (pair, row), p in zip(rows.items(), corrected, strict=True)
    }


Drawn = tuple[float, FloatArray | None, int]
"""Of one run and class: the value, its resampled values where they vary, the images."""


def _class(name: str, runs: Runs, metric: str, resamples: int, seed: int) -> dict[str, Drawn]:
    aligned, whole = _aligned(name, {run: its[name] for run, its in runs.items()})
    first = next(iter(aligned.values()))
    if not first.keys_N:
        return {}
    chosen = [METRICS.get(id) for id in with_parts([metric])]
    seeded = derive(seed, "paired", name)
    weights_RN = draw(first.labels_N, resamples, seeded, first.specimens_N)
    found: dict[str, Drawn] = {}
    for run, cases in aligned.items():
        values, draws = _resampled(cases, chosen, weights_RN, whole)
        if metric in values:
            varied = None if _unvaried(cases, metric) else draws[metric]
            found[run] = values[metric], varied, len(cases.keys_N)
    return found


def _aligned(name: str, runs: Mapping[str, ClassCases]) -> tuple[dict[str, ClassCases], bool]:
    """Images that all runs have, in one order (by label, then key); whether those are all."""
    places = {run: {key: row for row, key in enumerate(its.keys_N)} for run, its in runs.items()}
    first = next(iter(runs))
    label = {key: int(runs[first].labels_N[row]) for key, row in places[first].items()}
    keys = set.intersection(*(set(its) for its in places.values()))
    shared = sorted(keys, key=lambda key: (label[key], key))
    taken = {
        run: its.take(np.array([places[run][key] for key in shared], np.intp))
        for run, its in runs.items()
    }
    for its in taken.values():
        _same_truth(name, shared, taken[first].labels_N, its.labels_N)
    return taken, all(len(its.keys_N) == len(shared) for its in runs.values())


def _same_truth(
    name: str, keys: list[str], one_N: npt.NDArray[np.int64], other_N: npt.NDArray[np.int64]
) -> None:
    (differ,) = np.nonzero(one_N != other_N)
    if len(differ):
        raise UsageError(
            f"Class {name!r}: image {keys[differ[0]]!r} is normal in one run and anomalous in "
            "another; compare runs on the same data."
        )


def _pair(metric: str, a: list[Drawn], b: list[Drawn]) -> DifferenceRow:
    at, bt = (float(np.mean([value for value, _, _ in side])) for side in (a, b))
    images = sum(count for _, _, count in a)
    row = DifferenceRow(MEAN, metric, at, bt, at - bt, None, None, None, None, "bootstrap", images)
    drawn_a = [draws for _, draws, _ in a if draws is not None]
    drawn_b = [draws for _, draws, _ in b if draws is not None]
    if min(len(drawn_a), len(drawn_b)) < len(a):
        return row
    a_R, b_R = np.mean(drawn_a, axis=0), np.mean(drawn_b, axis=0)
    d = paired(a_R, b_R, at, bt)
    return replace(row, low=d.low, high=d.high, p=rarer(d.p, d.value, a_R - b_R))


def rarer(p: float | None, value: float, differences_R: FloatArray) -> float | None:
    """`p` of "no difference"; where its count is exhausted, the normal one if that is smaller.

    Args:
        p: of `resampling.two_sided_p`.
        value: the observed difference.
        differences_R: the difference in every draw.
    """
    finite_R = differences_R[np.isfinite(differences_R)]
    if p is None or p > 2.0 / (len(finite_R) + 1) or len(finite_R) < 2:
        return p
    spread = float(finite_R.std(ddof=1))
    return p if spread == 0.0 else min(p, float(2.0 * ndtr(-abs(value) / spread)))
