"""Focal losses (Lin et al., ICCV 2017, arXiv 1708.02002, equation 4) for anomalous pixels.

Both weigh a pixel's cross entropy by (1 - p)^gamma, p the probability given to its true class, and
give no class a weight of its own. In float32 at least, whatever precision the logits come in.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from core.layers.precision import full_precision

SMOOTH = 1e-5


def softmax_focal(logits_B2HW: Tensor, masks_B1HW: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean over pixels, as DRAEM (arXiv 2108.07610) takes it. Scalar.

    The true class is meant with weight 1 - 1e-5, the other with 1e-5, and p is raised by 1e-5, so
    that the loss stays finite without a bound on the logits.

    Args:
        logits_B2HW: of normal and anomalous.
        masks_B1HW: bool, True = anomalous.
    """
    with full_precision(logits_B2HW.device):
        probability = torch.softmax(_wide(logits_B2HW), dim=1)
        anomalous = masks_B1HW.to(probability.dtype).clamp(SMOOTH, 1 - SMOOTH)
        true = (1 - anomalous) * probability[:, :1] + anomalous * probability[:, 1:] + SMOOTH
        return (-((1 - true) ** gamma) * true.log()).mean()


def sigmoid_focal(logits: Tensor, targets: Tensor, gamma: float = 4.0) -> Tensor:
    """Mean over elements, as DeSTSeg (arXiv 2211.11317) takes it. Scalar.

    Args:
        logits: any shape.
        targets: the same shape, bool or 0 and 1.
    """
    with full_precision(logits.device):
        signed = torch.where(targets > 0.5, _wide(logits), -_wide(logits))
        return (-(torch.sigmoid(-signed) ** gamma) * F.logsigmoid(signed)).mean()


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
