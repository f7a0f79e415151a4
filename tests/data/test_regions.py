"""Regions of a mask and the lines around them, by hand."""

from __future__ import annotations

import numpy as np

from core.data.regions import Region, areas, measured, outline


def test_regions_are_measured_and_ordered() -> None:
    mask = np.zeros((6, 10), dtype=bool)
    mask[0, 0] = mask[1, 1] = True  # touching by a corner: one region
    mask[3:5, 4:9] = True
    assert areas(mask).tolist() == [2, 10]
    assert measured(mask) == (Region(10, 10 / 60, 4, 3, 5, 2), Region(2, 2 / 60, 0, 0, 2, 2))
    assert measured(np.zeros((3, 3), dtype=bool)) == () and areas(mask[:0]).size == 0


def test_lines_lie_outside_the_mask_and_apart() -> None:
    mask = np.zeros((7, 7), dtype=bool)
    mask[3, 3] = True
    line, halo = outline(mask)
    assert line.sum() == 4 and line[2, 3] and line[3, 2] and not line[2, 2]
    assert not (mask & (line | halo)).any() and not (line & halo).any()
    assert (mask | line | halo).sum() == 25  # two steps of a 3 x 3 square
