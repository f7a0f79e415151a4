"""Three-dimensional simplex noise for a batch at once, on the device, and octaves of it.

Perlin's simplex noise ("Noise hardware", SIGGRAPH 2001 course notes) in the form that Gustavson
explains ("Simplex noise demystified", 2005): space is skewed so that the simplices become the six
tetrahedra of unit cubes, and each corner of a point's tetrahedron adds (1/2 - d^2)^4 <g, d>, where
d leads from the corner to the point and g is one of the twelve edge directions of a cube. With
1/2, the squared height of a tetrahedron, a corner's share is gone where its tetrahedra end, so
that the noise is continuous. RD++ (CVPR 2023) draws its noise with the octaves of AnoDDPM (CVPR
2022 workshops).
"""

from __future__ import annotations

import torch
from torch import Tensor

TABLE = 256
"""Entries of a table; the noise repeats after as many lattice steps."""
SCALE = 61.5
"""Brings the deviation to 0.314, that of OpenSimplex, and the values into [-0.8, 0.8]."""
# In this order the directions that a table of 256 holds once more than the others cancel out.
DIRECTIONS = (
    (1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0), (1, 0, 1), (-1, 0, 1),
    (1, 0, -1), (-1, 0, -1), (0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1),
)  # fmt: skip


def tables(count: int, device: torch.device) -> Tensor:
    """Random permutations int64 [count, 256] that fix one noise each.

    Drawn from torch's global generator of the device.
    """
    return torch.rand(count, TABLE, device=device).argsort(dim=1)


def simplex_3d(points_P3: Tensor, tables_BT: Tensor) -> Tensor:
    """Noise at the same points for every table. [B, P] of the points' float type.

    Args:
        points_P3: (x, y, z), the lattice's edges about one long.
        tables_BT: a permutation of 0..255 a noise.
    """
    skewed_P3 = points_P3 + points_P3.sum(dim=1, keepdim=True) / 3
    cell_P3 = skewed_P3.floor()
    first_P3 = points_P3 - cell_P3 + cell_P3.sum(dim=1, keepdim=True) / 6
    rank_P3 = _ranks(first_P3)
    directions_K3 = torch.tensor(DIRECTIONS, dtype=points_P3.dtype, device=points_P3.device)
    noise_BP = points_P3.new_zeros(len(tables_BT), len(points_P3))
    for corner in range(4):  # the coordinates are passed along by size, the largest first
        step_P3 = (rank_P3 > 2 - corner).to(points_P3.dtype)
        to_P3 = first_P3 - step_P3 + corner / 6
        weight_P = (0.5 - to_P3.square().sum(dim=1)).clamp(min=0) ** 4
        choice_BP = _chosen((cell_P3 + step_P3).long(), tables_BT)
        shares_KP = torch.stack([(to_P3 * direction).sum(dim=1) for direction in directions_K3])
        shares_KP = shares_KP * weight_P
        noise_BP += shares_KP.gather(0, choice_BP)
    return SCALE * noise_BP


def octaves(
    tables_BT: Tensor,
    shape: tuple[int, int, int],
    count: int = 6,
    persistence: float = 0.6,
    period: float = 32.0,
) -> Tensor:
    """Noise over a grid, finer and weaker from octave to octave. float32 [B, C, H, W]

    sum over o of persistence^o s(x 2^o / period, y 2^o / period, z 2^o / period), x and y the
    column and the row, z the channel (RD++'s use of AnoDDPM's octaves).

    Args:
        tables_BT: from `tables`.
        shape: C, H, W.
        period: of the first octave, pixels.
    """
    lengths = [torch.arange(length, device=tables_BT.device) for length in shape]
    z, y, x = torch.meshgrid(*lengths, indexing="ij")
    grid_P3 = torch.stack([x, y, z], dim=-1).view(-1, 3).float()
    points = torch.cat([grid_P3 * (2**octave / period) for octave in range(count)])
    amplitude = persistence ** torch.arange(count, device=tables_BT.device)
    each_BOP = simplex_3d(points, tables_BT).view(len(tables_BT), count, -1)
    return (each_BOP * amplitude[:, None]).sum(dim=1).view(-1, *shape)


def _ranks(x_P3: Tensor) -> Tensor:
    """Of every coordinate: 2 for the largest of the three, 0 for the smallest; never two alike."""
    x, y, z = x_P3.unbind(dim=1)
    x_first, x_second, y_first = x >= y, x >= z, y >= z
    above = (x_first.int() + x_second.int(), (~x_first).int() + y_first.int())
    return torch.stack([*above, (~x_second).int() + (~y_first).int()], dim=1)


def _chosen(lattice_P3: Tensor, tables_BT: Tensor) -> Tensor:
    """Which direction stands at every lattice point, by every table. int64 [B, P]"""
    x, y, z = (lattice_P3 & (TABLE - 1)).unbind(dim=1)
    hashed_BP = tables_BT[:, z]
    hashed_BP = tables_BT.gather(1, (hashed_BP + y) & (TABLE - 1))
    return (tables_BT % len(DIRECTIONS)).gather(1, (hashed_BP + x) & (TABLE - 1))
