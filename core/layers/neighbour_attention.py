"""Transformer layers that may not look at a token's own neighbourhood.

"A Unified Model for Multi-class Anomaly Detection" (UniAD), NeurIPS 2022, arXiv 2206.03687: a
network that rebuilds features would soon copy them; where every token is rebuilt from distant
ones alone (neighbour masked attention), and from learned queries (layer-wise query decoder), it
cannot. Layers are post-norm, as in "Attention Is All You Need" (arXiv 1706.03762).

B images, T tokens, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def neighbour_mask(height: int, width: int, window: int) -> Tensor:
    """Which tokens of a grid each token may see, bool [T, T]; T = height * width, row by row.

    Hidden are those at most `window // 2` rows and columns away, itself among them; but at most a
    quarter of the grid's shorter side, because on small grids the tokens in the middle would have
    little or nothing left to look at.
    """
    reach = min(window // 2, min(height, width) // 4)
    rows_T = torch.arange(height).repeat_interleave(width)
    columns_T = torch.arange(width).repeat(height)
    down_TT = (rows_T[:, None] - rows_T[None]).abs()
    right_TT = (columns_T[:, None] - columns_T[None]).abs()
    return (down_TT > reach) | (right_TT > reach)


class PositionCode(nn.Module):
    """A learned code for every row and every column of a grid, half the width each."""

    def __init__(self, height: int, width: int, dimension: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.rand(height, dimension // 2))
        self.columns = nn.Parameter(torch.rand(width, dimension // 2))

    def forward(self) -> Tensor:
        """[T, D], row by row."""
        height, width = len(self.rows), len(self.columns)
        return torch.cat(
            [self.columns.repeat(height, 1), self.rows.repeat_interleave(width, dim=0)], dim=1
        )


class Attention(nn.Module):
    """Multi-head attention under a fixed mask.

    Args:
        width: D.
        heads: divide D.
        dropout: share of attention weights dropped in training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.inner = nn.Linear(width, 3 * width)
        self.outer = nn.Linear(width, width)

    def forward(
        self, query_BTD: Tensor, key_BTD: Tensor, value_BTD: Tensor, sees: Tensor
    ) -> Tensor:
        """
        Args:
            query_BTD: may hold one image's tokens for all images.
            sees: bool [T, T], True where a query (row) may look.

        Returns:
            [B, T, D].
        """
        weights, biases = self.inner.weight.chunk(3), self.inner.bias.chunk(3)
        query, key, value = (
            self._by_head(F.linear(x_BTD, weight, bias))
            for x_BTD, weight, bias in zip(
                (query_BTD, key_BTD, value_BTD), weights, biases, strict=True
            )
        )
        seen_BhTd = F.scaled_dot_product_attention(
            query.expand(len(key), -1, -1, -1),
            key,
            value,
            attn_mask=sees,
            dropout_p=self.dropout if self.training else 0.0,
        )
        result_BTD: Tensor = self.outer(seen_BhTd.transpose(1, 2).flatten(2))
        return result_BTD

    def _by_head(self, x_BTD: Tensor) -> Tensor:
        """[B, heads, T, D / heads]"""
        images, tokens, width = x_BTD.shape
        return x_BTD.view(images, tokens, self.heads, width // self.heads).transpose(1, 2)


class Residual(nn.Module):
    """What was computed, dropped out, added to what it came from, and normalised."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BTD: Tensor, computed_BTD: Tensor) -> Tensor:
        result_BTD: Tensor = self.norm(x_BTD + self.dropout(computed_BTD))
        return result_BTD


def _feed_forward(width: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
    )


class EncoderLayer(nn.Module):
    """Self-attention and a small network, every token alike."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.after_attention = Residual(width, dropout)
        self.feed_forward = _feed_forward(width, hidden, dropout)
        self.after_feed_forward = Residual(width, dropout)

    def forward(self, x_BTD: Tensor, places_TD: Tensor, sees: Tensor) -> Tensor:
        placed_BTD = x_BTD + places_TD
        x_BTD = self.after_attention(x_BTD, self.attention(placed_BTD, placed_BTD, x_BTD, sees))
        result_BTD: Tensor = self.after_feed_forward(x_BTD, self.feed_forward(x_BTD))
        return result_BTD


class QueryDecoderLayer(nn.Module):
    """Learned queries look at the encoder's result, then at the previous layer's.

    Args:
        tokens: T, of which each has a query of its own.
    """

    def __init__(self, tokens: int, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(tokens, width))
        self.to_encoded = Attention(width, heads, dropout)
        self.after_encoded = Residual(width, dropout)
        self.to_previous = Attention(width, heads, dropout)
        self.after_previous = Residual(width, dropout)
        self.feed_forward = _feed_forward(width, hidden, dropout)
        self.after_feed_forward = Residual(width, dropout)

    def forward(
        self, previous_BTD: Tensor, encoded_BTD: Tensor, places_TD: Tensor, sees: Tensor
    ) -> Tensor:
        queries_1TD = self.queries[None]
        seen_BTD = self.to_encoded(
            queries_1TD + places_TD, encoded_BTD + places_TD, encoded_BTD, sees
        )
        asked_BTD = self.after_encoded(queries_1TD, seen_BTD)
        seen_BTD = self.to_previous(
            asked_BTD + places_TD, previous_BTD + places_TD, previous_BTD, sees
        )
        asked_BTD = self.after_previous(asked_BTD, seen_BTD)
        result_BTD: Tensor = self.after_feed_forward(asked_BTD, self.feed_forward(asked_BTD))
        return result_BTD


class NeighbourMaskedTransformer(nn.Module):
    """Encoder and layer-wise query decoder over the tokens of a grid.

    Args:
        grid: (height, width).
        window: side of the neighbourhood that no token sees; see `neighbour_mask`.
        width, heads, hidden: D, attention heads, width of the small networks.
        encoder_layers, decoder_layers: how many.
    """

    sees: Tensor

    def __init__(
        self,
        grid: tuple[int, int],
        *,
        window: int,
        width: int,
        heads: int,
        hidden: int,
        encoder_layers: int,
        decoder_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        height, across = grid
        self.register_buffer("sees", neighbour_mask(height, across, window), persistent=False)
        self.places = PositionCode(height, across, width)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, heads, hidden, dropout) for _ in range(encoder_layers)
        )
        self.decoder = nn.ModuleList(
            QueryDecoderLayer(height * across, width, heads, hidden, dropout)
            for _ in range(decoder_layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BTD: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]; the first decoder layer's previous result is the encoder's."""
        places_TD = self.places()
        encoded_BTD = tokens_BTD
        for layer in self.encoder:
            encoded_BTD = layer(encoded_BTD, places_TD, self.sees)
        decoded_BTD = encoded_BTD
        for layer in self.decoder:
            decoded_BTD = layer(decoded_BTD, encoded_BTD, places_TD, self.sees)
        result_BTD: Tensor = self.norm(decoded_BTD)
        return result_BTD
