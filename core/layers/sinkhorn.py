"""Sinkhorn divergence between point clouds: optimal transport that can be differentiated.

Cuturi (NeurIPS 2013, arXiv 1306.0895) blurs optimal transport by an entropy term of weight
epsilon; Feydy et al. (AISTATS 2019, arXiv 1810.08278) take the blur off again,
S(x, y) = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2, so that S is zero for equal clouds and positive
for others. The dual potentials are found by soft minima in log space while epsilon shrinks from
the clouds' diameter to the blur, both sides in step, each new potential averaged with the old.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.layers.precision import full_precision


def sinkhorn_divergence(
    x_BND: Tensor,
    y_BMD: Tensor,
    *,
    blur: float = 0.05,
    diameter: float = 2.0,
    scaling: float = 0.8,
    settle: int = 10,
) -> Tensor:
    """S of every pair of clouds, equal weights in a cloud, cost |x - y|^2 / 2. [B], >= 0.

    Computed in float32 (or float64, if so given) whatever the engine's precision. The gradient is
    that of the converged value (section 3.1 of Feydy et al.): the potentials are constants in it,
    the last soft minimum carries it. Memory: a few [B, N, M], [B, N, N] and [B, M, M].

    Args:
        blur: length below which transport is not resolved; epsilon ends at its square.
        diameter: no two points are further apart; epsilon begins at its square.
        scaling: of the length from step to step, below 1; nearer to 1 is slower and closer.
        settle: further steps at the last epsilon.
    """
    with full_precision(x_BND.device):
        wide = torch.promote_types(torch.promote_types(x_BND.dtype, y_BMD.dtype), torch.float32)
        x, y = x_BND.to(wide), y_BMD.to(wide)
        schedule = _epsilons(blur, diameter, scaling) + [blur**2] * settle
        with torch.no_grad():
            f, g = _potentials(_costs(x, y), schedule)
            p = _potential(_costs(x, x), schedule)
            q = _potential(_costs(y, y), schedule)
        last = blur**2
        there = _softmin(_costs(x, y.detach()), g, last) - _softmin(_costs(x, x.detach()), p, last)
        back = _softmin(_costs(y, x.detach()), f, last) - _softmin(_costs(y, y.detach()), q, last)
        return there.mean(dim=1) + back.mean(dim=1)


def _epsilons(blur: float, diameter: float, scaling: float) -> list[float]:
    """From diameter^2 down to blur^2, that one included."""
    lengths = max(0, math.ceil(math.log(blur / diameter) / math.log(scaling)))
    return [(diameter * scaling**step) ** 2 for step in range(lengths)] + [blur**2]


def _costs(x_BND: Tensor, y_BMD: Tensor) -> Tensor:
    """Half the squared distances, by one product of matrices. [B, N, M]"""
    # Centred on one of the points: small beside a common offset, distances would cancel out.
    origin = x_BND[:, :1].detach()
    x, y = x_BND - origin, y_BMD - origin
    halves = x.square().sum(dim=2)[:, :, None] / 2 + y.square().sum(dim=2)[:, None] / 2
    return halves - x @ y.transpose(1, 2)


def _softmin(costs_BNM: Tensor, potential_BM: Tensor, epsilon: float) -> Tensor:
    """-epsilon log of the mean over m of exp((potential - cost) / epsilon). [B, N]"""
    closeness = (potential_BM[:, None] - costs_BNM) / epsilon
    return -epsilon * (closeness.logsumexp(dim=2) - math.log(costs_BNM.shape[2]))


def _potentials(costs_BNM: Tensor, schedule: list[float]) -> tuple[Tensor, Tensor]:
    """Of both clouds, [B, N] and [B, M]."""
    back_BMN = costs_BNM.transpose(1, 2)
    f, g = costs_BNM.new_zeros(costs_BNM.shape[:2]), costs_BNM.new_zeros(back_BMN.shape[:2])
    f, g = _softmin(costs_BNM, g, schedule[0]), _softmin(back_BMN, f, schedule[0])
    for epsilon in schedule:
        new_f, new_g = _softmin(costs_BNM, g, epsilon), _softmin(back_BMN, f, epsilon)
        f, g = (f + new_f) / 2, (g + new_g) / 2
    return f, g


def _potential(costs_BNN: Tensor, schedule: list[float]) -> Tensor:
    """Of a cloud against itself, where both are the same. [B, N]"""
    f = _softmin(costs_BNN, costs_BNN.new_zeros(costs_BNN.shape[:2]), schedule[0])
    for epsilon in schedule:
        f = (f + _softmin(costs_BNN, f, epsilon)) / 2
    return f
