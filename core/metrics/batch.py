"""A batch of test images of one class, checked before anything is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data import regions as labelling
from core.errors import UsageError
from core.metrics.ascending import Maps
from core.metrics.ranking import FloatArray
from core.metrics.threads import in_threads, threads
from core.types import GOOD

Ids = npt.NDArray[np.integer[Any]]
MOST = 2**31 - 1
"""Highest region id: marks are filed by 32-bit ids."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B images.

    Attributes:
        class_name: see `Accumulator.update`.
        maps_BHW: float32; numpy, or a tensor of another device than the CPU.
        regions_BHW: region ids on the host, 0 = normal.
        scores_B, ader_scores_B: image scores; ADer's, pooled from the map (see `ader`).
        labels_B: 0 or 1.
        known_B: whether the image counts for pixel metrics: normal ones, and anomalous ones with
            a region.
        types_B, specimens_B, keys_B: one an image; "" and None where not known.
    """

    class_name: str
    maps_BHW: Maps
    regions_BHW: Ids
    scores_B: FloatArray
    ader_scores_B: FloatArray
    labels_B: npt.NDArray[np.int64]
    known_B: npt.NDArray[np.bool_]
    types_B: tuple[str, ...]
    specimens_B: tuple[str | None, ...]
    keys_B: tuple[str, ...]


def checked(
    class_name: str,
    maps_BHW: Any,
    regions_BHW: Any,
    scores_B: npt.ArrayLike,
    labels_B: npt.ArrayLike,
    has_mask_B: npt.ArrayLike | None,
    anomaly_types_B: Sequence[str] | None,
    specimens_B: Sequence[str | None] | None,
    keys_B: Sequence[str] | None,
    ader_scores_B: npt.ArrayLike | None,
) -> Batch:
    """The batch, if everything in it fits together; see `require_finite` for the maps.

    Raises:
        UsageError: shapes that do not fit, a score that is not finite, a label other than 0 or 1,
            a normal image with an anomalous pixel; names the class.
    """
    where = f"Class {class_name!r}"
    maps, regions = _maps(maps_BHW), region_ids(class_name, regions_BHW)
    labels = np.asarray(_on_host(labels_B))
    scores = np.asarray(_on_host(scores_B), dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    shape = tuple(maps.shape)
    if len(shape) != 3 or 0 in shape or regions.shape != shape:
        raise UsageError(
            f"{where}: maps came with shape {shape} and regions with {regions.shape}; "
            "both must be [images, height, width]."
        )
    count = shape[0]
    has_mask = (
        np.ones(count, bool) if has_mask_B is None else np.asarray(_on_host(has_mask_B), bool)
    )
    if not scores.shape == labels.shape == has_mask.shape == (count,):
        raise UsageError(
            f"{where}: {count} maps came with scores {scores.shape}, labels {labels.shape} "
            f"and mask flags {has_mask.shape}; one of each an image is needed."
        )
    if not np.isin(labels, (0, 1)).all():
        raise UsageError(f"{where}: a label is neither 0 (normal) nor 1 (anomalous).")
    if not np.isfinite(scores).all():
        raise not_finite(class_name, "score")
    rows = regions.reshape(count, -1)
    halves = np.array_split(rows, min(count, threads()))
    if regions.dtype.kind == "i" and min(in_threads(lambda half: half.min(), halves)) < 0:
        raise UsageError(f"{where}: a region id is negative; use 0 for normal pixels and 1, 2, ...")
    highest_B = np.concatenate(in_threads(lambda half: half.max(axis=1), halves))
    if int(highest_B.max()) > MOST:
        raise UsageError(f"{where}: a region id is above {MOST:,}; number regions 1, 2, ...")
    marked_B = highest_B > 0
    if marked_B[labels == 0].any():
        raise UsageError(
            f"{where}: a normal image has anomalous pixels; correct its label or mask."
        )
    texts = (anomaly_types_B, specimens_B, keys_B)
    if any(listed is not None and len(listed) != count for listed in texts):
        raise UsageError(f"{where}: give one anomaly type, specimen and key an image, or none.")
    types = ("",) * count if anomaly_types_B is None else tuple(map(str, anomaly_types_B))
    if any(kind == GOOD for kind, label in zip(types, labels, strict=True) if label == 1):
        raise UsageError(
            f"{where}: an anomalous image came with anomaly type {GOOD!r}; correct its label or "
            "its type."
        )
    pooled = scores if ader_scores_B is None else np.asarray(_on_host(ader_scores_B), np.float64)
    if pooled.shape != (count,):
        raise UsageError(
            f"{where}: {count} maps came with ADer scores {pooled.shape}; give one an image, or "
            "none."
        )
    if not np.isfinite(pooled).all():
        raise not_finite(class_name, "score")
    return Batch(
        class_name=class_name,
        maps_BHW=maps,
        regions_BHW=regions,
        scores_B=scores,
        ader_scores_B=pooled + 0.0,
        labels_B=labels.astype(np.int64),
        known_B=(labels == 0) | (has_mask & marked_B),
        types_B=tuple(t if bad else GOOD for t, bad in zip(types, labels == 1, strict=True)),
        specimens_B=(None,) * count if specimens_B is None else tuple(specimens_B),
        keys_B=("",) * count if keys_B is None else tuple(keys_B),
    )


def _maps(maps: Any) -> Maps:
    """Float32 and contiguous, where it lies; a tensor of the CPU becomes numpy without a copy."""
    device = getattr(maps, "device", None)
    if device is not None and getattr(device, "type", "cpu") != "cpu":
        found: Maps = maps.detach().float().contiguous()
        return found
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(_on_host(maps).astype(np.float32, copy=False))


def _on_host(values: Any) -> npt.NDArray[Any]:
    """Anything array-like as numpy; labels, scores and masks of other devices are copied."""
    if hasattr(values, "detach"):
        here = values.detach().cpu()
        # numpy has no bfloat16
        return np.asarray((here.float() if str(here.dtype) == "torch.bfloat16" else here).numpy())
    return np.asarray(values)


def require_finite(batch: Batch, rows: npt.NDArray[np.intp]) -> None:
    """Raises UsageError when a map at `rows` holds NaN or infinity."""
    if not all(in_threads(lambda row: _finite(batch.maps_BHW[row]), rows.tolist())):
        raise not_finite(batch.class_name, "map")


def _finite(map_HW: Maps) -> bool:
    if isinstance(map_HW, np.ndarray):  # both ends carry NaN along
        return bool(np.isfinite(map_HW.min()) and np.isfinite(map_HW.max()))
    return bool(map_HW.isfinite().all())


def not_finite(class_name: str, what: str) -> UsageError:
    """The sentence for a map or score that holds NaN or infinity."""
    return UsageError(
        f"Class {class_name!r}: a {what} holds NaN or infinity; train or predict it again."
    )


def region_ids(class_name: str, regions_BHW: Any) -> Ids:
    """Region ids on the host; those of boolean masks are found first.

    Raises:
        UsageError: neither integers nor booleans, or a mask with too many regions.
    """
    where, regions = f"Class {class_name!r}", _on_host(regions_BHW)
    if np.issubdtype(regions.dtype, np.integer):
        return regions
    if regions.dtype != bool or regions.ndim != 3:
        raise UsageError(
            f"{where}: regions came as {regions.dtype} of shape {regions.shape}; give integer "
            "region ids or boolean masks, [images, height, width]."
        )
    found = [labelling.label(mask) for mask in regions]
    if any(one is None for one in found):
        raise UsageError(
            f"{where}: a mask has more than {labelling.MOST_REGIONS:,} regions; "
            "check that it is a mask."
        )
    return np.array([one for one in found if one is not None], np.uint16).reshape(regions.shape)


def new_keys(batch: Batch, known: set[str]) -> set[str]:
    """The batch's keys; raises UsageError when an image comes twice, or is known already."""
    named = [key for key in batch.keys_B if key]
    if len(set(named)) < len(named):
        raise UsageError(
            f"Class {batch.class_name!r}: two images of a batch have one key; give each its own."
        )
    require_apart(batch.class_name, known, set(named))
    return set(named)


def require_apart(class_name: str, some: set[str], others: set[str]) -> None:
    """Raises UsageError when an image is on both sides."""
    if twice := sorted(some & others):
        raise UsageError(
            f"Class {class_name!r}: {len(twice)} images such as {twice[0]!r} came twice; add each "
            "once."
        )
