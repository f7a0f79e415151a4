"""Denoising diffusion in a few formulas: a schedule of noise, noising, and DDIM's way back.

"Denoising Diffusion Probabilistic Models" (NeurIPS 2020, arXiv 2006.11239), "Denoising Diffusion
Implicit Models" (ICLR 2021, arXiv 2010.02502), with the schedule of latent diffusion (CVPR 2022,
arXiv 2112.10752). A level of noise t has a share `kept` of the signal's variance left
(alpha bar): x_t = sqrt(kept) x_0 + sqrt(1 - kept) noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.layers.precision import full_precision

LEVELS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012

NoiseGuess = Callable[[Tensor, Tensor], Tensor]
"""(x_t, t of each image as int64 [B]) -> the noise in it, of x_t's shape."""


def kept_shares(levels: int = LEVELS, first: float = FIRST_BETA, last: float = LAST_BETA) -> Tensor:
    """Share of the signal's variance left at each level, float32 [levels], falling.

    The square roots of the variances that are added rise evenly from `first`'s to `last`'s.
    """
    roots_T = torch.linspace(first**0.5, last**0.5, levels, dtype=torch.float64)
    return (1 - roots_T.square()).cumprod(dim=0).float()


def noised(start_BCHW: Tensor, noise_BCHW: Tensor, kept_B: Tensor) -> Tensor:
    """x_t of each image, noised to a level of its own (DDPM, equation 4)."""
    kept_B111 = kept_B.view(-1, 1, 1, 1)
    return kept_B111.sqrt() * start_BCHW + (1 - kept_B111).sqrt() * noise_BCHW


def clean(x_BCHW: Tensor, noise_BCHW: Tensor, kept: Tensor) -> Tensor:
    """x_0, were `noise_BCHW` the noise in x_t: the inverse of `noised`."""
    return (x_BCHW - (1 - kept).sqrt() * noise_BCHW) / kept.sqrt()


def noise_of(x_BCHW: Tensor, start_BCHW: Tensor, kept: Tensor) -> Tensor:
    """The noise in x_t, were `start_BCHW` its x_0; for networks that guess the clean image."""
    return (x_BCHW - kept.sqrt() * start_BCHW) / (1 - kept).sqrt()


def ddim_step(x_BCHW: Tensor, noise_BCHW: Tensor, kept: Tensor, kept_next: Tensor) -> Tensor:
    """From one level to a lower one without new noise (DDIM, equation 12 with sigma 0)."""
    start_BCHW = clean(x_BCHW, noise_BCHW, kept)
    return kept_next.sqrt() * start_BCHW + (1 - kept_next).sqrt() * noise_BCHW


def ddim_levels(steps: int, begin: int = LEVELS - 1) -> tuple[int, ...]:
    """Levels that `steps` steps visit on the way down, evenly spaced: 901, 801, ... 1 of 999.

    Args:
        begin: level the image was noised to; at least `steps` - 1.
    """
    apart = (begin + 1) // steps
    return tuple(1 + apart * step for step in reversed(range(steps)) if 1 + apart * step <= begin)


def ddim(guess: NoiseGuess, x_BCHW: Tensor, levels: Sequence[int], kept_T: Tensor) -> Tensor:
    """Denoise from the first of `levels` down to level 0; float32, without new noise."""
    below = [*levels[1:], 0]
    for level, next_level in zip(levels, below, strict=True):
        level_B = torch.full((len(x_BCHW),), level, device=x_BCHW.device)
        noise_BCHW = guess(x_BCHW, level_B).float()
        with full_precision(x_BCHW.device):
            x_BCHW = ddim_step(x_BCHW.float(), noise_BCHW, kept_T[level], kept_T[next_level])
    return x_BCHW
