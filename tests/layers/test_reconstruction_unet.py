"""The U-Net that rebuilds features: against plain restatements of its parts, and its sizes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.reconstruction_unet import ReconstructionUNet, ResidualBlock, SelfAttention


def stirred(module: nn.Module) -> nn.Module:
    """In float64, nothing left at zero."""
    torch.manual_seed(3)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.1)
    return module


def grouped(x_BCHW: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group normalisation image by image, group by group."""
    width = x_BCHW.shape[1] // 32
    images = []
    for image in x_BCHW:
        groups = [image[first : first + width] for first in range(0, len(image), width)]
        parts = [(g - g.mean()) / (g.var(correction=0) + 1e-5).sqrt() for g in groups]
        images.append(torch.cat(parts) * norm.weight[:, None, None] + norm.bias[:, None, None])
    return torch.stack(images)


def block_by_hand(block: ResidualBlock, x_BCHW: Tensor, how: str) -> Tensor:
    hidden = grouped(x_BCHW, block.norm)
    hidden = hidden / (1 + (-hidden).exp())
    straight = x_BCHW
    if how == "down":
        hidden, straight = (
            sum(t[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)) / 4 for t in (hidden, straight)
        )
    if how == "up":
        hidden = F.conv_transpose2d(
            hidden, block.resample.weight, block.resample.bias, stride=2, padding=1
        )
        other = block.shortcut[0]
        straight = F.conv_transpose2d(straight, other.weight, other.bias, stride=2, padding=1)
    if len(block.shortcut) > 1:
        straight = torch.einsum("oi,bihw->bohw", block.shortcut[1].weight[:, :, 0, 0], straight)
        straight = straight + block.shortcut[1].bias[:, None, None]
    return straight + F.conv2d(hidden, block.convolution.weight, block.convolution.bias, padding=1)


def attention_by_hand(layer: SelfAttention, x_BCHW: Tensor, heads: int) -> Tensor:
    """Position by position, head by head."""
    batch, channels, height, width = x_BCHW.shape
    points = grouped(x_BCHW, layer.norm).flatten(2)
    triple = torch.einsum("oi,bit->bot", layer.project.weight[:, :, 0, 0], points)
    triple = triple + layer.project.bias[:, None]
    depth = channels // heads
    answers = []
    for image in range(batch):
        rows = []
        for head in range(heads):
            query, key, value = (
                triple[image, part * channels + head * depth :][:depth] for part in range(3)
            )
            columns = []
            for place in range(height * width):
                weight = torch.exp(key.T @ query[:, place] / math.sqrt(depth))
                columns.append(value @ (weight / weight.sum()))
            rows.append(torch.stack(columns, dim=1))
        answers.append(torch.cat(rows))
    out = torch.einsum("oi,bit->bot", layer.out.weight[:, :, 0, 0], torch.stack(answers))
    return x_BCHW + (out + layer.out.bias[:, None]).view_as(x_BCHW)


def same_values_and_gradients(found: Tensor, expected: Tensor, roots: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected)
    weight = torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view_as(found)
    mine = torch.autograd.grad((found * weight).sum(), roots)
    theirs = torch.autograd.grad((expected * weight).sum(), roots)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("out", "how"), [(32, ""), (96, ""), (32, "down"), (32, "up")])
def test_a_residual_block_is_norm_silu_convolution_beside_a_shortcut(out: int, how: str) -> None:
    block = stirred(ResidualBlock(32, out, how))
    x_BCHW = torch.randn(2, 32, 4, 6, dtype=torch.float64, requires_grad=True)
    found, expected = block(x_BCHW), block_by_hand(block, x_BCHW, how)
    assert found.shape[2:] == {"": (4, 6), "down": (2, 3), "up": (8, 12)}[how]
    same_values_and_gradients(found, expected, [x_BCHW, *block.parameters()])


@pytest.mark.parametrize(("channels", "heads"), [(64, 1), (96, 1), (128, 2)])
def test_attention_is_softmax_over_all_positions(channels: int, heads: int) -> None:
    layer = stirred(SelfAttention(channels))
    assert layer.heads == heads
    x_BCHW = torch.randn(2, channels, 3, 2, dtype=torch.float64, requires_grad=True)
    expected = attention_by_hand(layer, x_BCHW, heads)
    same_values_and_gradients(layer(x_BCHW), expected, [x_BCHW, *layer.parameters()])


def test_the_whole_keeps_every_output_on_the_way_down_for_the_way_up() -> None:
    """Two stages, one block each, written out as the list of steps that the paper's network is."""
    unet = stirred(ReconstructionUNet(5, 32, (1, 2), blocks=1))
    x_BCHW = torch.randn(1, 5, 4, 4, dtype=torch.float64, requires_grad=True)
    outer, (halve, inner, double) = unet.stages, unet.stages.inside
    kept = [unet.enter(x_BCHW)]
    kept.append(outer.down[0](kept[-1]))
    kept.append(halve(kept[-1]))
    kept.append(inner.down[0](kept[-1]))
    hidden = inner.inside(kept[-1])
    for block in (*inner.up, double, *outer.up):
        if block is not double:
            hidden = torch.cat([hidden, kept.pop()], dim=1)
        hidden = block(hidden)
    assert not kept
    same_values_and_gradients(unet(x_BCHW), unet.leave(hidden), [x_BCHW, *unet.parameters()])
    attending = [len(block) == 2 for block in (*outer.down, *inner.down, *inner.up, *outer.up)]
    assert attending == [False, True, True, True, False, False], "all stages but the first attend"


def test_it_starts_at_zero_and_learns_from_there() -> None:
    torch.manual_seed(0)
    unet = ReconstructionUNet(8, 32)
    x_BCHW = torch.randn(2, 8, 8, 8)
    assert bool((unet(x_BCHW) == 0).all())
    descent = torch.optim.Adam(unet.parameters(), lr=3e-3)
    for _ in range(25):
        descent.zero_grad()
        F.mse_loss(unet(x_BCHW), x_BCHW).backward()
        descent.step()
    assert float(F.mse_loss(unet(x_BCHW), x_BCHW).detach()) < 0.5
    assert all(bool(p.grad.abs().sum() > 0) for p in unet.parameters() if p.grad is not None)
    assert all(parameter.grad is not None for parameter in unet.parameters())


@pytest.mark.parametrize("side", [1, 3, 6])
def test_sides_that_cannot_be_halved_are_filled_by_repeating_the_border(side: int) -> None:
    unet = stirred(ReconstructionUNet(4, 32, blocks=1))
    x_BCHW = torch.randn(1, 4, side, 4, dtype=torch.float64)
    rows = [min(row, side - 1) for row in range(4 * math.ceil(side / 4))]
    torch.testing.assert_close(unet(x_BCHW), unet(x_BCHW[:, :, rows])[:, :, :side])
    assert unet(x_BCHW).shape == x_BCHW.shape


def test_the_papers_widths_have_the_papers_size() -> None:
    with torch.device("meta"):
        counts = [
            sum(parameter.numel() for parameter in ReconstructionUNet(c, c // 2).parameters())
            for c in (256, 512)
        ]
    assert counts == [51_846_144, 207_271_936]
