"""Drawn scenes: the mask holds exactly what the defect changed, and a seed says everything."""

from __future__ import annotations

import numpy as np
import pytest

from core.synthesis import board, fabric, phantom
from core.synthesis.scene import VISIBLE, Subject, changed, render

SIZE = 128
SUBJECTS = (phantom.SUBJECT, board.SUBJECT, fabric.SUBJECT)
KINDS = [(subject, kind) for subject in SUBJECTS for kind in subject.defects]
NAMES = [f"{subject.name}-{kind}" for subject, kind in KINDS]


@pytest.mark.parametrize(("subject", "kind"), KINDS, ids=NAMES)
@pytest.mark.parametrize("difficulty", [0.1, 0.9])
def test_the_mask_is_where_the_defect_is(subject: Subject, kind: str, difficulty: float) -> None:
    seed = 71
    drawn = render(subject, SIZE, seed, kind, difficulty)
    twin = render(subject, SIZE, seed)  # drawn on its own, without the defect
    np.testing.assert_array_equal(drawn.clean, twin.image)
    difference = np.abs(drawn.image.astype(int) - twin.image.astype(int))
    if difference.ndim == 3:
        difference = difference.max(axis=2)
    mask = drawn.mask_HW
    assert mask.any()
    assert mask.mean() < 0.25
    assert difference[~mask].max() == 0
    # closing and filling add some pixels that happen to look alike; most must differ
    assert (difference[mask] >= VISIBLE - 2).mean() > 0.5
    assert difference[mask].mean() > VISIBLE


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_normal_images_vary_but_not_too_much(subject: Subject) -> None:
    images = [render(subject, SIZE, seed).image for seed in range(4)]
    again = render(subject, SIZE, 0)
    np.testing.assert_array_equal(images[0], again.image)
    assert not again.mask_HW.any()
    assert len({image.tobytes() for image in images}) == 4
    levels = [float(image.mean()) for image in images]
    assert max(levels) / min(levels) < 1.35
    assert all(image.std() > 15 for image in images)


@pytest.mark.parametrize(("subject", "kind"), KINDS, ids=NAMES)
def test_hard_defects_change_less(subject: Subject, kind: str) -> None:
    def change(difficulty: float) -> float:
        total = 0.0
        for seed in range(3):
            drawn = render(subject, SIZE, seed, kind, difficulty)
            total += float(np.abs(drawn.image.astype(float) - drawn.clean).sum())
        return total

    assert change(0.95) < 0.75 * change(0.05)


def test_changed_finds_fills_and_drops() -> None:
    clean = np.zeros((40, 40), dtype=np.float32)
    broken = clean.copy()
    broken[5:15, 5:15] = 50.0
    broken[9:11, 9:11] = 0.0  # a pinhole belongs to the region around it
    broken[30, 30] = 50.0  # a crumb does not count
    broken[20:30, 0:4] = VISIBLE / 2  # neither does what nobody sees
    mask = changed(clean, broken, smallest=6.0)
    expected = np.zeros((40, 40), dtype=bool)
    expected[5:15, 5:15] = True
    np.testing.assert_array_equal(mask, expected)


def test_changed_keeps_a_region_at_the_border_and_the_only_small_one() -> None:
    clean = np.zeros((20, 20, 3), dtype=np.float32)
    broken = clean.copy()
    broken[0:3, 17:20, 1] = 50.0  # one channel is enough
    mask = changed(clean, broken, smallest=100.0)
    expected = np.zeros((20, 20), dtype=bool)
    expected[0:3, 17:20] = True
    np.testing.assert_array_equal(mask, expected)
    assert not changed(clean, clean).any()


def test_a_defect_that_changes_nothing_is_an_error() -> None:
    class Still(phantom.Phantom):
        def draw(self, defect: object) -> np.ndarray:
            return super().draw(None)

    subject = Subject("still", Still, {"nothing": 1})
    with pytest.raises(RuntimeError, match="no visible nothing"):
        render(subject, 64, 0, "nothing")
