"""Matrices decay, the rest does not."""

from __future__ import annotations

import torch
from torch import nn

from core.layers.weight_decay import decayed


def test_matrices_decay_and_everything_is_trained() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Conv1d(2, 2, 1, bias=False))
    module.radius = nn.Parameter(torch.tensor(1.0))
    matrices, rest = decayed(module, 0.25)
    assert (matrices["weight_decay"], rest["weight_decay"]) == (0.25, 0.0)
    assert [p.ndim for p in matrices["params"]] == [2, 3]
    assert sorted(p.ndim for p in rest["params"]) == [0, 1, 1, 1]


def test_empty_groups_are_left_out() -> None:
    (only,) = decayed(nn.Linear(3, 2, bias=False), 0.25)
    assert only["weight_decay"] == 0.25
