"""How many values lie in each of some intervals, for charts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def counted(values: npt.ArrayLike, edges: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Values from each edge to the next, the last edge included.

    Args:
        values: [N]; those outside the edges count nowhere.
        edges: [M + 1], ascending.

    Returns:
        int64 [M].
    """
    counts, _ = np.histogram(np.asarray(values), np.asarray(edges))
    return counts.astype(np.int64)
