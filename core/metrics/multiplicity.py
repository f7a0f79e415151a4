"""Many comparisons at once: p-values adjusted so that any false finding stays as rare as one.

Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
Statistics 6 (1979). It controls the family-wise error rate whatever the dependence of the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import UsageError


def holm(p_values_M: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values, in the order they came.

    The i-th smallest of M (from 0) is multiplied by M - i, raised to the largest product before
    it, so that adjusting never changes the order, and capped at 1.

    Args:
        p_values_M: raw p-values; None = this comparison could not be tested.

    Returns:
        None where None came; those do not count into M.

    Raises:
        UsageError: a value outside 0 to 1.
    """
    tested: list[tuple[float, int]] = []
    for place, p in enumerate(p_values_M):
        if p is None:
            continue
        if not 0.0 <= p <= 1.0:
            raise UsageError(f"p_values_M: expected 0 to 1 or None at position {place}, got {p}.")
        tested.append((float(p), place))
    adjusted: list[float | None] = [None] * len(p_values_M)
    reached = 0.0
    for i, (p, place) in enumerate(sorted(tested)):
        reached = max(reached, min(1.0, (len(tested) - i) * p))
        adjusted[place] = reached
    return adjusted
