"""Sinusoidal codes of places in a feature map."""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST = 10_000.0
"""Ratio of the longest wavelength to the shortest."""


def position_code(
    dimension: int, height: int, width: int, device: torch.device | None = None
) -> Tensor:
    """Code of every place of a map, row by row. float32 [height * width, dimension]

    The first half holds sine and cosine in turn of the column number, the second of the row
    number, at frequencies 10000^(-2 i / (dimension / 2)): the code of transformers (Vaswani et
    al., 2017, section 3.5) in two dimensions, as CFLOW-AD takes it (arXiv 2107.12571).

    Args:
        dimension: a multiple of four.
    """
    half = dimension // 2
    step_H = torch.arange(0, half, 2, dtype=torch.float64, device=device)
    frequency_H = LONGEST ** (-step_H / half)
    column_WD = _waves(width, frequency_H)
    row_HD = _waves(height, frequency_H)
    code_HWD = torch.cat(
        [
            column_WD[None].expand(height, width, half),
            row_HD[:, None].expand(height, width, half),
        ],
        dim=2,
    )
    return code_HWD.reshape(height * width, dimension).float()


def _waves(length: int, frequency_H: Tensor) -> Tensor:
    place_L = torch.arange(length, dtype=torch.float64, device=frequency_H.device)
    angle_LH = place_L[:, None] * frequency_H
    return torch.stack([angle_LH.sin(), angle_LH.cos()], dim=2).flatten(1)
