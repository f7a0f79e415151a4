"""Counting values between edges."""

from __future__ import annotations

from core.metrics.bins import counted


def test_each_value_counts_once_and_those_outside_not_at_all() -> None:
    assert counted([0, 0.5, 1, 1.5, 2, -1, 3], [0, 1, 2]).tolist() == [2, 3]
    assert counted([], [0, 1]).tolist() == [0]
