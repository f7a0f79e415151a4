"""Which kind of case fails more often than the others, and by how much that could be luck.

One group against all others: Fisher's exact test, one-sided (Fisher, "The Logic of Inductive
Inference", Journal of the Royal Statistical Society 98, 1935): given how many cases there are, how
many of them fail and how large the group is, the failures in the group follow a hypergeometric
distribution if the group is like the rest. Over many groups p-values are adjusted by Holm's
procedure (`multiplicity`).

Sizes are cut into thirds of the cases themselves, so that small and large mean what they mean in
the data at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from core.errors import UsageError
from core.metrics.multiplicity import holm

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Enriched:
    """One group against the rest.

    Attributes:
        hits, count: failures and cases in the group.
        rest_hits, rest_count: in all others.
        p: adjusted for the number of groups; None where there is no rest, no failure or no case.
    """

    hits: int
    count: int
    rest_hits: int
    rest_count: int
    p: float | None

    @property
    def surely(self) -> bool:
        """Whether the group fails more often than the rest, beyond luck (adjusted p < 0.05)."""
        return self.p is not None and self.p < ALPHA


def more_often(hits: int, count: int, rest_hits: int, rest_count: int) -> float:
    """One-sided p-value of Fisher's exact test: at least `hits` failures in the group by luck.

    Raises:
        UsageError: more failures than cases, or a negative number.
    """
    if not (0 <= hits <= count and 0 <= rest_hits <= rest_count):
        raise UsageError(
            f"hits: expected 0 to count on both sides, got {hits} of {count} and {rest_hits} of "
            f"{rest_count}."
        )
    total, failures = count + rest_count, hits + rest_hits
    k = np.arange(hits, min(count, failures) + 1)
    terms = _choose(count, k) + _choose(rest_count, failures - k) - _choose(total, failures)
    return float(min(1.0, np.exp(logsumexp(terms))))


def _choose(n: int, k: npt.NDArray[np.int64] | int) -> npt.NDArray[np.float64]:
    """Logarithm of the binomial coefficient; minus infinity where there is no such choice."""
    taken = np.asarray(k, np.float64)
    inside = (taken >= 0) & (taken <= n)
    safe = np.where(inside, taken, 0.0)
    value = gammaln(n + 1.0) - gammaln(safe + 1.0) - gammaln(n - safe + 1.0)
    return np.where(inside, value, -np.inf)


def enriched(hits_G: Sequence[int], counts_G: Sequence[int]) -> list[Enriched]:
    """Every group of a partition against all others, p-values adjusted together.

    Args:
        hits_G, counts_G: failures and cases of G groups that share no case.

    Raises:
        UsageError: see `more_often`.
    """
    all_hits, all_cases = sum(hits_G), sum(counts_G)
    raw: list[float | None] = []
    rests = []
    for hits, count in zip(hits_G, counts_G, strict=True):
        rest = all_hits - hits, all_cases - count
        rests.append(rest)
        testable = count > 0 and rest[1] > 0 and 0 < all_hits < all_cases
        raw.append(more_often(hits, count, *rest) if testable else None)
    adjusted = holm(raw)
    return [
        Enriched(hits, count, *rest, p)
        for hits, count, rest, p in zip(hits_G, counts_G, rests, adjusted, strict=True)
    ]


def third_edges(values_N: npt.ArrayLike) -> tuple[float, float] | None:
    """Values that part the given ones into thirds (linear interpolation); None without any."""
    values = np.asarray(values_N, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, (1 / 3, 2 / 3))
    return float(low), float(high)
