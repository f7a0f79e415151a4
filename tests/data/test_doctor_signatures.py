"""Pairs of near hashes equal those of comparing all, whatever the hashes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.doctor import duplicates, signatures
from core.data.doctor.signatures import close_pairs, groups


def brute(hashes: list[int], distance: int) -> set[tuple[int, int]]:
    n = len(hashes)
    return {
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if (hashes[i] ^ hashes[j]).bit_count() <= distance
    }


def told(hashes: list[int], distance: int) -> list[tuple[int, int]]:
    return [
        (int(a), int(b))
        for i, j in close_pairs(np.array(hashes, dtype=np.uint64), distance)
        for a, b in zip(i, j, strict=True)
    ]


@st.composite
def related(draw: st.DrawFn) -> list[int]:
    """Hashes some of which differ from others in a few bits."""
    words = st.integers(0, 2**64 - 1)
    seeds = draw(st.lists(words, min_size=1, max_size=6))
    flips = st.lists(st.integers(0, 63), max_size=9)
    found = list(seeds)
    for seed, bits in draw(st.lists(st.tuples(st.sampled_from(seeds), flips), max_size=25)):
        for bit in bits:
            seed ^= 1 << bit
        found.append(seed)
    return found


@settings(max_examples=100, deadline=None)
@given(related(), st.sampled_from([0, 2, 3, 4, 6, 7, 8]))
def test_near_pairs_are_those_of_brute_force(hashes: list[int], distance: int) -> None:
    found = told(hashes, distance)
    assert len(found) == len(set(found))
    assert set(found) == brute(hashes, distance)


@pytest.mark.parametrize("distance", [3, 7])
def test_spread_hashes_are_searched_by_parts(
    distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 3000, dtype=np.uint64)
    for number in range(200):  # copies with one to nine bits changed
        bits = random.choice(64, 1 + number % 9, replace=False).astype(np.uint64)
        hashes[number] = hashes[2999 - number] ^ np.bitwise_or.reduce(np.uint64(1) << bits)
    monkeypatch.setattr(signatures, "_all", None)  # must not be needed
    monkeypatch.setattr(signatures, "_BLOCK", 1000)
    found = told(hashes.tolist(), distance)
    expected = {
        (i, int(j))
        for i in range(len(hashes))
        for j in np.flatnonzero(np.bitwise_count(hashes[i] ^ hashes) <= distance)
        if i < j
    }
    assert len(expected) >= 200 * distance // 9 - 9
    assert len(found) == len(set(found)) and set(found) == expected


def test_groups_are_what_pairs_connect() -> None:
    pairs = np.array([[4, 1], [1, 7], [2, 3]])
    assert sorted(group.tolist() for group in groups(9, pairs)) == [[1, 4, 7], [2, 3]]
    assert groups(9, np.zeros((0, 2), dtype=np.intp)) == []


def test_hashes_that_are_all_alike_are_held_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    spread = random.integers(0, 2**64, 4000, dtype=np.uint64)
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 1_000_000)
    assert duplicates.affordable(spread) == duplicates.DISTANCE
    assert duplicates.affordable(spread & np.uint64(0b1111)) == 0  # a sixteenth of 8 M is 0.5 M
    assert duplicates.affordable(spread[:1000] & np.uint64(0b1111)) == duplicates.DISTANCE
