"""Where a new image's score stands among those the run knows, and how much of its map is hot.

Counts, no estimates: what a page says of one picture can be checked by counting the test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Standing:
    """A score among the test images of its class.

    Attributes:
        normals, anomalous: how many test images there are.
        below_normals, below_anomalous: how many of them score lower than the new image.
        above_normals: how many normal ones score higher.
    """

    normals: int
    below_normals: int
    above_normals: int
    anomalous: int
    below_anomalous: int

    @property
    def above_all(self) -> bool:
        """Higher than every test image, anomalous ones included."""
        known = self.normals + self.anomalous
        return known > 0 and self.below_normals + self.below_anomalous == known

    @property
    def below_all_normals(self) -> bool:
        return self.normals > 0 and self.above_normals == self.normals


def standing(score: float, scores_N: npt.ArrayLike, labels_N: npt.ArrayLike) -> Standing:
    """Count the test images of a class beside a new score.

    Args:
        scores_N: their image scores.
        labels_N: 0 normal, 1 anomalous.
    """
    known = np.asarray(scores_N, np.float64)
    bad = np.asarray(labels_N) == 1
    return Standing(
        normals=int((~bad).sum()),
        below_normals=int((known[~bad] < score).sum()),
        above_normals=int((known[~bad] > score).sum()),
        anomalous=int(bad.sum()),
        below_anomalous=int((known[bad] < score).sum()),
    )


def share_at_or_above(map_HW: npt.NDArray[Any], level: float) -> float:
    """Share of a map's pixels whose value is >= `level`."""
    return float((np.asarray(map_HW, np.float32) >= level).mean())
