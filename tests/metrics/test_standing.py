"""Counts beside a new score, by hand."""

from __future__ import annotations

import numpy as np

from core.metrics.standing import Standing, share_at_or_above, standing


def test_counts_by_hand() -> None:
    scores, labels = [1.0, 2.0, 3.0, 2.5, 9.0], [0, 0, 0, 1, 1]
    place = standing(2.0, scores, labels)
    assert place == Standing(3, 1, 1, 2, 0), "an equal score is neither below nor above"
    assert not place.above_all and not place.below_all_normals
    assert standing(10.0, scores, labels).above_all
    assert not standing(9.0, scores, labels).above_all
    assert standing(0.5, scores, labels).below_all_normals


def test_no_test_images_say_nothing() -> None:
    place = standing(1.0, [], [])
    assert place == Standing(0, 0, 0, 0, 0)
    assert not place.above_all and not place.below_all_normals


def test_share_counts_the_level_itself() -> None:
    map_HW = np.array([[1.0, 2.0], [3.0, 4.0]], np.float16)
    assert share_at_or_above(map_HW, 3.0) == 0.5
    assert share_at_or_above(map_HW, 5.0) == 0.0
