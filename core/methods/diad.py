"""DiAD: Stable Diffusion rebuilds the image, guided by it, and what it changes is anomalous.

"A Diffusion-Based Framework for Multi-Class Anomaly Detection", AAAI 2024, arXiv 2312.06607, from
Stable Diffusion v1.5 (arXiv 2112.10752), whose weights a folder has to hold. AdamW 1e-5, constant,
no clipping, batches of 12, as in the paper; ADer (arXiv 2406.03262) published a row but no setting.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.diffusion import LEVELS, ddim, ddim_levels, kept_shares, noised
from core.layers.distances import cosine_maps
from core.layers.precision import full_precision
from core.layers.semantic_guidance import SemanticGuidance
from core.layers.sizes import require_multiple
from core.layers.stable_diffusion import Autoencoder, Decoder, Encoder, checksum, opened, require
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method
from core.types import MapRule, RawPrediction

SUM = "frozen_sum"


class DiADConfig(Config):
    """Defaults: the paper's."""

    weights_folder: str = Field(
        default="",
        description="folder with Stable Diffusion v1.5 in diffusers' layout: unet, vae, "
        "text_encoder and tokenizer",
    )
    autoencoder: str = Field(
        default="",
        description="folder with an autoencoder fine-tuned on good images, in diffusers' layout; "
        "empty: the folder's own vae",
    )
    steps: int = Field(default=10, ge=1, le=100, description="denoising steps an image")
    begin: int = Field(
        default=LEVELS - 1,
        ge=100,
        lt=LEVELS,
        description="level of noise that rebuilding begins at; 999: hardly anything is left",
    )
    learning_rate: float = Field(default=1e-5, gt=0, description="learning rate of AdamW")


@method("diad")
class DiAD(Method):
    """Frozen autoencoder and way down, trained guidance and way up, in latents at stride 8."""

    Config = DiADConfig
    card = MethodCard(
        title="DiAD",
        paper="A Diffusion-Based Framework for Multi-Class Anomaly Detection",
        venue="AAAI",
        year=2024,
        arxiv="2312.06607",
        family="reconstruction",
        summary="Lets a large image generator, guided by the image, draw it again as a good one, "
        "and marks what a pretrained network sees differently in the two.",
        frozen="Stable Diffusion's autoencoder, text encoder (of an empty prompt), way down and "
        "middle; the backbone, three levels at strides 4, 8 and 16",
        trained="the semantic-guided network and Stable Diffusion's way up",
        parameters=977.8,
        note="Rests on what Stable Diffusion has learned: with other weights in its folder the "
        "maps say nothing.",
        deviations=(
            "The autoencoder is Stable Diffusion's own, because fine-tuning it on the good images "
            "(with a perceptual loss and a discriminator) is a training of its own; a fine-tuned "
            "one in a folder, `autoencoder`, takes its place.",
            "Images enter the autoencoder in -1..1, which it was trained with; the original "
            "normalises them as for the backbone, which only its fine-tuned one knows.",
            "The fusion blocks take the features of the stage before as they are. In the original "
            "code these pass layers that start at zero into others that start at zero, so that "
            "neither ever gets a gradient and nothing is fused.",
            "Layers that start at zero are built only for the features that are guided; the "
            "original has them, unused, for the others too.",
            "Every batch of 12 is a step; the paper gathers the gradients of four. A batch size "
            "of 48 does the same where memory allows.",
            "The guidance by a factor of 9 is left out: both of its terms are the same network on "
            "the same input, so that it changes nothing.",
            "Prediction noises the mean of the latents, with the same noise for every image, so "
            "that an image's map does not depend on chance; the original draws both.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
            "The map is the mean over levels, the paper's the sum: a constant factor.",
            "ADer published a row without model, settings or log; image scores beside it are "
            "taken as in the paper.",
            "On a GPU the networks train in bfloat16, for speed; the autoencoder and losses stay "
            "in float32.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=5.0, score="pool8times8", ader_score="pool8times8")
    trains_on = "images"
    backbone = "resnet50.a1_in1k"
    levels = (4, 8, 16)
    batch_size = 12
    paper = Preset(
        epochs=1000,
        note="The paper, too, trains one model for all classes; it fine-tunes the autoencoder "
        "first and gathers the gradients of four batches a step.",
    )

    prompt_1LD: Tensor
    kept_T: Tensor
    noise_1CHW: Tensor
    frozen_sum: Tensor

    def __init__(self, config: DiADConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        parts = opened(config.weights_folder, config.autoencoder)
        halvings = (parts.autoencoder.stride.bit_length() - 1) + (
            len(parts.unet.config.block_out_channels) - 1
        )
        require_multiple(size, 2**halvings, f"DiAD halves the image {halvings} times")
        frozen, self.guidance, self.decoder = divided(parts.unet, parts.autoencoder.stride)
        # Kept out of the module tree, so that they are neither trained nor saved.
        object.__setattr__(self, "frozen", nn.ModuleList([parts.autoencoder, frozen]).eval())
        side = size // parts.autoencoder.stride
        still = torch.Generator().manual_seed(0)
        channels = int(parts.unet.config.in_channels)
        self.register_buffer("noise_1CHW", torch.randn(1, channels, side, side, generator=still))
        self.register_buffer("prompt_1LD", parts.prompt_1LD, persistent=False)
        self.register_buffer("kept_T", kept_shares(), persistent=False)
        self.register_buffer(SUM, checksum([parts.autoencoder, frozen]))

    frozen: nn.ModuleList

    @property
    def autoencoder(self) -> Autoencoder:
        part = self.frozen[0]
        assert isinstance(part, Autoencoder)
        return part

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves of the method take its frozen parts along."""
        self.frozen._apply(fn)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Refuses a model that was trained with other frozen weights."""
        held = state.get(prefix + SUM)
        if held is not None and int(held) != int(self.frozen_sum):
            errors: list[str] = rest[-1]
            errors.append(
                "it was trained with other weights of Stable Diffusion than those in "
                f"{self.config.weights_folder}"
            )
        super()._load_from_state_dict(state, prefix, *rest)

    @classmethod
    def check(cls, settings: DiADConfig) -> tuple[str, ...]:
        """Where the weights come from."""
        root = require(settings.weights_folder, settings.autoencoder)
        own = settings.autoencoder or "Stable Diffusion's own, not fine-tuned"
        return (f"Stable Diffusion: from {root}.", f"Autoencoder: {own}.")

    def plan(self) -> Plan:
        adam = torch.optim.AdamW(self.parameters(), lr=self.config.learning_rate)
        return Plan(optimizers=(adam,))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the noise at a random level (section 3.2)."""
        assert batch.images_BCHW is not None
        images_BCHW = batch.images_BCHW
        level_B = torch.randint(LEVELS, (len(images_BCHW),)).to(images_BCHW.device)
        with torch.no_grad():
            start_BCHW = self.autoencoder.encode(symmetric(images_BCHW), draw=True)
        noise_BCHW = torch.randn_like(start_BCHW)
        x_BCHW = noised(start_BCHW, noise_BCHW, self.kept_T[level_B])
        guess_BCHW = self._noise(x_BCHW, level_B, self.extractor.normalised(images_BCHW))
        with full_precision(images_BCHW.device):
            return {"noise": F.mse_loss(guess_BCHW.float(), noise_BCHW)}

    def _noise(self, x_BCHW: Tensor, level_B: Tensor, hint_BCHW: Tensor) -> Tensor:
        """The noise in x_t, as the guided network sees it."""
        with torch.no_grad():
            way = self.frozen[1](x_BCHW, level_B, self.prompt_1LD)
        guided = self.guidance(way, x_BCHW, level_B, self.prompt_1LD, hint_BCHW)
        noise_BCHW: Tensor = self.decoder(guided, self.prompt_1LD)
        return noise_BCHW

    def rebuild(self, images_BCHW: Tensor) -> Tensor:
        """The images as the generator draws them again, about 0..1."""
        hint_BCHW = self.extractor.normalised(images_BCHW)
        start_BCHW = self.autoencoder.encode(symmetric(images_BCHW), draw=False)
        kept_B = self.kept_T[self.config.begin].expand(len(images_BCHW))
        x_BCHW = noised(start_BCHW, self.noise_1CHW, kept_B)
        levels = ddim_levels(self.config.steps, self.config.begin)
        rebuilt_BCHW = ddim(
            lambda x_BCHW, level_B: self._noise(x_BCHW, level_B, hint_BCHW),
            x_BCHW,
            levels,
            self.kept_T,
        )
        return (self.autoencoder.decode(rebuilt_BCHW) + 1) / 2

    def predict(self, images_BCHW: Tensor) -> RawPrediction:
        """One minus cosine of the features of image and rebuilt image (section 3.4)."""
        theirs = self.extractor(images_BCHW)
        return RawPrediction(cosine_maps(theirs, self.extractor(self.rebuild(images_BCHW))))


def divided(unet: Any, stride: int) -> tuple[Encoder, SemanticGuidance, Decoder]:
    """Diffusers' U-Net as DiAD uses it: frozen way down, guidance, way up to be trained."""
    frozen, settings = Encoder(unet), unet.config
    widths, blocks = tuple(settings.block_out_channels), int(settings.layers_per_block)
    mine = copy.deepcopy(frozen).requires_grad_(True)
    guidance = SemanticGuidance(mine, widths, blocks, halvings=stride.bit_length() - 1)
    return frozen.requires_grad_(False).eval(), guidance, Decoder(unet).requires_grad_(True)


def symmetric(images_BCHW: Tensor) -> Tensor:
    """uint8 as float32 in -1..1."""
    return images_BCHW.float() / 127.5 - 1
