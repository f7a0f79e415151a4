"""Recall by size: by hand, by slow loops, and with weights as repetitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.metrics import sizes as module
from core.metrics.sizes import minimum_detectable_size, recall_by_quartile

Case = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]


def case(seed: int) -> Case:
    """Areas with ties, hits that grow with area, images 0 to 4."""
    rng = np.random.default_rng(seed)
    areas = rng.integers(1, 12, rng.integers(1, 20))
    return areas, rng.random(len(areas)) < areas / 8, rng.integers(0, 5, len(areas))


def slow_size(areas: npt.NDArray[np.int64], hits: npt.NDArray[np.bool_], share: float) -> float:
    reached = [a for a in areas.tolist() if hits[areas >= a].mean() >= share]
    return float(min(reached, default=np.nan))


def test_quartiles_by_hand() -> None:
    """Areas 1 to 8: edges 1, 2.75, 4.5, 6.25, 8; two regions a quartile."""
    areas = np.array([8, 1, 2, 3, 4, 5, 6, 7])
    hits = np.array([1, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
    edges, recall, counts = recall_by_quartile(areas, hits)
    assert edges.tolist() == [1, 2.75, 4.5, 6.25, 8]
    assert recall.tolist() == [[0, 0.5, 1, 1]]
    assert counts.tolist() == [2, 2, 2, 2]


def test_equal_areas_stay_in_one_quartile() -> None:
    """5 5 5 5 9: all inner edges are 5, so the first quartile holds four regions and two none."""
    edges, recall, counts = recall_by_quartile(
        np.array([5, 5, 9, 5, 5]), np.array([1, 0, 1, 0, 1], dtype=bool)
    )
    assert edges.tolist() == [5, 5, 5, 5, 9]
    assert counts.tolist() == [4, 0, 0, 1]
    assert recall[0, [0, 3]].tolist() == [0.5, 1]
    assert np.isnan(recall[0, [1, 2]]).all()


def test_minimum_detectable_size_by_hand() -> None:
    """Down from the largest: 9 hit, 7 hit, 5 missed, 4 hit (3/4), 3 hit (4/5), 2 missed."""
    areas, hits = np.array([2, 3, 4, 5, 7, 9]), np.array([0, 1, 1, 0, 1, 1], dtype=bool)
    for share, expected in ((1.0, 7), (0.9, 7), (0.8, 3), (0.75, 3), (0.67, 3), (0.66, 2)):
        assert minimum_detectable_size(areas, hits, share=share).tolist() == [expected]
    assert minimum_detectable_size(areas, np.ones(6, dtype=bool)).tolist() == [2]
    # all but the largest hit: 5/6 of all of them, but none of those of 9 or more
    assert minimum_detectable_size(areas, areas < 9, share=0.83).tolist() == [2]
    assert np.isnan(minimum_detectable_size(areas, areas < 9)).all()
    assert np.isnan(minimum_detectable_size(areas, np.zeros(6, dtype=bool))).all()
    # areas of one size are taken together: two of three hit
    tied = minimum_detectable_size(np.array([4, 4, 4]), np.array([1, 1, 0], dtype=bool))
    assert np.isnan(tied).all()


def test_nine_of_ten_reach_nine_tenths() -> None:
    for tens in range(1, 30):
        hits = np.arange(10 * tens) >= tens
        areas = np.full(10 * tens, 3)
        assert minimum_detectable_size(areas, hits).tolist() == [3]


@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.5, 0.75, 0.9, 1.0]))
@settings(max_examples=50, deadline=None)
def test_integer_weights_are_repeated_images(seed: int, share: float) -> None:
    areas, hits, image = case(seed)
    weights = np.random.default_rng(seed).integers(0, 3, (6, 5))
    weights[0] = 1
    edges, recall, counts = recall_by_quartile(areas, hits, image, weights)
    size = minimum_detectable_size(areas, hits, image, weights, share)
    assert size[:1].tobytes() == minimum_detectable_size(areas, hits, share=share).tobytes()
    assert recall[:1].tobytes() == recall_by_quartile(areas, hits)[1].tobytes()
    assert edges.tolist() == np.percentile(areas, [0, 25, 50, 75, 100]).tolist()
    assert counts.sum() == len(areas)
    for row in range(6):
        times = weights[row][image]
        some, found = np.repeat(areas, times), np.repeat(hits, times)
        if len(some) == 0 or np.isnan(slow_size(some, found, share)):
            assert np.isnan(size[row])
        else:
            assert size[row] == slow_size(some, found, share)
        for quartile in range(4):
            inside = some <= edges[quartile + 1]
            if quartile:
                inside &= some > edges[quartile]
            if inside.any():
                assert recall[row, quartile] == found[inside].mean()
            else:
                assert np.isnan(recall[row, quartile])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_order_changes_nothing_and_sizes_scale(seed: int) -> None:
    areas, hits, _ = case(seed)
    order = np.random.default_rng(seed).permutation(len(areas))
    size = minimum_detectable_size(areas, hits)
    assert minimum_detectable_size(areas[order], hits[order]).tobytes() == size.tobytes()
    assert minimum_detectable_size(areas**3, hits) == pytest.approx(size**3, nan_ok=True)
    recall = recall_by_quartile(areas, hits)[1]
    assert recall_by_quartile(areas[order], hits[order])[1].tobytes() == recall.tobytes()
    assert recall_by_quartile(4 * areas, hits)[1].tobytes() == recall.tobytes()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    areas, hits, image = case(3)
    weights = np.random.default_rng(1).integers(0, 4, (31, 5))
    size = minimum_detectable_size(areas, hits, image, weights)
    recall = recall_by_quartile(areas, hits, image, weights)[1]
    monkeypatch.setattr(module, "_BLOCK", 50)
    assert minimum_detectable_size(areas, hits, image, weights).tobytes() == size.tobytes()
    assert recall_by_quartile(areas, hits, image, weights)[1].tobytes() == recall.tobytes()


def test_what_does_not_fit_is_refused() -> None:
    areas, hits = np.array([1, 2]), np.array([True, False])
    with pytest.raises(UsageError, match="at least one"):
        recall_by_quartile(np.array([]), np.array([], dtype=bool))
    with pytest.raises(UsageError, match=r"\(2,\) and hits with \(1,\)"):
        minimum_detectable_size(areas, hits[:1])
    with pytest.raises(UsageError, match="with the image of every region"):
        recall_by_quartile(areas, hits, None, np.ones((1, 2)))
    with pytest.raises(UsageError, match="image 2 and weights came for 2"):
        recall_by_quartile(areas, hits, np.array([0, 2]), np.ones((1, 2)))
    with pytest.raises(UsageError, match="came as 0"):
        minimum_detectable_size(areas, hits, share=0)
