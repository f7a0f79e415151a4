"""State space layers for maps: SS2D, the layer around it, and the block that adds local vision.

"MambaAD: Exploring State Space Models for Multi-class Unsupervised Anomaly Detection", NeurIPS
2024, arXiv 2404.06564 (LSS module, HSS block); SS2D after VMamba, arXiv 2401.10166. Maps are BHWC.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.precision import full_precision
from core.layers.scan_orders import DIRECTIONS, eight_orders
from core.layers.selective_scan import selective_scan

STEPS = (1e-3, 0.1)
"""Step sizes at the start lie between, uniform in their logarithm (Mamba, section 3.6)."""
KERNELS = (5, 7)
"""Sides of the depthwise convolutions of the local branches."""


class SS2D(nn.Module):
    """Selective scans of a square map along eight Hilbert orders, summed and gated.

    Args:
        channels: of the map.
        side: of the map.
        states: of the state space model, a channel and direction.
        expansion: width of what is scanned, as a multiple of the map's channels.
    """

    order_KP: Tensor

    def __init__(self, channels: int, side: int, states: int = 16, expansion: int = 2) -> None:
        super().__init__()
        inner, rank = expansion * channels, math.ceil(channels / 16)
        self.states = states
        self.enter = nn.Linear(channels, 2 * inner, bias=False)
        self.convolution = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.controls = nn.Parameter(torch.empty(DIRECTIONS * (rank + 2 * states), inner))
        self.step_weight_KRD = nn.Parameter(torch.empty(DIRECTIONS, rank, inner))
        self.step_bias_KD = nn.Parameter(torch.empty(DIRECTIONS, inner))
        self.log_decay_KND = nn.Parameter(torch.empty(DIRECTIONS, states, inner))
        self.skip = nn.Parameter(torch.ones(DIRECTIONS * inner))
        self.norm = nn.LayerNorm(inner)
        self.leave = nn.Linear(inner, channels, bias=False)
        self.register_buffer("order_KP", eight_orders(side), persistent=False)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        for weight in (self.controls, self.step_weight_KRD):
            reach = float(weight.shape[1] ** -0.5)
            nn.init.uniform_(weight, -reach, reach)
        low, high = (math.log(step) for step in STEPS)
        step_KD = torch.empty_like(self.step_bias_KD).uniform_(low, high).exp()
        self.step_bias_KD.copy_(step_KD + torch.log(-torch.expm1(-step_KD)))  # softplus reversed
        counted = torch.arange(1, self.states + 1, device=self.log_decay_KND.device)
        self.log_decay_KND.copy_(counted.log()[:, None].expand_as(self.log_decay_KND))

    def forward(self, x_BHWC: Tensor) -> Tensor:
        inner_BHWD, gate_BHWD = self.enter(x_BHWC).chunk(2, dim=-1)
        inner_BDHW = F.silu(self.convolution(inner_BHWD.permute(0, 3, 1, 2)))
        scanned_BPD = self.scan(inner_BDHW.flatten(2).transpose(1, 2))
        scanned_BHWD = self.norm(scanned_BPD).view(gate_BHWD.shape)
        left_BHWC: Tensor = self.leave(scanned_BHWD * F.silu(gate_BHWD))
        return left_BHWC

    def scan(self, x_BPD: Tensor) -> Tensor:
        """All directions' outputs summed at every position, in the parameters' precision."""
        with full_precision(x_BPD.device):
            x_BPD = x_BPD.to(self.controls.dtype).contiguous()
            controls_BPKM = F.linear(x_BPD, self.controls).view(*x_BPD.shape[:2], DIRECTIONS, -1)
            scanned_BPD = selective_scan(
                x_BPD,
                controls_BPKM,
                self.step_weight_KRD,
                self.step_bias_KD,
                -self.log_decay_KND.exp(),
                self.order_KP,
            )
            # D u of every direction falls on the position it came from, whatever the order.
            return torch.addcmul(scanned_BPD, x_BPD, self.skip.view(DIRECTIONS, -1).sum(0))


class StateSpaceLayer(nn.Module):
    """x + SS2D(norm(x)), the second left out for some images in training (HSS block).

    Args:
        drop: probability that an image goes past SS2D; the others' share is raised to make up.
    """

    def __init__(self, mix: SS2D, channels: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.norm = nn.LayerNorm(channels)
        self.mix = mix

    def forward(self, x_BHWC: Tensor) -> Tensor:
        mixed_BHWC: Tensor = self.mix(self.norm(x_BHWC))
        if self.training and self.drop > 0:
            kept_B = mixed_BHWC.new_empty(len(x_BHWC), 1, 1, 1).bernoulli_(1 - self.drop)
            mixed_BHWC = mixed_BHWC * (kept_B / (1 - self.drop))
        return x_BHWC + mixed_BHWC


def _local(channels: int, kernel: int) -> nn.Sequential:
    """1x1, depthwise, 1x1 convolution, each normalised within the image and activated."""
    parts: list[nn.Module] = []
    for convolution in (
        nn.Conv2d(channels, channels, 1),
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1),
    ):
        parts += [convolution, nn.InstanceNorm2d(channels), nn.SiLU()]
    return nn.Sequential(*parts)


class LSSBlock(nn.Module):
    """Locality-enhanced state space: layers in a row beside local branches, joined, added to x.

    Args:
        channels: of the map.
        mixes: the layers' scans.
        drop: see `StateSpaceLayer`.
    """

    def __init__(self, channels: int, mixes: list[SS2D], drop: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(StateSpaceLayer(mix, channels, drop) for mix in mixes))
        self.local = nn.ModuleList(_local(channels, kernel) for kernel in KERNELS)
        self.join = nn.Conv2d((1 + len(KERNELS)) * channels, channels, 1)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        x_BCHW = x_BHWC.permute(0, 3, 1, 2).contiguous()
        seen = [self.layers(x_BHWC).permute(0, 3, 1, 2), *(branch(x_BCHW) for branch in self.local)]
        joined_BCHW: Tensor = self.join(torch.cat(seen, dim=1))
        joined_BHWC: Tensor = x_BHWC + joined_BCHW.permute(0, 2, 3, 1)
        return joined_BHWC
