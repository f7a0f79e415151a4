"""The marks a map makes: its local maxima, non-maximum suppressed.

Free-response methods judge a reader by marks, each a place and a rating (Bunch et al. 1978, see
`froc`). A map becomes marks as in candidate detection: a mark is a maximum of its neighbourhood.
In detail, with radius r:

- A pixel is a peak when it equals the maximum of the (2r + 1) x (2r + 1) window around it, cut
  off at the border. Neighbouring peaks have equal values, and a mark is an 8-connected plateau of
  peaks: a constant map has one mark.
- A mark lies on the region with a pixel at most `tolerance` (Euclidean, in pixels) from a pixel of
  the mark; on the nearest one if there are several, then on the one with more pixels at that
  distance, then on the lowest id.

Only peaks are looked at closely, and a plateau is handled as rows of pixels ("runs": first pixel,
last pixel), so a flat map costs no more than a lively one. A tensor is filtered on its device;
the ends of the runs and their values are all that leaves it.

Array shapes: R runs, K marks, C pixels, O offsets; pixels are numbered through all images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.errors import UsageError

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]

RADIUS_SHARE = 0.04
"""Default radius, as a share of the shorter side."""
_BLOCK = 2**20  # region ids looked up at once


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one image.

    Attributes:
        scores_K: float32, descending; marks of one score stand in raster order.
        regions_K: int32, id of the region the mark lies on; 0 = none.
    """

    scores_K: npt.NDArray[np.float32]
    regions_K: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Runs:
    """Rows of neighbouring peaks, in raster order: first and last pixel, and their value."""

    first_R: Ints
    last_R: Ints
    value_R: npt.NDArray[np.float32]


def default_radius(height: int, width: int) -> int:
    """Radius, in pixels, when none is given: 10 for 256 x 256."""
    return max(1, round(RADIUS_SHARE * min(height, width)))


def find_marks(
    maps_BHW: npt.NDArray[Any] | torch.Tensor,
    regions_BHW: npt.NDArray[Any] | torch.Tensor,
    radius: int | None = None,
    tolerance: int | None = None,
) -> list[Marks]:
    """The marks of each image; numpy arrays and tensors give the same to the bit.

    Args:
        maps_BHW: array or tensor on any device; compared as float32.
        regions_BHW: integer region ids, 0 = normal; array or tensor.
        radius: of the window, in pixels, at least 1; None = `default_radius`.
        tolerance: distance in pixels up to which a mark counts as on a region; None = radius // 2.

    Raises:
        UsageError: shapes that differ, ids that are not integers, a radius below 1, a negative
            tolerance, a map that holds NaN or infinity.
    """
    _check_shapes(maps_BHW, regions_BHW)
    images, height, width = maps_BHW.shape
    radius = default_radius(height, width) if radius is None else radius
    tolerance = radius // 2 if tolerance is None else tolerance
    if radius < 1 or tolerance < 0:
        raise UsageError(
            f"Marks were asked for with radius {radius} and tolerance {tolerance}; the radius "
            "must be at least 1 pixel, the tolerance at least 0."
        )
    if images == 0:
        return []
    if isinstance(maps_BHW, np.ndarray):
        runs = _runs_of_array(maps_BHW, radius)
    else:
        runs = _runs_of_tensor(maps_BHW, radius)
    mark_R = _plateaus(runs, height, width)
    _, leader_K = np.unique(mark_R, return_index=True)
    on_K = _regions_of(runs, mark_R, len(leader_K), regions_BHW, tolerance)
    score_K, image_K = runs.value_R[leader_K], runs.first_R[leader_K] // (height * width)
    order = np.lexsort((leader_K, -score_K, image_K))
    ends = np.searchsorted(image_K[order], np.arange(images), side="right")
    split = [order[start:end] for start, end in zip((0, *ends), ends, strict=False)]
    return [Marks(score_K[one], on_K[one]) for one in split]


def _check_shapes(maps: Any, regions: Any) -> None:
    if len(maps.shape) != 3 or 0 in maps.shape[1:] or tuple(maps.shape) != tuple(regions.shape):
        raise UsageError(
            f"Maps came with shape {tuple(maps.shape)} and regions with {tuple(regions.shape)}; "
            "both must be [images, height, width]."
        )
    kind = str(regions.dtype).removeprefix("torch.")
    if not kind.startswith(("int", "uint")):
        raise UsageError(f"Regions came as {kind}; give integer region ids.")


def _require_finite(finite: bool) -> None:
    if not finite:
        raise UsageError("A map holds NaN or infinity; train or predict it again.")


def _runs_of_array(maps_BHW: npt.NDArray[Any], radius: int) -> _Runs:
    firsts, lasts, values = [], [], []
    for image, raw_HW in enumerate(maps_BHW):
        with np.errstate(over="ignore"):
            map_HW = np.asarray(raw_HW).astype(np.float32, copy=False)
        _require_finite(bool(np.isfinite(map_HW).all()))
        # repeating the border adds no value that the cut-off window does not hold
        peaks_HW = map_HW == ndimage.maximum_filter(map_HW, 2 * radius + 1, mode="nearest")
        first = np.flatnonzero(_leads(peaks_HW, peaks_HW.copy()))
        firsts.append(first + image * map_HW.size)
        lasts.append(np.flatnonzero(_trails(peaks_HW, peaks_HW.copy())) + image * map_HW.size)
        values.append(map_HW.reshape(-1)[first])
    return _Runs(np.concatenate(firsts), np.concatenate(lasts), np.concatenate(values))


def _runs_of_tensor(maps_BHW: torch.Tensor, radius: int) -> _Runs:
    import torch
    from torch.nn.functional import max_pool2d

    maps = maps_BHW.detach().float().contiguous()
    _require_finite(bool(torch.isfinite(maps).all()))
    size = 2 * radius + 1
    # a square window is a column of rows: two passes of 2r + 1 instead of one of (2r + 1)^2
    highest = max_pool2d(maps[:, None], (1, size), stride=1, padding=(0, radius))
    highest = max_pool2d(highest, (size, 1), stride=1, padding=(radius, 0))
    peaks = maps == highest[:, 0]
    first = _leads(peaks, peaks.clone()).reshape(-1).nonzero()[:, 0]
    last = _trails(peaks, peaks.clone()).reshape(-1).nonzero()[:, 0]
    value = maps.reshape(-1)[first]
    return _Runs(first.cpu().numpy(), last.cpu().numpy(), value.cpu().numpy())


def _leads(peaks: Any, out: Any) -> Any:
    """Peaks without a peak to their left; `out` starts as a copy."""
    out[..., 1:] &= ~peaks[..., :-1]
    return out


def _trails(peaks: Any, out: Any) -> Any:
    """Peaks without a peak to their right; `out` starts as a copy."""
    out[..., :-1] &= ~peaks[..., 1:]
    return out


def _plateaus(runs: _Runs, height: int, width: int) -> npt.NDArray[np.int32]:
    """The mark each run belongs to. [R]

    A run touches those of the next row that reach from one pixel before it to one pixel behind.
    Rows are set two pixels and images one row apart, so that nothing touches across an edge.
    """
    row_R, start_R = np.divmod(runs.first_R, width)
    base_R = (row_R + row_R // height) * (width + 2)
    start_R = base_R + start_R
    end_R = start_R + (runs.last_R - runs.first_R)
    below = width + 2
    from_R = np.searchsorted(end_R, start_R + below - 1, side="left")
    to_R = np.searchsorted(start_R, end_R + below + 1, side="right")
    touched_R = np.maximum(to_R - from_R, 0)
    one, two = _spread(from_R, touched_R)
    links = coo_array((np.ones(len(one), bool), (one, two)), shape=(len(row_R), len(row_R)))
    mark_R: npt.NDArray[np.int32] = connected_components(links, directed=False)[1]
    return mark_R


def _spread(start_R: Ints, count_R: Ints) -> tuple[Ints, Ints]:
    """(i, start_i), (i, start_i + 1), ... for every i, count_i of them."""
    index = np.repeat(np.arange(len(start_R)), count_R)
    within = np.arange(len(index)) - np.repeat(np.cumsum(count_R) - count_R, count_R)
    return index, start_R[index] + within


def _regions_of(
    runs: _Runs, mark_R: npt.NDArray[np.int32], marks: int, regions_BHW: Any, tolerance: int
) -> npt.NDArray[np.int32]:
    """The region each mark lies on, 0 = none. [K]"""
    on_K = np.zeros(marks, np.int32)
    images, height, width = regions_BHW.shape
    has_B = (regions_BHW > 0).reshape(images, -1).any(1)
    has_B = has_B if isinstance(has_B, np.ndarray) else has_B.cpu().numpy()
    kept = np.flatnonzero(has_B[runs.first_R // (height * width)])
    first_R, last_R = runs.first_R[kept], runs.last_R[kept]
    run_C, pixel_C = _spread(first_R, last_R - first_R + 1)
    mark_C = mark_R[kept][run_C]
    flat = regions_BHW.reshape(-1)
    region_C = _look_up(flat, pixel_C)
    inside = region_C > 0
    _settle(on_K, mark_C[inside], np.zeros(inside.sum(), np.int64), region_C[inside])
    if tolerance == 0:
        return on_K
    # From a pixel inside a plateau, a step towards the region stays in the plateau and comes
    # nearer: only pixels with a neighbour outside can be the nearest ones.
    ends = (pixel_C == first_R[run_C]) | (pixel_C == last_R[run_C])
    edge = ends | ~_among(pixel_C, pixel_C - width) | ~_among(pixel_C, pixel_C + width)
    near = np.flatnonzero(edge & (on_K[mark_C] == 0))
    _settle(on_K, *_around(flat, pixel_C[near], mark_C[near], height, width, tolerance))
    return on_K


def _look_up(flat: Any, index: Ints) -> Ints:
    """Region ids at flat pixel numbers, on the host."""
    if isinstance(flat, np.ndarray):
        return flat[index].astype(np.int64)
    import torch

    found = flat[torch.from_numpy(index).to(flat.device)].to(torch.int64)
    return np.asarray(found.cpu().numpy())


def _among(pixel_C: Ints, wanted_C: Ints) -> npt.NDArray[np.bool_]:
    """Which of `wanted_C` are in ascending `pixel_C`. [C]"""
    if not len(pixel_C):
        return np.empty(0, bool)
    at = np.minimum(np.searchsorted(pixel_C, wanted_C), len(pixel_C) - 1)
    return np.asarray(pixel_C[at] == wanted_C)


def _around(
    flat: Any,
    pixel_C: Ints,
    mark_C: npt.NDArray[Any],
    height: int,
    width: int,
    tolerance: int,
) -> tuple[npt.NDArray[Any], Ints, Ints]:
    """(mark, squared distance, region) of every anomalous pixel within reach of a pixel."""
    side = np.arange(-tolerance, tolerance + 1)
    down_O, right_O = (offset.ravel() for offset in np.meshgrid(side, side, indexing="ij"))
    square_O = down_O**2 + right_O**2
    reach = square_O <= tolerance**2
    down_O, right_O, square_O = down_O[reach], right_O[reach], square_O[reach]
    found: list[tuple[Any, Any, Any]] = [(mark_C[:0], square_O[:0], pixel_C[:0])]
    rows = max(1, _BLOCK // len(square_O))
    for start in range(0, len(pixel_C), rows):
        pixel_C1 = pixel_C[start : start + rows, None]
        row_C1, column_C1 = pixel_C1 // width % height, pixel_C1 % width
        # Clipped to the image a far offset reads a border pixel that a nearer one reads, too.
        row_CO = np.clip(row_C1 + down_O, 0, height - 1)
        column_CO = np.clip(column_C1 + right_O, 0, width - 1)
        corner_C1 = pixel_C1 - row_C1 * width - column_C1
        region_CO = _look_up(flat, corner_C1 + row_CO * width + column_CO)
        pixel, offset = np.nonzero(region_CO > 0)
        found.append((mark_C[start + pixel], square_O[offset], region_CO[pixel, offset]))
    mark, square, region = (np.concatenate(part) for part in zip(*found, strict=True))
    return mark, square, region


def _settle(
    on_K: npt.NDArray[np.int32], mark_P: npt.NDArray[Any], square_P: Ints, region_P: Ints
) -> None:
    """Enter for each mark its region: nearest, then most pixels there, then lowest id."""
    if not len(mark_P):
        return
    far, high = int(square_P.max()) + 1, int(region_P.max()) + 1
    code_P = (mark_P.astype(np.int64) * far + square_P) * high + region_P
    code, pixels = np.unique(code_P, return_counts=True)
    place, region = np.divmod(code, high)
    mark, square = np.divmod(place, far)
    order = np.lexsort((region, -pixels, square, mark))
    marks, best = np.unique(mark[order], return_index=True)
    on_K[marks] = region[order][best]
