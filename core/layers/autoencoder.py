"""A small variational autoencoder from images to a latent map and back.

After the first stage of latent diffusion (CVPR 2022, arXiv 2112.10752): residual blocks with group
normalisation, latents that are drawn around a mean, kept near size one by a weak Kullback-Leibler
term. To be cheap it folds squares of pixels into channels before its first convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.layers.precision import full_precision
from core.layers.reconstruction_unet import GROUPS, ResidualBlock

LOG_VARIANCES = (-30.0, 20.0)


class KLAutoencoder(nn.Module):
    """RGB in -1..1 to latents and back.

    Args:
        width: of the first stage, a multiple of 32.
        multipliers: widths of the stages, each at half the side of the one before, as multiples.
        blocks: residual blocks a stage.
        latent: channels of the latents.
        patch: side of the squares that are folded into channels.
    """

    def __init__(
        self,
        width: int = 64,
        multipliers: tuple[int, ...] = (1, 2),
        blocks: int = 2,
        latent: int = 4,
        patch: int = 4,
    ) -> None:
        super().__init__()
        widths = [width * multiplier for multiplier in multipliers]
        self.stride = patch * 2 ** (len(widths) - 1)
        squares = 3 * patch * patch
        encode: list[nn.Module] = [
            nn.PixelUnshuffle(patch),
            nn.Conv2d(squares, width, 3, padding=1),
        ]
        decode: list[nn.Module] = [nn.Conv2d(latent, widths[-1], 3, padding=1)]
        for stage, wide in enumerate(widths):
            if stage:
                encode.append(nn.Conv2d(widths[stage - 1], wide, 3, stride=2, padding=1))
            encode += [ResidualBlock(wide, wide) for _ in range(blocks)]
        for stage in reversed(range(len(widths))):
            decode += [ResidualBlock(widths[stage], widths[stage]) for _ in range(blocks)]
            if stage:
                decode.append(nn.Upsample(scale_factor=2.0, mode="nearest"))
                decode.append(nn.Conv2d(widths[stage], widths[stage - 1], 3, padding=1))
        encode += [nn.GroupNorm(GROUPS, widths[-1]), nn.SiLU()]
        encode.append(nn.Conv2d(widths[-1], 2 * latent, 3, padding=1))
        decode += [nn.GroupNorm(GROUPS, width), nn.SiLU()]
        decode += [nn.Conv2d(width, squares, 3, padding=1), nn.PixelShuffle(patch)]
        self.encoder = nn.Sequential(*encode)
        self.decoder = nn.Sequential(*decode)

    def encode(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents, float32 [B, latent, H / stride, W / stride]."""
        mean_BCHW, log_BCHW = self.encoder(x_BCHW).float().chunk(2, dim=1)
        return mean_BCHW, log_BCHW.clamp(*LOG_VARIANCES)

    def decode(self, latent_BCHW: Tensor) -> Tensor:
        decoded_BCHW: Tensor = self.decoder(latent_BCHW)
        return decoded_BCHW


def drawn(mean_BCHW: Tensor, log_variance_BCHW: Tensor) -> Tensor:
    """A latent of that mean and variance."""
    return mean_BCHW + (0.5 * log_variance_BCHW).exp() * torch.randn_like(mean_BCHW)


def kl_to_normal(mean_BCHW: Tensor, log_variance_BCHW: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution, mean over values."""
    with full_precision(mean_BCHW.device):
        mean_BCHW, log_BCHW = mean_BCHW.float(), log_variance_BCHW.float()
        return 0.5 * (mean_BCHW.square() + log_BCHW.exp() - 1 - log_BCHW).mean()
