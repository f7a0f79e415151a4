"""Several methods over several data sets: mean ranks, and which of them differ.

Sources: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006):
Friedman's test with the correction of Iman and Davenport (section 3.2.2), Nemenyi's critical
difference (same section), Wilcoxon's signed ranks (section 3.1.3). Benavoli, Corani & Mangili,
"Should We Really Use Post-Hoc Tests Based on Mean-Ranks?", JMLR 17 (2016), is why pairs are tested
by signed ranks, corrected by Holm: whether two methods differ by mean ranks depends on the others.

Blocks are what the methods are compared on, data sets as a rule. Ranks: 1 is best, ties share.
Shapes: K methods, N blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.multiplicity import holm
from core.metrics.rank_groups import cliques
from core.metrics.ranking import FloatArray
from core.metrics.resampling import percentile
from core.metrics.verdicts import ALPHA
from core.seeding import derive

FEWEST_METHODS, FEWEST_BLOCKS = 3, 5
"""With fewer the tests say nothing worth hearing; mean ranks stand all the same."""
RESAMPLES = 2000
_DIGITS = 9
"""Values equal to this many decimals share a rank."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Mean ranks of K methods over N blocks.

    Attributes:
        ranks_KN: 1 is best, ties share.
        mean_K: mean ranks.
        intervals_K: 95 %, by resampling blocks; (None, None) below `FEWEST_BLOCKS`.
        tests: None below `FEWEST_METHODS` or `FEWEST_BLOCKS`.
    """

    ranks_KN: FloatArray
    mean_K: FloatArray
    intervals_K: list[tuple[float, float] | tuple[None, None]]
    tests: Tests | None


@dataclass(frozen=True, slots=True)
class Tests:
    """What the ranks let one say.

    Attributes:
        chi2, p_chi2: Friedman's statistic, corrected for ties, and its p-value.
        f, p: Iman and Davenport's correction of it, less careful and nearer the truth.
        critical: Nemenyi's critical difference of mean ranks.
        groups: maximal sets of methods within the critical difference, by their best member;
            sets of one are left out.
        signed_KK: p-values of Wilcoxon's signed ranks, corrected over all pairs (Holm); 1 on the
            diagonal.
    """

    chi2: float
    p_chi2: float
    f: float
    p: float
    critical: float
    groups: list[tuple[int, ...]]
    signed_KK: FloatArray


def compare_ranks(values_KN: FloatArray, alpha: float = ALPHA) -> Ranked:
    """Ranks of methods on every block, and the tests where there are enough of both.

    Args:
        values_KN: higher is better, no gaps; see `without_gaps`.
        alpha: of Nemenyi's critical difference.

    Raises:
        UsageError: no methods or no blocks, or a value that is not finite.
    """
    from scipy.stats import rankdata

    values = np.asarray(values_KN, np.float64)
    if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
        raise UsageError("values_KN: expected finite values of at least one method and block.")
    methods, blocks = values.shape
    ranks_KN = rankdata(-np.round(values, _DIGITS), method="average", axis=0)
    mean_K = ranks_KN.mean(axis=1)
    enough = blocks >= FEWEST_BLOCKS
    tests = _tests(values, ranks_KN, alpha) if enough and methods >= FEWEST_METHODS else None
    nothing: list[tuple[float, float] | tuple[None, None]] = [(None, None)] * methods
    return Ranked(ranks_KN, mean_K, _intervals(ranks_KN) if enough else nothing, tests)


def _intervals(ranks_KN: FloatArray) -> list[tuple[float, float] | tuple[None, None]]:
    methods, blocks = ranks_KN.shape
    rng = np.random.default_rng(derive(0, "blocks", blocks))
    drawn_RN = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES)
    mean_KR = ranks_KN @ drawn_RN.T / blocks
    return [percentile(one_R, low=1.0, high=float(methods)) for one_R in mean_KR]


def _tests(values: FloatArray, ranks_KN: FloatArray, alpha: float) -> Tests:
    from scipy.stats import chi2 as chi_squared
    from scipy.stats import f as fisher

    methods, blocks = ranks_KN.shape
    statistic = friedman_statistic(ranks_KN)
    most = blocks * (methods - 1)
    f = np.inf if statistic >= most else (blocks - 1) * statistic / (most - statistic)
    critical = critical_difference(methods, blocks, alpha)
    return Tests(
        chi2=statistic,
        p_chi2=float(chi_squared.sf(statistic, methods - 1)),
        f=float(f),
        p=float(fisher.sf(f, methods - 1, (methods - 1) * (blocks - 1))),
        critical=critical,
        groups=_within(ranks_KN.mean(axis=1), critical),
        signed_KK=signed_ranks(values),
    )


def friedman_statistic(ranks_KN: FloatArray) -> float:
    """Friedman's chi-squared with K - 1 degrees of freedom, corrected for ties; 0 where all tie."""
    methods, blocks = ranks_KN.shape
    tied = 0.0
    for ranks_K in ranks_KN.T:
        _, counts = np.unique(ranks_K, return_counts=True)
        tied += float((counts.astype(float) ** 3 - counts).sum())
    correction = 1.0 - tied / (blocks * methods * (methods**2 - 1))
    if correction <= 0.0:
        return 0.0
    spread = float(((ranks_KN.mean(axis=1) - (methods + 1) / 2) ** 2).sum())
    return float(12.0 * blocks * spread / (methods * (methods + 1)) / correction)


def critical_difference(methods: int, blocks: int, alpha: float = ALPHA) -> float:
    """Nemenyi's: mean ranks further apart than this differ.

    q sqrt(K (K + 1) / (6 N)), q the studentised range of K means (infinite degrees of freedom) over
    sqrt(2).

    Raises:
        UsageError: fewer than two methods, or no block.
    """
    if methods < 2 or blocks < 1:
        raise UsageError(f"{methods} methods on {blocks} blocks: expected 2 and 1, or more.")
    scale = math.sqrt(methods * (methods + 1) / (6 * blocks))
    return _range_quantile(methods, alpha) * scale


@cache
def _range_quantile(methods: int, alpha: float) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2))


def _within(mean_K: FloatArray, critical: float) -> list[tuple[int, ...]]:
    close = np.abs(mean_K[:, None] - mean_K[None, :]) <= critical
    order = np.argsort(mean_K, kind="stable")
    place = np.argsort(order, kind="stable")
    sets = [sorted(int(place[i]) for i in one) for one in cliques(close) if len(one) > 1]
    return [tuple(int(order[at]) for at in one) for one in sorted(sets)]


def signed_ranks(values_KN: FloatArray) -> FloatArray:
    """p-values of Wilcoxon's signed-rank test for every pair, corrected over pairs (Holm). [K, K]

    Blocks without a difference count half for either side (Pratt's ranks, split), as Demsar asks.
    """
    from scipy.stats import wilcoxon

    methods = len(values_KN)
    rounded = np.round(values_KN, _DIGITS)
    pairs = [(i, j) for i in range(methods) for j in range(i + 1, methods)]
    raw: list[float | None] = []
    for i, j in pairs:
        difference_N = rounded[i] - rounded[j]
        if not difference_N.any():
            raw.append(1.0)
            continue
        with np.errstate(all="ignore"):
            raw.append(min(1.0, float(wilcoxon(difference_N, zero_method="zsplit").pvalue)))
    found = np.ones((methods, methods))
    for (i, j), p in zip(pairs, holm(raw), strict=True):
        assert p is not None
        found[i, j] = found[j, i] = p
    return found


def without_gaps(
    known_KN: npt.NDArray[np.bool_],
) -> tuple[Sequence[int], Sequence[int]]:
    """Methods and blocks that can be ranked together: those left when gaps are cut out.

    What has the largest share of gaps goes first, a block before a method of equal share; what
    is empty is gone at once. The result may be empty.

    Returns:
        positions of methods, of blocks; in order.
    """
    known = np.asarray(known_KN, bool)
    rows = [int(i) for i in np.flatnonzero(known.any(axis=1))]
    columns = [int(i) for i in np.flatnonzero(known.any(axis=0))]
    while rows and columns:
        gaps = ~known[np.ix_(rows, columns)]
        if not gaps.any():
            return rows, columns
        of_row, of_column = gaps.mean(axis=1), gaps.mean(axis=0)
        if of_column.max() >= of_row.max():
            columns.pop(int(of_column.argmax()))
        else:
            rows.pop(int(of_row.argmax()))
    return [], []
