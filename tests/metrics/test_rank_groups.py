"""Places, letters and corrected tests of many entries on the same draws, checked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.errors import UsageError
from core.metrics.rank_groups import (
    adjusted_p,
    cliques,
    group_letters,
    letter,
    places,
    spreads,
)
from core.metrics.resampling import two_sided_p


def told(*pairs: tuple[int, int], count: int) -> np.ndarray:
    found = np.zeros((count, count), bool)
    for a, b in pairs:
        found[a, b] = found[b, a] = True
    return found


class TestPlaces:
    def test_by_hand(self) -> None:
        """c > a > b; c differs from b alone: c 1 to 2, a 1 to 3, b 2 to 3."""
        found = places([0.8, 0.7, 0.9], told((2, 1), count=3))
        assert [(one.best, one.worst) for one in found] == [(1, 3), (2, 3), (1, 2)]
        assert [one.letters for one in found] == ["ab", "b", "a"]
        assert [one.level_with for one in found] == [(1, 2), (0,), (0,)]

    def test_all_apart_and_none_apart(self) -> None:
        apart = places([3.0, 2.0, 1.0], ~np.eye(3, dtype=bool))
        assert [(one.best, one.worst, one.letters) for one in apart] == [
            (1, 1, "a"), (2, 2, "b"), (3, 3, "c"),
        ]  # fmt: skip
        level = places([3.0, 2.0, 1.0], told(count=3))
        assert {(one.best, one.worst, one.letters) for one in level} == {(1, 3, "a")}

    def test_nothing(self) -> None:
        assert places([], np.zeros((0, 0), bool)) == []


class TestLetters:
    def test_a_chain(self) -> None:
        """1 and 3, 1 and 4, 2 and 4 differ: groups 1-2, 2-3, 3-4."""
        differs = told((0, 2), (0, 3), (1, 3), count=4)
        assert group_letters([4, 3, 2, 1], differs) == ["a", "ab", "bc", "c"]

    @pytest.mark.parametrize("seed", range(12))
    def test_a_letter_is_shared_exactly_where_two_do_not_differ(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = 9
        upper = np.triu(rng.random((count, count)) < rng.uniform(0.1, 0.9), 1)
        differs = upper | upper.T
        letters = group_letters(rng.random(count), differs)
        for i, j in itertools.combinations(range(count), 2):
            shared = set(letters[i]) & set(letters[j])
            assert bool(shared) != bool(differs[i, j])

    def test_cliques_against_every_subset(self) -> None:
        rng = np.random.default_rng(5)
        upper = np.triu(rng.random((7, 7)) < 0.5, 1)
        linked = upper | upper.T
        full = [
            set(s)
            for size in range(1, 8)
            for s in itertools.combinations(range(7), size)
            if all(linked[i, j] for i, j in itertools.combinations(s, 2))
        ]
        largest = {frozenset(s) for s in full if not any(s < other for other in full)}
        found = list(cliques(linked))
        assert set(found) == largest and len(found) == len(largest)

    def test_after_z(self) -> None:
        assert [letter(i) for i in (0, 25, 26, 52)] == ["a", "z", "a2", "a3"]


def by_definition(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Romano and Wolf's step-down, written out: at every step the maximum over what is left."""
    pairs = list(itertools.combinations(range(len(values)), 2))
    observed = {p: values[p[0]] - values[p[1]] for p in pairs}
    drawn = {p: draws[p[0]] - draws[p[1]] for p in pairs}
    spread = {p: drawn[p].std(ddof=1) for p in pairs}
    size = {p: abs(observed[p]) / spread[p] for p in pairs}
    left = sorted(pairs, key=lambda p: -size[p])
    found, reached = np.ones((len(values), len(values))), 0.0
    while left:
        first = left[0]
        null = np.max([np.abs(drawn[p] - observed[p]) / spread[p] for p in left], axis=0)
        joint = (1 + (null >= size[first]).sum()) / (draws.shape[1] + 1)
        reached = max(reached, joint, two_sided_p(drawn[first]) or 0.0)
        found[first] = found[first[::-1]] = reached
        left = left[1:]
    return found


class TestAdjusted:
    def test_by_hand(self) -> None:
        """A is 0.1 above B in every draw; C wavers around B."""
        base = np.random.default_rng(0).normal(0.7, 0.05, 99)
        waver = np.where(np.arange(99) % 2, 0.01, -0.01)
        draws = np.array([base + 0.1, base, base + waver])
        found = adjusted_p([0.8, 0.7, 0.701], draws)
        assert found[0, 1] == pytest.approx(2 / 100), "no draw on the other side of zero"
        assert found[1, 2] == 1.0 and found[2, 1] == 1.0
        assert list(np.diag(found)) == [1.0, 1.0, 1.0]

    @pytest.mark.parametrize("seed", range(4))
    def test_against_the_definition(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        values = rng.normal(0.8, 0.03, 6)
        draws = values[:, None] + rng.normal(0, 0.02, 300) + rng.normal(0, 0.02, (6, 300))
        assert adjusted_p(values, draws) == pytest.approx(by_definition(values, draws))

    def test_one_pair_is_what_two_compared_runs_are(self) -> None:
        rng = np.random.default_rng(2)
        draws = rng.normal([[0.81], [0.8]], 0.01, (2, 500))
        assert adjusted_p([0.81, 0.8], draws)[0, 1] == two_sided_p(draws[0] - draws[1])

    def test_equal_entries_do_not_differ(self) -> None:
        same = np.full((2, 50), 0.5)
        assert adjusted_p([0.5, 0.5], same)[0, 1] == 1.0
        twins = np.tile(np.random.default_rng(0).random(200), (3, 1))
        assert adjusted_p([0.5, 0.5, 0.5], twins).min() == 1.0

    def test_twenty_entries_can_still_be_told_apart(self) -> None:
        """190 pairs: Holm on 1,000 draws could give no p-value below 0.38."""
        rng = np.random.default_rng(1)
        values = np.linspace(0.9, 0.5, 20)
        draws = values[:, None] + rng.normal(0, 0.002, (20, 1000))
        assert (adjusted_p(values, draws)[~np.eye(20, dtype=bool)] < 0.05).all()

    def test_any_false_finding_among_equals_is_rare(self) -> None:
        rng = np.random.default_rng(7)
        false = 0
        for _ in range(200):
            seen = rng.normal(0, 1, 7)
            draws = seen[:, None] + rng.normal(0, 1, (7, 199))
            false += bool((adjusted_p(seen, draws) < 0.05).any())
        assert false <= 20  # 5 % of 200 is 10; more than 20 would come up once in 600 times

    def test_draws_without_a_value_are_left_out(self) -> None:
        rng = np.random.default_rng(3)
        draws = rng.normal([[0.82], [0.8], [0.79]], 0.01, (3, 100))
        holed = np.insert(draws, 10, np.nan, axis=1)
        holed[1:, 10] = 0.5
        expected = adjusted_p([0.82, 0.8, 0.79], draws)
        assert adjusted_p([0.82, 0.8, 0.79], holed) == pytest.approx(expected)

    def test_what_cannot_be_compared_is_refused(self) -> None:
        with pytest.raises(UsageError, match="one row for each of 2 entries"):
            adjusted_p([0.1, 0.2], np.zeros((3, 10)))
        with pytest.raises(UsageError, match="finite"):
            adjusted_p([0.1, np.nan], np.zeros((2, 10)))


class TestSpreads:
    def test_by_hand(self) -> None:
        """Four draws: A first in two, level once, behind once."""
        draws = np.array([[0.9, 0.9, 0.8, 0.7], [0.8, 0.8, 0.8, 0.75], [0.1, 0.1, 0.1, 0.1]])
        a, b, c = spreads(draws)
        assert a.first == pytest.approx(2.5 / 4) and b.first == pytest.approx(1.5 / 4)
        assert (a.low, a.high) == (1, 2) and (c.low, c.high, c.first) == (3, 3, 0.0)

    def test_a_rare_place_is_outside_the_interval(self) -> None:
        ahead = np.zeros((2, 1000))
        ahead[0] = 1.0
        ahead[0, :10] = -1.0
        first, second = spreads(ahead)
        assert (first.low, first.high, first.first) == (1, 1, 0.99)
        assert (second.low, second.high) == (2, 2)

    def test_without_draws_nothing_is_known(self) -> None:
        assert [(one.low, one.high) for one in spreads(np.zeros((2, 0)))] == [(1, 2), (1, 2)]
