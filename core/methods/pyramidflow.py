"""PyramidFlow: how far an image's latent pyramid lies from the mean one of good images.

"PyramidFlow: High-Resolution Defect Contrastive Localization using Pyramid Normalizing Flow",
CVPR 2023, arXiv 2303.02595. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): four
levels, four stacks, Adam 2e-4 with betas (0.5, 0.9) and epsilon 1e-4, rate x 0.1 at 80 % of the
epochs, gradients clipped to 5, batches of 2.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from pydantic import Field, field_validator
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.errors import UsageError
from core.layers.precision import full_precision
from core.layers.pyramid_flow import Levels, Normalisation, PyramidFlow, compose
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, Report, method, steps
from core.types import MapRule, RawPrediction


class PyramidFlowConfig(Config):
    """Defaults: ADer's multi-class setting."""

    pyramid_levels: int = Field(
        default=4, ge=2, le=8, description="levels of the pyramid, each of half the side"
    )
    stacks: int = Field(default=4, ge=1, description="times that every level is altered")
    kernel: int = Field(default=7, ge=1, description="side of the convolutions, an odd number")
    normalisation: Normalisation = Field(
        default="channel",
        description="what log-scales lose their mean over: the channels of a place, or the "
        "places of a channel",
    )
    learning_rate: float = Field(default=2e-4, gt=0, description="learning rate of Adam")
    drop_at: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the epochs after which the learning rate is a tenth; 1 = never",
    )
    clip_norm: float = Field(
        default=5.0, gt=0, description="largest norm of the gradients of a step"
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("expected an odd number")
        return kernel


@method("pyramidflow")
class PyramidFlowMethod(Method):
    """A flow that brings good images together, and their mean; the map is the distance from it."""

    Config = PyramidFlowConfig
    card = MethodCard(
        title="PyramidFlow",
        paper="PyramidFlow: High-Resolution Defect Contrastive Localization using Pyramid "
        "Normalizing Flow",
        venue="CVPR",
        year=2023,
        arxiv="2303.02595",
        family="embedding",
        summary="Learns a description of images in which good ones are alike at every scale, and "
        "marks where an image differs from the average good one.",
        frozen="the backbone up to its level at stride 4",
        trained="a volume-preserving flow on that level's Laplacian pyramid",
        parameters=22.61,
        deviations=(
            "The default size is the run's 256 pixels instead of 1,024, so that it compares with "
            "the other methods and runs on common machines; the map has a quarter of the run's "
            "side and is enlarged bilinearly.",
            "Widths follow the backbone's level at stride 4; with a ResNet-18 they are the "
            "paper's.",
            "Images are not flipped or turned, because frozen features are computed once; the "
            "paper's code does so for textures.",
            "Four pyramid levels and normalisation over channels serve all classes, as in ADer; "
            "the paper's code chooses both by class.",
            "In a run with one model for all classes, pairs may be of two classes and one template "
            "serves all, as in ADer; the paper trains one model a class.",
            "On the coarsest level log-scales are normalised after thinning, not before: the same "
            "over channels, and over places the only order that preserves volume.",
            "A batch of one image is paired with itself: nothing is learned from it, and only the "
            "template is.",
            "On a GPU frozen features are kept in float16 and convolutions of the couplings run in "
            "bfloat16 in training, for speed; all else is float32.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
        ),
    )
    rule = MapRule(align_corners=False, sigma=0.0, score="max")
    backbone = "resnet18.tv_in1k"
    levels = (4,)
    batch_size = 2
    paper = Preset(
        settings={"drop_at": 1.0, "clip_norm": 1.0},
        epochs=15,
        size=1024,
        note="The paper's code flips and turns textures in training and chooses the pyramid's "
        "levels and the normalisation by class; here they are the same for all.",
    )

    def __init__(self, config: PyramidFlowConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        (stride,) = self.levels
        halved = stride * 2 ** (config.pyramid_levels - 1)
        if size % halved:
            raise UsageError(
                f"PyramidFlow halves the image {halved.bit_length() - 1} times with "
                f"{config.pyramid_levels} pyramid levels; --size came as {size}, expected a "
                f"multiple of {halved}."
            )
        (channels,) = extractor.channels
        self.flow = PyramidFlow(
            channels,
            size // stride,
            config.pyramid_levels,
            config.stacks,
            config.kernel,
            config.normalisation,
        )
        for index, side in enumerate(self.flow.sides):
            self.register_buffer(f"template_{index}", torch.zeros(channels, side, side))

    def _template(self) -> Levels:
        return tuple(self.get_buffer(f"template_{index}") for index in range(len(self.flow.sides)))

    def plan(self) -> Plan:
        adam = torch.optim.Adam(
            self.parameters(),
            lr=self.config.learning_rate,
            betas=(0.5, 0.9),
            eps=1e-4,
            weight_decay=1e-5,
        )
        return Plan(
            optimizers=(adam,),
            clip_norm=self.config.clip_norm,
            schedule=steps(self.config.drop_at),
        )

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Mean amplitude of the spectrum of how pairs of the batch differ."""
        (level_BCHW,) = batch.features
        latent = self.flow(level_BCHW)
        one, other = _pairs(len(level_BCHW))
        with full_precision(level_BCHW.device):
            squares = (
                (level[one.to(level.device)] - level[other.to(level.device)]).square()
                for level in latent
            )
            spectrum = torch.fft.fft2(_joined(squares))
            return {"difference": spectrum.abs().mean()}

    def after_training(self, batches: Iterable[Batch], report: Report) -> None:
        """The template: the mean latent pyramid of all training images."""
        template = self._template()
        sums = [torch.zeros_like(level, dtype=torch.float64) for level in template]
        count = 0
        for batch in batches:
            (level_BCHW,) = batch.features
            for total, latent in zip(sums, self.flow(level_BCHW), strict=True):
                total += latent.sum(dim=0, dtype=torch.float64)
            count += len(level_BCHW)
        for level, total in zip(template, sums, strict=True):
            level.copy_(total / count)

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """Distance from the template, level by level, composed to one map."""
        (level_BCHW,) = features
        latent = self.flow(level_BCHW)
        with full_precision(level_BCHW.device):
            return RawPrediction(
                (
                    _joined(
                        (level - mean).abs()
                        for level, mean in zip(latent, self._template(), strict=True)
                    ),
                )
            )


def _joined(levels: Iterable[Tensor]) -> Tensor:
    """A pyramid composed, and the mean over channels taken. [B, H, W]

    Composing is linear and treats channels alike, so the mean may come first.
    """
    return compose(tuple(level.mean(dim=1, keepdim=True) for level in levels))[:, 0]


def _pairs(count: int) -> tuple[Tensor, Tensor]:
    """Places of every pair in a batch; a lone image is paired with itself."""
    if count == 1:
        return torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    one, other = torch.triu_indices(count, count, offset=1)
    return one, other
