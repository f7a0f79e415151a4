"""Keys order as floats do, bins nest, and the finest shift is the smallest one that fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.metrics.keys import BOTTOM, TOP, edge_of, finest_shift, key_of, value_of

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
MANY = st.lists(FINITE, min_size=1, max_size=30)
EDGES = np.array(
    [-3.4028235e38, -1, -1.1754944e-38, -1e-45, -0.0, 0.0, 1e-45, 1.1754944e-38, 1, 3.4028235e38],
    np.float32,
)


def bits(values: np.ndarray) -> list[int]:
    return np.ascontiguousarray(values, np.float32).view(np.uint32).tolist()


@given(FINITE, FINITE)
def test_keys_compare_as_their_values_do(a: float, b: float) -> None:
    one, two = key_of(np.array([a, b], np.float32))
    assert (one < two) == (a < b)
    assert (one == two) == (a == b)


@given(MANY)
def test_a_key_gives_its_value_back_and_forgets_the_sign_of_zero(values: list[float]) -> None:
    single = np.array(values, np.float32)
    assert bits(value_of(key_of(single))) == bits(single + np.float32(0))


def test_neighbouring_floats_have_neighbouring_keys() -> None:
    rng = np.random.default_rng(0)
    some = (10.0 ** rng.uniform(-44, 38, 2000) * rng.choice((-1, 1), 2000)).astype(np.float32)
    above = np.nextafter(some, np.float32(np.inf))
    step = key_of(above).astype(np.int64) - key_of(some)
    # -1 would be the key of -0.0, which 0 already is
    np.testing.assert_array_equal(step, np.where(key_of(some) == -2, 2, 1))
    assert key_of(np.float32([-1e-45, -0.0, 0.0, 1e-45])).tolist() == [-2, 0, 0, 1]


def test_what_is_not_finite_lies_beyond_the_ends() -> None:
    assert key_of(EDGES[[0, -1]]).tolist() == [BOTTOM, TOP]
    nan = np.array([0x7FC00000, 0x7F800001, 0x7FFFFFFF], np.uint32)
    beyond = np.concatenate((nan.view(np.float32), [np.float32(np.inf)])).astype(np.float32)
    assert (key_of(beyond) > TOP).all()
    below = np.concatenate(((nan | 0x80000000).view(np.float32), [np.float32(-np.inf)]))
    assert (key_of(below.astype(np.float32)) < BOTTOM).all()


def test_any_layout_and_a_given_output_give_the_same_keys() -> None:
    values = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
    values[::2, 3] = -0.0
    expected = [[int(key_of(np.array([v], np.float32))[0]) for v in row] for row in values]
    assert key_of(values).tolist() == expected
    assert key_of(values[:, ::3]).tolist() == np.array(expected)[:, ::3].tolist()
    assert key_of(values.T).tolist() == np.array(expected).T.tolist()
    out, before = np.full((6, 8), 7, np.int32), values.copy()
    assert key_of(values, out=out) is out
    assert out.tolist() == expected
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("shift", [0, 1, 7, 22, 23, 29, 30, 31])
def test_a_bin_holds_exactly_the_values_between_two_edges(shift: int) -> None:
    rng = np.random.default_rng(shift)
    some = (10.0 ** rng.uniform(-44, 38, 500) * rng.choice((-1, 1), 500)).astype(np.float32)
    values = np.concatenate((some, EDGES))
    bins = key_of(values) >> np.int32(shift)
    low = edge_of(bins, shift)
    assert np.isfinite(low).all()
    assert (low <= values).all()
    # one float below the edge belongs to another bin, unless the edge is the lowest float
    inner = key_of(low) > BOTTOM
    before = np.nextafter(low[inner], np.float32(-np.inf)) + np.float32(0)
    assert ((key_of(before) >> np.int32(shift)) < bins[inner]).all()
    assert ((key_of(low) >> np.int32(shift)) == bins).all()


@given(MANY, st.integers(0, 31), st.integers(0, 31))
def test_a_coarser_bin_is_a_union_of_finer_ones(values: list[float], a: int, b: int) -> None:
    keys = key_of(np.array(values, np.float32))
    fine, coarse = sorted((a, b))
    np.testing.assert_array_equal(
        (keys >> np.int32(fine)) >> np.int32(coarse - fine), keys >> np.int32(coarse)
    )


@settings(max_examples=200)
@given(MANY, st.integers(2, 12))
def test_the_finest_shift_is_the_smallest_that_fits(values: list[float], capacity: int) -> None:
    keys = np.sort(key_of(np.array(values, np.float32)))
    fits = [s for s in range(32) if len(set((keys >> np.int32(s)).tolist())) <= capacity]
    assert finest_shift(keys, capacity) == fits[0]


def test_two_bins_always_suffice() -> None:
    assert finest_shift(np.sort(key_of(EDGES)), 2) == 31
    assert finest_shift(np.array([BOTTOM], np.int32), 2) == 0
    rng = np.random.default_rng(3)
    keys = np.sort(rng.integers(BOTTOM, TOP, 5000, endpoint=True).astype(np.int32))
    for capacity in (2, 3, 17, 300, 4999, 5000):
        shift = finest_shift(keys, capacity)
        assert len(np.unique(keys >> shift)) <= capacity
        assert shift == 0 or len(np.unique(keys >> (shift - 1))) > capacity
