"""RD (RD4AD): a student that rebuilds the teacher's features from a one-class embedding.

"Anomaly Detection via Reverse Distillation from One-Class Embedding", CVPR 2022,
arXiv 2201.10703. Settings as in ADer's multi-class benchmark (arXiv 2406.03262): Adam 5e-3 with
betas (0.5, 0.999), rate x 0.1 at 80 % of the epochs, gradients clipped to 5, batches of 16.

The paper's widths are those of a Wide ResNet-50 (256, 512, 1024 channels at strides 4, 8, 16).
Other backbones take theirs from their own levels c1, c2, c3: fusion at c3 channels, embedding of
2 c3 channels at stride 32, decoder blocks half as wide inside as their output.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.errors import UsageError
from core.methods.base import Batch, Method, MethodCard, Plan, method
from core.types import MapRule, RawPrediction

DECODER_BLOCKS = (3, 4, 6)
EMBEDDING_BLOCKS = 3


class RDConfig(Config):
    """Defaults: ADer's multi-class setting."""

    learning_rate: float = Field(default=5e-3, gt=0, description="learning rate of Adam")


def _down(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Bottleneck(nn.Module):
    """1x1, 3x3 (or its resampling form), 1x1, with a shortcut.

    Args:
        channels_in, inner, channels_out: widths.
        resample: "down" halves the side, "up" doubles it by a 2x2 transposed convolution, "" keeps.
    """

    def __init__(self, channels_in: int, inner: int, channels_out: int, resample: str = "") -> None:
        super().__init__()
        middle: nn.Module
        shortcut: nn.Module
        if resample == "up":
            middle = nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False)
            shortcut = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2, bias=False)
        else:
            stride = 2 if resample == "down" else 1
            middle = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
            shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            middle,
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        plain = channels_in == channels_out and not resample
        self.shortcut = (
            nn.Identity() if plain else nn.Sequential(shortcut, nn.BatchNorm2d(channels_out))
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(self.body(x_BCHW) + self.shortcut(x_BCHW))


class OneClassEmbedding(nn.Module):
    """Multi-scale fusion and one-class embedding (section 3.3): three levels to stride 32."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.from_first = nn.Sequential(_down(first, second), _down(second, third))
        self.from_second = _down(second, third)
        wide, inner = 2 * third, third // 2
        blocks = [Bottleneck(3 * third, inner, wide, "down")]
        blocks += [Bottleneck(wide, inner, wide) for _ in range(EMBEDDING_BLOCKS - 1)]
        self.embed = nn.Sequential(*blocks)

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        first, second, third = levels
        fused = torch.cat([self.from_first(first), self.from_second(second), third], dim=1)
        embedded: Tensor = self.embed(fused)
        return embedded


class Decoder(nn.Module):
    """The student: mirrored stages that rebuild the levels, deep to shallow (section 3.2)."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        stages = []
        width = 2 * channels[-1]
        for out, count in zip(reversed(channels), DECODER_BLOCKS, strict=True):
            blocks = [Bottleneck(width, out // 2, out, "up")]
            blocks += [Bottleneck(out, out // 2, out) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            width = out
        self.stages = nn.ModuleList(stages)

    def forward(self, embedded: Tensor) -> tuple[Tensor, ...]:
        """Rebuilt levels, shallow to deep like the teacher's."""
        rebuilt = []
        for stage in self.stages:
            embedded = stage(embedded)
            rebuilt.append(embedded)
        return tuple(reversed(rebuilt))


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
        if size % 32 or size < 64:
            raise UsageError(
                f"RD halves the image five times; --size came as {size}, expected a multiple of 32 "
                "from 64 on."
            )
        first, second, third = extractor.channels
        self.embedding = OneClassEmbedding((first, second, third))
        self.decoder = Decoder((first, second, third))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate, betas=(0.5, 0.999))
        return Plan(optimizers=(adam,), clip_norm=5.0, decay_at=0.8)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """One minus cosine of the flattened levels, summed over levels (equation 2)."""
        rebuilt = self.decoder(self.embedding(batch.features))
        distances = [
            1 - F.cosine_similarity(theirs.flatten(1).float(), mine.flatten(1).float()).mean()
            for theirs, mine in zip(batch.features, rebuilt, strict=True)
        ]
        return {"distance": torch.stack(distances).sum()}

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """One minus cosine over channels at every position of every level (equation 1)."""
        rebuilt = self.decoder(self.embedding(features))
        return RawPrediction(
            tuple(
                1 - F.cosine_similarity(theirs.float(), mine.float(), dim=1)
                for theirs, mine in zip(features, rebuilt, strict=True)
            )
        )
