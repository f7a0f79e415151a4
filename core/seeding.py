"""Seeds, set in one place: the same config and seed on the same device give the same scores."""

from __future__ import annotations

import hashlib
import random

import numpy as np


def derive(seed: int, *salt: object) -> int:
    """A 63-bit seed that depends on `seed` and every part of `salt`, and on nothing else."""
    text = "\x1f".join([str(seed), *map(str, salt)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int, *salt: object) -> int:
    """Seed Python, numpy and torch (all devices) from `derive(seed, *salt)`; returns that value.

    Called at the start of every phase and epoch, so that a resumed run draws the numbers an
    undisturbed one would have drawn.
    """
    import torch

    value = derive(seed, *salt)
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
    return value
