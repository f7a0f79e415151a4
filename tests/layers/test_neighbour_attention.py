"""Neighbour masked transformer layers against torch's attention, the mask against loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.layers.neighbour_attention import (
    Attention,
    EncoderLayer,
    NeighbourMaskedTransformer,
    PositionCode,
    QueryDecoderLayer,
    Residual,
    neighbour_mask,
)

WIDTH, HEADS, GRID = 8, 2, (5, 4)
TOKENS = GRID[0] * GRID[1]


def mask_by_loops(height: int, width: int, reach: int) -> Tensor:
    sees = torch.ones(height, width, height, width, dtype=torch.bool)
    for y in range(height):
        for x in range(width):
            for near_y in range(max(0, y - reach), min(height, y + reach + 1)):
                for near_x in range(max(0, x - reach), min(width, x + reach + 1)):
                    sees[y, x, near_y, near_x] = False
    return sees.view(height * width, height * width)


@pytest.mark.parametrize(
    ("grid", "window", "reach"),
    [
        ((14, 14), 7, 3),  # the paper's 7 x 7
        ((16, 16), 8, 4),  # ADer's 8, which is 9 x 9
        ((16, 16), 9, 4),
        ((20, 30), 8, 4),
        ((8, 8), 8, 2),  # 128 px: 9 x 9 would hide everything from the middle
        ((5, 6), 8, 1),
        ((2, 2), 8, 0),
        ((6, 6), 0, 0),
    ],
)
def test_the_mask_hides_a_square_around_each_token(
    grid: tuple[int, int], window: int, reach: int
) -> None:
    assert torch.equal(neighbour_mask(*grid, window), mask_by_loops(*grid, reach))


def test_every_token_sees_something_on_every_grid() -> None:
    for side in range(2, 40):
        sees = neighbour_mask(side, side, 8)
        assert bool(sees.any(dim=1).all()) and not bool(sees.diagonal().any())


def test_position_code_joins_column_and_row() -> None:
    torch.manual_seed(0)
    code = PositionCode(3, 4, 6)
    places = code()
    for row in range(3):
        for column in range(4):
            expected = torch.cat([code.columns[column], code.rows[row]])
            assert torch.equal(places[4 * row + column], expected)
    assert bool(((places >= 0) & (places < 1)).all())


def torchs(attention: Attention) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(WIDTH, attention.heads, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(attention.inner.weight)
        theirs.in_proj_bias.copy_(attention.inner.bias)
        theirs.out_proj.load_state_dict(attention.outer.state_dict())
    return theirs


def attended(attention: Attention, q: Tensor, k: Tensor, v: Tensor, sees: Tensor) -> Tensor:
    return torchs(attention)(q, k, v, attn_mask=~sees, need_weights=False)[0]


def tokens(*shape: int) -> Tensor:
    return torch.randn(*shape, WIDTH, dtype=torch.float64, requires_grad=True)


def test_attention_is_torchs_values_and_gradients() -> None:
    torch.manual_seed(0)
    attention = Attention(WIDTH, HEADS, 0.0).double()
    nn.init.normal_(attention.inner.bias)
    sees = neighbour_mask(*GRID, 3)
    query, key, value = tokens(1, TOKENS), tokens(3, TOKENS), tokens(3, TOKENS)
    found = attention(query, key, value, sees)
    expected = attended(attention, query.expand(3, -1, -1), key, value, sees)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(expected)
    mine, theirs = (
        torch.autograd.grad((out * pull).sum(), (query, key, value)) for out in (found, expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_attention_drops_weights_in_training_only() -> None:
    torch.manual_seed(0)
    attention, x = Attention(WIDTH, HEADS, 0.5).double(), tokens(2, TOKENS)
    sees = neighbour_mask(*GRID, 3)
    assert not torch.equal(attention(x, x, x, sees), attention(x, x, x, sees))
    attention.eval()
    torch.testing.assert_close(attention(x, x, x, sees), attended(attention, x, x, x, sees))


def closed(residual: Residual, x: Tensor, computed: Tensor) -> Tensor:
    """Sum, then mean 0 and variance 1 over the width, then the learned scale and shift."""
    total = x + computed
    centred = total - total.mean(dim=2, keepdim=True)
    variance = centred.square().mean(dim=2, keepdim=True)
    return centred / (variance + 1e-5).sqrt() * residual.norm.weight + residual.norm.bias


def fed(network: nn.Sequential, x: Tensor) -> Tensor:
    first, _, _, last = network
    return (x @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias


def test_encoder_layer_by_its_parts() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(WIDTH, HEADS, 16, 0.1).double().eval()
    x, places, sees = tokens(2, TOKENS), tokens(TOKENS), neighbour_mask(*GRID, 3)
    middle = closed(
        layer.after_attention, x, attended(layer.attention, x + places, x + places, x, sees)
    )
    expected = closed(layer.after_feed_forward, middle, fed(layer.feed_forward, middle))
    torch.testing.assert_close(layer(x, places, sees), expected)


def decoded(
    layer: QueryDecoderLayer, previous: Tensor, encoded: Tensor, places: Tensor, sees: Tensor
) -> Tensor:
    queries = layer.queries.expand(len(encoded), -1, -1)
    seen = attended(layer.to_encoded, queries + places, encoded + places, encoded, sees)
    asked = closed(layer.after_encoded, queries, seen)
    seen = attended(layer.to_previous, asked + places, previous + places, previous, sees)
    asked = closed(layer.after_previous, asked, seen)
    return closed(layer.after_feed_forward, asked, fed(layer.feed_forward, asked))


def test_decoder_layer_by_its_parts() -> None:
    torch.manual_seed(0)
    layer = QueryDecoderLayer(TOKENS, WIDTH, HEADS, 16, 0.1).double().eval()
    previous, encoded, places = tokens(2, TOKENS), tokens(2, TOKENS), tokens(TOKENS)
    sees = neighbour_mask(*GRID, 3)
    found = layer(previous, encoded, places, sees)
    torch.testing.assert_close(found, decoded(layer, previous, encoded, places, sees))


def transformer(**changed: int) -> NeighbourMaskedTransformer:
    torch.manual_seed(0)
    settings = {"encoder_layers": 2, "decoder_layers": 2, "window": 3} | changed
    return (
        NeighbourMaskedTransformer(
            GRID, width=WIDTH, heads=HEADS, hidden=16, dropout=0.1, **settings
        )
        .double()
        .eval()
    )


def test_the_decoder_starts_from_the_encoders_result() -> None:
    network, x = transformer(), tokens(2, TOKENS)
    places, sees = network.places(), neighbour_mask(*GRID, 3)
    encoded = network.encoder[1](network.encoder[0](x, places, sees), places, sees)
    first = decoded(network.decoder[0], encoded, encoded, places, sees)
    second = decoded(network.decoder[1], first, encoded, places, sees)
    expected = closed(_bare(network.norm), second, torch.zeros_like(second))
    torch.testing.assert_close(network(x), expected)


def _bare(norm: nn.LayerNorm) -> Residual:
    residual = Residual(WIDTH, 0.0).double()
    residual.norm = norm
    return residual


def test_attention_lets_nothing_through_from_the_neighbourhood() -> None:
    torch.manual_seed(0)
    attention = Attention(WIDTH, HEADS, 0.0).double()
    sees = neighbour_mask(*GRID, 3)
    key, value = tokens(1, TOKENS), tokens(1, TOKENS)
    result = attention(tokens(1, TOKENS), key, value, sees)
    for token in (0, 9, TOKENS - 1):
        wanted = torch.autograd.grad(result[0, token].sum(), (key, value), retain_graph=True)
        for gradient in wanted:
            reached = gradient[0].abs().sum(dim=1) > 0
            assert torch.equal(reached, sees[token])
