"""The words all parts share: samples, maps, problems, rules.

Shapes stand in names: B batch, C channels, H W height and width in pixels, N rows.
Images travel as uint8 BCHW in RGB; maps are float32 BHW, higher = more anomalous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import torch

Split: TypeAlias = Literal["train", "test", "calibration"]
Setting: TypeAlias = Literal["unified", "separate"]
Protocol: TypeAlias = Literal["benchmark", "deployment"]
PresetName: TypeAlias = Literal["ader", "paper"]
State: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Family: TypeAlias = Literal["augmentation", "embedding", "reconstruction", "hybrid"]

GOOD = "good"
"""Anomaly type of a normal sample, whatever its folder was called."""

MEAN = "mean"
"""Class name under which the mean over classes is filed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image of a data set.

    Attributes:
        key: path relative to the data set's root, "/" between parts; stable and unique.
        class_name: object or organ category.
        split: "train" or "test"; "calibration" holds normals for thresholds, made from train by
            `data.splits` unless the data set's own manifest says which.
        label: 0 normal, 1 anomalous.
        anomaly_type: kind of defect or lesion; `GOOD` for normal samples.
        masks: mask files relative to the root, joined by "or"; empty when there is none.
        specimen: part or patient that several images belong to, if known.
        view: what tells images of one specimen apart (camera, lighting, slice), if known.
    """

    key: str
    class_name: str
    split: Split
    label: int
    anomaly_type: str = GOOD
    masks: tuple[str, ...] = ()
    specimen: str | None = None
    view: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something found in a data set: what is wrong, where, what to do, in one sentence."""

    severity: Literal["error", "warning", "note"]
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class RawPrediction:
    """What a method says about a batch, at its own resolutions.

    Attributes:
        levels_BHW: float anomaly maps, higher = more anomalous; several levels are averaged
            once they have the run's size.
        scores_B: image scores, or None when the method's `MapRule` derives them.
    """

    levels_BHW: tuple[torch.Tensor, ...]
    scores_B: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Final maps and scores of a batch, made by `core.maps.finish`; raw, never rescaled.

    Attributes:
        maps_BHW: float32, at the run's size, higher = more anomalous.
        scores_B: float32 image scores.
        ader_scores_B: float32 image scores by `MapRule.ader_score`.
    """

    maps_BHW: torch.Tensor
    scores_B: torch.Tensor
    ader_scores_B: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRule:
    """How a method's raw map becomes the stored map and the image score; applied by `core.maps`.

    Attributes:
        align_corners: bilinear upsampling with corners aligned or not.
        sigma: Gaussian smoothing after upsampling in pixels of the run's size; 0 = none.
        score: "max" of the final map, "pool<k>" = max of its k x k average pool (stride 1),
            "pool<k>times<n>" = the same after n pools, "method" = the scores the method returned.
        ader_score: how ADer scores an image of this method, "max" or a pool; only for values that
            stand beside its published rows.
    """

    align_corners: bool = False
    sigma: float = 4.0
    score: str = "max"
    ader_score: str = "max"
