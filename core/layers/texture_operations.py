"""DRAEM's random alterations of textures (arXiv 2108.07610), a batch at once.

Each operation takes float32 [N, 3, H, W] in 0..1 and draws its numbers for every image anew, from
torch's global generator. Ranges are those of the paper's code and the library it uses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from core.layers.rotation import rotated

AT_ONCE = 3
"""Different operations a texture passes, one after the other."""


def altered(textures_BCHW: Tensor) -> Tensor:
    """Each texture after three different operations of its own, in a random order.

    Args:
        textures_BCHW: float32 in 0..1; not changed in place.
    """
    result = textures_BCHW.clone()
    # on the CPU, for it must be known which images meet which operation
    turns_B3 = torch.rand(len(result), len(OPERATIONS)).argsort(dim=1)[:, :AT_ONCE]
    for turn in turns_B3.unbind(dim=1):
        for number, operation in enumerate(OPERATIONS):
            chosen = (turn == number).nonzero()[:, 0].to(result.device)
            if len(chosen):
                result[chosen] = operation(result[chosen]).clamp(0, 1)
    return result


def gamma(x_BCHW: Tensor) -> Tensor:
    """x^g a channel, g uniform in 0.5..2."""
    return x_BCHW ** _uniform(x_BCHW, 0.5, 2.0, channels=3)


def brightness(x_BCHW: Tensor) -> Tensor:
    """Times 0.8..1.2, plus -30..30 of 255."""
    return x_BCHW * _uniform(x_BCHW, 0.8, 1.2) + _uniform(x_BCHW, -30, 30) / 255


def sharpness(x_BCHW: Tensor) -> Tensor:
    """Towards a smoothed copy or away from it: 0 = smoothed, 1 = as it is, 2 = sharpened."""
    inner = F.avg_pool2d(x_BCHW, 3, stride=1) * (9 / 13) + x_BCHW[..., 1:-1, 1:-1] * (4 / 13)
    smoothed = x_BCHW.clone()
    smoothed[..., 1:-1, 1:-1] = inner
    return torch.lerp(smoothed, x_BCHW, _uniform(x_BCHW, 0.0, 2.0))


def hue_and_saturation(x_BCHW: Tensor) -> Tensor:
    """Hue turned by up to 50/255 of half a circle, saturation plus up to 50/255, each its own."""
    hue, saturation, value = hsv(x_BCHW).unbind(dim=1)
    hue = hue + _uniform(x_BCHW, -50, 50)[:, 0] / 255 / 2
    saturation = saturation + _uniform(x_BCHW, -50, 50)[:, 0] / 255
    return rgb(torch.stack([hue.remainder(1), saturation.clamp(0, 1), value], dim=1))


def solarise(x_BCHW: Tensor) -> Tensor:
    """With probability one half: values of 32..128 of 255 and more turned over."""
    threshold = _uniform(x_BCHW, 32, 128) / 255
    acts = torch.rand(len(x_BCHW), 1, 1, 1, device=x_BCHW.device) < 0.5
    return torch.where(acts & (x_BCHW >= threshold), 1 - x_BCHW, x_BCHW)


def posterise(x_BCHW: Tensor) -> Tensor:
    """1 to 8 bits a channel; a value becomes the middle of its step."""
    bits = torch.randint(1, 9, (len(x_BCHW), 1, 1, 1), device=x_BCHW.device)
    levels = 2.0**bits
    return (torch.minimum((x_BCHW * levels).floor(), levels - 1) + 0.5) / levels


def invert(x_BCHW: Tensor) -> Tensor:
    """One minus the value."""
    return 1 - x_BCHW


def autocontrast(x_BCHW: Tensor) -> Tensor:
    """Each channel stretched to 0..1 after cutting 0 to 20 % of its pixels off at either end."""
    sorted_BCN = x_BCHW.flatten(2).sort(dim=2).values
    last = sorted_BCN.shape[2] - 1
    cut = (_uniform(x_BCHW, 0.0, 0.2).flatten(1) * last).long()[..., None].expand(-1, 3, 1)
    low, high = (sorted_BCN.gather(2, at)[..., None] for at in (cut, last - cut))
    stretched = (x_BCHW - low) / (high - low).clamp(min=1e-6)
    return torch.where(high - low > 1 / 255, stretched, x_BCHW)


def equalise(x_BCHW: Tensor) -> Tensor:
    """Every grey value of a channel about equally frequent."""
    bytes_BCHW = (x_BCHW * 255).round().to(torch.uint8)
    equal: Tensor = transforms.equalize(bytes_BCHW)
    return equal.to(x_BCHW.dtype) / 255


def rotate(x_BCHW: Tensor) -> Tensor:
    """By up to 45 degrees, black where nothing is left."""
    return rotated(x_BCHW, _uniform(x_BCHW, -45, 45).flatten())


OPERATIONS = (
    gamma, brightness, sharpness, hue_and_saturation, solarise,
    posterise, invert, autocontrast, equalise, rotate,
)  # fmt: skip


def hsv(rgb_BCHW: Tensor) -> Tensor:
    """Hue (share of the circle), saturation and value of RGB in 0..1."""
    value, strongest = rgb_BCHW.max(dim=1)
    chroma = value - rgb_BCHW.amin(dim=1)
    # red leads from hue 0, green from 1/3, blue from 2/3; the next channels pull either way
    after = rgb_BCHW.roll(-1, dims=1).gather(1, strongest[:, None])[:, 0]
    before = rgb_BCHW.roll(-2, dims=1).gather(1, strongest[:, None])[:, 0]
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = (2 * strongest + (after - before) / safe) / 6
    saturation = chroma / torch.where(value > 0, value, 1.0)
    return torch.stack([hue.remainder(1), saturation, value], dim=1)


def rgb(hsv_BCHW: Tensor) -> Tensor:
    """The way back from `hsv`."""
    hue, saturation, value = (part[:, None] for part in hsv_BCHW.unbind(dim=1))
    middle = torch.tensor([0.0, 1 / 3, 2 / 3], device=hsv_BCHW.device).view(1, 3, 1, 1)
    away = ((hue - middle + 0.5).remainder(1) - 0.5).abs() * 6  # 0..3, from each pure colour
    return value * (1 - saturation * (away - 1).clamp(0, 1))


def _uniform(x_BCHW: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    """[N, channels, 1, 1]"""
    share = torch.rand(len(x_BCHW), channels, 1, 1, device=x_BCHW.device)
    return low + (high - low) * share
