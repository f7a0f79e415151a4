"""Marks: against a slow double loop, arrays against tensors, and by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from core.errors import UsageError
from core.metrics import marks
from core.metrics.marks import Marks, default_radius, find_marks


def slow_marks(
    map_HW: npt.NDArray[np.float32], regions_HW: npt.NDArray[np.int32], radius: int, reach: int
) -> list[tuple[float, int]]:
    """(score, region), highest first, as the definition reads."""
    height, width = map_HW.shape
    peaks = set()
    for y in range(height):
        for x in range(width):
            window = map_HW[
                max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1
            ]
            if map_HW[y, x] == window.max():
                peaks.add((y, x))
    found = []
    for start in sorted(peaks):
        if start not in peaks:
            continue
        plateau, queue = [], [start]
        peaks.discard(start)
        while queue:
            y, x = queue.pop()
            plateau.append((y, x))
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in peaks:
                    peaks.discard(near)
                    queue.append(near)
        found.append((float(map_HW[start]), slow_region(plateau, regions_HW, reach)))
    return sorted(found, key=lambda mark: -mark[0])


def slow_region(
    plateau: list[tuple[int, int]], regions_HW: npt.NDArray[np.int32], reach: int
) -> int:
    """Nearest region, then the one with more (pixel, pixel) pairs at that distance, then by id."""
    pairs: Counter[tuple[int, int]] = Counter()
    for y, x in plateau:
        for v, u in np.argwhere(regions_HW > 0).tolist():
            square = (y - v) ** 2 + (x - u) ** 2
            if square <= reach**2:
                pairs[square, int(regions_HW[v, u])] += 1
    if not pairs:
        return 0
    return min(pairs, key=lambda pair: (pair[0], -pairs[pair], pair[1]))[1]


def same(one: list[Marks], two: list[Marks]) -> bool:
    return len(one) == len(two) and all(
        a.scores_K.tobytes() == b.scores_K.tobytes()
        and a.regions_K.tobytes() == b.regions_K.tobytes()
        for a, b in zip(one, two, strict=True)
    )


def labelled(masks_BHW: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """8-connected regions, numbered from 1 in each image."""
    return np.stack([ndimage.label(mask, np.ones((3, 3)))[0] for mask in masks_BHW])


def images(
    seed: int, levels: int, shape: tuple[int, int, int] = (3, 14, 17)
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Smooth maps with plateaus (levels > 0) or without, and a few regions."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 1, 1))
    maps = (np.round(noise * levels) if levels else noise).astype(np.float32)
    masks = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 1.2, 1.2)) > 0.3
    masks[0] = False
    return maps, labelled(masks)


@given(
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([0, 1, 3, 8]),
    radius=st.integers(1, 20),
    reach=st.integers(0, 6),
)
@settings(max_examples=25, deadline=None)
def test_marks_are_those_of_the_definition(seed: int, levels: int, radius: int, reach: int) -> None:
    maps, regions = images(seed, levels)
    found = find_marks(maps, regions, radius, reach)
    for i, one in enumerate(found):
        expected = slow_marks(maps[i], regions[i], radius, reach)
        assert one.scores_K.tolist() == [score for score, _ in expected]
        assert one.regions_K.tolist() == [region for _, region in expected]
        assert (one.scores_K.dtype, one.regions_K.dtype) == (np.float32, np.int32)
    assert same(found, find_marks(torch.from_numpy(maps), regions, radius, reach))
    assert same(found, find_marks(torch.from_numpy(maps), torch.from_numpy(regions), radius, reach))


def test_two_peaks_by_hand() -> None:
    """5 x 9, radius 2: the 9 at (1, 1), the 7 at (3, 7); the 6 at (2, 3) is in the 9's window."""
    map_HW = np.zeros((5, 9), np.float32)
    map_HW[1, 1], map_HW[2, 3], map_HW[3, 7] = 9, 6, 7
    regions = np.zeros((1, 5, 9), np.int32)
    regions[0, 1, 1], regions[0, 0, 7] = 4, 2
    one = find_marks(map_HW[None], regions, radius=2, tolerance=2)[0]
    # besides, column 4 of the zeros is two pixels or more away from (1, 1) and (3, 7), but has
    # the 6 in its window in every row: no mark there
    assert one.scores_K.tolist()[:2] == [9, 7]
    assert one.regions_K.tolist()[:2] == [4, 0]  # (3, 7) is three rows below region 2
    near = find_marks(map_HW[None], regions, radius=2, tolerance=3)[0]
    assert near.regions_K.tolist()[:2] == [4, 2]


def test_the_distance_is_euclidean() -> None:
    map_HW, regions = np.zeros((1, 9, 9), np.float32), np.zeros((1, 9, 9), np.int32)
    map_HW[0, 2, 2] = 1
    regions[0, 5, 6] = 1  # 3 down, 4 right: distance 5
    assert find_marks(map_HW, regions, 8, 5)[0].regions_K.tolist() == [1]
    assert find_marks(map_HW, regions, 8, 4)[0].regions_K.tolist() == [0]


def test_of_two_regions_the_nearer_then_the_larger_part_counts() -> None:
    map_HW, regions = np.zeros((1, 1, 9), np.float32), np.zeros((1, 1, 9), np.int32)
    map_HW[0, 0, 3:6] = 1  # one plateau of three pixels
    regions[0, 0] = [0, 0, 0, 1, 2, 2, 0, 0, 0]
    assert find_marks(map_HW, regions, 8, 3)[0].regions_K.tolist() == [2]  # two pixels against one
    regions[0, 0] = [0, 1, 0, 0, 0, 0, 2, 0, 0]
    assert find_marks(map_HW, regions, 8, 3)[0].regions_K.tolist() == [2]  # one pixel off, not two
    regions[0, 0] = [0, 0, 2, 0, 0, 0, 1, 0, 0]
    assert find_marks(map_HW, regions, 8, 3)[0].regions_K.tolist() == [1]  # a tie: the lower id


def test_a_plateau_is_near_by_whichever_pixel_is_nearest() -> None:
    """Above the middle of a row; above that of a block; and on a region in its very middle."""
    for rows in (1, 3):
        map_HW, regions = np.zeros((1, 12, 12), np.float32), np.zeros((1, 12, 12), np.int32)
        map_HW[0, 4 : 4 + rows, 2:9] = 1
        regions[0, 2, 5] = 6
        assert find_marks(map_HW, regions, 11, 2)[0].regions_K.tolist() == [6]
        assert find_marks(map_HW, regions, 11, 1)[0].regions_K.tolist() == [0]
    map_HW[0, 4:9, 4:9] = 1
    regions[0, 6, 6], regions[0, 6, 9] = 2, 1
    assert find_marks(map_HW, regions, 11, 3)[0].regions_K.tolist() == [2]


def test_a_constant_map_has_one_mark() -> None:
    maps, regions = np.full((2, 40, 30), 0.5, np.float32), np.zeros((2, 40, 30), np.int32)
    regions[1, 20:25, 3] = 7
    for some in (maps, torch.from_numpy(maps)):
        normal, anomalous = find_marks(some, regions)
        assert (normal.scores_K.tolist(), normal.regions_K.tolist()) == ([0.5], [0])
        assert (anomalous.scores_K.tolist(), anomalous.regions_K.tolist()) == ([0.5], [7])


def test_plateaus_do_not_join_across_edges_or_images() -> None:
    """Equal peaks at the right end of a row and the left end of the next, and in the last row of
    one image and the first of the next."""
    maps = np.zeros((2, 4, 40), np.float32)
    maps[0, 1, 39] = maps[0, 2, 0] = maps[0, 3, 20] = maps[1, 0, 20] = 1
    found = find_marks(maps, np.zeros(maps.shape, np.int32), radius=3)
    ones = [int((one.scores_K == 1).sum()) for one in found]
    assert ones == [3, 1]


def test_a_plateau_that_bends_is_one_mark() -> None:
    """A ring: its two arms meet again only below."""
    ring = np.zeros((1, 9, 9), np.float32)
    ring[0, 1:8, 1:8], ring[0, 2:7, 2:7] = 2, 0
    found = find_marks(ring, np.zeros(ring.shape, np.int32), radius=1)[0]
    assert found.scores_K.tolist() == [2, 0]  # the ring and the middle of the hole


def test_defaults_follow_the_shorter_side() -> None:
    assert [default_radius(256, 256), default_radius(300, 100), default_radius(1, 1)] == [10, 4, 1]
    maps, regions = images(3, 0, (2, 50, 60))  # radius 2, tolerance 1
    assert same(find_marks(maps, regions), find_marks(maps, regions, 2, 1))
    assert not same(find_marks(maps, regions), find_marks(maps, regions, 2, 0))
    assert not same(find_marks(maps, regions), find_marks(maps, regions, 3, 1))


def test_order_of_images_dtype_and_monotonic_transforms_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps, regions = images(8, 5, (5, 20, 20))
    found = find_marks(maps, regions, 3, 2)
    order = [3, 0, 4, 1, 2]
    assert same([found[i] for i in order], find_marks(maps[order], regions[order], 3, 2))
    assert same(found, find_marks(maps.astype(np.float16), regions.astype(np.uint8), 3, 2))
    half = torch.from_numpy(maps).to(torch.bfloat16)
    assert same(found, find_marks(half, torch.from_numpy(regions).to(torch.uint8), 3, 2))
    higher = find_marks(np.exp(maps / 4), regions, 3, 2)
    assert all(
        (a.regions_K == b.regions_K).all() and len(a.scores_K) == len(b.scores_K)
        for a, b in zip(found, higher, strict=True)
    )
    monkeypatch.setattr(marks, "_BLOCK", 30)
    assert same(found, find_marks(maps, regions, 3, 2))


def test_a_tensor_leaves_its_device_only_as_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is moved is counted: a handful of numbers of 3 x 100 x 100, even of a flat map."""
    moved = []
    plain = torch.Tensor.cpu

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        moved.append(tensor.numel())
        return plain(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", counted)
    maps = torch.from_numpy(images(1, 0, (3, 100, 100))[0])
    maps[2] = 0
    regions = np.zeros((3, 100, 100), np.int32)
    find_marks(maps, regions)
    assert 0 < sum(moved) < 0.1 * maps.numel()


def test_no_image_no_marks() -> None:
    assert find_marks(np.zeros((0, 4, 4), np.float32), np.zeros((0, 4, 4), np.int32)) == []


def test_what_cannot_be_marked_is_refused() -> None:
    maps, regions = np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.int32)
    with pytest.raises(UsageError, match=r"\(1, 4, 4\) and regions with \(1, 4, 5\)"):
        find_marks(maps, np.zeros((1, 4, 5), np.int32))
    with pytest.raises(UsageError, match="Regions came as bool"):
        find_marks(maps, regions > 0)
    with pytest.raises(UsageError, match="radius 0"):
        find_marks(maps, regions, radius=0)
    with pytest.raises(UsageError, match="tolerance -1"):
        find_marks(maps, regions, tolerance=-1)
    maps[0, 1, 1] = np.nan
    for bad in (maps, torch.from_numpy(maps)):
        with pytest.raises(UsageError, match="NaN or infinity"):
            find_marks(bad, regions)
