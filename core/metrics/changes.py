"""Cases that change sides between two runs, and whether more of them change one way than back.

Both runs call every image normal or anomalous, each at its own threshold. Images on which they
agree say nothing about which of them is better; of those on which they differ, each direction is
as likely as the other if neither is. So the smaller count follows a binomial of one half.

Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
percentages", Psychometrika 12 (1947); here exact, from the binomial distribution itself, not from
its chi-squared approximation, which fails for few changes. The p-values of several groups are
corrected together (Holm, `multiplicity`). Images of one specimen are not independent of one
another: a group that has two of them is counted, but not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from core.errors import UsageError
from core.metrics.multiplicity import holm

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Change:
    """One group of images of one truth, as two runs call them.

    Attributes:
        group: what the group is called.
        both, only_a, only_b, neither: images that both, one or neither run calls anomalous.
        p: of "a change either way is equally likely"; None where it was not tested.
        p_corrected: the same over all groups (Holm).
        note: why it was not tested; "" where it was.
    """

    group: str
    both: int
    only_a: int
    only_b: int
    neither: int
    p: float | None
    p_corrected: float | None = None
    note: str = ""

    @property
    def images(self) -> int:
        """How many images the group has."""
        return self.both + self.only_a + self.only_b + self.neither


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value of McNemar's test; 1 where nothing changes.

    Args:
        only_a, only_b: images that the one run calls anomalous and the other does not.

    Raises:
        UsageError: a count below 0.
    """
    if min(only_a, only_b) < 0:
        raise UsageError(f"only_a, only_b: expected 0 or more, got {only_a} and {only_b}.")
    changed = only_a + only_b
    if changed == 0:
        return 1.0
    return min(1.0, 2.0 * float(bdtr(min(only_a, only_b), changed, 0.5)))


def changes(
    groups_N: Sequence[str],
    alarms_a_N: npt.ArrayLike,
    alarms_b_N: npt.ArrayLike,
    specimens_N: Sequence[str | None],
) -> list[Change]:
    """Counts and test of each group, by name. N images of one truth.

    Args:
        groups_N: the group of each image (its class, its kind of flaw).
        alarms_a_N, alarms_b_N: whether each run calls it anomalous.
        specimens_N: what the image shows; None where that is not known.

    Raises:
        UsageError: the lengths differ.
    """
    a_N, b_N = np.asarray(alarms_a_N, bool), np.asarray(alarms_b_N, bool)
    lengths = {len(groups_N), len(a_N), len(b_N), len(specimens_N)}
    if len(lengths) > 1:
        raise UsageError(f"changes: expected one entry an image, got lengths {sorted(lengths)}.")
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups_N):
        members.setdefault(group, []).append(place)
    found = []
    for group in sorted(members):
        rows = members[group]
        shown = [specimens_N[row] for row in rows if specimens_N[row] is not None]
        found.append(_counted(group, a_N[rows], b_N[rows], len(set(shown)) < len(shown)))
    corrected = holm([one.p for one in found])
    return [replace(one, p_corrected=p) for one, p in zip(found, corrected, strict=True)]


def _counted(group: str, a_N: Bools, b_N: Bools, repeated: bool) -> Change:
    counts = [int(np.count_nonzero(part)) for part in (a_N & b_N, a_N & ~b_N, b_N & ~a_N)]
    both, only_a, only_b = counts
    neither = len(a_N) - sum(counts)
    if repeated:
        note = "not tested: several images show one specimen"
        return Change(group, both, only_a, only_b, neither, None, note=note)
    return Change(group, both, only_a, only_b, neither, mcnemar(only_a, only_b))


@dataclass(frozen=True, slots=True)
class Union:
    """What an alarm of either run gives, beside each alone.

    Attributes:
        found, alarms: anomalous and normal images called anomalous by (A, B, either, both).
        anomalous, normal: how many there are.
    """

    found: tuple[int, int, int, int]
    alarms: tuple[int, int, int, int]
    anomalous: int
    normal: int


def union(labels_N: npt.ArrayLike, alarms_a_N: npt.ArrayLike, alarms_b_N: npt.ArrayLike) -> Union:
    """Counts where one alarm, or both, are asked for.

    Args:
        labels_N: 0 normal, 1 anomalous.
        alarms_a_N, alarms_b_N: whether each run calls the image anomalous.
    """
    bad_N = np.asarray(labels_N) == 1
    a_N, b_N = np.asarray(alarms_a_N, bool), np.asarray(alarms_b_N, bool)
    calls = (a_N, b_N, a_N | b_N, a_N & b_N)
    found, alarms = (
        tuple(int(np.count_nonzero(call & mine)) for call in calls) for mine in (bad_N, ~bad_N)
    )
    return Union(_four(found), _four(alarms), int(bad_N.sum()), int((~bad_N).sum()))


def _four(counts: tuple[int, ...]) -> tuple[int, int, int, int]:
    a, b, either, both = counts
    return a, b, either, both
