"""Laying a texture over part of an image: how anomalies are drawn."""

from __future__ import annotations

from torch import Tensor


def blend(
    images_BCHW: Tensor, textures_BCHW: Tensor, masks_B1HW: Tensor, beta_B111: Tensor
) -> Tensor:
    """(1 - M) x + M ((1 - beta) A + beta x): DRAEM (arXiv 2108.07610).

    Args:
        images_BCHW, textures_BCHW: float32 of the same range.
        masks_B1HW: bool, or 0..1; the image is untouched where it is 0.
        beta_B111: the image's share inside, 0 = the bare texture, 1 = the image itself.
    """
    masks = masks_B1HW.to(images_BCHW.dtype)
    return images_BCHW + masks * (1 - beta_B111) * (textures_BCHW - images_BCHW)
