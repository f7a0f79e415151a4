"""From maps to histograms: every pixel is looked at once, in blocks, on the device it lies on.

Host arrays go through numpy and `torch.bincount` (which reads 32-bit integers as they are) in a
few threads; both release the interpreter lock. Tensors of other devices are counted there and
only the counts come back. Counts are integers, so both give the same histogram.

Values are counted in a window of neighbouring bins, whose place and width a sample tells. Where
the values lie too far apart for one (hard zeros beside a bulk, say), they are sorted instead.
Anomalous pixels are few: they are picked out and counted again with their weights, instead of
sorting every pixel by its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.metrics.ascending import Maps, host
from core.metrics.histogram import (
    ANOMALOUS,
    GAIN,
    SHARE,
    TOTAL,
    Bins,
    Column,
    Histogram,
    Int64s,
    distinct,
    page_bits,
    places_among,
    starts_of,
)
from core.metrics.keys import BOTTOM, TOP, Float32s, Keys, finest_shift, key_of
from core.metrics.threads import BLOCK, in_threads, quiet_torch, threads
from core.metrics.truth import Index, Truth

if TYPE_CHECKING:
    import torch

SAMPLED = 2**17
"""Pixels, evenly spread, from which shift and window are found."""
DEVICE_BLOCK = 2**26
"""Pixels an accelerator handles at once."""
MARGIN = 16
"""A window is this share wider at both ends than the sample's values."""
SPARSE = 8
"""Values that would need a window of more than this many times the capacity are sorted."""


@dataclass(frozen=True, slots=True)
class Job:
    """Images of one group.

    Attributes:
        maps_BHW: float32, contiguous; maybe of more images than these.
        rows: theirs, ascending, at least one.
        truth: their anomalous pixels, if any; images and places count over `rows` alone.
    """

    group: str
    maps_BHW: Maps
    rows: Index
    truth: Truth | None = None

    @property
    def area(self) -> int:
        """Pixels of an image."""
        return int(self.maps_BHW.shape[1] * self.maps_BHW.shape[2])

    def places_M(self) -> Index:
        """Places of the anomalous pixels in the flattened maps."""
        assert self.truth is not None
        found: Index = self.rows[self.truth.image_M] * self.area + self.truth.places_M % self.area
        return found


@dataclass(frozen=True, slots=True)
class _Window:
    """Bins low to low + span - 1 at a shift; span 0 = no window."""

    shift: int
    low: int
    span: int


def count(jobs: Sequence[Job], shift: int, capacity: int) -> Histogram:
    """The histogram of all pixels of the jobs' maps, which lie on one device.

    Args:
        jobs: of different groups; at least one.
        shift: the finest one wanted, that of the histogram this one is added to.
        capacity: see `histogram`.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    window = _window(jobs, shift, capacity)
    tallies: list[_Tally]
    if isinstance(jobs[0].maps_BHW, np.ndarray):
        quiet_torch()
        tasks = [task for job in jobs for task in _tasks(job)]
        shared = [tasks[start :: threads()] for start in range(min(threads(), len(tasks)))]
        tallies = in_threads(lambda some: _tally_host(some, window), shared)
    else:
        tallies = [_tally_device(job, window) for job in jobs]
    bad = [job for job in jobs if job.truth is not None]
    marked = in_threads(lambda job: _marked(job, window.shift), bad)
    return _gathered(jobs, tallies, marked, window).within(capacity)


def _tasks(job: Job) -> list[tuple[Job, Index]]:
    """The job's images, as many at a time as make a block."""
    share = -(-len(job.rows) // threads())
    size = max(1, min(BLOCK // job.area, share))
    return [(job, job.rows[at : at + size]) for at in range(0, len(job.rows), size)]


def _window(jobs: Sequence[Job], shift: int, capacity: int) -> _Window:
    """The window that suits an even sample of the values."""
    step = max(1, sum(len(job.rows) * job.area for job in jobs) // SAMPLED)
    parts = []
    for job in jobs:
        if len(job.rows) == len(job.maps_BHW):
            parts.append(host(job.maps_BHW.reshape(-1)[::step]))
        else:  # every step-th pixel of each image
            parts.append(host(job.maps_BHW.reshape(len(job.maps_BHW), -1)[:, ::step][job.rows]))
    sample = key_of(np.concatenate([np.ravel(part) for part in parts]))
    lowest, highest = int(sample.min()), int(sample.max())
    if _span(lowest, highest, shift) > capacity:
        sample.sort()
        bits = page_bits(capacity)
        shift = max(shift, finest_shift(sample, capacity >> bits) - bits, 0)
    span = _span(lowest, highest, shift)
    if span > SPARSE * capacity:
        return _Window(shift, 0, 0)
    margin = span // MARGIN + 1  # the sample has not seen the extremes
    return _Window(shift, (lowest >> shift) - margin, span + 2 * margin)


def _span(lowest: int, highest: int, shift: int) -> int:
    return (highest >> shift) - (lowest >> shift) + 1


@dataclass(slots=True)
class _Tally:
    """What one thread or device has counted: by group, in the window and beside it."""

    windows: dict[str, Int64s] = field(default_factory=dict)
    beside: list[tuple[str, Bins, Int64s]] = field(default_factory=list)
    lowest: int = TOP
    highest: int = BOTTOM

    def add(self, group: str, window: Int64s) -> None:
        """Add counts of a whole window, which may be kept."""
        if group in self.windows:
            self.windows[group] += window
        else:
            self.windows[group] = window

    def add_beside(self, group: str, ordered: Bins) -> None:
        """Add ascending bins that lie outside the window, one a value."""
        starts = starts_of(ordered)
        number = np.diff(starts, append=len(ordered))
        self.beside.append((group, ordered[starts], number))

    def saw(self, lowest: int, highest: int) -> None:
        """Note extreme keys; raises ValueError when they belong to NaN or infinity."""
        if not BOTTOM <= lowest <= highest <= TOP:  # two kinds of NaN come in the wrong order
            raise ValueError("NaN or infinity")
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)


def _tally_host(tasks: list[tuple[Job, Index]], window: _Window) -> _Tally:
    """Count some blocks."""
    import torch

    tally, buffer = _Tally(), np.empty(BLOCK, np.int32)
    for job, rows in tasks:
        values = _side_by_side(job, rows)
        for start in range(0, len(values), BLOCK):
            some = values[start : start + BLOCK]
            ends = key_of(np.array([some.min(), some.max()]))  # both carry NaN along
            lowest, highest = int(ends[0]), int(ends[1])
            tally.saw(lowest, highest)
            places = buffer[: len(some)]
            # the bits of positive values are their keys
            keys: Keys = some.view(np.int32) if lowest > 0 else key_of(some, out=places)
            np.right_shift(keys, np.int32(window.shift), out=places)
            first, last = (end >> window.shift for end in (lowest, highest))
            if first < window.low or last >= window.low + window.span:
                outside = (places < window.low) | (places >= window.low + window.span)
                tally.add_beside(job.group, np.sort(places[outside]))
                places = places[~outside]
            if len(places):
                np.subtract(places, np.int32(window.low), out=places)
                counted = torch.bincount(torch.from_numpy(places), minlength=window.span)
                tally.add(job.group, counted.numpy())
    return tally


def _side_by_side(job: Job, rows: Index) -> Float32s:
    """The pixels of some images; a copy only where other images lie between them."""
    assert isinstance(job.maps_BHW, np.ndarray)
    if rows[-1] - rows[0] == len(rows) - 1:
        return job.maps_BHW[rows[0] : rows[-1] + 1].reshape(-1)
    return job.maps_BHW[rows].reshape(-1)


def _tally_device(job: Job, window: _Window) -> _Tally:
    """Count the maps of a job where they lie; only counts come back."""
    import torch

    assert not isinstance(job.maps_BHW, np.ndarray)
    whole = len(job.rows) == len(job.maps_BHW)
    keys = _device_keys((job.maps_BHW if whole else job.maps_BHW[job.rows]).reshape(-1))
    lowest, highest = (int(end) for end in torch.aminmax(keys))
    tally = _Tally()
    tally.saw(lowest, highest)
    first, last = (lowest >> window.shift) - window.low, (highest >> window.shift) - window.low
    if first >= 0 and last < window.span:
        counts = torch.zeros(window.span, dtype=torch.int64, device=keys.device)
        for start in range(0, keys.numel(), DEVICE_BLOCK):
            places = (keys[start : start + DEVICE_BLOCK] >> window.shift) - window.low
            counts += torch.bincount(places, minlength=window.span)
        tally.add(job.group, counts.cpu().numpy())
    else:
        bins, number = torch.unique(keys >> window.shift, return_counts=True)
        tally.beside.append((job.group, bins.cpu().numpy(), number.cpu().numpy()))
    return tally


def _device_keys(flat: torch.Tensor) -> torch.Tensor:
    """`keys.key_of` for a tensor; without a copy where no value is signed."""
    import torch

    bits = flat.view(torch.int32)
    if int(bits.min()) >= 0:
        return bits
    bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return torch.where(bits == -1, 0, bits)


def _gathered(
    jobs: Sequence[Job], tallies: list[_Tally], marked: list[_Marked], window: _Window
) -> Histogram:
    """One histogram from all tallies and the jobs' anomalous pixels."""
    groups = [job.group for job in jobs]
    counted = {group: np.zeros(window.span, np.int64) for group in groups}
    for tally in tallies:
        for group, counts in tally.windows.items():
            counted[group] += counts
    (places,) = np.nonzero(np.sum(list(counted.values()), axis=0))
    inside = (places + window.low).astype(np.int32)
    beside = [part for tally in tallies for part in tally.beside]
    bins = (
        distinct(np.concatenate([inside, *(some for _, some, _ in beside)])) if beside else inside
    )
    at = places_among(bins, inside) if beside else slice(None)
    columns: dict[Column, Int64s] = {}
    for group in groups:
        column = columns[group, TOTAL] = np.zeros(len(bins), np.int64)
        column[at] = counted[group][places]
    for group, some, number in beside:
        columns[group, TOTAL][places_among(bins, some)] += number
    for one in marked:
        _add_anomalous(columns, bins, one)
    ends = min(t.lowest for t in tallies), max(t.highest for t in tallies)
    return Histogram(window.shift, bins, columns, *ends)


@dataclass(frozen=True, slots=True)
class _Marked:
    """Anomalous pixels of a group: their bins and weights. [M]"""

    group: str
    bins_M: Bins
    gains_M: Int64s
    shares_M: Int64s


def _marked(job: Job, shift: int) -> _Marked:
    assert job.truth is not None
    flat, places_M = job.maps_BHW.reshape(-1), job.places_M()
    if isinstance(flat, np.ndarray):
        values = flat[places_M]
    else:
        import torch

        values = host(flat[torch.from_numpy(places_M).to(flat.device)])
    bins_M = key_of(values) >> np.int32(shift)
    return _Marked(job.group, bins_M, job.truth.gains_M, job.truth.shares_M)


def _add_anomalous(columns: dict[Column, Int64s], bins: Bins, marked: _Marked) -> None:
    """Fill in a group's columns of anomalous pixels."""
    at_M, group = places_among(bins, marked.bins_M), marked.group
    columns[group, ANOMALOUS] = np.bincount(at_M, minlength=len(bins)).astype(np.int64, copy=False)
    for kind, weights_M in ((GAIN, marked.gains_M), (SHARE, marked.shares_M)):
        column = columns[group, kind] = np.zeros(len(bins), np.int64)
        np.add.at(column, at_M, weights_M)
