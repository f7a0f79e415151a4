"""Where float32 is needed although the engine trains in bf16."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Autocast off on `device`: small distances and small noise drown in bf16's 8 bits."""
    return torch.autocast(device.type, enabled=False)
