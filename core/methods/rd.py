"""RD (RD4AD): a student that rebuilds the teacher's features from a one-class embedding.

"Anomaly Detection via Reverse Distillation from One-Class Embedding", CVPR 2022,
arXiv 2201.10703. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): Adam 5e-3 with
betas (0.5, 0.999), rate x 0.1 at 80 % of the epochs, gradients clipped to 5, batches of 16.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.distances import cosine_maps, flat_cosine
from core.layers.reverse_distillation import Decoder, OneClassEmbedding, initialise
from core.layers.sizes import require_multiple
from core.methods.base import Batch, Method, MethodCard, Plan, method, steps
from core.types import MapRule, RawPrediction


class RDConfig(Config):
    """Defaults: ADer's multi-class setting."""

    learning_rate: float = Field(default=5e-3, gt=0, description="learning rate of Adam")


@method("rd")
class RD(Method):
    """Frozen teacher, trained embedding and decoder; the map is where they disagree."""

    Config = RDConfig
    card = MethodCard(
        title="RD",
        paper="Anomaly Detection via Reverse Distillation from One-Class Embedding",
        venue="CVPR",
        year=2022,
        arxiv="2201.10703",
        family="reconstruction",
        summary="Learns to rebuild what a pretrained network sees in good images, and marks where "
        "the rebuilt view differs from what the network sees.",
        frozen="the backbone (teacher), three levels at strides 4, 8 and 16",
        trained="the one-class embedding and the decoder (student)",
        parameters=55.75,
        deviations=(
            "Widths follow the backbone's own levels; with a Wide ResNet-50 they are the paper's.",
            "The last epoch is kept; the paper reports the best on the test set.",
            "The map is the mean over levels, the paper's the sum: a constant factor.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=4.0, score="max")
    backbone = "wide_resnet50_2.racm_in1k"
    levels = (4, 8, 16)
    batch_size = 16

    def __init__(self, config: RDConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(size, 32, "RD halves the image five times")
        first, second, third = extractor.channels
        self.embedding = OneClassEmbedding((first, second, third))
        self.decoder = Decoder((first, second, third))
        initialise(self)

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate, betas=(0.5, 0.999))
        return Plan(optimizers=(adam,), clip_norm=5.0, schedule=steps(0.8))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """One minus cosine of the flattened levels, summed over levels (equation 2)."""
        rebuilt = self.decoder(self.embedding(batch.features))
        return {"distance": flat_cosine(batch.features, rebuilt)}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus cosine over channels at every position of every level (equation 1)."""
        rebuilt = self.decoder(self.embedding(features))
        return RawPrediction(cosine_maps(features, rebuilt))
