"""Perlin's gradient noise and the anomaly masks cut from it.

Perlin, "Improving noise" (SIGGRAPH 2002): the quintic fade. The normalisation, the grid
resolutions and the threshold are those of DRAEM (Zavrtanik et al., ICCV 2021, section 3.2), which
DeSTSeg and RealNet share.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from core.errors import UsageError

LARGEST_EXPONENT = 5
"""Lattices have 2^j cells an axis, j uniform in 0..5."""
THRESHOLD = 0.5
"""Noise above it is inside the region."""
LARGEST_ANGLE = 90.0
"""Noise is turned by an angle uniform in [-90, 90] degrees."""


def perlin_2d(
    shape: tuple[int, int], cells_yx: tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Gradient noise: zero at lattice points, within [-1, 1], continuous in its second derivative.

    Unit gradients of uniform angle stand on a lattice of (cells + 1) points an axis; the four
    dot products of a cell are blended with t(s) = 6s^5 - 15s^4 + 10s^3 and scaled by sqrt(2).

    Args:
        shape: height and width in pixels; pixel (y, x) lies at y * cells_y / height, likewise x.
        cells_yx: lattice cells along the height and the width.
        rng: draws the angles, one call.

    Returns:
        float32 [height, width].

    Raises:
        UsageError: a size or a number of cells below 1.
    """
    (height, width), (cells_y, cells_x) = shape, cells_yx
    if min(height, width, cells_y, cells_x) < 1:
        raise UsageError(
            f"perlin_2d expected a shape and cells of 1 or more, but got shape {shape} and "
            f"cells {cells_yx}."
        )
    angles = rng.uniform(0.0, 2.0 * math.pi, (cells_y + 1, cells_x + 1))
    gradient_y, gradient_x = np.sin(angles), np.cos(angles)
    top, v = _cells(height, cells_y)
    left, u = _cells(width, cells_x)
    v, u = v[:, None], u[None, :]

    def corner(b: int, a: int) -> npt.NDArray[np.float64]:
        at = np.ix_(top + b, left + a)
        return np.asarray(gradient_x[at] * (u - a) + gradient_y[at] * (v - b))

    fade_u, fade_v = _fade(u), _fade(v)
    upper = corner(0, 0) + fade_u * (corner(0, 1) - corner(0, 0))
    lower = corner(1, 0) + fade_u * (corner(1, 1) - corner(1, 0))
    return (math.sqrt(2.0) * (upper + fade_v * (lower - upper))).astype(np.float32)


def perlin_mask(
    shape: tuple[int, int],
    rng: np.random.Generator,
    largest_exponent: int = LARGEST_EXPONENT,
    threshold: float = THRESHOLD,
) -> npt.NDArray[np.bool_]:
    """An irregular region: noise of random resolution, turned, above a threshold. May be empty.

    Args:
        shape: height and width in pixels.
        rng: draws the resolution 2^j an axis (j uniform in 0..`largest_exponent`), the noise and
            the angle (uniform in [-90, 90] degrees).

    Returns:
        bool [height, width].
    """
    exponent_y, exponent_x = (int(j) for j in rng.integers(0, largest_exponent + 1, 2))
    noise = perlin_2d(shape, (2**exponent_y, 2**exponent_x), rng)
    angle = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
    turned = ndimage.rotate(noise, angle, reshape=False, order=1, mode="constant", cval=0.0)
    return np.asarray(turned > threshold)


def _cells(length: int, cells: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Of each pixel of an axis: the cell it lies in, and where in the cell, 0 to below 1."""
    position = np.arange(length) * (cells / length)
    cell = np.minimum(position.astype(np.intp), cells - 1)
    return cell, np.asarray(position - cell, dtype=np.float64)


def _fade(s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(s * s * s * (s * (s * 6.0 - 15.0) + 10.0))
