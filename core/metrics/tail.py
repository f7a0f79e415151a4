"""Shares of normal pixels that are as hot as given map values, many values at once.

The same as `cases.share_hotter`, value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics.ranking import FloatArray


def shares_hotter(
    tail_x: Sequence[float], tail_y: Sequence[float], values_N: npt.NDArray[Any]
) -> FloatArray | None:
    """Share of normal pixels with a map value >= each value [N], read off a tail table.

    Interpolated in the logarithm of the share; 0.0 above the table's last value, where no normal
    pixel was seen. None without a table.

    Args:
        tail_x: map values, in any order.
        tail_y: share of the normal pixels at or above each.
    """
    x, y = np.asarray(tail_x, np.float64), np.asarray(tail_y, np.float64)
    x, y = x[y > 0], y[y > 0]
    if not len(x):
        return None
    order = np.lexsort((-y, x))
    x, y = x[order], y[order]
    values = np.asarray(values_N, np.float64)
    shares = np.exp(np.interp(values, x, np.log(y)))
    return np.asarray(np.where(values > x[-1], 0.0, shares), np.float64)
