"""DeSTSeg: a student that sees past drawn anomalies, and a network that marks where it does.

"DeSTSeg: Segmentation Guided Denoising Student-Teacher for Anomaly Detection", CVPR 2023,
arXiv 2211.11317. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): SGD with momentum
0.9 and decay 1e-4, rates 0.4 (student), 0.1 (residual blocks) and 0.01 (head), constant; gradients
clipped to 5, batches of 32; the student learns in the first fifth of the epochs, the segmentation
in the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from core.backbones import networks
from core.backbones.features import FeatureExtractor
from core.errors import UsageError
from core.layers.blending import blend
from core.layers.denoising_student import (
    Segmentation,
    Student,
    agreement,
    denoising_loss,
    small_masks,
)
from core.layers.focal import sigmoid_focal
from core.layers.norms import set_momentum
from core.layers.perlin_masks import perlin_masks
from core.layers.precision import full_precision
from core.layers.textures import Textures, describe
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method
from core.methods.drawn import LARGEST_BETA, DrawnConfig
from core.types import MapRule, RawPrediction

DEEPEST = 32
"""Stride of the student's encoder."""


class DeSTSegConfig(DrawnConfig):
    """Defaults: ADer's multi-class setting."""

    student_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of the epochs in which the student learns"
    )
    width: int = Field(default=256, ge=4, description="width of the segmentation network")
    student_rate: float = Field(default=0.4, gt=0, description="learning rate of the student")
    blocks_rate: float = Field(
        default=0.1, gt=0, description="learning rate of the segmentation's residual blocks"
    )
    head_rate: float = Field(
        default=0.01, gt=0, description="learning rate of the segmentation's head"
    )


@method("destseg")
class DeSTSeg(Method):
    """Frozen teacher, denoising student, segmentation of where they agree."""

    Config = DeSTSegConfig
    card = MethodCard(
        title="DeSTSeg",
        paper="DeSTSeg: Segmentation Guided Denoising Student-Teacher for Anomaly Detection",
        venue="CVPR",
        year=2023,
        arxiv="2211.11317",
        family="hybrid",
        summary="Paints artificial flaws on good images, teaches a second network to see past "
        "them, and learns from where it differs from a pretrained one how flaws look.",
        frozen="the backbone (teacher), three levels at strides 4, 8 and 16",
        trained="a denoising student with encoder and decoder, and a segmentation network",
        parameters=32.37,
        note="Learns from drawn flaws: short trainings carry over to real ones only in part.",
        deviations=(
            "Without a folder of textures they are generated; the paper takes DTD's photographs, "
            "which do not come with this program.",
            "Widths of student and segmentation follow the backbone's own levels; with a "
            "ResNet-18 they are the paper's.",
            "Training images are not turned, as in ADer; the paper turns those of classes whose "
            "objects lie in any direction.",
            "The last epoch is kept, as ADer does.",
            "Colours are in the order RGB, as in the paper; ADer reads BGR but takes the means "
            "and deviations of RGB.",
            "The two stages share the epochs one to four, as in ADer; the paper counts 1,000 and "
            "4,000 steps, the same shares. With a single epoch each batch serves both.",
            "Gradients are clipped to 5, as in ADer; the preset of the paper does not clip.",
            "The image score is the highest value of the map, as ADer takes it; the paper takes "
            "the mean of the 100 highest of its 4,096.",
            "A batch of one image takes running statistics in the norm after the image's mean, "
            "where the paper's network could not train on it.",
        ),
    )
    rule = MapRule(align_corners=False, sigma=0.0, score="max", ader_score="max")
    trains_on = "both"
    backbone = "resnet18.tv_in1k"
    levels = (4, 8, 16)
    batch_size = 32
    paper = Preset(
        settings={"clip_norm": 0.0},
        epochs=700,
        batch_size=32,
        note="The paper trains for 5,000 steps a class, which are about 700 epochs of a class of "
        "MVTec AD, and turns the images of some classes.",
    )

    def __init__(self, config: DeSTSegConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        if size < 2 * DEEPEST:
            raise UsageError(
                f"DeSTSeg looks at a {DEEPEST}-th of the image's side; --size came as {size}, "
                f"expected {2 * DEEPEST} or more."
            )
        encoder: Any = networks.network(extractor.weights.architecture, (DEEPEST,))
        (deepest,) = encoder.feature_info.channels()
        self.textures = Textures(config.textures, size)
        self.student = Student(encoder, int(deepest), extractor.channels)
        self.segmentation = Segmentation(sum(extractor.channels), config.width)
        set_momentum(self, config.momentum)
        self.stages = frozenset(("student", "segmentation"))

    @classmethod
    def check(cls, settings: Any) -> tuple[str, ...]:
        return (describe(settings.textures),)

    def plan(self) -> Plan:
        parts = self.segmentation
        groups = [
            {"params": list(parts.blocks.parameters()), "lr": self.config.blocks_rate},
            {"params": list(parts.head.parameters()), "lr": self.config.head_rate},
        ]
        student = torch.optim.SGD(
            self.student.parameters(), self.config.student_rate, momentum=0.9, weight_decay=1e-4
        )
        segmentation = torch.optim.SGD(groups, momentum=0.9, weight_decay=1e-4)
        clip_norm = self.config.clip_norm or None
        return Plan(optimizers=(student, segmentation), clip_norm=clip_norm)

    def on_epoch(self, epoch: int, epochs: int) -> None:
        """The student's epochs come first; both have at least one, a single epoch serves both."""
        first = min(max(1, round(self.config.student_share * epochs)), epochs - 1)
        if epochs == 1:
            self.stages = frozenset(("student", "segmentation"))
        else:
            self.stages = frozenset(("student",) if epoch < first else ("segmentation",))

    def training_steps(self, batch: Batch) -> Iterator[dict[str, Tensor]]:
        """The losses of the stages that the epoch is in."""
        assert batch.images_BCHW is not None
        spoilt_BCHW, masks_B1HW = self.draw(batch.images_BCHW)
        if "student" in self.stages:
            self.student.train()
            rebuilt = self._rebuilt(spoilt_BCHW, batch.features)
            yield {"denoising": denoising_loss(batch.features, rebuilt)}
        if "segmentation" in self.stages:
            self.student.eval()
            with torch.no_grad():
                theirs = self.extractor(spoilt_BCHW)
                seen_BCHW = agreement(theirs, self._rebuilt(spoilt_BCHW, theirs))
            logits_B1HW = self.segmentation(seen_BCHW).float()
            targets_B1HW = small_masks(masks_B1HW, logits_B1HW.shape[2:])
            yield {
                "focal": sigmoid_focal(logits_B1HW, targets_B1HW),
                "absolute": (torch.sigmoid(logits_B1HW) - targets_B1HW).abs().mean(),
            }

    def train(self, mode: bool = True) -> DeSTSeg:
        """The student's statistics stand still once it has learnt."""
        super().train(mode)
        if self.stages == {"segmentation"}:
            self.student.eval()
        return self

    @torch.no_grad()
    def draw(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Anomalies on every one of these uint8 images.

        Returns:
            spoilt images float32 [B, 3, H, W] in 0..1, and bool masks [B, 1, H, W].
        """
        count, device = len(images_BCHW), images_BCHW.device
        with full_precision(device):
            masks_B1HW = perlin_masks(count, self.size, device)
            beta_B111 = LARGEST_BETA * torch.rand(count, 1, 1, 1, device=device)
            textures_BCHW = self.textures.draw(count, device)
            spoilt_BCHW = blend(images_BCHW.float() / 255, textures_BCHW, masks_B1HW, beta_B111)
        return spoilt_BCHW, masks_B1HW

    def _rebuilt(self, images_BCHW: Tensor, theirs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The student's view of images, as large as the teacher's levels."""
        sides = tuple((level.shape[2], level.shape[3]) for level in theirs)
        x_BCHW = self.extractor.normalised(images_BCHW).to(memory_format=torch.channels_last)
        rebuilt: tuple[Tensor, ...] = self.student(x_BCHW, sides)
        return rebuilt

    def predict(self, images_BCHW: Tensor) -> RawPrediction:
        """Probability of an anomaly at the first level's resolution; one image in both branches."""
        theirs = self.extractor(images_BCHW)
        seen_BCHW = agreement(theirs, self._rebuilt(images_BCHW, theirs))
        return RawPrediction((torch.sigmoid(self.segmentation(seen_BCHW).float())[:, 0],))
