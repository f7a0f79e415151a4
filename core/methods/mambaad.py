"""MambaAD: a decoder of state space layers that rebuilds frozen features.

"MambaAD: Exploring State Space Models for Multi-class Unsupervised Anomaly Detection", NeurIPS
2024, arXiv 2404.06564. Settings as in ADer's multi-class benchmark (arXiv 2406.03262), which are
the paper's but for the epochs: AdamW 5e-3 with weight decay 1e-4, rate x 0.1 at 80 % of the epochs,
gradients clipped to 5, batches of 16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.distances import cosine_maps
from core.layers.precision import full_precision
from core.layers.sizes import require_multiple
from core.layers.state_space_decoder import HalfFPN, StateSpaceDecoder
from core.layers.weight_decay import decayed
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method, steps
from core.types import MapRule, RawPrediction

LOSS_WEIGHT = 5.0
"""Of the squared error, as in the original; only clipping and the log feel it."""


class MambaADConfig(Config):
    """Defaults: ADer's multi-class setting."""

    depths: tuple[int, int, int, int] = Field(
        default=(3, 4, 6, 3),
        description="state space layers of the decoder at strides 32, 16, 8 and 4",
    )
    states: int = Field(
        default=16, ge=1, description="numbers that a channel remembers while a map is scanned"
    )
    expansion: int = Field(
        default=2, ge=1, description="width of what is scanned, as a multiple of the map's channels"
    )
    drop_path: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="probability of leaving out the first layer in training; 0 for the last",
    )
    learning_rate: float = Field(default=5e-3, gt=0, description="learning rate of AdamW")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="weight decay of AdamW, on all but biases and norms"
    )


@method("mambaad")
class MambaAD(Method):
    """Frozen features, a trained fusion and decoder; the map is where the rebuilt ones differ."""

    Config = MambaADConfig
    card = MethodCard(
        title="MambaAD",
        paper="MambaAD: Exploring State Space Models for Multi-class Unsupervised Anomaly "
        "Detection",
        venue="NeurIPS",
        year=2024,
        arxiv="2404.06564",
        family="reconstruction",
        summary="Learns to rebuild what a pretrained network sees in good images by reading each "
        "map along eight winding paths, and marks where the rebuilt view differs.",
        frozen="the backbone, three levels at strides 4, 8 and 16",
        trained="the fusion of the levels and a decoder of state space layers",
        parameters=17.44,
        deviations=(
            "Widths follow the backbone's own levels; with a ResNet-34 they are the paper's.",
            "On maps whose side is no power of two the Hilbert curve is that of the next power "
            "without what lies outside, because no such curve exists; at 256 px only the paper's "
            "sides occur.",
            "The scan is this project's own (torch alone, computed in chunks and again in the "
            "backward pass); its values are those of the recurrence to float32's rounding.",
            "17.44 million parameters are trained; the original's logs count 17.50, which comes "
            "out when a convolution that is never used and tables of positions count too.",
            "On a GPU clean features are kept in float16 and networks run in bfloat16, for speed; "
            "scans and losses stay in float32.",
            "The last epoch is kept, as in ADer's published rows.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=4.0, score="max")
    backbone = "resnet34.bt_in1k"
    levels = (4, 8, 16)
    batch_size = 16
    paper = Preset(epochs=1000, note="The paper too trains one model for all classes.")

    def __init__(self, config: MambaADConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(size, 32, "MambaAD halves the image five times")
        first, second, third = extractor.channels
        self.fusion = HalfFPN((first, second, third))
        self.decoder = StateSpaceDecoder(
            (first, second, third),
            size,
            config.depths,
            config.states,
            config.expansion,
            config.drop_path,
        )

    def plan(self) -> Plan:
        adamw = torch.optim.AdamW(
            decayed(self, self.config.weight_decay), lr=self.config.learning_rate
        )
        return Plan(optimizers=(adamw,), clip_norm=5.0, schedule=steps(0.8))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of every level, summed over levels, times 5."""
        rebuilt = self.decoder(self.fusion(batch.features))
        with full_precision(rebuilt[0].device):
            errors = [
                F.mse_loss(mine.float(), theirs.float())
                for mine, theirs in zip(rebuilt, batch.features, strict=True)
            ]
        return {"error": LOSS_WEIGHT * torch.stack(errors).sum()}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus cosine over channels at every position of every level."""
        return RawPrediction(cosine_maps(features, self.decoder(self.fusion(features))))
