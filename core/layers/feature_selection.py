"""Which channels of features show anomalies: chosen once for all images, or anew for each.

Both from RealNet (arXiv 2403.05897): anomaly-aware features selection (AFS) keeps the channels of
a frozen level that answer to drawn anomalies where those are, and reconstruction residuals
selection (RRS) keeps those residuals of an image that stand out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.layers.precision import full_precision

Levels = tuple[Tensor, ...]

SPREAD = 1e-4
"""Added to the range of a channel's differences, so that a silent channel can be divided by it."""


def channel_errors(clean_BCHW: Tensor, altered_BCHW: Tensor, masks_B1HW: Tensor) -> Tensor:
    """How far each channel's squared change is from the mask (AFS), [C] float32.

    The change is brought to 0..1 channel by channel over the whole batch; the error is the mean
    square of its difference from the mask, which is resized by nearest neighbours.

    Args:
        clean_BCHW, altered_BCHW: a frozen level of images and of the same images altered.
        masks_B1HW: bool, at any size, true where they were altered.
    """
    with full_precision(clean_BCHW.device):
        change_BCHW = (altered_BCHW.float() - clean_BCHW.float()).square()
        low_1C11 = change_BCHW.amin(dim=(0, 2, 3), keepdim=True)
        high_1C11 = change_BCHW.amax(dim=(0, 2, 3), keepdim=True)
        shown_BCHW = (change_BCHW - low_1C11) / (high_1C11 - low_1C11 + SPREAD)
        wanted_B1HW = F.interpolate(masks_B1HW.float(), change_BCHW.shape[2:], mode="nearest")
        return (shown_BCHW - wanted_B1HW).square().mean(dim=(0, 2, 3))


def smallest(errors_C: Tensor, count: int) -> Tensor:
    """Places of the `count` smallest, ascending; NaN counts as largest, ties go to the first."""
    ranked = errors_C.nan_to_num(nan=float("inf")).sort(stable=True).indices
    return ranked[:count].sort().values


class FeatureSelection(nn.Module):
    """Fixed channels of every level, measured once on drawn anomalies (AFS).

    Args:
        channels: of the levels.
        counts: how many to keep of each; all of a level that has no more.
    """

    def __init__(self, channels: Sequence[int], counts: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.counts = tuple(min(pair) for pair in zip(channels, counts, strict=True))
        for level, count in enumerate(self.counts):
            self.register_buffer(f"chosen_{level}", torch.arange(count))
        self._sums: list[Tensor] = []

    @property
    def chooses(self) -> bool:
        """Whether any level has more channels than are kept."""
        return self.counts != self.channels

    def chosen(self, level: int) -> Tensor:
        """The channels kept of a level, ascending, int64."""
        return self.get_buffer(f"chosen_{level}")

    def add(self, clean: Levels, altered: Levels, masks_B1HW: Tensor) -> None:
        """Count a batch of drawn anomalies in (see `channel_errors`)."""
        errors = [channel_errors(*pair, masks_B1HW) for pair in zip(clean, altered, strict=True)]
        held = self._sums or [torch.zeros_like(error) for error in errors]
        self._sums = [total + error for total, error in zip(held, errors, strict=True)]

    def settle(self) -> None:
        """Fix the channels whose errors, summed over the batches, are smallest."""
        for level, total_C in enumerate(self._sums):
            self.chosen(level).copy_(smallest(total_C, self.counts[level]))
        self._sums = []

    def forward(self, levels: Levels) -> Levels:
        """The kept channels of each level, in their order."""
        return tuple(
            level
            if self.counts[place] == self.channels[place]
            else level.index_select(1, self.chosen(place))
            for place, level in enumerate(levels)
        )


class ResidualSelection(nn.Module):
    """The residuals of an image that stand out most, the strongest first (RRS).

    Channels are compared after normalisation by their mean and deviation over the batch (in
    evaluation: by running ones, which follow the last batches), once by their maximum over the
    image and once by their mean. What is passed on are the residuals as they came.

    Args:
        channels: of the residuals.
        by_maximum, by_mean: how many to keep of either ranking; one channel may be in both.
        momentum: weight of the present batch in the running statistics.
    """

    mean_C: Tensor
    variance_C: Tensor

    def __init__(self, channels: int, by_maximum: int, by_mean: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.counts = (by_maximum, by_mean)
        self.momentum = momentum
        self.register_buffer("mean_C", torch.zeros(channels))
        self.register_buffer("variance_C", torch.ones(channels))

    def forward(self, residuals_BCHW: Tensor) -> Tensor:
        """[B, C, H, W] to [B, by_maximum + by_mean, H, W], float32."""
        with full_precision(residuals_BCHW.device):
            residuals_BCHW = residuals_BCHW.float()
            images, channels = residuals_BCHW.shape[:2]
            first_B1 = channels * torch.arange(images, device=residuals_BCHW.device)[:, None]
            rows = residuals_BCHW.reshape(images * channels, *residuals_BCHW.shape[2:])
            # One selection a ranking: without repeated rows its gradient needs no atomic sums.
            kept = [
                rows.index_select(0, (first_B1 + places_BK).flatten()).view(
                    *places_BK.shape, *rows.shape[1:]
                )
                for places_BK in self.places(residuals_BCHW.detach())
            ]
        return torch.cat(kept, dim=1)

    def places(self, residuals_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Channels of both rankings, [B, by_maximum] and [B, by_mean], strongest first.

        In training mode the running statistics take the batch in.
        """
        mean_C, scale_C = self._statistics(residuals_BCHW)
        # Normalising is monotone in each channel, so it may follow the maximum and the mean.
        peaks_BC = (residuals_BCHW.amax(dim=(2, 3)) - mean_C) * scale_C
        means_BC = (residuals_BCHW.mean(dim=(2, 3)) - mean_C) * scale_C
        by_maximum, by_mean = self.counts
        return peaks_BC.topk(by_maximum).indices, means_BC.topk(by_mean).indices

    def _statistics(self, residuals_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and one over deviation of every channel."""
        mean_C, variance_C = self.mean_C, self.variance_C
        if self.training:
            variance_C, mean_C = torch.var_mean(residuals_BCHW, dim=(0, 2, 3), correction=0)
            values = residuals_BCHW.numel() / len(mean_C)
            unbiased_C = variance_C * (values / max(values - 1, 1))
            self.mean_C.lerp_(mean_C, self.momentum)
            self.variance_C.lerp_(unbiased_C, self.momentum)
        return mean_C, (variance_C + 1e-5).rsqrt()
