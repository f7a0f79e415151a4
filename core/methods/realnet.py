"""RealNet: rebuild chosen features of altered images, and judge what could not be rebuilt.

"RealNet: A Feature Selection Network with Realistic Synthetic Anomaly for Anomaly Detection",
CVPR 2024, arXiv 2403.05897. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): Adam
1e-4, rate x 0.1 at 80 % of the epochs, no clipping, batches of 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.layers.blending import blend
from core.layers.feature_selection import FeatureSelection, Levels, ResidualSelection
from core.layers.perlin_masks import perlin_masks
from core.layers.pixel_judge import PixelJudge, resized
from core.layers.precision import full_precision
from core.layers.reconstruction_unet import GROUPS, ReconstructionUNet
from core.layers.sizes import require_multiple
from core.layers.textures import Textures, altered, describe, require_images
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, Report, method, steps
from core.methods.drawn import TexturedConfig
from core.types import MapRule, RawPrediction

SEE_THROUGH = 0.8
"""How much of the image may show through a texture, at most."""
SEE_THROUGH_WHOLE = 0.5
"""The same where whole anomalous images are blended in."""
PAPERS_CHANNELS = (256, 512, 512, 256)
RANKED_SHARE = 6
"""Either ranking of residuals keeps at most one in so many: 256 of 1,536 in the paper."""


class RealNetConfig(TexturedConfig):
    """Defaults: ADer's multi-class setting."""

    anomalies: str = Field(
        default="",
        description="folder of synthetic anomalous images of the same objects (the paper's come "
        "from a diffusion model), used instead of textures; empty: textures",
    )
    normal_share: float = Field(
        default=0.5, ge=0, lt=1, description="share of training images left as they are"
    )
    selected: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        default=PAPERS_CHANNELS,
        description="channels kept of the levels at strides 4, 8, 16 and 32; all where there are "
        "fewer",
    )
    selection_batches: int = Field(
        default=64,
        ge=1,
        description="least number of batches of drawn anomalies that channels are chosen on",
    )
    width_share: float = Field(
        default=0.5,
        gt=0,
        description="width of the networks that rebuild features, as a share of those",
    )
    multipliers: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4),
        min_length=1,
        description="widths of their stages, each at half the side of the one before",
    )
    blocks: int = Field(default=2, ge=1, description="residual blocks in each of their stages")
    residuals: int = Field(
        default=256,
        ge=1,
        description="residual channels kept by either ranking, at most a sixth of all",
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="learning rate of Adam")
    drop_at: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the epochs after which the learning rate is a tenth; 1: never",
    )


@method("realnet")
class RealNet(Method):
    """Chosen frozen features, a U-Net a level that makes them normal, a small judge of the rest."""

    Config = RealNetConfig
    card = MethodCard(
        title="RealNet",
        paper="RealNet: A Feature Selection Network with Realistic Synthetic Anomaly for Anomaly "
        "Detection",
        venue="CVPR",
        year=2024,
        arxiv="2403.05897",
        family="augmentation",
        summary="Draws defects into good images, learns to rebuild what a pretrained network "
        "would have seen without them, and learns to find them in the difference.",
        frozen="the backbone, four levels at strides 4 to 32, and the choice of their channels",
        trained="a U-Net for each level and a network that turns differences into the map",
        parameters=524.1,
        deviations=(
            "Anomalies are drawn with textures (DRAEM's operations on them), the original's own "
            "alternative, because the paper's anomalous images come from a diffusion model tuned "
            "on each data set; with such images in a folder, `anomalies` takes them instead.",
            "Anomalies are drawn anywhere in the image, as in ADer; the original keeps to the "
            "object where it has foreground masks of a class, which other data sets lack.",
            "With one model for several classes `anomalies` come from any of them, as in ADer.",
            "Channels are chosen on every training batch once, and on at least 64 draws, because "
            "the batches come in order; the paper takes 64 shuffled batches.",
            "Levels with fewer channels than the paper keeps are kept whole; U-Nets are half as "
            "wide as what they rebuild, rounded up to a multiple of 32, and either ranking of "
            "residuals keeps at most a sixth of them; with a Wide ResNet-50 all this is the "
            "paper's.",
            "Levels of such narrow backbones are divided by their root mean square over the "
            "training images, because large ones (EfficientNet-Lite0: up to 6) outweigh the loss "
            "of the map and take long to rebuild at the paper's rate.",
            "Levels whose side is no multiple of 4 are filled up at the border for the U-Nets; at "
            "256 px only the paper's sizes occur.",
            "On a GPU clean features are kept in float16 and networks run in bfloat16, for speed; "
            "differences, rankings and losses stay in float32.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
            "ADer's published row is no target: its pixel values come from 50 bins, which are "
            "unfair to maps as near to 0 and 1 as these, and its anomalies were blended in from "
            "images of any class.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=0.0, score="pool16", ader_score="pool16")
    trains_on = "both"
    backbone = "wide_resnet50_2.racm_in1k"
    levels = (4, 8, 16, 32)
    batch_size = 16
    paper = Preset(
        settings={"drop_at": 1.0},
        epochs=1000,
        note="The original draws anomalies from diffusion images of the class in half of the "
        "samples and keeps the epoch that is best on the test set.",
    )

    size_L: Tensor
    """Root mean square of each level, by which it is divided; 1 on wide backbones."""

    def __init__(self, config: RealNetConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(size, 32, "RealNet halves the image five times")
        setting = "anomalies" if config.anomalies else "textures"
        self.textures = Textures(getattr(config, setting), size, setting)
        channels = extractor.channels
        self.narrow = any(has < paper for has, paper in zip(channels, PAPERS_CHANNELS, strict=True))
        self.register_buffer("size_L", torch.ones(len(channels)))
        self.selection = FeatureSelection(channels, config.selected)
        self.rebuild = nn.ModuleList(
            ReconstructionUNet(count, _width(config, count), config.multipliers, config.blocks)
            for count in self.selection.counts
        )
        total = sum(self.selection.counts)
        ranked = max(1, min(config.residuals, total // RANKED_SHARE))
        self.residuals = ResidualSelection(total, ranked, ranked)
        self.judge = PixelJudge(2 * ranked)

    @classmethod
    def check(cls, settings: RealNetConfig) -> tuple[str, ...]:
        """Where anomalies come from."""
        if not settings.anomalies:
            return (
                "Anomalous images: drawn with textures, because no folder was given; the paper "
                "samples them from a diffusion model.",
                describe(settings.textures),
            )
        require_images(settings.anomalies, "anomalies")
        return (f"Anomalous images: blended in from {settings.anomalies}.",)

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate)
        return Plan(optimizers=(adam,), schedule=steps(self.config.drop_at))

    def before_training(self, batches: Iterable[Batch], report: Report) -> None:
        """Choose each level's channels on drawn anomalies (AFS); measure narrow levels."""
        squares = []
        for batch in self._drawn_batches(batches, report):
            assert batch.images_BCHW is not None
            images_BCHW, masks_B1HW = self._drawn(batch.images_BCHW)
            self.selection.add(batch.features, self.extractor(images_BCHW), masks_B1HW)
            squares.append(torch.stack([level.square().mean() for level in batch.features]))
        self.selection.settle()
        if self.narrow and squares:
            self.size_L.copy_(torch.stack(squares).mean(dim=0).sqrt().clamp(min=1e-6))

    def _chosen(self, features: Levels) -> Levels:
        """The chosen channels of each level, narrow backbones' brought to size 1."""
        pairs = zip(self.selection(features), self.size_L, strict=True)
        return tuple(level / size for level, size in pairs)

    def _drawn_batches(self, batches: Iterable[Batch], report: Report) -> Iterator[Batch]:
        """All of them; the same again and again where they are too few to choose by."""
        wanted, seen = self.config.selection_batches, 0
        held: list[Tensor] = []
        for seen, batch in enumerate(batches, start=1):
            assert batch.images_BCHW is not None
            held = [*held, batch.images_BCHW] if seen < wanted else []
            yield batch
        for again in range(wanted - seen if held else 0):
            report(again / wanted, "choosing channels")
            images_BCHW = held[again % len(held)]
            yield Batch(images_BCHW, self.extractor(images_BCHW))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Squared distance to the clean features, summed over levels; cross-entropy of the map."""
        assert batch.images_BCHW is not None
        clean = self._chosen(batch.features)
        seen, masks_B1HW = self._altered_half(batch.images_BCHW, clean)
        rebuilt = self._rebuilt(seen)
        logits_B2HW = self._logits(seen, rebuilt)
        with full_precision(logits_B2HW.device):
            pairs = zip(rebuilt, clean, strict=True)
            distances = [F.mse_loss(mine.float(), theirs) for mine, theirs in pairs]
            return {
                "rebuilding": torch.stack(distances).sum(),
                "mask": F.cross_entropy(logits_B2HW, masks_B1HW[:, 0].long()),
            }

    def _altered_half(self, images_BCHW: Tensor, clean: Levels) -> tuple[Levels, Tensor]:
        """Chosen features of the images, some altered, and where; the rest stays as it was."""
        device = images_BCHW.device
        masks_B1HW = torch.zeros_like(images_BCHW[:, :1], dtype=torch.bool)
        places = (torch.rand(len(images_BCHW)) >= self.config.normal_share).nonzero()[:, 0]
        if not len(places):
            return clean, masks_B1HW
        places = places.to(device)
        drawn_BCHW, masks_B1HW[places] = self._drawn(images_BCHW[places])
        new = self._chosen(self.extractor(drawn_BCHW))
        pairs = zip(clean, new, strict=True)
        return tuple(level.index_copy(0, places, some) for level, some in pairs), masks_B1HW

    def _drawn(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Images with anomalies drawn in, float32 in 0..1, and where, bool [B, 1, H, W]."""
        count, device = len(images_BCHW), images_BCHW.device
        masks_B1HW = perlin_masks(count, self.size, device)
        drawn_with = self.textures.draw(count, device)
        most = SEE_THROUGH_WHOLE
        if not self.config.anomalies:
            drawn_with, most = altered(drawn_with), SEE_THROUGH
        beta_B111 = most * torch.rand(count, 1, 1, 1, device=device)
        return blend(images_BCHW.float() / 255, drawn_with, masks_B1HW, beta_B111), masks_B1HW

    def _rebuilt(self, seen: Levels) -> Levels:
        return tuple(network(level) for network, level in zip(self.rebuild, seen, strict=True))

    def _logits(self, seen: Levels, rebuilt: Levels) -> Tensor:
        """Normal and anomalous, float32 [B, 2, size, size], from the squared differences."""
        side = (seen[0].shape[2], seen[0].shape[3])
        with full_precision(seen[0].device):
            pairs = zip(seen, rebuilt, strict=True)
            squared = [(theirs - mine.float()).square() for theirs, mine in pairs]
            residuals_BCHW = torch.cat([resized(level, side) for level in squared], dim=1)
        logits_B2HW = self.judge(self.residuals(residuals_BCHW))
        return resized(logits_B2HW.float(), (self.size, self.size))

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """The probability of an anomaly at every pixel."""
        seen = self._chosen(features)
        logits_B2HW = self._logits(seen, self._rebuilt(seen))
        return RawPrediction((logits_B2HW.softmax(dim=1)[:, 1],))


def _width(config: RealNetConfig, channels: int) -> int:
    """Of a U-Net: its share of the channels, in whole groups of the normalisation."""
    return GROUPS * max(1, -int(-config.width_share * channels // GROUPS))
