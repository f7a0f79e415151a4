"""UniAD: a transformer that rebuilds features it is not allowed to copy.

"A Unified Model for Multi-class Anomaly Detection", NeurIPS 2022, arXiv 2206.03687. Settings as
in ADer's multi-class benchmark (arXiv 2406.03262): AdamW 1e-4 with weight decay 1e-4, rate x 0.1
at 80 % of the epochs, gradients clipped to 5, batches of 8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.neighbour_attention import NeighbourMaskedTransformer
from core.layers.precision import full_precision
from core.layers.weight_decay import decayed
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method, steps
from core.types import MapRule, RawPrediction


class UniADConfig(Config):
    """Defaults: ADer's multi-class setting."""

    neighbours: int = Field(
        default=8,
        ge=0,
        description="side of the neighbourhood, in tokens of 16 px, that a token may not look at; "
        "even numbers count as the next odd one",
    )
    jitter: float = Field(
        default=20.0, ge=0, description="strength of the noise added to features in training"
    )
    width: int = Field(default=256, ge=8, multiple_of=2, description="width of the transformer")
    heads: int = Field(default=8, ge=1, description="attention heads, which divide the width")
    hidden: int = Field(default=1024, ge=8, description="width of its feed-forward networks")
    encoder_layers: int = Field(default=4, ge=1, description="layers of the encoder")
    decoder_layers: int = Field(default=4, ge=1, description="layers of the decoder")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout in the transformer")
    clip: float = Field(default=5.0, gt=0, description="largest norm of the gradients")
    learning_rate: float = Field(default=1e-4, gt=0, description="learning rate of AdamW")

    @field_validator("heads")
    @classmethod
    def _heads_divide_the_width(cls, heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width", heads)
        if width % heads:
            raise ValueError(f"expected a divisor of the width {width}")
        return heads


@method("uniad")
class UniAD(Method):
    """Frozen levels fused on the coarsest grid, rebuilt by a neighbour-masked transformer."""

    Config = UniADConfig
    card = MethodCard(
        title="UniAD",
        paper="A Unified Model for Multi-class Anomaly Detection",
        venue="NeurIPS",
        year=2022,
        arxiv="2206.03687",
        family="hybrid",
        summary="Learns to rebuild what a pretrained network sees at each place of good images "
        "from everything but its surroundings, and marks where the rebuilt view differs.",
        frozen="the backbone, four levels at strides 2, 4, 8 and 16",
        trained="a transformer of four encoder and four decoder layers",
        parameters=7.78,
        deviations=(
            "The defaults are ADer's: 256 px, a hidden neighbourhood of 9 x 9 tokens and clipping "
            "at 5; the paper has 224 px, 7 x 7 and, in its code, clipping at 0.1.",
            "The hidden neighbourhood reaches over a quarter of the grid at most (which shrinks "
            "it below 256 px), because on small grids tokens in the middle would have little or "
            "nothing to look at.",
            "Widths follow the backbone's own levels; with EfficientNet-B4 they are the paper's.",
            "Biases and norms are not decayed, as in ADer.",
            "On a GPU frozen features are kept in float16 and the transformer trains in bfloat16; "
            "noise, loss and map stay in float32.",
            "The last epoch is kept; the paper reports the best on the test set.",
        ),
    )
    rule = MapRule(align_corners=True, sigma=0.0, score="pool16", ader_score="pool16")
    backbone = "tf_efficientnet_b4.aa_in1k"
    levels = (2, 4, 8, 16)
    batch_size = 8
    paper = Preset(
        settings={"neighbours": 7, "clip": 0.1},
        epochs=1000,
        batch_size=64,
        size=224,
        note="The paper, too, trains one model for all classes; it keeps the epoch that is best on "
        "the test set.",
    )

    def __init__(self, config: UniADConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        side = -(-size // self.levels[-1])
        channels = sum(extractor.channels)
        self.into = nn.Linear(channels, config.width)
        self.transformer = NeighbourMaskedTransformer(
            (side, side),
            window=config.neighbours,
            width=config.width,
            heads=config.heads,
            hidden=config.hidden,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            dropout=config.dropout,
        )
        self.out_of = nn.Linear(config.width, channels)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def plan(self) -> Plan:
        adam = torch.optim.AdamW(
            decayed(self, 1e-4), lr=self.config.learning_rate, weight_decay=1e-4
        )
        return Plan(optimizers=(adam,), clip_norm=self.config.clip, schedule=steps(0.8))

    def reduced(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The levels fused into one at the coarsest grid: a ninth of them at the paper's."""
        return (joined(features),)

    def _rebuilt(self, tokens_BTC: Tensor) -> Tensor:
        rebuilt_BTC: Tensor = self.out_of(self.transformer(self.into(tokens_BTC)))
        return rebuilt_BTC.float()

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared distance between clean features and those rebuilt from noisy ones."""
        clean_BTC = fused(batch.features)
        with full_precision(clean_BTC.device):
            noisy_BTC = jittered(clean_BTC, self.config.jitter)
        rebuilt_BTC = self._rebuilt(noisy_BTC)
        with full_precision(clean_BTC.device):
            return {"distance": F.mse_loss(rebuilt_BTC, clean_BTC)}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """Euclidean distance between features and rebuilt ones at every token."""
        tokens_BTC = fused(features)
        rebuilt_BTC = self._rebuilt(tokens_BTC)
        with full_precision(tokens_BTC.device):
            distance_BT = torch.linalg.vector_norm(rebuilt_BTC - tokens_BTC, dim=2)
        height, width = features[-1].shape[2:]
        return RawPrediction((distance_BT.view(-1, height, width),))


def joined(levels: tuple[Tensor, ...]) -> Tensor:
    """All levels at the last one's resolution, joined. [B, C, H, W], float32

    Resized bilinearly with corners aligned, without averaging, as in the paper's code.
    """
    side = levels[-1].shape[2:]
    same = [
        level.float()
        if level.shape[2:] == side
        else F.interpolate(level.float(), side, mode="bilinear", align_corners=True)
        for level in levels
    ]
    return torch.cat(same, dim=1)


def fused(levels: tuple[Tensor, ...]) -> Tensor:
    """The levels joined, as tokens row by row. [B, T, C], float32"""
    return joined(levels).flatten(2).transpose(1, 2).contiguous()


def jittered(tokens_BTC: Tensor, strength: float) -> Tensor:
    """Tokens with noise about as large as themselves (feature jittering).

    Normal noise of deviation `strength` times the token's norm over its number of channels.
    """
    norm_BT1 = torch.linalg.vector_norm(tokens_BTC, dim=2, keepdim=True)
    deviation_BT1: Tensor = norm_BT1 * (strength / tokens_BTC.shape[2])
    return tokens_BTC + deviation_BT1 * torch.randn_like(tokens_BTC)
