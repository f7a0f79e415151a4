"""What is set on every batch normalisation of a network."""

from __future__ import annotations

from torch import nn


def set_momentum(module: nn.Module, momentum: float) -> None:
    """Share of a new batch in the running statistics, for every batch normalisation within."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = momentum
