"""The one place where raw maps are upsampled, smoothed and turned into image scores."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import UsageError
from core.types import MapRule, Prediction, RawPrediction


def finish(raw: RawPrediction, rule: MapRule, size: int) -> Prediction:
    """Bring a method's raw maps to the run's size by the method's rule.

    Args:
        raw: maps of any resolutions; several levels are averaged after upsampling.
        rule: named steps.
        size: side of the final maps in pixels.

    Returns:
        float32 maps [B, size, size] and scores [B], raw (never rescaled per image).

    Raises:
        UsageError: the rule takes scores that the method did not give, or is unknown.
    """
    levels = [upsample(level.float(), size, rule.align_corners) for level in raw.levels_BHW]
    maps_BHW = torch.stack(levels).mean(dim=0) if len(levels) > 1 else levels[0]
    if rule.sigma > 0:
        maps_BHW = smooth(maps_BHW, rule.sigma)
    ader_scores_B = image_scores(maps_BHW, rule.ader_score)
    if rule.score == "method":
        if raw.scores_B is None:
            raise UsageError("The rule takes the method's own scores, but the method gave none.")
        return Prediction(maps_BHW, raw.scores_B.float(), ader_scores_B)
    if rule.score == rule.ader_score:
        return Prediction(maps_BHW, ader_scores_B, ader_scores_B)
    return Prediction(maps_BHW, image_scores(maps_BHW, rule.score), ader_scores_B)


def upsample(maps_BHW: Tensor, size: int, align_corners: bool) -> Tensor:
    """Bilinear resize to [B, size, size]; the same tensor when it has that size."""
    if maps_BHW.shape[-2:] == (size, size):
        return maps_BHW
    return F.interpolate(
        maps_BHW[:, None], size=(size, size), mode="bilinear", align_corners=align_corners
    )[:, 0]


def smooth(maps_BHW: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing as scipy.ndimage.gaussian_filter does it by default.

    Radius int(4 sigma + 0.5); the border is mirrored with the edge pixel repeated (scipy's
    "reflect", which is not torch's).
    """
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device="cpu")
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(maps_BHW)
    planes = maps_BHW[:, None]
    for axis, shape in ((2, (1, 1, -1, 1)), (3, (1, 1, 1, -1))):
        planes = F.conv2d(_mirror(planes, axis, radius), kernel.view(shape))
    return planes[:, 0]


def _mirror(planes: Tensor, axis: int, radius: int) -> Tensor:
    """Pad `axis` by `radius` on both sides, mirrored about the edge between pixels."""
    length = planes.shape[axis]
    index = torch.arange(-radius, length + radius, device=planes.device) % (2 * length)
    index = torch.where(index >= length, 2 * length - 1 - index, index)
    return planes.index_select(axis, index)


def image_scores(maps_BHW: Tensor, rule: str) -> Tensor:
    """Image scores [B] by a rule's name ("max", "pool<k>" or "pool<k>times<n>").

    Raises:
        UsageError: an unknown rule, or pools larger than the map.
    """
    if rule == "max":
        return maps_BHW.amax(dim=(1, 2))
    pool = re.fullmatch(r"pool([1-9]\d*)(?:times([1-9]\d*))?", rule)
    if pool is None:
        raise UsageError(
            f"Score rule came as {rule!r}; expected 'max', 'pool<k>', 'pool<k>times<n>' or "
            "'method'."
        )
    side, times = int(pool[1]), int(pool[2] or 1)
    least = times * (side - 1) + 1
    if least > min(maps_BHW.shape[1:]):
        raise UsageError(f"Score rule {rule!r} needs maps of at least {least} px a side.")
    pooled_B1HW = maps_BHW[:, None]
    for _ in range(times):
        pooled_B1HW = F.avg_pool2d(pooled_B1HW, side, stride=1)
    return pooled_B1HW.amax(dim=(1, 2, 3))
