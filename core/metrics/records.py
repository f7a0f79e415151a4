"""What is kept of one test image.

Grade "exact" keeps every pixel, sorted: 4 bytes a normal one, 8 an anomalous one. Grade "stream"
keeps a bounded profile: map values at some ranks of the normal pixels and of each region. Its
pixel metrics come from histograms; the profile serves what is asked image by image: intervals,
recall of each image and region.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics.ascending import Ascending, host, sorted_rows
from core.metrics.batch import Batch
from core.metrics.froc import lesion_ratings
from core.metrics.keys import Float32s
from core.metrics.marks import Marks, find_marks
from core.metrics.ranking import FloatArray
from core.metrics.threads import in_threads
from core.metrics.truth import Truth

PROFILE = 129
"""Evenly spaced ranks of a thinned profile; half as many again lie in its upper tail."""
REGION_PROFILE = 64

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Normals:
    """Map values of an image's normal pixels, ascending: all of them, or some with their ranks."""

    count: int
    values: Ascending
    ranks_K: Int64s | None = None

    def below(self, edges_T: npt.NDArray[Any]) -> FloatArray:
        """How many lie below each float32 edge: counted, or interpolated between ranks. [T]"""
        if self.ranks_K is None:
            return self.values.count_below(edges_T).astype(np.float64)
        just_below = np.nextafter(edges_T.astype(np.float64), -np.inf)
        known = self.values.on_host.astype(np.float64)
        return np.interp(just_below, known, self.ranks_K, left=0.0, right=float(self.count))


NOTHING = Normals(0, Ascending(np.empty(0, np.float32)))


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image.

    Attributes:
        label, score, ader_score, anomaly_type, specimen, key: as they came.
        digest: checksum of what is kept; orders images that share label, score and key.
        known: whether its pixels count.
        normals: None when no pixels are kept.
        values_M: anomalous pixels, ascending.
        region_M: the region (from 0) each belongs to.
        weights_M: pixels each stands for; None: one.
        areas_L, peaks_L: pixels and highest value of each region.
        marks_K: scores of a normal image's local maxima, see `marks`; None for anomalous images
            and where they were not looked for.
        ratings_L: score of the highest local maximum on each region, see `froc`.
    """

    label: int
    score: float
    ader_score: float
    anomaly_type: str
    specimen: str | None
    key: str
    digest: int
    known: bool
    normals: Normals | None
    values_M: Float32s
    region_M: Int32s
    weights_M: Float32s | None
    areas_L: Int64s
    peaks_L: Float32s
    marks_K: Float32s | None
    ratings_L: FloatArray

    @property
    def place(self) -> tuple[int, float, str, int, bool, str, bool, str, float]:
        """Sort key that does not depend on the order of arrival: images that share all of it are
        the same in everything that is kept."""
        return (
            self.label, self.score, self.key, self.digest, self.known, self.anomaly_type,
            self.specimen is not None, self.specimen or "", self.ader_score,
        )  # fmt: skip

    @property
    def regions(self) -> int:
        return len(self.areas_L)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that are kept."""
        held: list[Any] = [self.values_M, self.region_M, self.areas_L, self.peaks_L, self.ratings_L]
        held += [self.weights_M, self.marks_K]
        if self.normals is not None:
            held += [self.normals.values, self.normals.ranks_K]
        return sum(part.nbytes for part in held if part is not None)

    def anomalous_below(self, edges_T: npt.NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Anomalous pixels below each edge, and the sum over them of 1 / area. 2 x [T]"""
        weight = np.ones(len(self.values_M)) if self.weights_M is None else self.weights_M
        at_T = np.searchsorted(self.values_M, edges_T, side="left")
        gain = weight / self.areas_L[self.region_M]
        pixels, gains = (
            np.concatenate(([0.0], np.cumsum(w, dtype=np.float64))) for w in (weight, gain)
        )
        return pixels[at_T], gains[at_T]


def records(batch: Batch, *, whole: bool, details: bool, marks: bool) -> list[ImageRecord]:
    """Records of a checked batch.

    Args:
        whole: keep every pixel; else profiles.
        details: keep pixels at all.
        marks: look for local maxima.
    """
    found = find_marks(batch.maps_BHW, batch.regions_BHW) if marks and details else None
    (known,) = np.nonzero(batch.known_B & details)
    pixels = dict(zip(known.tolist(), _pixels(batch, known, whole), strict=True))
    return [
        _record(batch, i, pixels.get(i), None if found is None else found[i])
        for i in range(len(batch.labels_B))
    ]


@dataclass(frozen=True, slots=True)
class _Pixels:
    normals: Normals
    values_M: Float32s
    region_M: Int32s
    weights_M: Float32s | None
    areas_L: Int64s
    peaks_L: Float32s
    ids_L: Int64s


_NO_PIXELS = _Pixels(
    NOTHING,
    np.empty(0, np.float32),
    np.empty(0, np.int32),
    None,
    np.empty(0, np.int64),
    np.empty(0, np.float32),
    np.empty(0, np.int64),
)


def _ratings(pixels: _Pixels, marks: Marks | None) -> FloatArray:
    if marks is None:
        return np.full(len(pixels.areas_L), np.nan)
    return lesion_ratings(marks.scores_K, marks.regions_K, pixels.ids_L)


def _record(batch: Batch, i: int, pixels: _Pixels | None, marks: Marks | None) -> ImageRecord:
    held, ratings_L = pixels or _NO_PIXELS, _ratings(pixels or _NO_PIXELS, marks)
    marks_K = None if marks is None or batch.labels_B[i] == 1 else marks.scores_K
    digest = 0
    if pixels is not None and not batch.keys_B[i]:  # without a name, what is kept tells apart
        values = held.normals.values
        some = values.at(np.linspace(0, len(values) - 1, min(len(values), PROFILE)).astype(np.intp))
        kept = (some, held.values_M, held.region_M, held.areas_L, held.peaks_L, ratings_L, marks_K)
        for array in kept:
            if array is not None:  # sorting leaves -0.0 and 0.0 in any order
                digest = zlib.crc32((array + array.dtype.type(0)).tobytes(), digest)
    return ImageRecord(
        label=int(batch.labels_B[i]),
        score=float(batch.scores_B[i]),
        ader_score=float(batch.ader_scores_B[i]),
        anomaly_type=batch.types_B[i],
        specimen=batch.specimens_B[i],
        key=batch.keys_B[i],
        digest=digest,
        known=bool(batch.known_B[i]),
        normals=None if pixels is None else pixels.normals,
        values_M=held.values_M,
        region_M=held.region_M,
        weights_M=held.weights_M,
        areas_L=held.areas_L,
        peaks_L=held.peaks_L,
        marks_K=marks_K,
        ratings_L=ratings_L,
    )


def _pixels(batch: Batch, rows: npt.NDArray[np.intp], whole: bool) -> list[_Pixels]:
    """Pixels of the images at `rows`."""
    clean = [row for row in rows if batch.labels_B[row] == 0]
    found: dict[int, _Pixels] = {}
    if clean:
        flat = batch.maps_BHW.reshape(len(batch.labels_B), -1)
        for row, values in zip(clean, sorted_rows(flat[clean]), strict=True):
            found[row] = replace(_NO_PIXELS, normals=_normals(values, whole))
    bad = [row for row in rows if batch.labels_B[row] == 1]
    for row, pixels in zip(
        bad, in_threads(lambda row: _mixed(batch, row, whole), bad), strict=True
    ):
        found[row] = pixels
    return [found[row] for row in rows]


def _mixed(batch: Batch, row: int, whole: bool) -> _Pixels:
    """Pixels of one image with regions."""
    truth = Truth(batch.regions_BHW[row : row + 1])
    flat = batch.maps_BHW[row].reshape(-1)
    if isinstance(flat, np.ndarray):
        values = flat[truth.places_M]
        rest = np.delete(flat, truth.places_M)
        normals = Ascending(np.sort(rest))
    else:
        import torch

        places = torch.from_numpy(truth.places_M).to(flat.device)
        values = host(flat[places])
        keep = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
        keep[places] = False
        normals = Ascending.of(flat[keep])
    order = np.lexsort((truth.region_M, values))
    values_M, region_M = values[order] + np.float32(0), truth.region_M[order].astype(np.int32)
    peaks_L = np.empty(len(truth.areas_L), np.float32)
    peaks_L[region_M] = values_M  # the last one written is the highest
    weights_M = None
    if not whole:
        values_M, region_M, weights_M = _thinned(values_M, region_M, truth.areas_L)
    return _Pixels(
        _normals(normals, whole), values_M, region_M, weights_M,
        truth.areas_L, peaks_L, truth.ids_L,
    )  # fmt: skip


def _normals(values: Ascending, whole: bool) -> Normals:
    count = len(values)
    if whole or count <= PROFILE:
        return Normals(count, values)
    even = np.linspace(0, count - 1, PROFILE)
    tail = count - 1 - (count - 1) * np.logspace(-6, -1, PROFILE // 2)
    ranks_K = np.unique(np.rint(np.concatenate((even, tail))).astype(np.int64))
    return Normals(count, Ascending(values.at(ranks_K)), ranks_K)


def _thinned(
    values_M: Float32s, region_M: Int32s, areas_L: Int64s
) -> tuple[Float32s, Int32s, Float32s]:
    """At most REGION_PROFILE values a region: medians of equal parts of its sorted values."""
    by_region = np.argsort(region_M, kind="stable")
    first_L = np.cumsum(areas_L) - areas_L
    kept_L = np.minimum(areas_L, REGION_PROFILE)
    region_K = np.repeat(np.arange(len(areas_L)), kept_L)
    step_K = np.arange(len(region_K)) - np.repeat(np.cumsum(kept_L) - kept_L, kept_L)
    inside_K = (2 * step_K + 1) * areas_L[region_K] // (2 * kept_L[region_K])
    picked_K = by_region[first_L[region_K] + inside_K]
    weights_K = (areas_L / kept_L)[region_K].astype(np.float32)
    order = np.lexsort((region_K, values_M[picked_K]))
    return (
        values_M[picked_K][order],
        region_K[order].astype(np.int32),
        weights_K[order],
    )
