"""How far a value from a histogram can lie from the exact one: guaranteed, from both sides.

A histogram does not say in which order the values of one bin stand. Let P and N be the numbers
of anomalous and of normal values, and for a bin b, going down from the highest:

    p_b, q_b    anomalous and normal values in it
    t0, t1      anomalous values above it; t1 = t0 + p_b
    f0, f1      normal values above it; f1 = f0 + q_b

Whatever the order inside, the true curve passes through (f0, t0) and (f1, t1) and, rising in both,
stays in the rectangle between: all anomalous values of the bin first is the best case, all normal
ones first the worst. Ties in the data are one more order in between. Hence, with sums over bins:

AUROC       1 - sum p_b f1 / PN  <=  AUROC  <=  1 - sum p_b f0 / PN.
            The width is sum p_b q_b / PN, twice the distance to the value with ties as halves.
AP          An anomalous value that is the i-th of its bin has precision between
            (t0 + i) / (t0 + i + f1) (all normals before it) and t1 / (t1 + f0) (none before it,
            the bin's anomalous values tied). With g(t) = t / (t + f1), rising and concave:
            sum_i g(t0 + i) >= integral of g from t0 to t1 = p_b - f1 ln((t1 + f1) / (t0 + f1)).
F1, IoU     Every bin's lower edge is a threshold that exists, so the maximum over edges is a
            lower bound. Inside a bin, F1 = 2t / (t + f + P) and IoU = t / (f + P) rise with t
            and fall with f: their values at the corner (f0, t1) are upper bounds.
AU-PRO      With region gains g_b (what the bin adds to the mean share of a region found), the
            polyline of overlap over rate x = f / N stays between jumping up at f0 and at f1:
            AU-PRO >= sum g_b max(limit - f1/N, 0) / limit, and
            AU-PRO <= sum g_b max(limit - f0/N, 0) / limit.
            The point interpolated at the limit lies on that polyline too. Gains are kept in fixed
            point; `slack` covers their rounding.
AUPIMO      A pixel's score falls with the rate at its value (see `pimo`), which lies between
            f0 / N and f1 / N.

All functions take a Ranking of bins (R = 1 or more) and give (low_R, high_R). TINY covers the
rounding of sums in float64.
"""

from __future__ import annotations

import numpy as np

from core.metrics.ranking import FloatArray, Ranking

Bounds = tuple[FloatArray, FloatArray]
TINY = 1e-12


def auroc_bounds(ranking: Ranking) -> Bounds:
    """Of `ranking.auroc`."""
    r = ranking
    pairs_R = r.positives_R * r.negatives_R
    low = 1.0 - (r.count_RM * r.false_RM).sum(axis=1) / pairs_R
    high = 1.0 - (r.count_RM * r.above_RM).sum(axis=1) / pairs_R
    return low - TINY, high + TINY


def average_precision_bounds(ranking: Ranking) -> Bounds:
    """Of `ranking.average_precision`."""
    r = ranking
    after, false = r.found_RM, r.false_RM
    before = after - r.count_RM
    # p - f ln(1 + p / (t0 + f)); no normal value anywhere above means precision 1 throughout
    rise = np.log1p(r.count_RM / np.maximum(before + false, TINY))
    lower = r.count_RM - np.where(false > 0, false * rise, 0.0)
    best = r.count_RM * after / np.maximum(after + r.above_RM, TINY)
    return (
        lower.sum(axis=1) / r.positives_R - TINY,
        np.asarray(best.sum(axis=1) / r.positives_R) + TINY,
    )


def f1_max_bounds(ranking: Ranking) -> Bounds:
    """Of `ranking.f1_max`."""
    r = ranking
    found, positives = r.found_RM, r.positives_R[:, None]
    low = (2.0 * found / (found + r.false_RM + positives)).max(axis=1)
    high = (2.0 * found / (found + r.above_RM + positives)).max(axis=1)
    return low - TINY, high + TINY


def iou_max_bounds(ranking: Ranking) -> Bounds:
    """Of `ranking.iou_max`."""
    r = ranking
    found, positives = r.found_RM, r.positives_R[:, None]
    low = (found / (r.false_RM + positives)).max(axis=1)
    high = (found / (r.above_RM + positives)).max(axis=1)
    return low - TINY, high + TINY


def aupro_bounds(ranking: Ranking, limit: float, slack: float = 0.0) -> Bounds:
    """Of `ranking.aupro`; `slack`: see `histogram.rounding`."""
    r = ranking
    assert r.gain_RM is not None
    share_R1 = 1.0 / r.negatives_R[:, None]
    low = (r.gain_RM * np.maximum(limit - r.false_RM * share_R1, 0.0)).sum(axis=1) / limit
    high = (r.gain_RM * np.maximum(limit - r.above_RM * share_R1, 0.0)).sum(axis=1) / limit
    return low - slack - TINY, high + slack + TINY
