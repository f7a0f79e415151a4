"""Convolutions with equalised learning rate and spatial style modulation.

Equalised learning rate: Karras et al., "Progressive Growing of GANs", ICLR 2018, arXiv 1710.10196.
Up-sampling with blur: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR
2020, arXiv 1912.04958. Styles that vary over the image: Kim et al., "StyleMapGAN", CVPR 2021, arXiv
2104.14754. Widths and scales as InvAD (arXiv 2404.10760) uses them, in plain torch operations.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
BLUR = (1.0, 3.0, 3.0, 1.0)
"""Taps of the blur along each axis, before normalisation."""
UPSAMPLING_MULTIPLIER = 0.01
"""Learning-rate multiplier of up-sampling layers without style."""


def blur_kernel() -> Tensor:
    """The 4 x 4 blur of a map into which zeros were inserted: it sums to 4, one a source pixel."""
    taps = torch.tensor(BLUR, device="cpu")
    return 4 * torch.outer(taps, taps) / taps.sum() ** 2


class EqualConv2d(nn.Module):
    """Convolution whose stored weights have deviation 1 / multiplier and are scaled when used.

    Scaled by multiplier / sqrt(fan in), every layer's output starts with the deviation of its
    input, and Adam's steps mean the same relative change in wide and narrow layers (1710.10196,
    section 4.1). The side is kept.

    Args:
        kernel: odd side of the kernel.
        bias: its initial value, one for all channels or one a channel; None for no bias.
        multiplier: of the learning rate: smaller = stored weights larger, relative steps smaller.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        bias: Tensor | float | None = None,
        multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.scale = multiplier / math.sqrt(channels_in * kernel**2)
        self.weight = nn.Parameter(
            torch.randn(channels_out, channels_in, kernel, kernel) / multiplier
        )
        self.bias = None if bias is None else nn.Parameter(torch.zeros(channels_out) + bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.conv2d(x_BCHW, self.weight * self.scale, self.bias, padding=self.kernel // 2)


class UpsamplingConv2d(EqualConv2d):
    """The same to exactly twice the side: zeros between pixels, convolution, blur (no bias).

    Args:
        kernel: 3 or 1.
    """

    blur_44: Tensor

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, multiplier: float = 1.0
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, multiplier=multiplier)
        self.register_buffer("blur_44", blur_kernel(), persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if self.kernel == 1:
            # A 1 x 1 convolution and the insertion of zeros commute: four times less to convolve.
            x_BCHW = F.conv2d(x_BCHW, weight)
            batch, channels, height, width = x_BCHW.shape
            wide_BCHW = x_BCHW.new_zeros(batch, channels, 2 * height + 1, 2 * width + 1)
            wide_BCHW[:, :, 1::2, 1::2] = x_BCHW
        else:
            wide_BCHW = F.conv_transpose2d(x_BCHW, weight.transpose(0, 1), stride=2)
        blur = self.blur_44.expand(len(weight), 1, 4, 4)
        return F.conv2d(wide_BCHW, blur, padding=1, groups=len(weight))


class ScaledLeakyReLU(nn.Module):
    """sqrt(2) LeakyReLU(x + b), slope 0.2: keeps the mean square of what comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias_C11 = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        # In the input's type: a float32 bias would turn bf16 maps into float32 ones.
        return F.leaky_relu(x_BCHW + self.bias_C11.to(x_BCHW.dtype), SLOPE) * math.sqrt(2)


class ConvLayer(nn.Sequential):
    """3 x 3 equalised convolution and activation; `upsample` doubles the side."""

    def __init__(self, channels_in: int, channels_out: int, upsample: bool = False) -> None:
        super().__init__(
            UpsamplingConv2d(channels_in, channels_out, 3, UPSAMPLING_MULTIPLIER)
            if upsample
            else EqualConv2d(channels_in, channels_out, 3),
            ScaledLeakyReLU(channels_out),
        )


def normalised(x_BCHW: Tensor) -> Tensor:
    """Each image's map to mean 0 and variance 1 over channels and positions; type kept."""
    # One group of all channels is a layer norm over (C, H, W), and takes channels-last maps.
    return F.group_norm(x_BCHW, 1).to(x_BCHW.dtype)


class StyledConv(nn.Module):
    """Layer norm, modulation by the style at each position, 3 x 3 convolution, activation.

    Modulation x * gamma + beta with gamma and beta by a 3 x 3 convolution of the style map,
    starting at 1 and 0 plus noise (2104.14754, section 3). Where it doubles the side the style map
    has the output's side, and its input is normalised but not modulated.
    """

    def __init__(
        self, channels_in: int, channels_out: int, style: int, upsample: bool = False
    ) -> None:
        super().__init__()
        self.modulation: EqualConv2d | None = None
        self.conv: EqualConv2d
        if upsample:
            self.conv = UpsamplingConv2d(channels_in, channels_out, 3)
        else:
            start = torch.cat([torch.ones(channels_in), torch.zeros(channels_in)])
            self.modulation = EqualConv2d(style, 2 * channels_in, 3, bias=start)
            self.conv = EqualConv2d(channels_in, channels_out, 3)
        self.activation = ScaledLeakyReLU(channels_out)

    def forward(self, x_BCHW: Tensor, style_BSHW: Tensor) -> Tensor:
        x_BCHW = normalised(x_BCHW)
        if self.modulation is not None:
            gamma_BCHW, beta_BCHW = self.modulation(style_BSHW).chunk(2, dim=1)
            x_BCHW = torch.addcmul(beta_BCHW, x_BCHW, gamma_BCHW)
        result: Tensor = self.activation(self.conv(x_BCHW))
        return result


class StyledResBlock(nn.Module):
    """Two styled convolutions beside a linear 1 x 1 skip, (h + skip) / sqrt(2).

    Args:
        style: channels of the style map, which has the output's side.
        upsample: the first convolution and the skip double the side.
    """

    def __init__(
        self, channels_in: int, channels_out: int, style: int, upsample: bool = False
    ) -> None:
        super().__init__()
        self.first = StyledConv(channels_in, channels_out, style, upsample)
        self.second = StyledConv(channels_out, channels_out, style)
        self.skip = (
            UpsamplingConv2d(channels_in, channels_out, 1, UPSAMPLING_MULTIPLIER)
            if upsample
            else EqualConv2d(channels_in, channels_out, 1)
        )

    def forward(self, x_BCHW: Tensor, style_BSHW: Tensor) -> Tensor:
        h_BCHW: Tensor = self.second(self.first(x_BCHW, style_BSHW), style_BSHW)
        skip_BCHW: Tensor = self.skip(x_BCHW)
        return (h_BCHW + skip_BCHW).mul(math.sqrt(0.5))
