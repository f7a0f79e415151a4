"""DRAEM: an image is rebuilt without its anomalies, and a U-Net marks what was taken out.

"DRAEM - A discriminatively trained reconstruction embedding for surface anomaly detection",
ICCV 2021, arXiv 2108.07610. Adam 1e-4, rate x 0.1 at 80 % of the epochs, gradients clipped to 5 and
batches of 8 as in ADer's multi-class benchmark (arXiv 2406.03262); the input as in the paper.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from core.backbones.features import FeatureExtractor
from core.backbones.weights import NO_BACKBONE
from core.layers.blending import blend
from core.layers.draem_networks import Reconstructor, UNet
from core.layers.focal import softmax_focal
from core.layers.norms import set_momentum
from core.layers.perlin_masks import perlin_masks
from core.layers.precision import full_precision
from core.layers.rotation import rotated
from core.layers.sizes import require_multiple
from core.layers.ssim import ssim
from core.layers.textures import Textures, altered, describe
from core.methods.base import Batch, Method, MethodCard, Plan, Preset, method, steps
from core.methods.drawn import LARGEST_BETA, DrawnConfig
from core.types import MapRule, RawPrediction

TURNED_SHARE = 0.3
LARGEST_TURN = 90.0


class DraemConfig(DrawnConfig):
    """Defaults: ADer's multi-class setting, the paper's widths."""

    clean_share: float = Field(
        default=0.5, ge=0, lt=1, description="share of training images left without an anomaly"
    )
    width: int = Field(
        default=128, ge=4, description="channels of the reconstructing network at full resolution"
    )
    unet_width: int = Field(
        default=64, ge=4, description="channels of the segmenting network at full resolution"
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="learning rate of Adam")
    decay: float = Field(
        default=0.1, gt=0, le=1, description="factor on the rate at 80 % of the epochs"
    )
    second_decay: bool = Field(default=False, description="the same factor again at 90 %")


@method("draem")
class Draem(Method):
    """A reconstructor and a U-Net, trained together on anomalies that are drawn on the fly."""

    Config = DraemConfig
    card = MethodCard(
        title="DRAEM",
        paper="DRAEM - A discriminatively trained reconstruction embedding for surface anomaly "
        "detection",
        venue="ICCV",
        year=2021,
        arxiv="2108.07610",
        family="augmentation",
        summary="Paints artificial flaws on good images, learns to remove them, and marks where "
        "an image and its repaired version differ in a way that matters.",
        frozen="nothing; no pretrained network is used",
        trained="a reconstructing autoencoder and a segmenting U-Net",
        parameters=97.42,
        note="Learns from drawn flaws alone: short trainings find those but not yet real "
        "ones, and the paper's take 700 epochs.",
        deviations=(
            "Without a folder of textures they are generated; the paper takes DTD's photographs, "
            "which do not come with this program.",
            "The last epoch is kept, as ADer does.",
            "Adam's rate falls to a tenth at 80 % of 100 epochs and gradients are clipped to 5, as "
            "in ADer; the preset of the paper undoes both.",
            "How images are turned and how strongly textures show are the numbers of the authors' "
            "code, from which their results come.",
            "Colours are in the order RGB, in the authors' code BGR, which is the same to networks "
            "trained from nothing.",
            "The ten operations on textures are written anew for whole batches, because the "
            "paper's augmentation library is no longer maintained; brightness acts on all three "
            "channels alike.",
            "ADer's published row is no target: its run drew no anomalies at all, so that it "
            "stands at chance; here they are drawn, and images go in as 0..1 without ImageNet's "
            "mean and deviation, both as in the paper.",
        ),
    )
    rule = MapRule(sigma=0.0, score="pool21", ader_score="pool21")
    trains_on = "images"
    backbone = NO_BACKBONE
    levels = ()
    batch_size = 8
    paper = Preset(
        settings={"decay": 0.2, "second_decay": True, "clip_norm": 0.0}, epochs=700, batch_size=8
    )

    def __init__(self, config: DraemConfig, extractor: FeatureExtractor, size: int) -> None:
        super().__init__(config, extractor, size)
        require_multiple(size, 32, "DRAEM halves the image five times")
        self.textures = Textures(config.textures, size)
        self.reconstructor = Reconstructor(config.width)
        self.unet = UNet(6, config.unet_width)
        set_momentum(self, config.momentum)

    @classmethod
    def check(cls, settings: Any) -> tuple[str, ...]:
        return (describe(settings.textures),)

    def plan(self) -> Plan:
        adam = torch.optim.Adam(self.parameters(), lr=self.config.learning_rate)
        shares = (0.8, 0.9) if self.config.second_decay else (0.8,)
        schedule = steps(*shares, by=self.config.decay)
        return Plan(optimizers=(adam,), clip_norm=self.config.clip_norm or None, schedule=schedule)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Squared error and SSIM of the repaired image, focal loss of the anomalies' mask."""
        assert batch.images_BCHW is not None
        clean_BCHW, spoilt_BCHW, masks_B1HW = self.draw(batch.images_BCHW)
        rebuilt_BCHW, logits_B2HW = self._both(spoilt_BCHW)
        with full_precision(spoilt_BCHW.device):
            rebuilt_BCHW = rebuilt_BCHW.float()
            return {
                "squares": (rebuilt_BCHW - clean_BCHW).square().mean(),
                "structure": 1 - ssim(rebuilt_BCHW, clean_BCHW).mean(),
                "focal": softmax_focal(logits_B2HW, masks_B1HW),
            }

    @torch.no_grad()
    def draw(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of uint8 images: turned or not, the same with anomalies or not, and where those are.

        Returns:
            clean and spoilt images, float32 [B, 3, H, W] in 0..1, and bool masks [B, 1, H, W].
        """
        count, device = len(images_BCHW), images_BCHW.device
        with full_precision(device):
            share_B4 = torch.rand(count, 4, device=device)
            clean_BCHW = images_BCHW.float() / 255
            turned_BCHW = rotated(clean_BCHW, LARGEST_TURN * (2 * share_B4[:, 0] - 1))
            turns = share_B4[:, 1] < TURNED_SHARE
            clean_BCHW = torch.where(turns.view(-1, 1, 1, 1), turned_BCHW, clean_BCHW)
            spoils = share_B4[:, 2] >= self.config.clean_share
            masks_B1HW = perlin_masks(count, self.size, device) & spoils.view(-1, 1, 1, 1)
            textures_BCHW = altered(self.textures.draw(count, device))
            beta_B111 = LARGEST_BETA * share_B4[:, 3].view(-1, 1, 1, 1)
            return clean_BCHW, blend(clean_BCHW, textures_BCHW, masks_B1HW, beta_B111), masks_B1HW

    def _both(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The repaired image, and the logits of its comparison with the image itself."""
        x_BCHW = x_BCHW.to(memory_format=torch.channels_last)  # a third less time on CPUs
        rebuilt_BCHW = self.reconstructor(x_BCHW)
        return rebuilt_BCHW, self.unet(torch.cat([rebuilt_BCHW, x_BCHW], dim=1))

    def predict(self, images_BCHW: Tensor) -> RawPrediction:
        """Probability of an anomaly at every pixel."""
        _, logits_B2HW = self._both(images_BCHW.float() / 255)
        return RawPrediction((torch.softmax(logits_B2HW.float(), dim=1)[:, 1],))
