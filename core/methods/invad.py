"""InvAD: features rebuilt from a learned constant that the image reaches only as styles.

"Learning Feature Inversion for Multi-class Anomaly Detection under General-purpose COCO-AD
Benchmark", arXiv 2404.10760 (2024). Settings as in ADer's multi-class benchmark (arXiv 2406.03262):
256 px, Adam 4e-3 with betas (0, 0.99), rate x 0.1 at 80 % of the epochs, gradients clipped to 5,
batches of 32. Layers after StyleGAN2 (1912.04958) and StyleMapGAN (2104.14754).
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.inversion import STRIDE, InversionDecoder, StyleFuser
from core.layers.joint_cosine import joint_cosine_map
from core.layers.precision import full_precision
from core.layers.sizes import require_multiple
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method, steps
from core.types import MapRule, RawPrediction


class InvADConfig(Config):
    """Defaults: ADer's multi-class setting."""

    learning_rate: float = Field(default=4e-3, gt=0, description="learning rate of Adam")
    loss_weight: float = Field(default=1.0, gt=0, description="factor on the reconstruction loss")
    blocks: int = Field(
        default=2, ge=1, description="styled residual blocks in each of the decoder's three stages"
    )
    style_width: int = Field(
        default=64, ge=1, description="channels of the maps that summarise the image"
    )
    fusion_inner: int = Field(
        default=16, ge=1, description="channels inside the block that fuses the feature levels"
    )
    style_channels: int = Field(
        default=16, ge=1, description="channels to which a map is narrowed before it modulates"
    )


CARD = MethodCard(
    title="InvAD",
    paper="Learning Feature Inversion for Multi-class Anomaly Detection under General-purpose "
    "COCO-AD Benchmark",
    venue="arXiv",
    year=2024,
    arxiv="2404.10760",
    family="reconstruction",
    summary="Learns to grow the features of good images out of one fixed pattern, steered by a "
    "coarse summary of the image, and marks where the image's own features differ.",
    frozen="the backbone, three levels at strides 4, 8 and 16",
    trained="the fusion of the levels into style maps, the fixed pattern, and the decoder that "
    "grows it into the levels",
    parameters=70.77,
    deviations=(
        "Widths follow the backbone's own levels; with a Wide ResNet-50 they are the paper's.",
        "The fixed pattern has 1/16 of the run's side, so that sizes other than the paper's 256 px "
        "can be used.",
        "Training takes 100 epochs, as in ADer's benchmark; the paper's own setting is 300 (preset "
        "'paper').",
        "On CUDA, for speed, frozen features are computed in bfloat16 and kept in float16, and "
        "convolutions are trained in bfloat16; the paper's are float32, as losses and maps are "
        "here.",
    ),
)


@method("invad")
class InvAD(Method):
    """Frozen levels, style maps fused from them, a decoder; the map is one joint cosine."""

    Config: ClassVar[type[Config]] = InvADConfig
    card = CARD
    rule = MapRule(align_corners=True, sigma=4.0, score="max")
    backbone = "wide_resnet50_2.racm_in1k"
    levels = (4, 8, 16)
    batch_size = 32
    paper = Preset(epochs=300)

    def __init__(self, config: InvADConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(
            size, STRIDE, f"{self.card.title} grows maps from 1/16 of the image's side"
        )
        first, second, third = extractor.channels
        channels = (first, second, third)
        self.fuser = StyleFuser(channels, config.style_width, config.fusion_inner)
        self.decoder = InversionDecoder(
            channels, size // STRIDE, config.style_width, config.style_channels, config.blocks
        )

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate, betas=(0.0, 0.99))
        return Plan(optimizers=(adam,), clip_norm=5.0, schedule=steps(0.8))

    def rebuilt(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Levels of the same shapes, float32, shallow to deep."""
        return tuple(level.float() for level in self.decoder(self.fuser(features)))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of each level, summed over levels, times the loss weight."""
        rebuilt = self.rebuilt(batch.features)
        with full_precision(rebuilt[0].device):
            errors = [
                F.mse_loss(mine, theirs.float())
                for mine, theirs in zip(rebuilt, batch.features, strict=True)
            ]
            return {"error": self.config.loss_weight * torch.stack(errors).sum()}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus the cosine over the channels of all levels, at the first level's side."""
        return RawPrediction((joint_cosine_map(features, self.rebuilt(features)),))
