"""Structural similarity (Wang et al., IEEE Transactions on Image Processing 2004), differentiable.

With a Gaussian window of 11 x 11 and deviation 1.5, as DRAEM (arXiv 2108.07610) takes
it: borders padded with zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.layers.precision import full_precision

SIDE, SIGMA = 11, 1.5


def ssim(x_BCHW: Tensor, y_BCHW: Tensor, span: float = 1.0) -> Tensor:
    """Similarity at every pixel of every channel, [B, C, H, W], 1 where both agree.

    Population moments under the window, float32 or wider.

    Args:
        span: of the values, 1 for images in 0..1; sets both constants, (0.01 span)^2 and
            (0.03 span)^2.
    """
    with full_precision(x_BCHW.device):
        x = x_BCHW if x_BCHW.dtype == torch.float64 else x_BCHW.float()
        y = y_BCHW.to(x.dtype)
        mean_x, mean_y, squares, xy = blurred(torch.stack([x, y, x * x + y * y, x * y])).unbind()
        both, of_means = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        first, second = (0.01 * span) ** 2, (0.03 * span) ** 2
        likeness = (2 * both + first) * (2 * (xy - both) + second)
        return likeness / ((of_means + first) * (squares - of_means + second))


def blurred(x: Tensor) -> Tensor:
    """Under the Gaussian window, any leading axes; beyond the border lies zero."""
    height, width = x.shape[-2:]
    return _window(height, x) @ x @ _window(width, x)


def _window(length: int, like: Tensor) -> Tensor:
    """The window about every place of an axis, [length, length]: by far faster than convolving."""
    place = torch.arange(length, device=like.device)
    offset = (place[:, None] - place).abs()
    weight = torch.exp(-0.5 * (offset.to(like.dtype) / SIGMA) ** 2)
    reach = torch.arange(-(SIDE // 2), SIDE // 2 + 1, device=like.device, dtype=like.dtype)
    return weight * (offset <= SIDE // 2) / torch.exp(-0.5 * (reach / SIGMA) ** 2).sum()
