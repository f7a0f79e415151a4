"""Building blocks of drawn scenes: coordinate grids, smooth random fields, strokes, distances.

Lengths are in design units: the frame is always 256 x 256 of them, whatever the size in pixels.
Coordinates Y, X have their origin at the upper left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

FRAME = 256.0

Array: TypeAlias = npt.NDArray[np.float32]
_Value: TypeAlias = npt.NDArray[np.floating] | np.floating | float


def grid(size: int) -> tuple[Array, Array]:
    """Design coordinates Y, X of the pixel centres, float32 [size, size] each."""
    centre = ((np.arange(size, dtype=np.float32) + 0.5) * (FRAME / size)).astype(np.float32)
    Y, X = np.meshgrid(centre, centre, indexing="ij")
    return Y, X


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour, float32 [3]."""
    return np.array([red, green, blue], dtype=np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, a cubic between; falls when `low` is above `high`."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def lerp(a: _Value, b: _Value, t: _Value) -> Array:
    """`a` where t is 0, `b` where it is 1."""
    return np.asarray(a + (b - a) * t, dtype=np.float32)


def enlarge(values: Array, shape: tuple[int, int]) -> Array:
    """Bicubic enlargement of a field to `shape`."""
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.array(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def value_noise(size: int, cells: float, rng: np.random.Generator, octaves: int = 1) -> Array:
    """A smooth random field of about unit variance, float32 [size, size].

    Args:
        cells: bumps across the frame in the first octave; each further octave doubles them and
            halves the amplitude.
        rng: draws one normal number a bump.
    """
    total = np.zeros((size, size), dtype=np.float32)
    power = 0.0
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave))
        amplitude = 0.5**octave
        coarse = rng.standard_normal((across + 2, across + 2), dtype=np.float32)
        total += amplitude * enlarge(coarse, (size, size))
        power += amplitude**2
    return np.asarray(total * np.float32(1.35 / power**0.5), dtype=np.float32)


def smooth_rows(rows: int, length: int, sigma: float, rng: np.random.Generator) -> Array:
    """Independent smooth random rows of unit variance, float32 [rows, length]."""
    raw = rng.standard_normal((rows, length), dtype=np.float32)
    smooth = ndimage.gaussian_filter1d(raw, sigma, axis=1, mode="wrap")
    return np.asarray(smooth * np.float32((2.0 * sigma * np.pi**0.5) ** 0.5), dtype=np.float32)


def strokes(
    size: int, lines: Sequence[Sequence[tuple[float, float]]], width: float, fine: int = 4
) -> Array:
    """How much of each pixel polylines cover, 0..1, float32 [size, size].

    Args:
        lines: points (x, y) of each polyline.
        width: in design units.
        fine: subpixels an axis.
    """
    scale = size * fine / FRAME
    image = Image.new("L", (size * fine, size * fine))
    pen = ImageDraw.Draw(image)
    wide = max(1, round(width * scale))
    for line in lines:
        points = [(x * scale, y * scale) for x, y in line]
        pen.line(points, fill=255, width=wide, joint="curve")
    return np.asarray(image.reduce(fine), dtype=np.float32) / np.float32(255.0)


def wander(
    start: tuple[float, float],
    heading: float,
    length: float,
    bend: float,
    rng: np.random.Generator,
    steps: int = 14,
) -> list[tuple[float, float]]:
    """A curve that turns at random: points (x, y).

    Args:
        heading: of the first step, radians.
        bend: standard deviation of the turn at each step, radians.
    """
    turns = heading + np.cumsum(rng.normal(0.0, bend, steps))
    x = start[0] + np.cumsum(np.cos(turns)) * length / steps
    y = start[1] + np.cumsum(np.sin(turns)) * length / steps
    return [start, *zip(x.tolist(), y.tolist(), strict=True)]


def ellipse_distance(
    Y: Array, X: Array, centre_xy: tuple[float, float], radii_xy: tuple[float, float], turn: float
) -> Array:
    """Signed distance to an ellipse, below 0 inside; exact to first order near its outline."""
    dx, dy = X - np.float32(centre_xy[0]), Y - np.float32(centre_xy[1])
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    a = (dx * cos + dy * sin) / np.float32(radii_xy[0])
    b = (dy * cos - dx * sin) / np.float32(radii_xy[1])
    radius = np.sqrt(a * a + b * b)
    slope = np.sqrt((a / np.float32(radii_xy[0])) ** 2 + (b / np.float32(radii_xy[1])) ** 2)
    near = np.float32(min(radii_xy))
    distance = (radius - 1.0) * radius / np.maximum(slope, 1e-6)
    # the quotient loses its meaning near the centre
    return np.asarray(np.where(radius < 0.3, (radius - 1.0) * near, distance), dtype=np.float32)


def segment_distance(Y: Array, X: Array, a: tuple[float, float], b: tuple[float, float]) -> Array:
    """Distance to the line segment between points a and b, given as (x, y)."""
    ax, ay = np.float32(a[0]), np.float32(a[1])
    bx, by = np.float32(b[0]) - ax, np.float32(b[1]) - ay
    along = np.clip(((X - ax) * bx + (Y - ay) * by) / (bx * bx + by * by), 0.0, 1.0)
    return np.asarray(np.hypot(X - ax - along * bx, Y - ay - along * by), dtype=np.float32)
