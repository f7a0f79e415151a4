"""What is kept of single regions and images beside the metrics, as columns.

Regions serve looking (which flaws are missed, at what size); summaries serve comparing two runs
and resampling later, without the maps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.metrics.pimo import aupimo

if TYPE_CHECKING:
    from core.metrics.group import Group

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)
"""False-positive rates at which each region's recall is kept."""

Columns = dict[str, Any]


def region_columns(groups: Sequence[Group]) -> Columns:
    """One row a true region of an image with a key.

    Columns: class_name, key, region (0, 1, ... in order of their ids), area_px, peak (highest map
    value), rating (highest local maximum on or near it; None without one), found (share of it at
    or above the threshold of pixel F1-max), hit (any of it), recall (list: share of it found at
    each of RATES, on all normal pixels of the class).
    """
    columns: Columns = defaultdict(list)
    for group in groups:
        evidence, population = group.evidence, group.population
        if isinstance(evidence.pixel_ranking, str):
            continue
        threshold = np.float32(evidence.threshold)
        for image in group.images:
            if not image.regions or not image.key:
                continue
            weight_M = np.ones(len(image.values_M)) if image.weights_M is None else image.weights_M
            above = population.normals_at_or_above(image.values_M) / population.negatives
            found_LT = (
                np.stack(
                    [
                        np.bincount(image.region_M, weight_M * called, image.regions)
                        for called in (
                            image.values_M >= threshold,
                            *(above <= rate for rate in RATES),
                        )
                    ],
                    axis=1,
                )
                / np.bincount(image.region_M, weight_M, image.regions)[:, None]
            )
            rated = np.isfinite(image.ratings_L)
            columns["class_name"] += [group.name] * image.regions
            columns["key"] += [image.key] * image.regions
            columns["region"] += list(range(image.regions))
            columns["area_px"] += image.areas_L.tolist()
            columns["peak"] += image.peaks_L.tolist()
            columns["rating"] += [
                float(r) if ok else None for r, ok in zip(image.ratings_L, rated, strict=True)
            ]
            columns["found"] += found_LT[:, 0].tolist()
            columns["hit"] += (image.peaks_L >= threshold).tolist()
            columns["recall"] += found_LT[:, 1:].tolist()
    return columns


def image_pimo(groups: Sequence[Group]) -> dict[str, float]:
    """AUPIMO of each anomalous image with a key and a known mask; see `pimo`."""
    found = {}
    for group in groups:
        for image in group.images:
            if not image.regions or not image.key:
                continue
            rates_M = group.population.clean_rates(image.values_M)
            if np.isnan(rates_M).any():
                continue
            alone = np.zeros(len(rates_M), np.intp)
            found[image.key] = float(aupimo(rates_M, alone, 1, image.weights_M)[0])
    return found


def summary_columns(groups: Sequence[Group]) -> Columns:
    """Per-image histograms, one row a bin that is not empty.

    Columns: class_name, key, edge (lower edge of the bin, a map value), normal, anomalous
    (pixels), gain (sum over the anomalous ones of 1 / area of their region). Bins of a class have
    one set of edges; see `evidence.bin_edges`.
    """
    parts: dict[str, list[Any]] = defaultdict(list)
    for group in groups:
        pixels = group.pixel_summaries
        if pixels is None or not all(image.key for image in group.images):
            continue
        keys = np.array([image.key for image in group.images])
        row_K, bin_K = np.nonzero((pixels.normal_NB > 0) | (pixels.anomalous_NB > 0))
        parts["class_name"].append(np.full(len(row_K), group.name))
        parts["key"].append(keys[row_K])
        parts["edge"].append(pixels.edges_B[bin_K])
        for name, table in (
            ("normal", pixels.normal_NB),
            ("anomalous", pixels.anomalous_NB),
            ("gain", pixels.gain_NB),
        ):
            parts[name].append(table[row_K, bin_K])
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
