"""Intervals of a share that was counted: hits among independent trials.

Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22
(1927): the shares whose score test would not reject the counted one. No continuity correction.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

from core.errors import UsageError


def two_sided_z(level: float) -> float:
    """Normal quantile that leaves (1 - level) / 2 on either side; raises UsageError unless
    0 < level < 1."""
    if not 0.0 < level < 1.0:
        raise UsageError(f"level: expected a number between 0 and 1, such as 0.95, got {level}.")
    return float(ndtri((1.0 + level) / 2.0))


def wilson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of hits / count; (0, 1) for nothing counted.

    Raises UsageError unless 0 <= hits <= count and 0 < level < 1.
    """
    z = two_sided_z(level)
    if not 0 <= hits <= count:
        raise UsageError(f"hits: expected 0 to {count} (count), got {hits}.")
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    scale = 1.0 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1.0 - share) / count + z * z / (4 * count**2))
    # at either end centre and half are equal on paper, but rounding may keep them apart
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == count else min(1.0, centre + half)
    return low, high
