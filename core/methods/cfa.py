"""CFA: a patch descriptor that draws normal features towards a memory of their mean places.

"CFA: Coupled-hypersphere-based Feature Adaptation for Target-Oriented Anomaly Localization",
IEEE Access 2022, arXiv 2206.04325. Settings as in ADer's multi-class benchmark
(arXiv 2406.03262): AdamW (amsgrad) 1e-3 with weight decay 5e-4, constant rate, no clipping,
batches of 4.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.errors import UsageError
from core.layers.coordinates import Levels, LevelsCoordConv
from core.layers.neighbour_distances import nearest_squared
from core.layers.precision import full_precision
from core.layers.weight_decay import decayed
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, Report, method
from core.types import MapRule, RawPrediction

RADIUS_AT_START = 1e-5
NEIGHBOURHOOD = 3
PAPERS_CHANNELS = 1792
DEVIATION = 0.5
"""Of narrow backbones' features, scaled: losses then start in the low thousands, as the paper's."""


class CFAConfig(Config):
    """Defaults: ADer's multi-class setting, which is the paper's."""

    neighbours: int = Field(
        default=3, ge=1, le=50, description="nearest memory entries a feature is drawn to"
    )
    negatives: int = Field(
        default=3, ge=0, le=50, description="next nearest entries it is kept away from"
    )
    margin: float = Field(
        default=0.1, ge=0, description="how far it may come inside those, squared distance"
    )
    softness: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="what both losses are divided by; smaller weighs them more",
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="learning rate of AdamW")


@method("cfa")
class CFA(Method):
    """Frozen neighbourhood means, a trained 1 x 1 CoordConv, a memory fixed before training."""

    Config = CFAConfig
    card = MethodCard(
        title="CFA",
        paper="CFA: Coupled-hypersphere-based Feature Adaptation for Target-Oriented Anomaly "
        "Localization",
        venue="IEEE Access",
        year=2022,
        arxiv="2206.04325",
        family="embedding",
        summary="Remembers the average look of good images at every place, learns a view in which "
        "good features gather around these memories, and marks what stays away from them.",
        frozen="the backbone, three levels at strides 4, 8 and 16, and the memory once it is built",
        trained="a linear patch descriptor that knows where it is, and the radius of the spheres",
        parameters=3.22,
        deviations=(
            "The memory holds, for each position, the mean of the initial descriptor over all "
            "training images; the paper clusters the first image and moves on by nearest "
            "neighbours, its code and ADer take this mean by default.",
            "With one model for several classes that mean runs over all of them, as in ADer, so "
            "that entries resemble no class; the published row is accordingly near chance.",
            "All images weigh the same in the mean; the code averages the means of batches, where "
            "images of a smaller last batch weigh more, and the result depended on the batch size.",
            "Features of backbones with fewer than 1,792 channels in all are scaled to deviation "
            "0.5, because some (EfficientNet-Lite0: 5) are so large that radius, margin and the "
            "softmin of distances, which are absolute, would hardly act.",
            "The memory is not compressed further (no clustering, no narrower descriptor), as by "
            "default in the original code.",
            "Maps are not stretched to 0..1 over the test set, which changes no ranking and would "
            "let one image's values depend on others.",
            "The image score is the highest mean over 16 x 16 px of the map, as ADer takes it; the "
            "paper takes the maximum.",
            "Images are resized to the run's size and seen whole; the paper crops 224 of 256 px, "
            "at random in training, which features computed once do not allow.",
            "Bias and radius are not decayed, as in ADer.",
            "On a GPU the frozen features are kept in float16; descriptor and distances stay in "
            "float32.",
            "The last epoch is kept; the paper reports the best on the test set.",
        ),
    )
    rule = MapRule(align_corners=False, sigma=4.0, score="pool16", ader_score="pool16")
    backbone = "wide_resnet50_2.tv_in1k"
    levels = (4, 8, 16)
    batch_size = 4
    paper = Preset(
        epochs=30,
        size=224,
        note="The original crops 224 of 256 px, at random in training, scores an image by the "
        "maximum of its map and keeps the epoch that is best on the test set.",
    )

    memory: Tensor
    """Centres of the spheres, a row a position, [positions, D]; zeros before training."""
    scale: Tensor
    """By which features are multiplied; 1 on wide backbones."""

    def __init__(self, config: CFAConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        side = -(-size // self.levels[0])
        wanted = config.neighbours + config.negatives
        if side * side < wanted:
            raise UsageError(
                f"CFA looks for {wanted} memory entries, but an image of {size} px has "
                f"{side * side} positions; lower neighbours or negatives, or raise --size."
            )
        width = sum(extractor.channels)
        self.descriptor = LevelsCoordConv(extractor.channels, width)
        self.radius = nn.Parameter(torch.tensor(RADIUS_AT_START))
        self.narrow = width < PAPERS_CHANNELS
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("memory", torch.zeros(side * side, width))

    def plan(self) -> Plan:
        adam = torch.optim.AdamW(
            decayed(self, 5e-4), lr=self.config.learning_rate, weight_decay=5e-4, amsgrad=True
        )
        return Plan(optimizers=(adam,))

    def before_training(self, batches: Iterable[Batch], report: Report) -> None:
        """Fill the memory with the untrained descriptor's mean over images.

        The descriptor is affine in the levels: the mean of its results is its result on the mean.
        """
        moments: list[tuple[Tensor, Tensor]] = []
        count = 0
        for batch in batches:
            new = [_moments(level) for level in batch.features]
            old = moments or [(torch.zeros_like(a), torch.zeros_like(b)) for a, b in new]
            moments = [(a + c, b + d) for (a, b), (c, d) in zip(old, new, strict=True)]
            count += len(batch.features[0])
        means = tuple((total / count).float() for total, _ in moments)
        if self.narrow:
            self.scale.copy_(DEVIATION / _deviation(moments, count))
        self.memory.copy_(self._described(means))

    def _described(self, features: Levels) -> Tensor:
        """The descriptor's vector at every position of every image, float32. [B * positions, D]"""
        with full_precision(features[0].device):
            pooled = tuple(
                F.avg_pool2d(
                    self.scale * level.float(), NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2
                )
                for level in features
            )
            described_BHWD: Tensor = self.descriptor(pooled)
        return described_BHWD.flatten(0, 2)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Into the spheres of the nearest entries, out of those of the next."""
        near, softness = self.config.neighbours, self.config.softness
        described_ND = self._described(batch.features)
        with full_precision(described_ND.device):
            distance_Nk = nearest_squared(described_ND, self.memory, near + self.config.negatives)
            area = self.radius.square()
            losses = {"attraction": (distance_Nk[:, :near] - area).clamp(min=0).mean() / softness}
            if self.config.negatives:
                inside_Nj = area - distance_Nk[:, near:] - self.config.margin
                losses["repulsion"] = inside_Nj.clamp(min=0).mean() / softness
        return losses

    def score(self, features: Levels) -> RawPrediction:
        """Distance to the nearest entry, times how clearly it is the nearest (softmin)."""
        described_ND = self._described(features)
        with full_precision(described_ND.device):
            distance_Nk = nearest_squared(described_ND, self.memory, self.config.neighbours).sqrt()
            certainty_N = (-distance_Nk).softmax(dim=1)[:, 0]
        height, width = features[0].shape[2:]
        return RawPrediction(((certainty_N * distance_Nk[:, 0]).view(-1, height, width),))


def _moments(level_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over images [1, C, H, W], and of squares over images and places [C], in float64."""
    wide_BCHW = level_BCHW.double()
    return wide_BCHW.sum(dim=0, keepdim=True), wide_BCHW.square().sum(dim=(0, 2, 3))


def _deviation(moments: list[tuple[Tensor, Tensor]], count: int) -> Tensor:
    """Root of the mean variance of all levels' channels over images and places."""
    variances = []
    for total_1CHW, squares_C in moments:
        mean_C = total_1CHW[0].mean(dim=(1, 2)) / count
        places = total_1CHW[0, 0].numel()
        variances.append(squares_C / (count * places) - mean_C.square())
    return torch.cat(variances).mean().clamp(min=1e-12).sqrt()
