"""Masks from outlines and run lengths, against slow implementations written for this test."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.data.importing.shapes import compressed_rle, pairs, polygon_mask, rle_mask
from core.errors import DataError


def slow_runs(mask: np.ndarray) -> list[int]:
    """Run lengths by walking the pixels column by column."""
    runs, current = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if bool(mask[y, x]) != current:
                current = not current
                runs.append(0)
            runs[-1] += 1
    return runs


def slow_text(runs: list[int]) -> str:
    """COCO's compressed text, by arithmetic on numbers instead of bits."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        while True:
            value, low = divmod(value, 32)  # floors, as an arithmetic shift does
            last = (value == 0 and low < 16) or (value == -1 and low >= 16)
            text += chr(48 + low + (0 if last else 32))
            if last:
                break
    return text


def slow_polygon(points: list[tuple[int, int]], width: int, height: int) -> np.ndarray:
    """A pixel is in when it lies on an edge or inside by the crossing rule."""
    mask = np.zeros((height, width), bool)
    edges = list(pairwise([*points, points[0]]))
    for y in range(height):
        for x in range(width):
            inside = False
            for (x0, y0), (x1, y1) in edges:
                cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
                within = min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1)
                if cross == 0 and within:
                    inside = True
                    break
                if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
                    inside = not inside
            mask[y, x] = inside
    return mask


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_come_back_plain_and_compressed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 60, 2)
    mask = rng.random((height, width)) < (0.02 if seed % 2 else 0.6)
    runs = slow_runs(mask)
    assert np.array_equal(rle_mask(runs, (int(width), int(height))), mask)
    assert compressed_rle(slow_text(runs)) == runs
    assert compressed_rle(slow_text(runs).encode()) == runs


def test_run_lengths_by_hand() -> None:
    # 3 wide, 2 high: first column 0 1, second 1 1, third 0 0
    assert rle_mask([1, 3, 2], (3, 2)).tolist() == [[False, True, False], [True, True, False]]
    assert rle_mask([0, 6], (3, 2)).all()
    # 6 -> "6"; 40 = 8 + 32 -> low group 8 with "more" (40 -> "X"), then 1 -> "1"
    assert compressed_rle("6X11") == [6, 40, 1]
    # 16 has the sign bit of one group, so that a second, empty one follows: 48 + 16 + 32 = "`"
    assert compressed_rle("`0") == [16]
    # the fourth run is a difference to the second: 5 - 3 = 2 -> -3 is group 29, "M"
    assert compressed_rle("151M") == [1, 5, 1, 2]


@pytest.mark.parametrize(
    "counts", [[1, 2], [7], [-1, 7], [1.0, 5], ["1", 5], [True, 5], [6, None], []]
)
def test_run_lengths_that_do_not_fit_are_refused(counts: list[int]) -> None:
    with pytest.raises(DataError, match="Run lengths"):
        rle_mask(counts, (3, 2))


@pytest.mark.parametrize("text", ["X", "\x1f", "5é", "O", "1" + "o" * 14 + "1"])
def test_compressed_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="Compressed run lengths"):
        compressed_rle(text)


def test_long_runs_keep_their_value() -> None:
    runs = [10_000_000, 123_456_789, 1, 2**40, 0]
    assert compressed_rle(slow_text(runs)) == runs


@pytest.mark.parametrize(
    "points",
    [
        [(2, 2), (12, 2), (12, 9), (2, 9)],
        [(0, 0), (19, 0), (19, 14), (0, 14)],
        [(5, 5), (5, 5), (5, 5)],
    ],
)
def test_outlines_along_the_axes_are_exact(points: list[tuple[int, int]]) -> None:
    assert np.array_equal(polygon_mask(points, (20, 15)), slow_polygon(points, 20, 15))


@pytest.mark.parametrize("seed", range(12))
def test_outlines_hold_all_of_their_inside_and_little_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(9) * 2 * np.pi)
    radii = 10 + 30 * rng.random(9)
    points = [
        (int(40 + r * np.cos(a)), int(45 + r * np.sin(a)))
        for a, r in zip(angles, radii, strict=True)
    ]
    drawn, slow = polygon_mask(points, (80, 90)), slow_polygon(points, 80, 90)
    assert not (slow & ~drawn).any()
    grown = slow.copy()  # rasterised edges may touch the pixels beside the true ones
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            grown |= np.roll(slow, (dy, dx), (0, 1))
    assert not (drawn & ~grown).any()


def test_vertices_are_truncated_and_cut_off_at_the_image() -> None:
    whole = polygon_mask([(2, 3), (7, 3), (7, 8), (2, 8)], (10, 10))
    assert np.array_equal(
        polygon_mask([(2.9, 3.9), (7.9, 3.9), (7.9, 8.9), (2.9, 8.9)], (10, 10)), whole
    )
    assert whole.sum() == 6 * 6 and whole[3, 2] and whole[8, 7] and not whole[2, 2]
    assert polygon_mask([(-1e30, -50), (1e30, -50), (1e30, 50), (-1e30, 50)], (10, 10)).all()
    assert not polygon_mask([(20, 20), (30, 20), (30, 30)], (10, 10)).any()


@pytest.mark.parametrize(
    "points",
    [[], [(1, 1), (2, 2)], [(1, 1), (2, 2), (3,)], [(1, 1), (2, 2), ("x", 1)],
     [(1, 1), (2, 2), (float("nan"), 1)], [(1, 1), (2, 2), (float("inf"), 1)],
     [(1, 1), (2, 2), (1, 2, 3)], [(1, 1), (2, 2), None], [(1, 1), (2, 2), (10**400, 1)]],
)  # fmt: skip
def test_outlines_that_are_none_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(DataError, match="outline"):
        polygon_mask(points, (10, 10))


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (10**6, 10**6)])
def test_sizes_no_image_has_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="cannot be made"):
        polygon_mask([(0, 0), (1, 0), (1, 1)], size)
    with pytest.raises(DataError, match="cannot be made"):
        rle_mask([5], size)


def test_flat_lists_become_points() -> None:
    assert pairs([1, 2, 3.5, 4]) == [(1, 2), (3.5, 4)]
    with pytest.raises(DataError, match="3 numbers"):
        pairs([1, 2, 3])
