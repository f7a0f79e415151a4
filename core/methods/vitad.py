"""ViTAD: a plain ViT rebuilds, from its teacher's last block, what the earlier ones saw.

"Exploring Plain ViT Reconstruction for Multi-class Unsupervised Anomaly Detection", CVIU 2025,
arXiv 2312.07495. Settings as in the paper and in ADer's multi-class benchmark (arXiv 2406.03262),
which are the same: AdamW 1e-4 with decay 1e-4, rate x 0.1 at 80 % of the epochs, gradients clipped
to 5, batches of 8.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.errors import UsageError
from core.layers.distances import cosine_maps, flat_cosine
from core.layers.sizes import require_multiple
from core.layers.vit_decoder import HEAD, ViTDecoder
from core.layers.weight_decay import decayed
from core.methods.base import Batch, Method, MethodCard, Plan, method, steps
from core.types import MapRule, RawPrediction


class ViTADConfig(Config):
    """Defaults: ADer's multi-class setting."""

    depth: int = Field(
        default=3, ge=1, description="transformer blocks of the decoder for each rebuilt level"
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="learning rate of AdamW")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="weight decay, of all but biases and norms"
    )


@method("vitad")
class ViTAD(Method):
    """Frozen ViT, trained ViT decoder; the map is where they disagree."""

    Config = ViTADConfig
    card = MethodCard(
        title="ViTAD",
        paper="Exploring Plain ViT Reconstruction for Multi-class Unsupervised Anomaly Detection",
        venue="CVIU",
        year=2025,
        arxiv="2312.07495",
        family="reconstruction",
        summary="Learns to rebuild what a pretrained transformer sees in good images, and marks "
        "where the rebuilt view differs from what the transformer sees.",
        frozen="the backbone, a plain ViT (teacher): its blocks 3, 6, 9 and 12",
        trained="a linear layer and a ViT of nine blocks with its own position code (decoder)",
        parameters=16.22,
        note="Stands and falls with its pretrained transformer: with one that is not pretrained "
        "its maps tell little.",
        deviations=(
            "The width follows the backbone; with DINO's ViT-S/16 it is the paper's.",
            "On a GPU training runs in bfloat16, save the losses, and stored features have 16 "
            "bits; the paper's are float32.",
            "The map is the mean over levels, the paper's the sum: a constant factor.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=4.0, score="pool16", ader_score="pool16")
    backbone = "vit_small_patch16_224.dino"
    blocks = (3, 6, 9, 12)
    batch_size = 8

    def __init__(self, config: ViTADConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        width, patch = extractor.channels[-1], extractor.strides[-1]
        said = f"ViTAD's backbone cuts the image into patches of {patch} px"
        require_multiple(size, patch, said)
        if width % HEAD:
            raise UsageError(
                f"ViTAD's decoder has heads of {HEAD} channels; the backbone has {width}, expected "
                f"a multiple of {HEAD}."
            )
        self.decoder = ViTDecoder(width, size // patch, len(self.blocks) - 1, config.depth)

    def plan(self) -> Plan:
        groups = decayed(self, self.config.weight_decay)
        adam = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        return Plan(optimizers=(adam,), clip_norm=5.0, schedule=steps(0.8))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """One minus cosine of the flattened levels, summed over levels."""
        *theirs, deepest = batch.features
        return {"distance": flat_cosine(tuple(theirs), self.decoder(deepest))}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus cosine over channels at every patch of every level."""
        *theirs, deepest = features
        return RawPrediction(cosine_maps(tuple(theirs), self.decoder(deepest)))
