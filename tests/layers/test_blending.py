"""The blend by hand."""

from __future__ import annotations

import pytest
import torch

from core.layers.blending import blend


def test_blend_by_hand() -> None:
    image, texture = torch.full((2, 3, 2, 2), 0.2), torch.full((2, 3, 2, 2), 0.8)
    masks = torch.tensor([[True, False], [False, False]]).expand(2, 1, 2, 2)
    beta = torch.tensor([0.25, 1.0]).view(2, 1, 1, 1)
    blended = blend(image, texture, masks, beta)
    # inside: 0.75 x 0.8 + 0.25 x 0.2 = 0.65; with beta = 1 the image itself
    assert blended[0, :, 0, 0].tolist() == pytest.approx([0.65] * 3)
    assert blended[1, :, 0, 0].tolist() == pytest.approx([0.2] * 3)
    outside = ~masks.expand(2, 3, 2, 2)
    assert torch.equal(blended[outside], image[outside]), "to the bit"
