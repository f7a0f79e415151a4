"""Perceptual signatures of images, and pairs of them that lie close together.

The hash is the sign of low frequencies: of a 32 x 32 grey image the two-dimensional DCT-II, its
8 x 8 lowest coefficients less the constant one against their median (Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010, section 3.2, with the constant left out).

Pairs within a Hamming distance d are found by parts (Norouzi, Punjani and Fleet, "Fast search in
Hamming space with multi-index hashing", CVPR 2012): of four parts of 16 bits one differs in at
most d // 4 bits, so only hashes that share such a part are compared. Nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

GREY_SIDE = 32
_LOW = 8
_PARTS, _BITS = 4, 16
_BLOCK = 4_000_000
"""Pairs compared at once."""


def _cosines(size: int, count: int) -> npt.NDArray[np.float32]:
    """The first `count` rows of the DCT-II matrix of that size, unscaled."""
    at = (2 * np.arange(size) + 1)[None] * np.arange(count)[:, None]
    return np.cos(np.pi * at / (2 * size)).astype(np.float32)


_DCT = _cosines(GREY_SIDE, _LOW)
_WEIGHTS = np.uint64(1) << np.arange(64, dtype=np.uint64)


def phash(grey_HW: npt.NDArray[np.float32]) -> np.uint64:
    """The hash of a float32 [32, 32] image: bit 8 v + u is 1 where coefficient (v, u) exceeds the
    median of all 63; bit 0, of the constant, is 0."""
    low = (_DCT @ grey_HW @ _DCT.T).ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    return np.uint64(_WEIGHTS[bits].sum(dtype=np.uint64))


def close_pairs(hashes: Hashes, distance: int) -> Iterator[tuple[Places, Places]]:
    """All pairs i < j of hashes at most `distance` bits apart, each once, in blocks.

    Takes n log n steps where hashes are spread, and never more than the n^2 / 2 of comparing all.
    """
    ways = [np.uint16(mask) for mask in _flips(distance // _PARTS)]
    parts = hashes.astype("<u8").view("<u2").reshape(-1, _PARTS)
    n = len(hashes)
    expected = 0
    for part in range(_PARTS):
        counts = np.bincount(parts[:, part], minlength=1 << _BITS).astype(np.int64)
        places = np.arange(1 << _BITS)
        expected += sum(int((counts * counts[places ^ int(way)]).sum()) for way in ways)
    candidates = _all(n) if expected >= n * (n - 1) // 2 else _by_parts(parts, ways)
    for part, i, j in candidates:
        near = np.bitwise_count(hashes[i] ^ hashes[j]) <= distance
        i, j = i[near], j[near]
        if part > 0:  # a pair that an earlier part has brought up is not told again
            few = distance // _PARTS
            before = np.bitwise_count(parts[i, :part] ^ parts[j, :part]) <= few
            fresh = ~before.any(axis=1)
            i, j = i[fresh], j[fresh]
        if len(i):
            yield i, j


def _flips(most: int) -> list[int]:
    """All patterns of 16 bits with at most that many ones."""
    return [
        sum(1 << bit for bit in bits)
        for count in range(most + 1)
        for bits in combinations(range(_BITS), count)
    ]


def _all(n: int) -> Iterator[tuple[int, Places, Places]]:
    rows = max(1, _BLOCK // max(1, n))
    for start in range(0, n, rows):
        i = np.arange(start, min(n, start + rows))
        left, right = np.meshgrid(i, np.arange(start, n), indexing="ij")
        keep = left < right
        yield 0, left[keep], right[keep]


def _by_parts(
    parts: npt.NDArray[np.uint16], ways: list[np.uint16]
) -> Iterator[tuple[int, Places, Places]]:
    for part in range(_PARTS):
        values = parts[:, part]
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        for way in ways:
            wanted = values ^ way
            first = np.searchsorted(ordered, wanted, "left")
            count = np.searchsorted(ordered, wanted, "right") - first
            ends = np.cumsum(count)
            start = 0
            while start < len(values):
                done = ends[start - 1] if start else 0
                stop = max(start + 1, int(np.searchsorted(ends, done + _BLOCK, "right")))
                i = np.repeat(np.arange(start, stop), count[start:stop])
                offset = np.arange(len(i)) - np.repeat(
                    ends[start:stop] - count[start:stop] - done, count[start:stop]
                )
                j = order[first[i] + offset]
                keep = i < j
                yield part, i[keep], j[keep]
                start = stop


def groups(n: int, pairs_N2: npt.NDArray[np.intp]) -> list[Places]:
    """What pairs connect, each group's places ascending; single places are left out."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs_N2):
        return []
    graph = coo_array((np.ones(len(pairs_N2), np.int8), (pairs_N2[:, 0], pairs_N2[:, 1])), (n, n))
    _, member = connected_components(graph, directed=False)
    order = np.argsort(member, kind="stable")
    cuts = np.flatnonzero(np.diff(member[order])) + 1
    return [group for group in np.split(order, cuts) if len(group) > 1]
