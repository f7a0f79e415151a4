"""Histograms: what they count, whatever the order; the same from host and device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.metrics import counting
from core.metrics.counting import Job, count
from core.metrics.histogram import (
    ANOMALOUS,
    GAIN,
    SHARE,
    TOTAL,
    UNIT,
    Histogram,
    page_bits,
    rounding,
)
from core.metrics.keys import key_of, value_of
from core.metrics.truth import Truth

Maps = npt.NDArray[np.float32]
KINDS = ("smooth", "tied", "constant", "wide", "signed", "tiny", "positive")


def maps_of(kind: str, shape: tuple[int, int, int], seed: int) -> Maps:
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(shape)
    wide = 10.0 ** rng.uniform(-44, 38, shape) * rng.choice((-1, 1), shape)
    made: dict[str, Any] = {
        "smooth": normal,
        "tied": np.round(normal),
        "constant": np.full(shape, -2.5),
        "wide": wide,
        "signed": rng.choice((-0.0, 0.0, 1e-45, -1e-45), shape),
        "tiny": rng.integers(-40, 40, shape) * 1e-44,
        "positive": np.exp(3 * normal),
    }
    with np.errstate(over="ignore", under="ignore"):
        return np.nan_to_num(made[kind].astype(np.float32))


def regions_of(shape: tuple[int, int, int], seed: int, dtype: Any = np.int32) -> Any:
    """Scattered ids; not blobs, since a histogram does not look at neighbours."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 4, shape) * (rng.random(shape) < 0.3)).astype(dtype)


def job(maps: Any, regions: npt.NDArray[Any], group: str = "hole", rows: Any = None) -> Job:
    """The images at `rows` (all of them) as one group."""
    rows = np.arange(len(maps)) if rows is None else np.asarray(rows)
    some = regions[rows]
    return Job(group, maps, rows, Truth(some) if some.any() else None)


def counted(maps: Any, regions: npt.NDArray[Any], capacity: int, shift: int = 0) -> Histogram:
    return count([job(maps, regions)], shift, capacity)


def fits(keys: npt.NDArray[np.int32], shift: int, capacity: int) -> bool:
    """Whether all bins of the pages that values lie in are within the capacity."""
    page = 2 ** page_bits(capacity)
    pages = {(key >> shift) // page for key in np.unique(keys).tolist()}
    return page * len(pages) <= capacity


def test_pages_divide_the_capacity_into_some_two_thousand() -> None:
    assert [page_bits(c) for c in (2, 100, 4095, 4096, 2**17, 2**20)] == [0, 0, 0, 1, 6, 9]
    for capacity in range(2, 70_000, 977):
        assert capacity >> page_bits(capacity) >= min(capacity, 2048)


def plain(maps: Maps, regions: npt.NDArray[Any], capacity: int) -> tuple[int, dict[int, list[int]]]:
    """Shift and {bin: columns}, pixel by pixel."""
    keys = key_of(maps)
    shift = next(s for s in range(32) if fits(keys, s, capacity))
    found: dict[int, list[int]] = {}
    for keys_HW, regions_HW in zip(keys, regions, strict=True):
        marked = int((regions_HW > 0).sum())
        for key, region in zip(keys_HW.ravel().tolist(), regions_HW.ravel().tolist(), strict=True):
            columns = found.setdefault(key >> shift, [0, 0, 0, 0])
            columns[TOTAL] += 1
            if region:
                columns[ANOMALOUS] += 1
                columns[GAIN] += round(UNIT / int((regions_HW == region).sum()))
                columns[SHARE] += round(UNIT / marked)
    return shift, found


def columns_of(one: Histogram, *groups: str) -> list[list[int]]:
    """All four columns over some groups (all). [4, B]"""
    names = groups or one.groups
    return [one.column(kind, names).tolist() for kind in (TOTAL, ANOMALOUS, GAIN, SHARE)]


def content(one: Histogram) -> tuple[Any, ...]:
    """Everything in a histogram, to the bit; a column of zeros is as good as none."""
    assert one.bins_B.dtype == np.int32
    assert all(column.dtype == np.int64 for column in one.columns.values())
    columns = {name: c.tolist() for name, c in one.columns.items() if c.any()}
    return one.shift, one.bins_B.tolist(), columns, one.lowest, one.highest


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("capacity", [2, 3, 16, 100, 5000, 2**17])
def test_a_histogram_is_what_counting_pixel_by_pixel_gives(kind: str, capacity: int) -> None:
    shape = (3, 7, 9)
    maps, regions = maps_of(kind, shape, 1), regions_of(shape, 2)
    shift, expected = plain(maps, regions, capacity)
    found = counted(maps, regions, capacity)
    assert found.shift == shift
    columns = np.transpose(columns_of(found)).tolist()
    assert dict(zip(found.bins_B.tolist(), columns, strict=True)) == expected
    assert found.bins_B.tolist() == sorted(expected)
    ends = value_of(np.array([found.lowest, found.highest]))
    assert ends.tolist() == [maps.min(), maps.max()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampled", [5, 2**17])
def test_values_the_sample_did_not_show_are_counted_too(
    kind: str, sampled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several blocks; with five sampled pixels most extremes lie outside the window."""
    monkeypatch.setattr(counting, "SAMPLED", sampled)
    shape = (2, 150, 201)
    maps, regions = maps_of(kind, shape, 3), regions_of(shape, 4)
    maps[0, 0, 0], maps[1, 140, 7] = -5.0, 3e4
    keys = key_of(maps)
    for capacity in (4, 500, 20_000):
        found = counted(maps, regions, capacity)
        assert fits(keys, found.shift, capacity)
        assert found.shift == 0 or not fits(keys, found.shift - 1, capacity)
        assert len(found.bins_B) <= capacity
        for some, column in ((keys, TOTAL), (keys[regions > 0], ANOMALOUS)):
            bins, totals = np.unique(some >> np.int32(found.shift), return_counts=True)
            counts = found.column(column, ["hole"])
            assert found.bins_B[counts > 0].tolist() == bins.tolist()
            assert counts[counts > 0].tolist() == totals.tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(0, 10**6), st.permutations(range(6)),
    st.integers(1, 5), st.integers(1, 5), st.sampled_from([2, 5, 40, 10**5]),
)  # fmt: skip
def test_order_and_grouping_change_nothing_to_the_bit(
    kind: str, seed: int, order: list[int], a: int, b: int, capacity: int
) -> None:
    shape = (6, 4, 5)
    maps, regions = maps_of(kind, shape, seed), regions_of(shape, seed)
    maps *= np.float32(2.0) ** np.arange(-10, 2, 2, dtype=np.float32)[:, None, None]  # own ranges
    whole = content(counted(maps, regions, capacity))
    first, last = sorted((a, b))
    groups = [group for group in (order[:first], order[first:last], order[last:]) if group]
    parts = [counted(maps[group], regions[group], capacity) for group in groups]

    def together(some: list[Histogram]) -> Histogram:
        total = Histogram()
        for part in some:
            total = total.plus(part, capacity)
        return total

    assert content(together(parts)) == whole
    assert content(together(parts[::-1])) == whole
    assert content(parts[0].plus(together(parts[1:]), capacity)) == whole
    one_by_one = Histogram()
    for row in order:
        fresh = counted(maps[[row]], regions[[row]], capacity, one_by_one.shift)
        one_by_one = one_by_one.plus(fresh, capacity)
    assert content(one_by_one) == whole


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("capacity", [2, 500, 9000])
def test_groups_share_bins_and_are_counted_apart(capacity: int, tensors: bool) -> None:
    """Rows of a batch in three groups, two of them scattered; bins are those of all together."""
    shape = (9, 40, 50)
    maps, regions = maps_of("positive", shape, 5), regions_of(shape, 6)
    rows = {"good": [0, 4, 8], "hole": [1, 2, 3], "stain": [5, 7]}
    regions[rows["good"]] = 0
    used = [0, 1, 2, 3, 4, 5, 7, 8]
    there: Any = torch.from_numpy(maps) if tensors else maps
    jobs = [job(there, regions, group, some) for group, some in rows.items()]
    found = count(jobs, 0, capacity)
    whole = counted(maps[used], regions[used], capacity)
    assert (found.shift, found.lowest, found.highest) == (
        whole.shift, whole.lowest, whole.highest,
    )  # fmt: skip
    assert found.bins_B.tolist() == whole.bins_B.tolist()
    assert columns_of(found) == columns_of(whole)
    assert found.groups == ["good", "hole", "stain"]
    for group, some in rows.items():
        alone = counted(maps[some], regions[some], capacity).coarsened(found.shift)
        columns = np.array(columns_of(found, group))
        held = columns[TOTAL] > 0
        assert found.bins_B[held].tolist() == alone.bins_B.tolist()
        assert columns[:, held].tolist() == columns_of(alone)
    assert not np.any(columns_of(found, "good")[ANOMALOUS])


def test_an_empty_histogram_changes_nothing_and_can_be_coarsened() -> None:
    maps, regions = maps_of("smooth", (2, 5, 5), 7), regions_of((2, 5, 5), 8)
    some, nothing = counted(maps, regions, 40), Histogram()
    assert content(nothing.plus(some, 40)) == content(some)
    assert content(some.plus(nothing, 40)) == content(some)
    assert content(nothing.plus(nothing, 40)) == content(nothing)
    assert content(nothing.coarsened(12))[1:] == content(nothing)[1:]
    assert content(nothing.within(40)) == content(nothing)
    assert nothing.lowest > nothing.highest
    assert nothing.nbytes == 0
    assert nothing.column(TOTAL, ["hole"]).tolist() == []


def test_coarsening_is_recounting_at_the_coarser_shift() -> None:
    maps, regions = maps_of("wide", (2, 8, 8), 9), regions_of((2, 8, 8), 10)
    fine = counted(maps, regions, 10**7)
    assert fine.shift == 0
    for capacity in (2, 10, 40):
        coarse = counted(maps, regions, capacity)
        assert coarse.shift > 0
        assert content(fine.coarsened(coarse.shift)) == content(coarse)
        assert content(fine.within(capacity)) == content(coarse)
        assert coarse.coarsened(coarse.shift - 1) is coarse
    assert len(fine.coarsened(31).bins_B) == 2


def test_memory_is_bounded_by_the_capacity() -> None:
    held = Histogram()
    for seed in range(6):
        maps = maps_of("wide", (1, 60, 60), seed)
        fresh = counted(maps, np.zeros((1, 60, 60), int), 256, held.shift)
        held = held.plus(fresh, 256)
        assert 100 < len(held.bins_B) <= 256
        assert held.nbytes <= 256 * (4 + 4 * 8)
    assert held.column(TOTAL, ["hole"]).sum() == 6 * 3600


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 20_000, 39_999])
@pytest.mark.parametrize("base", [1.0, -1.0])
def test_what_is_not_finite_is_refused_wherever_it_stands(
    bad: float, place: int, base: float
) -> None:
    maps = np.full((2, 140, 145), base, np.float32)
    maps.reshape(-1)[place] = bad
    for there in (maps, torch.from_numpy(maps)):
        with pytest.raises(ValueError, match="NaN or infinity"):
            counted(there, np.zeros(maps.shape, int), 64)


@pytest.mark.parametrize("tensors", [False, True])
def test_nan_of_both_signs_are_refused(tensors: bool) -> None:
    nan = np.array([0x7FC00000, 0xFFC00000], np.uint32).view(np.float32)
    for first, second in ((0, 1), (1, 0)):
        for places in ((0, 1), (5, 39_000), (20_000, 20_017)):
            maps = np.zeros((1, 200, 200), np.float32)
            maps.reshape(-1)[list(places)] = nan[[first, second]]
            there: Any = torch.from_numpy(maps) if tensors else maps
            with pytest.raises(ValueError, match="NaN or infinity"):
                counted(there, np.zeros(maps.shape, int), 64)
    tally = counting._Tally()
    with pytest.raises(ValueError, match="NaN or infinity"):
        tally.saw(*key_of(nan).tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("capacity", [2, 40, 5000])
def test_a_device_counts_as_the_host_does(
    kind: str, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor goes the way of a device; small blocks there, and a sample that misses much."""
    monkeypatch.setattr(counting, "DEVICE_BLOCK", 1000)
    monkeypatch.setattr(counting, "SAMPLED", 50)
    shape = (3, 40, 41)
    maps, regions = maps_of(kind, shape, 11), regions_of(shape, 12)
    there = torch.from_numpy(maps)
    for shift in (0, 9):
        on_host = counted(maps, regions, capacity, shift)
        assert content(counted(there, regions, capacity, shift)) == content(on_host)
        assert on_host.shift >= shift


def test_the_input_is_not_written_to() -> None:
    for kind in KINDS:
        maps, regions = maps_of(kind, (2, 30, 31), 13), regions_of((2, 30, 31), 14)
        before = maps.copy()
        counted(maps, regions, 32)
        counted(torch.from_numpy(maps), regions, 32)
        np.testing.assert_array_equal(maps.view(np.int32), before.view(np.int32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.uint64, bool])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (3, 16, 16), (4, 8, 9)])
def test_truth_finds_every_anomalous_pixel(dtype: Any, shape: tuple[int, int, int]) -> None:
    regions = regions_of(shape, 15, dtype)
    check_truth(regions)
    check_truth(regions[:, ::-1, ::2])
    check_truth(np.zeros(shape, dtype))


@pytest.mark.parametrize("ids", [(1, 2, 3), (7, 65_535, 300), (1, 2**31 - 1, 10**6)])
def test_region_ids_may_lie_far_apart(ids: tuple[int, int, int]) -> None:
    regions = regions_of((5, 12, 13), 16, np.int64)
    regions = np.array([0, *ids])[regions]
    regions[2] = 0
    check_truth(regions)
    if max(ids) < 2**16:
        check_truth(regions.astype(np.uint16))


def check_truth(regions: npt.NDArray[Any]) -> None:
    truth = Truth(regions)
    places = [i for i, id in enumerate(regions.ravel().tolist()) if id]
    size = regions[0].size
    assert truth.places_M.tolist() == places
    assert truth.image_M.tolist() == [place // size for place in places]
    keys = sorted({(place // size, int(regions.ravel()[place])) for place in places})
    assert truth.ids_L.tolist() == [id for _, id in keys]
    assert truth.areas_L.tolist() == [int((regions[image] == id).sum()) for image, id in keys]
    assert truth.region_M.tolist() == [
        keys.index((place // size, int(regions.ravel()[place]))) for place in places
    ]
    assert truth.pixels_B.tolist() == [int((image != 0).sum()) for image in regions]
    firsts = [sum(image < row for image, _ in keys) for row in range(len(regions) + 1)]
    assert truth.first_B.tolist() == firsts
    assert truth.gains_M.tolist() == [
        round(UNIT / int(truth.areas_L[region])) for region in truth.region_M
    ]
    assert truth.shares_M.tolist() == [
        round(UNIT / int(truth.pixels_B[image])) for image in truth.image_M
    ]


def test_fixed_point_strays_no_further_than_it_says() -> None:
    """Regions of 3, 7 and 11 pixels: their gains add up to 1 within half a unit a pixel."""
    regions = np.repeat([1, 2, 3, 0], [3, 7, 11, 3]).reshape(1, 4, 6)
    found = counted(maps_of("smooth", (1, 4, 6), 17), regions, 64)
    assert abs(sum(columns_of(found)[GAIN]) - 3 * UNIT) <= 0.5 * 21
    assert abs(sum(columns_of(found)[SHARE]) - UNIT) <= 0.5 * 21
    assert rounding(21) == 0.5 * 21 / UNIT
    assert rounding(2**20) < 1e-6
