"""Pyramid flow: an invertible, volume-preserving map of a feature map's Laplacian pyramid.

PyramidFlow (CVPR 2023, arXiv 2303.02595): couplings between neighbouring levels whose log-scales
lose their mean, and mixing of channels with determinant one. So no log-determinant is needed: in
training it is zero.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.precision import full_precision

Levels = tuple[Tensor, ...]
"""[B, C, H / 2^i, W / 2^i] each, fine to coarse."""
Normalisation = Literal["channel", "spatial"]

BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
CLAMP = 2.0
ARC = 0.636
"""2 / pi: the log-scale stays within +-CLAMP."""
MOMENTUM = 0.1


def blur(x_BCHW: Tensor) -> Tensor:
    """Each channel smoothed by the 5 x 5 binomial kernel, zeros beyond the border."""
    line_5 = x_BCHW.new_tensor(BINOMIAL) / sum(BINOMIAL)
    channels, height, width = x_BCHW.shape[1:]
    planes = x_BCHW.reshape(-1, 1, height, width)
    planes = F.conv2d(planes, line_5.view(1, 1, 5, 1), padding=(2, 0))
    planes = F.conv2d(planes, line_5.view(1, 1, 1, 5), padding=(0, 2))
    return planes.view(-1, channels, height, width)


def _up(x_BCHW: Tensor) -> Tensor:
    return blur(F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest"))


def decompose(x_BCHW: Tensor, count: int) -> Levels:
    """The Laplacian pyramid of `count` levels: what halving loses, then what is left.

    Halving is a blur and the maximum of 2 x 2, doubling nearest neighbours and a blur.

    Args:
        x_BCHW: sides are multiples of 2^(count - 1).
    """
    levels = []
    for _ in range(count - 1):
        half = F.max_pool2d(blur(x_BCHW), 2)
        levels.append(x_BCHW - _up(half))
        x_BCHW = half
    return (*levels, x_BCHW)


def compose(levels: Levels) -> Tensor:
    """What a pyramid is of; linear, channel by channel. [B, C, H, W]"""
    whole = levels[-1]
    for level in reversed(levels[:-1]):
        whole = _up(whole) + level
    return whole


class VolumeNorm(nn.Module):
    """A log-scale without its mean, so that the scales' product is one.

    In training the mean is the batch's (with its images all together), else a running mean, 0 at
    first.

    Args:
        normalisation: "channel" takes the mean over channels at every place (the paper's CVN),
            "spatial" over places in every channel (SVN).
        shape: (C, H, W) of what it normalises.
    """

    running: Tensor

    def __init__(self, normalisation: Normalisation, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        by_channel = normalisation == "channel"
        self.axes = (0, 1) if by_channel else (0, 2, 3)
        mean_shape = (1, 1, height, width) if by_channel else (1, channels, 1, 1)
        self.register_buffer("running", torch.zeros(mean_shape))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not self.training:
            return x_BCHW - self.running
        mean = x_BCHW.mean(dim=self.axes, keepdim=True)
        self.running.lerp_(mean.detach().to(self.running.dtype), MOMENTUM)
        return x_BCHW - mean


class UnitMixing(nn.Module):
    """Channels mixed by P (L + I) (U + D) with |det| = 1, from a random orthogonal matrix.

    The permutation P and the signs of the diagonal D are fixed, the rest is learned; the logarithms
    of D's entries lose their mean, which keeps the determinant at one.
    """

    permutation_CC: Tensor
    sign_C: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        orthogonal_CC, _ = torch.linalg.qr(torch.randn(channels, channels))
        permutation_CC, lower_CC, upper_CC = torch.linalg.lu(orthogonal_CC)
        diagonal_C = upper_CC.diagonal()
        self.register_buffer("permutation_CC", permutation_CC)
        self.register_buffer("sign_C", diagonal_C.sign())
        self.lower_CC = nn.Parameter(lower_CC)
        self.upper_CC = nn.Parameter(upper_CC)
        self.log_diagonal_C = nn.Parameter(diagonal_C.abs().log())

    def weight(self) -> Tensor:
        """The mixing matrix. [C, C]"""
        diagonal_C = self.sign_C * (self.log_diagonal_C - self.log_diagonal_C.mean()).exp()
        lower_CC = self.lower_CC.tril(-1) + torch.ones_like(diagonal_C).diag()
        return self.permutation_CC @ lower_CC @ (self.upper_CC.triu(1) + diagonal_C.diag())

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.conv2d(x_BCHW, self.weight()[:, :, None, None])

    def inverse(self, z_BCHW: Tensor) -> Tensor:
        inverse_CC = self.weight().double().inverse().to(z_BCHW.dtype)
        return F.conv2d(z_BCHW, inverse_CC[:, :, None, None])


class LevelCoupling(nn.Module):
    """One level scaled and shifted by what its neighbours say, then mixed (figure 3).

    A level between two others listens to both, brought to its side by nearest neighbours. The
    finest listens to the next coarser, brought to its side; the coarsest to the next finer, whose
    answer is computed at the finer side and thinned.

    Args:
        channels: C of every level.
        sides: (height, width) of every level, fine to coarse.
        at: the level that it alters.
        kernel: side of the convolutions, odd.
    """

    def __init__(
        self, channels: int, sides: list[int], at: int, kernel: int, normalisation: Normalisation
    ) -> None:
        super().__init__()
        self.at = at
        self.heard = [other for other in (at - 1, at + 1) if 0 <= other < len(sides)]
        thinned = self.heard == [at - 1]
        padding = kernel // 2
        hidden = 2 * channels
        self.subnet = nn.Sequential(
            nn.Conv2d(len(self.heard) * channels, hidden, kernel, padding=padding, bias=False),
            nn.LeakyReLU(0.01, inplace=True),
            # the places that thinning by nearest neighbours would leave, and no others
            nn.Conv2d(
                hidden, 2 * channels, kernel, 2 if thinned else 1, padding=padding, bias=False
            ),
        )
        nn.init.zeros_(self.subnet[-1].weight)  # type: ignore[arg-type]
        self.side = sides[at]
        self.listening_side = sides[at - 1] if thinned else sides[at]
        self.norm = VolumeNorm(normalisation, (channels, sides[at], sides[at]))
        self.mixing = UnitMixing(channels)

    def forward(self, levels: Levels) -> Levels:
        log_scale, shift = self._affine(levels)
        with full_precision(shift.device):
            altered = self.mixing(levels[self.at] * log_scale.exp() + shift)
        return (*levels[: self.at], altered, *levels[self.at + 1 :])

    def inverse(self, levels: Levels) -> Levels:
        log_scale, shift = self._affine(levels)
        with full_precision(shift.device):
            altered = (self.mixing.inverse(levels[self.at]) - shift) * (-log_scale).exp()
        return (*levels[: self.at], altered, *levels[self.at + 1 :])

    def _affine(self, levels: Levels) -> tuple[Tensor, Tensor]:
        """Log-scale and shift, of the altered level's shape."""
        heard = [self._brought(levels[other]) for other in self.heard]
        answer = self.subnet(heard[0] if len(heard) == 1 else torch.cat(heard, dim=1))
        with full_precision(answer.device):
            log_scale, shift = answer.to(levels[self.at].dtype).chunk(2, dim=1)
            return self.norm(CLAMP * ARC * torch.atan(log_scale / CLAMP)), shift

    def _brought(self, level_BCHW: Tensor) -> Tensor:
        side = self.listening_side
        if level_BCHW.shape[-1] == side:
            return level_BCHW
        return F.interpolate(level_BCHW, size=(side, side), mode="nearest")


class PyramidFlow(nn.Module):
    """Stacks of couplings: in each, first every odd level changes, then every even one.

    Args:
        channels: C of the feature map.
        side: of the feature map, a multiple of 2^(count - 1).
        count: levels of the pyramid, at least two.
        stacks: repetitions.
        kernel: side of the couplings' convolutions, odd.
        normalisation: see `VolumeNorm`.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        count: int = 4,
        stacks: int = 4,
        kernel: int = 7,
        normalisation: Normalisation = "channel",
    ) -> None:
        super().__init__()
        self.sides = [side // 2**level for level in range(count)]
        order = [*range(1, count, 2), *range(0, count, 2)]
        self.couplings = nn.ModuleList(
            LevelCoupling(channels, self.sides, at, kernel, normalisation)
            for _ in range(stacks)
            for at in order
        )

    def forward(self, x_BCHW: Tensor) -> Levels:
        """The latent pyramid of a feature map [B, C, H, W], level by level."""
        with full_precision(x_BCHW.device):
            levels = decompose(x_BCHW, len(self.sides))
        for coupling in self.couplings:
            levels = coupling(levels)
        return levels

    def inverse(self, levels: Levels) -> Tensor:
        """The feature map whose latent pyramid this is; exact in evaluation mode."""
        for coupling in reversed(self.couplings):
            levels = coupling.inverse(levels)  # type: ignore[operator]
        with full_precision(levels[0].device):
            return compose(levels)
