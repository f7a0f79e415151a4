"""DiAD-small: a latent diffusion model of our own, trained from scratch on the good images alone.

For machines without Stable Diffusion's weights; it borrows DiAD's idea (arXiv 2312.06607), not its
results. First a small autoencoder learns the images, then a denoising network learns its latents,
guided by the image at its deepest stage alone. Noise schedule, denoising steps and scoring are
DiAD's; networks and optimisers are our own choice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.autoencoder import KLAutoencoder, drawn, kl_to_normal
from core.layers.diffusion import (
    LEVELS,
    ddim,
    ddim_levels,
    kept_shares,
    noise_of,
    noised,
)
from core.layers.diffusion_unet import DiffusionUNet
from core.layers.distances import cosine_maps
from core.layers.precision import full_precision
from core.layers.semantic_guidance import HintEncoder
from core.layers.sizes import require_multiple
from core.methods.base import Batch, Method, MethodCard, Plan, Schedule, method
from core.types import MapRule, RawPrediction

KL_WEIGHT = 1e-6
MEMORY = 0.9
"""Weight of the latents seen before, where their mean and deviation are measured."""
SLOW_SHARE = 0.2
"""Last share of either stage that goes on at a tenth of the learning rate."""
HINT_WIDTHS = (16, 32, 64, 96, 128, 128, 128)


class DiADSmallConfig(Config):
    """Defaults: our own, chosen on real images (see the card)."""

    begin: int = Field(
        default=499,
        ge=100,
        lt=LEVELS,
        description="level of noise, of 999, that rebuilding begins at; the higher, the less of "
        "the image is left",
    )
    steps: int = Field(default=10, ge=1, le=100, description="denoising steps an image")
    autoencoder_share: float = Field(
        default=0.3, gt=0, lt=1, description="share of the epochs that train the autoencoder"
    )
    latent: int = Field(default=4, ge=1, description="channels of the latents")
    autoencoder_width: int = Field(
        default=64, ge=32, multiple_of=32, description="width of the autoencoder's first stage"
    )
    width: int = Field(
        default=64,
        ge=32,
        multiple_of=32,
        description="width of the denoising network's first stage",
    )
    multipliers: tuple[int, ...] = Field(
        default=(1, 2, 4),
        min_length=1,
        description="widths of its stages, each at half the side of the one before",
    )
    blocks: int = Field(default=1, ge=1, description="residual blocks in each stage of either")
    autoencoder_rate: float = Field(
        default=1e-3, gt=0, description="learning rate of the autoencoder"
    )
    learning_rate: float = Field(
        default=5e-4, gt=0, description="learning rate of the denoising network"
    )


@method("diad_small")
class DiADSmall(Method):
    """An autoencoder at stride 8, a guided denoising U-Net on its latents; nothing pretrained."""

    Config = DiADSmallConfig
    card = MethodCard(
        title="DiAD-small (no Stable Diffusion)",
        paper="A Diffusion-Based Framework for Multi-Class Anomaly Detection",
        venue="AAAI",
        year=2024,
        arxiv="2312.06607",
        family="reconstruction",
        summary="Learns to draw good images out of noise, guided by the image, and marks what a "
        "pretrained network sees differently in image and drawing.",
        frozen="the backbone, three levels at strides 4, 8 and 16",
        trained="an autoencoder, then a denoising network on its latents",
        parameters=11.92,
        deviations=(
            "This is not DiAD but a small method of our own after its idea, without Stable "
            "Diffusion; no published row belongs to it, and none may be held against it.",
            "Autoencoder and denoising network are small and learn from the good images alone, "
            "one after the other; DiAD starts from networks that have seen hundreds of millions.",
            "The autoencoder learns by absolute error and a weak Kullback-Leibler term, without "
            "perceptual loss and discriminator, so that what it draws is smoother than the image.",
            "The denoising network is trained as a whole and guesses the clean latents instead of "
            "the noise: it needs fewer steps that way to draw anything like the image.",
            "The hint enters the middle and the deepest stage as in DiAD, but from plain "
            "convolutions over the image instead of a copy of the network.",
            "Rebuilding begins at level 499 of 999, where a quarter of the signal's variance is "
            "left, instead of 999, where next to none is; `begin` is a setting.",
            "The map is the mean over levels; DiAD takes the sum: a constant factor.",
            "The backbone is the one of the run; DiAD's is a ResNet-50.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=5.0, score="pool8times8", ader_score="pool8times8")
    trains_on = "images"
    backbone = "resnet50.a1_in1k"
    levels = (4, 8, 16)
    batch_size = 8

    kept_T: Tensor
    noise_1CHW: Tensor
    centre_C: Tensor
    spread_C: Tensor
    """Mean and deviation of the latents; deviation 0 = not yet known."""

    def __init__(self, config: DiADSmallConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        self.autoencoder = KLAutoencoder(
            config.autoencoder_width, blocks=config.blocks, latent=config.latent
        )
        stride = self.autoencoder.stride
        halvings = stride.bit_length() - 1 + len(config.multipliers) - 1
        require_multiple(size, 2**halvings, f"DiAD-small halves the image {halvings} times")
        widths = (HINT_WIDTHS + halvings * HINT_WIDTHS[-1:])[: halvings + 1]
        self.hint = HintEncoder(config.width, widths, silent=False)
        self.denoiser = DiffusionUNet(
            config.latent, config.width, config.multipliers, config.blocks, config.width
        )
        side = size // stride
        still = torch.Generator().manual_seed(0)
        noise_1CHW = torch.randn(1, config.latent, side, side, generator=still)
        self.register_buffer("noise_1CHW", noise_1CHW)
        self.register_buffer("kept_T", kept_shares(), persistent=False)
        self.register_buffer("centre_C", torch.zeros(config.latent))
        self.register_buffer("spread_C", torch.zeros(config.latent))
        self.stages = (True, True)

    def plan(self) -> Plan:
        rate = self.config.learning_rate
        autoencoder = torch.optim.AdamW(
            self.autoencoder.parameters(), lr=self.config.autoencoder_rate
        )
        both = [*self.hint.parameters(), *self.denoiser.parameters()]
        denoiser = torch.optim.AdamW(both, lr=rate)
        schedule = slow_ends(self.config.autoencoder_share)
        return Plan(optimizers=(denoiser, autoencoder), clip_norm=1.0, schedule=schedule)

    def on_epoch(self, epoch: int, epochs: int) -> None:
        """First the autoencoder, then the denoising network; both where there is one epoch."""
        first = epoch < autoencoder_epochs(self.config.autoencoder_share, epochs)
        self.stages = (first or epochs == 1, not first)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """The autoencoder's losses, the denoising network's, or both, by the stage."""
        assert batch.images_BCHW is not None
        images_BCHW = batch.images_BCHW.float() / 127.5 - 1
        autoencoder, denoiser = self.stages
        losses: dict[str, Tensor] = {}
        with torch.set_grad_enabled(autoencoder):
            mean_BCHW, log_BCHW = self.autoencoder.encode(images_BCHW)
            latent_BCHW = drawn(mean_BCHW, log_BCHW)
        if autoencoder:
            losses |= self._drawing(images_BCHW, latent_BCHW, mean_BCHW, log_BCHW)
        if denoiser:
            losses |= self._denoising(images_BCHW, latent_BCHW.detach())
        return losses

    def _drawing(
        self, images_BCHW: Tensor, latent_BCHW: Tensor, mean_BCHW: Tensor, log_BCHW: Tensor
    ) -> dict[str, Tensor]:
        """Absolute error of a pixel, summed over colours; divergence of its share of latents."""
        self._measure(latent_BCHW.detach())
        decoded_BCHW = self.autoencoder.decode(latent_BCHW)
        with full_precision(images_BCHW.device):
            error = (decoded_BCHW.float() - images_BCHW).abs().sum(dim=1).mean()
            pixels = images_BCHW.shape[2] * images_BCHW.shape[3]
            share = mean_BCHW[0].numel() / pixels
            return {
                "drawing": error,
                "divergence": KL_WEIGHT * share * kl_to_normal(mean_BCHW, log_BCHW),
            }

    def _denoising(self, images_BCHW: Tensor, latent_BCHW: Tensor) -> dict[str, Tensor]:
        """Squared error of the clean latents, guessed from a random level of noise."""
        start_BCHW = self._scaled(latent_BCHW)
        noise_BCHW = torch.randn_like(start_BCHW)
        level_B = torch.randint(LEVELS, (len(start_BCHW),)).to(start_BCHW.device)
        x_BCHW = noised(start_BCHW, noise_BCHW, self.kept_T[level_B])
        guess_BCHW = self.denoiser(x_BCHW, level_B, self.hint(images_BCHW))
        with full_precision(start_BCHW.device):
            return {"clean": F.mse_loss(guess_BCHW.float(), start_BCHW)}

    def _measure(self, latent_BCHW: Tensor) -> None:
        """Let the latents' mean and deviation follow the autoencoder."""
        with full_precision(latent_BCHW.device):
            deviation_C, mean_C = torch.std_mean(latent_BCHW.float(), dim=(0, 2, 3))
        memory = torch.where(self.spread_C > 0, MEMORY, 0.0)
        self.centre_C.lerp_(mean_C, 1 - memory)
        self.spread_C.lerp_(deviation_C.clamp(min=1e-6), 1 - memory)

    def _scaled(self, latent_BCHW: Tensor) -> Tensor:
        spread_C = torch.where(self.spread_C > 0, self.spread_C, 1.0)
        return (latent_BCHW - self.centre_C[:, None, None]) / spread_C[:, None, None]

    def _unscaled(self, latent_BCHW: Tensor) -> Tensor:
        return latent_BCHW * self.spread_C[:, None, None] + self.centre_C[:, None, None]

    def rebuild(self, images_BCHW: Tensor) -> Tensor:
        """uint8 images as the model draws them again, about 0..1."""
        x_BCHW = images_BCHW.float() / 127.5 - 1
        hint_BCHW = self.hint(x_BCHW)
        start_BCHW = self._scaled(self.autoencoder.encode(x_BCHW)[0])
        kept_B = self.kept_T[self.config.begin].expand(len(start_BCHW))

        def guess(x_BCHW: Tensor, level_B: Tensor) -> Tensor:
            clean_BCHW = self.denoiser(x_BCHW, level_B, hint_BCHW)
            return noise_of(x_BCHW, clean_BCHW.float(), self.kept_T[level_B[0]])

        levels = ddim_levels(self.config.steps, self.config.begin)
        x_BCHW = noised(start_BCHW, self.noise_1CHW, kept_B)
        rebuilt_BCHW = ddim(guess, x_BCHW, levels, self.kept_T)
        return (self.autoencoder.decode(self._unscaled(rebuilt_BCHW)).float() + 1) / 2

    def predict(self, images_BCHW: Tensor) -> RawPrediction:
        """One minus cosine of the features of image and rebuilt image, level by level."""
        theirs = self.extractor(images_BCHW)
        return RawPrediction(cosine_maps(theirs, self.extractor(self.rebuild(images_BCHW))))


def autoencoder_epochs(share: float, epochs: int) -> int:
    """Epochs of the first stage: its share, at least one, and one less than all at most."""
    return min(max(1, round(share * epochs)), epochs - 1)


def slow_ends(share: float) -> Schedule:
    """The initial rates, a tenth in the last fifth of either stage."""

    def factor(epoch: int, epochs: int) -> float:
        first = autoencoder_epochs(share, epochs)
        begin, end = (0, first) if epoch < first else (first, epochs)
        return 0.1 if epoch - begin >= (1 - SLOW_SHARE) * (end - begin) else 1.0

    return factor
