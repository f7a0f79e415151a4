"""FROC: lesions found against false marks per normal image.

Bunch et al., "A free-response approach to the measurement and characterization of
radiographic-observer performance", 1978; Chakraborty, "Maximum likelihood analysis of
free-response receiver operating characteristic (FROC) data", Medical Physics 16, 1989;
Chakraborty & Winter, "Free-response methodology: alternate analysis and a new observer-performance
experiment", Radiology 174, 1990. At threshold t:

    NLF(t)   non-lesion localisation fraction: marks with score >= t on normal images, divided by
             the number of normal images; it may exceed 1
    LLF(t)   lesion localisation fraction: share of all lesions with rating >= t

A lesion's rating is the score of the highest mark on it; -inf, hence never found, without a mark.
Deviation: false marks are counted on normal images alone. Marks beside a lesion may belong to it
(masks are seldom that exact), and so the curve does not depend on how many lesions there are.

The curve is a step: at a given NLF its height is the LLF at the lowest threshold whose NLF does
not exceed it. Nothing is interpolated, since no threshold reaches what lies between two steps.

Shapes: R resamples, N normal images, A anomalous images, L lesions, K marks, T thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from core.metrics.ranking import FloatArray

Index = npt.NDArray[np.intp]

_BLOCK = 2_000_000  # numbers in one array of resamples x marks (or lesions)
_MARKS = 1024  # marks looked at together, from the highest down


@dataclass(frozen=True, slots=True)
class Froc:
    """The curve of all images, and what is needed to read it in every resample.

    Attributes:
        threshold_T: all distinct ratings and scores of false marks, descending.
        nlf_T, llf_T: the unweighted curve, ascending.
        marks_K, mark_image_K: scores of the marks on normal images, descending, and their images.
        ratings_L, rating_image_L: lesions' ratings, descending, and their images.
        weights_normal_RN, weights_anomalous_RA: how often each image counts; ones where none
            were given (R = 1).
    """

    threshold_T: FloatArray
    nlf_T: FloatArray
    llf_T: FloatArray
    marks_K: FloatArray
    mark_image_K: Index
    ratings_L: FloatArray
    rating_image_L: Index
    weights_normal_RN: FloatArray
    weights_anomalous_RA: FloatArray

    def llf_at(self, nlf: float) -> FloatArray:
        """LLF at the lowest threshold whose NLF is at most `nlf`. [R]

        Exact in every resample; only its highest marks are visited. NaN where a resample holds
        no normal image or no lesion.
        """
        width = max(1, min(_MARKS, len(self.marks_K)), len(self.ratings_L))
        rows = max(1, _BLOCK // width)
        resamples = len(self.weights_normal_RN)
        return np.concatenate(
            [self._block(nlf, slice(start, start + rows)) for start in range(0, resamples, rows)]
        )

    def _block(self, nlf: float, rows: slice) -> FloatArray:
        excess_R = self._excess(nlf, self.weights_normal_RN[rows])
        found_R = np.searchsorted(-self.ratings_L, -excess_R, side="left")  # rated above it
        weight_RL = self.weights_anomalous_RA[rows][:, self.rating_image_L]
        total_RL = np.cumsum(weight_RL, axis=1)
        above_R = np.where(
            found_R > 0, total_RL[np.arange(len(found_R)), np.maximum(found_R - 1, 0)], 0.0
        )
        undefined_R = self.weights_normal_RN[rows].sum(axis=1) == 0
        with np.errstate(invalid="ignore"):
            return np.where(undefined_R, np.nan, above_R / total_RL[:, -1])

    def _excess(self, nlf: float, weights_RN: FloatArray) -> FloatArray:
        """The highest score at which NLF exceeds `nlf`; -inf where none does. [R]

        NLF changes at marks alone, so the lowest threshold allowed lies just above that score.
        """
        excess_R = np.full(len(weights_RN), -np.inf)
        total_R, so_far_R = weights_RN.sum(axis=1), np.zeros(len(weights_RN))
        open_R = np.flatnonzero(total_R > 0)
        for start in range(0, len(self.marks_K), _MARKS):
            image_K = self.mark_image_K[start : start + _MARKS]
            count_RK = so_far_R[open_R, None] + np.cumsum(weights_RN[open_R][:, image_K], axis=1)
            so_far_R[open_R] = count_RK[:, -1]
            # the quotient, not nlf * total: it is the number the curve shows
            over_R = count_RK[:, -1] / total_R[open_R] > nlf
            first = (count_RK[over_R] / total_R[open_R[over_R], None] > nlf).argmax(axis=1)
            excess_R[open_R[over_R]] = self.marks_K[start + first]
            open_R = open_R[~over_R]
            if len(open_R) == 0:
                break
        return excess_R


def lesion_ratings(
    scores_K: npt.NDArray[Any], regions_K: npt.NDArray[Any], ids_L: npt.NDArray[Any]
) -> FloatArray:
    """Ratings of one image's lesions: the highest mark on each, -inf without one. [L]

    Args:
        scores_K, regions_K: the image's marks, see `marks.Marks`.
        ids_L: ids of its lesions, distinct, in any order.
    """
    ratings_L = np.full(len(ids_L), -np.inf)
    order = np.argsort(ids_L)
    at_K = np.searchsorted(ids_L[order], regions_K)
    at_K = np.minimum(at_K, max(0, len(ids_L) - 1))
    on_K = ids_L[order][at_K] == regions_K if len(ids_L) else np.zeros(len(regions_K), bool)
    np.maximum.at(ratings_L, order[at_K[on_K]], scores_K[on_K])
    return ratings_L


def froc(
    normal_marks: Sequence[npt.NDArray[Any]],
    lesion_ratings_L: npt.NDArray[Any],
    lesion_image_L: npt.NDArray[Any],
    weights_normal_RN: npt.NDArray[Any] | None = None,
    weights_anomalous_RA: npt.NDArray[Any] | None = None,
) -> Froc:
    """The FROC curve of some images.

    Args:
        normal_marks: for each normal image the scores of its marks, in any order; maybe none.
        lesion_ratings_L: see `lesion_ratings`.
        lesion_image_L: the anomalous image each lesion is in, 0 to A - 1.
        weights_normal_RN, weights_anomalous_RA: how often each image counts in each resample;
            both or neither. Lesions follow their image.

    Raises:
        UsageError: no normal image or no lesion, NaN or infinite scores, arrays that do not fit.
    """
    normal, ratings_L = len(normal_marks), np.asarray(lesion_ratings_L, dtype=np.float64)
    image_L = np.asarray(lesion_image_L).astype(np.intp)
    if normal == 0 or len(ratings_L) == 0:
        raise UsageError(
            f"FROC needs a normal image and a lesion; {normal} normal images and "
            f"{len(ratings_L)} lesions came."
        )
    marks_K = np.concatenate([np.asarray(one, dtype=np.float64).ravel() for one in normal_marks])
    if not np.isfinite(marks_K).all() or not (ratings_L < np.inf).all():
        raise UsageError("FROC got a score that is NaN or infinite; train or predict again.")
    mark_image_K = np.repeat(np.arange(normal), [np.size(one) for one in normal_marks])
    anomalous = int(image_L.max()) + 1 if len(image_L) else 0
    weights = _weights(weights_normal_RN, weights_anomalous_RA, normal, anomalous)
    if image_L.shape != ratings_L.shape or image_L.min() < 0 or anomalous > weights[1].shape[1]:
        raise UsageError(
            f"FROC got {len(ratings_L)} ratings, images of {len(image_L)} lesions up to number "
            f"{anomalous - 1} and weights of {weights[1].shape[1]} anomalous images; one image "
            "of those weighted is needed for each rating."
        )
    down_K, down_L = np.argsort(-marks_K, kind="stable"), np.argsort(-ratings_L, kind="stable")
    threshold_T = np.unique(np.concatenate((marks_K, ratings_L[ratings_L > -np.inf])))[::-1]
    return Froc(
        threshold_T=threshold_T,
        nlf_T=_at_or_above(marks_K[down_K], threshold_T) / normal,
        llf_T=_at_or_above(ratings_L[down_L], threshold_T) / len(ratings_L),
        marks_K=marks_K[down_K],
        mark_image_K=mark_image_K[down_K],
        ratings_L=ratings_L[down_L],
        rating_image_L=image_L[down_L],
        weights_normal_RN=weights[0],
        weights_anomalous_RA=weights[1],
    )


def _at_or_above(descending: FloatArray, threshold_T: FloatArray) -> npt.NDArray[np.intp]:
    return np.searchsorted(-descending, -threshold_T, side="right")


def _weights(
    normal_RN: npt.NDArray[Any] | None,
    anomalous_RA: npt.NDArray[Any] | None,
    normal: int,
    anomalous: int,
) -> tuple[FloatArray, FloatArray]:
    if normal_RN is None and anomalous_RA is None:
        return np.ones((1, normal)), np.ones((1, anomalous))
    if normal_RN is None or anomalous_RA is None:
        raise UsageError("FROC got weights of one kind of images; give both kinds or neither.")
    if normal_RN.ndim != 2 or anomalous_RA.ndim != 2 or len(normal_RN) != len(anomalous_RA):
        raise UsageError(
            f"FROC got weights {normal_RN.shape} and {anomalous_RA.shape}; both must be "
            "[resamples, images] with as many resamples."
        )
    if normal_RN.shape[1] != normal:
        raise UsageError(
            f"FROC got weights of {normal_RN.shape[1]} normal images and marks of {normal}; "
            "one weight an image is needed."
        )
    return normal_RN.astype(np.float64), anomalous_RA.astype(np.float64)
