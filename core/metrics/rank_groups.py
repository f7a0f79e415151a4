"""Many entries on the same images: places, who differs from whom, and groups that cannot be told.

Every entry is resampled with the same draws, so that what an image is worth to all of them cancels
out of every difference. All pairs are tested at once by the step-down maximum of studentised
differences (Romano & Wolf, "Exact and Approximate Stepdown Methods for Multiple Hypothesis
Testing", JASA 100, 2005): the share of draws in which the largest deviation of any pair not yet
told apart exceeds the observed difference. It holds the chance of any false finding at its level
as Holm's correction does, but knows from the draws how the pairs hang together; Holm's smallest
possible p-value, 2 / (draws + 1) times the number of pairs, would pass 5 % from eight entries on at
1,000 draws, and then tell nothing apart whatever the images say.

Places follow from the tests (Mogstad, Romano, Shaikh & Wilhelm, "Inference for Ranks with
Applications to Mobility across Neighborhoods", Review of Economic Studies 91, 2024): an entry is at
best behind those surely better, at worst before those surely worse. Letters are a compact display
of the pairs (Piepho, "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons",
JCGS 13, 2004); here every maximal set of entries of which no two differ has one.

Shapes: E entries, R resamples, P pairs (i < j).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.ranking import FloatArray
from core.metrics.resampling import two_sided_p

Bools = npt.NDArray[np.bool_]
LEVEL = 0.95
_ROUNDING = 1e-12
"""Differences and spreads below this are rounding: such entries are the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one entry stands among E.

    Attributes:
        best, worst: the places it can have, judged by who differs from whom; 1 is first.
        letters: of its groups, "a" holding the best; entries that share none differ.
        level_with: positions of the others it cannot be told apart from.
    """

    best: int
    worst: int
    letters: str
    level_with: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Where one entry stands when the images are drawn anew.

    Attributes:
        low, high: the places between which it stands in 95 % of the draws.
        first: share of draws in which it comes first; shared where several do.
    """

    low: int
    high: int
    first: float


def places(values_E: Sequence[float] | FloatArray, differs_EE: Bools) -> list[Place]:
    """The place of every entry; higher values are better.

    Args:
        differs_EE: symmetric; whether two entries are told apart.
    """
    values, differs = np.asarray(values_E, np.float64), np.asarray(differs_EE, bool)
    letters = group_letters(values, differs)
    found = []
    for i in range(len(values)):
        above = int((differs[i] & (values > values[i])).sum())
        below = int((differs[i] & (values < values[i])).sum())
        level = tuple(int(j) for j in np.flatnonzero(~differs[i]) if j != i)
        found.append(Place(1 + above, len(values) - below, letters[i], level))
    return found


def adjusted_p(values_E: Sequence[float] | FloatArray, draws_ER: FloatArray) -> FloatArray:
    """p-values of "no difference" for all pairs, corrected for their number. [E, E], 1 on the
    diagonal.

    Never below the pair's own bootstrap p-value (`resampling.two_sided_p`), and equal to it where
    there is one pair only, so that two entries here are what two compared runs are.

    Raises:
        UsageError: as `places`.
    """
    values, draws = _checked(values_E, draws_ER)
    count, resamples = draws.shape
    found = np.ones((count, count))
    one_P, two_P = np.triu_indices(count, 1)
    if len(one_P) == 0 or resamples == 0:
        return found
    observed_P = values[one_P] - values[two_P]
    spread_P = np.array(
        [np.std(draws[i] - draws[j], ddof=1) if resamples > 1 else 0.0
         for i, j in zip(one_P, two_P, strict=True)]
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic_P = np.abs(observed_P) / spread_P
    still_P = spread_P <= _ROUNDING
    statistic_P[still_P] = np.where(np.abs(observed_P[still_P]) <= _ROUNDING, 0.0, np.inf)
    largest_R = np.zeros(resamples)
    corrected_P = np.ones(len(one_P))
    for pair in np.argsort(statistic_P, kind="stable"):
        i, j = one_P[pair], two_P[pair]
        difference_R = draws[i] - draws[j]
        if not still_P[pair]:
            moved_R = np.abs(difference_R - observed_P[pair]) / spread_P[pair]
            np.maximum(largest_R, moved_R, out=largest_R)
        joint = (1 + np.count_nonzero(largest_R >= statistic_P[pair])) / (resamples + 1)
        alone = two_sided_p(difference_R)
        assert alone is not None
        corrected_P[pair] = alone if len(one_P) == 1 else max(joint, alone)
    reached = 0.0
    for pair in np.argsort(-statistic_P, kind="stable"):  # from the surest to the least sure
        reached = max(reached, corrected_P[pair])
        found[one_P[pair], two_P[pair]] = found[two_P[pair], one_P[pair]] = reached
    return found


def _checked(
    values_E: Sequence[float] | FloatArray, draws_ER: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Both as arrays; draws in which an entry has no value are left out for all."""
    values = np.asarray(values_E, np.float64)
    draws = np.asarray(draws_ER, np.float64)
    if draws.ndim != 2 or len(draws) != len(values):
        raise UsageError(
            f"draws_ER: expected one row for each of {len(values)} entries, got shape "
            f"{draws.shape}."
        )
    if not np.isfinite(values).all():
        raise UsageError("values_E: expected finite values.")
    return values, draws[:, np.isfinite(draws).all(axis=0)]


def spreads(draws_ER: FloatArray) -> list[Spread]:
    """The places of every entry over the draws; without a draw nothing is known."""
    from scipy.stats import rankdata  # takes half a second to import

    draws = np.asarray(draws_ER, np.float64)
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    count, resamples = draws.shape
    if resamples == 0:
        return [Spread(1, count, 1 / count)] * count
    rounded = np.round(draws, 12)
    rank_ER = rankdata(-rounded, method="average", axis=0)
    ends = (50 * (1 - LEVEL), 50 * (1 + LEVEL))
    low_E, high_E = np.percentile(rank_ER, ends, axis=1, method="closest_observation")
    leads = rounded == rounded.max(axis=0)
    first_E = (leads / leads.sum(axis=0)).mean(axis=1)
    return [
        Spread(math.floor(low), math.ceil(high), float(first))
        for low, high, first in zip(low_E, high_E, first_E, strict=True)
    ]


def group_letters(values_E: Sequence[float] | FloatArray, differs_EE: Bools) -> list[str]:
    """Letters of each entry: two entries share one exactly where they do not differ.

    Args:
        values_E: higher is better; groups are lettered by their best member, then the next.
        differs_EE: symmetric.
    """
    order = np.argsort(-np.asarray(values_E, np.float64), kind="stable")
    position = np.argsort(order, kind="stable")
    sets = [sorted(int(position[i]) for i in one) for one in cliques(~np.asarray(differs_EE))]
    letters = [""] * len(order)
    for number, one in enumerate(sorted(sets)):
        for at in one:
            letters[int(order[at])] += letter(number)
    return letters


def letter(number: int) -> str:
    """0 a, 25 z, 26 a2, 27 b2."""
    turn, place = divmod(number, 26)
    return "abcdefghijklmnopqrstuvwxyz"[place] + (str(turn + 1) if turn else "")


def cliques(linked_EE: Bools) -> Iterator[frozenset[int]]:
    """Every maximal set whose members are all linked (Bron & Kerbosch, CACM 16, 1973)."""
    count = len(linked_EE)
    near = [{j for j in range(count) if j != i and linked_EE[i, j]} for i in range(count)]
    stack: list[tuple[frozenset[int], set[int], set[int]]] = [
        (frozenset(), set(range(count)), set())
    ]
    while stack:
        chosen, open_, done = stack.pop()
        if not open_ and not done:
            if chosen:
                yield chosen
            continue
        pivot = max(open_ | done, key=lambda node: len(near[node] & open_))
        for node in sorted(open_ - near[pivot]):
            stack.append((chosen | {node}, open_ & near[node], done & near[node]))
            open_ = open_ - {node}
            done = done | {node}
