"""Sorted float32 values where they lie: on the host as numpy, elsewhere as a tensor.

What is asked of them is always small (counts below some edges, values at some ranks), so maps
never travel to the host. numpy's sort is many times faster than torch's on a CPU; on an
accelerator it is the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.keys import Float32s
from core.metrics.threads import in_threads

if TYPE_CHECKING:
    import torch

Maps: TypeAlias = "Float32s | torch.Tensor"
Side: TypeAlias = Literal["left", "right"]
Counts: TypeAlias = npt.NDArray[np.int64]


class Ascending:
    """Float32 values in ascending order; immutable."""

    __slots__ = ("_values",)

    def __init__(self, values_N: Maps) -> None:
        self._values = values_N

    @classmethod
    def of(cls, values_N: Maps) -> Ascending:
        """Sort values of any order; -0.0 and 0.0 keep their places as equals."""
        if isinstance(values_N, np.ndarray):
            return cls(np.sort(values_N))
        return cls(values_N.sort().values)

    @classmethod
    def pooled(cls, parts: Sequence[Ascending]) -> Ascending:
        """All values of the parts; parts on different devices meet on the host."""
        held = [part._values for part in parts if len(part)]
        if not held:
            return cls(np.empty(0, np.float32))
        if len(held) == 1:
            return cls(held[0])
        devices = {str(getattr(values, "device", "host")) for values in held}
        if len(devices) == 1 and not isinstance(held[0], np.ndarray):
            import torch

            return cls.of(
                torch.cat([values for values in held if isinstance(values, torch.Tensor)])
            )
        return cls.of(np.concatenate([host(values) for values in held]))

    def __len__(self) -> int:
        return len(self._values)

    @property
    def on_host(self) -> Float32s:
        """All values; a copy where they lie elsewhere."""
        return host(self._values)

    @property
    def nbytes(self) -> int:
        return 4 * len(self)

    def count_below(self, edges_T: npt.NDArray[Any], side: Side = "left") -> Counts:
        """How many values are < (left) or <= (right) each float32 edge. [T]"""
        values = self._values
        edges = edges_T.astype(np.float32, copy=False)
        if isinstance(values, np.ndarray):
            return np.searchsorted(values, edges, side=side).astype(np.int64, copy=False)
        import torch

        there = torch.from_numpy(np.ascontiguousarray(edges)).to(values.device)
        return np.asarray(torch.searchsorted(values, there, side=side).cpu().numpy(), np.int64)

    def at(self, ranks_T: npt.NDArray[Any]) -> Float32s:
        """Values at ranks 0 to N - 1. [T]"""
        values = self._values
        if isinstance(values, np.ndarray):
            found: Float32s = values[ranks_T]
            return found
        import torch

        there = torch.from_numpy(ranks_T.astype(np.int64)).to(values.device)
        return host(values[there])


def host(values: Maps) -> Float32s:
    """Values as a numpy array; no copy when they are one, or a tensor of the CPU."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu().numpy())


def sorted_rows(rows_BN: Maps) -> list[Ascending]:
    """Each row sorted."""
    if isinstance(rows_BN, np.ndarray):
        return in_threads(lambda row: Ascending(np.sort(row)), list(rows_BN))
    return [Ascending(row) for row in rows_BN.sort(dim=1).values]
