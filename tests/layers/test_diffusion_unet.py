"""The denoising U-Net: what it is told, where the hint enters, its size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.layers.diffusion_unet import DiffusionUNet, LevelBlock, level_embedding


def woken(module: nn.Module) -> nn.Module:
    """With random weights where they start at zero."""
    torch.manual_seed(0)
    for part in module.parameters():
        if not part.any():
            nn.init.normal_(part, std=0.2)
    return module


def test_levels_are_told_as_cosines_and_sines() -> None:
    found = level_embedding(torch.tensor([0, 7, 901]), 6)
    for row, level in zip(found.tolist(), (0, 7, 901), strict=True):
        angles = [level * 10_000 ** (-place / 3) for place in range(3)]
        expected = [*map(math.cos, angles), *map(math.sin, angles)]
        assert row == pytest.approx(expected, abs=1e-4)


def test_a_block_scales_and_shifts_its_second_norm() -> None:
    torch.manual_seed(0)
    block = LevelBlock(32, 64, told=8).double()
    x, told = torch.randn(2, 32, 4, 4, dtype=torch.double), torch.randn(2, 8, dtype=torch.double)
    torch.testing.assert_close(block(x, told), block.shortcut(x))  # silent at first
    woken(block)
    norm, _, convolution = block.enter
    inner = convolution(nn.functional.silu(norm(x)))
    factors = told @ block.tell.weight.T + block.tell.bias
    inner = block.norm(inner) * (1 + factors[:, :64, None, None]) + factors[:, 64:, None, None]
    expected = block.leave(nn.functional.silu(inner)) + block.shortcut(x)
    torch.testing.assert_close(block(x, told), expected)
    told.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda t: block(x[:1, :, :2, :2], t).sum(), (told[:1],))


@pytest.mark.parametrize("multipliers", [(1,), (1, 2), (1, 2, 2)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_it_keeps_the_shape_and_every_part_takes_part(
    multipliers: tuple[int, ...], blocks: int
) -> None:
    net = woken(DiffusionUNet(3, 32, multipliers, blocks, hint=5))
    deep = 8 // 2 ** (len(multipliers) - 1)
    out = net(torch.randn(2, 3, 8, 8), torch.tensor([1, 900]), torch.randn(2, 5, deep, deep))
    assert out.shape == (2, 3, 8, 8)
    out.square().sum().backward()
    assert all(part.grad is not None and part.grad.any() for part in net.parameters())


def test_the_hint_enters_the_middle_and_the_deepest_stage_alone() -> None:
    net = DiffusionUNet(3, 32, (1, 2, 4), 2, hint=5)
    # the middle, two blocks and what comes down to them
    assert [guide.out_channels for guide in net.guide] == [128, 128, 128, 64]
    woken(net)
    x, hint = torch.randn(1, 3, 16, 16), torch.randn(1, 5, 4, 4)
    seen: list[torch.Tensor] = []
    for part in net.down:
        part.register_forward_hook(lambda module, given, out: seen.append(out))
    for level, one in ((5, hint), (5, hint + 1), (900, hint)):
        net(x, torch.tensor([level]), one)
    count = len(net.down)
    first, other, later = seen[:count], seen[count : 2 * count], seen[2 * count :]
    assert all(map(torch.equal, first, other))
    assert not torch.equal(first[0], later[0])
    level = torch.tensor([5])
    assert not torch.allclose(net(x, level, hint), net(x, level, hint + 1))


def test_images_do_not_mix() -> None:
    net = woken(DiffusionUNet(3, 32, (1, 2), 1, hint=5)).eval()
    x, level, hint = torch.randn(3, 3, 8, 8), torch.tensor([1, 50, 900]), torch.randn(3, 5, 4, 4)
    together = net(x, level, hint)
    for place in range(3):
        one = slice(place, place + 1)
        torch.testing.assert_close(
            net(x[one], level[one], hint[one])[0], together[place], rtol=1e-4, atol=1e-5
        )
