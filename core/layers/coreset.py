"""Greedy k-centre coreset, exact and in blocks.

PatchCore (arXiv 2106.08265, algorithm 1) picks, again and again, the row farthest from all rows
picked so far. Done plainly, each pick reads all rows: memory-bound. Here a round works so:

1. Every row i holds d_i, its distance to the picked rows *as of the last sweep*. Distances only
   fall, so d_i bounds the true distance from above.
2. The K rows with the largest d are candidates; the next largest value is the bar: no other
   row's true distance exceeds it.
3. Picks are made among the candidates, updating the candidates' distances alone, as long as the
   farthest candidate reaches the bar. Each such pick is what the plain algorithm would pick.
4. One matrix product brings all rows up to date with the round's picks: compute-bound.

Rows are first mapped to 128 dimensions by a random linear map, as the method's code does. The
start is the mean distance to ten random rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float32]
START_ROWS = 10
CANDIDATES = 4096
BLOCK = {"cpu": 1 << 20, "cuda": 1 << 28}
"""Elements of one block of distances: on a CPU few enough to stay in its cache."""


def greedy_coreset(
    rows_ND: Tensor,
    count: int,
    *,
    projection: int | None = 128,
    generator: torch.Generator | None = None,
    report: Callable[[float], None] = lambda fraction: None,
    candidates: int = CANDIDATES,
) -> Tensor:
    """Row numbers of a greedy k-centre coreset, in the order of picking. [count]

    Args:
        rows_ND: float32, any device.
        count: 1 <= count <= N.
        projection: dimension of the random map; None = exact distances.
        generator: on the CPU; draws the map and the start.
        report: called with progress 0..1.
        candidates: rows looked at between sweeps; changes speed, not the result.
    """
    reduced = rows_ND if projection is None else project(rows_ND, projection, generator)
    reduced = reduced - reduced.mean(dim=0)
    squared_N = reduced.square().sum(dim=1)
    distance_N = _start(reduced, generator)
    chosen: list[Tensor] = []
    done = 0
    while done < count:
        picked = _round(reduced, squared_N, distance_N, count - done, candidates)
        chosen.append(picked)
        done += len(picked)
        if done < count:
            _sweep(reduced, squared_N, distance_N, picked)
        report(done / count)
    return torch.cat(chosen)


def project(rows_ND: Tensor, dimension: int, generator: torch.Generator | None) -> Tensor:
    """The rows under a random linear map without bias, as torch's Linear starts. [N, dimension]"""
    return rows_ND @ random_map(rows_ND.shape[1], dimension, generator).to(rows_ND)


def random_map(width: int, dimension: int, generator: torch.Generator | None) -> Tensor:
    """Weights of a random linear map, uniform in +-1/sqrt(width). [width, dimension]"""
    bound = 1.0 / math.sqrt(width)
    return torch.empty(width, dimension).uniform_(-bound, bound, generator=generator)


def covering_radius(rows_ND: Tensor, chosen: Tensor) -> float:
    """Largest distance of a row to its nearest chosen row: what the greedy choice keeps small."""
    rows_ND = rows_ND - rows_ND.mean(dim=0)
    squared_N = rows_ND.square().sum(dim=1)
    distance_N = torch.full_like(squared_N, torch.inf)
    for start in range(0, len(chosen), 1024):
        _sweep(rows_ND, squared_N, distance_N, chosen[start : start + 1024], drop=False)
    return math.sqrt(max(float(distance_N.max()), 0.0))


def _start(rows_ND: Tensor, generator: torch.Generator | None) -> Tensor:
    """Squared mean distance to a few random rows: where the first pick is sought."""
    some = torch.randperm(len(rows_ND), generator=generator)[:START_ROWS].to(rows_ND.device)
    return torch.cdist(rows_ND, rows_ND[some]).mean(dim=1).square()


def _round(
    rows_ND: Tensor, squared_N: Tensor, distance_N: Tensor, most: int, candidates: int
) -> Tensor:
    """Picks of one round, at least one. [<= most]"""
    count = min(candidates, len(rows_ND))
    top = distance_N.topk(min(count + 1, len(rows_ND)))
    bar = float(top.values[count]) if len(top.values) > count else -torch.inf
    places = top.indices[:count]
    some = rows_ND[places]
    among_KK = torch.addmm(squared_N[places][None], some, some.T, alpha=-2)
    among_KK += squared_N[places][:, None]
    picked = _pick(top.values[:count].cpu().numpy(), among_KK.cpu().numpy(), bar, most)
    return places[torch.tensor(picked, device=places.device)]


def _pick(distance_K: FloatArray, among_KK: FloatArray, bar: float, most: int) -> list[int]:
    """Plain greedy among the candidates down to the bar; numpy, whose small calls cost least."""
    distance_K = distance_K.copy()
    picked: list[int] = []
    while len(picked) < most:
        farthest = int(distance_K.argmax())
        if picked and distance_K[farthest] < bar:
            break
        picked.append(farthest)
        np.minimum(distance_K, among_KK[farthest], out=distance_K)
        distance_K[farthest] = -np.inf
    return picked


def _sweep(
    rows_ND: Tensor, squared_N: Tensor, distance_N: Tensor, picked: Tensor, drop: bool = True
) -> None:
    """Lower every row's distance to what the newly picked rows allow, in place."""
    centres = rows_ND[picked]
    squared_P = squared_N[picked]
    block = max(256, BLOCK.get(rows_ND.device.type, BLOCK["cpu"]) // len(picked))
    for start in range(0, len(rows_ND), block):
        rows = slice(start, start + block)
        near = torch.addmm(squared_P, rows_ND[rows], centres.T, alpha=-2).amin(dim=1)
        distance_N[rows] = torch.minimum(distance_N[rows], near + squared_N[rows])
    if drop:
        distance_N[picked] = -torch.inf
