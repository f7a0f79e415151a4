"""What a held-out threshold promises, and what the test images then showed.

The threshold is the split-conformal quantile of n held-out normal scores; see
`core.metrics.thresholds`. Before the held-out images are drawn a new normal image is a false alarm
with probability alpha at most. Once they are drawn, the false-alarm rate of this very threshold is
a fixed number that is not known; over draws of the held-out images it follows a beta distribution:
with k of the n scores below the threshold, Beta(n + 1 - k, k) (scores without ties; ties only
lower the rate).

Sources: Vovk, "Conditional validity of inductive conformal predictors", ACML 2012, section 3;
Angelopoulos & Bates, arXiv 2107.07511, section 3.2 (the beta distribution) and appendix C (the
beta-binomial distribution of what a finite test set shows).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, betaln, gammaln

from core.metrics.operating import Share
from core.metrics.thresholds import held_out_threshold


@dataclass(frozen=True, slots=True)
class Promise:
    """What n held-out normals vouch for at a wanted false-alarm rate.

    Attributes:
        threshold: flagged at or above; note says from how many, and what they cannot promise.
        wanted: the rate asked for.
        promised: the rate that is kept on average, at most `wanted` where `kept`.
        kept: whether n normals can promise what was asked; else `promised` is the lowest they can.
        low, high: 95 % of draws of the held-out images give a threshold whose rate lies between.
    """

    threshold: float
    note: str
    normals: int
    wanted: float
    promised: float
    kept: bool
    low: float
    high: float

    @property
    def floor(self) -> float:
        """No rate below this one can be promised by so few normals."""
        return 1 / (self.normals + 1)


@dataclass(frozen=True, slots=True)
class Realised:
    """False alarms among the test normals, and how many chance allows if the promise holds.

    Attributes:
        expected_low, expected_high: counts of the central 95 % of the beta-binomial distribution.
    """

    share: Share
    expected_low: int
    expected_high: int

    @property
    def verdict(self) -> str:
        """ "as promised", "more" or "fewer" than chance allows."""
        if self.share.hits > self.expected_high:
            return "more"
        return "fewer" if self.share.hits < self.expected_low else "as promised"


def promise(scores_N: npt.ArrayLike, alpha: float, level: float = 0.95) -> Promise | None:
    """What held-out normal scores promise at `alpha`; None without a score.

    Raises:
        UsageError: alpha out of range, or a score that is not finite.
    """
    threshold, note = held_out_threshold(scores_N, alpha)
    n = int(np.asarray(scores_N).size)
    if threshold is None:
        return None
    above = allowed(n, alpha)
    promised = above / (n + 1)
    tail = (1 - level) / 2
    low, high = (float(betaincinv(above, n + 1 - above, q)) for q in (tail, 1 - tail))
    return Promise(threshold, note, n, alpha, promised, promised <= alpha + 1e-12, low, high)


def allowed(n: int, alpha: float) -> int:
    """n + 1 - k: the promised rate in units of 1 / (n + 1); 1 where n normals vouch for no less."""
    return max(1, math.floor((n + 1) * alpha + 1e-9))


def realised(promised: Promise, hits: int, normals: int, level: float = 0.95) -> Realised:
    """False alarms seen among test normals beside what the promise leads one to expect."""
    above = allowed(promised.normals, promised.wanted)
    mass = np.cumsum(_beta_binomial(normals, above, promised.normals + 1 - above))
    tail = (1 - level) / 2
    low, high = (int(np.argmax(mass >= q - 1e-12)) for q in (tail, 1 - tail))
    return Realised(Share(hits, normals), low, high)


def _beta_binomial(m: int, a: float, b: float) -> npt.NDArray[np.float64]:
    """Probability of 0 to m hits in m trials whose rate is drawn from Beta(a, b). [m + 1]"""
    hits = np.arange(m + 1)
    choose = gammaln(m + 1) - gammaln(hits + 1) - gammaln(m - hits + 1)
    return np.asarray(np.exp(choose + betaln(hits + a, m - hits + b) - betaln(a, b)))
