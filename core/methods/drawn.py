"""Settings that methods on drawn anomalies share."""

from __future__ import annotations

from pydantic import Field

from core.config import Config

LARGEST_BETA = 0.8
"""The image's share inside an anomaly is uniform from 0 to this (DRAEM, DeSTSeg)."""


class TexturedConfig(Config):
    """Where textures come from."""

    textures: str = Field(
        default="",
        description="folder of texture images that anomalies are cut from, DTD's in the paper; "
        "empty: generated textures",
    )


class DrawnConfig(TexturedConfig):
    """The same, and what trainings of few steps may want to change."""

    momentum: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="share of a new batch in the norms' running statistics; more suits trainings "
        "of few steps",
    )
    clip_norm: float = Field(
        default=5.0, ge=0, description="largest norm of the gradients; 0: not clipped"
    )
