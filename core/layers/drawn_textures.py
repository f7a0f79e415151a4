"""Generated textures, a batch at once and on the device, each time others.

Stand in for photographs of textures where there are none. Each texture is a pattern (one number a
pixel: clouds, fibres, blots, stripes, weaves, chequers, mosaics, cells, dots) shown in colours of
its own, shaded and grained; all numbers behind it are drawn for it alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

COLOURS = 5
"""Of a texture's palette."""


def drawn_textures(count: int, size: int, device: torch.device) -> Tensor:
    """Textures float32 [count, 3, size, size] in 0..1, from torch's global generator."""
    kinds = torch.randint(len(PATTERNS), (count,))  # on the CPU: how many of each must be known
    pattern_BHW = torch.empty(count, size, size, device=device)
    for kind, pattern in enumerate(PATTERNS):
        chosen = (kinds == kind).nonzero()[:, 0]
        if len(chosen):
            pattern_BHW[chosen.to(device)] = pattern(len(chosen), size, device)
    shaded_BCHW = coloured(pattern_BHW) * shades(count, size, device)[:, None]
    grain = 0.08 * _share(count, device).square()[..., None]
    return (shaded_BCHW + grain * torch.randn_like(shaded_BCHW)).clamp_(0, 1)


def coloured(pattern_BHW: Tensor) -> Tensor:
    """Values 0..1 as colours, [B, 3, H, W]: a palette a texture, blended or in flat steps."""
    count, device = len(pattern_BHW), pattern_BHW.device
    base = torch.rand(count, 1, 3, device=device)
    spread = 0.15 + 1.6 * _share(count, device)
    colours_BKC = base + spread * (torch.rand(count, COLOURS, 3, device=device) - 0.5)
    grey = _share(count, device).sqrt()
    colours_BKC = torch.lerp(colours_BKC.mean(dim=2, keepdim=True), colours_BKC, grey)
    place = pattern_BHW.clamp(0, 1) * (COLOURS - 1)
    below = place.long().clamp(max=COLOURS - 2)
    within = place - below
    flat = torch.rand(count, 1, 1, device=device) < 0.3
    within = torch.where(flat, within.round(), within)[:, None]
    batch = torch.arange(count, device=device)[:, None, None]
    low, high = (colours_BKC[batch, below + up].permute(0, 3, 1, 2) for up in (0, 1))
    return torch.lerp(low, high, within).clamp(0, 1)


def shades(count: int, size: int, device: torch.device) -> Tensor:
    """Uneven light, 0.4..1, [B, H, W]."""
    depth = 0.6 * _share(count, device).square()
    return 1 - depth * clouds(count, size, device)


def clouds(count: int, size: int, device: torch.device) -> Tensor:
    """Noise of all sizes, its power falling with frequency: from cloud to sand."""
    steepness = 0.5 + 2.5 * _share(count, device)
    across, down = _frequencies(count, size, device)
    return _noise((across**2 + down**2 + 1).pow(-steepness / 2), size)


def fibres(count: int, size: int, device: torch.device) -> Tensor:
    """Noise drawn out along one direction: wood, brushed metal, hair."""
    across, down = _turned(*_frequencies(count, size, device), count)
    length = _between(count, device, 4, 40)
    return _noise((across**2 + (length * down) ** 2 + 4).pow(-0.75), size)


def blots(count: int, size: int, device: torch.device) -> Tensor:
    """Noise of one size made into spots or labyrinths with soft or hard edges."""
    across, down = _frequencies(count, size, device)
    centre = _between(count, device, 2, 30)
    width = centre * (0.1 + 0.4 * _share(count, device))
    distance = ((across**2 + down**2).sqrt() - centre) / width
    return _sharpened(_noise(torch.exp(-0.5 * distance**2), size), device)


def stripes(count: int, size: int, device: torch.device) -> Tensor:
    """Waves along one direction, straight or bent."""
    u, _ = _places(count, size, device)
    return _sharpened(_wave(u), device)


def weaves(count: int, size: int, device: torch.device) -> Tensor:
    """Two waves across each other: cloth, mesh, egg boxes."""
    u, v = _places(count, size, device)
    one, other = _wave(u), _wave(v * _between(count, device, 0.3, 3))
    over = torch.rand(count, 1, 1, device=device) < 0.5
    return _sharpened(torch.where(over, torch.maximum(one, other), one * other), device)


def chequers(count: int, size: int, device: torch.device) -> Tensor:
    """Fields in rows, shifted like bricks or not, in two tones with a joint between."""
    u, v = _places(count, size, device)
    v = v * _between(count, device, 0.4, 2.5)
    u = u + v.floor() * 0.5 * (torch.rand(count, 1, 1, device=device) < 0.5)
    tone = (u.floor() + v.floor()).remainder(2)
    edge = torch.minimum(u.remainder(1), v.remainder(1))
    joint = 0.2 * _share(count, device).square()
    return torch.where(edge < joint, 0.5, tone * 0.9 + 0.1 * _wave(u))


def mosaics(count: int, size: int, device: torch.device) -> Tensor:
    """Cells of one tone each, drawn anew for every cell."""
    return _cells(count, size, device)[2]


def cells(count: int, size: int, device: torch.device) -> Tensor:
    """Edges between cells: cracks, scales, foam."""
    nearest, second, _ = _cells(count, size, device)
    return _sharpened((second - nearest).clamp(0, 1), device)


def dots(count: int, size: int, device: torch.device) -> Tensor:
    """Round spots about scattered points, or rings."""
    nearest, _, _ = _cells(count, size, device)
    rings = torch.rand(count, 1, 1, device=device) < 0.3
    waves = _wave(nearest * _between(count, device, 2, 6))
    return torch.where(rings, waves, _sharpened(nearest.clamp(0, 1), device))


PATTERNS = (clouds, fibres, blots, stripes, weaves, chequers, mosaics, cells, dots)


def _cells(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Scattered points, one in each field of a lattice: Worley's cellular noise.

    Returns:
        distance to the nearest and to the second nearest point in field widths, and a number in
        0..1 of the nearest point's own; [B, H, W] each.
    """
    u, v = _places(count, size, device)
    points = 32  # the lattice repeats after so many fields
    scatter = _share(count, device)[..., None]
    jitter = 0.5 + scatter * (torch.rand(count, points, points, 2, device=device) - 0.5)
    tone = torch.rand(count, points, points, device=device)
    row, column = v.floor(), u.floor()
    batch = torch.arange(count, device=device)[:, None, None]
    far = torch.full_like(u, 9.0)
    nearest, second, own = far, far, torch.zeros_like(u)
    for b in (-1, 0, 1):
        for a in (-1, 0, 1):
            at = (batch, (row + b).long() % points, (column + a).long() % points)
            point = jitter[at]
            distance = torch.hypot(
                v - row - b - point[..., 0],
                u - column - a - point[..., 1],
            )
            second = torch.minimum(second, torch.maximum(nearest, distance))
            own = torch.where(distance < nearest, tone[at], own)
            nearest = torch.minimum(nearest, distance)
    return nearest, second, own


def _places(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates that grow by one a repeat: 2 to 32 repeats, turned, shifted, often bent."""
    line = torch.arange(size, device=device) / size
    u, v = _turned(line[None, None, :], line[None, :, None], count)
    repeats = _between(count, device, 2, 32)
    bend = (torch.rand(count, 1, 1, device=device) - 0.4).clamp(min=0) * 0.3
    bent_u, bent_v = (bend * (_swell(count, size, device) - 0.5) for _ in (0, 1))
    shift = 10 * _share(count, device)
    return (u + bent_u) * repeats + shift, (v + bent_v) * repeats + shift


def _swell(count: int, size: int, device: torch.device) -> Tensor:
    """Smooth noise of a few waves an image."""
    across, down = _frequencies(count, size, device)
    reach = _between(count, device, 1, 5)
    return _noise(torch.exp(-0.5 * (across**2 + down**2) / reach**2), size)


def _frequencies(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cycles an image of each coefficient of a real transform, across and down."""
    across = torch.fft.rfftfreq(size, 1 / size, device=device)[None, None, :]
    down = torch.fft.fftfreq(size, 1 / size, device=device)[None, :, None]
    return across, down


def _noise(amplitude_BHF: Tensor, size: int) -> Tensor:
    """Gaussian noise of that spectrum, every value of 0..1 equally frequent."""
    white = torch.randn(len(amplitude_BHF), size, size, device=amplitude_BHF.device)
    spectrum = torch.fft.rfft2(white) * amplitude_BHF
    spectrum[:, 0, 0] = 0
    noise_BHW = torch.fft.irfft2(spectrum, s=(size, size))
    noise_BHW = noise_BHW / noise_BHW.std(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    return 0.5 + 0.5 * torch.erf(noise_BHW / math.sqrt(2))


def _turned(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Coordinates of each texture turned by an angle of its own."""
    angle = 2 * math.pi * _share(count, x.device)
    return angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x


def _wave(phase: Tensor) -> Tensor:
    return 0.5 - 0.5 * torch.cos(2 * math.pi * phase)


def _sharpened(values_BHW: Tensor, device: torch.device) -> Tensor:
    """Contrast about a level of the texture's own, from soft to nearly two-toned."""
    count = len(values_BHW)
    level = 0.25 + 0.5 * _share(count, device)
    gain = _between(count, device, 3, 60)
    return torch.sigmoid(gain * (values_BHW - level))


def _share(count: int, device: torch.device) -> Tensor:
    """Uniform in 0..1, [B, 1, 1]."""
    return torch.rand(count, 1, 1, device=device)


def _between(count: int, device: torch.device, low: float, high: float) -> Tensor:
    """Log-uniform, [B, 1, 1]."""
    return low * (high / low) ** _share(count, device)
