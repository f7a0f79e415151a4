"""What is measured of single cases; every expected value is worked by hand or by a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.metrics import cases

SCORES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=12)


class TestOverlap:
    def test_regions_cover_and_iou(self) -> None:
        truth = np.zeros((6, 6), bool)
        truth[0:2, 0:2] = True  # 4 px
        truth[4, 4] = truth[5, 5] = True  # diagonal neighbours: one region of 2 px
        values = np.zeros((6, 6), np.float32)
        values[0, 0:3] = 5.0  # 2 px inside the first region, 1 outside
        values[4, 4] = 9.0
        found = cases.overlap(values, truth, 4.0)
        assert [(r.area_px, r.peak, r.covered) for r in found.regions] == [
            (4, 5.0, 0.5),
            (2, 9.0, 0.5),
        ]
        assert found.iou == pytest.approx(3 / 7)  # 3 in both; 6 true + 4 above - 3
        assert found.peak_on_defect is True
        assert found.area_share == pytest.approx(6 / 36)

    def test_the_threshold_itself_is_called(self) -> None:
        truth = np.array([[True, False]])
        found = cases.overlap(np.array([[2.0, 1.0]]), truth, 2.0)
        assert (found.iou, found.regions[0].covered) == (1.0, 1.0)

    def test_a_peak_beside_the_flaw(self) -> None:
        truth = np.array([[True, False]])
        assert cases.overlap(np.array([[1.0, 2.0]]), truth, None).peak_on_defect is False

    def test_without_truth_or_threshold(self) -> None:
        found = cases.overlap(np.ones((2, 2)), None, 0.5)
        assert (found.regions, found.iou, found.peak_on_defect) == ((), None, None)
        assert cases.overlap(np.ones((2, 2)), np.zeros((2, 2), bool), 0.5).regions == ()
        found = cases.overlap(np.ones((2, 2)), np.ones((2, 2), bool), None)
        assert (found.iou, found.regions[0].covered) == (None, None)


class TestRankErrors:
    @given(SCORES)
    def test_it_is_the_share_of_pairs_ranked_wrongly(self, pairs: list[tuple[int, int]]) -> None:
        scores, labels = (list(column) for column in zip(*pairs, strict=True))
        expected = []
        for score, label in pairs:
            others = [s for s, its in pairs if its != label]
            wrong = [s >= score if label else s <= score for s in others]
            expected.append(sum(wrong) / len(wrong) if wrong else 0.5)
        assert list(cases.rank_errors(scores, labels)) == pytest.approx(expected)


class TestMargins:
    def test_in_spreads_of_the_normal_scores(self) -> None:
        # normals 1 and 3: standard deviation 1 over them
        found = cases.margins([1.0, 3.0, 7.0], [0, 0, 1], [2.0, 2.0, 4.0])
        assert list(found) == [-1.0, 1.0, 3.0]

    def test_in_the_scores_own_unit_where_normals_do_not_vary(self) -> None:
        assert list(cases.margins([5.0, 5.0, 9.0], [0, 0, 1], [6.0] * 3)) == [-1.0, -1.0, 3.0]
        assert list(cases.margins([9.0], [1], [6.0])) == [3.0]


def test_share_hotter_is_log_linear_between_points() -> None:
    x, y = [0.0, 1.0, 2.0], [1.0, 0.1, 0.001]
    assert cases.share_hotter(x, y, 1.0) == pytest.approx(0.1)
    assert cases.share_hotter(x, y, 1.5) == pytest.approx(0.01)
    assert cases.share_hotter(x[::-1], y[::-1], 1.5) == pytest.approx(0.01)
    assert cases.share_hotter(x, y, 2.5) == 0.0
    assert cases.share_hotter([], [], 1.0) is None


def test_recall_has_wilsons_interval() -> None:
    one = cases.recall(1, 1)
    # Wilson for 1 of 1: lower end 1 / (1 + z^2) = 0.2065
    assert (one.share, one.high) == (1.0, 1.0)
    assert one.low == pytest.approx(0.20654, abs=1e-5)
    with pytest.raises(UsageError):
        cases.recall(3, 2)
