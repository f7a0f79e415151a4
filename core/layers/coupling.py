"""A conditional normalising flow on vectors: affine couplings between fixed random rotations.

The decoder of CFLOW-AD (arXiv 2107.12571, section 4): couplings as in RealNVP (arXiv 1605.08803,
section 3.2) with a bounded log-scale (FrEIA's form up to release 0.2, as the paper's runs had it),
then a learned scale and shift of every channel, then a rotation that mixes the channels. Maps and
log-determinants are exact both ways.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DAMPING = 0.1
"""Factor on what the subnet gives, so that a new coupling is nearly the identity."""
WIDENING = 2
"""Hidden width of the subnet, as a multiple of its input."""
SOFTNESS = 0.5
"""Beta of the softplus under the channels' scale, which is a tenth of it."""


def random_rotation(size: int) -> Tensor:
    """A rotation drawn evenly (by Haar's measure) from all. float32 [size, size], det = 1"""
    any_CC, r_CC = torch.linalg.qr(torch.randn(size, size))
    # QR alone does not choose its signs evenly.
    even_CC: Tensor = any_CC * r_CC.diagonal().sign()
    even_CC[:, 0] *= torch.linalg.slogdet(even_CC).sign
    return even_CC


class ConditionalCoupling(nn.Module):
    """One block: couple, scale and shift, rotate.

    Args:
        channels: C, at least 2; the first half (the larger, if C is odd) steers the second.
        condition: length of the condition vector.
        clamp: bound of the log-scale.
    """

    rotation_CC: Tensor

    def __init__(self, channels: int, condition: int, clamp: float = 1.9) -> None:
        super().__init__()
        self.moved = channels // 2
        self.kept = channels - self.moved
        self.clamp = clamp
        given = self.kept + condition
        self.subnet = nn.Sequential(
            nn.Linear(given, WIDENING * given),
            nn.ReLU(inplace=True),
            nn.Linear(WIDENING * given, 2 * self.moved),
        )
        # the value whose scale is 1: 0.1 * softplus(a) = 0.1 * 2 ln(1 + e^(a/2))
        unit = math.log(math.expm1(SOFTNESS / DAMPING)) / SOFTNESS
        self.scale_C = nn.Parameter(torch.full((channels,), unit))
        self.shift_C = nn.Parameter(torch.zeros(channels))
        self.register_buffer("rotation_CC", random_rotation(channels))

    def forward(self, x_NC: Tensor, condition_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Image [N, C] of the vectors and the log-determinant [N] of the map's Jacobian."""
        kept, moved = x_NC[:, : self.kept], x_NC[:, self.kept :]
        log_scale, shift = self._affine(kept, condition_ND)
        coupled_NC = torch.cat([kept, moved * log_scale.exp() + shift], dim=1)
        gamma_C = self._gamma()
        z_NC = (gamma_C * coupled_NC + self.shift_C) @ self.rotation_CC.T
        return z_NC, log_scale.sum(dim=1) + gamma_C.log().sum()

    def inverse(self, z_NC: Tensor, condition_ND: Tensor) -> Tensor:
        """The vectors [N, C] whose image is `z_NC`."""
        coupled_NC = (z_NC @ self.rotation_CC - self.shift_C) / self._gamma()
        kept, coupled = coupled_NC[:, : self.kept], coupled_NC[:, self.kept :]
        log_scale, shift = self._affine(kept, condition_ND)
        return torch.cat([kept, (coupled - shift) * (-log_scale).exp()], dim=1)

    def _affine(self, kept: Tensor, condition_ND: Tensor) -> tuple[Tensor, Tensor]:
        given = DAMPING * self.subnet(torch.cat([kept, condition_ND], dim=1))
        log_scale, shift = given.chunk(2, dim=1)
        return self.clamp * log_scale.tanh(), shift

    def _gamma(self) -> Tensor:
        return DAMPING * F.softplus(self.scale_C, beta=SOFTNESS)


class ConditionalFlow(nn.Module):
    """Couplings in a row."""

    def __init__(self, channels: int, condition: int, blocks: int, clamp: float = 1.9) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConditionalCoupling(channels, condition, clamp) for _ in range(blocks)
        )

    def forward(self, x_NC: Tensor, condition_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Latent vectors [N, C] and the log-determinant [N]."""
        logdet_N = x_NC.new_zeros(len(x_NC))
        for block in self.blocks:
            x_NC, more_N = block(x_NC, condition_ND)
            logdet_N = logdet_N + more_N
        return x_NC, logdet_N

    def inverse(self, z_NC: Tensor, condition_ND: Tensor) -> Tensor:
        """The vectors [N, C] that the flow takes to `z_NC`."""
        for block in reversed(self.blocks):
            assert isinstance(block, ConditionalCoupling)
            z_NC = block.inverse(z_NC, condition_ND)
        return z_NC


def log_likelihood(z_NC: Tensor, logdet_N: Tensor) -> Tensor:
    """ln p of the vectors that a flow took to `z_NC`, the latent being standard normal, over C. [N]

    CFLOW-AD, section 4; per channel, as its code takes it.
    """
    energy_N = 0.5 * z_NC.square().sum(dim=1)
    return (logdet_N - energy_N) / z_NC.shape[1] - 0.5 * math.log(2 * math.pi)
