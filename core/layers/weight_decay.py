"""Which parameters an optimizer decays."""

from __future__ import annotations

from typing import Any

from torch import nn


def decayed(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer: matrices decay; biases, norms and scalars do not.

    As in ADer (arXiv 2406.03262); empty groups are left out.
    """
    parameters = list(module.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
