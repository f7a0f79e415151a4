"""RD++: reverse distillation whose student sees projected features, taught to ignore noise.

"Revisiting Reverse Distillation for Anomaly Detection", CVPR 2023. Settings as in ADer's
multi-class benchmark (arXiv 2406.03262): Adam with betas (0.5, 0.999), 1e-3 for the projections,
5e-3 for embedding and decoder, constant rates, gradients clipped to 5, batches of 16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.distances import Levels, cosine_maps, flat_cosine
from core.layers.precision import full_precision
from core.layers.projection import Projections
from core.layers.reverse_distillation import Decoder, OneClassEmbedding, initialise
from core.layers.simplex import octaves, tables
from core.layers.sinkhorn import sinkhorn_divergence
from core.layers.sizes import require_multiple
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method
from core.types import MapRule, RawPrediction

SHORTEST, LONGEST = 10, 31
"""Sides of the rectangle that gets noise, pixels."""
REBUILD, CONTRAST = 0.01, 0.1
"""Weights of the projections' losses beside the transport term's 1."""
MARGIN = 0.5
"""Cosine up to which projected and noisy features count as different."""


class RDPPConfig(Config):
    """Defaults: ADer's multi-class setting."""

    learning_rate: float = Field(
        default=5e-3, gt=0, description="learning rate of embedding and decoder"
    )
    projection_rate: float = Field(
        default=1e-3, gt=0, description="learning rate of the projections"
    )
    noise: float = Field(
        default=0.2, gt=0, description="strength of the noise, as a share of white minus black"
    )
    projection_weight: float = Field(
        default=0.2, ge=0, description="weight of the projections' losses"
    )
    transport_weight: float = Field(
        default=0.0,
        ge=0,
        description="weight of the distance between the projected pixels of pairs of good images; "
        "0 as in the published code, where that term vanishes, 1 as the paper means it",
    )
    transport_points: int = Field(
        default=256, ge=8, description="pixels of a level in which a pair is compared"
    )
    clip_norm: float = Field(
        default=5.0, ge=0, description="largest norm of the gradients; 0: not clipped"
    )


@method("rdpp")
class RDPP(Method):
    """Frozen teacher; trained projections, embedding and decoder."""

    Config = RDPPConfig
    card = MethodCard(
        title="RD++",
        paper="Revisiting Reverse Distillation for Anomaly Detection",
        venue="CVPR",
        year=2023,
        arxiv="",
        family="hybrid",
        summary="Learns to rebuild what a pretrained network sees in good images from a view of "
        "it that leaves out noise, and marks what cannot be rebuilt.",
        frozen="the backbone (teacher), three levels at strides 4, 8 and 16",
        trained="a projection of each level, the one-class embedding and the decoder (student)",
        parameters=71.23,
        deviations=(
            "The optimal-transport term, meant to draw the projections of good images together, "
            "is zero in the published code, where a batch is compared with itself in another "
            "order; it is left out. The setting transport_weight turns on our own version of it: "
            "the Sinkhorn divergence between the pixels of each image and those of another of "
            "the batch, drawn at random, as directions.",
            "Every batch is a step; the published code throws every second gradient away.",
            "Noise is classic simplex noise as strong as the paper's OpenSimplex noise, and new "
            "in every image; the published code cuts all of it from one pattern.",
            "Widths follow the backbone's own levels; with a Wide ResNet-50 they are the paper's.",
            "Convolutions before an instance norm have no bias, which the norm would take away; "
            "0.004 million parameters fewer.",
            "Images are made smaller with antialiasing as for all methods, in the paper without.",
            "Gradients are clipped to 5, as in ADer; the preset of the paper does not clip.",
            "On a GPU training runs in bfloat16, save the losses, and stored features have 16 "
            "bits; the paper's are float32.",
            "The last epoch is kept; the paper keeps the epoch that is best on the test set.",
            "The map is the mean over levels, the paper's the sum: a constant factor.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=4.0, score="max", ader_score="max")
    trains_on = "both"
    backbone = "wide_resnet50_2.racm_in1k"
    levels = (4, 8, 16)
    batch_size = 16
    paper = Preset(
        settings={"clip_norm": 0.0},
        epochs=200,
        note="The paper trains for 10 to 300 epochs, another number for each class of MVTec AD, "
        "204 on average.",
    )

    def __init__(self, config: RDPPConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(size, 32, "RD++ halves the image five times")
        first, second, third = extractor.channels
        self.projections = Projections((first, second, third))
        self.embedding = OneClassEmbedding((first, second, third))
        self.decoder = Decoder((first, second, third))
        initialise(self.embedding)
        initialise(self.decoder)

    def plan(self) -> Plan:
        """One Adam, two rates: the gradients of all parts are clipped together."""
        config = self.config
        student = [*self.embedding.parameters(), *self.decoder.parameters()]
        groups = [
            {"params": student, "lr": config.learning_rate},
            {"params": list(self.projections.parameters()), "lr": config.projection_rate},
        ]
        adam = torch.optim.Adam(groups, betas=(0.5, 0.999))
        return Plan(optimizers=(adam,), clip_norm=config.clip_norm or None)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Distillation from projected features, and what the projections have to do themselves."""
        assert batch.images_BCHW is not None
        noisy = self.extractor(with_noise(batch.images_BCHW, self.config.noise))
        projected, denoised = self.projections(batch.features), self.projections(noisy)
        rebuilt = self.decoder(self.embedding(projected))
        weight = self.config.projection_weight / (1 + REBUILD + CONTRAST)
        with full_precision(noisy[0].device):
            losses = {
                "distance": flat_cosine(batch.features, rebuilt),
                "rebuilding": weight * REBUILD * rebuilding(denoised, projected),
                "contrast": weight * CONTRAST * contrast(noisy, projected),
            }
            if self.config.transport_weight:
                apart = transport(projected, self.config.transport_points)
                losses["transport"] = weight * self.config.transport_weight * apart
        return losses

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus cosine between teacher and student at every position of every level."""
        rebuilt = self.decoder(self.embedding(self.projections(features)))
        return RawPrediction(cosine_maps(features, rebuilt))


def with_noise(images_BCHW: Tensor, strength: float) -> Tensor:
    """Simplex noise on a rectangle of each image, the colour its depth. float32 in about 0..1.

    Sides of 10 to 31 pixels, anywhere but on the border. Drawn from torch's global generator of
    the device.

    Args:
        images_BCHW: uint8 RGB.
    """
    device, (count, channels, height, width) = images_BCHW.device, images_BCHW.shape
    noisy_BCHW = images_BCHW.float() / 255
    inside_BK, row_BK = _stretches(count, height, device)
    across_BK, column_BK = _stretches(count, width, device)
    noise_BCKK = octaves(tables(count, device), (channels, LONGEST, LONGEST))
    noise_BCKK *= (inside_BK[:, :, None] & across_BK[:, None])[:, None]
    place = (torch.arange(count, device=device)[:, None, None], slice(None))
    at = (*place, row_BK[:, :, None], column_BK[:, None])
    noisy_BCHW[at] += strength * noise_BCKK.permute(0, 2, 3, 1)
    return noisy_BCHW


def _stretches(count: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Along an axis, which of the `LONGEST` pixels from a start are meant, and where they are.

    Beyond the image the unused rest goes round to the other side. bool and int64 [count, LONGEST]
    """
    extent_B1 = torch.randint(SHORTEST, LONGEST + 1, (count, 1), device=device)
    room_B1 = length - 1 - extent_B1
    start_B1 = 1 + (torch.rand(count, 1, device=device) * room_B1).long()
    offset_K = torch.arange(LONGEST, device=device)
    return offset_K < extent_B1, (start_B1 + offset_K) % length


def rebuilding(denoised: Levels, projected: Levels) -> Tensor:
    """One minus cosine of noisy and clean projections at every position, summed over levels."""
    return torch.stack([level.mean() for level in cosine_maps(denoised, projected)]).sum()


def contrast(noisy: Levels, projected: Levels) -> Tensor:
    """How far the cosine of noisy features and clean projections, whole levels as vectors, is
    above the margin; mean over images, summed over levels."""
    excess = [
        (F.cosine_similarity(theirs.flatten(1).float(), mine.flatten(1).float()) - MARGIN)
        .clamp(min=0)
        .mean()
        for theirs, mine in zip(noisy, projected, strict=True)
    ]
    return torch.stack(excess).sum()


def transport(projected: Levels, points: int) -> Tensor:
    """Sinkhorn divergence between each image and the batch's next, summed over levels.

    An image is the cloud of its projected pixels as unit vectors, of which at most `points` are
    drawn; batches are shuffled, so the next image is one at random. Mean over pairs, 0 for one
    image alone.
    """
    apart = []
    for level_BCHW in projected:
        pixels_BNC = F.normalize(level_BCHW.flatten(2).transpose(1, 2).float(), dim=2)
        chosen = torch.randperm(pixels_BNC.shape[1], device=pixels_BNC.device)[:points]
        clouds_BNC = pixels_BNC[:, chosen]
        apart.append(sinkhorn_divergence(clouds_BNC, clouds_BNC.roll(1, dims=0)).mean())
    return torch.stack(apart).sum()
