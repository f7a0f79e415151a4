"""PatchCore: a memory bank of normal patches, thinned to a coreset.

"Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, arXiv 2106.08265. Settings as
in ADer's multi-class benchmark (arXiv 2406.03262): one bank for all classes, 10 % coreset chosen
greedily on a random projection to 128 dimensions, squared Euclidean distance to the nearest row,
no re-weighting, Gaussian smoothing of 4 px, image score = maximum of the map.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.config import Config
from core.layers.coreset import greedy_coreset, random_map
from core.layers.neighbours import nearest
from core.layers.patches import patch_dimension, patch_features
from core.methods.base import Batch, Method, MethodCard, Report, method
from core.types import MapRule, RawPrediction


class PatchCoreConfig(Config):
    """Defaults: ADer's multi-class setting."""

    coreset_ratio: float = Field(
        default=0.1, gt=0, le=1, description="share of the training patches kept in the bank"
    )
    projection: int | None = Field(
        default=128, ge=1, description="dimension of the random map the selection works on"
    )
    neighbours: int = Field(default=1, ge=1, le=50, description="nearest rows averaged")
    dimension: int = Field(
        default=1024, ge=8, multiple_of=2, description="length of a patch vector"
    )


@method("patchcore")
class PatchCore(Method):
    """Memory bank of frozen patch features; nothing is trained."""

    Config = PatchCoreConfig
    card = MethodCard(
        title="PatchCore",
        paper="Towards Total Recall in Industrial Anomaly Detection",
        venue="CVPR",
        year=2022,
        arxiv="2106.08265",
        family="embedding",
        summary="Remembers what small patches of good images look like, and marks patches that "
        "resemble nothing it remembers.",
        frozen="the backbone, up to its second and third level (strides 8 and 16)",
        trained="nothing; a bank of patch vectors is filled in one pass",
        deviations=(
            "Nearest neighbours are found exactly by matrix products, not by an index library; "
            "the result is the same.",
            "On a backbone with fewer than 1,024 channels at strides 8 and 16 the means of the "
            "3 x 3 neighbourhoods are joined as they are, because averaging channels down would "
            "mix unrelated ones.",
            "The image score is the maximum of the smoothed map, as ADer takes it, without the "
            "paper's re-weighting by the neighbourhood in the bank.",
            "Images are resized to the run's size without the paper's centre crop.",
        ),
    )
    rule = MapRule(align_corners=False, sigma=4.0, score="max")
    learns = "bank"
    backbone = "wide_resnet50_2.tv_in1k"
    levels = (8, 16)
    batch_size = 8

    bank: Tensor

    def __init__(self, config: PatchCoreConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        self.dimension = patch_dimension(extractor.channels, config.dimension)
        width = self.dimension or sum(extractor.channels)
        self.register_buffer("bank", torch.zeros(0, width))

    def fit_bank(self, batches: Iterable[Batch], report: Report) -> None:
        """Collect every training patch, keep a greedy coreset of them."""
        device, width = self.bank.device, self.bank.shape[1]
        generator = torch.Generator().manual_seed(torch.initial_seed() % 2**63)
        projection = self.config.projection
        weight = random_map(width, projection, generator).to(device) if projection else None
        patches, reduced = [], []  # batch by batch: only the short vectors are ever joined
        for batch in batches:
            rows_ND = patch_features(batch.features, self.dimension).flatten(0, 2)
            reduced.append(rows_ND if weight is None else rows_ND @ weight)
            patches.append(_lodged(rows_ND))
        joined = torch.cat(reduced)
        del reduced
        count = max(1, round(self.config.coreset_ratio * len(joined)))
        chosen = greedy_coreset(
            joined,
            count,
            projection=None,
            generator=generator,
            report=lambda f: report(f, f"choosing {count:,} of {len(joined):,} patches"),
        )
        self.bank = _taken(patches, chosen, device)

    def score(self, features: tuple[Tensor, ...]) -> RawPrediction:
        """Squared distance of every patch to its nearest rows of the bank."""
        patches_BHWD = patch_features(features, self.dimension)
        squared, _ = nearest(patches_BHWD.flatten(0, 2), self.bank, k=self._neighbours())
        return RawPrediction((squared.mean(dim=1).view(patches_BHWD.shape[:3]),))

    def _neighbours(self) -> int:
        return min(int(self.config.neighbours), len(self.bank))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        # A bank's length is known only once it is filled.
        held = state_dict.get(prefix + "bank")
        if held is not None:
            self.bank = torch.empty_like(held, device=self.bank.device)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _lodged(rows_ND: Tensor) -> Tensor:
    """The rows where they may wait for the selection: in host memory once the GPU's runs low."""
    if rows_ND.is_cuda:
        free, total = torch.cuda.mem_get_info(rows_ND.device)
        if free < total // 4:
            return rows_ND.cpu()
    return rows_ND


def _taken(chunks: list[Tensor], chosen: Tensor, device: torch.device) -> Tensor:
    """Rows of the joined chunks, in the order of `chosen`, without joining them."""
    taken = torch.empty(len(chosen), chunks[0].shape[1], device=device)
    first = 0
    for chunk in chunks:
        here = ((chosen >= first) & (chosen < first + len(chunk))).nonzero()[:, 0]
        taken[here] = chunk[(chosen[here] - first).to(chunk.device)].to(device)
        first += len(chunk)
    return taken
