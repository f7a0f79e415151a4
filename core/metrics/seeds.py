"""How far a value moves with the seed, beside how far it moves from class to class.

Source: one-way random effects (Searle, Casella & McCulloch, "Variance Components", 1992, chapter
3): the variance within classes is that of the seeds; what the class means vary beyond their share
of it is that of the classes.

Shapes: C classes, S seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """One class over its seeds: mean, standard deviation (n - 1; None of one), ends, count."""

    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Standard deviation that the seed brings, and that the classes bring beyond it."""

    seeds: float
    classes: float


def seed_spread(values_S: npt.ArrayLike) -> SeedSpread | None:
    """Over the seeds that have a value; None when none has."""
    values = np.asarray(values_S, np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    deviation = float(values.std(ddof=1)) if values.size > 1 else None
    ends = float(values.min()), float(values.max())
    return SeedSpread(float(values.mean()), deviation, *ends, int(values.size))


def sources(values_CS: npt.ArrayLike) -> Sources | None:
    """What moves a value more; None without two classes of at least two seeds each.

    Args:
        values_CS: NaN where a class has no value; classes with a missing seed are left out.
    """
    values = np.asarray(values_CS, np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        return None
    within = float(values.var(axis=1, ddof=1).mean())
    between = float(values.mean(axis=1).var(ddof=1)) - within / values.shape[1]
    return Sources(float(np.sqrt(within)), float(np.sqrt(max(0.0, between))))
