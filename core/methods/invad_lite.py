"""InvAD-lite: InvAD on a narrow backbone, with more and thinner decoder blocks.

"Learning Feature Inversion for Multi-class Anomaly Detection under General-purpose COCO-AD
Benchmark", arXiv 2404.10760 (2024). Settings as in ADer's multi-class benchmark (arXiv 2406.03262):
those of `invad`, but ResNet-34, four blocks a stage and five times the loss.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from core.methods.base import method
from core.methods.invad import CARD, InvAD, InvADConfig


class InvADLiteConfig(InvADConfig):
    """Defaults: ADer's multi-class setting."""

    loss_weight: float = Field(default=5.0, gt=0, description="factor on the reconstruction loss")
    blocks: int = Field(
        default=4, ge=1, description="styled residual blocks in each of the decoder's three stages"
    )


@method("invad_lite")
class InvADLite(InvAD):
    """InvAD with a ResNet-34 and an eighth of the parameters."""

    Config = InvADLiteConfig
    card = replace(
        CARD,
        title="InvAD-lite",
        summary="The small form of InvAD: learns to grow the features of good images out of one "
        "fixed pattern, and marks where an image's own features differ; cheap to train and run.",
        parameters=8.98,
        deviations=(
            "Widths follow the backbone's own levels; with a ResNet-34 they are the paper's.",
            *CARD.deviations[1:],
        ),
    )
    backbone = "resnet34.bt_in1k"
