"""Sides of images that a network can take."""

from __future__ import annotations

import pytest

from core.errors import UsageError
from core.layers.sizes import require_multiple


@pytest.mark.parametrize(
    ("step", "good", "bad"), [(16, (32, 48, 256), (16, 40, 100)), (64, (128, 320), (64, 100, 288))]
)
def test_a_side_is_two_steps_or_more_and_whole_ones(
    step: int, good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    for size in good:
        require_multiple(size, step, "X halves the image")
    for size in bad:
        said = f"X halves the image; --size came as {size}, .*multiple of {step} from {2 * step} on"
        with pytest.raises(UsageError, match=said):
            require_multiple(size, step, "X halves the image")
