"""Distances between frozen features and their reconstruction, level by level."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Levels = tuple[Tensor, ...]


def flat_cosine(theirs: Levels, mine: Levels) -> Tensor:
    """One minus the cosine of whole levels taken as vectors, mean over images, summed over levels.

    RD (arXiv 2201.10703, equation 2), ViTAD (arXiv 2312.07495). Scalar.

    Args:
        theirs, mine: [B, C_l, H_l, W_l] each, compared in float32.
    """
    distances = [
        1 - F.cosine_similarity(one.flatten(1).float(), other.flatten(1).float()).mean()
        for one, other in zip(theirs, mine, strict=True)
    ]
    return torch.stack(distances).sum()


def cosine_maps(theirs: Levels, mine: Levels) -> Levels:
    """One minus the cosine over channels at every position of every level (RD, equation 1).

    Returns:
        [B, H_l, W_l] each, 0 where the directions agree, 2 where they are opposite.
    """
    return tuple(
        1 - F.cosine_similarity(one.float(), other.float(), dim=1)
        for one, other in zip(theirs, mine, strict=True)
    )
