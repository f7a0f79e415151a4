"""Distances to the nearest rows of a fixed bank, with gradients for the queries.

`core.layers.neighbours.nearest` is differentiable as it stands, but then keeps a difference
vector for every query and neighbour (0.7 GB for four images of CFA). The gradient of a squared
distance is twice that difference, so a weighted sum of bank rows a query does instead.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.neighbours import nearest
from core.layers.precision import full_precision


def nearest_squared(queries_ND: Tensor, bank_MD: Tensor, k: int) -> Tensor:
    """Squared Euclidean distances to the k nearest bank rows, nearest first. [N, k]

    Gradients reach the queries, with the choice of neighbours held fixed; never the bank.

    Args:
        queries_ND, bank_MD: float32 on one device; M >= k.
    """
    distances: Tensor = _NearestSquared.apply(queries_ND, bank_MD, k)
    return distances


class _NearestSquared(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, queries_ND: Tensor, bank_MD: Tensor, k: int) -> Tensor:
        squared_Nk, rows_Nk = nearest(queries_ND, bank_MD, k)
        context.save_for_backward(queries_ND, bank_MD, rows_Nk)
        return squared_Nk

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient_Nk: Tensor) -> tuple[Tensor, None, None]:
        queries_ND, bank_MD, rows_Nk = context.saved_tensors
        weight_Nk = 2 * gradient_Nk
        with full_precision(queries_ND.device):
            pulled_ND = F.embedding_bag(
                rows_Nk, bank_MD, mode="sum", per_sample_weights=weight_Nk.contiguous()
            )
        return weight_Nk.sum(dim=1, keepdim=True) * queries_ND - pulled_ND, None, None
