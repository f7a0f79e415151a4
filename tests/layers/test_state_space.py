"""State space layers and the decoder against slow, obvious implementations."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.scan_orders import eight_orders
from core.layers.state_space import SS2D, LSSBlock, StateSpaceLayer
from core.layers.state_space_decoder import Expand, HalfFPN, StateSpaceDecoder, groups

CHANNELS, SIDE, STATES = 20, 3, 2  # a rank of two; a side that is no power of two


def drawn(seed: int = 0) -> tuple[SS2D, Tensor]:
    torch.manual_seed(seed)
    layer = SS2D(CHANNELS, SIDE, STATES).double()
    nn.init.normal_(layer.skip)
    return layer, torch.randn(2, SIDE, SIDE, CHANNELS, dtype=torch.float64, requires_grad=True)


def scanned(layer: SS2D, u_PD: Tensor) -> Tensor:
    """One image's scans, a direction and a position at a time."""
    inner, rank = 2 * CHANNELS, 2
    controls = layer.controls.view(8, rank + 2 * STATES, inner)
    skip_KD = layer.skip.view(8, inner)
    made: list[Tensor] = [torch.zeros(inner, dtype=u_PD.dtype) for _ in range(len(u_PD))]
    for k, order in enumerate(eight_orders(SIDE).tolist()):
        h_ND = torch.zeros(STATES, inner, dtype=u_PD.dtype)
        for place in order:
            rates, b, c = (controls[k] @ u_PD[place]).split((rank, STATES, STATES))
            step = F.softplus(rates @ layer.step_weight_KRD[k] + layer.step_bias_KD[k])
            decay_ND = torch.exp(-step * torch.exp(layer.log_decay_KND[k]))
            h_ND = decay_ND * h_ND + torch.outer(b, step * u_PD[place])
            made[place] = made[place] + c @ h_ND + skip_KD[k] * u_PD[place]
    return torch.stack(made)


def slow_ss2d(layer: SS2D, x_BHWC: Tensor) -> Tensor:
    images = []
    for x_HWC in x_BHWC:
        inner, gate = (x_HWC @ layer.enter.weight.T).split(2 * CHANNELS, dim=-1)
        padded = F.pad(inner.permute(2, 0, 1), (1, 1, 1, 1))
        seen = torch.zeros_like(inner.permute(2, 0, 1)) + layer.convolution.bias[:, None, None]
        for dy in range(3):
            for dx in range(3):
                kernel = layer.convolution.weight[:, 0, dy, dx, None, None]
                seen = seen + kernel * padded[:, dy : dy + SIDE, dx : dx + SIDE]
        u_PD = (seen * torch.sigmoid(seen)).flatten(1).T
        y_PD = scanned(layer, u_PD)
        centred = y_PD - y_PD.mean(-1, keepdim=True)
        normal = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        gated = normal.view(SIDE, SIDE, -1) * gate * torch.sigmoid(gate)
        images.append(gated @ layer.leave.weight.T)
    return torch.stack(images)


def test_ss2d_is_eight_scans_summed_normalised_and_gated() -> None:
    layer, x_BHWC = drawn()
    found, expected = layer(x_BHWC), slow_ss2d(layer, x_BHWC)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    named = [(name, p) for name, p in layer.named_parameters() if "norm" not in name]
    leaves = [x_BHWC, *(parameter for _, parameter in named)]
    weights = torch.randn_like(expected)
    mine = torch.autograd.grad((found * weights).sum(), leaves)
    theirs = torch.autograd.grad((expected * weights).sum(), leaves)
    for name, one, other in zip(["x", *(n for n, _ in named)], mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10, msg=name)


def test_ss2d_starts_as_mamba_does() -> None:
    torch.manual_seed(0)
    layer = SS2D(64, 2, 16)
    step = F.softplus(layer.step_bias_KD).detach()
    assert 1e-3 <= float(step.min()) < 2e-3 and 0.05 < float(step.max()) <= 0.1
    assert float(step.log().mean()) == pytest.approx(math.log(1e-2), abs=0.1)
    expected = torch.arange(1.0, 17).log()[None, :, None].expand(8, 16, 128)
    torch.testing.assert_close(layer.log_decay_KND.detach(), expected)
    assert 0.45 < float(layer.step_weight_KRD.detach().abs().max()) <= 0.5  # rank 4
    assert bool((layer.skip == 1).all())
    assert "order_KP" not in layer.state_dict()


def test_layers_left_out_for_an_image_are_made_up_for_by_the_others() -> None:
    torch.manual_seed(0)
    layer = StateSpaceLayer(SS2D(4, 2, 1), 4, drop=0.25)
    x_BHWC = torch.randn(1, 2, 2, 4).expand(400, 2, 2, 4)
    added = (layer.train()(x_BHWC) - x_BHWC).detach().flatten(1)
    whole = (layer.eval()(x_BHWC) - x_BHWC).detach().flatten(1)
    out = (added == 0).all(dim=1)
    assert 0.15 < float(out.float().mean()) < 0.35
    torch.testing.assert_close(added[~out], whole[~out] / 0.75, rtol=1e-4, atol=1e-6)


def normalised(x_BCHW: Tensor) -> Tensor:
    mean = x_BCHW.mean((2, 3), keepdim=True)
    spread = (x_BCHW - mean).square().mean((2, 3), keepdim=True)
    return F.silu((x_BCHW - mean) / (spread + 1e-5).sqrt())


def test_a_block_joins_the_layers_with_two_local_branches() -> None:
    torch.manual_seed(0)
    block = LSSBlock(4, [SS2D(4, 6, 1), SS2D(4, 6, 1)], drop=0.0)
    x_BHWC = torch.randn(2, 6, 6, 4)
    x_BCHW = x_BHWC.permute(0, 3, 1, 2)
    seen = [block.layers[1](block.layers[0](x_BHWC)).permute(0, 3, 1, 2)]
    for branch, reach in zip(block.local, (2, 3), strict=True):
        first, middle, last = (part for part in branch if isinstance(part, nn.Conv2d))
        inside = normalised(F.conv2d(x_BCHW, first.weight, first.bias))
        assert middle.weight.shape == (4, 1, 2 * reach + 1, 2 * reach + 1)
        inside = normalised(F.conv2d(inside, middle.weight, None, 1, reach, 1, 4))
        seen.append(normalised(F.conv2d(inside, last.weight, last.bias)))
    joined = F.conv2d(torch.cat(seen, dim=1), block.join.weight, block.join.bias)
    torch.testing.assert_close(block(x_BHWC), x_BHWC + joined.permute(0, 2, 3, 1))


def test_expanding_puts_four_vectors_where_one_was() -> None:
    torch.manual_seed(0)
    expand = Expand(4, 3)
    x_BHWC = torch.randn(2, 2, 3, 4)
    twice = expand(x_BHWC)
    assert twice.shape == (2, 4, 6, 3)
    for row in range(4):
        for column in range(6):
            spread = expand.spread.weight @ x_BHWC[1, row // 2, column // 2]
            part = 2 * (row % 2) + column % 2
            expected = F.layer_norm(spread[3 * part : 3 * part + 3], (3,))
            torch.testing.assert_close(twice[1, row, column], expected)


def test_stages_are_dealt_by_threes_or_twos() -> None:
    dealt = [groups(depth) for depth in (3, 4, 6, 1, 5)]
    assert dealt == [[3], [2, 2], [3, 3], [1], [1, 1, 1, 1, 1]]


def test_the_fusion_halves_from_level_to_level() -> None:
    torch.manual_seed(0)
    fusion = HalfFPN((4, 6, 8)).eval()
    levels = tuple(torch.randn(1, c, s, s) for c, s in ((4, 16), (6, 8), (8, 4)))
    assert fusion(levels).shape == (1, 16, 2, 2)

    def stands(part: nn.Sequential, x: Tensor) -> Tensor:
        convolution = part[0]
        x = F.conv2d(x, convolution.weight, None, convolution.stride, convolution.padding)
        return F.relu(x / math.sqrt(1 + 1e-5))

    second = stands(fusion.from_first, levels[0]) + stands(fusion.beside_second, levels[1])
    third = stands(fusion.from_second, second) + stands(fusion.beside_third, levels[2])
    torch.testing.assert_close(fusion(levels), fusion.embed(third), rtol=1e-4, atol=1e-5)


def test_the_decoder_mirrors_the_levels_and_drops_fewer_and_fewer_layers() -> None:
    torch.manual_seed(0)
    decoder = StateSpaceDecoder((4, 6, 8), 64, (3, 4, 6, 3), states=1, expansion=1, drop=0.15)
    rebuilt = decoder(torch.randn(1, 16, 2, 2))
    assert [tuple(level.shape) for level in rebuilt] == [
        (1, 4, 16, 16), (1, 6, 8, 8), (1, 8, 4, 4)
    ]  # fmt: skip
    blocks = [m for m in decoder.modules() if isinstance(m, LSSBlock)]
    assert [len(block.layers) for block in blocks] == [3, 2, 2, 3, 3, 3]
    drops = [[layer.drop for layer in block.layers] for block in blocks]
    first = [0, 3, 4, 7, 8, 13]  # of 16 layers: a stage's first, or first two
    for block, place in zip(drops, first, strict=True):
        assert block == pytest.approx([0.15 - 0.01 * place] * len(block))
