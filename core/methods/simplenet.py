"""SimpleNet: a discriminator between normal features and the same features with noise.

"SimpleNet: A Simple Network for Image Anomaly Detection and Localization", CVPR 2023,
arXiv 2303.15140. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): 256 px, AdamW
1e-4 for the adaptor, Adam 2e-4 for the discriminator, constant rates, gradients clipped to 5,
batches of 32.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.patches import patch_dimension, patch_features
from core.layers.precision import full_precision
from core.methods.base import Batch, Method, MethodCard, Plan, method
from core.types import MapRule, RawPrediction


class SimpleNetConfig(Config):
    """Defaults: ADer's multi-class setting."""

    noise: float = Field(
        default=0.015, gt=0, description="standard deviation of the noise added to features"
    )
    relative_noise: float = Field(
        default=0.3,
        gt=0,
        description="the same on narrow backbones, as a share of the features' own deviation",
    )
    margin: float = Field(default=0.5, gt=0, description="score each side has to reach")
    hidden: int = Field(default=1024, ge=8, description="width of the discriminator")
    dimension: int = Field(
        default=1536, ge=8, multiple_of=2, description="length of a patch vector"
    )
    adaptor_rate: float = Field(default=1e-4, gt=0, description="learning rate of the adaptor")
    discriminator_rate: float = Field(
        default=2e-4, gt=0, description="learning rate of the discriminator"
    )


@method("simplenet")
class SimpleNet(Method):
    """Linear adaptor and a small discriminator over frozen patch features."""

    Config = SimpleNetConfig
    card = MethodCard(
        title="SimpleNet",
        paper="SimpleNet: A Simple Network for Image Anomaly Detection and Localization",
        venue="CVPR",
        year=2023,
        arxiv="2303.15140",
        family="augmentation",
        summary="Learns to tell features of good images from the same features with a little "
        "noise, and marks what looks like noise to it.",
        frozen="the backbone, up to its second and third level (strides 8 and 16)",
        trained="a linear adaptor and a two-layer discriminator",
        note="Its maps swing by several points from one epoch to the next, here as in ADer's log.",
        deviations=(
            "On a backbone with fewer than 1,536 channels at strides 8 and 16 the means of the "
            "3 x 3 neighbourhoods are joined as they are; adaptor and discriminator are as wide "
            "as that. Their values are of another size than the paper's (EfficientNet-Lite0: "
            "deviation 4), beside which its noise of 0.015 cannot be seen; there features are "
            "scaled to deviation 1 and the noise is a share of it.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
            "The image score is the maximum of the smoothed map, as ADer takes it; the paper "
            "takes the highest patch.",
        ),
    )
    rule = MapRule(align_corners=False, sigma=4.0, score="max")
    backbone = "wide_resnet50_2.tv_in1k"
    levels = (8, 16)
    batch_size = 32

    deviation: Tensor
    """Of the features, over which they are divided; 1 on wide backbones, 0 = not yet known."""

    def __init__(self, config: SimpleNetConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        self.dimension = patch_dimension(extractor.channels, config.dimension)
        width = self.dimension or sum(extractor.channels)
        self.adaptor = nn.Linear(width, width)
        self.discriminator = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(config.hidden, 1, bias=False),
        )
        self.noise = config.noise if self.dimension else config.relative_noise
        self.register_buffer("deviation", torch.tensor(1.0 if self.dimension else 0.0))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)

    def plan(self) -> Plan:
        adaptor = torch.optim.AdamW(
            self.adaptor.parameters(), lr=self.config.adaptor_rate, weight_decay=0.01
        )
        discriminator = torch.optim.Adam(
            self.discriminator.parameters(), lr=self.config.discriminator_rate, weight_decay=1e-5
        )
        return Plan(optimizers=(adaptor, discriminator), clip_norm=5.0)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Hinge losses on true and on noisy features, one pass over both (section 3.4)."""
        patches_ND = self._learn_scale(patch_features(batch.features, self.dimension).flatten(0, 2))
        with full_precision(patches_ND.device):  # bf16 would round the noise away
            true_ND = self.adaptor(patches_ND)
            noisy_ND = true_ND + self.noise * torch.randn_like(true_ND)
            true_N, noisy_N = self.discriminator(torch.cat([true_ND, noisy_ND])).chunk(2)
        margin = self.config.margin
        return {
            "normal": (margin - true_N).clamp(min=0).mean(),
            "noisy": (margin + noisy_N).clamp(min=0).mean(),
        }

    def _learn_scale(self, patches_ND: Tensor) -> Tensor:
        """The patches scaled; the first batch ever seen sets by how much."""
        measured = patches_ND.var(dim=0).mean().sqrt()
        self.deviation.copy_(torch.where(self.deviation > 0, self.deviation, measured))
        return self._scaled(patches_ND)

    def _scaled(self, patches_ND: Tensor) -> Tensor:
        return patches_ND / torch.where(self.deviation > 0, self.deviation, 1.0)

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """The discriminator's score, negated, at every patch."""
        patches_BHWD = patch_features(features, self.dimension)
        score_N1 = self.discriminator(self.adaptor(self._scaled(patches_BHWD.flatten(0, 2))))
        return RawPrediction((-score_N1.view(patches_BHWD.shape[:3]),))
