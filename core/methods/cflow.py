"""CFLOW-AD: how likely the features of every place are, by flows that know the place.

"CFLOW-AD: Real-Time Unsupervised Anomaly Detection with Localization via Conditional Normalizing
Flows", WACV 2022, arXiv 2107.12571. Settings as in ADer's multi-class benchmark (arXiv 2406.03262):
10 meta epochs of 10 epochs, Adam 2e-4 with warm-up and cosine, no clipping, batches of 32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.coupling import ConditionalFlow, log_likelihood
from core.layers.positions import position_code
from core.layers.precision import full_precision
from core.layers.rotation import rotated
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, Report, Schedule, method
from core.types import MapRule, RawPrediction

WARM_META_EPOCHS = 2
WARM_FROM = 0.1
"""Where warm-up begins, as a share of the learning rate."""
RATE_FLOOR = 1e-3
"""Where the cosine would end, likewise: 0.1 cubed."""
ROWS = 16_384
"""Vectors a pass when scoring: hidden activations stay within some hundred MB."""


class CFlowConfig(Config):
    """Defaults: ADer's multi-class setting."""

    blocks: int = Field(default=8, ge=1, description="coupling blocks a feature level")
    condition: int = Field(
        default=128, ge=4, multiple_of=4, description="length of the code of a place"
    )
    clamp: float = Field(
        default=1.9, gt=0, description="bound of a coupling's log-scale: how far it may stretch"
    )
    fibre: int = Field(
        default=256, ge=2, description="feature vectors an optimiser step, drawn from the batch"
    )
    learning_rate: float = Field(default=2e-4, gt=0, description="learning rate of Adam")
    meta_epochs: int = Field(
        default=10,
        ge=3,
        description="equal parts of the training; the learning rate follows them, warming up "
        "during the first two",
    )
    rotation: float = Field(
        default=0.0,
        ge=0,
        le=180,
        description="training images are turned by up to so many degrees (5 in the paper and in "
        "ADer); above 0 the backbone runs again on every image in every epoch",
    )


@method("cflow")
class CFlow(Method):
    """A conditional flow a feature level; the map is what the likelihoods fall short of."""

    Config = CFlowConfig
    card = MethodCard(
        title="CFLOW-AD",
        paper="CFLOW-AD: Real-Time Unsupervised Anomaly Detection with Localization via "
        "Conditional Normalizing Flows",
        venue="WACV",
        year=2022,
        arxiv="2107.12571",
        family="embedding",
        summary="Learns how likely the features of good images are at every place, and marks "
        "where an image's features are unlikely.",
        frozen="the backbone, three levels at strides 8, 16 and 32",
        trained="a conditional normalising flow of eight coupling blocks a level",
        parameters=81.65,
        deviations=(
            "Training images are not turned by up to 5 degrees, because frozen features are "
            "computed once and reused every epoch; the setting rotation = 5 turns them, at the "
            "cost of a pass of the backbone an epoch.",
            "With rotation on, images already at the run's size are turned on the device, "
            "bilinearly, because the run keeps no others.",
            "The highest likelihood of a level, beside which all others are judged, is that of the "
            "training images, not of the test images, so that an image's score does not depend on "
            "the others; more likely features count as that likely.",
            "The loss is that of the authors' code and of ADer, minus the log-sigmoid of the "
            "log-likelihood per channel, where the paper writes the log-likelihood itself.",
            "The map is minus the mean of the levels' likelihoods, the paper's the maximum minus "
            "their sum: a constant factor and a constant.",
            "The image score is the highest mean of 16 x 16 pixels, as ADer takes it; the paper "
            "takes the highest pixel.",
            "The learning rate warms up from epoch to epoch, not from step to step, because rates "
            "are planned by epoch; the mean rate is the same.",
            "Where a level of a batch has fewer vectors than a fibre, all of them make one fibre; "
            "the paper's code would not train there.",
            "On a GPU the frozen features are kept in float16; flows and likelihoods stay in "
            "float32.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=0.0, score="pool16", ader_score="pool16")
    backbone = "wide_resnet50_2.tv_in1k"
    levels = (8, 16, 32)
    batch_size = 32
    paper = Preset(
        settings={"meta_epochs": 25, "rotation": 5.0},
        epochs=200,
        note="The paper chooses the size of the images by class on the test set; here it is the "
        "run's.",
    )

    highest_L: Tensor
    """Of the log-likelihoods per channel of all training vectors, level by level."""

    def __init__(self, config: CFlowConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        if config.rotation:  # features of turned images cannot be kept
            object.__setattr__(self, "trains_on", "images")
        self.flows = nn.ModuleList(
            ConditionalFlow(channels, config.condition, config.blocks, config.clamp)
            for channels in extractor.channels
        )
        self.register_buffer("highest_L", torch.zeros(len(self.flows)))

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate)
        return Plan(optimizers=(adam,), schedule=_schedule(self.config.meta_epochs))

    def training_steps(self, batch: Batch) -> Iterator[dict[str, Tensor]]:
        """One step a fibre: 256 vectors of one level, drawn without replacement.

        What remains of the batch is dropped. The optimiser leaves the other levels' flows alone,
        as they get no gradient.
        """
        for flow, level_BCHW in zip(self.flows, self._training_features(batch), strict=True):
            rows_NC, places_PD = _vectors(level_BCHW), self._places(level_BCHW)
            order = torch.randperm(len(rows_NC)).to(rows_NC.device)
            fibre = min(self.config.fibre, len(order))
            for chosen in order[: len(order) // fibre * fibre].view(-1, fibre):
                with full_precision(rows_NC.device):
                    places_ND = places_PD[chosen % len(places_PD)]
                    likelihood_N = log_likelihood(*flow(rows_NC[chosen], places_ND))
                    loss = -F.logsigmoid(likelihood_N).mean()
                yield {"likelihood": loss}

    def _training_features(self, batch: Batch) -> tuple[Tensor, ...]:
        if batch.images_BCHW is None:
            return batch.features
        largest = self.config.rotation
        degrees_B = torch.empty(len(batch.images_BCHW)).uniform_(-largest, largest)
        features: tuple[Tensor, ...] = self.extractor(
            rotated(batch.images_BCHW.float() / 255, degrees_B)
        )
        return features

    def after_training(self, batches: Iterable[Batch], report: Report) -> None:
        """Find every level's highest likelihood among the training images, unturned."""
        highest_L = torch.full_like(self.highest_L, -math.inf)
        for batch in batches:
            pictures = batch.images_BCHW
            features = batch.features if pictures is None else self.extractor(pictures)
            maps = self._likelihoods(features)
            highest_L = highest_L.maximum(torch.stack([level_BHW.max() for level_BHW in maps]))
        self.highest_L.copy_(highest_L)

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """Minus the likelihood of every vector, as a share of its level's highest."""
        maps = self._likelihoods(features)
        return RawPrediction(
            tuple(
                -(level_BHW - highest).clamp(max=0).exp()
                for level_BHW, highest in zip(maps, self.highest_L, strict=True)
            )
        )

    def _likelihoods(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        """Log-likelihoods per channel. [B, H_l, W_l] each"""
        with full_precision(features[0].device):
            return [
                self._level(flow, level_BCHW)
                for flow, level_BCHW in zip(self.flows, features, strict=True)
            ]

    def _level(self, flow: nn.Module, level_BCHW: Tensor) -> Tensor:
        places_PD = self._places(level_BCHW)
        few = max(1, ROWS // len(places_PD))
        parts = [
            log_likelihood(*flow(_vectors(part_BCHW), places_PD.repeat(len(part_BCHW), 1)))
            for part_BCHW in torch.split(level_BCHW, few)
        ]
        return torch.cat(parts).view(len(level_BCHW), *level_BCHW.shape[2:])

    def _places(self, level_BCHW: Tensor) -> Tensor:
        height, width = level_BCHW.shape[2:]
        return position_code(self.config.condition, height, width, level_BCHW.device)


def _vectors(level_BCHW: Tensor) -> Tensor:
    """The level's feature vectors, image by image and row by row. [B * H * W, C]"""
    return level_BCHW.float().permute(0, 2, 3, 1).reshape(-1, level_BCHW.shape[1])


def _schedule(meta_epochs: int) -> Schedule:
    """Cosine over meta epochs, warmed up linearly during the first two.

    A meta epoch is that share of the run's epochs, however many there are: epoch e of E belongs
    to meta epoch floor(e M / E). Warm-up ends at the cosine's value after two meta epochs and is
    taken in the middle of each epoch.
    """

    def cosine(meta: float) -> float:
        return RATE_FLOOR + (1 - RATE_FLOOR) * (1 + math.cos(math.pi * meta / meta_epochs)) / 2

    def factor(epoch: int, epochs: int) -> float:
        meta = epoch * meta_epochs // epochs
        if meta >= WARM_META_EPOCHS:
            return cosine(meta)
        warm = min(1.0, (epoch + 0.5) * meta_epochs / (epochs * WARM_META_EPOCHS))
        return WARM_FROM + warm * (cosine(WARM_META_EPOCHS) - WARM_FROM)

    return factor
