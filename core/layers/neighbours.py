"""Exact nearest neighbours by blocks of one large matrix product.

Squared distances come from |q|^2 - 2 q.b + |b|^2, block by block, so memory stays bounded; that
form loses small distances to cancellation, so the winners' distances are computed again from
the differences.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.layers.precision import full_precision

QUERIES = 2048
BANK = 8192


def nearest(queries_ND: Tensor, bank_MD: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The k nearest bank rows of each query, nearest first.

    Args:
        queries_ND, bank_MD: float32 on one device; M >= k.

    Returns:
        squared Euclidean distances [N, k] and row numbers in the bank [N, k].
    """
    distances, indices = [], []
    with full_precision(bank_MD.device):
        # Centred, because the product form cancels worst far from the origin.
        centre_D = bank_MD.mean(dim=0)
        centred_MD = bank_MD - centre_D
        half_M = 0.5 * centred_MD.square().sum(dim=1)
        for start in range(0, len(queries_ND), QUERIES):
            queries = queries_ND[start : start + QUERIES]
            found = _candidates(queries - centre_D, centred_MD, half_M, k)
            exact = (queries[:, None] - bank_MD[found]).square().sum(dim=2)
            exact, order = exact.sort(dim=1, stable=True)
            distances.append(exact)
            indices.append(found.gather(1, order))
    return torch.cat(distances), torch.cat(indices)


def _candidates(queries_QD: Tensor, bank_MD: Tensor, half_M: Tensor, k: int) -> Tensor:
    """Rows with the k largest q.b - |b|^2 / 2, which are those with the smallest distance."""
    best_value: Tensor | None = None
    best_index: Tensor | None = None
    for start in range(0, len(bank_MD), BANK):
        rows = slice(start, start + BANK)
        closeness = torch.addmm(half_M[rows], queries_QD, bank_MD[rows].T, beta=-1)
        if k == 1:
            value, index = closeness.max(dim=1, keepdim=True)
        else:
            value, index = closeness.topk(min(k, closeness.shape[1]), dim=1)
        index = index + start
        if best_value is None or best_index is None:
            best_value, best_index = value, index
            continue
        value, place = torch.cat([best_value, value], dim=1).topk(
            min(k, best_value.shape[1] + value.shape[1]), dim=1
        )
        best_value, best_index = value, torch.cat([best_index, index], dim=1).gather(1, place)
    assert best_index is not None
    return best_index
